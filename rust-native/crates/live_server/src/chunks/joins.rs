//! Players at the door of a stream's handout: each is let in between two units, by the thread that hands them out.

use std::sync::Arc;

use media::AccessUnit;
use parking_lot::Mutex;
use stream::{Lanes, Reader};
use tokio::sync::oneshot;

/// What who was let in goes on with.
#[derive(Debug)]
pub(crate) struct Joined {
    /// What came since the last keyframe.
    pub(crate) backlog: Vec<AccessUnit>,
    /// What comes from now on.
    pub(crate) units: Reader<AccessUnit>,
}

/// Who asks.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) lanes: Lanes,
    /// Units that may wait for it.
    pub(super) queue: usize,
    answer: oneshot::Sender<Joined>,
}

impl Join {
    pub(super) fn answer(self, joined: Joined) {
        // Who has left meanwhile needs none.
        let _ = self.answer.send(joined);
    }
}

/// Those who wait; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Joins(Arc<Mutex<Vec<Join>>>);

impl Joins {
    pub(super) fn ask(&self, lanes: Lanes, queue: usize) -> oneshot::Receiver<Joined> {
        let (answer, joined) = oneshot::channel();
        self.0.lock().push(Join { lanes, queue, answer });
        joined
    }

    pub(super) fn take(&self) -> Vec<Join> {
        std::mem::take(&mut *self.0.lock())
    }
}

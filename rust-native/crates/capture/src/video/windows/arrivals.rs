//! What the Graphics Capture API's thread tells ours, and how ours waits for it.

use std::time::Instant;

use media::{Clock, MediaTime, MonotonicClock};
use parking_lot::{Condvar, Mutex};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// A frame that nobody has read yet: when it was made, and when the first one came that it stands for.
    pending: Option<Pending>,
    /// The window was closed or the monitor unplugged.
    closed: bool,
    /// The owner wants to be heard.
    woken: bool,
}

/// A frame that lies in the GPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) captured_at: MediaTime,
    /// When the first change since the last picture came.
    pub(super) wanted: MediaTime,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct News {
    pub(super) pending: Option<Pending>,
    pub(super) closed: bool,
}

impl Arrivals {
    /// Waits until `deadline` for a frame (only while `for_frames`), the end, or a [`Self::wake`].
    pub(super) fn wait(&self, deadline: Instant, for_frames: bool) -> News {
        let mut state = self.state.lock();
        while !(state.closed || state.woken || (for_frames && state.pending.is_some())) {
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        state.woken = false;
        News { pending: state.pending, closed: state.closed }
    }

    /// Ends the present or next wait.
    pub(super) fn wake(&self) {
        self.state.lock().woken = true;
        self.changed.notify_all();
    }

    pub(super) fn put(&self, captured_at: MediaTime) {
        let mut state = self.state.lock();
        let wanted = state.pending.map_or_else(|| MonotonicClock.now(), |pending| pending.wanted);
        state.pending = Some(Pending { captured_at, wanted });
        self.changed.notify_all();
    }

    pub(super) fn take(&self) -> Option<Pending> {
        self.state.lock().pending.take()
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }
}

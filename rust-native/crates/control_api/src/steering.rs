//! Lets the primary destination's path steer the encode: looks twenty times a second, asks the policy, passes it on.
//!
//! Beside the session's line of orders, in which a command may take seconds. It decides nothing: the policy is
//! [`crate::adaptation`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use media::Bitrate;
use parking_lot::Mutex;
use publish::{Health, PathLimit, Pulse};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::adaptation::{Adaptation, Freedom, Path, Rendition};
use crate::pipeline::EncodeControl;

/// A shortage is to be obeyed within 300 ms, most of which the reports of the other side take.
const LOOK: Duration = Duration::from_millis(50);
/// Where nobody is live yet, or the destination is on this machine: a still desktop is to stay at rest.
const GLANCE: Duration = Duration::from_millis(500);

/// What the session knows.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    pub(crate) wanted: Bitrate,
    /// The primary destination, by the number under which it was started.
    pub(crate) primary: Option<(u64, Pulse)>,
    pub(crate) freedom: Freedom,
}

/// What became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Bearing {
    pub(crate) allowed: Option<Rendition>,
    pub(crate) estimate: Option<Bitrate>,
    pub(crate) limit: PathLimit,
    /// The path carries less than was asked for, obeyed or not.
    pub(crate) short: bool,
}

#[derive(Debug)]
struct Shared {
    course: Mutex<Course>,
    bearing: Mutex<Bearing>,
    changed: Notify,
}

/// The task; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Steering {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Steering {
    /// Starts it, with nobody to steer by. Needs a tokio runtime around it.
    pub(crate) fn start(encode: EncodeControl, wanted: Bitrate) -> Self {
        let course = Course { wanted, primary: None, freedom: Freedom::Nothing };
        let shared = Arc::new(Shared { course: Mutex::new(course), bearing: Mutex::default(), changed: Notify::new() });
        let task = tokio::spawn(steer(Arc::clone(&shared), encode));
        Self { shared, task }
    }

    /// What holds from now on.
    pub(crate) fn set(&self, course: Course) {
        *self.shared.course.lock() = course;
        self.shared.changed.notify_one();
    }

    /// How it stands.
    pub(crate) fn bearing(&self) -> Bearing {
        *self.shared.bearing.lock()
    }
}

impl Drop for Steering {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn steer(shared: Arc<Shared>, encode: EncodeControl) {
    let mut policy = Adaptation::default();
    let mut steered_by = None;
    loop {
        let course = shared.course.lock().clone();
        let number = course.primary.as_ref().map(|(number, _)| *number);
        if number != steered_by {
            steered_by = number;
            policy = Adaptation::default();
        }
        let health = course.primary.as_ref().and_then(|(_, pulse)| pulse.read()).filter(is_telling);
        let path = health.as_ref().map(path_of);
        let rendition = policy.step(Instant::now(), course.wanted, path.as_ref(), course.freedom);
        encode.allow(rendition);
        *shared.bearing.lock() = Bearing {
            allowed: Some(rendition),
            estimate: health.and_then(|health| health.estimate),
            limit: health.map_or(PathLimit::None, |health| health.limit),
            short: policy.is_short(),
        };
        match (number, path) {
            // What the session says meanwhile is read at the next look.
            (Some(_), Some(_)) => tokio::time::sleep(LOOK).await,
            (Some(_), None) => {
                let _ = timeout(GLANCE, shared.changed.notified()).await;
            }
            (None, _) => shared.changed.notified().await,
        }
    }
}

/// Only what is live, and not on this machine, says something of a network.
fn is_telling(health: &Health) -> bool {
    health.steers && health.first_byte.is_some()
}

fn path_of(health: &Health) -> Path {
    Path { estimate: health.estimate, queue: health.queue, loss: health.loss, sent: health.sent_bytes }
}

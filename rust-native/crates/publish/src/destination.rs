//! A destination as its owner sees it, and the loop that keeps it alive.

use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{AccessUnit, Bitrate, Secret};
use parking_lot::Mutex;
use signaling::whip::is_loopback;
use stream::Broadcast;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use url::Url;
use webrtc_transport::{PeerHandle, PeerStats};

use crate::retry::{RetryPolicy, Verdict};
use crate::whip::{End, Failure, Session};

/// A connection that held for this long was a good one: the next failure counts as the first.
const GOOD: Duration = Duration::from_secs(10);
/// What `stop` takes at most; the server finds out by itself later.
const STOP: Duration = Duration::from_secs(2);
/// What one of its two steps (an answer that is under way, the DELETE) takes at most.
pub(crate) const STOP_STEP: Duration = Duration::from_secs(1);

/// Where a destination stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishStatus {
    /// The first attempt.
    Connecting,
    /// Connected, and media flows.
    Live {
        /// After a break.
        resumed: bool,
    },
    /// An attempt failed, or the connection broke; the next attempt follows.
    Reconnecting {
        /// Failures in a row.
        attempt: u32,
        /// The pause.
        retry_in: Duration,
        /// Why.
        code: &'static str,
        /// Why, in one sentence.
        message: String,
        /// What to do, in one sentence.
        hint: &'static str,
    },
    /// It ended by itself.
    Failed {
        /// Why.
        code: &'static str,
        /// Why, in one sentence.
        message: String,
        /// What to do, in one sentence.
        hint: &'static str,
    },
    /// It was stopped.
    Stopped,
}

/// A WHIP server (RFC 9725).
#[derive(Debug, Clone)]
pub struct WhipTarget {
    /// `http` or `https`. May hold a key in its path: never shown.
    pub url: String,
    /// The bearer token.
    pub key: Option<Secret>,
    /// What the encoder gives.
    pub target_bitrate: Bitrate,
}

/// What a session needs of its destination.
pub(crate) struct Context {
    pub(crate) url: Url,
    pub(crate) key: Option<Secret>,
    pub(crate) loopback: bool,
    pub(crate) hub: Broadcast<AccessUnit>,
    pub(crate) request_keyframe: Arc<dyn Fn() + Send + Sync>,
    pub(crate) on_status: Box<dyn Fn(PublishStatus) + Send + Sync>,
    pub(crate) shared: Arc<Shared>,
}

/// What the owner sees of the running session.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) peer: Mutex<Option<PeerHandle>>,
    pub(crate) target_bitrate: Mutex<Bitrate>,
}

/// One place that the stream is sent to. Dropping it ends it without waiting.
#[derive(Debug)]
pub struct Destination {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Destination {
    /// Starts sending what `hub` gives; must be called in a tokio context.
    ///
    /// `request_keyframe` and `on_status` are called from the destination's own task and must not block.
    /// [`PublishStatus::Failed`] and [`PublishStatus::Stopped`] are the last status.
    pub fn start(
        target: WhipTarget,
        hub: Broadcast<AccessUnit>,
        request_keyframe: Arc<dyn Fn() + Send + Sync>,
        on_status: impl Fn(PublishStatus) + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared { peer: Mutex::new(None), target_bitrate: Mutex::new(target.target_bitrate) });
        let (stop, stopped) = watch::channel(false);
        let task = {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                on_status(PublishStatus::Connecting);
                // Surrounding blanks come with a copied address.
                let Ok(url) = Url::parse(target.url.trim()) else {
                    let failure = Failure::from(signaling::WhipError::BadUrl);
                    return on_status(failure.into_failed());
                };
                let loopback = is_loopback(&url);
                let on_status = Box::new(on_status);
                let context = Context { url, key: target.key, loopback, hub, request_keyframe, on_status, shared };
                run(context, stopped).await;
            })
        };
        Self { shared, stop, task }
    }

    /// Counters of the present connection, which start anew with each; `None` between two.
    pub fn stats(&self) -> Option<PeerStats> {
        self.shared.peer.lock().as_ref().map(PeerHandle::stats)
    }

    /// The encoder's target has changed.
    pub fn set_target_bitrate(&self, target: Bitrate) {
        *self.shared.target_bitrate.lock() = target;
        if let Some(peer) = self.shared.peer.lock().as_ref() {
            peer.set_target_bitrate(target);
        }
    }

    /// Ends the session on the server (DELETE) and the connection; takes two seconds at the most.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if timeout(STOP + Duration::from_millis(500), self.task).await.is_err() {
            tracing::warn!("a destination takes long to end");
        }
    }
}

async fn run(context: Context, mut stopped: watch::Receiver<bool>) {
    let mut attempt = 0;
    let mut down_since = Instant::now();
    let mut was_live = false;
    let mut ice_servers = Vec::new();
    loop {
        let session = Session { context: &context, resumed: was_live, ice_servers: &mut ice_servers };
        let (end, live_since) = session.run(&mut stopped).await;
        *context.shared.peer.lock() = None;
        if let Some(since) = live_since {
            was_live = true;
            down_since = Instant::now();
            if since.elapsed() >= GOOD {
                attempt = 0;
            }
        }
        let failure = match end {
            End::Stopped => return (context.on_status)(PublishStatus::Stopped),
            End::Failed(failure) => failure,
        };
        attempt += 1;
        let policy = RetryPolicy {
            attempt,
            down_for: down_since.elapsed(),
            is_final: failure.is_final,
            retry_after: failure.retry_after,
            loopback: context.loopback,
        };
        let pause = match policy.verdict(rand::random()) {
            Verdict::Retry(pause) => pause,
            Verdict::GiveUp => return (context.on_status)(failure.into_failed()),
        };
        tracing::info!(
            code = failure.code,
            message = failure.message,
            attempt,
            ?pause,
            "the destination is tried again"
        );
        (context.on_status)(PublishStatus::Reconnecting {
            attempt,
            retry_in: pause,
            code: failure.code,
            message: failure.message,
            hint: failure.hint,
        });
        tokio::select! {
            () = sleep(pause) => {}
            () = until_stopped(&mut stopped) => return (context.on_status)(PublishStatus::Stopped),
        }
    }
}

/// Resolves once the destination is stopped or dropped.
pub(crate) async fn until_stopped(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

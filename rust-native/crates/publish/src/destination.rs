//! A destination as its owner sees it, and the loop that keeps it alive.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use media::{AccessUnit, Bitrate, VideoCodec};
use parking_lot::Mutex;
use stream::Broadcast;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use webrtc_transport::{LowerLayer, PeerHandle};

use crate::failure::Failure;
use crate::health::{self, Gauges, Health};
use crate::net::{self, Dial};
use crate::retry::{RetryPolicy, Verdict};
use crate::target::{Parsed, Target};
use crate::{datagram, rtmp, rtp, webrtc};

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

/// How a session ended.
#[derive(Debug)]
pub(crate) enum End {
    Stopped,
    Failed(Failure),
}

/// What a session needs of its destination.
pub(crate) struct Context {
    pub(crate) loopback: bool,
    /// As what the hub's pictures are coded.
    pub(crate) codec: VideoCodec,
    pub(crate) hub: Broadcast<AccessUnit>,
    /// Lower encodings of the hub's pictures, for a session that offers them.
    pub(crate) lower: Vec<LowerLayer>,
    pub(crate) request_keyframe: Arc<dyn Fn() + Send + Sync>,
    pub(crate) on_status: Box<dyn Fn(PublishStatus) + Send + Sync>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) dial: Dial,
}

/// What the owner sees of the running session.
#[derive(Debug)]
pub(crate) struct Shared {
    /// A WebRTC session's, which counts by itself.
    pub(crate) peer: Mutex<Option<PeerHandle>>,
    /// From a WebRTC session's start to its first packet.
    pub(crate) first_byte: Mutex<Option<Duration>>,
    pub(crate) target_bitrate: Mutex<Bitrate>,
    gauges: Mutex<Option<Arc<Gauges>>>,
    /// The target is on this machine.
    loopback: AtomicBool,
    retry: Notify,
}

impl Shared {
    pub(crate) fn new(target: Bitrate) -> Self {
        Self {
            peer: Mutex::new(None),
            first_byte: Mutex::new(None),
            target_bitrate: Mutex::new(target),
            gauges: Mutex::new(None),
            loopback: AtomicBool::new(false),
            retry: Notify::new(),
        }
    }

    /// Figures for a new session.
    pub(crate) fn begin(&self) -> Arc<Gauges> {
        let gauges = Arc::new(Gauges::start());
        *self.gauges.lock() = Some(Arc::clone(&gauges));
        gauges
    }

    /// Figures of the present connection; `None` between two.
    pub(crate) fn health(&self) -> Option<Health> {
        let peer = self.peer.lock().as_ref().map(|peer| health::of_peer(&peer.stats(), *self.first_byte.lock()));
        let health = peer.or_else(|| self.gauges.lock().as_ref().map(|gauges| gauges.read()))?;
        Some(Health { steers: !self.loopback.load(Ordering::Relaxed), ..health })
    }

    fn end(&self) {
        *self.peer.lock() = None;
        *self.first_byte.lock() = None;
        *self.gauges.lock() = None;
    }
}

/// A destination's figures, read as often as one likes.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Shared>);

impl Pulse {
    /// As [`Destination::health`].
    pub fn read(&self) -> Option<Health> {
        self.0.health()
    }
}

/// One place that the stream is sent to. Dropping it ends it without waiting.
#[derive(Debug)]
pub struct Destination {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Destination {
    /// Starts sending what `hub` gives to one target; must be called in a tokio context.
    ///
    /// `request_keyframe` and `on_status` are called from the destination's own task and must not block.
    /// [`PublishStatus::Failed`] and [`PublishStatus::Stopped`] are the last status.
    pub fn start(
        target: impl Into<Target>,
        hub: Broadcast<AccessUnit>,
        request_keyframe: Arc<dyn Fn() + Send + Sync>,
        on_status: impl Fn(PublishStatus) + Send + Sync + 'static,
    ) -> Self {
        Self::start_with_codec(target, VideoCodec::H264, hub, request_keyframe, on_status)
    }

    /// As [`Self::start`], for a hub whose pictures are so coded. A target that can't take them fails at once with
    /// `codec_not_taken`; an RTMP server decides by what it lists.
    pub fn start_with_codec(
        target: impl Into<Target>,
        codec: VideoCodec,
        hub: Broadcast<AccessUnit>,
        request_keyframe: Arc<dyn Fn() + Send + Sync>,
        on_status: impl Fn(PublishStatus) + Send + Sync + 'static,
    ) -> Self {
        Self::spawn((target.into(), codec), (hub, Vec::new()), request_keyframe, Box::new(on_status))
    }

    /// As [`Self::start`], for a WebRTC target that is offered lower encodings of the same pictures, too (RFC 8853). Those
    /// that the other side does not take are not read; other targets take none.
    pub fn start_with_layers(
        target: impl Into<Target>,
        hub: Broadcast<AccessUnit>,
        lower: Vec<LowerLayer>,
        request_keyframe: Arc<dyn Fn() + Send + Sync>,
        on_status: impl Fn(PublishStatus) + Send + Sync + 'static,
    ) -> Self {
        Self::spawn((target.into(), VideoCodec::H264), (hub, lower), request_keyframe, Box::new(on_status))
    }

    // Not generic, so that the protocols are compiled here and not once more in each program.
    fn spawn(
        (target, codec): (Target, VideoCodec),
        (hub, lower): (Broadcast<AccessUnit>, Vec<LowerLayer>),
        request_keyframe: Arc<dyn Fn() + Send + Sync>,
        on_status: Box<dyn Fn(PublishStatus) + Send + Sync>,
    ) -> Self {
        let shared = Arc::new(Shared::new(target.target_bitrate()));
        let (stop, stopped) = watch::channel(false);
        let task = {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                on_status(PublishStatus::Connecting);
                let target = match target.parse().and_then(|target| target.takes(codec).map(|()| target)) {
                    Ok(target) => target,
                    Err(failure) => return on_status(failure.into_failed()),
                };
                let loopback = target.is_loopback();
                shared.loopback.store(loopback, Ordering::Relaxed);
                let dial = net::dial();
                let context = Context { loopback, codec, hub, lower, request_keyframe, on_status, shared, dial };
                run(context, Attempts::new(target), stopped).await;
            })
        };
        Self { shared, stop, task }
    }

    /// Figures of the present connection, which start anew with each; `None` between two.
    pub fn health(&self) -> Option<Health> {
        self.shared.health()
    }

    /// The same figures, for whoever does not own the destination; it gives none once that has ended.
    pub fn pulse(&self) -> Pulse {
        Pulse(Arc::clone(&self.shared))
    }

    /// Tries again now, where it waits for its next attempt.
    pub fn retry_now(&self) {
        self.shared.retry.notify_one();
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

/// One connection after the other, whatever the protocol.
pub(crate) trait Attempt {
    /// One, to its end; also since when it was live, if it was.
    fn attempt(
        &mut self,
        context: &Context,
        resumed: bool,
        stopped: &mut watch::Receiver<bool>,
    ) -> impl Future<Output = (End, Option<Instant>)> + Send;
}

pub(crate) async fn run(context: Context, mut attempts: impl Attempt, mut stopped: watch::Receiver<bool>) {
    let mut attempt = 0;
    let mut down_since = Instant::now();
    let mut was_live = false;
    loop {
        // A panic inside somebody's crate is one destination's failure: it is logged by the panic's hook, and tried again.
        let begun = Instant::now();
        let (end, live_since) = AssertUnwindSafe(attempts.attempt(&context, was_live, &mut stopped))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| (End::Failed(Failure::bad_peer("what could not be borne")), None));
        context.shared.end();
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
            took: if live_since.is_some() { failure.waited } else { begun.elapsed() },
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
            () = context.shared.retry.notified() => attempt = 0,
            () = until_stopped(&mut stopped) => return (context.on_status)(PublishStatus::Stopped),
        }
    }
}

/// Connects as far as the server's "yes" to H.264, and leaves again.
///
/// # Errors
/// Why it did not come about.
pub fn test(target: &Target) -> BoxFuture<'_, Result<(), Failure>> {
    test_with_codec(target, VideoCodec::H264)
}

/// As [`test`], for pictures so coded.
///
/// # Errors
/// Why it did not come about.
pub fn test_with_codec(target: &Target, codec: VideoCodec) -> BoxFuture<'_, Result<(), Failure>> {
    // Boxed, so that the protocols are compiled here and not once more in each program that awaits it.
    Box::pin(async move {
        let parsed = target.parse()?;
        parsed.takes(codec)?;
        match parsed {
            Parsed::WebRtc(place) => webrtc::test(&place, target.target_bitrate()).await,
            Parsed::Rtmp { target, .. } => rtmp::test(&target, codec).await,
            Parsed::Datagrams(link) => datagram::test(&link).await,
            Parsed::Rtp(link) => rtp::test(&link).await,
        }
    })
}

/// Attempts at a real target.
pub(crate) struct Attempts {
    target: Parsed,
    /// What one WebRTC session leaves for the next.
    memory: webrtc::Memory,
}

impl Attempts {
    pub(crate) fn new(target: Parsed) -> Self {
        Self { target, memory: webrtc::Memory::default() }
    }
}

impl Attempt for Attempts {
    async fn attempt(
        &mut self,
        context: &Context,
        resumed: bool,
        stopped: &mut watch::Receiver<bool>,
    ) -> (End, Option<Instant>) {
        match &self.target {
            Parsed::WebRtc(place) => webrtc::Session::new(context, place, resumed, &mut self.memory).run(stopped).await,
            Parsed::Rtmp { target, options } => rtmp::Session { context, target, options, resumed }.run(stopped).await,
            Parsed::Datagrams(link) => datagram::Session { context, link, resumed }.run(stopped).await,
            Parsed::Rtp(link) => rtp::Session { context, link, resumed }.run(stopped).await,
        }
    }
}

/// Resolves once the destination is stopped or dropped.
pub(crate) async fn until_stopped(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// Nobody answers there.
    struct Absent(Arc<AtomicU32>);

    impl Attempt for Absent {
        async fn attempt(&mut self, _: &Context, _: bool, _: &mut watch::Receiver<bool>) -> (End, Option<Instant>) {
            self.0.fetch_add(1, Ordering::Relaxed);
            (End::Failed(Failure::no_answer()), None)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reconnect_now_tries_at_once_and_begins_with_the_shortest_pause_again() {
        let attempts = Arc::new(AtomicU32::new(0));
        let shared = Arc::new(Shared::new(Bitrate::from_kbps(600)));
        let (stop, stopped) = watch::channel(false);
        let context = Context {
            loopback: false,
            codec: VideoCodec::H264,
            hub: Broadcast::default(),
            lower: Vec::new(),
            request_keyframe: Arc::new(|| {}),
            on_status: Box::new(|_| {}),
            shared: Arc::clone(&shared),
            dial: net::dial(),
        };
        let task = tokio::spawn(run(context, Absent(Arc::clone(&attempts)), stopped));
        let count = || attempts.load(Ordering::Relaxed);
        // Pauses are at their longest, and one has just begun.
        sleep(Duration::from_secs(30)).await;
        let before = count();
        while count() == before {
            sleep(Duration::from_millis(10)).await;
        }
        sleep(Duration::from_millis(500)).await;
        assert_eq!(count(), before + 1);
        shared.retry.notify_one();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(count(), before + 2, "at once");
        sleep(Duration::from_millis(1300)).await;
        assert_eq!(count(), before + 3, "a second later, as after the first failure");
        stop.send_replace(true);
        task.await.expect("its end");
    }
}

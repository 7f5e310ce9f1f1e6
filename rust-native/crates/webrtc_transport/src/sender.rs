//! The task of one peer: takes units from its own bounded reader, writes packets, and tells what happens.
//!
//! It alone waits for the connection's queue, so a slow peer loses its own pictures and nobody else's.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use media::{AccessUnit, Bitrate, Track};
use rtc::peer_connection::state::RTCPeerConnectionState as State;
use stream::Reader;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};
use webrtc::media_stream::track_local::TrackLocal;

use crate::PeerEvent;
use crate::h264::MAX_PAYLOAD;
use crate::interceptor::Sources;
use crate::network::{self, Watch};
use crate::outgoing::{Negotiated, Outgoing};
use crate::session::Session;
use crate::stats::Counters;
use crate::timing::StreamClock;

/// More than this in the pacer means that the path carries less than the encoder gives: what is queued would
/// arrive too late for a live picture, so the peer skips to a keyframe.
const MAX_QUEUE: Duration = Duration::from_millis(500);
/// It goes on once the queue has come down to this.
const RESUME_QUEUE: Duration = Duration::from_millis(100);
/// A keyframe that was asked for and did not come is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Places in the event queue that only changes of state may take.
const RESERVED_EVENTS: usize = 16;

/// What the task works with.
pub(crate) struct Sender {
    pub(crate) session: Arc<Session>,
    pub(crate) units: Reader<AccessUnit>,
    pub(crate) events: mpsc::Sender<PeerEvent>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) sources: Sources,
    pub(crate) clock: StreamClock,
    pub(crate) state: watch::Receiver<State>,
    pub(crate) negotiated: watch::Receiver<Option<Negotiated>>,
    /// Of a publisher.
    pub(crate) watch: Option<Watch>,
}

/// How the video track stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Video {
    /// Sends what comes.
    Flows,
    /// Waits for a keyframe.
    AwaitsKeyframe,
    /// Waits for the queue to drain, then for a keyframe.
    Lags,
}

/// The connection is gone.
struct Gone;

impl Sender {
    /// Runs until `stop` resolves or is dropped, then closes the connection.
    pub(crate) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        tokio::select! {
            _ = &mut stop => {}
            () = self.send() => {
                self.emit_state(PeerEvent::Closed);
                let _ = stop.await;
            }
        }
        if let Err(error) = self.session.connection.close().await {
            tracing::debug!(%error, "the connection did not close cleanly");
        }
    }

    async fn send(&mut self) {
        let counters = Arc::clone(&self.counters);
        let mut outgoing: Option<Outgoing> = None;
        let mut video = Video::AwaitsKeyframe;
        let mut told = State::New;
        let mut ended = false;
        let mut again = interval(ASK_AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = self.state.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                changed = self.negotiated.changed(), if outgoing.is_none() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = counters.keyframe_wanted.notified() => self.emit(PeerEvent::KeyframeRequest),
                () = counters.estimate_moved.notified() => self.emit_estimate(),
                _ = again.tick() => {
                    self.look_at_network(told).await;
                    if outgoing.is_some() && video == Video::AwaitsKeyframe && !ended {
                        self.emit(PeerEvent::KeyframeRequest);
                    }
                }
                unit = self.units.recv(), if !ended => match (unit, &mut outgoing) {
                    (Ok(unit), Some(outgoing)) => {
                        if self.unit(&unit, outgoing, &mut video).await.is_err() {
                            return;
                        }
                    }
                    // Not connected: what is old by then is never sent.
                    (Ok(_), None) => {}
                    (Err(_), _) => ended = true,
                },
            }
            let state = *self.state.borrow_and_update();
            let negotiated = *self.negotiated.borrow_and_update();
            if let (None, State::Connected, Some(negotiated)) = (&outgoing, state, negotiated) {
                let first = Outgoing::new(negotiated, self.sources, self.clock);
                self.counters.start(first.last_video_sequence());
                outgoing = Some(first);
                self.emit_state(PeerEvent::Connected);
                self.emit(PeerEvent::KeyframeRequest);
                told = state;
            } else if state != told {
                told = state;
                match state {
                    State::Connected if outgoing.is_some() => self.emit_state(PeerEvent::Connected),
                    State::Disconnected if outgoing.is_some() => self.emit_state(PeerEvent::Disconnected),
                    State::Failed => self.emit_state(PeerEvent::Failed),
                    State::Closed => return,
                    _ => {}
                }
            }
        }
    }

    async fn unit(&self, unit: &AccessUnit, outgoing: &mut Outgoing, video: &mut Video) -> Result<(), Gone> {
        match unit.track {
            Track::Audio => {
                for packet in outgoing.packets(unit) {
                    self.session.audio.write_rtp(packet).await.map_err(|_| Gone)?;
                }
                return Ok(());
            }
            Track::Video => *video = self.decide(*video, unit.keyframe),
            // No peer subscribes to it, and browsers have no decoder for it in WebRTC.
            Track::Aac | Track::Input(_) | Track::Hevc | Track::Av1 => return Ok(()),
        }
        if *video != Video::Flows {
            self.counters.skipped_units.fetch_add(u64::from(outgoing.has_shown()), Ordering::Relaxed);
            return Ok(());
        }
        let dropped = self.units.stats().dropped;
        if !outgoing.has_shown() {
            self.counters.dropped_before.store(dropped, Ordering::Relaxed);
        }
        self.counters.reader_dropped.store(dropped, Ordering::Relaxed);
        let packets = outgoing.packets(unit);
        self.counters.written(outgoing.last_video_sequence());
        for packet in packets {
            self.session.video.write_rtp(packet).await.map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// What becomes of the next picture.
    fn decide(&self, video: Video, keyframe: bool) -> Video {
        let estimate = self.counters.estimate.load(Ordering::Relaxed);
        let queue = queue_time(self.counters.backlog(), estimate);
        let next = next_video(video, keyframe, queue);
        if video == Video::Lags && next == Video::AwaitsKeyframe {
            self.emit(PeerEvent::KeyframeRequest);
        }
        if video == Video::Flows && next == Video::Lags {
            tracing::info!(?queue, "this peer lags: it skips to a keyframe");
        }
        next
    }

    /// A list of addresses costs some 50 µs: once a second is nothing, and soon enough.
    async fn look_at_network(&mut self, state: State) {
        let Some(watch) = &mut self.watch else { return };
        let now = network::reachable();
        if !watch.differs(&now) {
            return;
        }
        let path = self.session.path().await;
        if watch.look(now, &path, state == State::Connected) {
            tracing::info!("the network has changed under a connection");
            self.emit_state(PeerEvent::NetworkChanged);
        }
    }

    fn emit_estimate(&self) {
        let estimate = self.counters.estimate.load(Ordering::Relaxed);
        if estimate != 0 {
            self.emit(PeerEvent::TargetBitrate(Bitrate::from_bps(estimate)));
        }
    }

    /// An event that may be lost when nobody reads: the next one says the same.
    fn emit(&self, event: PeerEvent) {
        if self.events.capacity() > RESERVED_EVENTS {
            let _ = self.events.try_send(event);
        }
    }

    fn emit_state(&self, event: PeerEvent) {
        if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            tracing::error!(?event, "nobody reads this peer's events");
        }
    }
}

/// How long a backlog of full packets takes at that rate (bits per second); zero without a pacer.
fn queue_time(packets: u32, rate: u32) -> Duration {
    if rate == 0 {
        return Duration::ZERO;
    }
    Duration::from_secs_f64(f64::from(packets) * (MAX_PAYLOAD * 8) as f64 / f64::from(rate))
}

/// The lag policy: whole pictures are skipped, and only a keyframe ends the gap.
fn next_video(video: Video, keyframe: bool, queue: Duration) -> Video {
    let limit = if video == Video::Flows { MAX_QUEUE } else { RESUME_QUEUE };
    match video {
        Video::Flows if queue <= limit => Video::Flows,
        Video::Flows => Video::Lags,
        _ if queue > limit && video == Video::Lags => Video::Lags,
        _ if keyframe => Video::Flows,
        _ => Video::AwaitsKeyframe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const MEDIUM: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_millis(600);

    #[test]
    fn a_peer_that_lags_resumes_at_a_keyframe_and_only_when_its_queue_is_short() {
        assert_eq!(next_video(Video::Flows, false, MEDIUM), Video::Flows);
        assert_eq!(next_video(Video::Flows, true, LONG), Video::Lags);
        assert_eq!(next_video(Video::Lags, true, MEDIUM), Video::Lags);
        assert_eq!(next_video(Video::Lags, false, SHORT), Video::AwaitsKeyframe);
        assert_eq!(next_video(Video::Lags, true, SHORT), Video::Flows);
        assert_eq!(next_video(Video::AwaitsKeyframe, false, SHORT), Video::AwaitsKeyframe);
        assert_eq!(next_video(Video::AwaitsKeyframe, true, SHORT), Video::Flows);
    }

    #[test]
    fn a_queue_is_as_long_as_the_rate_makes_it() {
        assert_eq!(queue_time(100, 960_000), Duration::from_secs(1));
        assert_eq!(queue_time(100, 0), Duration::ZERO);
    }
}

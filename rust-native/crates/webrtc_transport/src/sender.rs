//! The task of one peer: takes units from its own bounded reader, writes packets, and tells what happens.
//!
//! It alone waits for the connection's queue, so a slow peer loses its own pictures and nobody else's.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use media::{AccessUnit, Bitrate, Track};
use rtc::peer_connection::state::RTCPeerConnectionState as State;
use stream::{Reader, RecvError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};
use webrtc::media_stream::track_local::TrackLocal;

use crate::PeerEvent;
use crate::addresses::Addresses;
use crate::congestion::Target;
use crate::h264::MAX_PAYLOAD;
use crate::interceptor::Sources;
use crate::ladder::Ladder;
use crate::layers::{LowerLayer, MOST_LAYERS};
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
/// How often is looked which of several encodings the path carries.
const LOOK: Duration = Duration::from_millis(100);
/// Places in the event queue that only changes of state may take.
const RESERVED_EVENTS: usize = 16;

/// What the task works with.
pub(crate) struct Sender {
    pub(crate) session: Arc<Session>,
    pub(crate) units: Reader<AccessUnit>,
    /// Encodings beside that one, until the answer says which are taken.
    pub(crate) lower: Vec<LowerLayer>,
    /// Of congestion control, where there is any.
    pub(crate) target: Option<Target>,
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

/// A lower encoding that the other side takes.
struct Lane {
    layer: usize,
    units: Reader<AccessUnit>,
    request_keyframe: Arc<dyn Fn() + Send + Sync>,
}

/// What flows, once the connection stands.
struct Flowing {
    outgoing: Outgoing,
    video: [Video; MOST_LAYERS],
    ladder: Ladder,
    looked: Instant,
}

/// The next unit of any lower encoding; never where there is none. Cancel-safe.
async fn next_lower(lanes: &mut [Lane]) -> (usize, Result<AccessUnit, RecvError>) {
    match lanes {
        [] => pending().await,
        [one] => (0, one.units.recv().await),
        [one, two, ..] => tokio::select! {
            unit = one.units.recv() => (0, unit),
            unit = two.units.recv() => (1, unit),
        },
    }
}

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
        let mut flowing: Option<Flowing> = None;
        let mut lanes: Vec<Lane> = Vec::new();
        let mut told = State::New;
        let mut ended = false;
        let mut waiting = [false; MOST_LAYERS];
        let mut again = interval(ASK_AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut addresses = Addresses::new();
        loop {
            let waits = |layer: usize| {
                let flows =
                    |flowing: &Flowing| !flowing.ladder.sends(layer) || flowing.video[layer] != Video::AwaitsKeyframe;
                !ended && !flowing.as_ref().is_none_or(flows)
            };
            let waited = std::mem::replace(&mut waiting, std::array::from_fn(waits)).contains(&true);
            if !waited && waiting.contains(&true) {
                // Whoever began to wait has just asked.
                again.reset();
            }
            tokio::select! {
                changed = self.state.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                changed = self.negotiated.changed(), if flowing.is_none() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = counters.keyframe_wanted[0].notified() => self.emit(PeerEvent::KeyframeRequest),
                () = counters.keyframe_wanted[1].notified() => ask(&lanes, 1),
                () = counters.keyframe_wanted[2].notified() => ask(&lanes, 2),
                () = counters.estimate_moved.notified() => self.emit_estimate(),
                () = addresses.may_differ(), if self.watch.is_some() => self.look_at_network(told).await,
                _ = again.tick(), if waiting.contains(&true) => {
                    for layer in (0..MOST_LAYERS).filter(|layer| waiting[*layer]) {
                        self.request_keyframe(&lanes, layer);
                    }
                }
                unit = self.units.recv(), if !ended => match (unit, &mut flowing) {
                    (Ok(unit), Some(flowing)) => {
                        if self.unit(&unit, 0, flowing, &lanes).await.is_err() {
                            return;
                        }
                    }
                    // Not connected: what is old by then is never sent.
                    (Ok(_), None) => {}
                    (Err(_), _) => ended = true,
                },
                (lane, unit) = next_lower(&mut lanes) => match (unit, &mut flowing) {
                    (Ok(unit), Some(flowing)) => {
                        let layer = lanes[lane].layer;
                        if self.unit(&unit, layer, flowing, &lanes).await.is_err() {
                            return;
                        }
                    }
                    (Ok(_), None) => {}
                    (Err(_), _) => drop(lanes.remove(lane)),
                },
            }
            let state = *self.state.borrow_and_update();
            let negotiated = *self.negotiated.borrow_and_update();
            if let (None, State::Connected, Some(negotiated)) = (&flowing, state, negotiated) {
                let outgoing = Outgoing::new(negotiated, self.sources, self.clock);
                for layer in 0..MOST_LAYERS {
                    self.counters.start(layer, outgoing.last_video_sequence(layer));
                }
                lanes = self.open_lower(negotiated.layers);
                let ladder = Ladder::new(negotiated.layers);
                self.counters.layers.store(ladder.count() as u32, Ordering::Relaxed);
                let video = [Video::AwaitsKeyframe; MOST_LAYERS];
                flowing = Some(Flowing { outgoing, video, ladder, looked: Instant::now() });
                self.emit_state(PeerEvent::Connected);
                self.emit(PeerEvent::KeyframeRequest);
                lanes.iter().for_each(|lane| (lane.request_keyframe)());
                told = state;
            } else if state != told {
                told = state;
                match state {
                    State::Connected if flowing.is_some() => self.emit_state(PeerEvent::Connected),
                    State::Disconnected if flowing.is_some() => self.emit_state(PeerEvent::Disconnected),
                    State::Failed => self.emit_state(PeerEvent::Failed),
                    State::Closed => return,
                    _ => {}
                }
            }
        }
    }

    /// Begins to read what the other side takes, and sees to it that congestion control has room for all of it.
    fn open_lower(&mut self, taken: [bool; MOST_LAYERS]) -> Vec<Lane> {
        let mut share = 1.0;
        let mut lanes = Vec::new();
        for (layer, lower) in (1..MOST_LAYERS).zip(std::mem::take(&mut self.lower)) {
            if taken[layer] {
                share += lower.share;
                let units = (lower.units)();
                lanes.push(Lane { layer, units, request_keyframe: lower.request_keyframe });
            }
        }
        let thousandths = (share * 1000.0) as u32;
        self.counters.share.store(thousandths, Ordering::Relaxed);
        self.target.iter().for_each(|target| target.set_share(thousandths));
        if !lanes.is_empty() {
            tracing::info!(encodings = taken.iter().filter(|taken| **taken).count(), "the other side takes simulcast");
        }
        lanes
    }

    async fn unit(&self, unit: &AccessUnit, layer: usize, flowing: &mut Flowing, lanes: &[Lane]) -> Result<(), Gone> {
        match unit.track {
            Track::Audio => {
                for packet in flowing.outgoing.packets(unit, layer) {
                    self.session.audio.write_rtp(packet).await.map_err(|_| Gone)?;
                }
                return Ok(());
            }
            Track::Video => {
                self.climb(unit, layer, flowing, lanes);
                if !flowing.ladder.sends(layer) {
                    flowing.video[layer] = Video::AwaitsKeyframe;
                    return Ok(());
                }
                flowing.video[layer] = self.decide(flowing.video[layer], unit.keyframe, lanes, layer);
            }
            // No peer subscribes to it, and browsers have no decoder for it in WebRTC.
            Track::Aac | Track::Input(_) | Track::Hevc | Track::Av1 => return Ok(()),
        }
        let has_shown = flowing.outgoing.has_shown(layer);
        if flowing.video[layer] != Video::Flows {
            self.counters.skipped_units.fetch_add(u64::from(has_shown), Ordering::Relaxed);
            return Ok(());
        }
        if layer == 0 {
            let dropped = self.units.stats().dropped;
            if !has_shown {
                self.counters.dropped_before.store(dropped, Ordering::Relaxed);
            }
            self.counters.reader_dropped.store(dropped, Ordering::Relaxed);
        }
        let packets = flowing.outgoing.packets(unit, layer);
        self.counters.written(layer, flowing.outgoing.last_video_sequence(layer));
        for packet in packets {
            self.session.video.write_rtp(packet).await.map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// Which of several encodings the path carries, looked at ten times a second.
    fn climb(&self, unit: &AccessUnit, layer: usize, flowing: &mut Flowing, lanes: &[Lane]) {
        if lanes.is_empty() {
            return;
        }
        let now = Instant::now();
        flowing.ladder.note(now, layer, unit.payload.len());
        if now.duration_since(flowing.looked) < LOOK {
            return;
        }
        flowing.looked = now;
        let estimate = self.counters.estimate.load(Ordering::Relaxed);
        let queue = queue_time(self.counters.backlog(), estimate);
        let before = flowing.ladder.count();
        if flowing.ladder.look(now, (estimate != 0).then_some(f64::from(estimate)), queue) {
            let sent = flowing.ladder.count();
            tracing::info!(sent, before, kbps = estimate / 1000, "the path carries another number of encodings");
            self.counters.layers.store(sent as u32, Ordering::Relaxed);
            if let (true, Some(raised)) = (sent > before, (0..MOST_LAYERS).find(|layer| flowing.ladder.sends(*layer))) {
                self.request_keyframe(lanes, raised);
            }
        }
    }

    /// What becomes of the next picture.
    fn decide(&self, video: Video, keyframe: bool, lanes: &[Lane], layer: usize) -> Video {
        let estimate = self.counters.estimate.load(Ordering::Relaxed);
        let queue = queue_time(self.counters.backlog(), estimate);
        let next = next_video(video, keyframe, queue);
        if video == Video::Lags && next == Video::AwaitsKeyframe {
            self.request_keyframe(lanes, layer);
        }
        if video == Video::Flows && next == Video::Lags {
            tracing::info!(?queue, layer, "this peer lags: it skips to a keyframe");
        }
        next
    }

    fn request_keyframe(&self, lanes: &[Lane], layer: usize) {
        if layer == 0 { self.emit(PeerEvent::KeyframeRequest) } else { ask(lanes, layer) }
    }

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

/// Asks for a keyframe of that lower encoding.
fn ask(lanes: &[Lane], layer: usize) {
    lanes.iter().filter(|lane| lane.layer == layer).for_each(|lane| (lane.request_keyframe)());
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

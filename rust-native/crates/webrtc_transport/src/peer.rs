//! A peer as the rest of the program sees it: offer, answer, candidates, events, counters.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use media::{AccessUnit, Bitrate, Clock, MonotonicClock, Secret};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::{RTCIceGatheringState, RTCPeerConnectionState};
use rtc::peer_connection::transport::RTCIceCandidateInit;
use stream::Reader;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use webrtc::peer_connection::{PeerConnectionEventHandler, RTCPeerConnectionIceEvent};

use crate::congestion::Target;
use crate::interceptor::{Flow, Sources};
use crate::layers::{LowerLayer, MOST_LAYERS};
use crate::network::{self, Places, Watch};
use crate::outgoing::Negotiated;
use crate::sender::Sender;
use crate::session::{Plan, Session};
use crate::stats::Counters;
use crate::timing::StreamClock;
use crate::{PeerStats, TransportError};

/// Events that may wait unread.
const EVENTS: usize = 64;
/// Host candidates are there at once.
pub(crate) const GATHER_HOST: Duration = Duration::from_secs(1);
/// What a STUN or TURN server answers later than this is not in the offer: it follows as a candidate of its own.
pub(crate) const GATHER_SERVERS: Duration = Duration::from_millis(1500);
/// The crate closes within 100 ms; a driver that hangs longer is left to the runtime.
const CLOSE: Duration = Duration::from_secs(1);

/// A STUN or TURN server (RFC 8445). Those that speak TCP or TLS are left out: this version can't use them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:…` or `turn:…` (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// TURN's user.
    pub username: Option<String>,
    /// TURN's password.
    pub credential: Option<Secret>,
}

/// Whom a peer talks to.
#[derive(Debug, Clone)]
pub enum PeerKind {
    /// The window on this machine: loopback only, no congestion control, no buffering at the receiver.
    Preview,
    /// A server.
    Publisher {
        /// Helpers for its connection; none are needed for most.
        ice_servers: Vec<IceServer>,
        /// The server is on this machine. Then there is no congestion control: loopback has no bottleneck, and
        /// what looks like one is the machine's own load.
        include_loopback: bool,
        /// Offer TCP candidates too (RFC 6544): for a path that UDP did not come through.
        tcp: bool,
        /// What the encoder gives: the estimate is capped at 1.5 times this.
        target_bitrate: Bitrate,
    },
}

/// What a peer tells.
#[derive(Debug, Clone, PartialEq)]
pub enum PeerEvent {
    /// A further local candidate, as the JSON of an `RTCIceCandidateInit`.
    LocalCandidate(String),
    /// Packets can flow; also after a disconnection.
    Connected,
    /// Nothing was heard for 5 s; it may come back.
    Disconnected,
    /// The address that the connection used is gone from this machine, or one came while it is down: an ICE restart
    /// is due. Publishers only.
    NetworkChanged,
    /// The connection will not come back.
    Failed,
    /// The other side needs an IDR: after connecting, after a loss, after lag.
    KeyframeRequest,
    /// What congestion control thinks the path carries. Publishers only.
    TargetBitrate(Bitrate),
    /// The other side ended the connection.
    Closed,
}

/// One connection that sends. Dropping it closes it.
#[derive(Debug)]
pub struct Peer {
    pub(crate) session: SharedSession,
    negotiated: watch::Sender<Option<Negotiated>>,
    handle: PeerHandle,
    pub(crate) gathered: watch::Receiver<bool>,
    pub(crate) handler: Arc<Handler>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Counters and bitrate of a peer, for whoever does not own it; outlives it.
#[derive(Debug, Clone)]
pub struct PeerHandle {
    counters: Arc<Counters>,
    target: Option<Target>,
}

impl PeerHandle {
    /// Counters since the start.
    pub fn stats(&self) -> PeerStats {
        self.counters.snapshot()
    }

    /// The encoder's target has changed: the cap of the estimate, and the pacer's rate, follow at once.
    pub fn set_target_bitrate(&self, target: Bitrate) {
        let Some(shared) = &self.target else { return };
        shared.set(target.as_bps());
        if !self.counters.feedback_seen.load(Ordering::Relaxed) {
            self.counters.estimate.store(shared.cap() as u32, Ordering::Relaxed);
        }
    }
}

pub(crate) struct SharedSession(pub(crate) Arc<Session>);

impl std::fmt::Debug for SharedSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

/// A connection, its offer (SDP), and what happens to it.
pub type Offered = (Peer, String, mpsc::Receiver<PeerEvent>);

impl Peer {
    /// A new connection and its offer (SDP), which holds the candidates found so far. The units are drained from
    /// now on and sent, from a keyframe on, once the connection stands. Must be called in a tokio context.
    ///
    /// # Errors
    /// [`TransportError::Setup`].
    pub async fn offer(kind: PeerKind, units: Reader<AccessUnit>) -> Result<Offered, TransportError> {
        Self::offering(kind, units, Vec::new()).await
    }

    /// As [`Self::offer`], with lower encodings beside the one in `units`, the larger first (RFC 8853); what the answer
    /// does not take is never read. More than two are left out.
    ///
    /// # Errors
    /// [`TransportError::Setup`].
    pub async fn offer_layers(
        kind: PeerKind,
        units: Reader<AccessUnit>,
        lower: Vec<LowerLayer>,
    ) -> Result<Offered, TransportError> {
        Self::offering(kind, units, lower).await
    }

    // Boxed, so that the stack is compiled here and not once more in each program that awaits it.
    fn offering(
        kind: PeerKind,
        units: Reader<AccessUnit>,
        lower: Vec<LowerLayer>,
    ) -> Pin<Box<dyn Future<Output = Result<Offered, TransportError>> + Send>> {
        Box::pin(Self::make_offer(kind, units, lower))
    }

    async fn make_offer(
        kind: PeerKind,
        units: Reader<AccessUnit>,
        mut lower: Vec<LowerLayer>,
    ) -> Result<Offered, TransportError> {
        lower.truncate(MOST_LAYERS - 1);
        let sources = random_sources();
        let clock = StreamClock::new(MonotonicClock.now(), SystemTime::now(), rand::random(), rand::random());
        let counters = Arc::new(Counters::default());
        let mut plan = plan(kind, sources, clock, Arc::clone(&counters));
        plan.layers = 1 + lower.len();
        let gathering = if plan.ice_servers.is_empty() { GATHER_HOST } else { GATHER_SERVERS };
        let target = plan.target.clone();
        let watch = matches!(plan.places, Places::Every { .. }).then(|| Watch::new(network::reachable()));

        let (events, receiver) = mpsc::channel(EVENTS);
        let (state, state_receiver) = watch::channel(RTCPeerConnectionState::New);
        let (gathered, gathered_receiver) = watch::channel(false);
        let handler = Arc::new(Handler { state, gathered, trickles: AtomicBool::new(false), events: events.clone() });
        let session = Arc::new(Session::new(plan, Arc::clone(&handler) as Arc<dyn PeerConnectionEventHandler>).await?);

        // From here on a dropped `stop` closes the connection, on an early return too.
        let (negotiated, negotiated_receiver) = watch::channel(None);
        let (stop, stopped) = oneshot::channel();
        let sender = Sender {
            session: Arc::clone(&session),
            units,
            lower,
            target: target.clone(),
            events,
            counters: Arc::clone(&counters),
            sources,
            clock,
            state: state_receiver,
            negotiated: negotiated_receiver,
            watch,
        };
        let task = tokio::spawn(sender.run(stopped));

        let setup = |error: rtc::shared::error::Error| TransportError::Setup(error.to_string());
        let offer = session.connection.create_offer(None).await.map_err(setup)?;
        session.connection.set_local_description(offer).await.map_err(setup)?;
        let handle = PeerHandle { counters, target };
        let session = SharedSession(session);
        let peer = Self { session, negotiated, handle, gathered: gathered_receiver, handler, stop, task };
        let offer = peer.gathered_offer(gathering).await?;
        Ok((peer, offer, receiver))
    }

    /// Takes the other side's answer (SDP).
    ///
    /// # Errors
    /// [`TransportError::Answer`], [`TransportError::VideoRefused`].
    pub async fn answer(&self, sdp: &str) -> Result<(), TransportError> {
        let answer = |error: rtc::shared::error::Error| TransportError::Answer(error.to_string());
        let description = RTCSessionDescription::answer(sdp.to_owned()).map_err(answer)?;
        self.session.0.connection.set_remote_description(description).await.map_err(answer)?;
        let negotiated = self.session.0.negotiated(sdp).await?;
        if negotiated.audio.is_none() {
            tracing::warn!("the other side takes no sound");
        }
        self.negotiated.send_replace(Some(negotiated));
        self.connect_by_tcp(sdp).await
    }

    /// Takes a candidate of the other side: the JSON of an `RTCIceCandidateInit`, or `null` for "no more".
    ///
    /// A browser's obfuscated address (`….local`) is passed over: its own checks reach us.
    ///
    /// # Errors
    /// [`TransportError::Candidate`].
    pub async fn add_candidate(&self, candidate: &str) -> Result<(), TransportError> {
        let init: Option<RTCIceCandidateInit> =
            serde_json::from_str(candidate).map_err(|error| TransportError::Candidate(error.to_string()))?;
        let Some(init) = init else { return Ok(()) };
        if init.candidate.is_empty() || is_obfuscated(&init.candidate) {
            return Ok(());
        }
        let added = self.session.0.connection.add_ice_candidate(init).await;
        added.map_err(|error| TransportError::Candidate(error.to_string()))
    }

    /// See [`PeerHandle::set_target_bitrate`].
    pub fn set_target_bitrate(&self, target: Bitrate) {
        self.handle.set_target_bitrate(target);
    }

    /// Counters since the start.
    pub fn stats(&self) -> PeerStats {
        self.handle.stats()
    }

    /// For whoever does not own the peer.
    pub fn handle(&self) -> PeerHandle {
        self.handle.clone()
    }

    /// Ends the connection; the other side is told.
    pub async fn close(self) {
        drop(self.stop);
        if timeout(CLOSE, self.task).await.is_err() {
            tracing::warn!("a connection takes long to close");
        }
    }
}

/// Whether the address of a candidate line is an mDNS name.
fn is_obfuscated(candidate: &str) -> bool {
    candidate.split_ascii_whitespace().nth(4).is_some_and(|address| address.ends_with(".local"))
}

fn random_sources() -> Sources {
    // Seven in a row are as good as seven random ones, and never equal.
    let first = rand::random::<u32>() & !7;
    let flow = |layer: u32| Flow { media: first | (2 * layer + 1), repair: first | (2 * layer + 2) };
    Sources { layers: [flow(0), flow(1), flow(2)], audio: first | 7 }
}

fn plan(kind: PeerKind, sources: Sources, clock: StreamClock, counters: Arc<Counters>) -> Plan {
    match kind {
        PeerKind::Preview => Plan {
            places: Places::Loopback,
            tcp: false,
            ice_servers: Vec::new(),
            target: None,
            no_playout_delay: true,
            layers: 1,
            sources,
            clock,
            counters,
        },
        PeerKind::Publisher { ice_servers, include_loopback, tcp, target_bitrate } => Plan {
            places: Places::Every { include_loopback },
            tcp,
            ice_servers,
            target: (!include_loopback).then(|| Target::new(target_bitrate.as_bps())),
            no_playout_delay: false,
            layers: 1,
            sources,
            clock,
            counters,
        },
    }
}

/// Runs on the driver's task: only hands on.
#[derive(Debug)]
pub(crate) struct Handler {
    state: watch::Sender<RTCPeerConnectionState>,
    pub(crate) gathered: watch::Sender<bool>,
    /// Set once the offer is out: candidates before that are in it.
    pub(crate) trickles: AtomicBool,
    events: mpsc::Sender<PeerEvent>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        if !self.trickles.load(Ordering::Acquire) {
            return;
        }
        let Ok(mut init) = event.candidate.to_json() else { return };
        // With BUNDLE all candidates belong to the first section; the crate's empty mid names none.
        init.sdp_mid = None;
        if let Ok(json) = serde_json::to_string(&init) {
            let _ = self.events.try_send(PeerEvent::LocalCandidate(json));
        }
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.state.send_replace(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_obfuscated_candidate_is_known_by_its_address() {
        assert!(is_obfuscated("candidate:1 1 udp 2113937151 0a-b.local 5000 typ host"));
        assert!(!is_obfuscated("candidate:1 1 udp 2113937151 127.0.0.1 5000 typ host"));
        assert!(!is_obfuscated("x.local"));
    }
}

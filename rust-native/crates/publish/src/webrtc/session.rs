//! One session: offer, answer, connection, restarts, and why it ended.

use std::pin::pin;
use std::time::Duration;

use stream::LagPolicy;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use webrtc_transport::{IceServer, Peer, PeerEvent, PeerKind};

use super::line::{Denied, Line, Word, open_backend};
use super::recovery::{self, PROOF, Step, Tried};
use super::{Memory, Place, linked, offered};
use crate::destination::{Context, End, PublishStatus, STOP_STEP, until_stopped};
use crate::failure::Failure;

/// Units that may wait for the peer's task: two thirds of a second of 60 pictures and 50 sounds. More would
/// only arrive too late.
const QUEUE: usize = 72;
/// From the answer to packets flowing: ICE and DTLS take two round trips, a lost packet a second each.
const CONNECT: Duration = Duration::from_secs(15);
/// The peer says "disconnected" after 5 s of silence; where no restart is possible, a path that changes is back
/// within this.
const RECOVER: Duration = Duration::from_secs(2);
/// On this machine silence has one reason only.
const RECOVER_LOOPBACK: Duration = Duration::from_millis(100);
/// How often is looked whether media flows, until it does.
const LOOK: Duration = Duration::from_millis(50);

/// One session to be.
pub(crate) struct Session<'a> {
    context: &'a Context,
    place: &'a Place,
    /// The stream was live before.
    resumed: bool,
    memory: &'a mut Memory,
    /// The server's answer has a TCP candidate.
    listens_on_tcp: bool,
}

/// How the connection stands.
enum Phase {
    /// Not yet, and not for ever.
    Connecting { until: Instant },
    /// Packets flow, or may.
    Connected,
    /// The path is gone; the next step is due at a time.
    Lost { since: Instant, tried: Tried, due: Instant },
    /// A restart is answered; what proves it must be heard in time.
    Restarted { since: Instant, heard: u64, until: Instant },
}

impl Phase {
    fn due(&self) -> Option<Instant> {
        match self {
            Self::Connected => None,
            Self::Connecting { until } | Self::Restarted { until, .. } => Some(*until),
            Self::Lost { due, .. } => Some(*due),
        }
    }
}

impl<'a> Session<'a> {
    pub(crate) fn new(context: &'a Context, place: &'a Place, resumed: bool, memory: &'a mut Memory) -> Self {
        Self { context, place, resumed, memory, listens_on_tcp: false }
    }

    /// Runs to its end; also since when it was live, if it was.
    pub(crate) async fn run(mut self, stopped: &mut watch::Receiver<bool>) -> (End, Option<Instant>) {
        let began = Instant::now();
        let mut live_since = None;
        let opened = {
            let mut opening = pin!(self.open());
            tokio::select! {
                opened = &mut opening => opened,
                () = until_stopped(stopped) => {
                    // The server may have made the session already: it is taken down, not left behind.
                    if let Ok(Ok((peer, _, line))) = timeout(STOP_STEP, opening).await {
                        tokio::join!(line.end(), peer.close());
                    }
                    return (End::Stopped, None);
                }
            }
        };
        let (peer, events, mut line) = match opened {
            Ok(opened) => opened,
            Err(failure) => return (End::Failed(failure), None),
        };
        let end = self.watch(&peer, events, &mut line, began, stopped, &mut live_since).await;
        // Also before a new attempt: a server that still has the old session would refuse the new one.
        tokio::join!(line.end(), peer.close());
        (end, live_since)
    }

    /// Offers and takes the answer.
    async fn open(&mut self) -> Result<(Peer, mpsc::Receiver<PeerEvent>, Line), Failure> {
        let place = self.place;
        match place {
            Place::Whip { url, key } => {
                let (peer, offer, events) = self.offer(self.memory.ice_servers.clone()).await?;
                match Line::whip(url, key.as_ref(), &offer).await {
                    Ok(line) => self.answered(peer, events, line).await,
                    Err(error) => {
                        peer.close().await;
                        Err(error.into())
                    }
                }
            }
            Place::Backend { url, key } => {
                let mut session = Box::new(open_backend(url, key.as_ref()).await?);
                let (peer, offer, events) = self.offer(session.ice_servers.iter().map(offered).collect()).await?;
                match session.offer(&offer, false).await {
                    Ok(answer) => {
                        self.learn(&answer);
                        let line = Line::Backend { session };
                        self.taken(peer, events, line, &answer).await
                    }
                    Err(error) => {
                        tokio::join!(session.close(), peer.close());
                        Err(error.into())
                    }
                }
            }
        }
    }

    async fn offer(&self, ice_servers: Vec<IceServer>) -> Result<(Peer, String, mpsc::Receiver<PeerEvent>), Failure> {
        let context = self.context;
        let kind = PeerKind::Publisher {
            ice_servers,
            include_loopback: context.loopback,
            tcp: self.memory.tcp,
            target_bitrate: *context.shared.target_bitrate.lock(),
        };
        let units = context.hub.subscribe(QUEUE, LagPolicy::SkipToKeyframe);
        let (peer, offer, events) = Peer::offer_layers(kind, units, context.lower.clone()).await?;
        *context.shared.peer.lock() = Some(peer.handle());
        Ok((peer, offer, events))
    }

    /// What a WHIP server's answer brings beside the SDP.
    async fn answered(
        &mut self,
        peer: Peer,
        events: mpsc::Receiver<PeerEvent>,
        line: Line,
    ) -> Result<(Peer, mpsc::Receiver<PeerEvent>, Line), Failure> {
        let Line::Whip { session, .. } = &line else { return Ok((peer, events, line)) };
        let (answer, servers) = (session.answer.clone(), session.ice_servers.iter().map(linked).collect::<Vec<_>>());
        if servers != self.memory.ice_servers
            && !servers.is_empty()
            && let Err(error) = peer.use_ice_servers(&servers).await
        {
            tracing::warn!(%error, "the server's ICE servers are not used");
        }
        self.memory.ice_servers = servers;
        self.learn(&answer);
        self.taken(peer, events, line, &answer).await
    }

    async fn taken(
        &self,
        peer: Peer,
        events: mpsc::Receiver<PeerEvent>,
        line: Line,
        answer: &str,
    ) -> Result<(Peer, mpsc::Receiver<PeerEvent>, Line), Failure> {
        match peer.answer(answer).await {
            Ok(()) => Ok((peer, events, line)),
            Err(error) => {
                tokio::join!(line.end(), peer.close());
                Err(error.into())
            }
        }
    }

    /// Whether the next offer should speak TCP is known once this one has failed.
    fn learn(&mut self, answer: &str) {
        self.listens_on_tcp = answer.contains(" tcptype passive");
    }

    async fn watch(
        &mut self,
        peer: &Peer,
        mut events: mpsc::Receiver<PeerEvent>,
        line: &mut Line,
        began: Instant,
        stopped: &mut watch::Receiver<bool>,
        live_since: &mut Option<Instant>,
    ) -> End {
        let mut phase = Phase::Connecting { until: Instant::now() + CONNECT };
        let mut connected = false;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = phase.due();
            tokio::select! {
                () = until_stopped(stopped) => return End::Stopped,
                () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {
                    phase = match phase {
                        Phase::Connecting { .. } => return End::Failed(self.no_path()),
                        Phase::Restarted { since, .. } => self.lost(line, since, Tried::Unproven),
                        Phase::Connected => Phase::Connected,
                        Phase::Lost { since, tried, .. } => {
                            if let Step::NewSession = recovery::step(line.can_restart(), tried, since.elapsed()) {
                                return End::Failed(Failure { waited: since.elapsed(), ..Failure::connection_lost() });
                            }
                            let outcome = tokio::select! {
                                outcome = restart(peer, line) => outcome,
                                () = until_stopped(stopped) => return End::Stopped,
                            };
                            match outcome {
                                Ok(()) => Phase::Restarted {
                                    since,
                                    heard: peer.stats().heard,
                                    until: Instant::now() + PROOF,
                                },
                                Err(Denied::NotReached) => self.lost(line, since, Tried::NotReached),
                                Err(Denied::Refused(failure)) => {
                                    tracing::info!(code = failure.code, "no ICE restart: a new session follows");
                                    self.lost(line, since, Tried::Refused)
                                }
                            }
                        }
                    };
                }
                _ = look.tick(), if live_since.is_none() && connected || matches!(phase, Phase::Restarted { .. }) => {
                    match phase {
                        Phase::Restarted { heard, .. } if peer.stats().heard > heard => {
                            phase = Phase::Connected;
                            self.regained();
                        }
                        Phase::Restarted { .. } => {}
                        _ if peer.stats().media_flows => {
                            *live_since = Some(Instant::now());
                            *self.context.shared.first_byte.lock() = Some(began.elapsed());
                            (self.context.on_status)(PublishStatus::Live { resumed: self.resumed });
                        }
                        _ => {}
                    }
                }
                word = line.recv() => match word {
                    Word::Candidate(json) => {
                        if let Err(error) = peer.add_candidate(&json).await {
                            tracing::debug!(%error, "a candidate is passed over");
                        }
                    }
                    Word::Over(failure) => return End::Failed(failure),
                },
                event = events.recv() => match event {
                    Some(PeerEvent::Connected) => {
                        connected = true;
                        // Before a restart was tried: the path came back by itself.
                        if let Phase::Lost { .. } | Phase::Restarted { .. } = phase {
                            self.regained();
                        }
                        phase = Phase::Connected;
                    }
                    Some(PeerEvent::Disconnected) if live_since.is_none() => {
                        connected = false;
                        phase = Phase::Connecting { until: Instant::now() + RECOVER };
                    }
                    Some(PeerEvent::Disconnected) => {
                        if let Phase::Connected = phase {
                            phase = self.begin_recovery(line, Failure::connection_lost());
                        }
                    }
                    Some(PeerEvent::NetworkChanged) => match phase {
                        Phase::Connected if live_since.is_some() => {
                            phase = self.begin_recovery(line, Failure::network_changed());
                        }
                        // Now somebody may be reached.
                        Phase::Lost { since, tried, .. } => phase = Phase::Lost { since, tried, due: Instant::now() },
                        Phase::Restarted { since, .. } => {
                            phase = Phase::Lost { since, tried: Tried::NotReached, due: Instant::now() };
                        }
                        Phase::Connecting { .. } | Phase::Connected => {}
                    },
                    Some(PeerEvent::LocalCandidate(json)) => line.candidate(&json).await,
                    Some(PeerEvent::KeyframeRequest) => (self.context.request_keyframe)(),
                    // The estimate is read from the counters.
                    Some(PeerEvent::TargetBitrate(_)) => {}
                    Some(PeerEvent::Failed) if live_since.is_none() => return End::Failed(self.no_path()),
                    // A restart is under way: it has a deadline of its own.
                    Some(PeerEvent::Failed) if !matches!(phase, Phase::Connected) => {}
                    Some(PeerEvent::Failed | PeerEvent::Closed) | None => {
                        return End::Failed(Failure::connection_lost());
                    }
                },
            }
        }
    }

    /// The path is gone: tells it, and begins to look for another.
    fn begin_recovery(&self, line: &Line, why: Failure) -> Phase {
        tracing::info!(code = why.code, restart = line.can_restart(), "the path is gone");
        (self.context.on_status)(PublishStatus::Reconnecting {
            attempt: 1,
            retry_in: Duration::ZERO,
            code: why.code,
            message: why.message,
            hint: why.hint,
        });
        let wait = match (line.can_restart(), self.context.loopback) {
            (true, _) => Duration::ZERO,
            // It may come back by itself; the end of this wait makes a new session.
            (false, true) => RECOVER_LOOPBACK,
            (false, false) => RECOVER,
        };
        let now = Instant::now();
        Phase::Lost { since: now, tried: Tried::Nothing, due: now + wait }
    }

    fn lost(&self, line: &Line, since: Instant, tried: Tried) -> Phase {
        let pause = match recovery::step(line.can_restart(), tried, since.elapsed()) {
            Step::Restart(pause) => pause,
            Step::NewSession => Duration::ZERO,
        };
        Phase::Lost { since, tried, due: Instant::now() + pause }
    }

    fn regained(&self) {
        tracing::info!("the stream goes on over another path");
        (self.context.request_keyframe)();
        (self.context.on_status)(PublishStatus::Live { resumed: true });
    }

    fn no_path(&mut self) -> Failure {
        if self.listens_on_tcp && !self.memory.tcp {
            tracing::info!("no media came through by UDP: the next attempt offers TCP too");
            self.memory.tcp = true;
        }
        Failure::no_media_path()
    }
}

/// One ICE restart, as far as its answer.
async fn restart(peer: &Peer, line: &mut Line) -> Result<(), Denied> {
    let denied = |error: webrtc_transport::TransportError| Denied::Refused(error.into());
    let offer = peer.restart().await.map_err(denied)?;
    let answer = line.restart(offer).await?;
    peer.answer_restart(&answer).await.map_err(denied)
}

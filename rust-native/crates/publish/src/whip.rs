//! One WHIP session: offer, answer, connection, and why it ended.

use std::pin::pin;
use std::time::Duration;

use media::{Bitrate, Secret};
use signaling::whip::is_loopback;
use signaling::{LinkedIceServer, WhipError, WhipSession, whip};
use stream::{Broadcast, LagPolicy};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use url::Url;
use webrtc_transport::{IceServer, Peer, PeerEvent, PeerKind};

use crate::destination::{Context, End, PublishStatus, STOP_STEP, until_stopped};
use crate::failure::Failure;

/// Units that may wait for the peer's task: two thirds of a second of 60 pictures and 50 sounds. More would
/// only arrive too late.
const QUEUE: usize = 72;
/// From the answer to packets flowing: ICE and DTLS take two round trips, a lost packet a second each.
const CONNECT: Duration = Duration::from_secs(15);
/// The peer says "disconnected" after 5 s of silence; a path that changes is back within this.
const RECOVER: Duration = Duration::from_secs(2);
/// On this machine silence has one reason only.
const RECOVER_LOOPBACK: Duration = Duration::from_millis(100);
/// How often is looked whether media flows, until it does.
const LOOK: Duration = Duration::from_millis(50);

/// One session to be.
pub(crate) struct Session<'a> {
    pub(crate) context: &'a Context,
    pub(crate) url: &'a Url,
    pub(crate) key: Option<&'a Secret>,
    /// The stream was live before.
    pub(crate) resumed: bool,
    /// Those that the server offered last time; what it offers now is for the next time, as they come with the
    /// answer, when the offer's candidates are gathered already.
    pub(crate) ice_servers: &'a mut Vec<IceServer>,
}

impl Session<'_> {
    /// Runs to its end; also since when it was live, if it was.
    pub(crate) async fn run(self, stopped: &mut watch::Receiver<bool>) -> (End, Option<Instant>) {
        let context = self.context;
        let began = Instant::now();
        let kind = PeerKind::Publisher {
            ice_servers: self.ice_servers.clone(),
            include_loopback: context.loopback,
            target_bitrate: *context.shared.target_bitrate.lock(),
        };
        let units = context.hub.subscribe(QUEUE, LagPolicy::SkipToKeyframe);
        let (peer, offer, events) = match Peer::offer(kind, units).await {
            Ok(offered) => offered,
            Err(error) => return (End::Failed(error.into()), None),
        };
        *context.shared.peer.lock() = Some(peer.handle());
        let session = match self.negotiate(&offer, stopped).await {
            Ok(Some(session)) => session,
            Ok(None) => {
                peer.close().await;
                return (End::Stopped, None);
            }
            Err(error) => {
                peer.close().await;
                return (End::Failed(error.into()), None);
            }
        };
        *self.ice_servers = session.ice_servers.iter().map(ice_server).collect();
        let mut live_since = None;
        let end = match peer.answer(&session.answer).await {
            Ok(()) => self.watch(&peer, events, began, stopped, &mut live_since).await,
            Err(error) => End::Failed(error.into()),
        };
        // Also before a new attempt: a server that still has the old session would refuse the new one.
        let (deleted, ()) = tokio::join!(timeout(STOP_STEP, session.delete()), peer.close());
        if !matches!(deleted, Ok(Ok(()))) {
            tracing::debug!("the server did not confirm the end of the session");
        }
        (end, live_since)
    }

    /// `None` when it was stopped meanwhile.
    async fn negotiate(
        &self,
        offer: &str,
        stopped: &mut watch::Receiver<bool>,
    ) -> Result<Option<WhipSession>, WhipError> {
        let mut request = pin!(whip::publish(self.url, self.key, offer));
        tokio::select! {
            session = &mut request => session.map(Some),
            () = until_stopped(stopped) => {
                // The server may have made the session already: it is taken down, not left behind.
                if let Ok(Ok(session)) = timeout(STOP_STEP, request).await {
                    let _ = timeout(STOP_STEP, session.delete()).await;
                }
                Ok(None)
            }
        }
    }

    async fn watch(
        &self,
        peer: &Peer,
        mut events: mpsc::Receiver<PeerEvent>,
        began: Instant,
        stopped: &mut watch::Receiver<bool>,
        live_since: &mut Option<Instant>,
    ) -> End {
        let recover = if self.context.loopback { RECOVER_LOOPBACK } else { RECOVER };
        let mut connected = false;
        let mut deadline = Some(Instant::now() + CONNECT);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = until_stopped(stopped) => return End::Stopped,
                () = async { sleep_until(deadline.unwrap_or_else(Instant::now)).await }, if deadline.is_some() => {
                    return End::Failed(match live_since {
                        None => Failure::no_media_path(),
                        Some(_) => Failure::connection_lost(),
                    });
                }
                _ = look.tick(), if connected && live_since.is_none() => {
                    if peer.stats().media_flows {
                        *live_since = Some(Instant::now());
                        *self.context.shared.first_byte.lock() = Some(began.elapsed());
                        (self.context.on_status)(PublishStatus::Live { resumed: self.resumed });
                    }
                }
                event = events.recv() => match event {
                    Some(PeerEvent::Connected) => {
                        connected = true;
                        deadline = None;
                    }
                    Some(PeerEvent::Disconnected) => {
                        connected = false;
                        deadline = Some(Instant::now() + recover);
                    }
                    Some(PeerEvent::KeyframeRequest) => (self.context.request_keyframe)(),
                    // The offer held all candidates; the estimate is read from the counters.
                    Some(PeerEvent::LocalCandidate(_) | PeerEvent::TargetBitrate(_)) => {}
                    Some(PeerEvent::Failed) if live_since.is_none() => return End::Failed(Failure::no_media_path()),
                    Some(PeerEvent::Failed | PeerEvent::Closed) | None => {
                        return End::Failed(Failure::connection_lost());
                    }
                },
            }
        }
    }
}

/// Opens a session, and ends it again: the key and the address are right.
pub(crate) async fn test(url: &Url, key: Option<&Secret>, target_bitrate: Bitrate) -> Result<(), Failure> {
    let kind = PeerKind::Publisher { ice_servers: Vec::new(), include_loopback: is_loopback(url), target_bitrate };
    let units = Broadcast::default().subscribe(1, LagPolicy::SkipToKeyframe);
    let (peer, offer, _events) = Peer::offer(kind, units).await?;
    let session = whip::publish(url, key, &offer).await;
    peer.close().await;
    let _ = timeout(STOP_STEP, session?.delete()).await;
    Ok(())
}

fn ice_server(linked: &LinkedIceServer) -> IceServer {
    IceServer {
        urls: vec![linked.url.clone()],
        username: linked.username.clone(),
        credential: linked.credential.clone(),
    }
}

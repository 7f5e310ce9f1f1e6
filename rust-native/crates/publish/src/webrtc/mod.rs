//! WebRTC destinations: one session from its offer to its end, by WHIP or by a backend's WebSocket.
//!
//! A path that breaks is resumed by an ICE restart first; what that can't bring back ends the session, and the
//! destination makes a new one by the one retry policy.

mod line;
mod recovery;
mod session;
mod trickle;

use media::{Bitrate, Secret};
use signaling::LinkedIceServer;
use signaling::backend::{self, BackendIceServer};
use signaling::whip::{self, is_loopback};
use stream::{Broadcast, LagPolicy};
use tokio::time::timeout;
use url::Url;
use webrtc_transport::{IceServer, Peer, PeerKind};

use crate::destination::STOP_STEP;
use crate::failure::Failure;

pub(crate) use line::open_backend;
pub(crate) use session::Session;

/// Who does the signalling.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A WHIP server (RFC 9725).
    Whip { url: Url, key: Option<Secret> },
    /// A backend's WebSocket.
    Backend { url: Url, key: Option<Secret> },
}

impl Place {
    pub(crate) fn is_loopback(&self) -> bool {
        let (Self::Whip { url, .. } | Self::Backend { url, .. }) = self;
        is_loopback(url)
    }
}

/// What one session leaves for the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Servers that were offered last time: the next offer holds what they give from its beginning.
    pub(crate) ice_servers: Vec<IceServer>,
    /// No media came through by UDP, and the server listens on TCP.
    pub(crate) tcp: bool,
}

/// Opens a session, and ends it again: the key and the address are right.
pub(crate) async fn test(place: &Place, target_bitrate: Bitrate) -> Result<(), Failure> {
    let kind = PeerKind::Publisher {
        ice_servers: Vec::new(),
        include_loopback: place.is_loopback(),
        tcp: false,
        target_bitrate,
    };
    let units = Broadcast::default().subscribe(1, LagPolicy::SkipToKeyframe);
    let (peer, offer, _events) = Peer::offer(kind, units).await?;
    let tested = match place {
        Place::Whip { url, key } => match whip::publish(url, key.as_ref(), &offer).await {
            Ok(session) => {
                let _ = timeout(STOP_STEP, session.delete()).await;
                Ok(())
            }
            Err(error) => Err(error.into()),
        },
        Place::Backend { url, key } => match open_backend(url, key.as_ref()).await {
            Ok(mut session) => {
                let answered = session.offer(&offer, false).await;
                session.close().await;
                answered.map(drop).map_err(Failure::from)
            }
            Err(failure) => Err(failure),
        },
    };
    peer.close().await;
    tested
}

/// What is wrong with the address can be told before any attempt.
pub(crate) fn backend_url(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text.trim()).map_err(|_| signaling::BackendError::BadUrl)?;
    backend::place(&url)?;
    Ok(url)
}

fn linked(server: &LinkedIceServer) -> IceServer {
    IceServer {
        urls: vec![server.url.clone()],
        username: server.username.clone(),
        credential: server.credential.clone(),
    }
}

fn offered(server: &BackendIceServer) -> IceServer {
    IceServer { urls: server.urls.clone(), username: server.username.clone(), credential: server.credential.clone() }
}

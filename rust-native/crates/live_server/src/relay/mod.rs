//! The media side: sessions, packets, fan-out. The only place that knows `str0m`, but for a source that is watched by WHEP
//! (`ingest::pull`).
//!
//! A *shard* is one UDP socket and one named thread that owns everything behind it, so that nothing here is locked.
//! HTTP talks to it by commands. There is one shard, whose viewers several threads serve (see `crew`).

mod clock;
mod connection;
mod crew;
mod fed;
mod gop;
mod h264;
mod keyframes;
mod layers;
mod meter;
mod negotiate;
mod packet;
mod publisher;
mod quality;
mod sdp;
mod shard;
mod simulcast;
mod socket;
mod stamps;
mod stream;
mod tcp;
mod timeline;
mod viewer;
mod visitors;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

pub(crate) use fed::{Batch, Facts, FedOpened, FedOpening, FedPacket, Feeder, Orders};

use crate::chunks::Outlet;
use crate::config::Config;
use crate::error::ServerError;
use crate::figures::{Figures, RenditionInfo};
use crate::ladder::Quality;
use stream::PeerId;
pub(crate) use stream::USUAL_RATE;

pub(crate) use clock::SourceClock;
pub(crate) use packet::{MediaPacket, Track};
pub(crate) use visitors::{KeyUse, Visitor, Which};

/// A session's name in its URL: 128 random bits, in hexadecimal digits (RFC 9725 §4.2: unguessable).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(pub(crate) String);

impl SessionId {
    pub(crate) fn random() -> Self {
        Self(crate::auth::random_hex(16))
    }
}

impl SessionId {
    /// A name by which others may speak of the session, and which opens nothing.
    pub(crate) fn public(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.0.as_bytes());
        digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a peer wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// WHIP.
    Publish,
    /// WHEP.
    View,
}

/// A session that is to be opened.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) role: Role,
    pub(crate) stream: String,
    pub(crate) session: SessionId,
    /// Who asks.
    pub(crate) from: IpAddr,
    /// The key that was made for it, if it came with one.
    pub(crate) key: Option<KeyUse>,
    /// SDP.
    pub(crate) offer: String,
    /// What a viewer asks for.
    pub(crate) wish: Wish,
}

/// What a viewer asks for, with its offer and later on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) quality: Quality,
    /// `None`: what was said before; at first, nothing is.
    pub(crate) buffer: Option<Buffer>,
}

impl Default for Wish {
    fn default() -> Self {
        Self { quality: Quality::Auto, buffer: None }
    }
}

/// What a player is told to hold pictures back for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Buffer {
    /// As long as it thinks right.
    Auto,
    /// Not at all: each is shown as soon as it is decoded, however unevenly they come.
    None,
}

/// What a viewer gets, and what it could get.
#[derive(Debug)]
pub(crate) struct LayerState {
    /// What it asked for.
    pub(crate) quality: Quality,
    /// What it gets now.
    pub(crate) current: Quality,
    pub(crate) buffer: Buffer,
    pub(crate) renditions: Vec<RenditionInfo>,
}

/// A session that is over.
#[derive(Debug)]
pub(crate) struct Departed {
    pub(crate) role: Role,
    pub(crate) stream: String,
    pub(crate) session: SessionId,
    pub(crate) from: IpAddr,
}

/// A session that was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) session: SessionId,
    /// The SDP answer.
    pub(crate) answer: String,
    /// Without quotes.
    pub(crate) etag: String,
}

/// Why one wasn't, or why a change to it isn't made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The SDP (or fragment) can't be used.
    #[error("this SDP can't be used: {0}")]
    NotAnOffer(String),
    /// Nobody publishes the stream now.
    #[error("the stream is not live")]
    NotLive,
    /// Somebody publishes it already, and that one stays.
    #[error("the stream is being published already")]
    AlreadyLive,
    /// No room for more viewers.
    #[error("the server is full")]
    Full,
    /// No room for more viewers of one address.
    #[error("too many viewers from this address")]
    FullAddress,
    /// As many watch with this key as may.
    #[error("too many viewers with this key")]
    FullKey,
    /// There is no such session.
    #[error("there is no such session")]
    NoSession,
    /// The entity tag names an ICE session that is over (RFC 9725 §4.3.1).
    #[error("the ICE session has changed")]
    Stale,
    /// There is no such rendition of the stream.
    #[error("the stream has no such rendition")]
    NoRendition,
    /// As many are made as may be.
    #[error("as many renditions are made as may be")]
    NoRenditionRoom,
    /// It was tried.
    #[error("this rendition can't be made now")]
    RenditionFailed,
    /// The media thread doesn't answer.
    #[error("the media thread does not answer")]
    Stopped,
}

/// What a PATCH did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Patched {
    /// Candidates were added.
    Trickled,
    /// ICE was restarted.
    Restarted { etag: String, fragment: String, answer: String },
}

type Answer<T> = oneshot::Sender<Result<T, Refusal>>;

enum Command {
    Open {
        opening: Opening,
        answer: Answer<Opened>,
    },
    OpenFed {
        opening: FedOpening,
        answer: Answer<(PeerId, watch::Receiver<Orders>)>,
    },
    Patch {
        role: Role,
        stream: String,
        session: SessionId,
        if_match: String,
        fragment: String,
        answer: Answer<Patched>,
    },
    Close {
        role: Role,
        stream: String,
        session: SessionId,
        answer: Answer<()>,
    },
    Reload {
        config: Arc<Config>,
    },
    /// A stream's packets go there too, from now on.
    Pack {
        stream: String,
        outlet: Outlet,
    },
    /// Who is here.
    Visitors {
        answer: Answer<Vec<Visitor>>,
    },
    /// Sends some of them away.
    SendAway {
        which: Which,
        answer: Answer<Vec<Visitor>>,
    },
    /// What a viewer gets and could get, after its wish.
    Layer {
        stream: String,
        session: SessionId,
        wish: Option<Wish>,
        answer: Answer<LayerState>,
    },
    /// The packets since a stream's last keyframe.
    Cached {
        stream: String,
        answer: Answer<Vec<Arc<MediaPacket>>>,
    },
    Stop,
}

/// Commands that may wait: a page full of impatient viewers is answered in turn, a flood gets 503.
const COMMANDS: usize = 128;

/// The way to the media thread. Dropping it stops the thread.
pub(crate) struct Relay {
    commands: mpsc::Sender<Command>,
    feed: mpsc::Sender<fed::Fed>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The TCP port of a UDP socket's number: what can't be had costs nobody else the server.
fn beside(udp: &std::net::UdpSocket) -> Option<std::net::TcpListener> {
    let address = udp.local_addr().ok()?;
    let opened = tcp::listen(address);
    opened.inspect_err(|error| tracing::warn!(%error, %address, "the TCP port is taken: ICE over TCP is off")).ok()
}

impl Relay {
    /// Opens the socket and starts the thread.
    pub(crate) fn start(
        config: &Config,
        figures: Figures,
        departures: mpsc::Sender<Departed>,
    ) -> Result<Self, ServerError> {
        let ip = config.rtc.address.unwrap_or(config.http.ip());
        let socket = socket::bind_first(ip, config.rtc.ports())
            .map_err(|(address, error)| ServerError::from_bind(address, error))?;
        let ports = shard::Ports { tcp: config.rtc.tcp.then(|| beside(&socket)).flatten(), udp: socket };
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (feed, fed) = mpsc::channel(fed::WAITING);
        let shard =
            shard::Shard::new(ports, config, figures, departures, feed.clone()).map_err(ServerError::NoThread)?;
        let thread = std::thread::Builder::new()
            .name("live-media".to_owned())
            .spawn(move || shard.run(inbox, fed))
            .map_err(ServerError::NoThread)?;
        Ok(Self { commands, feed, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) async fn open(&self, opening: Opening) -> Result<Opened, Refusal> {
        self.ask(|answer| Command::Open { opening, answer }).await
    }

    /// Opens a session whose packets are brought.
    pub(crate) async fn open_fed(&self, opening: FedOpening) -> Result<FedOpened, Refusal> {
        let (peer, orders) = self.ask(|answer| Command::OpenFed { opening, answer }).await?;
        Ok(FedOpened { feeder: Feeder { peer, ways: self.feed.clone() }, orders })
    }

    /// Takes over what of a new configuration concerns streams and limits.
    pub(crate) async fn reload(&self, config: Arc<Config>) {
        let _ = self.commands.send(Command::Reload { config }).await;
    }

    /// Gives a stream's packets to a packager too, first those since the last keyframe.
    pub(crate) fn pack(&self, stream: &str, outlet: Outlet) {
        // Where there is no room for the command the outlet is dropped, and the packager ends.
        let _ = self.commands.try_send(Command::Pack { stream: stream.to_owned(), outlet });
    }

    /// Who publishes and watches, but for those who read files.
    pub(crate) async fn visitors(&self) -> Result<Vec<Visitor>, Refusal> {
        self.ask(|answer| Command::Visitors { answer }).await
    }

    /// Ends sessions, and says which.
    pub(crate) async fn send_away(&self, which: Which) -> Result<Vec<Visitor>, Refusal> {
        self.ask(|answer| Command::SendAway { which, answer }).await
    }

    /// What a stream sent since its last keyframe; nothing, where that is not kept.
    pub(crate) async fn cached(&self, stream: &str) -> Result<Vec<Arc<MediaPacket>>, Refusal> {
        self.ask(|answer| Command::Cached { stream: stream.to_owned(), answer }).await
    }

    /// What a viewer gets and could get; with a wish it gets that from the next keyframe on.
    pub(crate) async fn layer(
        &self,
        (stream, session): (String, SessionId),
        wish: Option<Wish>,
    ) -> Result<LayerState, Refusal> {
        self.ask(|answer| Command::Layer { stream, session, wish, answer }).await
    }

    pub(crate) async fn patch(
        &self,
        (role, stream, session): (Role, String, SessionId),
        if_match: String,
        fragment: String,
    ) -> Result<Patched, Refusal> {
        self.ask(|answer| Command::Patch { role, stream, session, if_match, fragment, answer }).await
    }

    pub(crate) async fn close(&self, (role, stream, session): (Role, String, SessionId)) -> Result<(), Refusal> {
        self.ask(|answer| Command::Close { role, stream, session, answer }).await
    }

    /// Whether the thread is there.
    pub(crate) fn is_running(&self) -> bool {
        !self.commands.is_closed()
    }

    /// Says goodbye to every peer and waits for the thread.
    pub(crate) async fn stop(&self) {
        let _ = self.commands.send(Command::Stop).await;
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the media thread ended with a panic");
            }
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, Refusal> {
        let (answer, reply) = oneshot::channel();
        self.commands.try_send(command(answer)).map_err(|_| Refusal::Stopped)?;
        reply.await.map_err(|_| Refusal::Stopped)?
    }
}

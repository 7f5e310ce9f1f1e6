//! RTMP and RTMPS: the sockets and the clock around `rtmp::Server`, for publishers and players.

mod player;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rand::Rng;
use rtmp::{Denial, Server, ServerEvent, tag};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::address;
use super::avc::Configuration;
use super::desk::Desk;
use super::door::Refused;
use super::pace::Line;
use super::unit::Unit;
use super::{Hall, told};
use crate::half_open::{HalfOpen, Place};
use crate::relay::FedOpened;

/// TLS, handshake and commands take a few round trips; the platform's hook may take seconds of it.
const SET_UP: Duration = Duration::from_secs(15);
/// A publisher that sends nothing for so long is gone; encoders send sound all the time.
const SILENCE: Duration = Duration::from_secs(10);
/// What is left to say must be taken in this time.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Answers are small: who does not take them reads nothing at all.
const SLOWEST_ANSWER: Duration = Duration::from_secs(5);
/// One read: a keyframe in a few.
const PIECE: usize = 64 << 10;
/// After "too many open files" and its like.
const BREATH: Duration = Duration::from_millis(50);

/// Serves until it is told to stop.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, hall: Hall) {
    let places = HalfOpen::default();
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        let mut stopped = hall.stopped.clone();
        let accepted = tokio::select! {
            () = told(&mut stopped) => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "an RTMP connection can't be accepted");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let (place, tls, hall) = (places.enter(), tls.clone(), hall.clone());
        open.spawn(async move {
            if let Err(end) = connection(stream, from, tls, place, hall).await {
                tracing::debug!(%from, end, "an RTMP connection ended");
            }
        });
    }
    drop(listener);
    // Each hears of the end by its orders.
    while open.join_next().await.is_some() {}
}

/// Why a connection ended, for a log.
type End = &'static str;

async fn connection(
    stream: TcpStream,
    from: SocketAddr,
    tls: Option<TlsAcceptor>,
    place: Place,
    hall: Hall,
) -> Result<(), End> {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let deadline = Instant::now() + SET_UP;
    match tls {
        None => guest(stream, from.ip(), deadline, place, hall).await,
        Some(acceptor) => {
            let greeted = tokio::select! {
                () = place.pushed_out() => return Err("pushed out"),
                greeted = timeout_at(deadline, acceptor.accept(stream)) => greeted,
            };
            let stream = greeted.map_err(|_| "no TLS in time")?.map_err(|_| "no TLS")?;
            guest(stream, from.ip(), deadline, place, hall).await
        }
    }
}

/// One socket and what is spoken over it.
struct Wire<S> {
    stream: S,
    server: Server,
    buffer: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Reads once and lets the protocol see it.
    async fn read(&mut self) -> Result<(), End> {
        self.buffer.clear();
        self.buffer.reserve(PIECE);
        let read = self.stream.read_buf(&mut self.buffer).await.map_err(|_| "the socket broke")?;
        if read == 0 {
            return Err("closed by the other side");
        }
        self.server.input(&self.buffer).map_err(|error| {
            tracing::debug!(%error, "what came is no RTMP");
            "no RTMP"
        })
    }

    /// Sends what the protocol has to say.
    async fn answer(&mut self) -> Result<(), End> {
        let Self { stream, server, .. } = self;
        let sending = async {
            while server.output().has_remaining() {
                stream.write_all_buf(server.output()).await?;
            }
            stream.flush().await
        };
        match timeout(SLOWEST_ANSWER, sending).await {
            Ok(Ok(())) => Ok(()),
            _ => Err("answers are not taken"),
        }
    }

    /// Says no, and waits until that is read: a socket closed over unread bytes would take it back.
    async fn refuse(&mut self, denial: &Denial) {
        self.server.refuse(denial);
        let last = async {
            self.answer().await.ok()?;
            self.stream.shutdown().await.ok()?;
            while self.stream.read(&mut [0; 4096]).await.ok()? > 0 {}
            Some(())
        };
        let _ = timeout(LAST_WORDS, last).await;
    }
}

/// Hears what somebody wants, and lets them in or not.
async fn guest<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    from: IpAddr,
    deadline: Instant,
    place: Place,
    hall: Hall,
) -> Result<(), End> {
    let mut wire = Wire { stream, server: Server::new(noise().into_iter()), buffer: BytesMut::new() };
    let wanted = tokio::select! {
        () = place.pushed_out() => return Err("pushed out"),
        wanted = timeout_at(deadline, wanted(&mut wire)) => wanted.map_err(|_| "no wish in time")??,
    };
    drop(place);
    let refused = match wanted {
        Wanted::ToPublish(request) => {
            let admitted = match address::of_rtmp(request.app.expose(), request.name.expose()) {
                Some(wish) => hall.admit(&wish, from, "rtmp").await,
                None => Err(Refused::no_wish()),
            };
            match admitted {
                Ok(opened) => return publisher(wire, opened, hall).await,
                Err(refused) => (denial(&refused, "NetStream.Publish"), refused.code),
            }
        }
        Wanted::ToPlay(request) => {
            let config = hall.site.config();
            let knows = |name: &str| config.streams.contains_key(name);
            let seat = match address::of_rtmp_player(request.app.expose(), request.name.expose(), knows) {
                Some(wish) => hall.seat(&wish, from, "rtmp").await,
                None => Err(Refused::no_wish()),
            };
            match seat {
                Ok(seat) => return player::run(wire, seat).await,
                Err(refused) => (denial(&refused, "NetStream.Play"), refused.code),
            }
        }
    };
    wire.refuse(&refused.0).await;
    Err(refused.1)
}

async fn publisher<S: AsyncRead + AsyncWrite + Unpin>(
    mut wire: Wire<S>,
    opened: FedOpened,
    hall: Hall,
) -> Result<(), End> {
    let mut desk = Desk::new(opened, &hall);
    wire.server.accept();
    wire.answer().await?;
    let mut reader = Reader::new();
    loop {
        let read = tokio::select! {
            () = desk.over() => {
                wire.refuse(&Denial {
                    code: "NetStream.Publish.Denied",
                    description: "another publisher has the stream now, or the server stops".to_owned(),
                }).await;
                return Err("sent away");
            }
            read = timeout(SILENCE, wire.read()) => read,
        };
        read.map_err(|_| "silent")??;
        while let Some(event) = wire.server.event() {
            if let Some(unit) = reader.read(event)? {
                // `over` above tells the publisher why.
                let _ = desk.take(unit).await;
            }
        }
        wire.answer().await?;
    }
}

/// The server's half of the handshake.
fn noise() -> Vec<u8> {
    let mut random = rand::rng();
    (0..1528).map(|_| random.random()).collect()
}

/// What somebody came for.
enum Wanted {
    ToPublish(rtmp::Request),
    ToPlay(rtmp::Request),
}

async fn wanted<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut Wire<S>) -> Result<Wanted, End> {
    loop {
        wire.read().await?;
        wire.answer().await?;
        while let Some(event) = wire.server.event() {
            match event {
                ServerEvent::Publish(request) => return Ok(Wanted::ToPublish(request)),
                ServerEvent::Play(request) => return Ok(Wanted::ToPlay(request)),
                _ => {}
            }
        }
    }
}

/// The words that publishers and players know for what HTTP says by numbers.
fn denial(refused: &Refused, about: &'static str) -> Denial {
    let code = match (about, refused.status) {
        ("NetStream.Publish", 401 | 404 | 409) => "NetStream.Publish.BadName",
        ("NetStream.Publish", 403) => "NetStream.Publish.Denied",
        ("NetStream.Publish", _) => "NetStream.Publish.Failed",
        (_, 404 | 409) => "NetStream.Play.StreamNotFound",
        _ => "NetStream.Play.Failed",
    };
    // "already" is what publishers look for to tell a name that is taken from a key that is wrong.
    Denial { code, description: format!("{} ({})", refused.reason, refused.code) }
}

/// RTMP's messages as units.
pub(super) struct Reader {
    line: Line,
    configuration: Option<Configuration>,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { line: Line::new(1000, 32), configuration: None }
    }

    pub(super) fn read(&mut self, event: ServerEvent) -> Result<Option<Unit>, End> {
        Ok(match event {
            ServerEvent::Video { timestamp, body } => self.video(timestamp, &body),
            ServerEvent::Audio { timestamp, body } => match tag::audio(&body) {
                tag::Audio::AacConfiguration(config) => Some(Unit::AacConfig(config)),
                tag::Audio::Aac(frame) => Some(Unit::Aac { pts: self.line.place(u64::from(timestamp)), frame }),
                tag::Audio::Opus(packet) => Some(Unit::Opus { pts: self.line.place(u64::from(timestamp)), packet }),
                tag::Audio::OtherCodec(codec) => Some(Unit::OtherAudio(codec)),
                tag::Audio::OpusConfiguration(_) | tag::Audio::Nothing => None,
            },
            ServerEvent::End => return Err("the publisher has ended"),
            ServerEvent::Publish(_) | ServerEvent::Play(_) => None,
        })
    }

    fn video(&mut self, timestamp: u32, body: &bytes::Bytes) -> Option<Unit> {
        match tag::video(body) {
            tag::Video::Configuration(record) => {
                let configuration = Configuration::read(&record)?;
                let sets = configuration.sets.clone();
                self.configuration = Some(configuration);
                Some(Unit::AvcSets(sets))
            }
            tag::Video::Picture { composition, units, .. } => {
                let units = self.configuration.as_ref()?.split(units).filter(|units| !units.is_empty())?;
                let dts = self.line.place(u64::from(timestamp));
                Some(Unit::Avc { dts, pts: self.line.beside(dts, i64::from(composition)), units })
            }
            tag::Video::OtherCodec(codec) => Some(Unit::OtherVideo(codec)),
            tag::Video::Nothing => None,
        }
    }
}

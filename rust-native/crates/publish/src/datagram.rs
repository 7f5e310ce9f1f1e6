//! MPEG-TS in datagrams: over SRT (caller or listener), and plain over UDP and TCP.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use stream::{LagPolicy, Lanes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::destination::{Context, End, PublishStatus, until_stopped};
use crate::failure::Failure;
use crate::health::Gauges;
use crate::mpeg_ts::{Muxer, PACKET};
use crate::net::{self, Dial, SILENCE};
use crate::srt::{Srt, SrtLink};
use crate::udp::{Outlet, resolve};

/// Seven packets fit any path, and are what SRT's live mode carries.
const DATAGRAM: usize = 7 * PACKET;
/// Units that may wait, as for RTMP.
const QUEUE: usize = 320;
/// What a goodbye may take, and what the unit that is under way when it comes.
const GOODBYE: Duration = Duration::from_millis(500);

/// How the packets travel.
#[derive(Debug, Clone)]
pub(crate) enum Link {
    Srt(SrtLink),
    Udp { host: String, port: u16 },
    Tcp { host: String, port: u16 },
}

/// One session to be.
pub(crate) struct Session<'a> {
    pub(crate) context: &'a Context,
    pub(crate) link: &'a Link,
    /// The stream was live before.
    pub(crate) resumed: bool,
}

enum Open {
    Srt(Box<Srt>),
    Udp(Outlet),
    Tcp(net::Connection),
}

impl Session<'_> {
    /// Runs to its end; also since when it was live, if it was.
    pub(crate) async fn run(self, stopped: &mut watch::Receiver<bool>) -> (End, Option<Instant>) {
        let gauges = self.context.shared.begin();
        let mut live_since = None;
        let opened = tokio::select! {
            () = until_stopped(stopped) => return (End::Stopped, None),
            opened = open(self.link, &self.context.dial) => opened,
        };
        let outcome = match opened {
            Ok(mut open) => {
                let mut stopped_too = stopped.clone();
                let sent = tokio::select! {
                    sent = self.send(&mut open, &gauges, &mut live_since, stopped) => sent,
                    () = async { until_stopped(&mut stopped_too).await; sleep(GOODBYE).await } => Ok(()),
                };
                if sent.is_ok() && live_since.is_some() {
                    open.last_out().await;
                }
                match timeout(GOODBYE, open.close()).await {
                    // It was not lost: it fell over what it was sent.
                    Ok(Err(_)) if sent.is_err() => Err(Failure::bad_peer("what SRT's crate could not bear")),
                    _ => sent,
                }
            }
            Err(failure) => Err(failure),
        };
        (outcome.map_or_else(End::Failed, |()| End::Stopped), live_since)
    }

    /// Sends until it is stopped, which ends after a whole unit, or breaks.
    async fn send(
        &self,
        open: &mut Open,
        gauges: &Gauges,
        live_since: &mut Option<Instant>,
        stopped: &mut watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let codec = self.context.codec;
        let lanes = Lanes::of(codec).and(Lanes::AAC);
        let mut units = self.context.hub.subscribe_to(lanes, QUEUE, LagPolicy::SkipToKeyframe);
        (self.context.request_keyframe)();
        let mut muxer = Muxer::new(codec);
        let mut packets = Vec::new();
        loop {
            let unit = tokio::select! {
                unit = units.recv() => unit,
                event = open.event() => {
                    event?;
                    self.live(live_since);
                    continue;
                }
                () = until_stopped(stopped) => return Ok(()),
            };
            // The producer goes with the engine: whoever owns this destination stops it then.
            let Ok(unit) = unit else { return Err(Failure::connection_lost()) };
            packets.clear();
            muxer.write(&unit, &mut packets);
            if packets.is_empty() {
                continue;
            }
            open.send(&packets).await?;
            gauges.sent(unit.pts, packets.len(), units.stats());
            open.look(gauges);
            // What nobody confirms is live once nobody has refused it.
            if live_since.is_none() && !matches!(open, Open::Udp(_)) {
                self.live(live_since);
            }
        }
    }

    fn live(&self, live_since: &mut Option<Instant>) {
        *live_since = Some(Instant::now());
        (self.context.on_status)(PublishStatus::Live { resumed: self.resumed });
    }
}

async fn open(link: &Link, dial: &Dial) -> Result<Open, Failure> {
    match link {
        Link::Srt(link) => Srt::open(link).await.map(|srt| Open::Srt(Box::new(srt))),
        Link::Tcp { host, port } => dial(host.clone(), *port, false).await.map(Open::Tcp),
        Link::Udp { host, port } => {
            let opened =
                async { Ok::<_, io::Error>(Outlet::open(resolve(host, *port).await?).await?.in_runs_of(DATAGRAM)) };
            opened.await.map(Open::Udp).map_err(|error| Failure::unreachable(&error))
        }
    }
}

/// Connects and leaves again; a listener only opens its port.
pub(crate) async fn test(link: &Link) -> Result<(), Failure> {
    if let Link::Srt(SrtLink { host: None, port, .. }) = link {
        return UdpSocket::bind((Ipv4Addr::UNSPECIFIED, *port)).await.map(|_| ()).map_err(|e| Failure::unreachable(&e));
    }
    let mut open = open(link, &net::dial()).await?;
    let _ = timeout(GOODBYE, open.close()).await;
    Ok(())
}

fn broken(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::TimedOut => Failure::stalled(),
        _ => Failure::connection_lost(),
    }
}

impl Open {
    async fn send(&mut self, packets: &[u8]) -> Result<(), Failure> {
        let deadline = Instant::now() + SILENCE;
        let sent = async {
            match self {
                Self::Srt(srt) => srt.send(packets.chunks(DATAGRAM)).await,
                Self::Udp(outlet) => outlet.send_all(packets.chunks(DATAGRAM)).await,
                Self::Tcp(connection) => connection.stream.write_all(packets).await.map_err(broken),
            }
        };
        tokio::select! {
            sent = sent => sent,
            () = sleep_until(deadline) => Err(Failure::stalled()),
        }
    }

    /// Resolves when it is known to be heard, or the other side has gone.
    async fn event(&mut self) -> Result<(), Failure> {
        match self {
            Self::Udp(outlet) => outlet.settled().await,
            Self::Srt(srt) => Err(srt.gone().await),
            Self::Tcp(connection) => {
                let mut ignored = [0; 256];
                while let Ok(1..) = connection.stream.read(&mut ignored).await {}
                Err(Failure::connection_lost())
            }
        }
    }

    fn look(&mut self, gauges: &Gauges) {
        match self {
            Self::Srt(srt) => srt.look(gauges),
            Self::Udp(_) => {}
            Self::Tcp(connection) => {
                let (round_trip, sent_again) = connection.path.read();
                gauges.tcp_path(round_trip, sent_again);
            }
        }
    }

    /// Waits until the receiver has given its viewers what was sent.
    async fn last_out(&mut self) {
        if let Self::Srt(srt) = self {
            srt.last_out().await;
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        match self {
            Self::Srt(srt) => srt.close().await,
            Self::Udp(_) => Ok(()),
            Self::Tcp(connection) => {
                let _ = connection.stream.shutdown().await;
                Ok(())
            }
        }
    }
}

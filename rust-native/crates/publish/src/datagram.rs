//! MPEG-TS in datagrams: over SRT (caller or listener), and plain over UDP and TCP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use media::Secret;
use srt_protocol::options::ByteCount;
use srt_protocol::packet::{CoreRejectReason, RejectReason, ServerRejectReason};
use srt_protocol::protocol::pending_connection::ConnectionReject;
use srt_tokio::SrtSocket;
use stream::{LagPolicy, Lanes};
use tokio::io::AsyncWriteExt;
use tokio::net::{UdpSocket, lookup_host};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::destination::{Context, End, PublishStatus, until_stopped};
use crate::failure::Failure;
use crate::health::Gauges;
use crate::mpeg_ts::{Muxer, PACKET};
use crate::net::{self, SILENCE};

/// Seven packets fit any path, and are what SRT's live mode carries.
const DATAGRAM: usize = 7 * PACKET;
/// Units that may wait, as for RTMP.
const QUEUE: usize = 320;
/// A caller's handshake: two round trips, a lost packet a quarter of a second each.
const CONNECT: Duration = Duration::from_secs(5);
/// A peer that says nothing for so long is gone: SRT's own keep-alive comes each second.
const IDLE: Duration = Duration::from_secs(5);
/// What a goodbye may take, and what the unit that is under way when it comes.
const GOODBYE: Duration = Duration::from_millis(500);
/// What waits for SRT's receipt: srt-tokio's own bound is 31 packets, and it drops the first ones of a larger picture.
const SRT_BUFFER: ByteCount = ByteCount(8192 * 1500);
/// An SRT receiver throws away what it holds back for its latency once the sender has said goodbye: so that waits for
/// the latency, for the way of the last packet, and for no longer than this.
const SRT_LAST_OUT: Duration = Duration::from_millis(1200);
const SRT_LAST_WAY: Duration = Duration::from_millis(150);

/// How the packets travel.
#[derive(Debug, Clone)]
pub(crate) enum Link {
    Srt(SrtLink),
    Udp { host: String, port: u16 },
    Tcp { host: String, port: u16 },
}

/// An SRT link.
#[derive(Debug, Clone)]
pub(crate) struct SrtLink {
    /// `None`: listens on `port`, and takes one caller after the other.
    pub(crate) host: Option<String>,
    pub(crate) port: u16,
    pub(crate) passphrase: Option<Secret>,
    pub(crate) stream_id: Option<Secret>,
    pub(crate) latency: Duration,
}

/// One session to be.
pub(crate) struct Session<'a> {
    pub(crate) context: &'a Context,
    pub(crate) link: &'a Link,
    /// The stream was live before.
    pub(crate) resumed: bool,
}

enum Open {
    Srt(Box<SrtSocket>),
    Udp(UdpSocket),
    Tcp(net::Connection),
}

impl Session<'_> {
    /// Runs to its end; also since when it was live, if it was.
    pub(crate) async fn run(self, stopped: &mut watch::Receiver<bool>) -> (End, Option<Instant>) {
        let gauges = self.context.shared.begin();
        let mut live_since = None;
        let opened = tokio::select! {
            () = until_stopped(stopped) => return (End::Stopped, None),
            opened = open(self.link) => opened,
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
                let _ = timeout(GOODBYE, open.close()).await;
                sent
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
        let mut units = self.context.hub.subscribe_to(Lanes::VIDEO_AND_AAC, QUEUE, LagPolicy::SkipToKeyframe);
        (self.context.request_keyframe)();
        let mut muxer = Muxer::new();
        let mut packets = Vec::new();
        loop {
            let unit = tokio::select! {
                unit = units.recv() => unit,
                () = open.broken() => return Err(Failure::connection_lost()),
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
            if live_since.is_none() {
                *live_since = Some(Instant::now());
                (self.context.on_status)(PublishStatus::Live { resumed: self.resumed });
            }
        }
    }
}

async fn open(link: &Link) -> Result<Open, Failure> {
    match link {
        Link::Srt(link) => open_srt(link).await.map(|socket| Open::Srt(Box::new(socket))),
        Link::Tcp { host, port } => net::connect(host, *port, false).await.map(Open::Tcp),
        Link::Udp { host, port } => open_udp(host, *port).await.map(Open::Udp).map_err(|e| Failure::unreachable(&e)),
    }
}

/// Connects and leaves again; a listener only opens its port.
pub(crate) async fn test(link: &Link) -> Result<(), Failure> {
    if let Link::Srt(SrtLink { host: None, port, .. }) = link {
        return UdpSocket::bind((Ipv4Addr::UNSPECIFIED, *port)).await.map(|_| ()).map_err(|e| Failure::unreachable(&e));
    }
    let mut open = open(link).await?;
    let _ = timeout(GOODBYE, open.close()).await;
    Ok(())
}

async fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    let mut found: Vec<_> = lookup_host((host, port)).await?.collect();
    // Names often have both: most senders and receivers still meet on version 4.
    found.sort_by_key(|address| !address.is_ipv4());
    found.into_iter().next().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

async fn open_udp(host: &str, port: u16) -> io::Result<UdpSocket> {
    let to = resolve(host, port).await?;
    let local: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 16], 0).into() };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(to).await?;
    Ok(socket)
}

async fn open_srt(link: &SrtLink) -> Result<SrtSocket, Failure> {
    let latency = link.latency;
    let mut builder = SrtSocket::builder().latency(latency).set(|options| {
        options.connect.timeout = CONNECT;
        options.sender.buffer_size = SRT_BUFFER;
        options.session.peer_idle_timeout = IDLE;
    });
    if let Some(passphrase) = &link.passphrase {
        builder = builder.encryption(16, passphrase.expose());
    }
    let opened = match &link.host {
        Some(host) => {
            let to = resolve(host, link.port).await.map_err(|error| Failure::unreachable(&error))?;
            builder.call(to, link.stream_id.as_ref().map(Secret::expose)).await
        }
        None => builder.local_port(link.port).listen().await,
    };
    opened.map_err(|error| srt_failure(&error))
}

fn srt_failure(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::TimedOut {
        return Failure::no_answer();
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<ConnectionReject>()) {
        Some(ConnectionReject::Rejected(reason) | ConnectionReject::Rejecting(reason)) => refused(*reason),
        None => Failure::unreachable(error),
    }
}

/// SRT's reject codes by what the user can do (SRT Access Control, section "Rejection codes").
fn refused(reason: RejectReason) -> Failure {
    let message = format!("the server refuses the stream ({reason})");
    let final_ = |code, hint| Failure { is_final: true, ..Failure::new(code, message.clone(), hint) };
    match reason {
        RejectReason::Core(CoreRejectReason::BadSecret | CoreRejectReason::Unsecure) => {
            final_("bad_passphrase", "Enter the passphrase again; both sides need the same one, or none.")
        }
        RejectReason::Server(ServerRejectReason::Unauthorized | ServerRejectReason::Forbidden) => {
            final_("bad_key", "Enter the stream key again; some services give a new one for each stream.")
        }
        RejectReason::Server(ServerRejectReason::Conflict | ServerRejectReason::Locked) => Failure::new(
            "stream_in_use",
            message,
            "End the other publisher of this stream, or wait until the server lets go of it.",
        ),
        _ => Failure::new("srt_refused", message, "Check the stream's name, and look into the server's log."),
    }
}

impl Open {
    async fn send(&mut self, packets: &[u8]) -> Result<(), Failure> {
        let deadline = Instant::now() + SILENCE;
        let sent = async {
            match self {
                Self::Srt(socket) => {
                    for datagram in packets.chunks(DATAGRAM) {
                        socket.feed((std::time::Instant::now(), Bytes::copy_from_slice(datagram))).await?;
                    }
                    socket.flush().await
                }
                Self::Udp(socket) => {
                    for datagram in packets.chunks(DATAGRAM) {
                        match socket.send(datagram).await {
                            // Nobody listens there now; the next one may be heard.
                            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                            other => other.map(|_| ())?,
                        }
                    }
                    Ok(())
                }
                Self::Tcp(connection) => connection.stream.write_all(packets).await,
            }
        };
        tokio::select! {
            sent = sent => sent.map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => Failure::stalled(),
                _ => Failure::connection_lost(),
            }),
            () = sleep_until(deadline) => Err(Failure::stalled()),
        }
    }

    /// Resolves when the other side has gone.
    async fn broken(&mut self) {
        match self {
            // What a receiver says to a sender is nothing to us; its end is.
            Self::Srt(socket) => while let Some(Ok(_)) = socket.next().await {},
            Self::Udp(_) => std::future::pending().await,
            Self::Tcp(connection) => {
                let mut ignored = [0; 256];
                loop {
                    match tokio::io::AsyncReadExt::read(&mut connection.stream, &mut ignored).await {
                        Ok(1..) => {}
                        _ => return,
                    }
                }
            }
        }
    }

    fn look(&self, gauges: &Gauges) {
        if let Self::Tcp(connection) = self {
            let (round_trip, sent_again) = connection.path.read();
            gauges.tcp_path(round_trip, sent_again);
        }
    }

    /// Waits until the receiver has given its viewers what was sent.
    async fn last_out(&mut self) {
        let Self::Srt(socket) = self else { return };
        let latency = socket.settings().send_tsbpd_latency;
        let _ = timeout((latency + SRT_LAST_WAY).min(SRT_LAST_OUT), self.broken()).await;
    }

    async fn close(&mut self) {
        match self {
            Self::Srt(socket) => {
                let _ = socket.close_and_finish().await;
            }
            Self::Udp(_) => {}
            Self::Tcp(connection) => {
                let _ = connection.stream.shutdown().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_named_by_what_can_be_done() {
        let of = |reason: RejectReason| (refused(reason).code, refused(reason).is_final);
        assert_eq!(of(RejectReason::Core(CoreRejectReason::BadSecret)), ("bad_passphrase", true));
        assert_eq!(of(RejectReason::Server(ServerRejectReason::Forbidden)), ("bad_key", true));
        assert_eq!(of(RejectReason::Server(ServerRejectReason::Conflict)), ("stream_in_use", false));
        assert_eq!(of(RejectReason::Core(CoreRejectReason::Peer)), ("srt_refused", false));
    }
}

//! One SRT link: srt-tokio behind a [`Door`], which keeps from it what it falls over and reads what it does not tell.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use media::Secret;
use srt_protocol::options::ByteCount;
use srt_protocol::packet::{CoreRejectReason, RejectReason, ServerRejectReason};
use srt_protocol::protocol::pending_connection::ConnectionReject;
use srt_tokio::SrtSocket;
use tokio::time::{Instant, timeout};

use crate::failure::Failure;
use crate::health::Gauges;
use crate::udp::resolve;

mod door;
mod gate;

use door::{Door, Sides};
use gate::Path;

/// A caller's handshake: two round trips, a lost packet a quarter of a second each.
const CONNECT: Duration = Duration::from_secs(5);
/// A peer that says nothing for so long is gone: SRT's own keep-alive comes each second.
const IDLE: Duration = Duration::from_secs(5);
/// What waits for SRT's receipt: srt-tokio's own bound is 31 packets, and it drops the first ones of a larger picture.
const BUFFER: ByteCount = ByteCount(8192 * 1500);
/// An SRT receiver throws away what it holds back for its latency once the sender has said goodbye: so that waits for
/// the latency, for the way of the last packet, and for no longer than this.
const LAST_OUT: Duration = Duration::from_millis(1200);
const LAST_WAY: Duration = Duration::from_millis(150);
/// Loss is a share of what was sent in this.
const LOSS_OVER: Duration = Duration::from_secs(1);

/// Where to, and how.
#[derive(Debug, Clone)]
pub(crate) struct SrtLink {
    /// `None`: listens on `port`, and takes one caller after the other.
    pub(crate) host: Option<String>,
    pub(crate) port: u16,
    pub(crate) passphrase: Option<Secret>,
    pub(crate) stream_id: Option<Secret>,
    pub(crate) latency: Duration,
}

/// A connected link.
pub(crate) struct Srt {
    socket: SrtSocket,
    door: Door,
    looked: (Instant, Path),
    loss: Option<f64>,
}

impl Srt {
    pub(crate) async fn open(link: &SrtLink) -> Result<Self, Failure> {
        let mut builder = SrtSocket::builder().latency(link.latency).set(|options| {
            options.connect.timeout = CONNECT;
            options.sender.buffer_size = BUFFER;
            options.session.peer_idle_timeout = IDLE;
        });
        if let Some(passphrase) = &link.passphrase {
            builder = builder.encryption(16, passphrase.expose());
        }
        let sides = async {
            match &link.host {
                Some(host) => Door::to(resolve(host, link.port).await?).await,
                None => Door::at(link.port).await,
            }
        };
        let Sides { mut door, socket, peer } = sides.await.map_err(|error| Failure::unreachable(&error))?;
        let builder = builder.socket(socket);
        let stream_id = link.stream_id.as_ref().map(Secret::expose);
        let opened = async {
            if link.host.is_some() {
                builder.call(peer, stream_id).await
            } else {
                builder.local_port(link.port).listen().await
            }
        };
        tokio::select! {
            opened = opened => match opened {
                Ok(socket) => Ok(Self { socket, door, looked: (Instant::now(), Path::default()), loss: None }),
                Err(error) => {
                    // The crate's "no" is on its way.
                    door.close().await;
                    Err(explain(&error))
                }
            },
            reason = door.refused() => Err(Failure::bad_peer(reason)),
        }
    }

    /// Hands over datagrams; they may wait here for the receiver's receipts.
    pub(crate) async fn send<'a>(&mut self, datagrams: impl Iterator<Item = &'a [u8]>) -> Result<(), Failure> {
        let Self { socket, door, .. } = self;
        let all = async {
            for datagram in datagrams {
                socket.feed((std::time::Instant::now(), Bytes::copy_from_slice(datagram))).await?;
            }
            socket.flush().await
        };
        tokio::select! {
            biased;
            reason = door.refused() => Err(Failure::bad_peer(reason)),
            sent = all => sent.map_err(|_| Failure::connection_lost()),
        }
    }

    /// Resolves when the other side has gone, or must go: why.
    pub(crate) async fn gone(&mut self) -> Failure {
        let Self { socket, door, .. } = self;
        tokio::select! {
            biased;
            reason = door.refused() => Failure::bad_peer(reason),
            // What a receiver says to a sender is nothing to us; its end is.
            () = async { while let Some(Ok(_)) = socket.next().await {} } => Failure::connection_lost(),
        }
    }

    pub(crate) fn look(&mut self, gauges: &Gauges) {
        let path = self.door.path();
        let now = Instant::now();
        let (then, before) = self.looked;
        if now.duration_since(then) >= LOSS_OVER && path.sent > before.sent {
            let share = (path.lost - before.lost) as f64 / (path.sent - before.sent) as f64;
            self.loss = Some(share.min(1.0));
            self.looked = (now, path);
        }
        gauges.path(path.round_trip, self.loss);
    }

    /// Waits until the receiver has given its viewers what was sent.
    pub(crate) async fn last_out(&mut self) {
        let latency = self.socket.settings().send_tsbpd_latency;
        let _ = timeout((latency + LAST_WAY).min(LAST_OUT), self.gone()).await;
    }

    /// Says goodbye. An error means that the crate fell over what the peer sent.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        let closed = self.socket.close_and_finish().await;
        self.door.close().await;
        closed
    }
}

fn explain(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::TimedOut {
        return Failure::no_answer();
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<ConnectionReject>()) {
        Some(ConnectionReject::Rejected(reason) | ConnectionReject::Rejecting(reason)) => refused(*reason),
        None => Failure::unreachable(error),
    }
}

/// SRT's reject codes by what the user can do (SRT Access Control, section "Rejection codes").
pub fn refused(reason: RejectReason) -> Failure {
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

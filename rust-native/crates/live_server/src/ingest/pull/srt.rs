//! A source that is called by SRT. What follows the handshake is the same as with a caller of ours.

use std::io::Cursor;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use media::Secret;
use publish::Failure;
use srt_protocol::connection::Connection;
use srt_protocol::options::{KeySize, Passphrase, SocketOptions};
use srt_protocol::packet::{Packet, SeqNumber};
use srt_protocol::protocol::pending_connection::connect::Connect;
use srt_protocol::protocol::pending_connection::{ConnectionReject, ConnectionResult};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::run::{Pull, bad_address, silent, taken_over};
use crate::ingest::srt::{BUFFER, IDLE, MOST_DATAGRAM, WAITING, bind, caller};

/// Two round trips, a lost packet a quarter of a second each.
const CONNECT: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(250);

/// Where to, and as what.
struct Call {
    host: String,
    port: u16,
    id: Option<Secret>,
}

/// `srt://host:port`, with `streamid` in the query unless it is given apart.
fn call(url: &str, key: Option<&Secret>) -> Option<Call> {
    let url = reqwest::Url::parse(url).ok()?;
    let in_query =
        || url.query_pairs().find(|(name, _)| name == "streamid").map(|(_, id)| Secret::new(id.into_owned()));
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(Call { host, port: url.port()?, id: key.cloned().or_else(in_query) })
}

pub(super) async fn run(pull: &Pull) -> Failure {
    let Some(call) = call(pull.settings.url.expose(), pull.settings.key.as_ref()) else { return bad_address() };
    let opened = async {
        let found = tokio::net::lookup_host((call.host.as_str(), call.port)).await.ok();
        let to = found.and_then(|mut all| all.next()).ok_or_else(|| Failure::unreachable(&not_found()))?;
        let local: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 16], 0).into() };
        let socket = bind(local).map_err(|error| Failure::unreachable(&error))?;
        let connection = shake_hands(pull, &socket, to, call.id.as_ref()).await?;
        Ok::<_, Failure>((socket, to, connection, pull.open(Some(to)).await?))
    };
    let (socket, to, connection, opened) = match opened.await {
        Ok(all) => all,
        Err(failure) => return failure,
    };
    pull.is_live();
    let (packets, inbox) = mpsc::channel(WAITING);
    let reading = async {
        let mut buffer = [0; MOST_DATAGRAM];
        loop {
            if let Some(packet) = receive(&socket, to, &mut buffer).await {
                // What finds no room is lost, and asked for again.
                let _ = packets.try_send(packet);
            }
        }
    };
    let end = tokio::select! {
        end = caller::run(connection, inbox, &socket, opened, &pull.hall) => end,
        () = reading => "closed",
    };
    match end {
        "sent away" => taken_over(),
        "silent" => silent(),
        _ => Failure::connection_lost(),
    }
}

fn not_found() -> std::io::Error {
    std::io::ErrorKind::NotFound.into()
}

/// The next datagram of the source, if it is SRT's.
async fn receive(socket: &UdpSocket, from: SocketAddr, buffer: &mut [u8]) -> Option<Packet> {
    let Ok((length, sender)) = socket.recv_from(buffer).await else {
        // Nobody listens there: the next one may find somebody.
        tokio::time::sleep(Duration::from_millis(20)).await;
        return None;
    };
    if sender != from {
        return None;
    }
    // The parser was not written for strangers: a bug in it must cost one datagram.
    catch_unwind(AssertUnwindSafe(|| Packet::parse(&mut Cursor::new(&buffer[..length]), from.is_ipv6()))).ok()?.ok()
}

async fn shake_hands(
    pull: &Pull,
    socket: &UdpSocket,
    to: SocketAddr,
    id: Option<&Secret>,
) -> Result<Connection, Failure> {
    let mut options = SocketOptions::default();
    options.receiver.latency = pull.settings.latency();
    options.receiver.buffer_size = BUFFER;
    options.session.peer_idle_timeout = IDLE;
    if let Some(passphrase) = &pull.settings.passphrase {
        options.encryption.key_size = KeySize::AES128;
        // Its length has been looked at with the configuration.
        options.encryption.passphrase = Passphrase::try_from(passphrase.expose().to_owned()).ok();
    }
    let local = socket.local_addr().map_err(|error| Failure::unreachable(&error))?.ip();
    let id = id.map(|id| id.expose().to_owned());
    let mut connect = Connect::new(to, local, options.into(), id, SeqNumber::new_truncate(rand::random()));
    let deadline = Instant::now() + CONNECT;
    let (mut again, mut buffer) = (Instant::now(), [0; MOST_DATAGRAM]);
    loop {
        let now = Instant::now();
        if now >= deadline {
            return Err(Failure::no_answer());
        }
        let result = tokio::select! {
            () = sleep_until(again.into()) => {
                again = Instant::now() + AGAIN;
                connect.handle_tick(Instant::now())
            }
            packet = receive(socket, to, &mut buffer) => {
                let Some(packet) = packet else { continue };
                let handled = catch_unwind(AssertUnwindSafe(|| connect.handle_packet(Ok((packet, to)), Instant::now())));
                handled.map_err(|_| Failure::bad_peer("a handshake that nobody understands"))?
            }
        };
        match result {
            ConnectionResult::SendPacket((packet, to)) => {
                let mut bytes = BytesMut::with_capacity(MOST_DATAGRAM);
                packet.serialize(&mut bytes);
                let _ = socket.send_to(&bytes, to).await;
            }
            ConnectionResult::Connected(_, connection) => return Ok(connection),
            ConnectionResult::Reject(_, ConnectionReject::Rejected(reason) | ConnectionReject::Rejecting(reason)) => {
                return Err(publish::srt_refused(reason));
            }
            ConnectionResult::Failure(error) => return Err(Failure::unreachable(&error)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_id_stands_in_the_address_or_apart() {
        let of = |url: &str, key: Option<&str>| {
            call(url, key.map(Secret::new).as_ref())
                .map(|call| (call.host, call.port, call.id.map(|id| id.expose().to_owned())))
        };
        let some = |id: Option<&str>| Some(("host".to_owned(), 9000, id.map(str::to_owned)));
        assert_eq!(of("srt://host:9000", None), some(None));
        assert_eq!(of("srt://host:9000?streamid=%23!::r=live,m=request", None), some(Some("#!::r=live,m=request")));
        assert_eq!(of("srt://host:9000?streamid=a", Some("b")), some(Some("b")));
        assert!(of("srt://host", None).is_none() && of("nothing", None).is_none());
    }
}

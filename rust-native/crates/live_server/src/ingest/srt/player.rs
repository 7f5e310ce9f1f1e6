//! Somebody who plays a stream over SRT: a seat's units as MPEG-TS, in datagrams of seven packets.
//!
//! What the network loses is sent again within the latency; what is later than that SRT itself leaves out, so that a
//! slow player costs no more than the sender's buffer.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use media::VideoCodec;
use publish::{MPEG_TS_PACKET, MpegTsMuxer};
use srt_protocol::connection::{Connection, DuplexConnection};
use srt_protocol::packet::Packet;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::caller::{GOODBYE, TICK};
use crate::play::Seat;

/// As SRT's live mode has it: seven packets in a datagram.
const DATAGRAM: usize = 7 * MPEG_TS_PACKET;
/// After the last unit: what is under way, and was lost, still gets there.
const LAST_OUT: Duration = Duration::from_millis(700);

/// Runs until either side ends it; says why, for a log.
pub(super) async fn run(
    connection: Connection,
    mut inbox: mpsc::Receiver<Packet>,
    socket: &UdpSocket,
    mut seat: Seat,
) -> &'static str {
    let remote = connection.settings.remote;
    let mut connection = DuplexConnection::new(connection);
    let mut muxer = MpegTsMuxer::new(VideoCodec::H264);
    let (mut stream, mut out) = (Vec::new(), BytesMut::new());
    let mut leaving: Option<Instant> = None;
    let mut told = false;
    while connection.is_open() {
        let now = Instant::now();
        // Looked at so that its timer moves on.
        let _ = connection.should_update_statistics(now);
        while let Some((packet, to)) = connection.next_packet(now) {
            out.clear();
            packet.serialize(&mut out);
            let _ = socket.send_to(&out, to).await;
        }
        while connection.next_data(now).is_some() {}
        if let Some(since) = leaving {
            let gone = now.saturating_duration_since(since);
            if gone >= LAST_OUT && !std::mem::replace(&mut told, true) {
                connection.handle_data_input(now, None);
            }
            if gone >= LAST_OUT + GOODBYE {
                return "the stream is over";
            }
        }
        let due = connection.check_timers(now).clamp(now + TICK, now + GOODBYE);
        tokio::select! {
            unit = seat.next(), if leaving.is_none() => match unit {
                Some(unit) => {
                    muxer.write(&unit, &mut stream);
                    while let Some(unit) = seat.next_now() {
                        muxer.write(&unit, &mut stream);
                    }
                    let now = Instant::now();
                    for datagram in stream.chunks(DATAGRAM) {
                        connection.handle_data_input(now, Some((now, Bytes::copy_from_slice(datagram))));
                    }
                    stream.clear();
                }
                None => leaving = Some(Instant::now()),
            },
            packet = inbox.recv() => match packet {
                Some(packet) => connection.handle_packet_input(Instant::now(), Ok((packet, remote))),
                None => return "the port is closed",
            },
            () = sleep_until(due.into()) => {}
        }
    }
    "the player has gone"
}

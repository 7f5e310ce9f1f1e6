//! One caller that was let in to publish: SRT's state machine, its timers, and what it sends.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use srt_protocol::connection::{Connection, DuplexConnection};
use srt_protocol::packet::Packet;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::super::Hall;
use super::super::desk::Desk;
use super::super::mpeg_ts::Demuxer;
use crate::relay::FedOpened;

/// A caller that sends nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// What saying goodbye may take.
pub(super) const GOODBYE: Duration = Duration::from_millis(500);
/// Timers that are due are looked at no more often: one that stays due must not spin.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// Runs until either side ends it; says why, for a log.
pub(in crate::ingest) async fn run(
    connection: Connection,
    mut inbox: mpsc::Receiver<Packet>,
    socket: &UdpSocket,
    opened: FedOpened,
    hall: &Hall,
) -> &'static str {
    let remote = connection.settings.remote;
    let mut connection = DuplexConnection::new(connection);
    let mut desk = Desk::new(opened, hall).impatient();
    let (mut demuxer, mut units, mut out) = (Demuxer::new(), Vec::new(), BytesMut::new());
    let mut heard = Instant::now();
    let mut leaving: Option<(Instant, &'static str)> = None;
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
        while let Some((_, data)) = connection.next_data(now) {
            heard = now;
            demuxer.take(&data, &mut units);
        }
        for unit in units.drain(..) {
            if leaving.is_none() && desk.take(unit).await.is_err() {
                leaving = Some((now, "sent away"));
            }
        }
        if leaving.is_none() && now.saturating_duration_since(heard) >= SILENCE {
            leaving = Some((now, "silent"));
        }
        if let Some((since, why)) = leaving {
            if !std::mem::replace(&mut told, true) {
                connection.handle_data_input(now, None);
            }
            if now.saturating_duration_since(since) >= GOODBYE {
                return why;
            }
        }
        let due = connection.check_timers(now).clamp(now + TICK, now + GOODBYE);
        tokio::select! {
            () = desk.over(), if leaving.is_none() => leaving = Some((Instant::now(), "sent away")),
            packet = inbox.recv() => match packet {
                Some(packet) => connection.handle_packet_input(Instant::now(), Ok((packet, remote))),
                None => return "the port is closed",
            },
            () = sleep_until(due.into()) => {}
        }
    }
    leaving.map_or("the caller has ended", |(_, why)| why)
}

//! The UDP socket of a shard: batches in, runs of equal datagrams out in one system call (GSO) where the system can.
//!
//! Sending never waits. What the system's buffer has no room for is dropped and counted: the stream is live, and a
//! receiver that misses a packet asks for it again.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::tcp::Lines;
use crate::figures::{Figures, Totals};

/// A quarter of a second at 100 Mbit/s; the system may give less.
const SOCKET_BUFFER: usize = 3 << 20;
/// The largest datagram that is read: IP allows no more.
const DATAGRAM: usize = 1 << 16;
/// The largest run that is sent at once: a UDP datagram that the system cuts into pieces.
const LARGEST_RUN: usize = 60_000;
/// More candidates only slow a browser's search down.
const MOST_CANDIDATES: usize = 8;

/// Opens the socket (before the shard's thread starts, so that a failure reaches the caller).
fn bind(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Opens a socket on the first port that is free. Says which one was tried last.
pub(super) fn bind_first(
    ip: IpAddr,
    ports: std::ops::RangeInclusive<u16>,
) -> Result<std::net::UdpSocket, (SocketAddr, io::Error)> {
    let mut last = (SocketAddr::new(ip, *ports.start()), io::Error::from(io::ErrorKind::AddrInUse));
    for port in ports {
        let address = SocketAddr::new(ip, port);
        match bind(address) {
            Ok(socket) => return Ok(socket),
            // Only a taken port is a reason to try the next: what else is wrong is wrong with all of them.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = (address, error),
            Err(error) => return Err((address, error)),
        }
    }
    Err(last)
}

/// The socket, with its two directions apart so that datagrams can be answered while they are read.
pub(super) struct MediaSocket {
    io: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    /// For peers that UDP does not reach.
    lines: Lines,
}

impl MediaSocket {
    /// Must be called on the shard's runtime.
    pub(super) fn new(socket: std::net::UdpSocket, lines: Lines) -> io::Result<Self> {
        let local = socket.local_addr()?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        for outcome in [
            state.set_send_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER),
            state.set_recv_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER),
        ] {
            if let Err(error) = outcome {
                tracing::debug!(%error, "the system keeps its own socket buffer size");
            }
        }
        Ok(Self { io: UdpSocket::from_std(socket)?, state, local, lines })
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    /// The addresses under which a peer may reach the socket now, the most useful first, this machine itself last.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        if !self.local.ip().is_unspecified() {
            return vec![self.local];
        }
        let mut addresses: Vec<IpAddr> = match if_addrs::get_if_addrs() {
            Ok(interfaces) => interfaces.into_iter().map(|interface| interface.ip()).collect(),
            Err(error) => {
                tracing::warn!(%error, "the network interfaces can't be listed; only this machine can watch");
                vec![IpAddr::from([127, 0, 0, 1])]
            }
        };
        addresses.retain(|ip| match ip {
            IpAddr::V4(v4) => !v4.is_link_local() && !v4.is_unspecified(),
            IpAddr::V6(v6) => self.local.is_ipv6() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
        });
        addresses.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
        addresses.dedup();
        // This machine's own address always stays, whatever else there is.
        while addresses.len() > MOST_CANDIDATES {
            addresses.remove(MOST_CANDIDATES - 2);
        }
        addresses.into_iter().map(|ip| SocketAddr::new(ip, self.local.port())).collect()
    }

    /// A way to send, for one turn of the loop.
    pub(super) fn outbox<'a>(&'a self, run: &'a mut Run, figures: &'a Figures) -> Outbox<'a> {
        Outbox { socket: self, run, figures }
    }

    fn send(&self, run: &Run) -> io::Result<()> {
        let destination = match (self.local, run.destination) {
            (SocketAddr::V6(_), SocketAddr::V4(v4)) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
            (_, destination) => destination,
        };
        // On a wildcard socket the answer must leave by the address it was asked at, or the peer won't know it.
        let src_ip = (self.local.is_ipv4() && self.local.ip().is_unspecified()).then_some(run.source.ip());
        let segment_size = (run.segments > 1).then_some(run.segment);
        let transmit = Transmit { destination, ecn: None, contents: &run.bytes, segment_size, src_ip };
        self.state.try_send(UdpSockRef::from(&self.io), &transmit)
    }
}

/// Datagrams that were read, before they are looked at.
pub(super) struct Inbox {
    buffers: Vec<Vec<u8>>,
    metas: [RecvMeta; BATCH_SIZE],
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { buffers: vec![vec![0; DATAGRAM]; BATCH_SIZE], metas: [RecvMeta::default(); BATCH_SIZE] }
    }

    /// Reads one batch: `each` gets source, destination and bytes of every datagram. Says how many there were.
    pub(super) fn read(
        &mut self,
        socket: &MediaSocket,
        mut each: impl FnMut(SocketAddr, SocketAddr, &[u8]),
    ) -> io::Result<usize> {
        let mut slices: Vec<IoSliceMut<'_>> = self.buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
        let batches = socket.io.try_io(Interest::READABLE, || {
            socket.state.recv(UdpSockRef::from(&socket.io), &mut slices, &mut self.metas)
        })?;
        let mut datagrams = 0;
        for (buffer, meta) in self.buffers.iter().zip(&self.metas).take(batches) {
            let source = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            let ip = meta.dst_ip.filter(|_| socket.local.ip().is_unspecified()).unwrap_or(socket.local.ip());
            let destination = SocketAddr::new(ip.to_canonical(), socket.local.port());
            for datagram in buffer[..meta.len].chunks(meta.stride.max(1)) {
                each(source, destination, datagram);
                datagrams += 1;
            }
        }
        Ok(datagrams)
    }
}

/// Datagrams of one size for one peer, waiting to leave together.
pub(super) struct Run {
    bytes: Vec<u8>,
    segment: usize,
    segments: usize,
    source: SocketAddr,
    destination: SocketAddr,
}

impl Run {
    pub(super) fn new() -> Self {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        Self { bytes: Vec::with_capacity(DATAGRAM), segment: 0, segments: 0, source: nowhere, destination: nowhere }
    }
}

/// Takes datagrams and sends them, at the latest when it is dropped.
pub(super) struct Outbox<'a> {
    socket: &'a MediaSocket,
    run: &'a mut Run,
    figures: &'a Figures,
}

impl<'a> Outbox<'a> {
    /// Another way to send by the same socket, for another thread.
    pub(super) fn beside<'b>(&self, run: &'b mut Run) -> Outbox<'b>
    where
        'a: 'b,
    {
        Outbox { socket: self.socket, run, figures: self.figures }
    }

    pub(super) fn push(&mut self, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) {
        let run = &mut *self.run;
        let joins = run.segments > 0
            && run.destination == destination
            && run.source == source
            && datagram.len() <= run.segment
            && run.bytes.len().is_multiple_of(run.segment)
            && run.segments < self.socket.state.max_gso_segments()
            && run.bytes.len() + datagram.len() <= LARGEST_RUN;
        if !joins {
            self.flush();
            (self.run.source, self.run.destination, self.run.segment) = (source, destination, datagram.len());
        }
        self.run.bytes.extend_from_slice(datagram);
        self.run.segments += 1;
    }

    /// The same over a connection of the peer's.
    pub(super) fn push_tcp(&self, destination: SocketAddr, datagram: &[u8]) {
        if self.socket.lines.send(destination, datagram) {
            Totals::add(&self.figures.totals.packets_out, 1);
            Totals::add(&self.figures.totals.bytes_out, datagram.len() as u64);
        } else {
            Totals::add(&self.figures.totals.send_drops, 1);
        }
    }

    /// A viewer's first picture leaves, so long after its offer.
    pub(super) fn joined(&self, after: Duration) {
        self.figures.totals.joins.observe(after);
    }

    pub(super) fn flush(&mut self) {
        if self.run.segments == 0 {
            return;
        }
        let (segments, bytes) = (self.run.segments as u64, self.run.bytes.len() as u64);
        match self.socket.send(self.run) {
            Ok(()) => {
                Totals::add(&self.figures.totals.packets_out, segments);
                Totals::add(&self.figures.totals.bytes_out, bytes);
            }
            Err(error) => {
                Totals::add(&self.figures.totals.send_drops, segments);
                if error.kind() != io::ErrorKind::WouldBlock {
                    tracing::debug!(%error, "a datagram could not be sent");
                }
            }
        }
        self.run.bytes.clear();
        self.run.segments = 0;
    }
}

impl Drop for Outbox<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_range_the_first_free_port_is_taken() {
        let ip = IpAddr::from([127, 0, 0, 1]);
        let taken = bind_first(ip, 0..=0).expect("a free port");
        let port = taken.local_addr().expect("its address").port();
        let last = port.saturating_add(20);
        let next = bind_first(ip, port..=last).expect("another of the range");
        assert!((port + 1..=last).contains(&next.local_addr().expect("its address").port()));
        let (address, error) = bind_first(ip, port..=port).expect_err("the only one is taken");
        assert_eq!((address.port(), error.kind()), (port, io::ErrorKind::AddrInUse));
    }
}

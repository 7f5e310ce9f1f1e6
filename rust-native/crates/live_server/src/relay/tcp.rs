//! ICE over TCP (RFC 6544), for peers whose network lets no UDP through: they connect to the port that has the UDP
//! socket's number, and each connection carries datagrams behind their lengths (RFC 4571).
//!
//! Sending never waits, as over UDP: what a connection's queue has no room for is dropped and counted, and the peer asks
//! for it again. A connection is nobody's until a check in it is a session's; few may be so at the same time, and for a
//! few seconds only.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use crate::half_open::{HalfOpen, Place};

/// Datagrams that wait to be taken by a peer: half a second at 8 Mbit/s.
const WAITING: usize = 512;
/// Datagrams that wait for the media thread; who sends more waits.
const COMING: usize = 256;
/// No datagram of ICE, DTLS or SRTP is longer: it would not fit a packet.
const LONGEST: usize = 2048;
/// What is there is written together, up to this.
const PIECE: usize = 32 << 10;
/// A session's check comes at once, after what TCP takes on a bad day.
const UNKNOWN: Duration = Duration::from_secs(10);
/// A connection that takes nothing for so long is gone.
const STUCK: Duration = Duration::from_secs(10);

/// Connections that may wait to be accepted: of a crowd the system would have the others try again, seconds later.
const BACKLOG: i32 = 1024;

/// Opens the port.
pub(super) fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    // As the standard library has it: a server that is started anew need not wait for old connections' ends.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What came of a connection.
pub(super) enum News {
    Datagram { source: SocketAddr, destination: SocketAddr, bytes: Bytes },
    Closed(SocketAddr),
}

/// One connection's way out.
#[derive(Debug)]
struct Line {
    out: mpsc::Sender<Bytes>,
    known: Arc<AtomicBool>,
}

/// The connections that are open, by their peer's address. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines(Arc<Mutex<HashMap<SocketAddr, Line>>>);

impl Lines {
    /// Hands a datagram over; `false`: there was no room, or no such connection.
    pub(super) fn send(&self, to: SocketAddr, datagram: &[u8]) -> bool {
        let Ok(length) = u16::try_from(datagram.len()) else { return false };
        let lines = self.0.lock();
        let Some(line) = lines.get(&to) else { return false };
        let mut framed = BytesMut::with_capacity(2 + datagram.len());
        framed.put_u16(length);
        framed.extend_from_slice(datagram);
        line.out.try_send(framed.freeze()).is_ok()
    }

    /// It is a session's: it may stay.
    pub(super) fn know(&self, peer: SocketAddr) {
        if let Some(line) = self.0.lock().get(&peer) {
            line.known.store(true, Ordering::Relaxed);
        }
    }

    /// Ends a connection, once what was sent has left.
    pub(super) fn close(&self, peer: SocketAddr) {
        self.0.lock().remove(&peer);
    }
}

/// The port.
pub(super) struct TcpPort {
    listener: Option<TcpListener>,
    pub(super) lines: Lines,
    places: HalfOpen,
    tell: mpsc::Sender<News>,
    news: mpsc::Receiver<News>,
    unknown: Duration,
}

impl TcpPort {
    /// Must be called on the shard's runtime, with what [`listen`] gave. Without a listener nothing ever comes.
    pub(super) fn new(listener: Option<std::net::TcpListener>) -> Self {
        let listener = listener
            .map(TcpListener::from_std)
            .and_then(|opened| opened.inspect_err(|error| tracing::error!(%error, "ICE over TCP is off")).ok());
        let (tell, news) = mpsc::channel(COMING);
        Self { listener, lines: Lines::default(), places: HalfOpen::default(), tell, news, unknown: UNKNOWN }
    }

    /// The next of what came. Cancel-safe.
    pub(super) async fn next(&mut self) -> News {
        loop {
            let accepted = async {
                match &self.listener {
                    Some(listener) => listener.accept().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // The sender lives as long as this does.
                Some(news) = self.news.recv() => return news,
                accepted = accepted => match accepted {
                    Ok((stream, from)) => self.enter(stream, from),
                    Err(error) => {
                        tracing::debug!(%error, "a connection for ICE can't be accepted");
                        // Of files there may be too few for the moment: no reason to ask without a pause.
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
            }
        }
    }

    fn enter(&self, stream: TcpStream, from: SocketAddr) {
        let Ok(here) = stream.local_addr() else { return };
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let (from, here) = (canonical(from), canonical(here));
        let _ = stream.set_nodelay(true);
        let (reading, writing) = stream.into_split();
        let (out, waiting) = mpsc::channel(WAITING);
        let known = Arc::new(AtomicBool::new(false));
        self.lines.0.lock().insert(from, Line { out, known: known.clone() });
        let (lines, tell) = (self.lines.clone(), self.tell.clone());
        let stay = (self.places.enter(), Instant::now() + self.unknown);
        tokio::spawn(async move {
            tokio::select! {
                () = read(reading, (from, here), &known, stay, &tell) => {}
                () = write(writing, waiting) => {}
            }
            lines.close(from);
            let _ = tell.send(News::Closed(from)).await;
        });
    }
}

/// Reads datagrams until the peer closes, or has no right to stay.
async fn read(
    mut from: OwnedReadHalf,
    (source, destination): (SocketAddr, SocketAddr),
    known: &AtomicBool,
    (place, deadline): (Place, Instant),
    tell: &mpsc::Sender<News>,
) {
    let mut place = Some(place);
    let mut buffer = BytesMut::with_capacity(2 * LONGEST);
    loop {
        while let Some(datagram) = first(&mut buffer) {
            let Some(bytes) = datagram else { return };
            if tell.send(News::Datagram { source, destination, bytes }).await.is_err() {
                return;
            }
        }
        if known.load(Ordering::Relaxed) {
            // Whoever comes next may have it.
            place = None;
        }
        let pushed_out = async {
            match &place {
                Some(place) => {
                    tokio::select! {
                        () = place.pushed_out() => {}
                        () = sleep_until(deadline) => {}
                    }
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = from.read_buf(&mut buffer) => match read {
                Ok(length) if length > 0 => {}
                _ => return,
            },
            () = pushed_out => {
                if !known.load(Ordering::Relaxed) {
                    return;
                }
                place = None;
            }
        }
    }
}

/// The first datagram, if it is there whole; `Some(None)`: it can't be one.
fn first(buffer: &mut BytesMut) -> Option<Option<Bytes>> {
    let length = usize::from(u16::from_be_bytes([*buffer.first()?, *buffer.get(1)?]));
    if length > LONGEST {
        return Some(None);
    }
    if buffer.len() < 2 + length {
        return None;
    }
    Some(Some(buffer.split_to(2 + length).split_off(2).freeze()))
}

/// Writes what is handed over, until nobody hands anything over any more, or the peer takes nothing.
async fn write(mut to: OwnedWriteHalf, mut waiting: mpsc::Receiver<Bytes>) {
    let mut piece = BytesMut::with_capacity(PIECE + LONGEST);
    while let Some(first) = waiting.recv().await {
        piece.clear();
        piece.extend_from_slice(&first);
        while piece.len() < PIECE
            && let Ok(more) = waiting.try_recv()
        {
            piece.extend_from_slice(&more);
        }
        if !matches!(timeout(STUCK, to.write_all(&piece)).await, Ok(Ok(()))) {
            return;
        }
    }
    let _ = timeout(STUCK, to.shutdown()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn port() -> (TcpPort, SocketAddr) {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        let address = listener.local_addr().expect("its address");
        (TcpPort::new(Some(listener)), address)
    }

    #[tokio::test]
    async fn datagrams_keep_their_edges_both_ways_and_a_close_is_told() {
        let (mut port, address) = port().await;
        let mut peer = TcpStream::connect(address).await.expect("connected");
        peer.write_all(&[0, 3, 1, 2, 3, 0, 0, 0, 1, 9]).await.expect("sent");
        let mut came = Vec::new();
        while came.len() < 3 {
            let News::Datagram { source, destination, bytes } = port.next().await else { panic!("a datagram") };
            assert_eq!((source, destination), (peer.local_addr().expect("its address"), address));
            came.push(bytes.to_vec());
        }
        assert_eq!(came, [vec![1, 2, 3], vec![], vec![9]]);
        let from = peer.local_addr().expect("its address");
        assert!(port.lines.send(from, &[7, 8]) && !port.lines.send(address, &[7]), "to who is there");
        let mut read = [0; 4];
        peer.read_exact(&mut read).await.expect("framed");
        assert_eq!(read, [0, 2, 7, 8]);
        port.lines.close(from);
        assert_eq!(peer.read(&mut read).await.expect("its end"), 0);
        assert!(matches!(port.next().await, News::Closed(closed) if closed == from));
    }

    #[tokio::test]
    async fn what_is_too_long_for_a_datagram_ends_the_connection() {
        let (mut port, address) = port().await;
        let mut peer = TcpStream::connect(address).await.expect("connected");
        peer.write_all(&[0xff, 0xff, 1]).await.expect("sent");
        assert!(matches!(port.next().await, News::Closed(_)));
    }

    fn borne(lasts: Duration) {
        let corpus =
            [vec![0, 3, 1, 2, 3, 0, 0, 0, 1, 9], [&[4, 0][..], &[7; 1024]].concat(), vec![8, 1], vec![0xff, 0xff]];
        testkit::fuzz::run(&corpus, 47, lasts, |sample, dice| {
            let (mut buffer, mut read, mut ended) = (BytesMut::new(), Vec::new(), false);
            for piece in sample.chunks(1 + dice.below(64)) {
                buffer.extend_from_slice(piece);
                while let Some(datagram) = first(&mut buffer) {
                    let Some(bytes) = datagram else {
                        ended = true;
                        break;
                    };
                    assert!(bytes.len() <= LONGEST);
                    read.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
                    read.extend_from_slice(&bytes);
                }
                if ended {
                    break;
                }
                assert!(buffer.len() < 2 + LONGEST, "{} bytes wait", buffer.len());
            }
            // Nothing is lost, doubled or moved.
            assert!(sample.starts_with(&read) && (ended || read.len() + buffer.len() == sample.len()));
        });
    }

    #[test]
    fn any_row_of_frames_is_borne() {
        borne(testkit::fuzz::QUICK);
    }

    #[test]
    #[ignore = "ten minutes: test:long"]
    fn any_row_of_frames_is_borne_for_long() {
        borne(testkit::fuzz::LONG);
    }

    #[tokio::test]
    async fn who_is_no_sessions_is_ended_after_a_while_and_who_is_stays() {
        let (mut port, address) = port().await;
        port.unknown = Duration::from_millis(300);
        let peers = [TcpStream::connect(address).await.expect("a"), TcpStream::connect(address).await.expect("b")];
        let stays = peers[1].local_addr().expect("its address");
        let mut others = peers;
        others[1].write_all(&[0, 1, 5]).await.expect("sent");
        let News::Datagram { source, .. } = port.next().await else { panic!("a datagram") };
        port.lines.know(source);
        let News::Closed(gone) = port.next().await else { panic!("an end") };
        assert!(source == stays && gone != stays);
        assert!(timeout(3 * port.unknown, port.next()).await.is_err(), "the other one stays");
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_costs_its_queue_and_no_more() {
        let (mut port, address) = port().await;
        let mut peer = TcpStream::connect(address).await.expect("connected");
        peer.write_all(&[0, 0]).await.expect("sent");
        let News::Datagram { source, .. } = port.next().await else { panic!("a datagram") };
        // Never given a turn, the writer takes nothing out.
        let taken = (0..2 * WAITING).filter(|_| port.lines.send(source, &[0; 1000])).count();
        assert_eq!(taken, WAITING);
    }
}

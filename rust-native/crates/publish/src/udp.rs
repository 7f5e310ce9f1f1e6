//! Plain datagrams, and what their sender can know of whether anybody listens: a machine says when its port is closed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{Instant, sleep_until};

use crate::failure::Failure;

/// A closed port is told within a round trip; after so long nobody says that there is no one.
const SETTLE: Duration = Duration::from_millis(250);
/// A player that is started again is away for less.
const ABSENCE: Duration = Duration::from_secs(1);
/// The system tells of a refusal at the next datagram, and takes the one after that: refusals further apart than a
/// still picture's two are not one absence.
const TOGETHER: Duration = Duration::from_millis(2500);

pub(crate) async fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    let mut found: Vec<_> = lookup_host((host, port)).await?.collect();
    // Names often have both: most senders and receivers still meet on version 4.
    found.sort_by_key(|address| !address.is_ipv4());
    found.into_iter().next().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// A free port that can reach that address.
pub(crate) async fn bind_for(to: SocketAddr) -> io::Result<UdpSocket> {
    let local: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 16], 0).into() };
    UdpSocket::bind(local).await
}

/// A socket to one address.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) socket: UdpSocket,
    hearing: Hearing,
}

impl Outlet {
    pub(crate) async fn open(to: SocketAddr) -> io::Result<Self> {
        let socket = bind_for(to).await?;
        socket.connect(to).await?;
        Ok(Self { socket, hearing: Hearing::default() })
    }

    /// Sends one datagram. An error once nobody has listened for longer than a moment.
    pub(crate) async fn send(&mut self, datagram: &[u8]) -> Result<(), Failure> {
        match self.socket.send(datagram).await {
            Ok(_) => {
                self.hearing.sent(Instant::now());
                Ok(())
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Resolves once, some time after the first datagram, when nobody has refused it.
    pub(crate) async fn settled(&mut self) -> Result<(), Failure> {
        let Some(at) = self.hearing.settles_at() else { return std::future::pending().await };
        sleep_until(at).await;
        if let Some(error) = self.socket.take_error().map_err(|_| Failure::connection_lost())? {
            self.failed(&error)?;
        }
        self.hearing.settle();
        Ok(())
    }

    fn failed(&mut self, error: &io::Error) -> Result<(), Failure> {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                if self.hearing.refused(Instant::now()) {
                    Err(Failure::nobody_listens())
                } else {
                    Ok(())
                }
            }
            // A queue of the system is full: a lost datagram, as on any way.
            io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => Ok(()),
            _ if error.raw_os_error() == Some(NO_BUFFERS) => Ok(()),
            _ => Err(Failure::connection_lost()),
        }
    }
}

/// `ENOBUFS`.
#[cfg(unix)]
const NO_BUFFERS: i32 = libc::ENOBUFS;
/// `WSAENOBUFS`.
#[cfg(not(unix))]
const NO_BUFFERS: i32 = 10055;

/// See the module. Pure.
#[derive(Debug, Default)]
struct Hearing {
    first: Option<Instant>,
    settled: bool,
    /// The first and the last refusal of an absence.
    absence: Option<(Instant, Instant)>,
}

impl Hearing {
    fn sent(&mut self, now: Instant) {
        self.first.get_or_insert(now);
    }

    /// A datagram was refused; `true` when that means that nobody is there.
    fn refused(&mut self, now: Instant) -> bool {
        let since = match self.absence {
            Some((since, last)) if now.duration_since(last) < TOGETHER => since,
            _ => now,
        };
        self.absence = Some((since, now));
        !self.settled || now.duration_since(since) >= ABSENCE
    }

    fn settles_at(&self) -> Option<Instant> {
        self.first.filter(|_| !self.settled).map(|first| first + SETTLE)
    }

    fn settle(&mut self) {
        self.settled = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(now: Instant) -> Hearing {
        let mut hearing = Hearing::default();
        hearing.sent(now);
        assert_eq!(hearing.settles_at(), Some(now + SETTLE));
        hearing.settle();
        assert_eq!(hearing.settles_at(), None);
        hearing
    }

    #[test]
    fn a_first_refusal_is_the_end_of_an_attempt() {
        let now = Instant::now();
        let mut hearing = Hearing::default();
        assert_eq!(hearing.settles_at(), None, "nothing was sent");
        hearing.sent(now);
        assert!(hearing.refused(now + Duration::from_millis(20)));
    }

    #[test]
    fn a_player_that_is_started_again_is_waited_for() {
        let now = Instant::now();
        let mut hearing = settled(now);
        let after = |ms: u64| now + Duration::from_millis(ms);
        assert!(!hearing.refused(after(5000)) && !hearing.refused(after(5500)));
        assert!(!hearing.refused(after(60_000)), "another absence");
        assert!(!hearing.refused(after(60_500)) && hearing.refused(after(61_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_port_is_nobody_and_an_open_one_is_presumed_to_listen() {
        let listener = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let to = listener.local_addr().expect("an address");
        let mut outlet = Outlet::open(to).await.expect("a socket");
        outlet.send(b"one").await.expect("sent");
        outlet.settled().await.expect("nobody refused it");
        drop(listener);
        let mut outlet = Outlet::open(to).await.expect("a socket");
        outlet.send(b"one").await.expect("sent");
        assert_eq!(outlet.settled().await.map_err(|failure| failure.code), Err("nobody_listens"));
    }
}

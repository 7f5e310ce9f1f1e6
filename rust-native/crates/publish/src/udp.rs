//! Plain datagrams, and what their sender can know of whether anybody listens: a machine says when its port is closed.
//!
//! A call of the system for each datagram is most of what sending costs: where Linux can, those of one size leave together
//! (`UDP_SEGMENT`, udp(7)), and it takes them apart again as late as the network card.

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

/// What Linux takes at once (`UDP_MAX_SEGMENTS`), and the longest that one call may be.
const MOST_TOGETHER: usize = 64;
const LONGEST_RUN: usize = 65_000;

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
    /// Bytes of the datagrams that leave together; `None`: each by itself.
    segment: Option<usize>,
    run: Vec<u8>,
}

impl Outlet {
    pub(crate) async fn open(to: SocketAddr) -> io::Result<Self> {
        let socket = bind_for(to).await?;
        socket.connect(to).await?;
        Ok(Self { socket, hearing: Hearing::default(), segment: None, run: Vec::new() })
    }

    /// Datagrams of `segment` bytes may leave together from now on; none may be longer than that.
    pub(crate) fn in_runs_of(mut self, segment: usize) -> Self {
        self.segment = set_segment(&self.socket, segment).then_some(segment);
        self
    }

    /// Sends datagrams, in as few calls of the system as it takes. Errors as [`Self::send`].
    pub(crate) async fn send_all<'a>(&mut self, datagrams: impl Iterator<Item = &'a [u8]>) -> Result<(), Failure> {
        let mut run = std::mem::take(&mut self.run);
        let mut outcome = Ok(());
        for datagram in datagrams {
            let joins = self.segment.is_some_and(|segment| {
                run.len().is_multiple_of(segment)
                    && run.len() < MOST_TOGETHER * segment
                    && run.len() + datagram.len() <= LONGEST_RUN
            });
            if !joins {
                outcome = outcome.and(self.send_run(&run).await);
                run.clear();
            }
            run.extend_from_slice(datagram);
        }
        outcome = outcome.and(self.send_run(&run).await);
        run.clear();
        self.run = run;
        outcome
    }

    /// Datagrams of one size behind each other, the last perhaps shorter; or any one.
    async fn send_run(&mut self, run: &[u8]) -> Result<(), Failure> {
        let Some(segment) = self.segment.filter(|segment| run.len() > *segment) else {
            return if run.is_empty() { Ok(()) } else { self.send(run).await };
        };
        match self.socket.send(run).await {
            Ok(_) => {
                self.hearing.sent(Instant::now());
                Ok(())
            }
            Err(error) if cant_take_apart(&error) => {
                tracing::debug!(%error, "datagrams leave one by one from now on");
                set_segment(&self.socket, 0);
                self.segment = None;
                for datagram in run.chunks(segment) {
                    self.send(datagram).await?;
                }
                Ok(())
            }
            Err(error) => self.failed(&error),
        }
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

/// Tells the system to take longer datagrams apart into such of that size; 0 for no longer. `false` where it can't.
#[cfg(target_os = "linux")]
fn set_segment(socket: &UdpSocket, segment: usize) -> bool {
    use std::os::fd::AsRawFd;
    let Ok(value) = libc::c_int::try_from(segment) else { return false };
    let size = std::mem::size_of_val(&value) as libc::socklen_t;
    // SAFETY: an open socket, and an int that is read during the call.
    let outcome = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, (&raw const value).cast(), size)
    };
    outcome == 0
}

#[cfg(not(target_os = "linux"))]
fn set_segment(_socket: &UdpSocket, _segment: usize) -> bool {
    false
}

/// A path without checksums by its card, or one that carries less than a segment: told at the first of them.
#[cfg(target_os = "linux")]
fn cant_take_apart(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE))
}

#[cfg(not(target_os = "linux"))]
fn cant_take_apart(_error: &io::Error) -> bool {
    false
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

    #[tokio::test]
    async fn datagrams_that_leave_together_arrive_each_by_itself() {
        let listener = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let to = listener.local_addr().expect("an address");
        let sizes = [1000, 1000, 1000, 70, 1000, 30, 1000, 5].repeat(12);
        let datagrams: Vec<Vec<u8>> = sizes.iter().enumerate().map(|(n, size)| vec![n as u8; *size]).collect();
        for together in [true, false] {
            let mut outlet = Outlet::open(to).await.expect("a socket").in_runs_of(1000);
            assert_eq!(outlet.segment, cfg!(target_os = "linux").then_some(1000));
            if !together {
                // As a system that can't.
                set_segment(&outlet.socket, 0);
                outlet.segment = None;
            }
            let mut buffer = [0; 2000];
            for part in datagrams.chunks(16) {
                outlet.send_all(part.iter().map(Vec::as_slice)).await.expect("sent");
                for datagram in part {
                    let length = listener.recv(&mut buffer).await.expect("received");
                    assert_eq!(&buffer[..length], datagram.as_slice());
                }
            }
        }
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

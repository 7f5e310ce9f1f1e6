//! Carries packets between the network and the protocol's crate, past the [`Gate`].

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::gate::{Gate, Path, Verdict};
use crate::udp::bind_for;

/// The longest datagram that any path carries, and more than SRT sends.
const LONGEST: usize = 2048;

/// What the crate said last is here within this.
const LAST_WORD: Duration = Duration::from_millis(20);

/// Runs until it is closed or dropped.
#[derive(Debug)]
pub(super) struct Door {
    gate: Arc<Mutex<Gate>>,
    refused: watch::Receiver<Option<&'static str>>,
    close: Arc<tokio::sync::Notify>,
    task: JoinHandle<()>,
}

/// The sides of a door: where the network is, and where the protocol's crate finds it.
pub(super) struct Sides {
    pub(super) door: Door,
    /// The crate's own socket.
    pub(super) socket: UdpSocket,
    /// Stands for the peer.
    pub(super) peer: SocketAddr,
}

impl Door {
    /// A door to one server.
    pub(super) async fn to(server: SocketAddr) -> io::Result<Sides> {
        let outer = bind_for(server).await?;
        // What others send never gets here, and a closed port is told.
        outer.connect(server).await?;
        Self::between(outer, Some(server)).await
    }

    /// A door at a port, for whoever calls first.
    pub(super) async fn at(port: u16) -> io::Result<Sides> {
        Self::between(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).await?, None).await
    }

    async fn between(outer: UdpSocket, peer: Option<SocketAddr>) -> io::Result<Sides> {
        let inner = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        inner.connect(socket.local_addr()?).await?;
        let gate = Arc::new(Mutex::new(Gate::default()));
        let (refuse, refused) = watch::channel(None);
        let close = Arc::new(tokio::sync::Notify::new());
        let stands_for = inner.local_addr()?;
        let carrier = Carrier { outer, inner, is_called: peer.is_none(), peer, gate: Arc::clone(&gate) };
        let task = {
            let close = Arc::clone(&close);
            tokio::spawn(async move {
                let reason = carrier.run(&close).await;
                if let Some(reason) = reason {
                    tracing::warn!(reason, "an SRT peer sends what no receiver sends");
                    refuse.send_replace(Some(reason));
                }
            })
        };
        Ok(Sides { door: Self { gate, refused, close, task }, socket, peer: stands_for })
    }

    /// Resolves once the peer has sent something that no receiver sends.
    pub(super) async fn refused(&mut self) -> &'static str {
        match self.refused.wait_for(Option::is_some).await.map(|reason| *reason) {
            Ok(Some(reason)) => reason,
            _ => std::future::pending().await,
        }
    }

    /// Sums since the start.
    pub(super) fn path(&self) -> Path {
        self.gate.lock().path
    }

    /// Carries out what the crate has said already.
    pub(super) async fn close(&mut self) {
        self.close.notify_one();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Carrier {
    outer: UdpSocket,
    inner: UdpSocket,
    /// Anybody may call until somebody has been sent data.
    is_called: bool,
    peer: Option<SocketAddr>,
    gate: Arc<Mutex<Gate>>,
}

impl Carrier {
    /// Carries until it is closed (`None`) or the peer is refused.
    async fn run(mut self, close: &tokio::sync::Notify) -> Option<&'static str> {
        let (mut ours, mut theirs) = ([0; LONGEST], [0; LONGEST]);
        loop {
            tokio::select! {
                () = close.notified() => {
                    while let Ok(Ok(length)) = timeout(LAST_WORD, self.inner.recv(&mut ours)).await {
                        self.out(&ours[..length]).await;
                    }
                    return None;
                }
                read = self.inner.recv(&mut ours) => {
                    // Errors of single datagrams are the protocol's daily bread: it repeats and times out.
                    if let Ok(length) = read {
                        self.out(&ours[..length]).await;
                    }
                }
                read = self.outer.recv_from(&mut theirs) => {
                    let Ok((length, from)) = read else { continue };
                    if let Some(reason) = self.take(&theirs[..length], from).await {
                        return Some(reason);
                    }
                }
            }
        }
    }

    async fn out(&mut self, packet: &[u8]) {
        let Some(peer) = self.peer else { return };
        self.gate.lock().outgoing(packet);
        let _ = if self.is_called { self.outer.send_to(packet, peer).await } else { self.outer.send(packet).await };
    }

    async fn take(&mut self, packet: &[u8], from: SocketAddr) -> Option<&'static str> {
        let has_sent = self.gate.lock().path.sent > 0;
        if self.is_called && !has_sent {
            self.peer = Some(from);
        } else if self.peer != Some(from) {
            return None;
        }
        let verdict = self.gate.lock().incoming(packet);
        match verdict {
            Verdict::Pass => {
                let _ = self.inner.send(packet).await;
                None
            }
            Verdict::Ignore => None,
            // Before anybody is let in, noise at the port is noise.
            Verdict::Refuse(_) if self.is_called && !has_sent => None,
            Verdict::Refuse(reason) => Some(reason),
        }
    }
}

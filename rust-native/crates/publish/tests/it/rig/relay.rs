//! A path with loss and delay to a WHIP server: its HTTP is passed on, its candidates are replaced by a UDP relay's.
//!
//! As behind a NAT the server is not told our addresses, so that nothing goes around the relay: it hears of one where
//! nobody answers, as a server that hears of none (aiortc) gives up before our first check arrives.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdUdp};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// What a narrow path holds back before it throws away: as much as a home router does.
const BUFFER: Duration = Duration::from_millis(500);

/// What the path does to packets, in both directions.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    /// Of a thousand.
    pub(crate) lost: AtomicU32,
    pub(crate) delay_ms: AtomicU32,
    /// How narrow it is, in kbit/s; zero is as wide as the machine.
    pub(crate) kbps: AtomicU32,
    /// Nothing gets through, and nobody is told.
    pub(crate) blackhole: AtomicBool,
    carried: AtomicU32,
    dropped: AtomicU32,
}

impl Conditions {
    /// Packets that came, and those of them that were thrown away.
    pub(crate) fn counts(&self) -> (u32, u32) {
        (self.carried.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed))
    }
}

/// A WHIP server's other address.
pub(crate) struct WhipRelay {
    pub(crate) address: SocketAddr,
    pub(crate) conditions: Arc<Conditions>,
    task: JoinHandle<()>,
}

impl WhipRelay {
    /// Before the server at that port of this machine; listens at `ip`.
    pub(crate) async fn start(ip: IpAddr, server: u16) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let conditions = Arc::new(Conditions::default());
        let task = {
            let conditions = Arc::clone(&conditions);
            tokio::spawn(async move {
                loop {
                    let (client, _) = listener.accept().await.expect("a connection");
                    tokio::spawn(exchange(client, ip, server, Arc::clone(&conditions)));
                }
            })
        };
        Self { address, conditions, task }
    }

    pub(crate) fn blackhole(&self, on: bool) {
        self.conditions.blackhole.store(on, Ordering::Relaxed);
    }
}

impl Drop for WhipRelay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address of this machine that is not loopback: what is published to it is published as to another machine.
pub(crate) fn outside() -> IpAddr {
    let socket = StdUdp::bind(("0.0.0.0", 0)).expect("a socket");
    // Sends nothing: asks for the route.
    socket.connect(("192.0.2.1", 9)).expect("this test needs a network interface besides loopback");
    socket.local_addr().expect("its address").ip()
}

/// One request and its answer.
async fn exchange(mut client: TcpStream, ip: IpAddr, server: u16, conditions: Arc<Conditions>) {
    if conditions.blackhole.load(Ordering::Relaxed) {
        // As where no packet arrives: no answer, and no end either.
        while conditions.blackhole.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        return;
    }
    let Some((head, body)) = read(&mut client).await else { return };
    // Bound for as long as the exchange lasts, and after it at most refused.
    let nobody = UdpSocket::bind((ip, 0)).await.expect("a socket");
    let nobody = nobody.local_addr().expect("its address");
    let hidden = |line: &str| match line.starts_with("a=candidate:") {
        true => format!("a=candidate:1 1 udp 1 {} {} typ host\r\n", nobody.ip(), nobody.port()),
        false => line.to_owned(),
    };
    let body: String = body.split_inclusive('\n').map(hidden).collect();
    let Ok(mut upstream) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let _ = upstream.write_all(message(&head, &body).as_bytes()).await;
    let Some((head, answer)) = read(&mut upstream).await else { return };
    let mut shown = String::new();
    let mut relayed = None;
    for line in answer.split_inclusive('\n') {
        if !line.starts_with("a=candidate:") {
            shown += line;
            continue;
        }
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        if !words[2].eq_ignore_ascii_case("udp") || words[4].contains(':') {
            continue;
        }
        if relayed.is_none() {
            let target = SocketAddr::new(words[4].parse().expect("an address"), words[5].parse().expect("a port"));
            relayed = Some(relay(ip, target, Arc::clone(&conditions)).await);
        }
        let front: &SocketAddr = relayed.as_ref().expect("made above");
        shown += &format!("a=candidate:1 1 udp 2130706431 {} {} typ host\r\n", front.ip(), front.port());
    }
    let _ = client.write_all(message(&head, &shown).as_bytes()).await;
    let _ = client.shutdown().await;
}

fn message(head: &str, body: &str) -> String {
    let kept = head.lines().filter(|line| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("content-length:") && !line.starts_with("connection:")
    });
    let kept: Vec<&str> = kept.collect();
    format!("{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", kept.join("\r\n"), body.len())
}

async fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let size = stream.read(&mut buffer).await.ok().filter(|size| *size > 0)?;
        bytes.extend_from_slice(&buffer[..size]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        if body.len() >= length.unwrap_or(0_usize) {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}

/// Begins to pass packets between whoever sends to the address that this gives, and `target`.
///
/// As at a NAT each sender is another one for the target, too.
pub(crate) async fn relay(ip: IpAddr, target: SocketAddr, conditions: Arc<Conditions>) -> SocketAddr {
    let front = Arc::new(UdpSocket::bind((ip, 0)).await.expect("a socket"));
    let address = front.local_addr().expect("its address");
    tokio::spawn(async move {
        let mut ways: HashMap<SocketAddr, Lane> = HashMap::new();
        let mut packet = [0; 2048];
        loop {
            let Ok((size, from)) = front.recv_from(&mut packet).await else { continue };
            let way = match ways.entry(from) {
                Entry::Occupied(way) => way.into_mut(),
                Entry::Vacant(new) => new.insert(way(Arc::clone(&front), from, target, &conditions).await),
            };
            way.carry(&packet[..size]);
        }
    });
    address
}

/// From one sender to the target, and back.
async fn way(front: Arc<UdpSocket>, from: SocketAddr, target: SocketAddr, conditions: &Arc<Conditions>) -> Lane {
    let back = Arc::new(UdpSocket::bind(("0.0.0.0", 0)).await.expect("a socket"));
    back.connect(target).await.expect("a route");
    let home = delayed(Arc::clone(conditions), move |packet| {
        let _ = front.try_send_to(packet, from);
    });
    let heard = Arc::clone(&back);
    tokio::spawn(async move {
        let mut packet = [0; 2048];
        loop {
            // A refusal is told once for each packet: it can't spin.
            let Ok(size) = heard.recv(&mut packet).await else { continue };
            home.carry(&packet[..size]);
        }
    });
    delayed(Arc::clone(conditions), move |packet| {
        let _ = back.try_send(packet);
    })
}

/// One direction.
struct Lane {
    conditions: Arc<Conditions>,
    queue: mpsc::UnboundedSender<(Instant, Vec<u8>)>,
    /// What decides about losses, and until when a narrow path is busy with what came before.
    state: Mutex<(u64, Instant)>,
}

fn delayed(conditions: Arc<Conditions>, out: impl Fn(&[u8]) + Send + 'static) -> Lane {
    let (queue, mut packets) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, packet)) = packets.recv().await {
            sleep_until(due).await;
            out(&packet);
        }
    });
    Lane { conditions, queue, state: Mutex::new((0x9e37_79b9_7f4a_7c15, Instant::now())) }
}

impl Lane {
    fn carry(&self, packet: &[u8]) {
        let conditions = &self.conditions;
        conditions.carried.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let (dice, free) = &mut *self.state.lock();
        // The same packets are lost in each run, as far as the same are sent (xorshift64).
        *dice ^= *dice << 13;
        *dice ^= *dice >> 7;
        *dice ^= *dice << 17;
        let lost = *dice % 1000 < u64::from(conditions.lost.load(Ordering::Relaxed));
        let kbps = conditions.kbps.load(Ordering::Relaxed);
        *free = now.max(*free);
        let full = kbps > 0 && *free - now > BUFFER;
        if lost || full || conditions.blackhole.load(Ordering::Relaxed) {
            conditions.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if kbps > 0 {
            // With the headers of UDP and IP.
            *free += Duration::from_micros(8000 * (packet.len() as u64 + 28) / u64::from(kbps));
        }
        let delay = Duration::from_millis(u64::from(conditions.delay_ms.load(Ordering::Relaxed)));
        let _ = self.queue.send((*free + delay, packet.to_vec()));
    }
}

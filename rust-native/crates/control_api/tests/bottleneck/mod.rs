//! A narrow path between a WHIP publisher and a server: an HTTP proxy that puts its own address into the answer, and
//! behind that address a token bucket in front of real UDP.
//!
//! What comes through it is timed by what stands unencrypted in the RTP headers: when each picture was captured.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

/// What may stand in the bucket's queue, as time at its rate: routers at home hold about as much.
const ROOM: Duration = Duration::from_millis(1000);
/// The publisher's own payload type of H.264.
const VIDEO: u8 = 102;
/// From the NTP era's start to the Unix epoch, seconds.
const NTP_UNIX_OFFSET: f64 = 2_208_988_800.0;

/// One video packet that left the bucket.
#[derive(Debug, Clone, Copy)]
struct Passed {
    left: Instant,
    timestamp: u32,
    /// The last packet of its picture.
    marker: bool,
    /// How old its picture was, where the packet says when that was captured.
    age: Option<f64>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Bits per second; 0 is no limit.
    rate: AtomicU64,
    stop: AtomicBool,
    publisher: Mutex<Option<SocketAddr>>,
    server: Mutex<Option<SocketAddr>>,
    /// When and how many bits the publisher sent.
    offered: Mutex<Vec<(Instant, u64)>>,
    passed: Mutex<Vec<Passed>>,
    lost: AtomicU64,
}

/// See the module.
pub(crate) struct Bottleneck {
    shared: Arc<Shared>,
    http: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

impl Bottleneck {
    /// In front of the server that answers HTTP there, at an address of this machine that is not loopback: only
    /// there is a publisher's congestion control at work.
    pub(crate) fn start(server: SocketAddr) -> Self {
        let here = outward();
        let outside = UdpSocket::bind((here, 0)).expect("a port");
        let inside = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
        let listener = TcpListener::bind((here, 0)).expect("a port");
        for socket in [&outside, &inside] {
            socket.set_read_timeout(Some(Duration::from_millis(1))).expect("a time-out");
        }
        listener.set_nonblocking(true).expect("a listener that doesn't wait");
        let http = listener.local_addr().expect("its address");
        let media = outside.local_addr().expect("its address");
        let shared = Arc::new(Shared::default());
        let mut threads = Vec::new();
        let own = Arc::clone(&shared);
        let (to_publisher, from_server) = (outside.try_clone().expect("it"), inside.try_clone().expect("it"));
        threads.push(std::thread::spawn(move || forwards(&own, &outside, &inside)));
        let own = Arc::clone(&shared);
        threads.push(std::thread::spawn(move || back(&own, &from_server, &to_publisher)));
        let own = Arc::clone(&shared);
        threads.push(std::thread::spawn(move || {
            while !own.stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => proxy(&own, stream, server, media),
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        }));
        Self { shared, http, threads }
    }

    /// Where the publisher is to go.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    /// Bits per second from now on; `None` for no limit.
    pub(crate) fn narrow(&self, rate: Option<u64>) -> Instant {
        self.shared.rate.store(rate.unwrap_or(0), Ordering::Relaxed);
        Instant::now()
    }

    /// Packets that found no room.
    pub(crate) fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Bits per second that the publisher sent between the two.
    pub(crate) fn offered(&self, from: Instant, to: Instant) -> f64 {
        let offered = self.shared.offered.lock();
        let bits: u64 = offered.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, bits)| bits).sum();
        bits as f64 / (to - from).as_secs_f64()
    }

    /// How old each picture was when its last packet had left the bucket, milliseconds; those that left between the
    /// two.
    pub(crate) fn ages(&self, from: Instant, to: Instant) -> Vec<f64> {
        let passed = self.shared.passed.lock();
        let mut ages = Vec::new();
        let mut first: Option<Passed> = None;
        for packet in passed.iter() {
            if packet.age.is_some() {
                first = Some(*packet);
            }
            let whole = first.filter(|first| packet.marker && first.timestamp == packet.timestamp);
            if let Some((first, age)) = whole.and_then(|first| Some((first, first.age?)))
                && (from..to).contains(&packet.left)
            {
                ages.push((age + (packet.left - first.left).as_secs_f64()) * 1000.0);
            }
        }
        ages
    }
}

impl Drop for Bottleneck {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("the rig's threads don't panic");
        }
    }
}

/// This machine as others see it; nothing is sent.
fn outward() -> IpAddr {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
    socket.connect("203.0.113.1:9").expect("this test needs an IPv4 address besides loopback, and a route");
    socket.local_addr().expect("its address").ip()
}

/// From the publisher to the server, at the bucket's rate.
fn forwards(shared: &Shared, outside: &UdpSocket, inside: &UdpSocket) {
    let mut queue: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut free = Instant::now();
    let mut buffer = [0; 2048];
    while !shared.stop.load(Ordering::Relaxed) {
        if let Ok((length, from)) = outside.recv_from(&mut buffer) {
            let now = Instant::now();
            *shared.publisher.lock() = Some(from);
            shared.offered.lock().push((now, length as u64 * 8));
            let rate = shared.rate.load(Ordering::Relaxed);
            let begins = free.max(now);
            if rate == 0 {
                // What stands in the queue goes with it: the limit is gone.
                free = now;
                for entry in &mut queue {
                    entry.0 = now;
                }
                queue.push_back((now, buffer[..length].to_vec()));
            } else if begins - now > ROOM {
                shared.lost.fetch_add(1, Ordering::Relaxed);
            } else {
                free = begins + Duration::from_secs_f64(length as f64 * 8.0 / rate as f64);
                queue.push_back((free, buffer[..length].to_vec()));
            }
        }
        let Some(server) = *shared.server.lock() else { continue };
        while let Some((due, datagram)) = queue.pop_front() {
            if due > Instant::now() {
                queue.push_front((due, datagram));
                break;
            }
            if let Err(error) = inside.send_to(&datagram, server) {
                panic!("the server is out of reach: {error}");
            }
            note(shared, &datagram);
        }
    }
}

fn note(shared: &Shared, datagram: &[u8]) {
    // RTP (RFC 3550, section 5.1) among STUN, DTLS and RTCP (RFC 7983).
    if datagram.len() < 12 || datagram[0] >> 6 != 2 || datagram[1] & 0x7f != VIDEO {
        return;
    }
    let timestamp = u32::from_be_bytes([datagram[4], datagram[5], datagram[6], datagram[7]]);
    let marker = datagram[1] & 0x80 != 0;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let age = captured_at(datagram).map(|at| now - at);
    shared.passed.lock().push(Passed { left: Instant::now(), timestamp, marker, age });
}

/// Unix time of the picture's capture: the one element of eight bytes in a header extension of the one-byte form
/// (RFC 8285, section 4.2) is abs-capture-time.
fn captured_at(datagram: &[u8]) -> Option<f64> {
    let fixed = 12 + 4 * usize::from(datagram[0] & 0x0f);
    let (has_extension, block) = (datagram[0] & 0x10 != 0, datagram.get(fixed..)?);
    if !has_extension || block.get(..2)? != [0xbe, 0xde] {
        return None;
    }
    let words = usize::from(u16::from_be_bytes([*block.get(2)?, *block.get(3)?]));
    let mut elements = block.get(4..4 + 4 * words)?;
    while let Some((head, rest)) = elements.split_first() {
        let length = if *head == 0 { 0 } else { usize::from(head & 0x0f) + 1 };
        if length == 8 {
            let ntp = u64::from_be_bytes(rest.get(..8)?.try_into().ok()?);
            return Some(ntp as f64 / 4_294_967_296.0 - NTP_UNIX_OFFSET);
        }
        elements = rest.get(length..)?;
    }
    None
}

fn back(shared: &Shared, inside: &UdpSocket, outside: &UdpSocket) {
    let mut buffer = [0; 2048];
    while !shared.stop.load(Ordering::Relaxed) {
        let Ok((length, _)) = inside.recv_from(&mut buffer) else { continue };
        if let Some(publisher) = *shared.publisher.lock() {
            let _ = outside.send_to(&buffer[..length], publisher);
        }
    }
}

/// One request and its answer; the candidates of both sides stay here, so that there is one way only.
fn proxy(shared: &Shared, mut client: TcpStream, server: SocketAddr, media: SocketAddr) {
    client.set_nonblocking(false).expect("a stream that waits");
    let Some((head, body)) = message(&mut client) else { return };
    let mut onward = TcpStream::connect(server).expect("the server");
    let request = assemble(&head, &without_candidates(&body), Some("Connection: close"));
    onward.write_all(request.as_bytes()).expect("the request");
    let Some((head, body)) = message(&mut onward) else { return };
    if let Some(address) = body.lines().find_map(candidate) {
        *shared.server.lock() = Some(address);
    }
    let mut answer = without_candidates(&body);
    if answer.contains("m=") {
        let at = answer.find("a=ice-ufrag").unwrap_or(answer.len());
        answer.insert_str(at, &format!("a=candidate:1 1 udp 2113937151 {} {} typ host\r\n", media.ip(), media.port()));
    }
    let _ = client.write_all(assemble(&head, &answer, Some("Connection: close")).as_bytes());
}

/// Head and body of one HTTP message.
fn message(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
            let length = header(&head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0_usize);
            if bytes.len() >= end + 4 + length {
                return Some((head, String::from_utf8(bytes[end + 4..end + 4 + length].to_vec()).ok()?));
            }
        }
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let named = |line: &'a str| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name));
    head.lines().find_map(named).map(|(_, value)| value.trim())
}

/// The message again, of another length.
fn assemble(head: &str, body: &str, extra: Option<&str>) -> String {
    let kept = head.lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        name != "content-length" && name != "connection"
    });
    let mut message: String = kept.chain(extra).map(|line| format!("{line}\r\n")).collect();
    message.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    message
}

fn without_candidates(sdp: &str) -> String {
    let kept = sdp.lines().filter(|line| !line.starts_with("a=candidate:") && !line.starts_with("a=end-of-candidates"));
    kept.map(|line| format!("{line}\r\n")).collect()
}

/// The address of a UDP candidate line (RFC 8839, section 5.1).
fn candidate(line: &str) -> Option<SocketAddr> {
    let mut fields = line.strip_prefix("a=candidate:")?.split(' ').skip(2);
    if !fields.next()?.eq_ignore_ascii_case("udp") {
        return None;
    }
    let ip: IpAddr = fields.nth(1)?.parse().ok()?;
    ip.is_ipv4().then_some(SocketAddr::new(ip, fields.next()?.parse().ok()?))
}

//! Each kind of destination against each kind of fault, in virtual time: what is shown, how soon it is live again, and
//! that its neighbour loses not one picture.
//!
//! RTMP and TS over TCP speak to simulated servers over a simulated network, UDP and RTP to real sockets of this
//! machine. SRT's and WHIP's crates keep time by the real clock: of them the loop that keeps them alive is run, with
//! their own time-outs and codes; the whole of them is tested against real peers.

use std::collections::HashMap;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use media::{AccessUnit, Bitrate, Clock, FrameRate, MediaTime, MonotonicClock, Secret, Track};
use parking_lot::Mutex;
use stream::Broadcast;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::destination::{Attempt, Attempts, Context, End, PublishStatus, Shared, run, until_stopped};
use crate::failure::Failure;
use crate::net::{Connection, Dial, Path};
use crate::target::{MpegTsTarget, RtmpTarget, RtpTarget, Target};

const FPS: u32 = 30;
/// A server that is back is live within this.
const SOON: Duration = Duration::from_secs(5);

/// How a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Up,
    Absent,
    /// Takes nothing and answers nothing.
    Blackhole,
    /// 100 kbit/s.
    Slow,
    RefusesKey,
    ClosesAtOnce,
}

/// One server, by its port.
#[derive(Debug)]
struct Server {
    manner: watch::Sender<Manner>,
    /// Pictures that came, told by their packets in a transport stream.
    pictures: Mutex<u64>,
    bytes: Mutex<u64>,
}

impl Server {
    fn new(manner: Manner) -> Arc<Self> {
        let (manner, _) = watch::channel(manner);
        Arc::new(Self { manner, pictures: Mutex::default(), bytes: Mutex::default() })
    }

    fn manner(&self) -> Manner {
        *self.manner.borrow()
    }

    fn become_(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }
}

type Network = Arc<HashMap<u16, Arc<Server>>>;

/// Connects as TCP does: its first packet is repeated after one and three seconds.
fn dial(network: Network) -> Dial {
    Arc::new(move |_: String, port: u16, _: bool| -> BoxFuture<'static, Result<Connection, Failure>> {
        let server = Arc::clone(&network[&port]);
        Box::pin(async move {
            let begun = Instant::now();
            for at in [0, 1, 3] {
                tokio::time::sleep_until(begun + Duration::from_secs(at)).await;
                match server.manner() {
                    Manner::Absent => return Err(Failure::unreachable(&std::io::ErrorKind::ConnectionRefused.into())),
                    Manner::Blackhole => {}
                    _ => {
                        let (ours, theirs) = tokio::io::duplex(64 * 1024);
                        tokio::spawn(serve(server, theirs, port == RTMP));
                        return Ok(Connection { stream: Box::new(ours), peer: None, path: Path::NONE });
                    }
                }
            }
            tokio::time::sleep_until(begun + Duration::from_secs(6)).await;
            Err(Failure::no_answer())
        })
    })
}

const RTMP: u16 = 1935;
const TS: u16 = 5000;
const GOOD: u16 = 5001;

/// Serves one connection until the server is killed.
async fn serve(server: Arc<Server>, mut stream: DuplexStream, is_rtmp: bool) {
    if server.manner() == Manner::ClosesAtOnce {
        return;
    }
    let mut manner = server.manner.subscribe();
    tokio::select! {
        _ = receive(&server, &mut stream, is_rtmp) => {}
        () = async { drop(manner.wait_for(|manner| *manner == Manner::Absent).await) } => {}
    }
}

/// Takes what comes, as fast as the server's manner is; ends with the connection.
async fn receive(server: &Server, stream: &mut DuplexStream, is_rtmp: bool) -> Option<()> {
    if is_rtmp {
        shake_hands(server, stream).await?;
    }
    let mut rest = Vec::new();
    let mut buffer = [0; 1250];
    loop {
        match server.manner() {
            Manner::Blackhole => {
                let mut manner = server.manner.subscribe();
                drop(manner.wait_for(|manner| *manner != Manner::Blackhole).await);
            }
            Manner::Slow => sleep(Duration::from_millis(100)).await,
            _ => {}
        }
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        *server.bytes.lock() += read as u64;
        if !is_rtmp {
            rest.extend_from_slice(&buffer[..read]);
            count_pictures(&mut rest, server);
        }
    }
}

/// A picture begins with a packet of its own identifier and the "unit starts" flag.
fn count_pictures(rest: &mut Vec<u8>, server: &Server) {
    let whole = rest.len() / 188 * 188;
    let starts = rest[..whole].chunks_exact(188).filter(|packet| packet[1] == 0x41 && packet[2] == 0).count();
    *server.pictures.lock() += starts as u64;
    rest.drain(..whole);
}

/// As far as "publish", and the server's answer to it.
async fn shake_hands(server: &Server, stream: &mut DuplexStream) -> Option<()> {
    let mut hello = [0; 1537];
    stream.read_exact(&mut hello).await.ok()?;
    let mut answer = vec![3];
    answer.extend([0; 3072]);
    stream.write_all(&answer).await.ok()?;
    let result = |number: f64, last| {
        command(&[::rtmp::Value::text("_result"), ::rtmp::Value::Number(number), ::rtmp::Value::Null, last])
    };
    stream.write_all(&result(1.0, ::rtmp::Value::Null)).await.ok()?;
    stream.write_all(&result(4.0, ::rtmp::Value::Number(1.0))).await.ok()?;
    let text = |name: &str, text: &str| (name.to_owned(), ::rtmp::Value::text(text));
    let (level, code) = match server.manner() {
        Manner::RefusesKey => ("error", "NetStream.Publish.BadName"),
        _ => ("status", "NetStream.Publish.Start"),
    };
    let info = ::rtmp::Value::Object(vec![text("level", level), text("code", code), text("description", "")]);
    let status = [::rtmp::Value::text("onStatus"), ::rtmp::Value::Number(0.0), ::rtmp::Value::Null, info];
    stream.write_all(&command(&status)).await.ok()
}

fn command(values: &[::rtmp::Value]) -> Vec<u8> {
    let mut body = BytesMut::new();
    values.iter().for_each(|value| value.write(&mut body));
    let message = ::rtmp::Message { kind: 20, stream: 0, timestamp: 0, body: body.freeze() };
    let mut out = BytesMut::new();
    ::rtmp::ChunkWriter::default().write(3, &message, &mut out);
    out.to_vec()
}

/// Pictures and sound at 600 kbit/s, in virtual time, with keyframes where they are wanted; counts the pictures.
fn feed(hub: Broadcast<AccessUnit>, wanted: Arc<AtomicBool>, pictures: Arc<Mutex<u64>>) -> JoinHandle<()> {
    let zero = MonotonicClock.now();
    let unit = move |track, at: Duration, keyframe, payload: Bytes| {
        let at: MediaTime = zero + at;
        AccessUnit { track, pts: at, dts: at, keyframe, captured_at: at, payload }
    };
    let sets: &[u8] = &[0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x8c, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80];
    let slice = |kind: u8| [&[0, 0, 0, 1, kind][..], &[0x5a; 2500]].concat();
    let (key, delta) = (Bytes::from([sets, &slice(0x65)].concat()), Bytes::from(slice(0x41)));
    tokio::spawn(async move {
        let begun = Instant::now();
        for number in 0_u32.. {
            let at = Duration::from_secs(1) * number / FPS;
            tokio::time::sleep_until(begun + at).await;
            let keyframe = number.is_multiple_of(FPS) || wanted.swap(false, Ordering::Relaxed);
            hub.push(&unit(Track::Video, at, keyframe, if keyframe { key.clone() } else { delta.clone() }));
            for track in [Track::Aac, Track::Audio] {
                hub.push(&unit(track, at, true, Bytes::from_static(&[0x21; 200])));
            }
            *pictures.lock() += 1;
        }
    })
}

/// What is sent everywhere.
#[derive(Default)]
struct Stream {
    hub: Broadcast<AccessUnit>,
    wanted: Arc<AtomicBool>,
    pushed: Arc<Mutex<u64>>,
}

impl Stream {
    fn play(&self) -> JoinHandle<()> {
        feed(self.hub.clone(), Arc::clone(&self.wanted), Arc::clone(&self.pushed))
    }
}

/// One destination as its owner sees it.
struct Live {
    told: Arc<Mutex<Vec<PublishStatus>>>,
    shared: Arc<Shared>,
    _stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Live {
    fn start(stream: &Stream, attempts: impl Attempt + Send + 'static, loopback: bool, dial: Dial) -> Self {
        let wanted = Arc::clone(&stream.wanted);
        let told = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::new(Shared::new(Bitrate::from_kbps(600)));
        let (stop, stopped) = watch::channel(false);
        let teller = Arc::clone(&told);
        let context = Context {
            codec: media::VideoCodec::H264,
            loopback,
            hub: stream.hub.clone(),
            lower: Vec::new(),
            request_keyframe: Arc::new(move || wanted.store(true, Ordering::Relaxed)),
            on_status: Box::new(move |status| teller.lock().push(status)),
            shared: Arc::clone(&shared),
            dial,
        };
        let task = tokio::spawn(run(context, attempts, stopped));
        Self { told, shared, _stop: stop, task }
    }

    fn last(&self) -> Option<PublishStatus> {
        self.told.lock().last().cloned()
    }

    fn is_live(&self) -> bool {
        matches!(self.last(), Some(PublishStatus::Live { .. }))
    }

    fn codes(&self) -> Vec<&'static str> {
        let code = |status: &PublishStatus| match status {
            PublishStatus::Reconnecting { code, .. } | PublishStatus::Failed { code, .. } => Some(*code),
            _ => None,
        };
        let mut codes: Vec<_> = self.told.lock().iter().filter_map(code).collect();
        codes.dedup();
        codes
    }

    async fn live_within(&self, limit: Duration, what: &str) {
        self.is_so_within(limit, true, what).await;
    }

    async fn is_so_within(&self, limit: Duration, live: bool, what: &str) {
        let reached = async {
            while self.is_live() != live {
                sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(timeout(limit, reached).await.is_ok(), "{what}: {:?}", self.last());
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One fault, from its beginning to its end.
#[derive(Debug, Clone, Copy)]
struct Fault {
    name: &'static str,
    manner: Manner,
    lasts: Duration,
    /// It is so from the start on.
    at_start: bool,
}

const FAULTS: [Fault; 6] = {
    const fn fault(name: &'static str, manner: Manner, seconds: u64, at_start: bool) -> Fault {
        Fault { name, manner, lasts: Duration::from_secs(seconds), at_start }
    }
    [
        fault("absent at start", Manner::Absent, 20, true),
        fault("killed in mid-stream", Manner::Absent, 20, false),
        fault("blackholed", Manner::Blackhole, 30, false),
        fault("slow", Manner::Slow, 60, false),
        fault("refuses the key", Manner::RefusesKey, 20, true),
        fault("closes at once", Manner::ClosesAtOnce, 20, true),
    ]
};

/// What its crate does with a server in that manner, by the real clock's time-outs.
struct Scripted {
    server: Arc<Server>,
    /// SRT repeats its call until its own time-out; WHIP's request is refused at once.
    srt: bool,
}

impl Scripted {
    async fn connect(&self) -> Result<(), Failure> {
        let (every, patience) = if self.srt { (100, 5000) } else { (1000, 6000) };
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(patience) {
            match self.server.manner() {
                Manner::Up | Manner::Slow => return Ok(()),
                Manner::Absent if !self.srt => {
                    return Err(Failure::unreachable(&std::io::ErrorKind::ConnectionRefused.into()));
                }
                Manner::RefusesKey => return Err(Failure { is_final: true, ..Failure::new("bad_key", "no", "") }),
                Manner::ClosesAtOnce => return Err(Failure::connection_lost()),
                Manner::Absent | Manner::Blackhole => sleep(Duration::from_millis(every)).await,
            }
        }
        Err(Failure::no_answer())
    }
}

impl Attempt for Scripted {
    async fn attempt(
        &mut self,
        context: &Context,
        resumed: bool,
        stopped: &mut watch::Receiver<bool>,
    ) -> (End, Option<Instant>) {
        if let Err(failure) = self.connect().await {
            return (End::Failed(failure), None);
        }
        let live_since = Instant::now();
        (context.on_status)(PublishStatus::Live { resumed });
        let mut manner = self.server.manner.subscribe();
        tokio::select! {
            () = async { drop(manner.wait_for(|manner| !matches!(manner, Manner::Up | Manner::Slow)).await) } => {}
            () = until_stopped(stopped) => return (End::Stopped, Some(live_since)),
        }
        // SRT misses its peer's keep-alive after five seconds, WebRTC two later.
        sleep(Duration::from_secs(if self.srt { 5 } else { 7 })).await;
        (End::Failed(Failure::connection_lost()), Some(live_since))
    }
}

fn target(kind: &str) -> Target {
    let target_bitrate = Bitrate::from_kbps(600);
    match kind {
        "rtmp" => RtmpTarget {
            url: format!("rtmp://live.example.com:{RTMP}/app"),
            key: Some(Secret::new("name")),
            prefer_opus: false,
            target_bitrate,
            frame_rate: FrameRate::new(FPS).expect("not zero"),
        }
        .into(),
        _ => MpegTsTarget { url: format!("tcp://live.example.com:{TS}"), target_bitrate }.into(),
    }
}

/// Runs one kind through one fault, beside a neighbour; the codes that were shown.
async fn suffer(kind: &str, fault: Fault) -> Vec<&'static str> {
    let what = format!("{kind}, {}", fault.name);
    let server = Server::new(if fault.at_start { fault.manner } else { Manner::Up });
    let good_server = Server::new(Manner::Up);
    let port = if kind == "rtmp" { RTMP } else { TS };
    let network: Network = Arc::new([(port, Arc::clone(&server)), (GOOD, Arc::clone(&good_server))].into());
    let stream = Stream::default();
    let good_target: Target =
        MpegTsTarget { url: format!("tcp://live.example.com:{GOOD}"), target_bitrate: Bitrate::from_kbps(600) }.into();
    let attempts = |target: Target| Attempts::new(target.parse().expect("good"));
    let good = Live::start(&stream, attempts(good_target), false, dial(Arc::clone(&network)));
    let live = match kind {
        "srt" | "whip" => {
            let scripted = Scripted { server: Arc::clone(&server), srt: kind == "srt" };
            Live::start(&stream, scripted, false, dial(network))
        }
        _ => Live::start(&stream, attempts(target(kind)), false, dial(network)),
    };
    sleep(Duration::from_millis(100)).await;
    let feed = stream.play();
    if !fault.at_start {
        live.live_within(SOON, &what).await;
        sleep(Duration::from_secs(12)).await;
        server.become_(fault.manner);
    }
    sleep(fault.lasts).await;
    let is_final = fault.manner == Manner::RefusesKey;
    if is_final {
        assert!(matches!(live.last(), Some(PublishStatus::Failed { .. })), "{what}: {:?}", live.last());
    } else if fault.manner != Manner::Slow {
        assert!(matches!(live.last(), Some(PublishStatus::Reconnecting { .. })), "{what}: {:?}", live.last());
    }
    server.become_(Manner::Up);
    if !is_final {
        live.live_within(SOON, &what).await;
        let (before, at) = (*server.bytes.lock(), live.told.lock().len());
        sleep(Duration::from_secs(10)).await;
        assert_eq!(live.told.lock().len(), at, "{what}: it stays live");
        if !["srt", "whip"].contains(&kind) {
            assert!(*server.bytes.lock() - before > 500_000, "{what}: it flows at its full rate");
        }
    }
    if fault.manner == Manner::Slow && kind == "tcp" {
        // Seen by its own figures or, where the pipe was so full that nothing moved, by a break.
        let dropped = live.shared.health().map_or(0, |health| health.dropped_units);
        assert!(dropped > 0 || !live.codes().is_empty(), "{what}: {dropped} left out");
    }
    feed.abort();
    sleep(Duration::from_millis(500)).await;
    let health = good.shared.health().expect("connected");
    assert_eq!(health.dropped_units, 0, "{what}: {health:?}");
    assert_eq!(*good_server.pictures.lock(), *stream.pushed.lock(), "{what}: the neighbour has every picture");
    assert_eq!(*good.told.lock(), [PublishStatus::Live { resumed: false }], "{what}: and was never told of anything");
    live.codes()
}

#[tokio::test(start_paused = true)]
async fn every_kind_shows_each_fault_and_is_live_within_five_seconds_of_its_end() {
    for kind in ["rtmp", "tcp", "srt", "whip"] {
        for fault in FAULTS {
            // A transport stream over TCP has no key to refuse, and a close after data is a break like another.
            if kind == "tcp" && matches!(fault.manner, Manner::RefusesKey | Manner::ClosesAtOnce) {
                continue;
            }
            let codes = suffer(kind, fault).await;
            let expected: &[&str] = match (kind, fault.manner) {
                ("srt", Manner::Absent) if fault.at_start => &["no_answer"],
                ("srt" | "whip", Manner::Absent) if !fault.at_start => &["connection_lost"],
                ("srt" | "whip", Manner::Blackhole) => &["connection_lost", "no_answer"],
                ("rtmp" | "tcp", Manner::Blackhole) => &["connection_stalled", "no_answer"],
                (_, Manner::Absent) if fault.at_start => &["address_unreachable"],
                ("rtmp" | "tcp", Manner::Absent) => &["connection_lost", "address_unreachable"],
                (_, Manner::RefusesKey) => &["bad_key"],
                ("rtmp", Manner::ClosesAtOnce) => &["closed_at_once"],
                ("srt" | "whip", Manner::ClosesAtOnce) => &["connection_lost"],
                // A hundred kbit/s may be enough to be live all the time, with pictures left out.
                _ => &[],
            };
            assert!(codes.starts_with(expected), "{kind}, {}: {codes:?}, not {expected:?}", fault.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_only_sends_shows_a_closed_port_and_is_live_within_five_seconds_of_its_opening() {
    let folder = std::env::temp_dir().join(format!("tidecast-matrix-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for kind in ["udp", "rtp"] {
        let player = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = player.local_addr().expect("an address").port();
        let target_bitrate = Bitrate::from_kbps(600);
        let target: Target = match kind {
            "udp" => MpegTsTarget { url: format!("udp://127.0.0.1:{port}"), target_bitrate }.into(),
            _ => {
                let sdp_file = Some(folder.join("live.sdp"));
                RtpTarget { url: format!("rtp://127.0.0.1:{port}"), sdp_file, target_bitrate }.into()
            }
        };
        drop(player);
        let stream = Stream::default();
        let attempts = Attempts::new(target.parse().expect("good"));
        let live = Live::start(&stream, attempts, true, crate::net::dial());
        let feed = stream.play();
        for round in 0..3 {
            // Absent at the start, and killed in mid-stream.
            sleep(Duration::from_secs(20)).await;
            assert_eq!(live.codes(), ["nobody_listens"], "{kind}, round {round}");
            // A refusal takes real time, which this clock does not know: an attempt is live until it comes.
            live.is_so_within(SOON, false, kind).await;
            let player = UdpSocket::bind(("127.0.0.1", port)).expect("a free port");
            live.live_within(SOON, kind).await;
            sleep(Duration::from_secs(5)).await;
            assert!(live.is_live(), "{kind}, round {round}: {:?}", live.last());
            drop(player);
        }
        feed.abort();
    }
    let _ = std::fs::remove_dir_all(&folder);
}

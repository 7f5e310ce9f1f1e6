//! Our peer against an independent one (str0m), over real sockets on loopback.

mod receiver;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use media::{AccessUnit, Bitrate, Clock, MediaTime, MonotonicClock, Track};
use receiver::{Heard, Receiver, Unit};
use str0m::media::MediaKind;
use stream::{Broadcast, LagPolicy};
use tokio::sync::mpsc;
use tokio::time::timeout;
use webrtc_transport::{Peer, PeerEvent, PeerKind, TransportError};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const FRAME: Duration = Duration::from_millis(20);

/// A picture that looks like H.264 to a packetizer: as many bytes as wished, different each time.
fn picture(n: u64, keyframe: bool, size: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(size + 32);
    if keyframe {
        bytes.extend([0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x8c, 0x8d, 0x40]);
        bytes.extend([0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80]);
    }
    bytes.extend([0, 0, 0, 1, if keyframe { 0x65 } else { 0x41 }]);
    bytes.extend((0..size).map(|at| (at as u64 * 7 + n) as u8 | 1));
    bytes.into()
}

fn unit(track: Track, at: MediaTime, keyframe: bool, payload: Bytes) -> AccessUnit {
    AccessUnit { track, pts: at, dts: at, keyframe, captured_at: at, payload }
}

/// Pictures and sounds at 50 per second, of one moment each, until dropped.
struct Source {
    hub: Broadcast<AccessUnit>,
    keyframe: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Source {
    fn start(size: usize) -> Self {
        let hub = Broadcast::default();
        let keyframe = Arc::new(AtomicBool::new(false));
        let task = {
            let (hub, wanted) = (hub.clone(), Arc::clone(&keyframe));
            tokio::spawn(async move {
                let mut clock = tokio::time::interval(FRAME);
                for n in 0_u64.. {
                    clock.tick().await;
                    let at = MonotonicClock.now();
                    let keyframe = wanted.swap(false, Ordering::Relaxed);
                    let wants = hub.push(&unit(Track::Video, at, keyframe, picture(n, keyframe, size)));
                    wanted.fetch_or(wants, Ordering::Relaxed);
                    hub.push(&unit(Track::Audio, at, true, Bytes::from(vec![n as u8; 80])));
                }
            })
        };
        Self { hub, keyframe, task }
    }

    /// Makes keyframes when the peer asks, and hands on everything else.
    fn serve(&self, mut events: mpsc::Receiver<PeerEvent>) -> mpsc::UnboundedReceiver<PeerEvent> {
        let wanted = Arc::clone(&self.keyframe);
        let (to_test, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if event == PeerEvent::KeyframeRequest {
                    wanted.store(true, Ordering::Relaxed);
                }
                if to_test.send(event).is_err() {
                    return;
                }
            }
        });
        receiver
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn until(events: &mut mpsc::UnboundedReceiver<PeerEvent>, wanted: PeerEvent) {
    let found = async {
        while let Some(event) = events.recv().await {
            if event == wanted {
                return;
            }
        }
        panic!("the events ended before {wanted:?}");
    };
    timeout(Duration::from_secs(30), found).await.unwrap_or_else(|_| panic!("no {wanted:?} within half a minute"));
}

async fn connect(kind: PeerKind, source: &Source, ip: IpAddr) -> (Peer, Receiver, mpsc::UnboundedReceiver<PeerEvent>) {
    let units = source.hub.subscribe(64, LagPolicy::SkipToKeyframe);
    let (peer, offer, events) = Peer::offer(kind, units).await.expect("an offer");
    let receiver = Receiver::answer(&offer, ip);
    peer.answer(&receiver.answer).await.expect("an answer that fits");
    let mut events = source.serve(events);
    until(&mut events, PeerEvent::Connected).await;
    (peer, receiver, events)
}

fn publisher(target: u32) -> PeerKind {
    PeerKind::Publisher {
        ice_servers: vec![],
        include_loopback: false,
        tcp: false,
        target_bitrate: Bitrate::from_kbps(target),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_is_what_was_sent_beginning_with_a_keyframe() {
    let hub = Broadcast::default();
    let units = hub.subscribe(64, LagPolicy::SkipToKeyframe);
    let (peer, offer, events) = Peer::offer(PeerKind::Preview, units).await.expect("an offer");
    assert!(offer.contains("42e01f") && offer.contains("a=sendonly") && offer.contains("BUNDLE"), "{offer}");
    assert!(offer.contains("127.0.0.1") && offer.contains("apt=102") && offer.contains("sprop-stereo=1"), "{offer}");
    // Old by the time of the connection: never sent.
    for n in 0..10 {
        hub.push(&unit(Track::Video, MonotonicClock.now(), true, picture(n, true, 100)));
    }
    let mut receiver = Receiver::answer(&offer, LOOPBACK);
    peer.answer(&receiver.answer).await.expect("an answer that fits");
    let source = Source { hub: hub.clone(), keyframe: Arc::default(), task: tokio::spawn(async {}) };
    let mut events = source.serve(events);
    until(&mut events, PeerEvent::Connected).await;
    until(&mut events, PeerEvent::KeyframeRequest).await;
    // Not a keyframe: not sent either.
    hub.push(&unit(Track::Video, MonotonicClock.now(), false, picture(98, false, 100)));
    let start = MonotonicClock.now();
    let sizes = [20_000, 500, 1195, 1196, 1197, 1198, 2396, 2397, 60_000, 1];
    let sent: Vec<AccessUnit> = (0_u64..)
        .zip(sizes)
        .map(|(n, size)| unit(Track::Video, start + FRAME * n as u32, n == 0, picture(100 + n, n == 0, size)))
        .collect();
    for picture in &sent {
        hub.push(picture);
        hub.push(&unit(Track::Audio, picture.pts, true, picture.payload.slice(..80.min(picture.payload.len()))));
        tokio::time::sleep(FRAME).await;
    }
    let mut first: Option<Unit> = None;
    for picture in &sent {
        let got = receiver.next_unit(MediaKind::Video).await;
        assert_eq!(got.data.as_ref(), picture.payload.as_ref(), "{} bytes sent", picture.payload.len());
        assert!(got.contiguous);
        assert_eq!(got.keyframe, picture.keyframe);
        let first = first.get_or_insert_with(|| got.clone());
        let expected = picture.pts.ticks(90_000) - sent[0].pts.ticks(90_000);
        assert_eq!(got.ticks - first.ticks, expected, "timestamps come from the absolute time");
    }
    let stats = peer.stats();
    assert!(stats.media_flows && stats.sent_packets > 70 && stats.sent_bytes > 80_000, "{stats:?}");
    assert_eq!(stats.estimate, None, "no congestion control on loopback");
    peer.close().await;
    while !matches!(receiver.next().await, Heard::Gone) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_arrives_and_both_tracks_lie_on_one_wall_clock() {
    let source = Source::start(3000);
    let (peer, mut receiver, _events) = connect(PeerKind::Preview, &source, LOOPBACK).await;
    // Both tracks' units of one moment carry the same pts; mapped through the reports they must meet.
    let (mut reports, mut units) = ([None, None], [Vec::new(), Vec::new()]);
    let index = |kind| usize::from(kind == MediaKind::Audio);
    while reports.iter().any(Option::is_none) || units.iter().any(|units| units.len() < 50) {
        match receiver.next().await {
            Heard::Report(kind, wall, ticks) => reports[index(kind)] = Some((wall, ticks)),
            Heard::Unit(unit) => units[index(unit.kind)].push(unit.ticks),
            Heard::Gone => panic!("the receiver ended"),
            Heard::Connected => {}
        }
    }
    let walls = |n: usize, rate: f64| -> Vec<f64> {
        let (wall, ticks) = reports[n].expect("a report");
        let wall = wall.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs_f64();
        // str0m extends 32-bit timestamps and reports differently: compare modulo 2^32.
        units[n].iter().map(|unit| wall + f64::from((*unit as u32).wrapping_sub(ticks as u32) as i32) / rate).collect()
    };
    let (video, audio) = (walls(0, 90_000.0), walls(1, 48_000.0));
    let matching = video.iter().filter(|v| audio.iter().any(|a| (*a - **v).abs() < 0.001)).count();
    assert!(matching >= 40, "{matching} of {} pictures have their sound within 1 ms", video.len());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    assert!((now - video[video.len() - 1]).abs() < 10.0, "and it is the real wall clock");
    let deadline = Instant::now() + Duration::from_secs(20);
    while peer.stats().round_trip.is_none() {
        assert!(Instant::now() < deadline, "receiver reports are read: {:?}", peer.stats());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(peer.stats().round_trip.expect("known") < Duration::from_secs(2));
    assert_eq!(peer.stats().loss, Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_picture_becomes_a_request_for_a_keyframe() {
    let source = Source::start(3000);
    let (peer, mut receiver, mut events) = connect(PeerKind::Preview, &source, LOOPBACK).await;
    assert!(receiver.next_unit(MediaKind::Video).await.keyframe);
    while receiver.next_unit(MediaKind::Video).await.keyframe {}
    while events.try_recv().is_ok() {}
    receiver.ask_keyframe();
    until(&mut events, PeerEvent::KeyframeRequest).await;
    while !receiver.next_unit(MediaKind::Video).await.keyframe {}
    assert!(peer.stats().keyframe_requests >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_packets_are_sent_again_as_rtx_and_no_picture_is_missing() {
    let source = Source::start(6000);
    let (peer, mut receiver, _events) = connect(PeerKind::Preview, &source, LOOPBACK).await;
    assert!(receiver.next_unit(MediaKind::Video).await.keyframe);
    receiver.lose_one_of(10);
    let mut pictures = 0;
    while receiver.lost() < 30 || pictures < 60 {
        let unit = receiver.next_unit(MediaKind::Video).await;
        assert!(unit.contiguous, "picture {pictures} after {} lost packets", receiver.lost());
        pictures += 1;
    }
    let stats = peer.stats();
    assert!(stats.retransmitted >= 20, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_with_congestion_control_delivers_its_whole_bitrate_and_follows_a_raised_one() {
    // 50 pictures a second of 10 kB: 4 Mbit/s.
    let source = Source::start(10_000);
    let ip = outside_address();
    let (peer, mut receiver, _events) = connect(publisher(1_000), &source, ip).await;
    peer.set_target_bitrate(Bitrate::from_kbps(4_500));
    let deadline = Instant::now() + Duration::from_secs(30);
    // Paced below its bitrate a peer skips pictures; with the raised target it must stop doing so.
    loop {
        let dropped = peer.stats().dropped_units;
        for _ in 0..100 {
            assert!(receiver.next_unit(MediaKind::Video).await.contiguous);
        }
        if peer.stats().dropped_units == dropped {
            break;
        }
        assert!(Instant::now() < deadline, "{:?}", peer.stats());
    }
    let estimate = peer.stats().estimate.expect("congestion control runs");
    assert!(estimate > Bitrate::from_kbps(1_500), "{estimate}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_whose_path_is_too_slow_skips_to_keyframes() {
    let source = Source::start(10_000);
    let (peer, mut receiver, _events) = connect(publisher(1_000), &source, outside_address()).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut gaps = 0;
    let mut last = receiver.next_unit(MediaKind::Video).await.ticks;
    while gaps < 2 {
        assert!(Instant::now() < deadline, "{:?}", peer.stats());
        let unit = receiver.next_unit(MediaKind::Video).await;
        assert!(unit.contiguous, "no picture is cut into");
        if unit.ticks - last > 90_000 / 10 {
            gaps += 1;
            assert!(unit.keyframe, "after a gap the first is a keyframe");
        }
        last = unit.ticks;
    }
    assert!(peer.stats().dropped_units > 0);
    // Sound is never held up for long by the picture's lag.
    for _ in 0..20 {
        receiver.next_unit(MediaKind::Audio).await;
    }
}

/// An address of this machine that is not loopback; loopback where there is none, as our peer does.
fn outside_address() -> IpAddr {
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
    match probe.connect("192.0.2.1:9").and_then(|()| probe.local_addr()) {
        Ok(address) if !address.ip().is_unspecified() => address.ip(),
        _ => LOOPBACK,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_other_side_is_told() {
    let source = Source::start(1000);
    let (peer, receiver, mut events) = connect(PeerKind::Preview, &source, LOOPBACK).await;
    receiver.cut();
    until(&mut events, PeerEvent::Disconnected).await;
    until(&mut events, PeerEvent::Failed).await;
    peer.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_peer_closes_its_connection() {
    let source = Source::start(1000);
    let (peer, mut receiver, _events) = connect(PeerKind::Preview, &source, LOOPBACK).await;
    receiver.next_unit(MediaKind::Audio).await;
    drop(peer);
    while !matches!(receiver.next().await, Heard::Gone) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_useless_answer_is_an_error_with_its_reason() {
    let source = Source::start(1000);
    let offer = || async {
        let units = source.hub.subscribe(8, LagPolicy::SkipToKeyframe);
        Peer::offer(PeerKind::Preview, units).await.expect("an offer")
    };
    let (peer, _, _events) = offer().await;
    let error = peer.answer("<html>").await.expect_err("no SDP");
    assert_eq!(error.code(), "webrtc_answer");

    let (peer, sdp, _events) = offer().await;
    let answer = Receiver::answer(&sdp, LOOPBACK).answer.replace("H264/90000", "VP8/90000");
    let error = peer.answer(&answer).await.expect_err("another codec");
    assert!(matches!(error, TransportError::VideoRefused | TransportError::Answer(_)), "{error:?}");

    assert!(peer.add_candidate("null").await.is_ok());
    let obfuscated = r#"{"candidate":"candidate:1 1 udp 2113937151 0a-b.local 5000 typ host","sdpMid":"0"}"#;
    assert!(peer.add_candidate(obfuscated).await.is_ok());
    assert!(matches!(peer.add_candidate("{").await, Err(TransportError::Candidate(_))));
}

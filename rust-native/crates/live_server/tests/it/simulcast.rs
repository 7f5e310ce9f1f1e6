//! A publisher of one picture in three encodings (RFC 8853), read back: each by WHEP in its size, changed at keyframes that
//! are asked of that encoding alone; and what viewers get while one of them is not sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use encoder::{VideoConfig, VideoEncoder};
use live_server::{LadderSettings, LiveServer, RenditionSettings, RenditionState};
use media::{Bitrate, FrameRate, MediaTime, Picture, Size};
use parking_lot::Mutex;
use str0m::media::Rid;
use str0m::rtp::RtpWrite;
use testkit::scratch::Folder;

use crate::common::*;
use crate::files::*;
use crate::ladder::{choose, get, renditions, size_now, sizes, until_shown};
use crate::rig::access_units;
use crate::studio::payloads;

const RIDS: [&str; 3] = ["h", "m", "l"];
const SIZES: [Size; 3] =
    [Size { width: 640, height: 360 }, Size { width: 320, height: 180 }, Size { width: 160, height: 90 }];
/// Each begins anywhere (RFC 3550, section 5.1), as browsers' encodings do.
const STARTS: [u32; 3] = [3_000_000_000, 17, u32::MAX - 50_000];
const FPS: u32 = 20;
const START: MediaTime = MediaTime::from_nanos(77_000_000_000_123);

/// What the test tells the publisher, and hears of it.
#[derive(Default)]
struct Wishes {
    stop: AtomicBool,
    /// Encodings that are left out, a bit each.
    left_out: AtomicU32,
    /// Every so many packets are lost on their way, in both directions.
    lose: AtomicU32,
    /// Names of the encodings of which keyframes were asked.
    asked: Mutex<Vec<String>>,
}

/// A publisher that encodes three sizes as it goes, with a keyframe where one is asked for.
struct Cameras {
    wishes: Arc<Wishes>,
    thread: Option<JoinHandle<()>>,
}

impl Cameras {
    async fn start(server: &LiveServer) -> Self {
        let mut peer = Peer::publisher_of(server, &RIDS).await;
        assert!(peer.answer.contains("a=simulcast:recv h;m;l\r\n"), "{}", peer.answer);
        for rid in RIDS {
            assert!(peer.answer.contains(&format!("a=rid:{rid} recv\r\n")), "{}", peer.answer);
        }
        until(&mut [&mut peer], "the publisher connects", |peers| peers[0].connected);
        let wishes = Arc::new(Wishes::default());
        let told = wishes.clone();
        let thread = std::thread::spawn(move || film(&mut peer, &told));
        let cameras = Self { wishes, thread: Some(thread) };
        until_shown(server, "three sizes", |server| widths(server) == [640, 320, 160]).await;
        cameras
    }

    fn leave_out(&self, encoding: usize) {
        self.wishes.left_out.store(1 << encoding, Ordering::Relaxed);
    }

    fn send_all(&self) {
        self.wishes.left_out.store(0, Ordering::Relaxed);
    }

    fn asked(&self, rid: &str) -> usize {
        self.wishes.asked.lock().iter().filter(|asked| *asked == rid).count()
    }
}

impl Drop for Cameras {
    fn drop(&mut self) {
        self.wishes.stop.store(true, Ordering::Relaxed);
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

struct Camera {
    encoder: Box<dyn VideoEncoder>,
    sequence: u64,
    keyframe: bool,
}

fn film(peer: &mut Peer, wishes: &Wishes) {
    let camera = |size| {
        let config = VideoConfig {
            codec: media::VideoCodec::H264,
            size,
            frame_rate: FrameRate::new(FPS).expect("a rate"),
            bitrate: Bitrate::from_kbps(300),
            gop: Duration::from_secs(600),
            threads: 1,
            tune: encoder::Tune::default(),
        };
        Camera { encoder: encoder::open(&config).expect("an encoder").encoder, sequence: 30_000, keyframe: true }
    };
    let mut cameras = SIZES.map(camera);
    let (start, mut number) = (Instant::now(), 0u32);
    while !wishes.stop.load(Ordering::Relaxed) {
        peer.lose = Some(wishes.lose.load(Ordering::Relaxed)).filter(|every| *every > 0);
        peer.step();
        let after = Duration::from_millis(u64::from(number) * 1000 / u64::from(FPS));
        if start.elapsed() < after {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        for rid in peer.requested.drain(..) {
            let rid = rid.expect("an encoding is named").to_string();
            let index = RIDS.iter().position(|one| *one == rid).expect("one of ours");
            cameras[index].keyframe = true;
            wishes.asked.lock().push(rid);
        }
        let left_out = wishes.left_out.load(Ordering::Relaxed);
        // The smallest leaves first, as browsers have it.
        for index in (0..3).rev() {
            if left_out >> index & 1 == 1 {
                // What comes after the pause begins anew.
                cameras[index].keyframe = true;
                continue;
            }
            shoot(peer, &mut cameras[index], index, number, start + after);
        }
        number += 1;
    }
    peer.close();
}

fn shoot(peer: &mut Peer, camera: &mut Camera, index: usize, number: u32, at: Instant) {
    let pts = START + Duration::from_millis(u64::from(number) * 1000 / u64::from(FPS));
    let mut picture = Picture::black(SIZES[index]);
    picture.planes[0].data.fill(16 + (number % 200) as u8);
    picture.captured_at = pts;
    let keyframe = std::mem::take(&mut camera.keyframe);
    let Some(unit) = camera.encoder.encode(&picture, pts, keyframe).expect("encoded") else { return };
    let timestamp = STARTS[index].wrapping_add((unit.pts.since(START).as_nanos() * 90_000 / 1_000_000_000) as u32);
    let payloads = payloads(&unit.payload);
    for (piece, payload) in payloads.iter().enumerate() {
        let rtp = RtpWrite::new(96.into(), camera.sequence.into(), timestamp, at, payload.as_slice());
        let rtp = rtp.marker(piece == payloads.len() - 1).nackable(true);
        peer.write(true, Some(Rid::from(RIDS[index])), rtp);
        camera.sequence += 1;
    }
}

/// Of what viewers may choose, the source first.
fn widths(server: &LiveServer) -> Vec<u32> {
    let live = renditions(server).into_iter().filter(|rendition| rendition.state == RenditionState::Running);
    live.map(|rendition| rendition.width).collect()
}

async fn server() -> LiveServer {
    let mut config = config();
    let rendition = |height| RenditionSettings { height, kbps: Some(200) };
    let rule = LadderSettings { streams: vec!["live".to_owned()], renditions: vec![rendition(180), rendition(240)] };
    config.transcoding.ladder.insert("all".to_owned(), rule);
    LiveServer::start(config).await.expect("the server starts")
}

fn until_sizes(viewers: &mut [&mut Peer], what: &str, wanted: &[Size]) {
    tokio::task::block_in_place(|| {
        until(viewers, what, |peers| peers.iter().zip(wanted).all(|(peer, size)| size_now(peer) == Some(*size)));
    });
}

/// Until each has got so many packets more.
fn until_more(viewers: &mut [&mut Peer], packets: usize) {
    let seen: Vec<usize> = viewers.iter().map(|peer| peer.got.len()).collect();
    tokio::task::block_in_place(|| {
        until(viewers, "it goes on", |peers| {
            peers.iter().zip(&seen).all(|(peer, seen)| peer.got.len() > seen + packets)
        });
    });
}

/// Every packet came in one line of numbers, and time goes on; gives the pictures' sizes in order, as ffmpeg decodes them.
fn seen(viewer: &Peer, folder: &Folder) -> Vec<(u32, u32)> {
    let units = access_units(viewer);
    for pair in units.windows(2) {
        let step = pair[1].0.wrapping_sub(pair[0].0) as i32;
        assert!(step > 0 && step < 3 * 90_000, "time goes on: {step}");
    }
    let file = folder.file("viewer.h264");
    std::fs::write(&file, units.iter().flat_map(|(_, unit)| unit.clone()).collect::<Vec<u8>>()).expect("written");
    let mut decoded = sizes(&file);
    assert_eq!(decoded.len(), units.len(), "ffmpeg decodes every picture");
    decoded.dedup();
    decoded
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_encoding_of_a_publisher_is_a_quality_that_viewers_change_to() {
    let server = server().await;
    let cameras = Cameras::start(&server).await;
    let shown: Vec<(String, bool)> =
        renditions(&server).into_iter().map(|rendition| (rendition.name, rendition.published)).collect();
    let of = |name: &str, published| (name.to_owned(), published);
    assert_eq!(
        shown,
        [of("source", true), of("240p", false), of("180p", true), of("90p", true)],
        "180p is not made, too"
    );
    let mut viewer = Peer::viewer(&server).await;
    until_sizes(&mut [&mut viewer], "the source", &SIZES[..1]);
    for (quality, rid, size) in
        [("180p", "m", SIZES[1]), ("90p", "l", SIZES[2]), ("source", "h", SIZES[0]), ("360p", "h", SIZES[0])]
    {
        let asked = RIDS.map(|rid| cameras.asked(rid));
        let (status, answer) = choose(&server, &viewer, quality).await;
        assert_eq!((status, answer["wanted"].as_str()), (200, Some(quality)), "{answer}");
        until_sizes(&mut [&mut viewer], quality, &[size]);
        until_more(&mut [&mut viewer], 30);
        let shown = get(&server, &format!("{}/layer", viewer.session)).await.1;
        let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(shown["encodingId"], quality, "{shown}");
        for (index, of) in RIDS.into_iter().enumerate() {
            let more = cameras.asked(of) - asked[index];
            assert_eq!(more > 0, of == rid, "{quality}: a keyframe is asked of {rid} alone, not of {of} {more} times");
        }
    }
    let folder = Folder::new("simulcast");
    assert_eq!(seen(&viewer, &folder), [(640, 360), (320, 180), (160, 90), (640, 360)]);
    let metrics = reqwest::get(url(&server, "/metrics")).await.expect("an answer").text().await.expect("text");
    assert!(metrics.contains("tidecast_stream_renditions{stream=\"live\"} 0\n"), "nothing is made: {metrics}");
    let (status, text) = get(&server, MULTI).await;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("RESOLUTION=640x360") && !text.contains("90p.m3u8"), "the best one alone: {text}");
    assert_eq!(get(&server, "/hls/live/90p.m3u8").await.0, 404);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_of_an_encoding_that_stops_get_the_next_lower_one_until_it_is_back() {
    let server = server().await;
    let cameras = Cameras::start(&server).await;
    let mut whole = Peer::viewer_of(&server, "quality=source").await;
    let mut high = Peer::viewer_of(&server, "quality=360p").await;
    let mut middle = Peer::viewer_of(&server, "quality=180p").await;
    let mut viewers = [&mut whole, &mut high, &mut middle];
    let [large, medium, small] = SIZES;
    until_sizes(&mut viewers, "each what it asked for", &[large, large, medium]);
    cameras.leave_out(0);
    until_sizes(&mut viewers, "without the highest", &[medium, medium, medium]);
    assert_eq!(server.streams()[0].width, Some(320));
    let paused = renditions(&server).into_iter().find(|rendition| rendition.name == "360p").expect("it is shown");
    assert_eq!((paused.state, paused.code), (RenditionState::Unavailable, Some("layer_paused")));
    cameras.send_all();
    until_sizes(&mut viewers, "the highest is back", &[large, large, medium]);
    cameras.leave_out(1);
    until_sizes(&mut viewers, "without the middle one", &[large, large, small]);
    cameras.send_all();
    until_sizes(&mut viewers, "the middle one is back", &[large, large, medium]);
    // The newest picture may not be whole yet.
    until_more(&mut viewers, 20);
    let folder = Folder::new("simulcast");
    assert_eq!(seen(&whole, &folder), [(640, 360), (320, 180), (640, 360)]);
    assert_eq!(seen(&high, &folder).last(), Some(&(640, 360)));
    assert_eq!(seen(&middle, &folder), [(320, 180), (160, 90), (320, 180)]);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_on_the_way_is_repaired_in_each_encoding() {
    let server = server().await;
    let cameras = Cameras::start(&server).await;
    let mut viewers = Vec::new();
    for quality in ["source", "180p", "90p"] {
        viewers.push(Peer::viewer_of(&server, &format!("quality={quality}")).await);
    }
    let mut all: Vec<&mut Peer> = viewers.iter_mut().collect();
    until_sizes(&mut all, "each its own", &SIZES);
    cameras.wishes.lose.store(17, Ordering::Relaxed);
    until_more(&mut all, 120);
    cameras.wishes.lose.store(0, Ordering::Relaxed);
    until_more(&mut all, 60);
    let folder = Folder::new("simulcast");
    for (viewer, size) in viewers.iter().zip(SIZES) {
        assert_eq!(seen(viewer, &folder).last(), Some(&(size.width, size.height)));
    }
    server.shutdown().await;
}

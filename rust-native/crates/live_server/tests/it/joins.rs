//! How long it takes to join: from the request to a whole keyframe, at any moment of a group of ten seconds.

use std::time::{Duration, Instant};

use live_server::{LiveServer, RtmpSettings};
use testkit::scratch::Folder;

use crate::common::*;
use crate::rig::{FPS, Program, access_units, numbers, pictures, until_live};
use crate::studio::Camera;

const VIEWERS: usize = 20;
/// Between two viewers, at the most: all of them come within ten seconds or so.
const PAUSE_MS: u64 = 900;

/// How long one viewer waits for its first picture, and that picture (Annex B).
async fn join(server: &LiveServer) -> (Duration, Vec<u8>) {
    let begun = Instant::now();
    let mut viewer = Peer::viewer(server).await;
    let mut waited = None;
    tokio::task::block_in_place(|| {
        until(&mut [&mut viewer], "a picture, and the next", |peers| {
            let video = peers[0].video();
            let Some(first) = video.first().map(|got| got.timestamp) else { return false };
            // Packets come in any order: the picture is there when its last packet is, and none before it is missing.
            let mut own: Vec<&&Got> = video.iter().filter(|got| got.timestamp == first).collect();
            own.sort_by_key(|got| got.sequence);
            let whole = own.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1);
            if whole && own.last().is_some_and(|got| got.marker) {
                waited.get_or_insert_with(|| begun.elapsed());
            }
            waited.is_some() && video.iter().any(|got| got.timestamp != first)
        });
    });
    let keyframe = access_units(&viewer).swap_remove(0).1;
    viewer.close();
    (waited.expect("a picture"), keyframe)
}

/// Lets them come one after the other; gives what each waited, shortest first, and all first pictures.
async fn join_all(server: &LiveServer) -> (Vec<Duration>, Vec<u8>) {
    let (mut waits, mut keyframes) = (Vec::new(), Vec::new());
    for _ in 0..VIEWERS {
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..PAUSE_MS))).await;
        let (waited, keyframe) = join(server).await;
        waits.push(waited);
        keyframes.extend(keyframe);
    }
    waits.sort();
    (waits, keyframes)
}

async fn assert_quick(server: &LiveServer, waits: &[Duration]) {
    let p95 = waits[VIEWERS * 95 / 100 - 1];
    eprintln!(
        "first picture after {:?} at the median, {p95:?} at p95, {:?} at most",
        waits[VIEWERS / 2],
        waits[VIEWERS - 1]
    );
    assert!(p95 <= Duration::from_millis(500), "{waits:?}");
    // The server counts what it sees of it: from the offer to the picture's first packet.
    let metrics = reqwest::get(url(server, "/metrics")).await.expect("an answer").text().await.expect("text");
    let count = |line: &str| metrics.lines().find_map(|text| text.strip_prefix(line)?.trim().parse::<usize>().ok());
    assert_eq!(count("tidecast_join_seconds_count"), Some(VIEWERS));
    assert!(count("tidecast_join_seconds_bucket{le=\"0.5\"}").is_some_and(|quick| quick >= VIEWERS * 95 / 100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_of_an_rtmp_publisher_with_ten_seconds_between_keyframes_have_a_picture_within_half_a_second() {
    let folder = Folder::new("joins");
    let reel = pictures(&folder, 60);
    let mut config = config();
    config.rtmp = RtmpSettings { listen: Some("127.0.0.1:0".parse().expect("an address")), ..RtmpSettings::default() };
    let server = LiveServer::start(config).await.expect("the server starts");
    let to = format!("rtmp://{}/live/{KEY}", server.rtmp_addr().expect("it listens"));
    let codecs = "-c:v libx264 -preset veryfast -tune zerolatency -bf 0 -g 300 -keyint_min 300 -sc_threshold 0 -b:v 800k \
                  -c:a aac -b:a 128k -ar 44100";
    let mut publisher = Program::publish(&reel, codecs, &["-f", "flv", &to]);
    until_live(&server).await;
    let (waits, keyframes) = join_all(&server).await;
    let file = folder.file("keyframes.h264");
    std::fs::write(&file, keyframes).expect("written");
    let shown = numbers(&file);
    assert_eq!(shown.len(), VIEWERS, "each decodes by itself");
    assert!(shown.iter().all(|number| number % u64::from(10 * FPS) == 0), "ten seconds apart: {shown:?}");
    assert!(shown.windows(2).all(|pair| pair[0] <= pair[1]), "{shown:?}");
    assert_quick(&server, &waits).await;
    publisher.kill();
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_of_a_webrtc_publisher_share_the_keyframes_that_are_asked_for_and_have_one_within_half_a_second() {
    let folder = Folder::new("joins");
    let server = server().await;
    let camera = Camera::start(&server).await;
    let (waits, keyframes) = join_all(&server).await;
    let file = folder.file("keyframes.h264");
    std::fs::write(&file, keyframes).expect("written");
    let decode = [
        "-v",
        "error",
        "-f",
        "h264",
        "-i",
        "FILE",
        "-fps_mode",
        "passthrough",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "gray",
        "-",
    ];
    let decoded = testkit::scratch::output_of("ffmpeg", &decode, &file);
    assert_eq!(decoded.len() as u64, VIEWERS as u64 * crate::studio::SIZE.area(), "each decodes by itself");
    assert_quick(&server, &waits).await;
    let asked = tokio::task::block_in_place(|| camera.stop());
    assert!(asked.len() <= VIEWERS + 1, "{} keyframes for {VIEWERS} viewers", asked.len());
    assert!(
        asked.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(450)),
        "at most one in half a second"
    );
    server.shutdown().await;
}

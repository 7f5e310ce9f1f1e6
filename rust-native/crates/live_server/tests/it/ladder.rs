//! Renditions, read back: over WHEP with changes in mid-stream, over HLS and DASH by ffmpeg; none without a reader, and no more
//! than may be.

use std::path::Path;
use std::time::{Duration, Instant};

use live_server::{Config, LadderSettings, LiveServer, RenditionInfo, RenditionSettings, RenditionState};
use media::Size;
use media::h264::{IDR, NAL_TYPE, SPS, nal_units, size_of_sps};
use serde_json::{Value, json};
use testkit::scratch::{Folder, output_of};

use crate::common::*;
use crate::files::*;
use crate::rig::access_units;
use crate::studio::*;

const SOURCE: Size = Size { width: 480, height: 270 };
const MIDDLE: Size = Size { width: 426, height: 240 };
const SMALL: Size = Size { width: 256, height: 144 };
const DASH: &str = "/dash/live/manifest.mpd";

fn ladder(most: u32) -> Config {
    let mut config = config();
    config.transcoding.max_renditions = most;
    config.transcoding.linger_seconds = 1;
    let rendition = |height, kbps| RenditionSettings { height, kbps: Some(kbps) };
    let renditions = vec![rendition(144, 120), rendition(720, 2000), rendition(240, 250)];
    let rule = LadderSettings { streams: vec!["li*".to_owned()], renditions };
    config.transcoding.ladder.insert("all".to_owned(), rule);
    config
}

async fn start(most: u32, reel: &Reel) -> (LiveServer, Publisher) {
    let server = LiveServer::start(ladder(most)).await.expect("the server starts");
    let publisher = Publisher::start(&server, reel).await;
    (server, publisher)
}

pub(crate) fn renditions(server: &LiveServer) -> Vec<RenditionInfo> {
    server.streams()[0].renditions.clone()
}

/// Names of those that are being made, without the source.
fn made(server: &LiveServer) -> Vec<String> {
    let running = |rendition: &RenditionInfo| rendition.state == RenditionState::Running;
    renditions(server).into_iter().skip(1).filter(running).map(|rendition| rendition.name).collect()
}

/// Until the figures say so.
pub(crate) async fn until_shown(server: &LiveServer, what: &str, holds: impl Fn(&LiveServer) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds(server) {
        assert!(Instant::now() < end, "{what}: {:?}", renditions(server));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn get(server: &LiveServer, path: &str) -> (u16, String) {
    let response = reqwest::Client::new().get(url(server, path)).bearer_auth(TOKEN).send().await.expect("an answer");
    (response.status().as_u16(), response.text().await.expect("a body"))
}

/// Asks for another rendition of a viewer's; gives the answer.
pub(crate) async fn choose(server: &LiveServer, viewer: &Peer, quality: &str) -> (u16, Value) {
    let body = json!({ "mediaId": "1", "encodingId": quality }).to_string();
    let path = format!("{}/layer", viewer.session);
    let response = post(server, &path, Some(TOKEN), "application/json", body).await;
    (response.status().as_u16(), serde_json::from_str(&response.text().await.expect("a body")).expect("JSON"))
}

/// The picture's size by its newest parameter sets.
pub(crate) fn size_now(viewer: &Peer) -> Option<Size> {
    let sets =
        viewer.got.iter().rev().filter(|got| got.video).find_map(|got| match got.payload.first()? & NAL_TYPE {
            24 => {
                let length = usize::from(u16::from_be_bytes([got.payload[1], got.payload[2]]));
                got.payload.get(3..3 + length).filter(|unit| unit[0] & NAL_TYPE == SPS).map(<[u8]>::to_vec)
            }
            SPS => Some(got.payload.clone()),
            _ => None,
        })?;
    size_of_sps(&sets)
}

/// Pictures' sizes in a file of bare H.264, in order, as ffprobe decodes them.
pub(crate) fn sizes(file: &Path) -> Vec<(u32, u32)> {
    let arguments = ["-v", "error", "-show_entries", "frame=width,height", "-of", "csv=p=0", "FILE"];
    let text = String::from_utf8(output_of("ffprobe", &arguments, file)).expect("text");
    let size = |line: &str| {
        let (width, height) = line.trim_end_matches(',').split_once(',')?;
        Some((width.parse().ok()?, height.parse().ok()?))
    };
    text.lines().filter_map(size).collect()
}

/// Keyframes' times of a file's picture, seconds.
fn keyframes(file: &Path, picture: usize) -> Vec<f64> {
    let select = format!("v:{picture}");
    let arguments =
        ["-v", "error", "-select_streams", &select, "-show_entries", "packet=pts_time,flags", "-of", "csv=p=0", "FILE"];
    let text = String::from_utf8(output_of("ffprobe", &arguments, file)).expect("text");
    let keyframe = |line: &str| {
        let (time, flags) = line.split_once(',')?;
        flags.contains('K').then(|| time.parse().expect("a time"))
    };
    text.lines().filter_map(keyframe).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_changes_the_rendition_at_keyframes_on_one_connection() {
    let reel = Reel::sized(SOURCE, 45, 30, 12);
    let (server, _publisher) = start(2, &reel).await;
    let mut viewer = Peer::viewer(&server).await;
    tokio::task::block_in_place(|| {
        until(&mut [&mut viewer], "the source", |peers| size_now(peers[0]) == Some(SOURCE));
    });
    assert_eq!(made(&server), Vec::<String>::new(), "nobody asked for one");
    let mut changes = Vec::new();
    for (quality, size) in [("240p", MIDDLE), ("144p", SMALL), ("source", SOURCE), ("240p", MIDDLE)] {
        let asked = Instant::now();
        let (status, answer) = choose(&server, &viewer, quality).await;
        assert_eq!((status, answer["wanted"].as_str()), (200, Some(quality)), "{answer}");
        tokio::task::block_in_place(|| {
            until(&mut [&mut viewer], quality, |peers| size_now(peers[0]) == Some(size));
            changes.push(asked.elapsed().as_secs_f64());
            let seen = viewer.got.len();
            until(&mut [&mut viewer], "it goes on", |peers| peers[0].got.len() > seen + 60);
        });
    }
    eprintln!("a change took {changes:.2?} s");
    let (_, shown) = get(&server, &format!("{}/layer", viewer.session)).await;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["encodingId"], "240p");
    let layers: Vec<&str> =
        shown["layers"].as_array().expect("a list").iter().filter_map(|one| one["encodingId"].as_str()).collect();
    assert_eq!(layers, ["source", "240p", "144p"], "720p is larger than the source");
    // Every packet came, in one line of numbers and times.
    let units = access_units(&viewer);
    for pair in units.windows(2) {
        let step = pair[1].0.wrapping_sub(pair[0].0) as i32;
        assert!(step > 0 && step < 90_000, "time goes on, and never for a second without a picture: {step}");
    }
    let folder = Folder::new("ladder");
    let file = folder.file("viewer.h264");
    let bytes: Vec<u8> = units.iter().flat_map(|(_, unit)| unit.clone()).collect();
    std::fs::write(&file, bytes).expect("written");
    let mut decoded = sizes(&file);
    assert_eq!(decoded.len(), units.len(), "ffmpeg decodes every picture");
    decoded.dedup();
    assert_eq!(decoded, [(480, 270), (426, 240), (256, 144), (480, 270), (426, 240)]);
    let first_of_each = units.windows(2).filter(|pair| {
        let size = |unit: &[u8]| {
            nal_units(&unit.to_vec().into())
                .iter()
                .find(|unit| unit[0] & NAL_TYPE == SPS)
                .and_then(|sps| size_of_sps(sps))
        };
        size(&pair[1].1).is_some() && size(&pair[1].1) != size(&pair[0].1)
    });
    for (_, unit) in first_of_each.map(|pair| &pair[1]) {
        assert!(
            nal_units(&unit.clone().into()).iter().any(|unit| unit[0] & NAL_TYPE == IDR),
            "it begins with a keyframe"
        );
    }
    viewer.close();
    until_shown(&server, "nothing is made for nobody", |server| made(server).is_empty()).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_rendition_is_in_step_and_has_the_sources_keyframes() {
    let reel = Reel::sized(SOURCE, 150, 30, 0);
    let (server, _publisher) = start(2, &reel).await;
    let (status, text) = get(&server, MULTI).await;
    assert_eq!(status, 200, "{text}");
    for (size, file) in [("480x270", "video.m3u8"), ("426x240", "240p.m3u8"), ("256x144", "144p.m3u8")] {
        let variant = text.split("#EXT-X-STREAM-INF:").find(|variant| variant.contains(file)).expect(file);
        let rate = variant.split("FRAME-RATE=").nth(1).and_then(|rest| rest.split_once(".000,AUDIO=\"sound\"\n"));
        let rate: u32 = rate.expect("a rate").0.parse().expect("a number");
        assert!((20..=31).contains(&rate), "what comes: {variant}");
        assert!(variant.contains(&format!("RESOLUTION={size},")), "{variant}");
        assert!(variant.contains("CODECS=\"avc1.42c01f,opus\""), "{variant}");
    }
    assert_eq!(made(&server), Vec::<String>::new(), "a list alone has nothing made");
    let metrics = reqwest::get(url(&server, "/metrics")).await.expect("an answer").text().await.expect("text");
    assert!(metrics.contains("tidecast_stream_renditions{stream=\"live\"} 0\n"), "{metrics}");
    assert_eq!(get(&server, "/hls/live/720p.m3u8").await.0, 404, "larger than the source");
    let (one, other) = tokio::join!(get(&server, "/hls/live/240p.m3u8"), get(&server, "/hls/live/144p.m3u8"));
    assert_eq!((one.0, other.0), (200, 200), "asking for its list has it made: {} {}", one.1, other.1);
    until_shown(&server, "both are made", |server| made(server) == ["240p", "144p"]).await;
    // The list's promises were kept.
    let (_, text) = get(&server, MULTI).await;
    assert_eq!(text.matches("CODECS=\"avc1.42c01f,opus\"").count(), 3, "{text}");
    let folder = Folder::new("ladder");
    // ffmpeg begins three segments before the end; and ffmpeg 5 begins anew at a DASH timeline's head when it comes to its
    // end: there must be more than it reads.
    let begun = Instant::now();
    for track in ["240p", "144p"] {
        while get(&server, &format!("/hls/live/{track}.m3u8")).await.1.matches("#EXTINF").count() < 4
            || !get(&server, DASH).await.1.contains(&format!("id=\"{track}\""))
        {
            assert!(begun.elapsed() < PATIENCE, "four segments of {track}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    let hls = folder.file("hls.mkv");
    record_as_is(&server, MULTI, 6, &hls).await;
    let source = keyframes(&hls, 0);
    for (picture, size) in [SOURCE, MIDDLE, SMALL].into_iter().enumerate() {
        let lower = keyframes(&hls, picture);
        eprintln!("HLS, {size}: keyframes at {lower:.3?}");
        let common: Vec<f64> =
            lower.iter().copied().filter(|at| *at >= source[0] && *at <= source[source.len() - 1]).collect();
        assert!(common.len() >= 2, "{lower:?} {source:?}");
        let met = |at: &f64| source.iter().any(|other| (other - at).abs() < 0.0015);
        assert!(common.iter().all(met), "{size} has keyframes of its own: {lower:?}, the source {source:?}");
        let file = hls.clone();
        in_step(&tokio::task::spawn_blocking(move || play_stream(&file, picture, size)).await.expect("played"), 3);
        // Of DASH it opens all representations one after the other, each where the show is then: the last one is short.
        let file = folder.file(&format!("dash-{picture}.mkv"));
        record_of(&server, DASH, &[&format!("0:v:{picture}"), "0:a"], 7, &file).await;
        eprintln!("DASH, {size}");
        in_step(&tokio::task::spawn_blocking(move || play_stream(&file, 0, size)).await.expect("played"), 2);
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_there_is_no_room_for_is_not_offered_until_there_is() {
    let reel = Reel::sized(SOURCE, 45, 30, 0);
    let (server, _publisher) = start(1, &reel).await;
    let mut viewer = Peer::viewer_of(&server, "quality=240p").await;
    tokio::task::block_in_place(|| {
        until(&mut [&mut viewer], "240p from the address", |peers| size_now(peers[0]) == Some(MIDDLE));
    });
    until_shown(&server, "144p finds no room", |server| {
        let small = renditions(server).pop();
        small.is_some_and(|small| small.state == RenditionState::Unavailable && small.code == Some("no_rendition_room"))
    })
    .await;
    assert_eq!(made(&server), ["240p"]);
    let (status, answer) = choose(&server, &viewer, "144p").await;
    assert_eq!((status, answer["code"].as_str()), (503, Some("no_rendition_room")), "{answer}");
    let (status, answer) = choose(&server, &viewer, "720p").await;
    assert_eq!((status, answer["code"].as_str()), (404, Some("no_such_rendition")), "{answer}");
    let (status, answer) = choose(&server, &viewer, "best").await;
    assert_eq!((status, answer["code"].as_str()), (400, Some("bad_quality")), "{answer}");
    let (_, text) = get(&server, MULTI).await;
    assert!(text.contains("240p.m3u8") && !text.contains("144p.m3u8"), "{text}");
    assert_eq!(get(&server, "/hls/live/144p.m3u8").await.0, 503);
    let (status, _) = choose(&server, &viewer, "source").await;
    assert_eq!(status, 200);
    tokio::task::block_in_place(|| {
        until(&mut [&mut viewer], "the source", |peers| size_now(peers[0]) == Some(SOURCE));
        // It is made for a moment longer; then its place is free.
        until(&mut [&mut viewer], "the place is free", |_| made(&server).is_empty());
    });
    assert_eq!(choose(&server, &viewer, "144p").await.0, 200);
    tokio::task::block_in_place(|| {
        until(&mut [&mut viewer], "144p", |peers| size_now(peers[0]) == Some(SMALL));
    });
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_whose_line_does_not_carry_the_source_gets_what_it_carries() {
    let reel = Reel::sized(SOURCE, 30, 30, 12);
    let (server, mut publisher) = start(2, &reel).await;
    let mut viewer = Peer::viewer(&server).await;
    let mut kept = Peer::viewer_of(&server, "quality=source").await;
    let mut told = Instant::now();
    tokio::task::block_in_place(|| {
        let mut peers = [&mut viewer, &mut kept];
        until(&mut peers, "the source", |peers| peers.iter().all(|peer| size_now(peer) == Some(SOURCE)));
        // 250 kbit/s of a picture in 160 is no room; 120 is.
        until(&mut peers, "144p", |peers| {
            if told.elapsed() > Duration::from_millis(500) {
                told = Instant::now();
                peers.iter_mut().for_each(|peer| peer.estimate(160_000));
            }
            size_now(peers[0]) == Some(SMALL)
        });
        assert_eq!(size_now(peers[1]), Some(SOURCE), "who asked for the source keeps it");
        // The publisher goes and comes: what was chosen is chosen still.
        publisher.stop();
        peers.iter_mut().for_each(|peer| peer.got.clear());
    });
    let _publisher = Publisher::start(&server, &reel).await;
    tokio::task::block_in_place(|| {
        until(&mut [&mut viewer, &mut kept], "144p again", |peers| size_now(peers[0]) == Some(SMALL));
    });
    server.shutdown().await;
}

//! RTMP and SRT in, HLS out: what ffmpeg and GStreamer publish, read back by ffmpeg.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use live_server::{Config, LiveServer};

use crate::common::*;
use crate::files::*;
use crate::rig::{NO_B, Program, WITH_B};
use testkit::scratch::Folder;

const SECONDS: u32 = 60;

fn ingest() -> Config {
    let mut config = config();
    config.rtmp.listen = Some("127.0.0.1:0".parse().expect("an address"));
    config.srt.listen = config.rtmp.listen;
    config
}

fn rtmp(server: &LiveServer) -> String {
    format!("rtmp://{}/live/{KEY}", server.rtmp_addr().expect("it listens"))
}

/// A publisher's file for GStreamer.
fn file(folder: &Folder, codecs: &str) -> PathBuf {
    let file = folder.file("publish.mp4");
    let (well, said) = Program::flash(codecs, false, SECONDS, &["-y", file.to_str().expect("a name")]).ended();
    assert!(well, "{said}");
    file
}

async fn text(server: &LiveServer, path: &str) -> (u16, String) {
    let answer = reqwest::Client::new().get(url(server, path)).bearer_auth(TOKEN).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a body"))
}

async fn until_live(server: &LiveServer, publisher: &mut Program) {
    let begun = Instant::now();
    while !server.streams()[0].live {
        if !publisher.is_running() {
            panic!("the publisher gave up: {}", publisher.ended().1);
        }
        assert!(begun.elapsed() < PATIENCE, "the stream is not live");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Eight seconds as ffmpeg reads them, every picture and beep in its place.
async fn read(server: &LiveServer, publisher: &mut Program) {
    let folder = Folder::new("live");
    until_live(server, publisher).await;
    let (status, playlist) = text(server, MULTI).await;
    assert_eq!(status, 200, "{playlist}");
    assert!(playlist.contains("RESOLUTION=320x180") && playlist.contains(",opus\""), "{playlist}");
    right(&record(server, MULTI, 8, &folder.file("read.mkv")).await, 8.0);
    assert!(publisher.is_running());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rtmp_as_obs_sends_it_with_b_frames_and_aac_at_44_khz_is_read_as_hls_in_step() {
    let server = LiveServer::start(ingest()).await.expect("the server starts");
    let mut publisher = Program::flash(WITH_B, true, SECONDS, &["-f", "flv", &rtmp(&server)]);
    read(&server, &mut publisher).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn srt_of_ffmpeg_is_read_as_hls_in_step() {
    let server = LiveServer::start(ingest()).await.expect("the server starts");
    let to = format!(
        "srt://{}?mode=caller&transtype=live&streamid=publish:live:{KEY}",
        server.srt_addr().expect("it listens")
    );
    let mut publisher = Program::flash(NO_B, true, SECONDS, &["-f", "mpegts", &to]);
    read(&server, &mut publisher).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gstreamer_publishes_over_rtmp() {
    let (server, folder) = (LiveServer::start(ingest()).await.expect("the server starts"), Folder::new("live"));
    let location = format!("location={}", rtmp(&server));
    let mut publisher =
        Program::gstreamer(&file(&folder, NO_B), "flvmux streamable=true", &["rtmp2sink", "sync=false", &location]);
    read(&server, &mut publisher).await;
    assert_eq!(server.streams()[0].protocol.as_deref(), Some("rtmp"));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gstreamer_publishes_over_srt_with_b_frames() {
    let (server, folder) = (LiveServer::start(ingest()).await.expect("the server starts"), Folder::new("live"));
    let uri = format!("uri=srt://{}?mode=caller", server.srt_addr().expect("it listens"));
    let id = format!("streamid=#!::r=live,m=publish,s={KEY}");
    let sink = ["srtsink", "sync=false", &uri, &id];
    let mut publisher = Program::gstreamer(&file(&folder, WITH_B), "mpegtsmux alignment=7", &sink);
    read(&server, &mut publisher).await;
    assert_eq!(server.streams()[0].protocol.as_deref(), Some("srt"));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_always_packed_has_both_tracks_from_its_first_segment_on() {
    let mut config = ingest();
    config.hls.always = true;
    let server = LiveServer::start(config).await.expect("the server starts");
    let mut publisher = Program::flash(NO_B, true, SECONDS, &["-f", "flv", &rtmp(&server)]);
    until_live(&server, &mut publisher).await;
    let begun = Instant::now();
    let playlist = loop {
        let (status, playlist) = text(&server, "/hls/live/video.m3u8").await;
        if status == 200 && playlist.matches("#EXTINF").count() >= 3 {
            break playlist;
        }
        assert!(begun.elapsed() < PATIENCE, "{status} {playlist}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(!playlist.contains("#EXT-X-DISCONTINUITY\n"), "one run: {playlist}");
    let (status, playlist) = text(&server, "/hls/live/audio.m3u8").await;
    assert!(status == 200 && playlist.matches("#EXTINF").count() >= 2, "{status} {playlist}");
    assert!(!playlist.contains("#EXT-X-DISCONTINUITY\n"), "one run: {playlist}");
    server.shutdown().await;
}

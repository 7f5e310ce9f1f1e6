//! WHIP and our WebSocket signalling against peers that no one here wrote: aiortc, Janus as an SFU, and our own server
//! watched by aiortc. What arrives is read back: pictures by their numbers, sound by its tone.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use live_server::{Config, LiveServer};
use media::Secret;
use publish::{BackendTarget, Target, WhipTarget};

use crate::rig::program::{Program, until_pictures};
use crate::rig::relay::{WhipRelay, outside};
use crate::rig::{Feed, Peer, Received, SIZE, bitrate, free_port, listening, number_of, say};
use testkit::scratch::Folder;

const KEY: &str = "live_4711";

fn whip(url: String) -> Target {
    WhipTarget { url, key: Some(Secret::new(KEY)), target_bitrate: bitrate() }.into()
}

fn backend(url: String) -> Target {
    BackendTarget { url, key: Some(Secret::new(KEY)), target_bitrate: bitrate() }.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn aiortc_gets_every_picture_and_the_tone_by_whip_and_by_websocket() {
    let (folder, feed) = (Folder::new("publish"), Feed::start());
    let mut server = Program::start("whip_receiver.py", &folder, &["--key", KEY]).await;
    for (session, target) in [
        (1, whip(format!("http://127.0.0.1:{}/whip/live", server.port))),
        (2, backend(format!("ws://127.0.0.1:{}/ws/live", server.port))),
    ] {
        let mut live = feed.publish(target);
        live.until_live().await;
        until_pictures(&folder, session, 120).await;
        live.destination.stop().await;
        server.said(&format!("DELETE {session}")).await;
        Received::of_session(&folder, session).assert_whole(120);
    }
}

/// Each tenth part of a second of the way is as long as a phone's; the destination counts as another machine, so that
/// congestion control is on.
#[tokio::test(flavor = "multi_thread")]
async fn nearly_every_picture_is_decoded_where_packets_are_lost_and_late() {
    let (folder, feed) = (Folder::new("publish"), Feed::start());
    let server = Program::start("whip_receiver.py", &folder, &["--key", KEY]).await;
    let relay = WhipRelay::start(outside(), server.port).await;
    relay.conditions.delay_ms.store(40, Ordering::Relaxed);
    let mut live = feed.publish(whip(format!("http://{}/whip/live", relay.address)));
    live.until_live().await;
    // The connection stands; from here on two of a hundred packets are lost, both ways.
    until_pictures(&folder, 1, 30).await;
    relay.conditions.lost.store(20, Ordering::Relaxed);
    until_pictures(&folder, 1, 630).await;
    relay.conditions.lost.store(0, Ordering::Relaxed);
    let health = live.destination.health().expect("a connection");
    live.destination.stop().await;
    let luma = std::fs::read(folder.file("1.gray")).expect("pictures");
    let mut numbers: Vec<u64> = luma.chunks_exact(SIZE.area() as usize).filter_map(number_of).collect();
    numbers.dedup();
    let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
    let share = numbers.len() as f64 / (last - first + 1) as f64;
    let (carried, dropped) = relay.conditions.counts();
    say(&format!(
        "decoded {:.2} % of {} pictures; {dropped} of {carried} packets lost; {health:?}",
        share * 100.0,
        last - first + 1
    ));
    assert!(dropped * 100 >= carried, "the path lost {dropped} of {carried}");
    assert!(share >= 0.99, "{:.2} % of {} pictures", share * 100.0, last - first + 1);
    assert!(health.loss.is_some_and(|loss| loss > 0.0), "{health:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn janus_takes_the_stream_by_websocket_and_by_whip() {
    let (folder, feed) = (Folder::new("publish"), Feed::start());
    let mut server = Program::start("sfu_bridge.py", &folder, &["--key", KEY]).await;
    for (session, target) in [
        (1, backend(format!("ws://127.0.0.1:{}/ws/live", server.port))),
        (2, whip(format!("http://127.0.0.1:{}/whip/live", server.port))),
    ] {
        let mut live = feed.publish(target);
        live.until_live().await;
        server.said(&format!("webrtcup {session}")).await;
        let begun = feed.pictures();
        while feed.pictures() < begun + 150 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        live.destination.stop().await;
        server.said(&format!("closed {session}")).await;
        recorded(&folder, session).assert_whole(120);
    }
    server.end().await;
}

/// Only TCP is to be had there: the second attempt takes it.
#[tokio::test(flavor = "multi_thread")]
async fn where_udp_is_closed_tcp_carries_the_stream() {
    let (folder, feed) = (Folder::new("publish"), Feed::start());
    let mut server = Program::start("sfu_bridge.py", &folder, &["--key", KEY, "--tcp"]).await;
    let mut live = feed.publish(whip(format!("http://127.0.0.1:{}/whip/live", server.port)));
    assert_eq!(live.until_broken().await, ("no_media_path", false));
    live.until_live().await;
    server.said("webrtcup 2").await;
    let begun = feed.pictures();
    while feed.pictures() < begun + 150 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    live.destination.stop().await;
    server.said("closed 2").await;
    recorded(&folder, 2).assert_whole(120);
    server.end().await;
}

/// They come with the answer: what they give follows by PATCH, within the same session.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_server_of_the_answer_is_used_at_once() {
    let (folder, feed, port) = (Folder::new("publish"), Feed::start(), free_port());
    let (listen, log) = (port.to_string(), folder.file("turn.log"));
    let pid = folder.file("turn.pid").display().to_string();
    let options = ["-n", "--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--listening-port", &listen];
    let rest =
        ["--no-tls", "--no-dtls", "--lt-cred-mech", "--user", "u:p4ss", "--realm", "r", "--no-cli", "--pidfile", &pid];
    let _turn = Peer::start_into("turnserver", &[&options[..], &rest[..], &["--log-file", "stdout"]].concat(), &log);
    listening(port).await;
    let link = format!(
        "<stun:127.0.0.1:{port}>; rel=\"ice-server\", <turn:127.0.0.1:{port}?transport=udp>; rel=\"ice-server\"; \
         username=\"u\"; credential=\"p4ss\"; credential-type=\"password\""
    );
    let mut server = Program::start("sfu_bridge.py", &folder, &["--key", KEY, "--link", &link]).await;
    let mut live = feed.publish(whip(format!("http://127.0.0.1:{}/whip/live", server.port)));
    live.until_live().await;
    server.said("trickled 1 relay").await;
    live.destination.stop().await;
    server.said("closed 1").await;
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_server_passes_both_on_to_a_viewer() {
    let feed = Feed::start();
    let anywhere = "127.0.0.1:0".parse().expect("an address");
    let mut config = Config::with_stream(anywhere, "live", Secret::new(KEY), None);
    // aiortc has no candidate on loopback: the server's must be one that it can reach.
    config.rtc.address = Some(outside());
    let server = LiveServer::start(config).await.expect("the server");
    let place = server.http_addr();
    for target in [whip(format!("http://{place}/whip/live")), backend(format!("ws://{place}/ws/live"))] {
        let mut live = feed.publish(target);
        live.until_live().await;
        while !server.streams()[0].live {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (folder, watch) = (Folder::new("publish"), format!("http://{place}/whep/live"));
        let viewer = Program::start("whip_receiver.py", &folder, &["--watch", &watch]).await;
        until_pictures(&folder, 1, 90).await;
        drop(viewer);
        live.destination.stop().await;
        Received::of_session(&folder, 1).assert_whole(90);
        while server.streams()[0].live {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    server.shutdown().await;
}

/// What Janus recorded of a publisher, made a file by its own tool.
fn recorded(folder: &Folder, publisher: u32) -> Received {
    let file = |name: &str| -> PathBuf { folder.file(&format!("{publisher}-{name}")) };
    for (track, made) in [("video", "video.mp4"), ("audio", "audio.opus")] {
        let record = record_of(folder, &format!("{publisher}-{track}"));
        let output = Command::new("janus-pp-rec").arg(&record).arg(file(made)).output();
        let output = output.expect("janus-pp-rec (package janus-tools)");
        assert!(output.status.success(), "janus-pp-rec: {}", String::from_utf8_lossy(&output.stdout));
    }
    // The pictures by themselves: at the times of packets, in milliseconds, two may fall together.
    let mut bare = Command::new("ffmpeg");
    bare.args(["-v", "error", "-i"]).arg(file("video.mp4")).args(["-c", "copy", "-f", "h264"]).arg(file("video.h264"));
    assert!(bare.status().expect("ffmpeg").success(), "ffmpeg can't read what was recorded");
    Received::read_apart(&file("video.h264"), &file("audio.opus"))
}

/// Janus adds the number of the media section to a record's name.
fn record_of(folder: &Folder, beginning: &str) -> PathBuf {
    let files: Vec<PathBuf> =
        std::fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.path()).collect();
    let is_it = |file: &&PathBuf| {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(beginning) && name.ends_with(".mjr")
    };
    files.iter().find(is_it).unwrap_or_else(|| panic!("no {beginning}….mjr in {files:?}")).clone()
}

//! MPEG-TS destinations against srt-live-transmit and ffmpeg.

use std::path::Path;
use std::time::{Duration, Instant};

use media::Secret;
use publish::{MpegTsTarget, PublishStatus, SrtTarget};

use crate::rig::{Feed, PATIENCE, Peer, Received, bitrate, free_port};
use testkit::scratch::Folder;

fn srt(url: String) -> SrtTarget {
    SrtTarget { url, passphrase: None, stream_id: None, latency: Duration::from_millis(120), target_bitrate: bitrate() }
}

/// srt-live-transmit writes what comes; the last of it only when it ends by itself, so it is asked to, not killed.
fn transmit(source: &str, file: &Path) -> Peer {
    Peer::start_into("srt-live-transmit", &["-q", "-loglevel:fatal", source, "file://con"], file)
}

async fn run(feed: &Feed, target: impl Into<publish::Target>, file: &Path, seconds: u64) -> publish::Health {
    let mut live = feed.publish(target);
    live.until_live().await;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let health = live.destination.health().expect("connected");
    live.destination.stop().await;
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::metadata(file).is_ok_and(|file| file.len() > 50_000) {
        assert!(Instant::now() < deadline, "nothing came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    health
}

#[tokio::test(flavor = "multi_thread")]
async fn srt_live_transmit_gets_every_picture_and_the_tone() {
    let (feed, folder, port) = (Feed::start(), Folder::new("publish"), free_port());
    let file = folder.file("srt.ts");
    let transmit = transmit(&format!("srt://:{port}?mode=listener"), &file);
    let health = run(&feed, srt(format!("srt://127.0.0.1:{port}")), &file, 5).await;
    transmit.interrupt().await;
    assert_eq!(health.dropped_units, 0, "{health:?}");
    Received::read(&file).assert_whole(90);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_and_a_stream_id_are_used_and_a_wrong_passphrase_is_final() {
    let (feed, folder, port) = (Feed::start(), Folder::new("publish"), free_port());
    let file = folder.file("srt.ts");
    let source = format!("srt://:{port}?mode=listener&passphrase=correct-horse");
    let transmit = transmit(&source, &file);
    let with = |passphrase: &str| SrtTarget {
        passphrase: Some(Secret::new(passphrase)),
        stream_id: Some(Secret::new("#!::r=live/one,m=publish")),
        ..srt(format!("srt://127.0.0.1:{port}"))
    };
    let mut wrong = feed.publish(with("wrong-battery"));
    let failed = loop {
        match wrong.next().await {
            PublishStatus::Failed { code, .. } => break code,
            // Until srt-live-transmit listens.
            PublishStatus::Reconnecting { code: "no_answer", .. } | PublishStatus::Connecting => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(failed, "bad_passphrase");
    let health = run(&feed, with("correct-horse"), &file, 5).await;
    transmit.interrupt().await;
    assert_eq!(health.dropped_units, 0, "{health:?}");
    Received::read(&file).assert_whole(90);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_served_by_a_listening_destination() {
    let (feed, folder, port) = (Feed::start(), Folder::new("publish"), free_port());
    let file = folder.file("srt.ts");
    let live = feed.publish(srt(format!("srt://:{port}")));
    let transmit = transmit(&format!("srt://127.0.0.1:{port}?mode=caller"), &file);
    let mut live = live;
    live.until_live().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    live.destination.stop().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    transmit.interrupt().await;
    Received::read(&file).assert_whole(90);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_srt_server_that_is_killed_and_comes_back_is_found_again() {
    let (feed, folder, port) = (Feed::start(), Folder::new("publish"), free_port());
    let source = format!("srt://:{port}?mode=listener");
    let mut first = transmit(&source, &folder.file("first.ts"));
    let mut live = feed.publish(srt(format!("srt://127.0.0.1:{port}")));
    live.until_live().await;
    first.kill();
    assert_eq!(live.until_broken().await, ("connection_lost", false));
    let file = folder.file("second.ts");
    let second = transmit(&source, &file);
    let back = Instant::now();
    live.until_live().await;
    assert!(back.elapsed() < Duration::from_secs(5), "live {:?} after the server was", back.elapsed());
    tokio::time::sleep(Duration::from_secs(4)).await;
    live.destination.stop().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    second.interrupt().await;
    Received::read(&file).assert_whole(60);
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_reads_plain_udp_and_tcp() {
    let (feed, folder, port) = (Feed::start(), Folder::new("publish"), free_port());
    for scheme in ["udp", "tcp"] {
        let file = folder.file(&format!("{scheme}.ts"));
        let options = if scheme == "udp" { "fifo_size=100000&timeout=30000000" } else { "listen=1" };
        let from = format!("{scheme}://127.0.0.1:{port}?{options}");
        let path = file.to_str().expect("UTF-8");
        let reader = Peer::start(
            "ffmpeg",
            &["-v", "fatal", "-y", "-analyzeduration", "1M", "-i", &from, "-c", "copy", "-f", "mpegts", path],
        );
        if scheme == "tcp" {
            crate::rig::listening(port).await;
        }
        let target = MpegTsTarget { url: format!("{scheme}://127.0.0.1:{port}"), target_bitrate: bitrate() };
        run(&feed, target, &file, 6).await;
        if scheme == "tcp" {
            reader.ended().await;
        } else {
            reader.interrupt().await;
        }
        Received::read(&file).assert_whole(90);
    }
}

//! A machine that changes its network in mid-stream, or loses it for a while.
//!
//! Each test runs in a network namespace of its own (`rig/network.rs`), with Janus at the far end of two lines.

use std::time::{Duration, Instant};

use publish::WhipTarget;

use crate::rig::network::{FAR, Line, Lines, inside};
use crate::rig::program::Program;
use crate::rig::{Feed, Live, bitrate, say};
use testkit::scratch::Folder;

async fn far_sfu(lines: &Lines, folder: &Folder) -> Program {
    let command = lines.command();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    Program::start_by(&command, "sfu_bridge.py", folder, &["--host", FAR]).await
}

fn publish(feed: &Feed, server: &Program) -> Live {
    let url = format!("http://{FAR}:{}/whip/live", server.port);
    feed.publish(WhipTarget { url, key: None, target_bitrate: bitrate() })
}

async fn pictures_pass(feed: &Feed, wanted: u64) {
    let begun = feed.pictures();
    while feed.pictures() < begun + wanted {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn flowing(lines: &Lines, folder: &Folder) -> (Program, Feed, Live) {
    let mut server = far_sfu(lines, folder).await;
    let feed = Feed::start();
    let mut live = publish(&feed, &server);
    live.until_live().await;
    server.said("webrtcup 1").await;
    pictures_pass(&feed, 60).await;
    (server, feed, live)
}

/// By an ICE restart or, where that is not heard of in five seconds, by another session.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_to_another_network_is_told_at_once_and_followed() {
    if !inside("network_change::a_move_to_another_network_is_told_at_once_and_followed") {
        return;
    }
    let (lines, folder) = (Lines::new(), Folder::new("publish"));
    let (mut server, feed, mut live) = flowing(&lines, &folder).await;
    lines.unplug(Line::First);
    lines.plug(Line::Second);
    let changed = Instant::now();
    assert_eq!(live.until_broken().await, ("network_changed", false));
    let told = changed.elapsed();
    live.until_live().await;
    let took = changed.elapsed();
    say(&format!("told after {told:?}, live again after {took:?}, {} sessions", server.count("POST")));
    assert!(told < Duration::from_secs(4) && took < Duration::from_secs(15), "{told:?}, {took:?}");
    server.said("restarted 1").await;
    pictures_pass(&feed, 60).await;
    live.destination.stop().await;
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cable_that_is_out_for_a_while_is_survived() {
    if !inside("network_change::a_cable_that_is_out_for_a_while_is_survived") {
        return;
    }
    let (lines, folder) = (Lines::new(), Folder::new("publish"));
    let (mut server, feed, mut live) = flowing(&lines, &folder).await;
    lines.unplug(Line::First);
    assert_eq!(live.until_broken().await, ("connection_lost", false));
    tokio::time::sleep(Duration::from_secs(2)).await;
    lines.plug(Line::First);
    let plugged = Instant::now();
    live.until_live().await;
    let took = plugged.elapsed();
    say(&format!("live {took:?} after the cable was in again; {} restarts", server.count("restarted")));
    assert!(took < Duration::from_secs(5), "{took:?}");
    server.said("restarted 1").await;
    assert_eq!(server.count("POST"), 1, "no second session");
    pictures_pass(&feed, 30).await;
    live.destination.stop().await;
    server.end().await;
}

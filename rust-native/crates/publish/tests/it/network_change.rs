//! A machine that changes its network in mid-stream, or loses it for a while.
//!
//! Each test runs in a network namespace of its own (`rig/network.rs`), with Janus or our own server at the far end of two
//! lines. Janus (1.1, libnice 0.1.21) reads no packet that comes in over another interface than the one whose address its
//! socket has: after a move to the other line it answers the restart, and hears none of its checks.

use std::time::{Duration, Instant};

use media::Secret;
use publish::{PublishStatus, WhipTarget};

use crate::rig::network::{FAR, FarServer, KEY, Line, Lines, inside};
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

/// Our own server hears of the new path: the session goes on, and nothing but the path changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_to_another_network_is_followed_within_the_same_session() {
    if !inside("network_change::a_move_to_another_network_is_followed_within_the_same_session") {
        return;
    }
    let lines = Lines::new();
    let server = FarServer::start(&lines);
    let feed = Feed::start();
    let url = format!("http://{}/whip/live", server.address);
    let mut live = feed.publish(WhipTarget { url, key: Some(Secret::new(KEY)), target_bitrate: bitrate() });
    live.until_live().await;
    pictures_pass(&feed, 60).await;
    lines.unplug(Line::First);
    lines.plug(Line::Second);
    let changed = Instant::now();
    assert_eq!(live.until_broken().await, ("network_changed", false));
    let told = changed.elapsed();
    // A new session would be told as another break before it.
    assert_eq!(live.next().await, PublishStatus::Live { resumed: true });
    let took = changed.elapsed();
    say(&format!("told after {told:?}, live again after {took:?}, in the same session"));
    assert!(took < Duration::from_secs(6), "{took:?}");
    pictures_pass(&feed, 60).await;
    assert!(server.is_live(), "the server sees the publisher that it saw before");
    live.destination.stop().await;
}

/// By an ICE restart first; where that is not heard of in two seconds, by another session at once.
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
    assert!(told < Duration::from_secs(4) && took < Duration::from_secs(10), "{told:?}, {took:?}");
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

//! What a WHIP server and a backend's WebSocket can do to a stream: not be there, die, vanish, refuse, hang up.
//!
//! After each the state must be right, and the stream live within 5 s of the server's return.

use std::time::{Duration, Instant};

use media::Secret;
use publish::{BackendTarget, PublishStatus, Target, WhipTarget};
use tokio::net::TcpListener;

use crate::rig::program::{Program, until_pictures};
use crate::rig::relay::{WhipRelay, outside};
use crate::rig::{Feed, Live, bitrate, free_port, say};
use testkit::scratch::Folder;

const RETURN: Duration = Duration::from_secs(5);
const KEY: &str = "live_4711";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whip,
    Backend,
}

impl Kind {
    fn target(self, port: u16, key: &str) -> Target {
        let (key, target_bitrate) = (Some(Secret::new(key)), bitrate());
        match self {
            Self::Whip => WhipTarget { url: format!("http://127.0.0.1:{port}/whip/live"), key, target_bitrate }.into(),
            Self::Backend => {
                BackendTarget { url: format!("ws://127.0.0.1:{port}/ws/live"), key, target_bitrate }.into()
            }
        }
    }
}

async fn server(folder: &Folder, port: u16) -> (Program, Instant) {
    let server = Program::start("whip_receiver.py", folder, &["--key", KEY, "--port", &port.to_string()]).await;
    (server, Instant::now())
}

/// Live again, and in time.
async fn back(live: &mut Live, since: Instant, what: &str) {
    live.until_live().await;
    let took = since.elapsed();
    say(&format!("{what}: live {took:?} after the server's return"));
    assert!(took <= RETURN, "{what}: {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_late_or_comes_back_is_found_in_time() {
    for kind in [Kind::Whip, Kind::Backend] {
        let (folder, feed, port) = (Folder::new("publish"), Feed::start(), free_port());
        let mut live = feed.publish(kind.target(port, KEY));
        assert_eq!(live.until_broken().await, ("address_unreachable", false));
        // So late that the pauses have grown.
        tokio::time::sleep(Duration::from_secs(6)).await;
        let (mut peer, since) = server(&folder, port).await;
        back(&mut live, since, &format!("{kind:?} absent at the start")).await;
        until_pictures(&folder, 1, 30).await;

        peer.kill();
        let (code, is_end) = live.until_broken().await;
        // A WebSocket's end is told by the system at once; WHIP's by the silence of the media.
        let expected = if kind == Kind::Whip { "connection_lost" } else { "signaling_closed" };
        assert_eq!((code, is_end), (expected, false));
        tokio::time::sleep(Duration::from_secs(6)).await;
        let folder = Folder::new("publish");
        let (_peer, since) = server(&folder, port).await;
        back(&mut live, since, &format!("{kind:?} killed")).await;
        until_pictures(&folder, 1, 30).await;
        live.destination.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blackhole_is_told_and_the_stream_is_back_after_it() {
    let (folder, feed) = (Folder::new("publish"), Feed::start());
    let peer = Program::start("whip_receiver.py", &folder, &["--key", KEY]).await;
    let relay = WhipRelay::start(outside(), peer.port).await;
    let target = WhipTarget {
        url: format!("http://{}/whip/live", relay.address),
        key: Some(Secret::new(KEY)),
        target_bitrate: bitrate(),
    };
    let mut live = feed.publish(target);
    live.until_live().await;
    until_pictures(&folder, 1, 30).await;
    relay.blackhole(true);
    assert_eq!(live.until_broken().await, ("connection_lost", false));
    tokio::time::sleep(Duration::from_secs(12)).await;
    relay.blackhole(false);
    back(&mut live, Instant::now(), "WHIP blackholed").await;
    until_pictures(&folder, 2, 30).await;
    live.destination.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_the_end_and_says_so() {
    let folder = Folder::new("publish");
    let feed = Feed::start();
    let peer = Program::start("whip_receiver.py", &folder, &["--key", KEY]).await;
    for kind in [Kind::Whip, Kind::Backend] {
        let target = kind.target(peer.port, "another");
        let tested = publish::test(&target).await.expect_err("a wrong key");
        assert_eq!((tested.code, tested.is_final), ("unauthorized", true), "{kind:?}");
        assert!(!tested.message.contains("another"));
        let mut live = feed.publish(target);
        assert_eq!(live.until_broken().await, ("unauthorized", true), "{kind:?}");
        publish::test(&kind.target(peer.port, KEY)).await.expect("the right key");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_up_at_once_is_asked_again() {
    for kind in [Kind::Whip, Kind::Backend] {
        let (folder, feed) = (Folder::new("publish"), Feed::start());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let rude = tokio::spawn(async move {
            loop {
                drop(listener.accept().await);
            }
        });
        let mut live = feed.publish(kind.target(port, KEY));
        let mut codes = Vec::new();
        while codes.len() < 3 {
            match live.next().await {
                PublishStatus::Reconnecting { code, attempt, .. } => codes.push((code, attempt)),
                PublishStatus::Connecting => {}
                other => panic!("{other:?}"),
            }
        }
        let code = if kind == Kind::Whip { "address_unreachable" } else { "signaling_closed" };
        assert_eq!(codes, [(code, 1), (code, 2), (code, 3)]);
        rude.abort();
        let _ = rude.await;
        let (_peer, since) = server(&folder, port).await;
        back(&mut live, since, &format!("{kind:?} had hung up")).await;
        live.destination.stop().await;
    }
}

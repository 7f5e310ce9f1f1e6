//! A destination's whole life against a WHIP server with an independent receiver, over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{AccessUnit, Bitrate, Clock, MonotonicClock, Track};
use publish::{Destination, PublishStatus, WhipTarget};
use stream::Broadcast;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::whip_server::{Manner, WhipServer};

/// Longer than the 15 s that a session may take to connect, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A destination that is fed, and what it tells.
struct Rig {
    destination: Destination,
    statuses: mpsc::UnboundedReceiver<PublishStatus>,
}

impl Rig {
    fn start(url: String) -> Self {
        let hub = Broadcast::default();
        let wanted = Arc::new(AtomicBool::new(false));
        // Ends with the test's runtime.
        tokio::spawn(feed(hub.clone(), Arc::clone(&wanted)));
        let (sender, statuses) = mpsc::unbounded_channel();
        let target = WhipTarget { url, key: None, target_bitrate: Bitrate::from_kbps(1000) };
        let request = Arc::new(move || wanted.store(true, Ordering::Relaxed));
        let destination = Destination::start(target, hub, request, move |status| {
            let _ = sender.send(status);
        });
        Self { destination, statuses }
    }

    async fn next(&mut self) -> PublishStatus {
        timeout(PATIENCE, self.statuses.recv()).await.expect("a status in time").expect("a status")
    }

    async fn until_live(&mut self) -> PublishStatus {
        loop {
            match self.next().await {
                live @ PublishStatus::Live { .. } => return live,
                PublishStatus::Connecting | PublishStatus::Reconnecting { .. } => {}
                end => panic!("{end:?}"),
            }
        }
    }
}

async fn feed(hub: Broadcast<AccessUnit>, wanted: Arc<AtomicBool>) {
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    loop {
        clock.tick().await;
        let at = MonotonicClock.now();
        let keyframe = wanted.swap(false, Ordering::Relaxed);
        let mut picture = vec![];
        if keyframe {
            picture.extend([0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0, 0, 0, 1, 0x68, 0xce]);
        }
        picture.extend([0, 0, 0, 1, if keyframe { 0x65 } else { 0x41 }]);
        picture.resize(1500, 9);
        let unit =
            |track, keyframe, payload| AccessUnit { track, pts: at, dts: at, keyframe, captured_at: at, payload };
        hub.push(&unit(Track::Video, keyframe, Bytes::from(picture)));
        hub.push(&unit(Track::Audio, true, Bytes::from_static(&[7; 60])));
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_live_and_a_stop_ends_the_session_on_the_server() {
    let server = WhipServer::start(Manner::Good).await;
    let mut rig = Rig::start(format!(" {} ", server.url()));
    assert_eq!(rig.next().await, PublishStatus::Connecting);
    assert_eq!(rig.next().await, PublishStatus::Live { resumed: false });
    let stats = rig.destination.health().expect("a connection");
    assert!(stats.first_byte.is_some() && stats.sent_bytes > 0, "{stats:?}");
    let Rig { destination, mut statuses } = rig;
    destination.stop().await;
    assert_eq!(timeout(PATIENCE, statuses.recv()).await.expect("in time"), Some(PublishStatus::Stopped));
    assert_eq!(server.deleted(), 1);
    assert_eq!(server.requests()[0], "POST /whip/live HTTP/1.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_dropped_ends_its_session_too() {
    let server = WhipServer::start(Manner::Good).await;
    let mut rig = Rig::start(server.url());
    rig.until_live().await;
    drop(rig);
    until("the session is deleted", || server.deleted() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_goes_silent_is_made_anew() {
    let server = WhipServer::start(Manner::Good).await;
    let mut rig = Rig::start(server.url());
    rig.until_live().await;
    server.cut_newest();
    match rig.next().await {
        PublishStatus::Reconnecting { attempt: 1, retry_in, code: "connection_lost", .. } => {
            assert!(retry_in <= Duration::from_millis(300), "the server is on this machine: {retry_in:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.until_live().await, PublishStatus::Live { resumed: true });
    assert_eq!((server.sessions(), server.deleted()), (2, 1), "the old session was ended first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_server_ends_is_made_anew() {
    let server = WhipServer::start(Manner::Good).await;
    let mut rig = Rig::start(server.url());
    rig.until_live().await;
    server.end_newest();
    assert!(matches!(rig.next().await, PublishStatus::Reconnecting { code: "connection_lost", .. }));
    assert_eq!(rig.until_live().await, PublishStatus::Live { resumed: true });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_late_is_found() {
    let place = WhipServer::start(Manner::Good).await.address;
    let mut rig = Rig::start(format!("http://{place}/whip/live"));
    assert_eq!(rig.next().await, PublishStatus::Connecting);
    for expected in 1..=2 {
        match rig.next().await {
            PublishStatus::Reconnecting { attempt, code: "address_unreachable", .. } => assert_eq!(attempt, expected),
            other => panic!("{other:?}"),
        }
    }
    let _server = WhipServer::start_at(place, Manner::Good).await;
    assert_eq!(rig.until_live().await, PublishStatus::Live { resumed: false });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_user_must_change_ends_it_at_once() {
    let refusing = WhipServer::start(Manner::Refuses("401 Unauthorized")).await;
    for (url, expected) in [
        (refusing.url(), "unauthorized"),
        ("not an address".to_owned(), "bad_url"),
        ("rtmp://example.net/live".to_owned(), "bad_url"),
    ] {
        let mut rig = Rig::start(url);
        assert_eq!(rig.next().await, PublishStatus::Connecting);
        match rig.next().await {
            PublishStatus::Failed { code, message, hint } => {
                assert_eq!(code, expected);
                assert!(!message.is_empty() && !hint.is_empty());
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(timeout(PATIENCE, rig.statuses.recv()).await.expect("in time"), None, "that was the last");
    }
    assert_eq!(refusing.requests().len(), 1, "no second try");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_media_never_comes_is_told_apart() {
    let server = WhipServer::start(Manner::Deaf).await;
    let mut rig = Rig::start(server.url());
    assert_eq!(rig.next().await, PublishStatus::Connecting);
    match rig.next().await {
        PublishStatus::Reconnecting { code, .. } => assert_eq!(code, "no_media_path"),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.deleted(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_silent_server() {
    let server = WhipServer::start(Manner::Silent).await;
    let rig = Rig::start(server.url());
    until("the request is there", || !server.requests().is_empty()).await;
    let start = Instant::now();
    rig.destination.stop().await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

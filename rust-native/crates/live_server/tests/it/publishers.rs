//! Publishers that come and go: who gets a name, and how long viewers wait.

use std::time::{Duration, Instant};

use live_server::{LiveServer, PublishingSettings, SecondPublisher};
use str0m::media::Direction;

use crate::common::*;

async fn server_with(publishing: PublishingSettings) -> LiveServer {
    let mut config = config();
    config.publishing = publishing;
    LiveServer::start(config).await.expect("the server starts")
}

async fn live(server: &LiveServer) -> (Peer, Source) {
    let mut publisher = Peer::publisher(server).await;
    until(&mut [&mut publisher], "the publisher connects", |peers| peers[0].connected);
    let mut source = Source::new(1);
    source.run(&mut [&mut publisher], "the stream is live", |_| server.streams()[0].live);
    (publisher, source)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_publisher_is_refused_where_the_first_stays() {
    let refuse = SecondPublisher::Refuse;
    let server = server_with(PublishingSettings { second_publisher: refuse, ..PublishingSettings::default() }).await;
    let (mut publisher, mut source) = live(&server).await;
    let (_second, offer) = Peer::new(Direction::SendOnly);
    let refused = post(&server, "/whip/live", Some(KEY), SDP, offer.text).await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().expect("text")), (409, "2"));
    assert!(refused.text().await.expect("a body").contains("\"code\":\"already_live\""));
    let more = source.frames + 30;
    source.run(&mut [&mut publisher], "the first goes on", |_| server.streams()[0].fps > 5.0);
    assert!(!publisher.closed && source.frames < more + 3000);

    // It is killed: nobody hears it any more, and the name is free before its session is given up.
    let killed = Instant::now();
    drop(publisher);
    let mut again = loop {
        let (mut peer, offer) = Peer::new(Direction::SendOnly);
        let response = post(&server, "/whip/live", Some(KEY), SDP, offer.text.clone()).await;
        if response.status() == 201 {
            peer.accept(offer, &response.text().await.expect("an answer"));
            break peer;
        }
        assert_eq!(response.status(), 409);
        assert!(killed.elapsed() < Duration::from_secs(9), "the dead keep the name");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let mut other = Source::new(77);
    until(&mut [&mut again], "it connects", |peers| peers[0].connected);
    other.run(&mut [&mut again], "it is live", |_| server.streams()[0].live);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_ask_at_once_the_first_to_connect_stays() {
    let refuse = SecondPublisher::Refuse;
    let server = server_with(PublishingSettings { second_publisher: refuse, ..PublishingSettings::default() }).await;
    let (mut one, mut two) = (Peer::publisher(&server).await, Peer::publisher(&server).await);
    until(&mut [&mut one], "the first connects", |peers| peers[0].connected);
    until(&mut [&mut one, &mut two], "the second is told", |peers| peers[1].closed);
    assert!(!one.closed);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_wait_as_long_as_the_configuration_says() {
    let server = server_with(PublishingSettings { grace_seconds: 2, ..PublishingSettings::default() }).await;
    let (mut publisher, mut source) = live(&server).await;
    let mut viewer = Peer::viewer(&server).await;
    source.run(&mut [&mut publisher, &mut viewer], "a picture", |peers| peers[1].video().len() > 10);
    publisher.close();
    let left = Instant::now();
    until(&mut [&mut publisher, &mut viewer], "the viewer is let go", |peers| peers[1].closed);
    let waited = left.elapsed();
    assert!(waited >= Duration::from_millis(1900) && waited < Duration::from_secs(8), "{waited:?}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_the_same_connection_shows_the_next_run_within_two_seconds_of_its_first_picture() {
    let server = server_with(PublishingSettings::default()).await;
    let (mut publisher, mut source) = live(&server).await;
    let mut viewer = Peer::viewer(&server).await;
    source.run(&mut [&mut publisher, &mut viewer], "a picture", |peers| peers[1].video().len() > 10);
    drop(publisher);
    let mut again = Peer::publisher(&server).await;
    until(&mut [&mut again, &mut viewer], "it connects again", |peers| peers[0].connected);
    let (before, start) = (viewer.video().len(), Instant::now());
    let mut other = Source::new(9_000);
    other.run(&mut [&mut again, &mut viewer], "a picture again", |peers| peers[1].video().len() > before);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    let video = viewer.video();
    assert!(video.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1), "the numbers go on");
    assert!(!viewer.closed);
    server.shutdown().await;
}

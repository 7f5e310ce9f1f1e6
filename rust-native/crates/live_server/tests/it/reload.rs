//! Another configuration while people watch, and the way to the end.

use live_server::{Config, LiveServer};
use media::Secret;

use crate::common::*;

async fn status(server: &LiveServer, path: &str) -> u16 {
    reqwest::get(url(server, path)).await.expect("an answer").status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_configuration_drops_nobody_and_counts_for_the_next() {
    let server = server().await;
    let mut publisher = Peer::publisher(&server).await;
    until(&mut [&mut publisher], "it connects", |peers| peers[0].connected);
    let mut source = Source::new(1);
    source.run(&mut [&mut publisher], "the stream is live", |_| server.streams()[0].live);
    let mut viewer = Peer::viewer(&server).await;
    source.run(&mut [&mut publisher, &mut viewer], "a picture", |peers| peers[1].video().len() > 10);

    let mut other = config();
    let live = other.streams.get_mut("live").expect("the stream");
    live.publish_key = Secret::new("another-publish-key");
    let more = Config::with_stream(other.http, "second", Secret::new("second-key"), None);
    other.streams.extend(more.streams);
    server.reload(other).await.expect("a good configuration");
    assert_eq!(post(&server, "/whip/live", Some(KEY), SDP, "v=0").await.status(), 401);
    assert_eq!(post(&server, "/whip/live", Some("another-publish-key"), SDP, "v=0").await.status(), 400);
    assert_eq!(post(&server, "/whip/second", Some("second-key"), SDP, "v=0").await.status(), 400);
    let before = viewer.video().len();
    source.run(&mut [&mut publisher, &mut viewer], "the picture goes on", |peers| peers[1].video().len() > before + 60);
    assert!(!publisher.closed && !viewer.closed);

    // The stream is taken out: who is here stays, nobody new comes.
    let without = Config::with_stream(config().http, "second", Secret::new("second-key"), None);
    server.reload(without).await.expect("a good configuration");
    assert_eq!(post(&server, "/whep/live", Some(TOKEN), SDP, "v=0").await.status(), 404);
    let before = viewer.video().len();
    source.run(&mut [&mut publisher, &mut viewer], "and on", |peers| peers[1].video().len() > before + 30);
    publisher.close();
    viewer.close();
    until(&mut [&mut publisher, &mut viewer], "it is forgotten", |_| server.streams().len() == 1);
    assert_eq!(server.streams()[0].name, "second");

    let mut bad = config();
    bad.streams.clear();
    assert_eq!(server.reload(bad).await.expect_err("no streams").code(), "bad_config");
    assert_eq!(post(&server, "/whip/second", Some("second-key"), SDP, "v=0").await.status(), 400, "the old one stays");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_drains_takes_nobody_new_and_keeps_who_is_there() {
    let server = server().await;
    assert_eq!(status(&server, "/readyz").await, 200);
    let mut publisher = Peer::publisher(&server).await;
    until(&mut [&mut publisher], "it connects", |peers| peers[0].connected);
    let mut source = Source::new(1);
    source.run(&mut [&mut publisher], "the stream is live", |_| server.streams()[0].live);
    server.drain();
    assert_eq!((status(&server, "/readyz").await, status(&server, "/healthz").await), (503, 200));
    let refused = post(&server, "/whip/live", Some(KEY), SDP, "v=0").await;
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (503, true));
    assert!(!server.is_idle());
    publisher.close();
    until(&mut [&mut publisher], "the last has left", |_| server.is_idle());
    server.shutdown().await;
}

//! Simulcast that is offered and not taken: one encoding is sent, and the others are never made. That it is taken by our own
//! server costs the one that comes nothing. What there then is to choose from is in the command line's tests
//! (`cli/tests/simulcast.rs`), with real encoders.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use live_server::{Config, LiveServer};
use media::Secret;
use publish::{Destination, LowerLayer, WhipTarget};
use stream::{Broadcast, LagPolicy};
use testkit::scratch::Folder;
use tokio::sync::mpsc;

use crate::rig::program::{Program, until_pictures};
use crate::rig::relay::outside;
use crate::rig::{Feed, Live, Received, bitrate};

const KEY: &str = "live_4711";

/// Two lower encodings that nobody may read, and how often somebody began to.
fn lower() -> (Vec<LowerLayer>, Arc<AtomicU32>) {
    let read = Arc::new(AtomicU32::new(0));
    let layer = |share| {
        let read = Arc::clone(&read);
        let units = move || {
            read.fetch_add(1, Ordering::Relaxed);
            Broadcast::default().subscribe(1, LagPolicy::SkipToKeyframe)
        };
        LowerLayer { units: Arc::new(units), request_keyframe: Arc::new(|| {}), share }
    };
    (vec![layer(0.35), layer(0.12)], read)
}

fn publish_layers(feed: &Feed, target: WhipTarget, lower: Vec<LowerLayer>) -> Live {
    let (sender, statuses) = mpsc::unbounded_channel();
    let wanted = Arc::clone(&feed.wanted);
    let request = Arc::new(move || wanted.store(true, Ordering::Relaxed));
    let on_status = move |status| drop(sender.send(status));
    Live { destination: Destination::start_with_layers(target, feed.hub.clone(), lower, request, on_status), statuses }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_knows_no_simulcast_gets_one_encoding_whole() {
    let (folder, feed) = (Folder::new("publish"), Feed::start());
    let mut server = Program::start("whip_receiver.py", &folder, &["--key", KEY]).await;
    let url = format!("http://127.0.0.1:{}/whip/live", server.port);
    let (layers, read) = lower();
    let target = WhipTarget { url, key: Some(Secret::new(KEY)), target_bitrate: bitrate() };
    let mut live = publish_layers(&feed, target, layers);
    live.until_live().await;
    until_pictures(&folder, 1, 120).await;
    assert_eq!(live.destination.health().expect("a connection").encodings, 1);
    live.destination.stop().await;
    server.said("DELETE 1").await;
    Received::of_session(&folder, 1).assert_whole(120);
    assert_eq!(read.load(Ordering::Relaxed), 0, "no lower encoding was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_server_takes_all_and_goes_on_with_the_one_that_comes() {
    let feed = Feed::start();
    let anywhere = "127.0.0.1:0".parse().expect("an address");
    let mut config = Config::with_stream(anywhere, "live", Secret::new(KEY), None);
    // aiortc has no candidate on loopback: the server's must be one that it can reach.
    config.rtc.address = Some(outside());
    let server = LiveServer::start(config).await.expect("the server");
    let place = server.http_addr();
    let (layers, read) = lower();
    let url = format!("http://{place}/whip/live");
    let target = WhipTarget { url, key: Some(Secret::new(KEY)), target_bitrate: bitrate() };
    let mut live = publish_layers(&feed, target, layers);
    live.until_live().await;
    let (folder, watch) = (Folder::new("publish"), format!("http://{place}/whep/live"));
    let viewer = Program::start("whip_receiver.py", &folder, &["--watch", &watch]).await;
    until_pictures(&folder, 1, 90).await;
    drop(viewer);
    live.destination.stop().await;
    Received::of_session(&folder, 1).assert_whole(90);
    assert_eq!(read.load(Ordering::Relaxed), 2, "both lower encodings were begun");
    server.shutdown().await;
}

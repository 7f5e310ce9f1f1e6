//! WHIP and SRT over paths that narrow, swallow and break off: the one behind them says so and is back in time, and its
//! neighbour has every picture.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use media::Secret;
use publish::{PublishStatus, RtmpTarget, SrtTarget, Target, WhipTarget};

use crate::rig::nginx::Nginx;
use crate::rig::program::Program;
use crate::rig::relay::{Conditions, WhipRelay, outside, relay};
use crate::rig::{Feed, Live, Peer, Received, bitrate, frame_rate, free_port, say};
use testkit::scratch::Folder;

/// A server that is back is live within this.
const SOON: Duration = Duration::from_secs(5);
/// A sixth of what the stream has.
const NARROW_KBPS: u32 = 100;

/// A destination that has nothing to do with the bad path.
struct Neighbour {
    live: Live,
    nginx: Nginx,
}

impl Neighbour {
    async fn start(feed: &Feed) -> Self {
        let nginx = Nginx::start(free_port()).await;
        let mut live = feed.publish(RtmpTarget {
            url: format!("rtmp://127.0.0.1:{}/live", nginx.port),
            key: Some(Secret::new("name")),
            prefer_opus: false,
            target_bitrate: bitrate(),
            frame_rate: frame_rate(),
        });
        live.until_live().await;
        Self { live, nginx }
    }

    /// It was live from its start to its end, and all of it has arrived.
    async fn assert_untouched(mut self, at_least: usize) {
        let health = self.live.destination.health().expect("connected");
        assert_eq!(health.dropped_units, 0, "{health:?}");
        self.live.destination.stop().await;
        assert_eq!(self.live.statuses.try_recv().ok(), Some(PublishStatus::Stopped));
        let recordings = self.nginx.recordings();
        drop(self.nginx.peer);
        assert_eq!(recordings.len(), 1, "one connection");
        Received::read(&recordings[0]).assert_whole(at_least);
    }
}

fn srt(port: u16) -> Target {
    SrtTarget {
        url: format!("srt://127.0.0.1:{port}"),
        passphrase: None,
        stream_id: None,
        latency: Duration::from_millis(120),
        target_bitrate: bitrate(),
    }
    .into()
}

fn transmit(port: u16, file: &Path) -> Peer {
    let source = format!("srt://:{port}?mode=listener");
    Peer::start_into("srt-live-transmit", &["-q", "-loglevel:fatal", &source, "file://con"], file)
}

/// A receiver behind a path.
struct Far {
    target: Target,
    conditions: Arc<Conditions>,
    folder: Folder,
    whip: bool,
    _whip: Option<(Program, WhipRelay)>,
    _srt: Option<Peer>,
}

impl Far {
    async fn start(whip: bool) -> Self {
        let folder = Folder::new("publish");
        if whip {
            let server = Program::start("whip_receiver.py", &folder, &[]).await;
            let relay = WhipRelay::start(outside(), server.port).await;
            let url = format!("http://{}/whip/live", relay.address);
            let target = WhipTarget { url, key: None, target_bitrate: bitrate() }.into();
            let conditions = Arc::clone(&relay.conditions);
            return Self { target, conditions, folder, whip, _whip: Some((server, relay)), _srt: None };
        }
        let (port, conditions) = (free_port(), Arc::new(Conditions::default()));
        let peer = transmit(port, &folder.file("got.ts"));
        let there = SocketAddr::from(([127, 0, 0, 1], port));
        let front = relay(there.ip(), there, Arc::clone(&conditions)).await;
        Self { target: srt(front.port()), conditions, folder, whip, _whip: None, _srt: Some(peer) }
    }

    /// Bytes that the receiver has kept: decoded pictures or a transport stream.
    fn kept(&self) -> u64 {
        let files = std::fs::read_dir(self.folder.path()).expect("a folder").flatten();
        let wanted = if self.whip { "gray" } else { "ts" };
        let sizes = files.filter(|file| file.path().extension().is_some_and(|end| end == wanted));
        sizes.filter_map(|file| file.metadata().ok()).map(|data| data.len()).sum()
    }

    /// Half a second's worth of what it keeps comes within `limit`.
    async fn flows(&self, limit: Duration, what: &str) {
        let more = if self.whip { 15 * crate::rig::SIZE.area() } else { 40_000 };
        let (before, begun) = (self.kept(), Instant::now());
        while self.kept() < before + more {
            assert!(begun.elapsed() < limit, "{what}: {} bytes more in {limit:?}", self.kept() - before);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A destination behind a path that carries everything yet, and its neighbour.
async fn flowing(whip: bool) -> (Feed, Neighbour, Far, Live) {
    let feed = Feed::start();
    let neighbour = Neighbour::start(&feed).await;
    let far = Far::start(whip).await;
    let mut live = feed.publish(far.target.clone());
    live.until_live().await;
    far.flows(crate::rig::PATIENCE, name(whip)).await;
    (feed, neighbour, far, live)
}

fn name(whip: bool) -> &'static str {
    if whip { "WHIP" } else { "SRT" }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_narrows_to_a_sixth_costs_only_the_destination_behind_it() {
    for whip in [true, false] {
        let what = name(whip);
        let (_feed, neighbour, far, mut live) = flowing(whip).await;
        far.conditions.kbps.store(NARROW_KBPS, Ordering::Relaxed);
        let (mut dropped, mut told) = (0, Vec::new());
        let narrow = Instant::now();
        while narrow.elapsed() < Duration::from_secs(15) {
            dropped = dropped.max(live.destination.health().map_or(0, |health| health.dropped_units));
            while let Ok(status) = live.statuses.try_recv() {
                told.push(status);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let (carried, thrown) = far.conditions.counts();
        say(&format!("{what}: {dropped} units left out, {thrown} of {carried} packets lost, told {told:?}"));
        let broke = told.iter().any(|status| matches!(status, PublishStatus::Reconnecting { .. }));
        let seen = live.destination.health().and_then(|health| health.loss).is_some_and(|loss| loss > 0.0);
        assert!(dropped > 0 || broke || seen, "{what}: nothing tells of it");
        let ended = told.iter().any(|status| matches!(status, PublishStatus::Failed { .. } | PublishStatus::Stopped));
        assert!(!ended, "{what}: {told:?}");
        far.conditions.kbps.store(0, Ordering::Relaxed);
        let wide = Instant::now();
        if !matches!(told.last(), None | Some(PublishStatus::Live { .. })) {
            live.until_live().await;
            assert!(wide.elapsed() < SOON, "{what}: live {:?} later", wide.elapsed());
        }
        far.flows(crate::rig::PATIENCE, what).await;
        live.destination.stop().await;
        neighbour.assert_untouched(300).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute and a half of waiting: test:long"]
async fn a_path_that_swallows_everything_is_told_and_the_stream_is_back_after_it() {
    for whip in [true, false] {
        let what = name(whip);
        let (_feed, neighbour, far, mut live) = flowing(whip).await;
        far.conditions.blackhole.store(true, Ordering::Relaxed);
        let gone = Instant::now();
        assert_eq!(live.until_broken().await, ("connection_lost", false), "{what}");
        let told = gone.elapsed();
        assert!(told < Duration::from_secs(10), "{what}: told after {told:?}");
        tokio::time::sleep(Duration::from_secs(30).saturating_sub(gone.elapsed())).await;
        // Only what follows the return counts.
        while live.statuses.try_recv().is_ok() {}
        far.conditions.blackhole.store(false, Ordering::Relaxed);
        let back = Instant::now();
        live.until_live().await;
        say(&format!("{what}: told after {told:?}, live again after {:?}", back.elapsed()));
        assert!(back.elapsed() < SOON, "{what}: live {:?} later", back.elapsed());
        far.flows(crate::rig::PATIENCE, what).await;
        live.destination.stop().await;
        neighbour.assert_untouched(900).await;
    }
}

/// Says goodbye as soon as it has taken the call, each time.
#[tokio::test(flavor = "multi_thread")]
async fn an_srt_server_that_closes_at_once_is_asked_again_with_growing_pauses() {
    let (feed, folder, port) = (Feed::start(), Folder::new("publish"), free_port());
    let neighbour = Neighbour::start(&feed).await;
    let mut live = feed.publish(srt(port));
    let mut pauses = Vec::new();
    for round in 0..3 {
        let mut peer = transmit(port, &folder.file(&format!("{round}.ts")));
        live.until_live().await;
        // It ends the connection in good order (SHUTDOWN), as a server does that doesn't want it.
        peer.signal("INT");
        let retry_in = loop {
            match live.next().await {
                PublishStatus::Reconnecting { retry_in, code, .. } => {
                    assert_eq!(code, "connection_lost", "round {round}");
                    break retry_in;
                }
                PublishStatus::Live { .. } => {}
                other => panic!("{other:?}"),
            }
        };
        pauses.push(retry_in);
        peer.kill();
    }
    assert!(pauses.windows(2).all(|pair| pair[1] > pair[0]), "{pauses:?}");
    let _peer = transmit(port, &folder.file("good.ts"));
    let back = Instant::now();
    live.until_live().await;
    assert!(back.elapsed() < SOON, "live {:?} later", back.elapsed());
    live.destination.stop().await;
    neighbour.assert_untouched(60).await;
}

//! All kinds at once, for real: every server is killed at the same time and comes back, beside one that stays.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use media::Secret;
use publish::{PublishStatus, RtmpTarget};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

use crate::rig::nginx::Nginx;
use crate::rig::targets::target;
use crate::rig::{Feed, Live, Peer, Received, bitrate, frame_rate, free_port, listening};
use crate::whip_server::{Manner, WhipServer};
use testkit::scratch::Folder;

/// Between the fall of the servers and their return.
const AWAY: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_secs(5);

const KINDS: [&str; 6] = ["rtmp", "srt", "udp", "tcp", "rtp", "whip"];

/// Whatever stands for one server; dropping it kills it.
enum Server {
    Program(#[allow(dead_code)] Peer),
    Task(JoinHandle<()>),
    Whip(#[allow(dead_code)] WhipServer),
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Self::Task(task) = self {
            task.abort();
        }
    }
}

async fn serve(kind: &str, port: u16, file: &Path) -> Server {
    let path = file.to_str().expect("UTF-8").to_owned();
    match kind {
        "rtmp" => {
            let url = format!("rtmp://127.0.0.1:{port}/live/name");
            let peer = Peer::start("ffmpeg", &["-v", "error", "-y", "-listen", "1", "-i", &url, "-c", "copy", &path]);
            listening(port).await;
            Server::Program(peer)
        }
        "srt" => {
            let source = format!("srt://:{port}?mode=listener");
            Server::Program(Peer::start_into(
                "srt-live-transmit",
                &["-q", "-loglevel:fatal", &source, "file://con"],
                file,
            ))
        }
        "tcp" => {
            let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
            Server::Task(tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let mut buffer = [0; 65_536];
                    while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
                }
            }))
        }
        "udp" | "rtp" => {
            let socket = UdpSocket::bind(("127.0.0.1", port)).await.expect("a free port");
            Server::Task(tokio::spawn(async move {
                let mut buffer = [0; 2048];
                while socket.recv(&mut buffer).await.is_ok() {}
            }))
        }
        _ => Server::Whip(WhipServer::start_at(([127, 0, 0, 1], port).into(), Manner::Good).await),
    }
}

async fn live_within(kind: &str, live: &mut Live, limit: Duration) {
    let begun = Instant::now();
    live.until_live().await;
    assert!(begun.elapsed() < limit, "{kind} is live {:?} after its server was", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_kinds_fail_together_and_come_back_and_one_that_stays_loses_nothing() {
    let (feed, folder) = (Feed::start(), Folder::new("publish"));
    let nginx = Nginx::start(free_port()).await;
    let mut good = feed.publish(RtmpTarget {
        url: format!("rtmp://127.0.0.1:{}/live", nginx.port),
        key: Some(Secret::new("name")),
        prefer_opus: false,
        target_bitrate: bitrate(),
        frame_rate: frame_rate(),
    });
    good.until_live().await;

    let ports: Vec<u16> = KINDS.iter().map(|_| free_port()).collect();
    let file = |kind: &str, round: u32| -> PathBuf { folder.file(&format!("{kind}-{round}.ts")) };
    let mut servers = Vec::new();
    for (kind, port) in KINDS.iter().zip(&ports) {
        servers.push(serve(kind, *port, &file(kind, 1)).await);
    }
    let start = |(kind, port): (&&str, &u16)| feed.publish(target(kind, *port, &folder, bitrate(), frame_rate()));
    let mut lives: Vec<Live> = KINDS.iter().zip(&ports).map(start).collect();
    join_all(KINDS.iter().zip(&mut lives).map(|(kind, live)| live_within(kind, live, crate::rig::PATIENCE))).await;
    tokio::time::sleep(Duration::from_secs(3)).await;

    servers.clear();
    let fallen = Instant::now();
    let broken = join_all(lives.iter_mut().map(Live::until_broken)).await;
    for (kind, (code, is_final)) in KINDS.iter().zip(&broken) {
        assert!(!is_final, "{kind}: {code}");
        let expected: &[&str] = match *kind {
            "udp" | "rtp" => &["nobody_listens"],
            _ => &["connection_lost", "connection_stalled"],
        };
        assert!(expected.contains(code), "{kind}: {code}");
    }
    assert!(fallen.elapsed() < Duration::from_secs(15), "told after {:?}", fallen.elapsed());
    tokio::time::sleep(AWAY.saturating_sub(fallen.elapsed())).await;
    for (kind, port) in KINDS.iter().zip(&ports) {
        servers.push(serve(kind, *port, &file(kind, 2)).await);
    }
    join_all(KINDS.iter().zip(&mut lives).map(|(kind, live)| live_within(kind, live, SOON))).await;
    tokio::time::sleep(Duration::from_secs(4)).await;

    let health = good.destination.health().expect("connected");
    assert_eq!(health.dropped_units, 0, "{health:?}");
    let flows = |live: &Live| live.destination.health().is_some_and(|health| health.sent_bytes > 50_000);
    for (kind, live) in KINDS.iter().zip(&lives) {
        assert!(flows(live), "{kind}: {:?}", live.destination.health());
    }
    join_all(lives.into_iter().map(|live| live.destination.stop())).await;
    good.destination.stop().await;
    assert_eq!(good.statuses.try_recv().ok(), Some(PublishStatus::Stopped), "live from its start to its end");
    let recordings = nginx.recordings();
    drop(nginx.peer);
    assert_eq!(recordings.len(), 1, "one connection");
    let received = Received::read(&recordings[0]);
    received.assert_whole(600);
    assert!(feed.pictures() < received.numbers.len() as u64 + 60, "each picture was encoded once");
}

/// Absent at the start, and killed in mid-stream: one kind after the other, each alone.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "five minutes of waiting: test:long"]
async fn each_kind_alone_is_live_within_five_seconds_of_its_servers_return() {
    let folder = Folder::new("publish");
    for kind in KINDS {
        let (feed, port) = (Feed::start(), free_port());
        let mut live = feed.publish(target(kind, port, &folder, bitrate(), frame_rate()));
        for round in 0..2 {
            let (code, is_final) = live.until_broken().await;
            assert!(!is_final, "{kind}, round {round}: {code}");
            tokio::time::sleep(AWAY).await;
            // What was told while it was away lies in the queue; only what follows counts.
            while live.statuses.try_recv().is_ok() {}
            let server = serve(kind, port, &folder.file(&format!("{kind}-alone-{round}.ts"))).await;
            live_within(kind, &mut live, SOON).await;
            tokio::time::sleep(Duration::from_secs(12)).await;
            drop(server);
        }
        live.destination.stop().await;
    }
}

/// nginx is stopped for half a minute, as a machine that hangs: what is shown, and that it goes on by itself.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute of waiting: test:long"]
async fn a_server_that_hangs_for_half_a_minute_is_told_and_found_again() {
    let (feed, folder) = (Feed::start(), Folder::new("publish"));
    let nginx = Nginx::start(free_port()).await;
    let mut live = feed.publish(target("rtmp", nginx.port, &folder, bitrate(), frame_rate()));
    live.until_live().await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    nginx.peer.signal("STOP");
    let stopped = Instant::now();
    assert_eq!(live.until_broken().await, ("connection_stalled", false));
    tokio::time::sleep(Duration::from_secs(30).saturating_sub(stopped.elapsed())).await;
    nginx.peer.signal("CONT");
    live_within("rtmp", &mut live, SOON).await;
    live.destination.stop().await;
}

//! What becomes of players over HTTP-FLV, RTMP and SRT: counted by their protocol, told to the platform, sent away, and
//! no burden to each other.

use std::time::{Duration, Instant};

use live_server::{AdminSettings, LiveServer};
use media::Secret;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::scratch::{Folder, Running};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::access::Platform;
use crate::admin::{ask, cookie, read};
use crate::common::*;
use crate::play::{copy, copy_for, ended, flv, open_config, rtmp, srt};
use crate::studio::*;

/// Longer than any test.
const LONG: u32 = 600;

/// Waits until the metrics count so many players over each protocol.
async fn until_counted(server: &LiveServer, wanted: f64) {
    let begun = Instant::now();
    loop {
        let series = crate::metrics::read(server).await;
        let of = |protocol: &str| {
            let labels = format!("protocol={protocol},stream=live");
            series.get(&("tidecast_stream_readers".to_owned(), labels)).copied()
        };
        let counts = ["whep", "hls", "http-flv", "ws-flv", "rtmp", "srt"].map(of);
        if counts == [0.0, 0.0, wanted, 0.0, wanted, wanted].map(Some) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{counts:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn players_are_counted_by_protocol_told_to_the_platform_and_sent_away() {
    let (platform, folder) = (Platform::start().await, Folder::new("players"));
    let mut config = open_config();
    config.hook = Some(platform.settings());
    config.admin =
        Some(AdminSettings { password: Some(Secret::new(crate::admin::PASSWORD)), ..AdminSettings::default() });
    let server = LiveServer::start(config).await.expect("the server starts");
    let mut publisher = Publisher::start(&server, &Reel::new(60, 30)).await;
    let addresses = [flv(&server, TOKEN), rtmp(&server, TOKEN), srt(&server, TOKEN)];
    let files = ["flv.mkv", "rtmp.mkv", "srt.mkv"].map(|name| folder.file(name));
    let mut players: Vec<Running> =
        addresses.iter().zip(&files).map(|(from, file)| copy_for(from, file, LONG)).collect();
    until_counted(&server, 1.0).await;
    let cookie = cookie(&server).await;
    let overview = read(ask(&server, Method::GET, "overview", Some(&cookie), None).await).await;
    let sessions = overview["sessions"].as_array().expect("sessions");
    let watching: Vec<&Value> = sessions.iter().filter(|session| session["role"] == "view").collect();
    assert_eq!(watching.len(), 3, "{sessions:?}");
    for session in &watching {
        let path = format!("sessions/{}/send_away", session["id"].as_str().expect("a name"));
        let body = json!({ "keep_out_seconds": 60 });
        let answer = read(ask(&server, Method::POST, &path, Some(&cookie), Some(body)).await).await;
        assert_eq!(answer, json!({ "ended": 1 }), "{session}");
    }
    tokio::task::block_in_place(|| players.iter_mut().for_each(|player| drop(ended(player))));
    until_counted(&server, 0.0).await;
    let refused = reqwest::get(flv(&server, TOKEN)).await.expect("an answer");
    assert_eq!(refused.status(), 403, "who was sent away stays out for a while");
    let begun = Instant::now();
    let told = loop {
        let told = platform.bodies();
        if told.iter().filter(|event| event["event"] == "end").count() == 3 {
            break told;
        }
        assert!(begun.elapsed() < PATIENCE, "each end is told: {told:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let begun = |session: &Value| told.iter().any(|event| event["event"] == "play" && event["session"] == *session);
    let ends = told.iter().filter(|event| event["event"] == "end");
    assert!(ends.clone().all(|event| event["kind"] == "play" && begun(&event["session"])), "{told:?}");
    tokio::task::block_in_place(|| publisher.stop());
    server.shutdown().await;
}

/// A player whose system takes next to nothing for it, and which reads nothing of that.
async fn stuck(server: &LiveServer) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(2048).expect("a small buffer");
    let mut stream = socket.connect(server.http_addr()).await.expect("connected");
    let request = format!("GET /live/live.flv HTTP/1.0\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn players_that_read_nothing_cost_the_others_no_picture() {
    let folder = Folder::new("players");
    let server = LiveServer::start(open_config()).await.expect("the server starts");
    let mut publisher = Publisher::start(&server, &Reel::sized(SIZE, 60, 30, 40)).await;
    let mut others = Vec::new();
    for _ in 0..40 {
        others.push(stuck(&server).await);
    }
    let file = folder.file("reads.mkv");
    let mut reader = copy(&rtmp(&server, TOKEN), &file);
    tokio::task::block_in_place(|| {
        let (well, said) = ended(&mut reader);
        assert!(well && said.is_empty(), "{said}");
        let times = packets(&file, "v");
        let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0.05).collect();
        assert!(times.len() >= 180 && gaps.is_empty(), "{} pictures, {gaps:?}", times.len());
        publisher.stop();
    });
    drop(others);
    server.shutdown().await;
}

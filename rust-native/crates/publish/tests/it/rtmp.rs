//! RTMP destinations against ffmpeg, nginx and servers that misbehave.

use std::time::{Duration, Instant};

use publish::PublishStatus;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::rig::nginx::Nginx;
use crate::rig::rtmp_target as target;
use crate::rig::{Feed, Peer, Received, free_port, listening};
use testkit::scratch::Folder;

/// ffmpeg takes one publisher and writes what comes.
async fn ffmpeg_listener(port: u16, file: &std::path::Path) -> Peer {
    let url = format!("rtmp://127.0.0.1:{port}/live/name");
    let file = file.to_str().expect("UTF-8");
    let peer = Peer::start("ffmpeg", &["-v", "error", "-y", "-listen", "1", "-i", &url, "-c", "copy", file]);
    listening(port).await;
    peer
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_as_listener_gets_every_picture_and_the_tone() {
    let (port, folder, feed) = (free_port(), Folder::new("publish"), Feed::start());
    let file = folder.file("received.mkv");
    let listener = ffmpeg_listener(port, &file).await;
    let mut live = feed.publish(target(port));
    live.until_live().await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let health = live.destination.health().expect("connected");
    live.destination.stop().await;
    listener.ended().await;
    assert_eq!(health.dropped_units, 0);
    assert!(health.sent_bytes > 100_000 && health.first_byte.is_some(), "{health:?}");
    assert!(health.round_trip.is_some_and(|rtt| rtt < Duration::from_millis(200)), "{health:?}");
    Received::read(&file).assert_whole(100);
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_gets_every_picture_and_the_tone() {
    let (nginx, feed) = (Nginx::start(free_port()).await, Feed::start());
    let mut live = feed.publish(target(nginx.port));
    live.until_live().await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    live.destination.stop().await;
    drop(nginx.peer);
    let files = std::fs::read_dir(nginx.folder.file("")).expect("a folder").flatten();
    let file = files.map(|e| e.path()).find(|path| path.extension().is_some_and(|end| end == "flv"));
    Received::read(&file.expect("a recording")).assert_whole(100);
}

/// Answers as a server would up to `publish`, and then with a status of its own.
async fn refusing(listener: TcpListener, code: &'static str, description: &'static str) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        tokio::spawn(async move {
            let mut hello = [0; 1537];
            stream.read_exact(&mut hello).await.ok()?;
            let mut answer = vec![3];
            answer.extend([0; 3072]);
            stream.write_all(&answer).await.ok()?;
            let result = |number: f64, last: rtmp::Value| {
                command(&[rtmp::Value::text("_result"), rtmp::Value::Number(number), rtmp::Value::Null, last])
            };
            stream.write_all(&result(1.0, rtmp::Value::Null)).await.ok()?;
            stream.write_all(&result(4.0, rtmp::Value::Number(1.0))).await.ok()?;
            let text = |name: &str, text: &str| (name.to_owned(), rtmp::Value::text(text));
            let info =
                rtmp::Value::Object(vec![text("level", "error"), text("code", code), text("description", description)]);
            let status = command(&[rtmp::Value::text("onStatus"), rtmp::Value::Number(0.0), rtmp::Value::Null, info]);
            stream.write_all(&status).await.ok()?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some(())
        });
    }
}

fn command(values: &[rtmp::Value]) -> Vec<u8> {
    let mut body = bytes::BytesMut::new();
    values.iter().for_each(|value| value.write(&mut body));
    let message = rtmp::Message { kind: 20, stream: 0, timestamp: 0, body: body.freeze() };
    let mut out = bytes::BytesMut::new();
    rtmp::ChunkWriter::default().write(3, &message, &mut out);
    out.to_vec()
}

async fn bind() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_final_and_a_busy_stream_is_tried_again() {
    let feed = Feed::start();
    let (listener, port) = bind().await;
    tokio::spawn(refusing(listener, "NetStream.Publish.BadName", "unknown stream name"));
    assert_eq!(feed.publish(target(port)).until_broken().await, ("bad_key", true));
    let tested = publish::test(&target(port).into()).await.expect_err("refused");
    assert_eq!((tested.code, tested.is_final), ("bad_key", true));
    assert!(!tested.message.contains("name\""), "the key is not repeated: {}", tested.message);
    let (listener, port) = bind().await;
    tokio::spawn(refusing(listener, "NetStream.Publish.BadName", "Already publishing"));
    assert_eq!(feed.publish(target(port)).until_broken().await, ("stream_in_use", false));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_on_the_port_is_told() {
    let feed = Feed::start();
    let (listener, port) = bind().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    assert_eq!(feed.publish(target(port)).until_broken().await, ("not_rtmp", false));
}

/// Five servers at once, four of them broken in four ways. The good one's stream is whole, and the encoder ran once.
#[tokio::test(flavor = "multi_thread")]
async fn broken_destinations_change_nothing_for_the_good_one() {
    let feed = Feed::start();
    let nginx = Nginx::start(free_port()).await;
    let mut good = feed.publish(target(nginx.port));
    good.until_live().await;

    // Absent at start, there two seconds later.
    let (late_port, folder) = (free_port(), Folder::new("publish"));
    let mut late = feed.publish(target(late_port));
    // Takes the connection and never reads.
    let (hole, hole_port) = bind().await;
    let mut blackholed = feed.publish(target(hole_port));
    // Says no.
    let (listener, port) = bind().await;
    tokio::spawn(refusing(listener, "NetStream.Publish.Denied", ""));
    let mut refused = feed.publish(target(port));
    // Closes at once.
    let (closing, port) = bind().await;
    tokio::spawn(async move { while closing.accept().await.is_ok() {} });
    let mut closed = feed.publish(target(port));

    assert_eq!(late.until_broken().await, ("address_unreachable", false));
    assert_eq!(refused.until_broken().await, ("bad_key", true));
    assert_eq!(closed.until_broken().await, ("closed_at_once", false));
    let file = folder.file("late.mkv");
    let mut listener = ffmpeg_listener(late_port, &file).await;
    let back = Instant::now();
    late.until_live().await;
    assert!(back.elapsed() < Duration::from_secs(5), "live {:?} after the server was", back.elapsed());

    // Killed in mid-stream, and back.
    tokio::time::sleep(Duration::from_secs(2)).await;
    listener.kill();
    assert_eq!(late.until_broken().await, ("connection_lost", false));
    let second_file = folder.file("again.mkv");
    let listener = ffmpeg_listener(late_port, &second_file).await;
    let back = Instant::now();
    late.until_live().await;
    assert!(back.elapsed() < Duration::from_secs(5), "live {:?} after the server was", back.elapsed());
    assert_eq!(blackholed.until_broken().await, ("no_answer", false));

    tokio::time::sleep(Duration::from_secs(2)).await;
    let health = good.destination.health().expect("connected");
    assert_eq!(health.dropped_units, 0, "{health:?}");
    assert!(health.queue < Duration::from_millis(300), "{health:?}");
    late.destination.stop().await;
    listener.ended().await;
    good.destination.stop().await;
    assert_eq!(good.statuses.try_recv().ok(), Some(PublishStatus::Stopped), "live from its start to its end");
    let recordings = nginx.recordings();
    drop(nginx.peer);
    assert_eq!(recordings.len(), 1, "one connection");
    let received = Received::read(&recordings[0]);
    received.assert_whole(350);
    Received::read(&second_file).assert_whole(30);
    assert!(feed.pictures() < received.numbers.len() as u64 + 60, "each picture was encoded once");
    drop((hole, blackholed));
}

/// A server that reads a hundred times slower than the stream flows.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_loses_pictures_and_nobody_else_does() {
    let feed = Feed::start();
    let nginx = Nginx::start(free_port()).await;
    let mut good = feed.publish(target(nginx.port));
    good.until_live().await;
    // In front of a second nginx, a pipe that lets the beginning through and then 10 kbit/s.
    let behind = Nginx::start(free_port()).await;
    let (listener, port) = bind().await;
    let to = behind.port;
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.expect("a client");
        let server = tokio::net::TcpStream::connect(("127.0.0.1", to)).await.expect("nginx");
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        let (mut buffer, mut passed) = ([0; 1250], 0);
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            passed += read;
            if to_server.write_all(&buffer[..read]).await.is_err() {
                return;
            }
            if passed > 50_000 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    });
    let mut slow = feed.publish(target(port));
    slow.until_live().await;
    // The sockets' buffers on the way take some megabytes first.
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        if slow.destination.health().is_some_and(|health| health.dropped_units > 0) {
            break;
        }
        if let Ok(PublishStatus::Reconnecting { code, .. }) = slow.statuses.try_recv() {
            assert_eq!(code, "connection_stalled");
            break;
        }
        assert!(Instant::now() < deadline, "{:?}", slow.destination.health());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let health = good.destination.health().expect("connected");
    assert_eq!(health.dropped_units, 0, "{health:?}");
    good.destination.stop().await;
    let recordings = nginx.recordings();
    drop(nginx.peer);
    Received::read(&recordings[0]).assert_whole(60);
}

//! Media through the server, with real peers on loopback.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use str0m::media::{Direction, MediaTime};

use crate::common::*;

/// The server and a publisher whose first packets have come.
async fn live() -> (live_server::LiveServer, Peer, Source) {
    let server = server().await;
    let mut publisher = Peer::publisher(&server).await;
    until(&mut [&mut publisher], "the publisher connects", |peers| peers[0].connected);
    let mut source = Source::new(60_000);
    source.run(&mut [&mut publisher], "the stream is live", |_| server.streams()[0].live);
    (server, publisher, source)
}

fn starts_with_parameter_sets(got: &Got) -> bool {
    got.payload[0] == 24
}

/// The number inside a payload that `Source` made.
fn number(payload: &[u8]) -> u32 {
    let at = match payload[0] {
        24 => payload.len() - 4,
        0x7c => 2,
        _ => 1,
    };
    u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_arrive_unmodified_in_order_and_on_continuous_numbers() {
    let (server, mut publisher, mut source) = live().await;
    let mut viewer = Peer::viewer(&server).await;
    source.run(&mut [&mut publisher, &mut viewer], "200 packets of video", |peers| peers[1].video().len() > 200);
    let video = viewer.video();
    assert!(starts_with_parameter_sets(video[0]), "a viewer starts at a keyframe");
    let first = source.sent.iter().position(|sent| *sent == video[0].payload).expect("the first packet was sent");
    for (index, got) in video.iter().enumerate() {
        assert_eq!(got.payload, source.sent[first + index], "packet {index}");
        assert_eq!(got.sequence, video[0].sequence + index as u64);
    }
    for pair in video.windows(2).filter(|pair| pair[0].timestamp != pair[1].timestamp) {
        assert!(pair[0].marker, "the marker ends a picture");
        assert!((pair[1].timestamp.wrapping_sub(pair[0].timestamp) as i32) > 0);
    }
    let audio: Vec<&Got> = viewer.got.iter().filter(|got| !got.video).collect();
    assert!(audio.len() > 30);
    for pair in audio.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1);
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(1600));
    }
    let info = &server.streams()[0];
    assert_eq!((info.width, info.height), (Some(640), Some(480)));
    assert_eq!((info.viewers, server.viewers("live")), (1, 1));
    assert_eq!((info.video_codec.as_deref(), info.audio_codec.as_deref()), (Some("H264"), Some("opus")));
    assert!(info.bitrate_kbps > 100.0 && info.fps > 5.0, "{info:?}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_no_buffer_has_each_picture_marked_to_be_shown_at_once_until_it_asks_for_one() {
    let (server, mut publisher, mut source) = live().await;
    let mut viewers = Vec::new();
    for query in ["", "buffer=auto", "buffer=none", "quality=source&buffer=none"] {
        viewers.push(Peer::viewer_of(&server, query).await);
    }
    let mut peers: Vec<&mut Peer> = std::iter::once(&mut publisher).chain(&mut viewers).collect();
    source.run(&mut peers, "each has 60 packets", |peers| peers[1..].iter().all(|viewer| viewer.video().len() > 60));
    let at_once = Some((MediaTime::ZERO, MediaTime::ZERO));
    let as_it_likes = Some((MediaTime::ZERO, MediaTime::from_secs(10)));
    for (viewer, expected) in viewers.iter().zip([None, as_it_likes, at_once, at_once]) {
        assert!(viewer.got.iter().filter(|got| !got.video).all(|got| got.play_delay.is_none()), "sound is left alone");
        assert!(viewer.video().iter().all(|got| got.play_delay == expected), "{expected:?}");
    }
    for (buffer, expected) in [(Some("auto"), as_it_likes), (None, as_it_likes), (Some("none"), at_once)] {
        let wish = match buffer {
            Some(buffer) => json!({ "encodingId": "source", "buffer": buffer }),
            None => json!({ "encodingId": "auto" }),
        };
        let path = format!("{}/layer", viewers[3].session);
        let response = post(&server, &path, Some(TOKEN), "application/json", wish.to_string()).await;
        assert_eq!(response.status(), 200);
        let answer: Value = serde_json::from_str(&response.text().await.expect("a body")).expect("JSON");
        assert_eq!(answer["buffer"], if expected == at_once { "none" } else { "auto" });
        viewers[3].got.clear();
        let mut peers: Vec<&mut Peer> = std::iter::once(&mut publisher).chain(&mut viewers).collect();
        source.run(&mut peers, "20 packets more", |peers| peers[4].video().len() > 20);
        assert!(viewers[3].video().iter().skip(5).all(|got| got.play_delay == expected), "{buffer:?}");
    }
    let (_, offer) = Peer::new(Direction::RecvOnly);
    let response = post(&server, "/whep/live?buffer=some", Some(TOKEN), SDP, offer.text).await;
    assert_eq!(response.status(), 400);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_joiner_starts_at_a_keyframe_within_half_a_second_of_connecting() {
    let (server, mut publisher, mut source) = live().await;
    // More pictures than a replay may have: a keyframe must be asked for.
    let before = publisher.keyframe_requests.len();
    source.run(&mut [&mut publisher], "a long group of pictures", |_| server.streams()[0].live);
    let end = source.frames + 45;
    let frames = std::cell::Cell::new(0);
    while source.frames < end {
        publisher.step();
        source.frame(&mut publisher, false);
        frames.set(source.frames);
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut viewer = Peer::viewer(&server).await;
    let mut connected = None;
    let mut pictured = None;
    source.run(&mut [&mut publisher, &mut viewer], "a picture", |peers| {
        if peers[1].connected {
            connected.get_or_insert_with(Instant::now);
        }
        if !peers[1].video().is_empty() {
            pictured.get_or_insert_with(Instant::now);
        }
        peers[1].video().len() > 30
    });
    assert!(starts_with_parameter_sets(viewer.video()[0]));
    assert_eq!(publisher.keyframe_requests.len(), before + 1, "one keyframe was asked for");
    let waited = pictured.expect("a picture").duration_since(connected.expect("a connection"));
    assert!(waited < Duration::from_millis(500), "{waited:?}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_group_is_replayed_squeezed_together_and_costs_no_keyframe() {
    let (server, mut publisher, mut source) = live().await;
    source.frame(&mut publisher, true);
    let head = source.frames - 1;
    for _ in 0..8 {
        source.frame(&mut publisher, false);
    }
    let newest = source.frames - 1;
    let mut viewer = Peer::viewer(&server).await;
    // Nothing new is sent: what comes, comes from the cache.
    until(&mut [&mut publisher, &mut viewer], "the replay", |peers| peers[1].video().len() >= 27);
    let video = viewer.video();
    assert_eq!((number(&video[0].payload), number(&video[26].payload)), (head, newest));
    let span = video[26].timestamp.wrapping_sub(video[0].timestamp);
    assert_eq!(span, 8 * 90, "a millisecond from picture to picture");
    let last = video[26].timestamp;
    source.frame(&mut publisher, false);
    until(&mut [&mut publisher, &mut viewer], "the live stream", |peers| peers[1].video().len() >= 30);
    assert_eq!(viewer.video()[29].timestamp, last.wrapping_add(FRAME), "and then the live clock");
    assert!(publisher.keyframe_requests.is_empty());
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_who_join_or_lose_within_half_a_second_cost_one_keyframe() {
    let (server, mut publisher, mut source) = live().await;
    let (mut one, mut two) = (Peer::viewer(&server).await, Peer::viewer(&server).await);
    source.run(&mut [&mut publisher, &mut one, &mut two], "both have a picture", |peers| {
        peers[1..].iter().all(|peer| !peer.video().is_empty())
    });
    // Let the slot become free, then lose something at the same time, again and again.
    let quiet = Instant::now() + Duration::from_millis(600);
    source.run(&mut [&mut publisher, &mut one, &mut two], "quiet", |_| Instant::now() >= quiet);
    let before = publisher.keyframe_requests.len();
    let start = Instant::now();
    let mut asked = Instant::now();
    source.run(&mut [&mut publisher, &mut one, &mut two], "the requests", |peers| {
        if asked.elapsed() > Duration::from_millis(100) && start.elapsed() < Duration::from_millis(300) {
            peers[1].ask_for_keyframe();
            peers[2].ask_for_keyframe();
            asked = Instant::now();
        }
        start.elapsed() > Duration::from_millis(1500)
    });
    let requests = &publisher.keyframe_requests[before..];
    assert!((1..=2).contains(&requests.len()), "{} requests", requests.len());
    for pair in requests.windows(2) {
        assert!(pair[1].duration_since(pair[0]) >= Duration::from_millis(450), "at most one in half a second");
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_go_on_when_the_publisher_comes_back() {
    let (server, mut publisher, mut source) = live().await;
    let mut viewer = Peer::viewer(&server).await;
    source.run(&mut [&mut publisher, &mut viewer], "a picture", |peers| peers[1].video().len() > 30);
    let answer = reqwest::Client::new().delete(url(&server, &publisher.session)).bearer_auth(KEY).send().await;
    assert_eq!(answer.expect("an answer").status(), 200);
    until(&mut [&mut publisher, &mut viewer], "the publisher is told", |peers| peers[0].closed);
    // The publisher's own connection hears of its end a moment before the list does.
    let gone = async {
        while server.streams()[0].live {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), gone).await.expect("nobody publishes any more");
    let before = viewer.got.len();
    let mut again = Peer::publisher(&server).await;
    until(&mut [&mut again, &mut viewer], "it connects again", |peers| peers[0].connected);
    // Other numbers altogether, and at first no keyframe.
    let mut other = Source::new(300);
    other.frames = 500_000;
    for _ in 0..3 {
        other.frame(&mut again, false);
    }
    other.run(&mut [&mut again, &mut viewer], "a picture again", |peers| {
        peers[1].got[before..].iter().filter(|got| got.video).count() > 30
    });
    assert!(!viewer.closed);
    let video = viewer.video();
    for pair in video.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1, "no gap, no jump");
        assert!((pair[1].timestamp.wrapping_sub(pair[0].timestamp) as i32) >= 0);
    }
    let first_again = viewer.got[before..].iter().find(|got| got.video).expect("a picture");
    assert!(starts_with_parameter_sets(first_again), "it starts with a keyframe");
    assert!(number(&first_again.payload) > 400_000);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_falls_silent_is_interrupted_then_gone_and_its_viewers_wait() {
    let (server, mut publisher, mut source) = live().await;
    let mut viewer = Peer::viewer(&server).await;
    source.run(&mut [&mut publisher, &mut viewer], "a picture", |peers| peers[1].video().len() > 10);
    // The program is killed: from now on nobody steps its peer.
    let silent = Instant::now();
    until(&mut [&mut viewer], "it is shown as interrupted", |_| !server.streams()[0].live);
    assert!(silent.elapsed() < Duration::from_secs(9), "before its session is given up");
    let mut again = Peer::publisher(&server).await;
    until(&mut [&mut again, &mut viewer], "another takes over at once", |peers| peers[0].connected);
    let mut other = Source::new(1);
    other.frames = 900_000;
    other.run(&mut [&mut again, &mut viewer], "its picture", |peers| {
        peers[1].video().last().is_some_and(|got| number(&got.payload) >= 900_000)
    });
    assert!(!viewer.closed && server.streams()[0].live);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_are_let_go_when_the_publisher_stays_away() {
    let (server, mut publisher, mut source) = live().await;
    let mut viewer = Peer::viewer(&server).await;
    source.run(&mut [&mut publisher, &mut viewer], "a picture", |peers| peers[1].video().len() > 10);
    publisher.close();
    let left = Instant::now();
    until(&mut [&mut publisher, &mut viewer], "the viewer is let go", |peers| peers[1].closed);
    assert!((14..25).contains(&left.elapsed().as_secs()), "after the grace time: {:?}", left.elapsed());
    assert_eq!(server.viewers("live"), 0);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_that_vanishes_is_forgotten() {
    let (server, mut publisher, mut source) = live().await;
    let mut viewer = Peer::viewer(&server).await;
    source.run(&mut [&mut publisher, &mut viewer], "a picture", |peers| peers[1].video().len() > 10);
    drop(viewer);
    source.run(&mut [&mut publisher], "it is forgotten", |_| server.viewers("live") == 0);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_publisher_with_the_key_takes_over() {
    let (server, mut publisher, mut source) = live().await;
    let mut viewer = Peer::viewer(&server).await;
    source.run(&mut [&mut publisher, &mut viewer], "a picture", |peers| peers[1].video().len() > 10);
    let mut second = Peer::publisher(&server).await;
    until(&mut [&mut second, &mut publisher, &mut viewer], "the first is told", |peers| peers[1].closed);
    let mut other = Source::new(9);
    other.frames = 700_000;
    other.run(&mut [&mut second, &mut viewer], "the second's picture", |peers| {
        peers[1].video().last().is_some_and(|got| number(&got.payload) >= 700_000)
    });
    assert!(!viewer.closed);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_viewer_slows_nobody() {
    let (server, mut publisher, mut source) = live().await;
    let (mut stuck, mut lively) = (Peer::viewer(&server).await, Peer::viewer(&server).await);
    source.run(&mut [&mut publisher, &mut stuck, &mut lively], "both have a picture", |peers| {
        peers[1..].iter().all(|peer| !peer.video().is_empty())
    });
    stuck.stuck = true;
    let before = lively.video().len();
    let start = Instant::now();
    source.run(&mut [&mut publisher, &mut stuck, &mut lively], "300 more packets", |peers| {
        peers[2].video().len() > before + 300
    });
    // 300 packets are 100 pictures: 3.3 s.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let video = lively.video();
    assert!(video.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_packets_are_sent_again_on_both_legs() {
    let (server, mut publisher, mut source) = live().await;
    let mut viewer = Peer::viewer(&server).await;
    source.run(&mut [&mut publisher, &mut viewer], "a picture", |peers| peers[1].video().len() > 10);
    (publisher.lose, viewer.lose) = (Some(19), Some(23));
    source.run(&mut [&mut publisher, &mut viewer], "600 packets", |peers| peers[1].video().len() > 600);
    (publisher.lose, viewer.lose) = (None, None);
    let complete = |peer: &Peer| {
        let mut numbers: Vec<u64> = peer.video().iter().map(|got| got.sequence).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.windows(2).take(500).all(|pair| pair[1] == pair[0] + 1)
    };
    source.run(&mut [&mut publisher, &mut viewer], "the holes are filled", |peers| complete(peers[1]));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_viewers_see_the_same() {
    let (server, mut publisher, mut source) = live().await;
    let mut viewers = Vec::new();
    for _ in 0..10 {
        viewers.push(Peer::viewer(&server).await);
    }
    let mut peers: Vec<&mut Peer> = vec![&mut publisher];
    peers.extend(viewers.iter_mut());
    source.run(&mut peers, "ten pictures", |peers| peers[1..].iter().all(|peer| peer.video().len() > 60));
    assert_eq!(server.viewers("live"), 10);
    // So much at once is written by several threads: it is the same for everyone, and in order.
    let before = source.sent.len();
    for _ in 0..40 {
        source.frame(peers[0], false);
    }
    let burst = source.sent[before..].to_vec();
    // What the system had no room for comes again, once something after it has shown that it is missing.
    let has_all = |peer: &Peer| {
        let mut video = peer.video();
        video.sort_by_key(|got| got.sequence);
        let begins = video.iter().position(|got| got.payload[..] == burst[0]);
        let payloads = video.iter().skip(begins.unwrap_or(video.len())).map(|got| &got.payload[..]);
        video.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1)
            && payloads.take(burst.len()).eq(burst.iter().map(Vec::as_slice))
    };
    source.run(&mut peers, "all of it, once and in line", |peers| peers[1..].iter().all(|peer| has_all(peer)));
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
        assert!(!testkit::threads::named("live-send-").is_empty());
    }
    for viewer in &mut peers[1..] {
        assert!(starts_with_parameter_sets(viewer.video()[0]));
        viewer.close();
    }
    until(&mut peers, "the viewers are gone", |_| server.viewers("live") == 0);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sender_reports_put_both_tracks_on_one_clock() {
    let (server, mut publisher, mut source) = live().await;
    let mut viewer = Peer::viewer(&server).await;
    let enough = |peer: &Peer, video| peer.reports.iter().filter(|report| report.video == video).count() >= 3;
    source.run(&mut [&mut publisher, &mut viewer], "reports", |peers| {
        peers[1].video().len() > 30 && enough(peers[1], true) && enough(peers[1], false)
    });
    // `Source` gives picture n and sound n the same moment: n/30 s. The reports must say so too.
    let moment = |video: bool| {
        let report = viewer.reports.iter().rfind(|report| report.video == video).expect("a report");
        let got = viewer.got.iter().rfind(|got| got.video == video).expect("a packet");
        let rate = if video { 90_000.0 } else { 48_000.0 };
        let ticks = f64::from(got.timestamp.wrapping_sub(report.timestamp) as i32);
        let at =
            report.at.duration_since(std::time::SystemTime::UNIX_EPOCH).expect("a time").as_secs_f64() + ticks / rate;
        at - f64::from(number(&got.payload)) / 30.0
    };
    let apart = (moment(true) - moment(false)).abs();
    // The test's own publisher stamps with the moment of writing, which jitters on a busy machine.
    assert!(apart < 0.030, "{:.1} ms apart", apart * 1000.0);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_are_told_when_the_server_stops() {
    let (server, mut publisher, mut source) = live().await;
    let mut viewer = Peer::viewer(&server).await;
    source.run(&mut [&mut publisher, &mut viewer], "a picture", |peers| !peers[1].video().is_empty());
    server.shutdown().await;
    until(&mut [&mut publisher, &mut viewer], "both are told", |peers| peers.iter().all(|peer| peer.closed));
}

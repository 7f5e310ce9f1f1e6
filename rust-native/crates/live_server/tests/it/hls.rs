//! HLS, LL-HLS and DASH out of a WHIP publisher, read by ffmpeg and by hand.

use std::time::{Duration, Instant};

use live_server::LiveServer;
use testkit::scratch::Folder;

use crate::common::*;
use crate::files::*;
use crate::reader::*;
use crate::studio::*;

const DASH: &str = "/dash/live/manifest.mpd";

async fn get(server: &LiveServer, path: &str) -> (u16, String, String) {
    let response = reqwest::Client::new().get(url(server, path)).bearer_auth(TOKEN).send().await.expect("an answer");
    let cache = response.headers()["cache-control"].to_str().expect("text").to_owned();
    (response.status().as_u16(), response.text().await.expect("a body"), cache)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_reads_hls_and_dash_with_every_picture_and_sound_in_step() {
    let (server, reel, folder) = (server().await, Reel::new(60, 30), Folder::new("live"));
    assert_eq!(get(&server, MULTI).await.0, 404, "not live yet");
    let _publisher = Publisher::start(&server, &reel).await;
    let (status, text, cache) = get(&server, MULTI).await;
    assert_eq!((status, cache.as_str()), (200, "private, max-age=1"), "{text}");
    assert!(text.contains("RESOLUTION=320x180") && text.contains(",opus\""), "{text}");
    right(&record(&server, MULTI, 8, &folder.file("hls.mkv")).await, 8.0);
    // ffmpeg 5 begins anew at a timeline's head when it comes to its end: there must be more than it reads.
    let begun = Instant::now();
    while get(&server, DASH).await.1.matches("<S t=").count() < 2 * 6 {
        assert!(begun.elapsed() < PATIENCE, "six segments of both tracks");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    right(&record(&server, DASH, 8, &folder.file("dash.mkv")).await, 8.0);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_low_latency_reader_gets_each_part_as_soon_as_it_is_made() {
    let (server, reel) = (server().await, Reel::new(60, 30));
    let _publisher = Publisher::start(&server, &reel).await;
    assert_eq!(get(&server, MULTI).await.0, 200);
    let eight = Duration::from_secs(8);
    let (video, audio) = tokio::join!(
        follow(server.http_addr(), Some(TOKEN), "video", eight),
        follow(server.http_addr(), Some(TOKEN), "audio", eight)
    );
    for read in [video.expect("read"), audio.expect("read")] {
        assert!(read.parts >= 14 && read.refused == 0, "two parts a second: {read:?}");
        let mut late = read.late.clone();
        late.sort_by(f64::total_cmp);
        eprintln!("late by {:.3} s at the median, {:.3} s at most", late[late.len() / 2], late[late.len() - 1]);
        assert!(late[late.len() / 2] < 0.5, "{late:?}");
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_announced_is_waited_for_and_what_cant_come_is_refused() {
    let (server, reel) = (server().await, Reel::new(60, 30));
    let _publisher = Publisher::start(&server, &reel).await;
    assert_eq!(get(&server, MULTI).await.0, 200);
    let mut http = Http::connect(server.http_addr(), Some(TOKEN)).await.expect("connected");
    let answer = http.get("/hls/live/video.m3u8").await.expect("a playlist");
    assert_eq!(answer.cache, "private, max-age=1");
    let seen = tail(&answer.text());
    let hint = answer.text().lines().find_map(|line| {
        Some(line.strip_prefix("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"")?.trim_end_matches('"').to_owned())
    });
    let hint = hint.expect("a hint");
    assert_eq!(hint, format!("video-{}.{}.m4s", seen.number, seen.parts));
    let part = http.get(&format!("/hls/live/{hint}")).await.expect("the hinted part");
    assert_eq!((part.status, part.cache.as_str()), (200, "private, max-age=86400, immutable"));
    assert_eq!(&part.body[4..8], b"moof");
    let blocked = http.get(&format!("/hls/live/video.m3u8?_HLS_msn={}", seen.number)).await.expect("an answer");
    assert_eq!((blocked.status, blocked.cache.as_str()), (200, "private, max-age=18"));
    let text = blocked.text();
    assert!(text.contains(&format!("\nvideo-{}.m4s\n", seen.number)), "the whole segment: {text}");
    let segment = http.get(&format!("/hls/live/video-{}.m4s", seen.number)).await.expect("a segment");
    assert!(segment.body.windows(part.body.len()).any(|window| window == part.body), "parts make up the segment");
    for (path, status) in [
        (format!("/hls/live/video.m3u8?_HLS_msn={}", seen.number + 50), 400),
        ("/hls/live/video.m3u8?_HLS_part=1".to_owned(), 400),
        ("/hls/live/video.m3u8?_HLS_msn=x".to_owned(), 400),
        (format!("/hls/live/video-{}.m4s", seen.number + 50), 404),
        (format!("/hls/live/video-{}.99.m4s", seen.number), 404),
        ("/hls/live/video-1.m4s".to_owned(), 404),
        ("/hls/live/../x".to_owned(), 404),
        ("/hls/other/index.m3u8".to_owned(), 404),
    ] {
        assert_eq!(http.get(&path).await.expect("an answer").status, status, "{path}");
    }
    let mut stranger = Http::connect(server.http_addr(), None).await.expect("connected");
    assert_eq!(stranger.get(MULTI).await.expect("an answer").status, 401);
    let with_token = stranger.get(&format!("{MULTI}?token={TOKEN}")).await.expect("an answer");
    let token = TOKEN.replace('-', "%2D");
    assert!(with_token.text().contains(&format!("video.m3u8?token={token}\n")), "{}", with_token.text());
    assert_eq!(stranger.get(&format!("/hls/live/{hint}?token={token}")).await.expect("an answer").status, 200);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_that_a_platform_sets_is_in_every_playlist_and_the_manifest_from_then_on() {
    let (server, reel) = (server().await, Reel::new(60, 30));
    let path = "/api/v1/streams/live/marks";
    let set = async |key: &str, body: &str| {
        let answer = post(&server, path, Some(key), "application/json", body.to_owned()).await;
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    };
    let _publisher = Publisher::start(&server, &reel).await;
    assert_eq!(get(&server, MULTI).await.0, 200);
    assert_eq!(set(TOKEN, r#"{"id": "ad"}"#).await.0, 401, "who watches sets none");
    let (status, mark) = set(KEY, r#"{"id": "ad", "class": "break", "planned_duration": 30}"#).await;
    assert_eq!(status, 201, "{mark}");
    assert_eq!(set(KEY, r#"{"id": "ad", "duration": 12.5}"#).await.0, 200, "its end may come later");
    let (status, refused) = set(KEY, r#"{"id": "ad", "duration": 13}"#).await;
    assert_eq!((status, refused.contains("mark_in_the_way")), (409, true), "{refused}");
    assert_eq!(set(KEY, r#"{"id": "a\"b"}"#).await.0, 400);
    for name in ["video", "audio"] {
        let (_, text, _) = get(&server, &format!("/hls/live/{name}.m3u8")).await;
        let line = text.lines().find(|line| line.starts_with("#EXT-X-DATERANGE:")).expect("the mark");
        assert!(line.starts_with("#EXT-X-DATERANGE:ID=\"ad\",CLASS=\"break\",START-DATE=\"20"), "{line}");
        assert!(line.ends_with("Z\",DURATION=12.500,PLANNED-DURATION=30.000"), "{line}");
    }
    let (status, manifest, _) = get(&server, "/dash/live/manifest.mpd").await;
    let event = manifest.lines().find(|line| line.contains("<Event ")).expect("the mark");
    assert!(status == 200 && event.contains(" duration=\"12500\" id=\"0\" messageData='{\"id\":\"ad\""), "{manifest}");
    let list = reqwest::Client::new().get(url(&server, path)).bearer_auth(KEY).send().await.expect("an answer");
    assert_eq!(list.text().await.expect("a body").matches("\"id\":\"ad\"").count(), 1);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publishers_return_is_a_discontinuity_and_its_absence_an_end() {
    let mut config = config();
    config.publishing.grace_seconds = 3;
    let (server, reel) = (LiveServer::start(config).await.expect("the server starts"), Reel::new(60, 30));
    let mut publisher = Publisher::start(&server, &reel).await;
    assert_eq!(get(&server, MULTI).await.0, 200);
    tokio::task::block_in_place(|| publisher.stop());
    let mut publisher = Publisher::start(&server, &reel).await;
    let folder = Folder::new("live");
    let begun = Instant::now();
    loop {
        let (status, text, _) = get(&server, "/hls/live/video.m3u8").await;
        assert_eq!(status, 200);
        let after = text.split("#EXT-X-DISCONTINUITY\n").nth(1);
        if after.is_some_and(|after| after.starts_with("#EXT-X-MAP") && after.matches("#EXTINF").count() > 3) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{text}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let played = record(&server, MULTI, 5, &folder.file("after.mkv")).await;
    right(&played, 4.0);
    tokio::task::block_in_place(|| publisher.stop());
    let begun = Instant::now();
    loop {
        let (status, text, _) = get(&server, "/hls/live/audio.m3u8").await;
        assert_eq!(status, 200, "what is there can still be read");
        if text.ends_with("#EXT-X-ENDLIST\n") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{text}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_read_nothing_slow_nobody() {
    let (server, reel) = (server().await, Reel::new(60, 30));
    let _publisher = Publisher::start(&server, &reel).await;
    assert_eq!(get(&server, MULTI).await.0, 200);
    let first = tail(&get(&server, "/hls/live/video.m3u8").await.1);
    let mut stuck = Vec::new();
    for _ in 0..100 {
        let mut http = Http::connect(server.http_addr(), Some(TOKEN)).await.expect("connected");
        for _ in 0..5 {
            http.ask(&format!("/hls/live/video-{}.m4s", first.number - 1)).await.expect("sent");
        }
        stuck.push(http);
    }
    let read = follow(server.http_addr(), Some(TOKEN), "video", Duration::from_secs(6)).await.expect("read");
    assert!(read.parts >= 10 && read.refused == 0, "{read:?}");
    assert!(server.streams()[0].fps > 20.0);
    server.shutdown().await;
}

//! Recordings, written and read back: through a publisher's break, a kill of the server, into a folder and a bucket.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use live_server::{AdminSettings, LiveServer, RecordingSettings};
use media::Secret;
use serde_json::Value;
use testkit::scratch::{Folder, Running};

use crate::admin;
use crate::common::*;
use crate::files::{in_step, record};
use crate::rig::{NO_B, Program};
use crate::s3::Moto;
use crate::studio::*;

/// Asks with a token, and gives the status and the body.
async fn ask(server: &LiveServer, method: reqwest::Method, path: &str, token: Option<&str>) -> (u16, String) {
    let request = reqwest::Client::new().request(method, url(server, path));
    let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a body"))
}

async fn recordings(server: &LiveServer) -> Vec<Value> {
    let (status, text) = ask(server, reqwest::Method::GET, "/api/v1/recordings", Some(TOKEN)).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

/// Waits until the list of recordings is such.
async fn until_listed(server: &LiveServer, what: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let all = recordings(server).await;
        if holds(&all) {
            return all;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: {all:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn seconds(recording: &Value) -> f64 {
    recording["duration_ms"].as_f64().expect("a number") / 1000.0
}

/// Who is signed in gets each run as one MP4 that begins at zero, is whole and in step; and the list says what there is.
async fn taken_along(server: &LiveServer, id: &str, whole: f64, folder: &Folder) {
    let cookie = admin::cookie(server).await;
    let get = async |path: String| admin::ask(server, reqwest::Method::GET, &path, Some(&cookie), None).await;
    let listed = admin::read(get("recordings".to_owned()).await).await;
    let rule = &listed["rules"][0];
    assert_eq!(
        (&rule["name"], &rule["recordings"], &rule["bytes"]),
        (&"disk".into(), &1.into(), &listed["recordings"][0]["bytes"])
    );
    assert!(rule["free_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{rule}");
    let mut seconds = 0.0;
    for part in [1, 2] {
        let answer = get(format!("recordings/disk/live/{id}/whole.mp4?part={part}")).await;
        let name = answer.headers()["content-disposition"].to_str().expect("text").to_owned();
        assert!(name.contains(&format!("live-{id}")) && name.contains("attachment"), "{name}");
        let file = folder.file(&format!("part-{part}.mp4"));
        std::fs::write(&file, answer.bytes().await.expect("a body")).expect("written");
        let played = tokio::task::spawn_blocking(move || (packets(&file, "v"), play(&file))).await.expect("read");
        let (times, played) = played;
        assert!(times[0] < 0.1, "it begins at zero: {}", times[0]);
        seconds += times[times.len() - 1] - times[0];
        in_step(&played, times[times.len() - 1] as usize - 2);
    }
    assert!((seconds - whole).abs() < 1.0, "{seconds} s of {whole} s");
    for (path, status) in [
        (format!("recordings/disk/live/{id}/whole.mp4?part=3"), 404),
        (format!("recordings/disk/live/{id}/whole.mp4?part=0"), 400),
        (format!("recordings/disk/live/{id}/index.m3u8"), 200),
        (format!("recordings/disk/live/{id}/recording.json"), 404),
        ("recordings/disk/live/none/whole.mp4".to_owned(), 404),
    ] {
        assert_eq!(get(path.clone()).await.status(), status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_recorded_over_its_publishers_break_and_played_by_who_may_watch_it() {
    let folder = Folder::new("recordings");
    let mut config = config();
    config.publishing.grace_seconds = 5;
    config.admin = Some(AdminSettings { password: Some(Secret::new(admin::PASSWORD)), ..AdminSettings::default() });
    config.recording.insert("disk".to_owned(), RecordingSettings::into_folder(folder.path()));
    let (server, reel) = (LiveServer::start(config).await.expect("the server starts"), Reel::new(60, 30));
    let mut publisher = Publisher::start(&server, &reel).await;
    until_listed(&server, "it is recorded", |all| all.first().is_some_and(|one| one["open"] == true)).await;
    // While it goes on, a player is told that more follows.
    let open = recordings(&server).await.remove(0);
    let playlist = open["playlist"].as_str().expect("an address").to_owned();
    let video = playlist.replace("index", "video");
    let (_, text) = ask(&server, reqwest::Method::GET, &video, Some(TOKEN)).await;
    assert!(text.contains("PLAYLIST-TYPE:EVENT") && !text.contains("ENDLIST"), "{text}");
    let id = open["id"].as_str().expect("a name").to_owned();
    let own = format!("/api/v1/recordings/disk/live/{id}");
    assert_eq!(ask(&server, reqwest::Method::DELETE, &own, Some(KEY)).await.0, 409, "it is being written");

    tokio::task::block_in_place(|| publisher.stop());
    let before = recordings(&server).await.remove(0);
    let mut publisher = Publisher::start(&server, &reel).await;
    until_listed(&server, "it goes on", |all| seconds(&all[0]) > seconds(&before) + 5.5).await;
    tokio::task::block_in_place(|| publisher.stop());
    let ended = until_listed(&server, "it ends", |all| all[0]["open"] == false).await;
    assert_eq!(ended.len(), 1, "one recording: {ended:?}");
    assert_eq!((&ended[0]["breaks"], &ended[0]["width"]), (&1.into(), &320.into()), "{ended:?}");

    // As a player reads it over the network, and as it lies in the folder.
    let (_, text) = ask(&server, reqwest::Method::GET, &video, Some(TOKEN)).await;
    assert!(text.contains("#EXT-X-DISCONTINUITY\n") && text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
    let least = seconds(&ended[0]) as usize - 3;
    in_step(&record(&server, &playlist, 60, &folder.file("over-http.mkv")).await, least);
    let stored = folder.path().join("live").join(&id);
    in_step(&tokio::task::spawn_blocking(move || play(&stored.join("index.m3u8"))).await.expect("read"), least);

    // Who may, and parts of files.
    for (path, token, status) in [
        (playlist.as_str(), None, 401),
        (playlist.as_str(), Some(TOKEN), 200),
        ("/recordings/disk/live/other/index.m3u8", Some(TOKEN), 404),
        (&format!("/recordings/disk/live/{id}/recording.json"), Some(TOKEN), 404),
        (&format!("/recordings/disk/live/{id}/..%2f..%2fx.mp4"), Some(TOKEN), 404),
        ("/api/v1/recordings/none/live/x", Some(TOKEN), 404),
    ] {
        assert_eq!(ask(&server, reqwest::Method::GET, path, token).await.0, status, "{path}");
    }
    assert_eq!(ask(&server, reqwest::Method::GET, "/api/v1/recordings", None).await, (200, "[]".to_owned()));
    let (_, text) = ask(&server, reqwest::Method::GET, &format!("{playlist}?token={TOKEN}"), None).await;
    assert!(text.contains("video.m3u8?token=view%2Dtoken"), "{text}");
    let chunk = url(&server, &format!("/recordings/disk/live/{id}/video-00001.m4s"));
    let part = reqwest::Client::new().get(chunk).bearer_auth(TOKEN).header("Range", "bytes=4-7").send().await;
    let part = part.expect("an answer");
    assert_eq!(part.status().as_u16(), 206);
    assert!(part.headers()["content-range"].to_str().expect("text").starts_with("bytes 4-7/"));
    assert_eq!(&part.bytes().await.expect("a body")[..], b"moof");
    let page = ask(&server, reqwest::Method::GET, "/recordings", None).await;
    assert!(page.0 == 200 && page.1.contains("recordings.js"));

    taken_along(&server, &id, seconds(&ended[0]), &folder).await;
    assert_eq!(ask(&server, reqwest::Method::DELETE, &own, Some(TOKEN)).await.0, 401, "to watch is not to delete");
    assert_eq!(ask(&server, reqwest::Method::DELETE, &own, Some(KEY)).await.0, 204);
    assert!(recordings(&server).await.is_empty() && !folder.path().join("live").join(&id).exists());
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_more_room_than_it_may_goes_and_a_store_that_cant_be_made_stops_nobody() {
    let folder = Folder::new("recordings");
    let mut config = config();
    config.publishing.grace_seconds = 0;
    let rule = RecordingSettings { keep_gb: Some(1e-6), ..RecordingSettings::into_folder(folder.path()) };
    config.recording.insert("small".to_owned(), rule);
    std::fs::write(folder.file("a-file"), "").expect("written");
    config.recording.insert("bad".to_owned(), RecordingSettings::into_folder(folder.file("a-file")));
    let (server, reel) = (LiveServer::start(config).await.expect("the server starts"), Reel::new(20, 30));
    let mut publisher = Publisher::start(&server, &reel).await;
    until_listed(&server, "it is recorded", |all| !all.is_empty()).await;
    assert!(server.streams()[0].live);
    tokio::task::block_in_place(|| publisher.stop());
    until_listed(&server, "it goes", <[_]>::is_empty).await;
    // It leaves the list first.
    let begun = Instant::now();
    while std::fs::read_dir(folder.path().join("live")).expect("a folder").count() > 0 {
        assert!(begun.elapsed() < PATIENCE, "something of it is left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.shutdown().await;
}

/// The program with a publisher, killed when so many seconds are recorded.
fn killed(folder: &Folder, recorded: f64) -> (PathBuf, String) {
    let toml = format!(
        "http = \"127.0.0.1:0\"\n[rtmp]\nlisten = \"127.0.0.1:0\"\n[recording.disk]\nfolder = \"{}\"\n\
         [streams.live]\npublish_key = \"{KEY}\"\nview_token = \"{TOKEN}\"\n",
        folder.path().join("kept").display()
    );
    let file = folder.file("server.toml");
    std::fs::write(&file, &toml).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidecast-server"));
    command.arg("--config").arg(&file).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = Running(command.spawn().expect("it starts"));
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(server.0.stdout.take().expect("piped")));
    let rtmp = lines.find_map(|line| Some(line.ok()?.split_once("rtmp://")?.1.split_once(' ')?.0.to_owned()));
    let address = format!("rtmp://{}/live/{KEY}", rtmp.expect("it says where"));
    let _publisher = Program::flash(NO_B, true, 60, &["-f", "flv", &address]);
    let begun = Instant::now();
    let place = loop {
        let found = std::fs::read_dir(folder.path().join("kept/live")).ok().and_then(|mut all| all.next());
        let place = found.and_then(Result::ok).map(|entry| entry.path());
        let text = place.as_ref().and_then(|place| std::fs::read_to_string(place.join("recording.json")).ok());
        let meta: Option<Value> = text.map(|text| serde_json::from_str(&text).expect("whole at every moment"));
        if meta.is_some_and(|meta| seconds(&meta) >= recorded) {
            break place.expect("a folder");
        }
        assert!(begun.elapsed() < PATIENCE, "it is recorded");
        std::thread::sleep(Duration::from_millis(5));
    };
    // SIGKILL, in the middle of whatever it does.
    server.0.kill().expect("killed");
    server.0.wait().expect("it is gone");
    (place, toml)
}

fn probe(playlist: &Path) -> String {
    let asked = ["-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0", "FILE"];
    String::from_utf8(testkit::scratch::output_of("ffprobe", &asked, playlist)).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_leaves_a_recording_that_plays_and_the_next_one_lists_it() {
    let folder = Folder::new("recordings");
    let (place, toml) = tokio::task::block_in_place(|| killed(&folder, 12.0));
    let playlist = place.join("index.m3u8");
    let probed = probe(&playlist);
    assert!(probed.contains("h264,320,180") && probed.contains("opus"), "{probed}");
    in_step(&tokio::task::block_in_place(|| play(&playlist)), 10);
    let config = live_server::Config::from_toml(&toml).expect("a configuration");
    let server = LiveServer::start(config).await.expect("the server starts");
    let listed = until_listed(&server, "it is known again", |all| !all.is_empty()).await.remove(0);
    assert_eq!((&listed["open"], &listed["rule"], &listed["stream"]), (&false.into(), &"disk".into(), &"live".into()));
    let over_http = listed["playlist"].as_str().expect("an address");
    in_step(&record(&server, over_http, 60, &folder.file("over-http.mkv")).await, 10);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_takes_recordings_gives_them_back_and_is_cleared() {
    let (moto, folder) = (Moto::start("tide").await, Folder::new("recordings"));
    let rule =
        RecordingSettings { folder: None, s3: Some(moto.settings("tide")), ..RecordingSettings::into_folder("") };
    let configured = || {
        let mut config = config();
        config.publishing.grace_seconds = 0;
        config.recording.insert("cloud".to_owned(), rule.clone());
        config
    };
    let (server, reel) = (LiveServer::start(configured()).await.expect("the server starts"), Reel::new(40, 30));
    let _publisher = Publisher::start(&server, &reel).await;
    until_listed(&server, "it is recorded", |all| all.first().is_some_and(|one| seconds(one) > 5.0)).await;
    // Told to stop, it writes what there is.
    server.shutdown().await;
    let names = moto.names("tide").await;
    assert!(names.iter().all(|name| name.starts_with("shows/live/")), "{names:?}");
    assert!(names.iter().any(|name| name.ends_with("/video-00002.m4s")), "the last one is shorter: {names:?}");

    let server = LiveServer::start(configured()).await.expect("the server starts");
    let listed = until_listed(&server, "it is known again", |all| !all.is_empty()).await.remove(0);
    let playlist = listed["playlist"].as_str().expect("an address").to_owned();
    let least = seconds(&listed) as usize - 2;
    in_step(&record(&server, &playlist, 60, &folder.file("bucket.mkv")).await, least);
    let own = format!("/api/v1/recordings/cloud/live/{}", listed["id"].as_str().expect("a name"));
    assert_eq!(ask(&server, reqwest::Method::DELETE, &own, Some(KEY)).await.0, 204);
    assert_eq!(moto.names("tide").await, [""; 0]);
    server.shutdown().await;
}

//! Live streams sent on to servers that are not ours, and read back there.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use live_server::{Config, ForwardSettings, LiveServer};
use media::Secret;
use serde_json::{Value, json};
use testkit::scratch::{Folder, Running};
use testkit::{nginx_rtmp, port};

use crate::common::*;
use crate::files::in_step;
use crate::studio::*;

/// So many seconds are read back.
const SECONDS: u32 = 7;

fn nginx(folder: &Folder, port: u16) -> Running {
    let child = Command::new(nginx_rtmp::PROGRAM).args(nginx_rtmp::configure(folder, port)).spawn();
    let nginx = Running(child.expect("nginx (npm run setup installs it)"));
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < PATIENCE, "nginx does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    nginx
}

/// ffmpeg that listens for SRT and copies what comes, so many seconds of it.
fn srt_listener(port: u16, file: &std::path::Path) -> Running {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-i", &format!("srt://127.0.0.1:{port}?mode=listener")]);
    command.args(["-t", &SECONDS.to_string(), "-map", "0", "-c", "copy", "-y"]).arg(file);
    Running(command.stdin(Stdio::null()).spawn().expect("ffmpeg"))
}

fn ended(child: &mut Child) {
    let begun = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        assert!(begun.elapsed() < PATIENCE, "it has enough, and ends");
        std::thread::sleep(Duration::from_millis(20));
    }
}

async fn ask(server: &LiveServer, method: reqwest::Method, path: &str, body: &Value, key: &str) -> (u16, Value) {
    let request = reqwest::Client::new().request(method, url(server, &format!("/api/v1/streams/live/forwards{path}")));
    let request = if body.is_null() { request } else { request.body(body.to_string()) };
    let answer = request.bearer_auth(key).send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.expect("a body")).unwrap_or_default())
}

async fn get(server: &LiveServer) -> Vec<Value> {
    let (status, forwards) = ask(server, reqwest::Method::GET, "", &Value::Null, KEY).await;
    assert_eq!(status, 200);
    forwards.as_array().expect("a list").clone()
}

/// Waits until each of these is in that state.
async fn until_states(server: &LiveServer, wanted: &[(&str, &str)]) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let all = get(server).await;
        let is = |(name, state): &(&str, &str)| all.iter().any(|one| one["name"] == *name && one["state"] == *state);
        if wanted.iter().all(is) {
            return all;
        }
        assert!(begun.elapsed() < PATIENCE, "{wanted:?}: {all:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn forwarding(name: &str, to: &str, key: Option<&str>) -> Config {
    let mut config = config();
    config.publishing.grace_seconds = 0;
    let key = key.map(Secret::new);
    let settings =
        ForwardSettings { stream: "live".to_owned(), url: Secret::new(to), key, passphrase: None, latency_ms: 250 };
    config.forward.insert(name.to_owned(), settings);
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_and_an_srt_listener_get_every_picture_and_beep_and_a_dead_target_harms_nobody() {
    let folder = Folder::new("forward");
    let (rtmp, srt, file) = (port::free(), port::free(), folder.file("srt.mkv"));
    let (nginx, mut listener) = (nginx(&folder, rtmp), srt_listener(srt, &file));
    let to_nginx = forwarding("nginx", &format!("rtmp://127.0.0.1:{rtmp}/live"), Some("stream-key-there"));
    let server = LiveServer::start(to_nginx).await.expect("the server starts");
    for (name, url) in
        [("srt", format!("srt://127.0.0.1:{srt}")), ("dead", format!("rtmp://127.0.0.1:{}/live/secret", port::free()))]
    {
        let (status, made) = ask(&server, reqwest::Method::POST, "", &json!({ "name": name, "url": url }), KEY).await;
        assert_eq!((status, &made["state"], &made["origin"]), (201, &json!("waiting"), &json!("api")), "{made}");
    }
    let reel = Reel::new(60, 30);
    let mut publisher = Publisher::start(&server, &reel).await;
    let all = until_states(&server, &[("nginx", "live"), ("srt", "live"), ("dead", "reconnecting")]).await;
    let dead = all.iter().find(|one| one["name"] == "dead").expect("it is listed");
    assert!(dead["code"].is_string() && dead["hint"].is_string() && !dead.to_string().contains("secret"), "{dead}");
    assert!(!all.iter().any(|one| one.to_string().contains("stream-key-there")), "{all:?}");
    tokio::task::block_in_place(|| ended(&mut listener.0));
    assert!(server.streams()[0].fps > 20.0, "{:?}", server.streams());
    tokio::task::block_in_place(|| publisher.stop());
    until_states(&server, &[("nginx", "waiting"), ("dead", "waiting")]).await;
    server.shutdown().await;
    drop(nginx);
    let recorded = nginx_rtmp::recordings(&folder).remove(0);
    for file in [file, recorded] {
        eprintln!("{}", file.display());
        in_step(&tokio::task::spawn_blocking(move || play(&file)).await.expect("read"), SECONDS as usize - 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forwards_are_added_and_taken_away_by_the_publisher_alone_and_the_configurations_stay() {
    let server = LiveServer::start(forwarding("fixed", "rtmp://127.0.0.1:1/live", None)).await.expect("it starts");
    until_states(&server, &[("fixed", "waiting")]).await;
    let wanted = json!({ "name": "more", "url": "srt://127.0.0.1:1", "passphrase": "ten-characters" });
    let (post, delete) = (reqwest::Method::POST, reqwest::Method::DELETE);
    assert_eq!(ask(&server, post.clone(), "", &wanted, TOKEN).await.0, 401);
    assert_eq!(ask(&server, post.clone(), "", &wanted, KEY).await.0, 201);
    assert_eq!(ask(&server, post.clone(), "", &wanted, KEY).await.1["code"], "forward_in_the_way");
    for bad in
        [json!({ "name": "x" }), json!({ "name": "a/b", "url": "srt://a:1" }), json!({ "name": "x", "url": "y" })]
    {
        assert_eq!(ask(&server, post.clone(), "", &bad, KEY).await.1["code"], "bad_forward", "{bad}");
    }
    assert_eq!(ask(&server, delete.clone(), "/fixed", &Value::Null, KEY).await.0, 409);
    assert_eq!(ask(&server, delete.clone(), "/more", &Value::Null, TOKEN).await.0, 401);
    assert_eq!(ask(&server, delete.clone(), "/more", &Value::Null, KEY).await.0, 204);
    assert_eq!(ask(&server, delete, "/more", &Value::Null, KEY).await.0, 404);
    // Another configuration takes its own away, and what has changed begins anew.
    server.reload(forwarding("other", "rtmp://127.0.0.1:2/live", None)).await.expect("taken over");
    let left = until_states(&server, &[("other", "waiting")]).await;
    assert_eq!(left.len(), 1, "{left:?}");
    server.shutdown().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forward_that_was_added_is_there_after_a_restart_and_its_key_for_the_servers_user_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new("forward-kept");
    let kept = |folder: &Folder| {
        let mut config = config();
        config.publishing.grace_seconds = 0;
        let settings = live_server::AdminSettings {
            password: Some(Secret::new(crate::admin::PASSWORD)),
            folder: Some(folder.file("state")),
            ..Default::default()
        };
        config.admin = Some(settings);
        config
    };
    let rtmp = port::free();
    let (post, delete) = (reqwest::Method::POST, reqwest::Method::DELETE);
    let first = LiveServer::start(kept(&folder)).await.expect("the server starts");
    let wanted = json!({ "name": "kept", "url": format!("rtmp://127.0.0.1:{rtmp}/live"), "key": "stream-key-there" });
    assert_eq!(ask(&first, post.clone(), "", &wanted, KEY).await.0, 201);
    first.shutdown().await;
    let file = folder.file("state").join("forwards.json");
    assert_eq!(std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);

    let server = LiveServer::start(kept(&folder)).await.expect("the server starts");
    assert_eq!(get(&server).await[0]["origin"], "api");
    let mut publisher = Publisher::start(&server, &Reel::new(60, 30)).await;
    let waits = until_states(&server, &[("kept", "reconnecting")]).await.remove(0);
    assert!(waits["reconnects"].as_u64().is_some_and(|count| count >= 1) && waits["code"].is_string(), "{waits}");
    // The target is there now, and gets its key; who looks after the server tries again at once.
    let nginx = nginx(&folder, rtmp);
    let cookie = crate::admin::cookie(&server).await;
    let act = async |method, path: &str, body| crate::admin::ask(&server, method, path, Some(&cookie), body).await;
    assert_eq!(act(post.clone(), "streams/live/forwards/kept/retry", None).await.status(), 204);
    assert_eq!(act(post.clone(), "streams/live/forwards/none/retry", None).await.status(), 404);
    until_states(&server, &[("kept", "live")]).await;
    let begun = Instant::now();
    let sent = loop {
        let one = get(&server).await.remove(0);
        let bytes = one["sent_bytes_total"].as_u64().unwrap_or_default();
        if one["bitrate_kbps"].as_f64().is_some_and(|kbps| kbps > 10.0) {
            break bytes;
        }
        assert!(begun.elapsed() < PATIENCE, "{one}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(sent > 1000, "{sent}");
    let overview = crate::admin::read(act(reqwest::Method::GET, "overview", None).await).await;
    assert_eq!((&overview["forwards"][0]["name"], &overview["forwards"][0]["state"]), (&"kept".into(), &"live".into()));
    assert!(!overview.to_string().contains("stream-key-there"));
    let more = json!({ "name": "more", "url": "srt://127.0.0.1:1" });
    assert_eq!(act(post, "streams/live/forwards", Some(more)).await.status(), 201);
    for (name, left) in [("kept", 1), ("more", 0)] {
        assert_eq!(act(delete.clone(), &format!("streams/live/forwards/{name}"), None).await.status(), 204);
        assert_eq!(get(&server).await.len(), left);
    }
    assert!(!std::fs::read_to_string(&file).expect("a file").contains("stream-key-there"), "it is gone from the disk");
    tokio::task::block_in_place(|| publisher.stop());
    server.shutdown().await;
    drop(nginx);
    assert!(!nginx_rtmp::recordings(&folder).is_empty());
}

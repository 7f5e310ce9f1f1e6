//! Streams that are fetched from servers that are not ours, and read back from here.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use live_server::{Config, LiveServer, PullSettings, PullWhen, StreamSettings};
use media::Secret;
use serde_json::{Value, json};
use testkit::scratch::{Folder, Running};
use testkit::{nginx_rtmp, port};

use crate::common::*;
use crate::files::in_step;
use crate::play::{copy, ended};
use crate::rig::Program;
use crate::studio::*;

const SECONDS: usize = 7;
const CODECS: &str = "-c:v libx264 -preset veryfast -tune zerolatency -bf 0 -g 30 -keyint_min 30 -sc_threshold 0 -c:a aac -b:a 128k -ar 44100";

fn until_listens(address: SocketAddr) {
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(begun.elapsed() < PATIENCE, "{address} does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn nginx_rtmp(folder: &Folder, port: u16) -> Running {
    let child = Command::new(nginx_rtmp::PROGRAM).args(nginx_rtmp::configure(folder, port)).spawn();
    let nginx = Running(child.expect("nginx (npm run setup installs it)"));
    until_listens(SocketAddr::from(([127, 0, 0, 1], port)));
    nginx
}

/// nginx that serves a folder's files, as anybody serves HLS; under `/whole/`, whole files alone.
fn nginx_files(folder: &Folder, files: &Path, port: u16) -> Running {
    let at = folder.file("");
    let at = at.display();
    let configuration = format!(
        "daemon off; master_process off; user root; pid {at}/files.pid; error_log {at}/files.log; events {{}}
         http {{ access_log off; client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f;
           uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;
           server {{ listen 127.0.0.1:{port}; root {files}; location /whole/ {{ alias {files}/; max_ranges 0; }} }} }}",
        files = files.display()
    );
    let file = folder.file("files.conf");
    std::fs::write(&file, configuration).expect("written");
    let child = Command::new(nginx_rtmp::PROGRAM).arg("-c").arg(file).arg("-p").arg(folder.path()).spawn();
    let nginx = Running(child.expect("nginx"));
    until_listens(SocketAddr::from(([127, 0, 0, 1], port)));
    nginx
}

/// A folder that nginx serves, and the port.
fn served(folder: &Folder) -> (PathBuf, u16, Running) {
    let (files, port) = (folder.file("hls"), port::free());
    std::fs::create_dir(&files).expect("a folder");
    let nginx = nginx_files(folder, &files, port);
    (files, port, nginx)
}

/// A key among the served files; gives what ffmpeg is told of it (`-hls_key_info_file`).
fn key_of(folder: &Folder, files: &Path) -> String {
    let (key, info) = (files.join("key.bin"), folder.file("key.txt"));
    std::fs::write(&key, b"0123456789abcdef").expect("written");
    std::fs::write(&info, format!("key.bin\n{}\n", key.display())).expect("written");
    info.display().to_string()
}

fn pull(url: &str, when: PullWhen) -> PullSettings {
    PullSettings { url: Secret::new(url), key: None, passphrase: None, latency_ms: 250, when }
}

/// A server with a stream for each source.
fn fetching(sources: &[(&str, PullSettings)]) -> Config {
    let stream = |_: &str| StreamSettings {
        publish_key: Secret::new(KEY),
        view_token: Some(Secret::new(TOKEN)),
        signed_only: false,
    };
    let streams: BTreeMap<_, _> = sources.iter().map(|(name, _)| ((*name).to_owned(), stream(name))).collect();
    let pull = sources.iter().map(|(name, pull)| ((*name).to_owned(), pull.clone())).collect();
    Config { streams, pull, ..config() }
}

async fn ask(server: &LiveServer, method: reqwest::Method, stream: &str, body: &Value, key: &str) -> (u16, Value) {
    let request = reqwest::Client::new().request(method, url(server, &format!("/api/v1/streams/{stream}/pull")));
    let request = if body.is_null() { request } else { request.body(body.to_string()) };
    let answer = request.bearer_auth(key).send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.expect("a body")).unwrap_or_default())
}

async fn until_state(server: &LiveServer, stream: &str, state: &str) -> Value {
    let begun = Instant::now();
    loop {
        let (status, shown) = ask(server, reqwest::Method::GET, stream, &Value::Null, KEY).await;
        if status == 200 && shown["state"] == state {
            return shown;
        }
        assert!(begun.elapsed() < PATIENCE, "{stream} is not {state}: {status} {shown}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn watch(server: &LiveServer, stream: &str) -> String {
    url(server, &format!("/live/{stream}.flv?token={TOKEN}"))
}

/// What players get of every stream, once each has picture and sound.
async fn taken(server: &LiveServer, folder: &Folder) -> Vec<PathBuf> {
    let begun = Instant::now();
    while !server.streams().iter().all(|info| info.live && info.audio_codec.is_some() && info.width.is_some()) {
        assert!(begun.elapsed() < PATIENCE * 2, "{:?}", server.streams());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let streams = server.streams();
    let file = |name: &str| folder.file(&format!("{name}.mkv"));
    let mut copies: Vec<_> = streams.iter().map(|info| copy(&watch(server, &info.name), &file(&info.name))).collect();
    tokio::task::block_in_place(|| {
        for one in &mut copies {
            let (well, said) = ended(one);
            assert!(well, "{said}");
        }
    });
    streams.iter().map(|info| file(&info.name)).collect()
}

async fn all_in_step(files: Vec<PathBuf>) {
    for file in files {
        eprintln!("{}", file.display());
        let played = tokio::task::spawn_blocking(move || play(&file)).await.expect("read");
        in_step(&played, SECONDS - 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_by_rtmp_srt_and_hls_are_fetched_with_picture_and_sound_in_step() {
    let folder = Folder::new("pull");
    let (rtmp_port, srt_port, hls_port) = (port::free(), port::free(), port::free());
    let hls = folder.file("hls");
    std::fs::create_dir(&hls).expect("a folder");
    let _nginx = (nginx_rtmp(&folder, rtmp_port), nginx_files(&folder, &hls, hls_port));
    let to_rtmp = format!("rtmp://127.0.0.1:{rtmp_port}/live/show");
    let to_srt = format!("srt://127.0.0.1:{srt_port}?mode=listener&transtype=live");
    let playlist = hls.join("show.m3u8").display().to_string();
    let to_hls = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "6", "-hls_flags", "delete_segments", &playlist];
    let _programs = [
        Program::flash(CODECS, true, 90, &["-f", "flv", &to_rtmp]),
        Program::flash(CODECS, true, 90, &["-f", "mpegts", &to_srt]),
        Program::flash(CODECS, true, 90, &to_hls),
    ];
    let sources = [
        ("by-rtmp", pull(&to_rtmp, PullWhen::Always)),
        ("by-srt", pull(&format!("srt://127.0.0.1:{srt_port}"), PullWhen::Always)),
        ("by-hls", pull(&format!("http://127.0.0.1:{hls_port}/show.m3u8"), PullWhen::Always)),
    ];
    let server = LiveServer::start(fetching(&sources)).await.expect("the server starts");
    for (stream, _) in &sources {
        let shown = until_state(&server, stream, "live").await;
        assert!(!shown.to_string().contains(TOKEN) && !shown.to_string().contains("/live/show"), "{shown}");
        assert_eq!(shown["protocol"], stream.trim_start_matches("by-"));
    }
    let files = taken(&server, &folder).await;
    server.shutdown().await;
    all_in_step(files).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hls_in_mp4_encrypted_with_sound_apart_or_of_our_own_is_fetched_in_step() {
    let folder = Folder::new("pull");
    let (files, port, _nginx) = served(&folder);
    let key_info = key_of(&folder, &files);
    let at = |name: &str| files.join(name).display().to_string();
    let live = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "6", "-hls_flags", "delete_segments"];
    let mp4 = ["-hls_segment_type", "fmp4", "-hls_fmp4_init_filename"];
    let apart = ["-var_stream_map", "v:0,agroup:sound a:0,agroup:sound,default:yes", "-master_pl_name", "apart.m3u8"];
    let mut origin_config = config();
    origin_config.rtmp.listen = Some("127.0.0.1:0".parse().expect("an address"));
    let origin = LiveServer::start(origin_config).await.expect("the origin starts");
    let to_origin = format!("rtmp://{}/live/{KEY}", origin.rtmp_addr().expect("it listens"));
    let _programs = [
        Program::flash(CODECS, true, 90, &[&live[..], &mp4, &["mp4.init", &at("mp4.m3u8")]].concat()),
        Program::flash(CODECS, true, 90, &[&live[..], &["-hls_key_info_file", &key_info, &at("locked.m3u8")]].concat()),
        Program::flash(
            CODECS,
            true,
            90,
            &[&live[..], &mp4, &["apart-%v.init"], &apart, &[&at("apart-%v.m3u8")]].concat(),
        ),
        Program::flash(CODECS, true, 90, &["-f", "flv", &to_origin]),
    ];
    let from = |name: &str| pull(&format!("http://127.0.0.1:{port}/{name}.m3u8"), PullWhen::Always);
    let own =
        PullSettings { key: Some(Secret::new(TOKEN)), ..pull(&url(&origin, "/hls/live/index.m3u8"), PullWhen::Always) };
    let sources = [("mp4", from("mp4")), ("locked", from("locked")), ("apart", from("apart")), ("own", own)];
    let server = LiveServer::start(fetching(&sources)).await.expect("the server starts");
    let files = taken(&server, &folder).await;
    server.shutdown().await;
    origin.shutdown().await;
    all_in_step(files).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hls_whose_segments_are_parts_of_one_file_is_fetched_in_step_also_of_a_server_that_knows_no_parts() {
    let folder = Folder::new("pull");
    let (files, port, _nginx) = served(&folder);
    let at = |name: &str| files.join(name).display().to_string();
    let live = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "6", "-hls_flags", "single_file"];
    let _programs = [
        Program::flash(CODECS, true, 90, &[&live[..], &[&at("ts.m3u8")]].concat()),
        Program::flash(CODECS, true, 90, &[&live[..], &["-hls_segment_type", "fmp4", &at("mp4.m3u8")]].concat()),
    ];
    let from = |path: &str| pull(&format!("http://127.0.0.1:{port}/{path}.m3u8"), PullWhen::Always);
    let sources = [("ts", from("ts")), ("mp4", from("mp4")), ("whole", from("whole/mp4"))];
    let server = LiveServer::start(fetching(&sources)).await.expect("the server starts");
    let played = taken(&server, &folder).await;
    server.shutdown().await;
    for (name, tag) in [("ts", "#EXT-X-BYTERANGE:"), ("mp4", ",BYTERANGE=\"")] {
        let playlist = std::fs::read_to_string(at(&format!("{name}.m3u8"))).expect("a playlist");
        assert!(playlist.contains(tag), "{playlist}");
    }
    all_in_step(played).await;
}

/// Puts what one playlist's segments hold one behind the other into a single file, which `joined.m3u8` beside it lists the
/// parts of. Encrypted segments stay as they are: each is a part that is encrypted for itself (RFC 8216, section 5.2).
struct Joined {
    over: Arc<AtomicBool>,
    work: Option<JoinHandle<()>>,
}

impl Joined {
    fn of(files: &Path, playlist: &str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (files, playlist, end) = (files.to_owned(), files.join(playlist), Arc::clone(&over));
        let work = std::thread::spawn(move || {
            let mut whole = std::fs::File::create(files.join("joined.ts")).expect("a file");
            let mut parts = BTreeMap::new();
            let (mut length, mut listed) = (0, String::new());
            while !end.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
                let text = std::fs::read_to_string(&playlist).unwrap_or_default();
                if text == listed {
                    continue;
                }
                let mut out = String::new();
                for line in text.lines() {
                    if line.starts_with('#') {
                        out += &format!("{line}\n");
                        continue;
                    }
                    let (size, start) = *parts.entry(line.to_owned()).or_insert_with(|| {
                        let segment = std::fs::read(files.join(line)).expect("a segment");
                        std::io::Write::write_all(&mut whole, &segment).expect("written");
                        length += segment.len();
                        (segment.len(), length - segment.len())
                    });
                    out += &format!("#EXT-X-BYTERANGE:{size}@{start}\njoined.ts\n");
                }
                std::fs::write(files.join("joined.new"), out).expect("written");
                std::fs::rename(files.join("joined.new"), files.join("joined.m3u8")).expect("renamed");
                listed = text;
            }
        });
        Self { over, work: Some(work) }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let ended = self.work.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the joining failed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hls_of_encrypted_parts_of_one_file_is_fetched_in_step() {
    let folder = Folder::new("pull");
    let (files, port, _nginx) = served(&folder);
    let (playlist, key_info) = (files.join("locked.m3u8").display().to_string(), key_of(&folder, &files));
    let live = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "6", "-hls_key_info_file", &key_info, &playlist];
    let _program = Program::flash(CODECS, true, 90, &live);
    let joined = Joined::of(&files, "locked.m3u8");
    let from = |path: &str| pull(&format!("http://127.0.0.1:{port}/{path}.m3u8"), PullWhen::Always);
    let server = LiveServer::start(fetching(&[("parts", from("joined")), ("whole", from("whole/joined"))])).await;
    let server = server.expect("the server starts");
    let played = taken(&server, &folder).await;
    server.shutdown().await;
    drop(joined);
    let listed = std::fs::read_to_string(files.join("joined.m3u8")).expect("a playlist");
    assert!(listed.contains("METHOD=AES-128") && listed.contains("#EXT-X-BYTERANGE:"), "{listed}");
    all_in_step(played).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_by_whep_is_in_step_once_its_server_knows_the_publishers_clock() {
    let folder = Folder::new("pull");
    let origin = LiveServer::start(config()).await.expect("the origin starts");
    let from = format!("whep+{}", url(&origin, "/whep/live"));
    let source = PullSettings { key: Some(Secret::new(TOKEN)), ..pull(&from, PullWhen::Always) };
    let server = LiveServer::start(fetching(&[("show", source)])).await.expect("the server starts");
    // The source is asked for before there is anything: its server's first reports are guesses.
    let mut publisher = Publisher::start(&origin, &Reel::new(60, 30)).await;
    until_state(&server, "show", "live").await;
    let live = Instant::now();
    let mut shown = None;
    while shown.is_none_or(|since: Instant| since.elapsed() < Duration::from_secs(6)) {
        let info = &server.streams()[0];
        let whole = info.live && info.audio_codec.is_some() && info.width.is_some();
        shown = whole.then(|| shown.unwrap_or_else(Instant::now));
        assert!(live.elapsed() < PATIENCE, "{info:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let files = taken(&server, &folder).await;
    tokio::task::block_in_place(|| publisher.stop());
    server.shutdown().await;
    origin.shutdown().await;
    all_in_step(files).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_goes_and_comes_back_resumes_and_one_that_nobody_watches_is_left_alone() {
    let mut origin_config = config();
    origin_config.rtmp.listen = Some("127.0.0.1:0".parse().expect("an address"));
    origin_config.publishing.grace_seconds = 0;
    let origin = LiveServer::start(origin_config).await.expect("the origin starts");
    let from = format!("rtmp://{}/live/live?token={TOKEN}", origin.rtmp_addr().expect("it listens"));
    let server = LiveServer::start(fetching(&[("show", pull(&from, PullWhen::Watched))])).await.expect("it starts");
    let waiting = until_state(&server, "show", "waiting").await;
    assert_eq!((&waiting["when"], &waiting["origin"]), (&json!("watched"), &json!("configuration")));
    let asked = reqwest::get(watch(&server, "show")).await.expect("an answer");
    assert_eq!(asked.status(), 404, "not yet, but it was asked for");
    let broken = until_state(&server, "show", "reconnecting").await;
    assert_eq!(broken["code"], "stream_not_there", "{broken}");
    assert!(broken["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{broken}");
    let reel = Reel::new(60, 30);
    for _ in 0..2 {
        let mut publisher = Publisher::start(&origin, &reel).await;
        let begun = Instant::now();
        // Who watches keeps asking.
        while reqwest::get(watch(&server, "show")).await.expect("an answer").status() != 200 {
            assert!(begun.elapsed() < PATIENCE, "{:?}", server.streams());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(until_state(&server, "show", "live").await["code"], Value::Null);
        tokio::task::block_in_place(|| publisher.stop());
        until_state(&server, "show", "reconnecting").await;
    }
    // Nobody asks any more.
    until_state(&server, "show", "waiting").await;
    server.shutdown().await;
    origin.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_set_and_taken_away_by_the_publisher_alone_and_its_secrets_are_never_shown() {
    let fixed = pull(&format!("rtmp://127.0.0.1:{}/live/hidden-name", port::free()), PullWhen::Always);
    let mut config = fetching(&[("fixed", fixed)]);
    let other = config.streams["fixed"].clone();
    config.streams.insert("free".to_owned(), other);
    let server = LiveServer::start(config).await.expect("the server starts");
    let (get, put, delete) = (reqwest::Method::GET, reqwest::Method::PUT, reqwest::Method::DELETE);
    let dead = until_state(&server, "fixed", "reconnecting").await;
    assert!(dead["code"] == "address_unreachable" && !dead.to_string().contains("hidden-name"), "{dead}");
    let wanted = json!({ "url": format!("srt://127.0.0.1:{}?streamid=hidden-id", port::free()),
                         "passphrase": "hidden-passphrase", "when": "watched" });
    assert_eq!(ask(&server, get.clone(), "free", &Value::Null, KEY).await.1["code"], "no_such_pull");
    assert_eq!(ask(&server, put.clone(), "free", &wanted, TOKEN).await.0, 401);
    let (status, shown) = ask(&server, put.clone(), "free", &wanted, KEY).await;
    assert!(status == 200 && shown["state"] == "waiting" && !shown.to_string().contains("hidden"), "{status} {shown}");
    for bad in [json!({}), json!({ "url": "ftp://a/b" }), json!({ "url": "srt://a:1", "when": "never" })] {
        assert_eq!(ask(&server, put.clone(), "free", &bad, KEY).await.1["code"], "bad_pull", "{bad}");
    }
    assert_eq!(ask(&server, put, "fixed", &wanted, KEY).await.1["code"], "pull_in_the_way");
    assert_eq!(ask(&server, delete.clone(), "fixed", &Value::Null, KEY).await.0, 409);
    assert_eq!(ask(&server, delete.clone(), "free", &Value::Null, KEY).await.0, 204);
    assert_eq!(ask(&server, delete, "free", &Value::Null, KEY).await.0, 404);
    server.shutdown().await;
}

//! A live stream played over HTTP-FLV, RTMP and SRT by programs that are not ours, and read back.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use live_server::{Config, LiveServer};
use testkit::scratch::{Folder, Running};

use crate::common::*;
use crate::files::in_step;
use crate::rig::{Program, until_live};
use crate::studio::*;

/// So many seconds are read back.
const SECONDS: u32 = 7;

pub(crate) fn open_config() -> Config {
    let mut config = config();
    config.rtmp.listen = Some("127.0.0.1:0".parse().expect("an address"));
    config.srt.listen = config.rtmp.listen;
    config
}

pub(crate) fn flv(server: &LiveServer, token: &str) -> String {
    url(server, &format!("/live/live.flv?token={token}"))
}

pub(crate) fn rtmp(server: &LiveServer, token: &str) -> String {
    format!("rtmp://{}/live/live?token={token}", server.rtmp_addr().expect("it listens"))
}

pub(crate) fn srt(server: &LiveServer, token: &str) -> String {
    let address = server.srt_addr().expect("it listens");
    format!("srt://{address}?mode=caller&transtype=live&streamid=%23!::r=live,m=request,s={token}")
}

/// ffmpeg that copies a few seconds of an address into a file.
pub(crate) fn copy(from: &str, file: &Path) -> Running {
    copy_for(from, file, SECONDS)
}

/// The same of so many.
pub(crate) fn copy_for(from: &str, file: &Path, seconds: u32) -> Running {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-i", from, "-t", &seconds.to_string(), "-map", "0", "-c", "copy", "-y"]);
    Running(command.arg(file).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("ffmpeg"))
}

/// Waits for its end, and what it said then; `true`: it says it went well.
pub(crate) fn ended(program: &mut Running) -> (bool, String) {
    let begun = Instant::now();
    while program.0.try_wait().expect("a child").is_none() {
        assert!(begun.elapsed() < PATIENCE, "it has enough, and ends");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut said = String::new();
    program.0.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    (program.0.wait().expect("a child").success(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_plays_flv_rtmp_and_srt_with_picture_and_sound_in_step() {
    let folder = Folder::new("play");
    let server = LiveServer::start(open_config()).await.expect("the server starts");
    let mut publisher = Publisher::start(&server, &Reel::new(60, 30)).await;
    let files = ["flv.flv", "rtmp.mkv", "srt.mkv"].map(|name| folder.file(name));
    let mut copies: Vec<Running> = [flv(&server, TOKEN), rtmp(&server, TOKEN), srt(&server, TOKEN)]
        .iter()
        .zip(&files)
        .map(|(from, file)| copy(from, file))
        .collect();
    tokio::task::block_in_place(|| {
        for one in &mut copies {
            let (well, said) = ended(one);
            assert!(well && said.is_empty(), "{said}");
        }
        publisher.stop();
    });
    server.shutdown().await;
    for file in files {
        eprintln!("{}", file.display());
        let played = tokio::task::spawn_blocking(move || play(&file)).await.expect("read");
        in_step(&played, SECONDS as usize - 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gstreamer_plays_rtmp_with_picture_and_sound_in_step() {
    let folder = Folder::new("play");
    let server = LiveServer::start(open_config()).await.expect("the server starts");
    let mut publisher = Publisher::start(&server, &Reel::new(60, 30)).await;
    let file = folder.file("gstreamer.mkv");
    let mut gstreamer = Command::new("gst-launch-1.0");
    gstreamer.args([
        "-q",
        "-e",
        "rtmp2src",
        &format!("location={}", rtmp(&server, TOKEN)),
        "!",
        "flvdemux",
        "name=demux",
    ]);
    gstreamer.args(["demux.video", "!", "queue", "!", "h264parse", "!", "mux."]);
    gstreamer.args(["demux.audio", "!", "queue", "!", "aacparse", "!", "mux.", "matroskamux", "name=mux", "!"]);
    gstreamer.args(["filesink", &format!("location={}", file.display())]).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut gstreamer = Running(gstreamer.spawn().expect("gst-launch-1.0 (npm run setup installs it)"));
    tokio::task::block_in_place(|| {
        let begun = Instant::now();
        while std::fs::metadata(&file).map_or(0, |file| file.len()) == 0 {
            assert!(begun.elapsed() < PATIENCE, "it records");
            std::thread::sleep(Duration::from_millis(50));
        }
        // So much of the stream.
        std::thread::sleep(Duration::from_secs(SECONDS.into()));
        let asked = Command::new("kill").args(["-INT", &gstreamer.0.id().to_string()]).status().expect("kill");
        let (well, said) = ended(&mut gstreamer);
        assert!(asked.success() && well, "{said}");
        publisher.stop();
    });
    server.shutdown().await;
    let played = tokio::task::spawn_blocking(move || play(&file)).await.expect("read");
    in_step(&played, 3);
}

/// The tags of an FLV file as far as it has come: kind, milliseconds, the first bytes.
fn tags(mut file: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let mut tags = Vec::new();
    assert!(file.starts_with(b"FLV\x01\x05"), "picture and sound");
    file = &file[13..];
    while let Some(head) = file.get(..11) {
        let length = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        let Some(body) = file.get(11..11 + length) else { break };
        tags.push((
            head[0],
            u32::from_be_bytes([head[7], head[4], head[5], head[6]]),
            body[..body.len().min(8)].to_vec(),
        ));
        file = file.get(11 + length + 4..).unwrap_or_default();
    }
    tags
}

/// Reads the body of a chunked answer until it holds so many pictures.
fn read_pictures(server: &LiveServer, wanted: usize) -> Vec<(u8, u32, Vec<u8>)> {
    let mut socket = TcpStream::connect(server.http_addr()).expect("connected");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    // HTTP/1.0 has no chunks: the body is the file.
    write!(socket, "GET /live/live.flv HTTP/1.0\r\nAuthorization: Bearer {TOKEN}\r\n\r\n").expect("sent");
    let (mut got, mut buffer) = (Vec::new(), [0; 65536]);
    loop {
        let read = socket.read(&mut buffer).expect("more to come");
        assert!(read > 0, "it goes on");
        got.extend_from_slice(&buffer[..read]);
        let Some(head) = got.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        assert!(got.starts_with(b"HTTP/1.0 200 OK"), "{}", String::from_utf8_lossy(&got[..head]));
        if got.len() < head + 17 {
            continue;
        }
        let tags = tags(&got[head + 4..]);
        if tags.iter().filter(|(kind, ..)| *kind == 9).count() > wanted {
            return tags;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_in_the_middle_of_a_long_group_begins_at_its_keyframe_at_once() {
    let folder = Folder::new("play");
    let server = LiveServer::start(open_config()).await.expect("the server starts");
    let codecs =
        "-c:v libx264 -preset veryfast -tune zerolatency -bf 0 -g 900 -keyint_min 900 -sc_threshold 0 -c:a aac";
    let to = format!("rtmp://{}/live/{KEY}", server.rtmp_addr().expect("it listens"));
    let _publisher = Program::flash(codecs, true, 40, &["-f", "flv", &to]);
    until_live(&server).await;
    // A first player has the stream packed; the second comes into the middle of the group.
    let _first = copy(&flv(&server, TOKEN), &folder.file("first.flv"));
    tokio::task::block_in_place(|| {
        read_pictures(&server, 60);
        let begun = Instant::now();
        let tags = read_pictures(&server, 60);
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        let pictures: Vec<_> = tags.iter().filter(|(kind, ..)| *kind == 9).collect();
        assert_eq!(pictures[0].2[..2], [0x17, 0], "what a decoder needs");
        assert_eq!((pictures[1].1, &pictures[1].2[..2]), (0, &[0x17, 1][..]), "a keyframe");
        let sound = tags.iter().filter(|(kind, ..)| *kind == 8).map(|(_, at, _)| *at).collect::<Vec<_>>();
        assert!(sound.first().is_some_and(|at| *at < 200), "with the sound of that moment: {sound:?}");
    });
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_no_token_and_a_stream_that_is_not_there_are_refused_by_each_protocol() {
    let folder = Folder::new("play");
    let server = LiveServer::start(open_config()).await.expect("the server starts");
    let file = folder.file("none.mkv");
    let answer = async |path: &str| {
        let answer = reqwest::get(url(&server, path)).await.expect("an answer");
        let status = answer.status().as_u16();
        let body: serde_json::Value = serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON");
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(answer("/live/live.flv").await, (401, "unauthorized".to_owned()));
    assert_eq!(answer("/live/live.flv?token=wrong-token").await, (401, "unauthorized".to_owned()));
    assert_eq!(answer(&format!("/live/live.flv?token={TOKEN}")).await, (404, "not_live".to_owned()));
    assert_eq!(answer("/live/other.flv").await, (404, "no_such_stream".to_owned()));
    assert_eq!(answer("/live/live.mp4").await, (404, "no_such_page".to_owned()));
    tokio::task::block_in_place(|| {
        let refused = |from: &str| {
            let (well, said) = ended(&mut copy(from, &file));
            assert!(!well, "{from}: {said}");
            said
        };
        assert!(refused(&rtmp(&server, "wrong-token")).contains("unauthorized"));
        assert!(refused(&rtmp(&server, TOKEN)).contains("not_live"));
        refused(&srt(&server, "wrong-token"));
        refused(&srt(&server, TOKEN));
    });
    assert!(!file.exists());
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn players_count_as_viewers_and_end_with_the_stream() {
    let mut config = open_config();
    config.limits.viewers = 1;
    config.publishing.grace_seconds = 0;
    let folder = Folder::new("play");
    let server = LiveServer::start(config).await.expect("the server starts");
    let mut publisher = Publisher::start(&server, &Reel::new(60, 30)).await;
    let mut socket = TcpStream::connect(server.http_addr()).expect("connected");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    write!(socket, "GET /live/live.flv HTTP/1.0\r\nAuthorization: Bearer {TOKEN}\r\n\r\n").expect("sent");
    let mut first = [0; 4096];
    tokio::task::block_in_place(|| socket.read(&mut first).expect("the stream begins"));
    let answer = reqwest::get(flv(&server, TOKEN)).await.expect("an answer");
    assert_eq!(answer.status(), 503, "there is room for one");
    let (well, said) =
        tokio::task::block_in_place(|| ended(&mut copy(&rtmp(&server, TOKEN), &folder.file("none.mkv"))));
    assert!(!well && said.contains("full"), "{said}");
    tokio::task::block_in_place(|| {
        publisher.stop();
        // To its end, and not to an error.
        std::io::copy(&mut socket, &mut std::io::sink()).expect("it ends");
    });
    server.shutdown().await;
}

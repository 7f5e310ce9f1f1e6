//! RTMP in, WHEP out, with ffmpeg as the publisher.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use live_server::{Config, LiveServer, PublishingSettings, SecondPublisher};
use rtmp::Messages;

use crate::common::*;
use crate::rig::{NO_B, Program, Seen, WITH_B, certificate, pictures, until_live, watch};
use testkit::scratch::Folder;

fn rtmp_config() -> Config {
    let mut config = config();
    config.rtmp.listen = Some("127.0.0.1:0".parse().expect("an address"));
    config
}

async fn rtmp_server() -> LiveServer {
    LiveServer::start(rtmp_config()).await.expect("the server starts")
}

fn address(server: &LiveServer, key: &str) -> String {
    format!("rtmp://{}/live/{key}", server.rtmp_addr().expect("it listens"))
}

fn publish(server: &LiveServer, pictures: &std::path::Path, codecs: &str) -> Program {
    Program::publish(pictures, codecs, &["-f", "flv", &address(server, KEY)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_and_sound_at_44_khz_reach_a_viewer_in_step() {
    let (server, folder) = (rtmp_server().await, Folder::new("live"));
    let _publisher = publish(&server, &pictures(&folder, 20), NO_B);
    until_live(&server).await;
    let viewer = watch(&server, 5).await;
    let late = Seen::of(&viewer, &folder).assert_in_step();
    let info = server.streams().remove(0);
    assert_eq!((info.width, info.height), (Some(crate::rig::WIDTH), Some(crate::rig::HEIGHT)));
    assert_eq!((info.protocol.as_deref(), info.notice.as_deref()), (Some("rtmp"), None));
    assert!((20.0..40.0).contains(&info.fps) && info.bitrate_kbps > 100.0, "{info:?}");
    println!("sound is late by {late:?} ms");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reordered_pictures_reach_a_viewer_in_order_and_in_step() {
    let (server, folder) = (rtmp_server().await, Folder::new("live"));
    let _publisher = publish(&server, &pictures(&folder, 25), WITH_B);
    until_live(&server).await;
    let viewer = watch(&server, 5).await;
    let late = Seen::of(&viewer, &folder).assert_in_step();
    println!("sound is late by {late:?} ms");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_place_to_encode_reordered_pictures_the_figures_say_so_and_sound_is_heard() {
    let (mut config, folder) = (rtmp_config(), Folder::new("live"));
    config.transcoding.most_videos = 0;
    let server = LiveServer::start(config).await.expect("the server starts");
    let _publisher = publish(&server, &pictures(&folder, 20), WITH_B);
    until_live(&server).await;
    let mut viewer = Peer::viewer(&server).await;
    until(&mut [&mut viewer], "sound", |peers| peers[0].got.len() > 50);
    assert!(viewer.video().is_empty());
    let notice = server.streams().remove(0).notice.expect("a notice");
    assert!(notice.contains("B-frames"), "{notice}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_the_same_connection_shows_the_next_run_within_two_seconds_of_its_first_picture() {
    let (server, folder) = (rtmp_server().await, Folder::new("live"));
    let pictures = pictures(&folder, 20);
    let mut first = publish(&server, &pictures, NO_B);
    until_live(&server).await;
    let mut viewer = watch(&server, 1).await;
    first.kill();
    until(&mut [&mut viewer], "the publisher is missed", |_| !server.streams()[0].live);
    let _second = publish(&server, &pictures, NO_B);
    until(&mut [&mut viewer], "it is live again", |_| server.streams()[0].live);
    let (before, back) = (viewer.video().len(), Instant::now());
    until(&mut [&mut viewer], "a picture again", |peers| peers[0].video().len() > before + 20);
    assert!(back.elapsed() < Duration::from_secs(2), "{:?}", back.elapsed());
    assert!(!viewer.closed);
    crate::rig::access_units(&viewer);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_refused_in_words_and_counted() {
    let (server, folder) = (rtmp_server().await, Folder::new("live"));
    let pictures = pictures(&folder, 3);
    for (to, word) in [("live/not-the-key", "unauthorized"), ("nothing/not-the-key", "no_such_stream")] {
        let to = format!("rtmp://{}/{to}", server.rtmp_addr().expect("it listens"));
        let mut publisher = Program::publish(&pictures, NO_B, &["-f", "flv", &to]);
        let (well, said) = publisher.ended();
        assert!(!well && said.contains(word), "{said}");
    }
    assert!(!server.streams()[0].live);
    let metrics = reqwest::get(url(&server, "/metrics")).await.expect("figures").text().await.expect("text");
    assert!(metrics.contains("tidecast_publishers_refused_total 1\n"), "{metrics}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_publisher_takes_over_or_is_refused_as_the_settings_say() {
    let folder = Folder::new("live");
    let pictures = pictures(&folder, 20);
    let server = rtmp_server().await;
    let mut first = publish(&server, &pictures, NO_B);
    until_live(&server).await;
    let mut second = publish(&server, &pictures, NO_B);
    first.ended();
    assert!(second.is_running() && server.streams()[0].live);
    server.shutdown().await;

    let mut config = rtmp_config();
    config.publishing =
        PublishingSettings { second_publisher: SecondPublisher::Refuse, ..PublishingSettings::default() };
    let server = LiveServer::start(config).await.expect("the server starts");
    let mut first = publish(&server, &pictures, NO_B);
    until_live(&server).await;
    let (well, said) = publish(&server, &pictures, NO_B).ended();
    assert!(!well && said.contains("already_live"), "{said}");
    assert!(first.is_running() && server.streams()[0].live);
    server.shutdown().await;
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).expect("connected");
    stream.set_nonblocking(true).expect("a socket");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_says_nothing_or_nonsense_keeps_nobody_out() {
    let (server, folder) = (rtmp_server().await, Folder::new("live"));
    let pictures = pictures(&folder, 15);
    let to = server.rtmp_addr().expect("it listens");
    let mut crowd: Vec<TcpStream> = (0..600).map(|_| connect(to)).collect();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for (index, stream) in crowd.iter_mut().enumerate() {
        let bytes: Vec<u8> = (0..3000)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) as u8
            })
            .collect();
        let _ = match index % 4 {
            0 => stream.write(&bytes),
            // A good handshake, and then nonsense.
            1 => stream.write(&[&[3], &bytes[..], &bytes[..]].concat()),
            2 => stream.write(b"GET / HTTP/1.1\r\n\r\n"),
            _ => Ok(0),
        };
    }
    let began = Instant::now();
    let _publisher = publish(&server, &pictures, NO_B);
    until_live(&server).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let waits = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
    let open = crowd
        .iter_mut()
        .map(|stream| stream.read(&mut [0; 4096]))
        .filter(|read| matches!(read, Err(error) if waits(error)))
        .count();
    assert!(open < 400, "{open} of 600 are still open");
    watch(&server, 1).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_it_is_the_same() {
    let (mut config, folder) = (rtmp_config(), Folder::new("live"));
    let (certificate, key) = certificate(&folder, "localhost");
    config.rtmp.tls_listen = config.rtmp.listen.take();
    (config.rtmp.certificate, config.rtmp.private_key) = (Some(certificate), Some(key));
    let server = LiveServer::start(config).await.expect("the server starts");
    assert_eq!(server.rtmp_addr(), None);
    let to = format!("rtmps://{}/live/{KEY}", server.rtmps_addr().expect("it listens"));
    let _publisher = Program::publish(&pictures(&folder, 15), NO_B, &["-f", "flv", &to]);
    until_live(&server).await;
    watch(&server, 1).await;
    server.shutdown().await;
}

/// Our own client, which speaks Enhanced RTMP.
struct OpusPublisher {
    client: rtmp::Client,
    stream: TcpStream,
}

impl OpusPublisher {
    fn start(to: SocketAddr) -> Self {
        let target = rtmp::Target::parse(&format!("rtmp://{to}/live"), Some(&media::Secret::new(KEY))).expect("good");
        let stream = TcpStream::connect(to).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut this = Self { client: rtmp::Client::new(target), stream };
        loop {
            this.send();
            if let Some(rtmp::Event::Publishing(features)) = this.client.event() {
                assert!(features.opus);
                return this;
            }
            let mut buffer = [0; 4096];
            let read = this.stream.read(&mut buffer).expect("an answer");
            this.client.input(&buffer[..read]).expect("not refused");
        }
    }

    fn send(&mut self) {
        let bytes = self.client.output().split();
        self.stream.write_all(&bytes).expect("sent");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opus_passes_untouched_and_without_a_picture() {
    let server = rtmp_server().await;
    let mut publisher = OpusPublisher::start(server.rtmp_addr().expect("it listens"));
    publisher.client.audio(0, rtmp::flv::opus_configuration());
    let (began, mut sent) = (Instant::now(), Vec::new());
    let mut viewer: Option<Peer> = None;
    while viewer.as_ref().is_none_or(|viewer| viewer.got.len() < 100) {
        assert!(began.elapsed() < PATIENCE, "sound comes through");
        // 20 ms of CELT each, with their number inside.
        let number = sent.len() as u32;
        let packet = [&[0xfc][..], &number.to_be_bytes(), &[7; 60]].concat();
        // Whole milliseconds that jitter, as a publisher's clock may.
        publisher.client.audio(number * 20 + number % 3, rtmp::flv::opus_frame(&packet));
        publisher.send();
        sent.push(packet);
        if let Some(viewer) = &mut viewer {
            viewer.step();
        } else if server.streams()[0].live {
            viewer = Some(Peer::viewer(&server).await);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let got = viewer.expect("a viewer").got;
    assert!(got.iter().all(|packet| sent.contains(&packet.payload)));
    assert!(got.windows(2).all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) == 960), "evenly spaced");
    server.shutdown().await;
}

//! SRT in, WHEP out, with ffmpeg as the caller.

use std::net::UdpSocket;

use live_server::{Config, LiveServer};
use media::Secret;

use crate::common::*;
use crate::rig::{NO_B, Program, Seen, WITH_B, pictures, until_live, watch};
use testkit::scratch::Folder;

const PASSPHRASE: &str = "a-passphrase-for-tests";

fn srt_config() -> Config {
    let mut config = config();
    config.srt.listen = Some("127.0.0.1:0".parse().expect("an address"));
    config
}

fn publish(server: &LiveServer, pictures: &std::path::Path, codecs: &str, id: &str, more: &str) -> Program {
    let to = format!("srt://{}?mode=caller&transtype=live&streamid={id}{more}", server.srt_addr().expect("it listens"));
    Program::publish(pictures, codecs, &["-f", "mpegts", &to])
}

/// With what of it has a meaning in ffmpeg's address escaped.
fn id(key: &str) -> String {
    format!("%23!::r=live,m=publish,s={key}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_and_sound_reach_a_viewer_in_step() {
    let (server, folder) = (LiveServer::start(srt_config()).await.expect("the server starts"), Folder::new("live"));
    let _publisher = publish(&server, &pictures(&folder, 20), NO_B, &id(KEY), "");
    until_live(&server).await;
    let viewer = watch(&server, 5).await;
    let late = Seen::of(&viewer, &folder).assert_in_step();
    let info = server.streams().remove(0);
    assert_eq!((info.protocol.as_deref(), info.width), (Some("srt"), Some(crate::rig::WIDTH)));
    println!("sound is late by {late:?} ms");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_stream_with_reordered_pictures_reaches_a_viewer_in_step() {
    let (mut config, folder) = (srt_config(), Folder::new("live"));
    config.srt.passphrase = Some(Secret::new(PASSPHRASE));
    let server = LiveServer::start(config).await.expect("the server starts");
    let more = format!("&passphrase={PASSPHRASE}&pbkeylen=16");
    let _publisher = publish(&server, &pictures(&folder, 25), WITH_B, &format!("publish:live:{KEY}"), &more);
    until_live(&server).await;
    let viewer = watch(&server, 5).await;
    let late = Seen::of(&viewer, &folder).assert_in_step();
    println!("sound is late by {late:?} ms");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_no_id_and_a_wish_to_watch_are_rejected() {
    let (server, folder) = (LiveServer::start(srt_config()).await.expect("the server starts"), Folder::new("live"));
    let pictures = pictures(&folder, 3);
    for id in [id("not-the-key"), "nothing".to_owned(), format!("read:live:{KEY}")] {
        let (well, said) = publish(&server, &pictures, NO_B, &id, "").ended();
        assert!(!well, "{id}: {said}");
    }
    assert!(!server.streams()[0].live);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_datagrams_and_half_handshakes_keep_nobody_out() {
    let (server, folder) = (LiveServer::start(srt_config()).await.expect("the server starts"), Folder::new("live"));
    let to = server.srt_addr().expect("it listens");
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let sockets: Vec<UdpSocket> = (0..200).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a socket")).collect();
    for round in 0..20usize {
        for socket in &sockets {
            let bytes: Vec<u8> = (0..64 + round * 60)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (seed >> 33) as u8
                })
                .collect();
            // Every second one begins like SRT's handshake (control packet, type 0).
            let bytes = if round % 2 == 0 { bytes } else { [&[0x80, 0, 0, 0][..], &bytes[4..]].concat() };
            let _ = socket.send_to(&bytes, to);
        }
    }
    let _publisher = publish(&server, &pictures(&folder, 15), NO_B, &id(KEY), "");
    until_live(&server).await;
    watch(&server, 1).await;
    server.shutdown().await;
}

//! HEVC and AV1 to destinations that take them, and to those that don't.
//!
//! No server of Debian's lists either codec, so the one that takes them is our own state machine; what it was sent is
//! taken apart here by the specification, and its pictures are decoded and read by ffmpeg.

use std::path::Path;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use media::VideoCodec;
use publish::{MpegTsTarget, PublishStatus, RtpTarget, SrtTarget, Target, WhipTarget};
use rtmp::{Server, ServerEvent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::rig::nginx::Nginx;
use crate::rig::{Feed, Peer, Received, bitrate, free_port, numbers_in, rtmp_target};
use testkit::scratch::Folder;

/// One publisher's video messages, to the end of its stream.
fn server(listener: TcpListener, takes: &'static [VideoCodec]) -> JoinHandle<Vec<bytes::Bytes>> {
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a publisher");
        let mut server = Server::new((0..).map(|n: u32| (n % 251) as u8)).taking(takes);
        let (mut incoming, mut messages) = (BytesMut::new(), Vec::new());
        while stream.read_buf(&mut incoming).await.is_ok_and(|read| read > 0) {
            server.input(&incoming.split()).expect("RTMP");
            while let Some(event) = server.event() {
                match event {
                    ServerEvent::Publish(_) | ServerEvent::Play(_) => server.accept(),
                    ServerEvent::Video { body, .. } => messages.push(body),
                    ServerEvent::Audio { .. } => {}
                    ServerEvent::End => return messages,
                }
            }
            let out = server.output().split();
            if stream.write_all(&out).await.is_err() {
                break;
            }
        }
        messages
    })
}

/// The elementary stream of an Enhanced RTMP stream ("ExVideoTagHeader"): what the record says, then each picture.
fn elementary(messages: &[bytes::Bytes], codec: VideoCodec) -> Vec<u8> {
    let fourcc: &[u8; 4] = if codec == VideoCodec::Av1 { b"av01" } else { b"hvc1" };
    let mut out = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let mut body = message.clone();
        let head = body.get_u8();
        assert_eq!((head & 0x80, &body.split_to(4)[..]), (0x80, &fourcc[..]), "message {number}");
        match (head & 0xf, codec) {
            (0, VideoCodec::Av1) => assert_eq!((number, body[0]), (0, 0x81), "a record, and the first of all"),
            (0, _) => {
                assert_eq!((number, body[0], body[22]), (0, 1, 3), "a record of three arrays, and the first of all");
                body.advance(23);
                for _ in 0..3 {
                    body.advance(3);
                    let length = usize::from(body.get_u16());
                    out.extend_from_slice(&[0, 0, 0, 1]);
                    out.extend_from_slice(&body.split_to(length));
                }
            }
            // A temporal delimiter begins each unit of a file of OBUs.
            (1, VideoCodec::Av1) => out.extend_from_slice(&[&[0x12, 0][..], &body].concat()),
            (1, _) => {
                assert_eq!(body.split_to(3)[..], [0, 0, 0], "the composition time");
                while body.has_remaining() {
                    let length = body.get_u32() as usize;
                    out.extend_from_slice(&[0, 0, 0, 1]);
                    out.extend_from_slice(&body.split_to(length));
                }
            }
            (kind, _) => panic!("a packet of type {kind}"),
        }
        let keyframe = head >> 4 & 7 == 1;
        assert!(number > 1 || keyframe, "it begins with a keyframe");
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lists_them_gets_every_picture_of_hevc_and_av1() {
    for (codec, name) in [(VideoCodec::Av1, "av1.obu"), (VideoCodec::Hevc, "hevc.hevc")] {
        let feed = Feed::of(codec);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let received = server(listener, &VideoCodec::ALL);
        let mut live = feed.publish(rtmp_target(port));
        live.until_live().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let health = live.destination.health().expect("connected");
        live.destination.stop().await;
        assert_eq!(health.dropped_units, 0, "{codec}");
        let folder = Folder::new("publish");
        let file = folder.file(name);
        std::fs::write(&file, elementary(&received.await.expect("a server"), codec)).expect("written");
        assert_unbroken(&file, 60);
    }
}

fn assert_unbroken(file: &Path, at_least: usize) {
    let numbers = numbers_in(file);
    assert!(numbers.len() >= at_least, "{} pictures", numbers.len());
    assert_eq!(numbers.windows(2).find(|pair| pair[1] != pair[0] + 1), None, "of {} pictures", numbers.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_lists_neither_and_is_left_before_anything_is_published() {
    let nginx = Nginx::start(free_port()).await;
    for codec in [VideoCodec::Av1, VideoCodec::Hevc] {
        let feed = Feed::of(codec);
        assert_eq!(feed.publish(rtmp_target(nginx.port)).until_broken().await, ("codec_not_taken", true), "{codec}");
        let tested = publish::test_with_codec(&rtmp_target(nginx.port).into(), codec).await.expect_err("refused");
        assert_eq!((tested.code, tested.is_final), ("codec_not_taken", true));
        assert!(tested.message.contains(&codec.to_string()) && tested.hint.contains("H.264"), "{tested:?}");
    }
    assert!(nginx.recordings().is_empty(), "not live with garbage");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_place_for_a_codec_fails_at_once_and_without_a_connection() {
    let (feed, listener) = (Feed::of(VideoCodec::Av1), TcpListener::bind(("127.0.0.1", 0)).await.expect("a port"));
    let port = listener.local_addr().expect("an address").port();
    let target_bitrate = bitrate();
    let targets: [Target; 4] = [
        WhipTarget { url: format!("http://127.0.0.1:{port}/whip"), key: None, target_bitrate }.into(),
        MpegTsTarget { url: format!("tcp://127.0.0.1:{port}"), target_bitrate }.into(),
        RtpTarget { url: format!("rtp://127.0.0.1:{}", port.min(65_000)), sdp_file: None, target_bitrate }.into(),
        SrtTarget {
            url: format!("srt://127.0.0.1:{port}"),
            passphrase: None,
            stream_id: None,
            latency: Duration::from_millis(120),
            target_bitrate,
        }
        .into(),
    ];
    for target in targets {
        let mut live = feed.publish(target);
        let told = [live.next().await, live.next().await];
        let PublishStatus::Failed { code, message, .. } = &told[1] else { panic!("{told:?}") };
        assert!(*code == "codec_not_taken" && message.contains("AV1"), "{told:?}");
    }
    let nobody = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(nobody.is_err(), "somebody connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_gets_every_picture_of_hevc_in_mpeg_ts() {
    let (feed, folder, port) = (Feed::of(VideoCodec::Hevc), Folder::new("publish"), free_port());
    let file = folder.file("hevc.ts");
    let from = format!("tcp://127.0.0.1:{port}?listen=1");
    let path = file.to_str().expect("UTF-8");
    let reader = Peer::start("ffmpeg", &["-v", "fatal", "-y", "-i", &from, "-c", "copy", "-f", "mpegts", path]);
    crate::rig::listening(port).await;
    let mut live = feed.publish(MpegTsTarget { url: format!("tcp://127.0.0.1:{port}"), target_bitrate: bitrate() });
    live.until_live().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    live.destination.stop().await;
    reader.ended().await;
    Received::read(&file).assert_whole(90);
}

//! RTP destinations against ffmpeg and GStreamer, which open the written description.

use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use publish::{PublishStatus, RtpTarget};

use crate::rig::{Feed, PATIENCE, Peer, Received, SIZE, bitrate};
use testkit::scratch::Folder;

/// The first of four free ports; the first is even, as RTP's are.
fn four_ports() -> u16 {
    let free = |port: u16| UdpSocket::bind(("127.0.0.1", port)).is_ok();
    let mut port = 20_000 + rand_below(20_000) / 2 * 2;
    while !(0..4).all(|above| free(port + above)) {
        port += 4;
    }
    port
}

fn rand_below(most: u16) -> u16 {
    let seed = Instant::now().elapsed().as_nanos() as u32 ^ std::process::id().wrapping_mul(2_654_435_761);
    let mixed = std::collections::hash_map::RandomState::new();
    (std::hash::BuildHasher::hash_one(&mixed, seed) % u64::from(most)) as u16
}

fn target(port: u16, sdp: &Path) -> RtpTarget {
    let url = format!("rtp://127.0.0.1:{port}");
    RtpTarget { url, sdp_file: Some(sdp.to_path_buf()), target_bitrate: bitrate() }
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_opens_the_description_and_gets_every_picture_and_the_tone() {
    let (feed, folder, port) = (Feed::start(), Folder::new("publish"), four_ports());
    let (sdp, file) = (folder.file("live.sdp"), folder.file("received.mkv"));
    let mut live = feed.publish(target(port, &sdp));
    assert_eq!(live.until_broken().await, ("nobody_listens", false), "said while there is no player");
    until("the description is there", || sdp.exists()).await;
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let reader = Peer::start(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-y",
            "-protocol_whitelist",
            "file,udp,rtp",
            "-sdp_flags",
            "rtcp_to_source",
            "-i",
            &path(&sdp),
            "-c",
            "copy",
            &path(&file),
        ],
    );
    live.until_live().await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let health = live.destination.health().expect("connected");
    assert_eq!(health.dropped_units, 0, "{health:?}");
    live.destination.stop().await;
    assert_eq!(live.statuses.recv().await, Some(PublishStatus::Stopped));
    reader.interrupt().await;
    Received::read(&file).assert_whole(100);
}

#[tokio::test(flavor = "multi_thread")]
async fn gstreamer_opens_the_description_and_gets_every_picture_and_the_tone() {
    let (feed, folder, port) = (Feed::start(), Folder::new("publish"), four_ports());
    let sdp = folder.file("live.sdp");
    let mut live = feed.publish(target(port, &sdp));
    until("the description is there", || sdp.exists()).await;
    let (pictures, sound) = (folder.file("pictures"), folder.file("sound"));
    let pipeline = format!(
        "filesrc location={} ! sdpdemux name=demux \
         demux.stream_0 ! rtph264depay ! h264parse ! avdec_h264 ! videoconvert ! video/x-raw,format=I420 \
         ! filesink sync=false buffer-mode=unbuffered location={} \
         demux.stream_1 ! rtpopusdepay ! opusdec ! audioconvert ! audio/x-raw,format=F32LE,channels=2,rate=48000 \
         ! filesink sync=false buffer-mode=unbuffered location={}",
        sdp.display(),
        pictures.display(),
        sound.display()
    );
    let mut arguments = vec!["-q"];
    arguments.extend(pipeline.split_whitespace().filter(|word| *word != "\\"));
    let mut player = Peer::start("gst-launch-1.0", &arguments);
    live.until_live().await;
    // Two seconds of those six are the player's buffer.
    tokio::time::sleep(Duration::from_secs(7)).await;
    live.destination.stop().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    player.kill();
    let raw = std::fs::read(&pictures).expect("pictures");
    let size = SIZE.area() as usize;
    let luma: Vec<u8> = raw.chunks_exact(size * 3 / 2).flat_map(|picture| &picture[..size]).copied().collect();
    let both = std::fs::read(&sound).expect("sound");
    let left: Vec<u8> = both.chunks_exact(8).flat_map(|frame| &frame[..4]).copied().collect();
    Received::of(&luma, &left).assert_whole(100);
}

/// GStreamer's session tells of loss and answers our reports; a relay shows it where they come from, and loses one
/// packet in twenty.
#[tokio::test(flavor = "multi_thread")]
async fn a_receivers_reports_tell_loss_and_round_trip() {
    let (feed, folder, port) = (Feed::start(), Folder::new("publish"), four_ports());
    let bind = async || tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let port_of = |socket: &tokio::net::UdpSocket| socket.local_addr().expect("an address").port();
    let (media_in, reports_in) = (four_ports(), four_ports() + 1);
    let (media, reports) = (
        tokio::net::UdpSocket::bind(("127.0.0.1", port)).await.expect("a port"),
        tokio::net::UdpSocket::bind(("127.0.0.1", port + 1)).await.expect("a port"),
    );
    let back = bind().await;
    let pipeline = format!(
        "-q rtpbin name=b udpsrc port={media_in} \
         caps=application/x-rtp,media=video,clock-rate=90000,encoding-name=H264,payload=96 ! b.recv_rtp_sink_0 \
         b. ! rtph264depay ! fakesink udpsrc port={reports_in} ! b.recv_rtcp_sink_0 \
         b.send_rtcp_src_0 ! udpsink host=127.0.0.1 port={} sync=false async=false",
        port_of(&back)
    );
    let _player = Peer::start("gst-launch-1.0", &pipeline.split_whitespace().collect::<Vec<_>>());
    tokio::spawn(async move {
        let (mut packet, mut report, mut answer) = ([0; 2048], [0; 2048], [0; 2048]);
        let (mut count, mut sender) = (0_u32, None);
        loop {
            tokio::select! {
                Ok(length) = media.recv(&mut packet) => {
                    count += 1;
                    if !count.is_multiple_of(20) {
                        let _ = media.send_to(&packet[..length], ("127.0.0.1", media_in)).await;
                    }
                }
                Ok((length, from)) = reports.recv_from(&mut report) => {
                    sender = Some(from);
                    let _ = reports.send_to(&report[..length], ("127.0.0.1", reports_in)).await;
                }
                Ok(length) = back.recv(&mut answer) => {
                    if let Some(sender) = sender {
                        let _ = reports.send_to(&answer[..length], sender).await;
                    }
                }
            }
        }
    });
    let mut live = feed.publish(target(port, &folder.file("live.sdp")));
    live.until_live().await;
    let health = || live.destination.health().unwrap_or_default();
    until("loss is reported", || health().loss.is_some_and(|loss| (0.01..0.2).contains(&loss))).await;
    until("the round trip is told", || health().round_trip.is_some_and(|rtt| rtt < Duration::from_millis(500))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_that_is_killed_is_missed_and_one_that_comes_back_is_served_at_once() {
    let (feed, folder, port) = (Feed::start(), Folder::new("publish"), four_ports());
    let sdp = folder.file("live.sdp");
    let mut live = feed.publish(target(port, &sdp));
    // Any socket is a player to those who only send.
    let player = || UdpSocket::bind(("127.0.0.1", port)).expect("a free port");
    let first = player();
    live.until_live().await;
    drop(first);
    assert_eq!(live.until_broken().await, ("nobody_listens", false));
    let second = player();
    let back = Instant::now();
    live.until_live().await;
    assert!(back.elapsed() < Duration::from_secs(5), "live {:?} after the player was", back.elapsed());
    second.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
    let mut packet = [0; 2000];
    let mut first_nal = 0;
    // It begins with what a decoder needs: the parameter sets in front of a keyframe.
    while first_nal != 7 {
        let length = second.recv(&mut packet).expect("a packet");
        assert!(length > 12 && packet[0] == 0x80, "RTP without extensions");
        first_nal = packet[12] & 0x1f;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_that_can_not_be_written_is_told_and_final() {
    let (feed, folder, port) = (Feed::start(), Folder::new("publish"), four_ports());
    let mut live = feed.publish(target(port, &folder.file("no/such/folder/live.sdp")));
    assert_eq!(live.until_broken().await, ("sdp_not_written", true));
}

/// Reports full of nonsense from whoever likes: the stream goes on.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_reports_change_nothing() {
    let (feed, folder, port) = (Feed::start(), Folder::new("publish"), four_ports());
    let (picture, reports) = (UdpSocket::bind(("127.0.0.1", port)), UdpSocket::bind(("127.0.0.1", port + 1)));
    let (picture, reports) = (picture.expect("a port"), reports.expect("a port"));
    let mut live = feed.publish(target(port, &folder.file("live.sdp")));
    live.until_live().await;
    reports.set_read_timeout(Some(PATIENCE)).expect("set");
    let mut report = [0; 1500];
    let (length, from) = reports.recv_from(&mut report).expect("a sender report");
    assert!(length >= 28 && report[1] == 200, "{:?}", &report[..length]);
    let mut seed = 7_u32;
    for length in 0..1400_usize {
        let noise: Vec<u8> = (0..length)
            .map(|at| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if at == 0 {
                    0x9f
                } else if at == 1 {
                    201
                } else {
                    (seed >> 24) as u8
                }
            })
            .collect();
        reports.send_to(&noise, from).expect("sent");
    }
    picture.set_read_timeout(Some(Duration::from_secs(2))).expect("set");
    let mut packet = [0; 2000];
    for _ in 0..200 {
        picture.recv(&mut packet).expect("the stream goes on");
    }
    assert!(live.statuses.try_recv().is_err(), "still live");
}

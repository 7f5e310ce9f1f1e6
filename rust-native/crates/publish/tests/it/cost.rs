//! What a destination costs: 1080p30 at 6 Mbit/s, encoded once, to five kinds and a recording. Receivers are processes
//! of their own, so that this process's time is the senders'.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use encoder::{AacEncoder, OpusEncoder, VideoConfig};
use media::{AccessUnit, AudioBlock, Bitrate, Clock, FrameRate, MediaTime, MonotonicClock, Picture, Size};
use publish::{Destination, PublishStatus};
use record::{AudioCodec, Format, RecordOptions, Recorder, Split};
use stream::Broadcast;

use crate::rig::program::Program;
use crate::rig::targets::target;
use crate::rig::{Peer, free_port, listening};
use testkit::scratch::Folder;

const SIZE: Size = Size { width: 1920, height: 1080 };
const FPS: u32 = 30;
const KBPS: u32 = 6000;
/// Pictures that are encoded, once, and sent over and over.
const PICTURES: u64 = 150;
const MEASURED: Duration = Duration::from_secs(15);
/// The goal, in cores.
const MOST: f64 = 0.05;

/// Five seconds of hard content and a tone, with times from zero.
fn clip() -> Vec<AccessUnit> {
    let config = VideoConfig {
        codec: media::VideoCodec::H264,
        size: SIZE,
        frame_rate: FrameRate::new(FPS).expect("not zero"),
        bitrate: Bitrate::from_kbps(KBPS),
        gop: Duration::from_secs(1),
        threads: 2,
        tune: encoder::Tune::default(),
    };
    let mut video = encoder::open(&config).expect("an encoder").encoder;
    let mut aac = AacEncoder::new(AacEncoder::DEFAULT_BITRATE).expect("AAC");
    let mut opus = OpusEncoder::new(Bitrate::from_kbps(128)).expect("Opus");
    let mut units = Vec::new();
    let mut seed = 1_u32;
    let mut picture = Picture::black(SIZE);
    for number in 0..PICTURES {
        let at = MediaTime::from_nanos(1_000_000_000 * number / u64::from(FPS));
        // Blocks of noise that change: about what the bitrate holds.
        for (row, line) in picture.planes[0].data.chunks_exact_mut(SIZE.width as usize).enumerate() {
            if row.is_multiple_of(16) {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223 + number as u32);
            }
            for (block, sixteen) in line.chunks_mut(16).enumerate() {
                sixteen.fill((seed.rotate_left(block as u32) >> 24) as u8);
            }
        }
        picture.captured_at = at;
        units.extend(video.encode(&picture, at, number == 0).expect("encoded"));
    }
    for block in 0..PICTURES * 100 / u64::from(FPS) {
        let sound = AudioBlock::silence(MediaTime::from_nanos(block * 10_000_000));
        units.extend([aac.push(&sound).expect("AAC"), opus.push(&sound).expect("Opus")].into_iter().flatten());
    }
    units.sort_by_key(|unit| unit.dts);
    units
}

/// Sends the clip in real time, over and over.
fn play(clip: Vec<AccessUnit>, hub: Broadcast<AccessUnit>, stop: Arc<AtomicBool>, sent: Arc<AtomicU64>) {
    let length = Duration::from_secs(PICTURES / u64::from(FPS));
    let (begun, zero) = (Instant::now(), MonotonicClock.now());
    for round in 0_u32.. {
        for unit in &clip {
            let since = length * round + unit.dts.since(MediaTime::ZERO);
            if let Some(early) = since.checked_sub(begun.elapsed()) {
                std::thread::sleep(early);
            }
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let at = zero + since;
            hub.push(&AccessUnit { pts: at, dts: at, captured_at: at, ..unit.clone() });
            sent.fetch_add(unit.payload.len() as u64, Ordering::Relaxed);
        }
    }
}

/// This process's time so far, in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    // utime and stime, in hundredths.
    (fields[11].parse::<f64>().expect("a number") + fields[12].parse::<f64>().expect("a number")) / 100.0
}

async fn cores() -> f64 {
    // The beginning of a connection is not its price.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (before, begun) = (cpu(), Instant::now());
    tokio::time::sleep(MEASURED).await;
    (cpu() - before) / begun.elapsed().as_secs_f64()
}

/// Whoever receives; dropping it kills it.
enum Receiver {
    Peer(#[allow(dead_code)] Peer),
    Janus(#[allow(dead_code)] Program),
}

/// It and its port.
async fn receiver(kind: &str, folder: &Folder) -> (Receiver, u16) {
    if kind == "whip" {
        let janus = Program::start("sfu_bridge.py", folder, &[]).await;
        let port = janus.port;
        return (Receiver::Janus(janus), port);
    }
    let port = free_port();
    (Receiver::Peer(peer(kind, port).await), port)
}

async fn peer(kind: &str, port: u16) -> Peer {
    match kind {
        "rtmp" => {
            let url = format!("rtmp://127.0.0.1:{port}/live/name");
            let peer =
                Peer::start("ffmpeg", &["-v", "fatal", "-listen", "1", "-i", &url, "-c", "copy", "-f", "null", "-"]);
            listening(port).await;
            peer
        }
        "srt" => {
            let source = format!("srt://:{port}?mode=listener");
            Peer::start_into(
                "srt-live-transmit",
                &["-q", "-loglevel:fatal", &source, "file://con"],
                Path::new("/dev/null"),
            )
        }
        _ => {
            let drain = "import socket,sys\ns=[socket.socket(socket.AF_INET,socket.SOCK_DGRAM) for _ in range(4)]\n\
                         [each.bind(('127.0.0.1',int(sys.argv[1])+n)) for n,each in enumerate(s)]\n\
                         import select\nwhile True:\n for each in select.select(s,[],[])[0]: each.recv(2048)";
            Peer::start("python3", &["-c", drain, &port.to_string()])
        }
    }
}

async fn publish(kind: &str, hub: &Broadcast<AccessUnit>, folder: &Folder) -> (Destination, Receiver) {
    let (receiver, port) = receiver(kind, folder).await;
    let target = target(kind, port, folder, Bitrate::from_kbps(KBPS), FrameRate::new(FPS).expect("not zero"));
    let (sender, mut statuses) = tokio::sync::mpsc::unbounded_channel();
    let on_status = move |status| drop(sender.send(status));
    let destination = Destination::start(target, hub.clone(), Arc::new(|| {}), on_status);
    let live = async { while !matches!(statuses.recv().await, Some(PublishStatus::Live { .. })) {} };
    tokio::time::timeout(crate::rig::PATIENCE, live).await.unwrap_or_else(|_| panic!("{kind} did not become live"));
    (destination, receiver)
}

fn record(hub: &Broadcast<AccessUnit>, folder: &Folder) -> Recorder {
    let options = RecordOptions {
        folder: folder.file(""),
        template: "Show".to_owned(),
        format: Format::Mp4,
        audio: AudioCodec::Aac,
        plain: false,
        split: Split::default(),
        inputs: None,
    };
    Recorder::start(options, hub, Arc::new(|| {}), |event| tracing::info!(?event, "recording")).expect("a recording")
}

/// Needs a machine that does nothing else: of its own times only the share of the senders is taken, but a processor
/// that is fought over is slower for everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "two minutes of measuring: test:long"]
async fn each_destination_costs_a_twentieth_of_a_core_at_the_most() {
    let folder = Folder::new("publish");
    let (clip, hub) = (clip(), Broadcast::default());
    let encoded = clip.iter().filter(|unit| unit.track == media::Track::Video).count();
    assert_eq!(encoded as u64, PICTURES, "the encoder ran once for each picture, before any destination");
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let player = {
        let (hub, stop, sent) = (hub.clone(), Arc::clone(&stop), Arc::clone(&sent));
        std::thread::spawn(move || play(clip, hub, stop, sent))
    };
    let (before, begun) = (sent.load(Ordering::Relaxed), Instant::now());
    let alone = cores().await;
    let kbps = (sent.load(Ordering::Relaxed) - before) as f64 / 125.0 / begun.elapsed().as_secs_f64();
    assert!(kbps > 0.7 * f64::from(KBPS), "the clip has {kbps:.0} kbit/s only");

    let kinds = ["rtmp", "srt", "rtp", "udp", "whip"];
    let mut figures = Vec::new();
    for kind in kinds {
        let (destination, receiver) = publish(kind, &hub, &folder).await;
        figures.push((kind, cores().await - alone));
        destination.stop().await;
        drop(receiver);
    }
    let recorder = record(&hub, &folder);
    figures.push(("recording", cores().await - alone));
    let mut all = Vec::new();
    for kind in kinds {
        all.push(publish(kind, &hub, &folder).await);
    }
    let together = cores().await - alone;
    let said: Vec<String> = figures.iter().map(|(kind, cores)| format!("{kind} {cores:.3}")).collect();
    let said = format!("cores at {kbps:.0} kbit/s: {}, all together {together:.3}", said.join(", "));
    for (destination, _) in &all {
        assert_eq!(destination.health().map(|health| health.dropped_units), Some(0), "{said}");
    }
    stop.store(true, Ordering::Relaxed);
    drop(recorder);
    player.join().expect("played");
    assert!(figures.iter().all(|(_, cores)| *cores <= MOST), "{said}");
    assert!(together <= MOST * figures.len() as f64, "{said}");
    // The figures are what the test is for.
    crate::rig::say(&said);
}

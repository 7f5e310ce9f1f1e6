//! A publisher with real pictures and sound, in real time: each second begins with a white picture and a beep. And what
//! ffmpeg makes of what comes out at the other end.
#![allow(unreachable_pub)]

use std::f64::consts::TAU;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use encoder::{OpusEncoder, VideoConfig};
use live_server::LiveServer;
use media::h264::nal_units;
use media::{
    AUDIO_CHANNELS, AccessUnit, AudioBlock, BLOCK_FRAMES, Bitrate, FrameRate, MediaTime, Picture, Size, Track,
};
use testkit::scratch::output_of;

use crate::common::{Peer, until};

pub const SIZE: Size = Size { width: 320, height: 180 };
const START: MediaTime = MediaTime::from_nanos(77_000_000_000_123);
/// Pictures take longer to be encoded than sound: they leave so much later.
const PICTURES_LATE: Duration = Duration::from_millis(80);
const LARGEST_PAYLOAD: usize = 1100;

/// So many seconds, encoded.
#[derive(Clone)]
pub struct Reel {
    units: Arc<Vec<AccessUnit>>,
    fps: u32,
}

impl Reel {
    pub fn new(seconds: u32, fps: u32) -> Self {
        Self::sized(SIZE, seconds, fps, 0)
    }

    /// Pictures of that size; with grain of so many levels in them they take the bits that they may.
    pub fn sized(size: Size, seconds: u32, fps: u32, grain: u8) -> Self {
        let config = VideoConfig {
            codec: media::VideoCodec::H264,
            size,
            frame_rate: FrameRate::new(fps).expect("a rate"),
            bitrate: Bitrate::from_kbps(400),
            gop: Duration::from_secs(2),
            threads: 1,
            tune: encoder::Tune::default(),
        };
        let mut video = encoder::open(&config).expect("an encoder").encoder;
        let mut opus = OpusEncoder::new(Bitrate::from_kbps(96)).expect("an encoder");
        let mut units = Vec::new();
        for number in 0..seconds * fps {
            let at = START + Duration::from_nanos(u64::from(number) * 1_000_000_000 / u64::from(fps));
            let mut picture = Picture::black(size);
            if number.is_multiple_of(fps) {
                picture.planes[0].data.fill(235 - grain);
            }
            let mut noise = 0x9e37_79b9_u32 ^ number;
            for luma in picture.planes[0].data.iter_mut().filter(|_| grain > 0) {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *luma += (noise >> 24) as u8 % grain;
            }
            picture.captured_at = at;
            units.extend(video.encode(&picture, at, false).expect("encoded"));
        }
        for number in 0..u64::from(seconds) * 100 {
            let mut block = AudioBlock::silence(START + Duration::from_millis(10 * number));
            if number % 100 < 10 {
                for (frame, pair) in block.samples.chunks_exact_mut(AUDIO_CHANNELS).enumerate() {
                    let time = (number as usize * BLOCK_FRAMES + frame) as f64 / 48_000.0;
                    pair.fill((0.5 * (TAU * 1000.0 * time).sin()) as f32);
                }
            }
            units.extend(opus.push(&block).expect("encoded"));
        }
        units.sort_by_key(due);
        Self { units: Arc::new(units), fps }
    }
}

/// When a unit leaves, from the reel's start.
fn due(unit: &AccessUnit) -> Duration {
    unit.pts.since(START) + if unit.track == Track::Video { PICTURES_LATE } else { Duration::ZERO }
}

/// A publisher on a thread of its own, until it is dropped or its reel ends.
pub struct Publisher {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Publisher {
    /// Publishes, and returns when the stream is live.
    pub async fn start(server: &LiveServer, reel: &Reel) -> Self {
        let mut peer = Peer::publisher(server).await;
        until(&mut [&mut peer], "the publisher connects", |peers| peers[0].connected);
        let stop = Arc::new(AtomicBool::new(false));
        let (reel, stopped) = (reel.clone(), stop.clone());
        let thread = std::thread::spawn(move || play_out(&reel, &mut peer, &stopped));
        let begun = Instant::now();
        while !server.streams()[0].live {
            assert!(begun.elapsed() < crate::common::PATIENCE, "the stream is not live");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Self { stop, thread: Some(thread) }
    }

    /// Says goodbye.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the publisher did not panic");
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A publisher that encodes as it goes, ten seconds from keyframe to keyframe but for those that are asked for.
pub struct Camera {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Instant>>>,
}

impl Camera {
    /// Publishes, and returns when the stream is live.
    pub async fn start(server: &LiveServer) -> Self {
        let mut peer = Peer::publisher(server).await;
        until(&mut [&mut peer], "the publisher connects", |peers| peers[0].connected);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || film(&mut peer, &stopped));
        let begun = Instant::now();
        while !server.streams()[0].live {
            assert!(begun.elapsed() < crate::common::PATIENCE, "the stream is not live");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Self { stop, thread: Some(thread) }
    }

    /// Says goodbye; gives when it was asked for keyframes.
    pub fn stop(mut self) -> Vec<Instant> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("the camera did not panic")
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn film(peer: &mut Peer, stop: &AtomicBool) -> Vec<Instant> {
    let config = VideoConfig {
        codec: media::VideoCodec::H264,
        size: SIZE,
        frame_rate: FrameRate::new(30).expect("a rate"),
        bitrate: Bitrate::from_kbps(400),
        gop: Duration::from_secs(10),
        threads: 1,
        tune: encoder::Tune::default(),
    };
    let mut encoder = encoder::open(&config).expect("an encoder").encoder;
    let (start, mut number, mut sequence, mut answered) = (Instant::now(), 0u32, 40_000, 0);
    while !stop.load(Ordering::Relaxed) {
        peer.step();
        let after = Duration::from_millis(u64::from(number) * 1000 / 30);
        if start.elapsed() < after {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        let asked = peer.keyframe_requests.len() > answered;
        answered = peer.keyframe_requests.len();
        let mut picture = Picture::black(SIZE);
        picture.planes[0].data.fill(16 + (number % 200) as u8);
        picture.captured_at = START + after;
        if let Some(unit) = encoder.encode(&picture, START + after, asked).expect("encoded") {
            let timestamp =
                3_000_000_000u32.wrapping_add((unit.pts.since(START).as_nanos() * 90_000 / 1_000_000_000) as u32);
            let payloads = payloads(&unit.payload);
            for (index, payload) in payloads.iter().enumerate() {
                peer.send(true, sequence, timestamp, index == payloads.len() - 1, payload, start + after);
                sequence += 1;
            }
        }
        number += 1;
    }
    peer.close();
    std::mem::take(&mut peer.keyframe_requests)
}

fn play_out(reel: &Reel, peer: &mut Peer, stop: &AtomicBool) {
    let start = Instant::now();
    let (mut video_sequence, mut audio_sequence) = (40_000, 7);
    for unit in reel.units.iter() {
        while start.elapsed() < due(unit) {
            if stop.load(Ordering::Relaxed) {
                peer.close();
                return;
            }
            peer.step();
            std::thread::sleep(Duration::from_millis(1));
        }
        let captured = start + unit.pts.since(START);
        let at = unit.pts.since(START).as_nanos();
        if unit.track == Track::Video {
            let timestamp = 3_000_000_000u32.wrapping_add((at * 90_000 / 1_000_000_000) as u32);
            let payloads = payloads(&unit.payload);
            let last = payloads.len() - 1;
            for (index, payload) in payloads.iter().enumerate() {
                peer.send(true, video_sequence, timestamp, index == last, payload, captured);
                video_sequence += 1;
            }
        } else {
            let timestamp = 4_000_000_000u32.wrapping_add((at * 48_000 / 1_000_000_000) as u32);
            peer.send(false, audio_sequence, timestamp, false, &unit.payload, captured);
            audio_sequence += 1;
        }
    }
    let _ = reel.fps;
    peer.close();
}

/// RFC 6184: single NAL units, and FU-A for what doesn't fit.
pub fn payloads(access_unit: &Bytes) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for unit in nal_units(access_unit) {
        if unit.len() <= LARGEST_PAYLOAD {
            out.push(unit.to_vec());
            continue;
        }
        let pieces: Vec<&[u8]> = unit[1..].chunks(LARGEST_PAYLOAD).collect();
        for (index, piece) in pieces.iter().enumerate() {
            let edge = if index == 0 { 0x80 } else { 0 } | if index == pieces.len() - 1 { 0x40 } else { 0 };
            out.push([&[(unit[0] & 0xe0) | 28, edge | (unit[0] & 0x1f)], *piece].concat());
        }
    }
    out
}

/// Presentation times of a stream's packets, seconds.
pub fn packets(file: &Path, stream: &str) -> Vec<f64> {
    let arguments =
        ["-v", "error", "-select_streams", stream, "-show_entries", "packet=pts_time", "-of", "csv=p=0", "FILE"];
    let text = String::from_utf8(output_of("ffprobe", &arguments, file)).expect("text");
    // FLV ends with a packet that holds nothing.
    let lines = text.lines().filter(|line| !line.trim_matches(',').is_empty());
    lines.map(|line| line.trim_end_matches(',').parse().expect("a number")).collect()
}

/// When pictures turned white and beeps began, seconds on the file's clock.
#[derive(Debug)]
pub struct Played {
    pub flashes: Vec<f64>,
    pub beeps: Vec<f64>,
    pub pictures: usize,
    /// When the sound begins.
    pub sound_from: f64,
}

impl Played {
    /// How far each beep that has a flash near it is behind it, seconds.
    pub fn apart(&self) -> Vec<f64> {
        let near = |beep: &f64| {
            let apart = self.flashes.iter().map(|flash| beep - flash);
            let apart = apart.min_by(|one, other| one.abs().total_cmp(&other.abs()))?;
            // A beep that the sound begins with may have lost its own beginning.
            let cut_off = beep - self.sound_from < 0.15 && apart > 0.02;
            (apart.abs() < 0.5 && !cut_off).then_some(apart)
        };
        self.beeps.iter().filter_map(near).collect()
    }
}

pub fn play(file: &Path) -> Played {
    play_stream(file, 0, SIZE)
}

/// The picture of that number, which has that size, and the first sound.
pub fn play_stream(file: &Path, picture: usize, size: Size) -> Played {
    let (map, select) = (format!("0:v:{picture}"), format!("v:{picture}"));
    // Stamps stay as fine as they are: by a rate that is guessed over a pause, two pictures would have the same.
    let read = ["-v", "error", "-i", "FILE", "-an", "-map", &map, "-fps_mode", "passthrough", "-enc_time_base", "-1"];
    let pictures = output_of("ffmpeg", &[&read[..], &["-f", "rawvideo", "-pix_fmt", "gray", "-"]].concat(), file);
    let area = size.area() as usize;
    let times = packets(file, &select);
    assert_eq!(pictures.len(), times.len() * area, "every picture is decoded");
    let white = |picture: &[u8]| picture.iter().map(|luma| u64::from(*luma)).sum::<u64>() > 128 * size.area();
    let lit: Vec<_> = pictures.chunks_exact(area).map(white).collect();
    let flashes = (0..lit.len()).filter(|n| lit[*n] && (*n == 0 || !lit[n - 1])).map(|n| times[n]).collect();
    let first = packets(file, "a").first().copied().expect("sound");
    let heard = ["-v", "error", "-i", "FILE", "-vn", "-af", "aresample=async=1", "-ac", "1"];
    let sound = output_of("ffmpeg", &[&heard[..], &["-ar", "48000", "-f", "s16le", "-"]].concat(), file);
    let samples: Vec<_> = sound.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
    let (mut beeps, mut loud_at) = (Vec::new(), -24_000_i64);
    for (index, sample) in samples.iter().enumerate() {
        if sample.unsigned_abs() > 4000 {
            if index as i64 - loud_at > 12_000 {
                beeps.push(first + index as f64 / 48_000.0);
            }
            loud_at = index as i64;
        }
    }
    Played { flashes, beeps, pictures: lit.len(), sound_from: first }
}

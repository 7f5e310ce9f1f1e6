//! A real stream (numbered pictures, a tone), real peers as child processes, and what they received, read back.

pub(crate) mod network;
pub(crate) mod nginx;
pub(crate) mod program;
pub(crate) mod relay;
pub(crate) mod targets;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use encoder::{AacEncoder, OpusEncoder, VideoConfig, VideoEncoder};
use media::{
    AccessUnit, AudioBlock, BLOCK_FRAMES, Bitrate, Clock, FrameRate, MediaTime, MonotonicClock, Picture, Size,
    VideoCodec,
};
use publish::{Destination, PublishStatus, Target};
use stream::Broadcast;
pub(crate) use testkit::port::free as free_port;
use testkit::sound::tone_amplitude;
use testkit::time_pattern::{Content, Luma, Painter, Region, decode};
use tokio::sync::mpsc;
use tokio::time::timeout;

pub(crate) const SIZE: Size = Size { width: 320, height: 180 };
pub(crate) const FPS: u32 = 30;
pub(crate) const TONE: f64 = 440.0;
/// Far above what anything here takes, on a machine that builds something else besides.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn bitrate() -> Bitrate {
    Bitrate::from_kbps(600)
}

pub(crate) fn frame_rate() -> FrameRate {
    FrameRate::new(FPS).expect("not zero")
}

/// Thirty numbered pictures a second and a tone, encoded for real and pushed in real time.
pub(crate) struct Feed {
    codec: VideoCodec,
    pub(crate) hub: Broadcast<AccessUnit>,
    pub(crate) wanted: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    pictures: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    pub(crate) fn start() -> Self {
        Self::of(VideoCodec::H264)
    }

    /// Pictures so coded; twenty seconds of HEVC, which has no encoder of ours without a graphics card.
    pub(crate) fn of(codec: VideoCodec) -> Self {
        let mut source = Source::of(codec);
        let hub = Broadcast::default();
        let (wanted, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let pictures = Arc::new(AtomicU64::new(0));
        let thread = {
            let (hub, wanted, stop, pictures) =
                (hub.clone(), Arc::clone(&wanted), Arc::clone(&stop), Arc::clone(&pictures));
            std::thread::spawn(move || feed(&mut source, &hub, &wanted, &stop, &pictures))
        };
        Self { codec, hub, wanted, stop, pictures, thread: Some(thread) }
    }

    /// Pictures encoded so far: the encoder runs once, however many destinations there are.
    pub(crate) fn pictures(&self) -> u64 {
        self.pictures.load(Ordering::Relaxed)
    }

    pub(crate) fn publish(&self, target: impl Into<Target>) -> Live {
        let (sender, statuses) = mpsc::unbounded_channel();
        let wanted = Arc::clone(&self.wanted);
        let request = Arc::new(move || wanted.store(true, Ordering::Relaxed));
        let destination = Destination::start_with_codec(target, self.codec, self.hub.clone(), request, move |status| {
            tell(|| format!("{status:?}"));
            let _ = sender.send(status);
        });
        Live { destination, statuses }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Where the pictures come from.
enum Source {
    Encoder(Box<dyn VideoEncoder>),
    /// Encoded before, by a program that is not ours.
    Made(Vec<(bool, Vec<u8>)>),
}

impl Source {
    fn of(codec: VideoCodec) -> Self {
        if codec == VideoCodec::Hevc {
            let painter = Painter::new(Content::Cells, SIZE.width, SIZE.height);
            let (mut pixels, mut picture) = (vec![0u32; SIZE.area() as usize], Picture::black(SIZE));
            let mut raw = Vec::new();
            for number in 0..20 * u64::from(FPS) {
                painter.paint(number, &mut pixels);
                draw(&pixels, &mut picture);
                for (plane, shift) in picture.planes.iter().zip([0, 1, 1]) {
                    let rows = plane.data.chunks_exact(plane.stride).take((SIZE.height >> shift) as usize);
                    rows.for_each(|row| raw.extend_from_slice(&row[..(SIZE.width >> shift) as usize]));
                }
            }
            return Self::Made(testkit::hevc::encode(SIZE, FPS, &raw));
        }
        let config = VideoConfig {
            codec,
            size: SIZE,
            frame_rate: frame_rate(),
            bitrate: bitrate(),
            gop: Duration::from_secs(2),
            threads: 1,
            tune: encoder::Tune::default(),
        };
        Self::Encoder(encoder::open(&config).expect("an encoder").encoder)
    }

    fn encode(&mut self, number: u64, picture: &Picture, at: MediaTime, keyframe: bool) -> Option<AccessUnit> {
        match self {
            Self::Encoder(encoder) => encoder.encode(picture, at, keyframe).expect("encoded"),
            Self::Made(units) => {
                let (keyframe, payload) =
                    units.get(number as usize).expect("a test of less than twenty seconds").clone();
                let (track, payload) = (media::Track::Hevc, payload.into());
                Some(AccessUnit { track, pts: at, dts: at, keyframe, captured_at: at, payload })
            }
        }
    }
}

fn feed(video: &mut Source, hub: &Broadcast<AccessUnit>, wanted: &AtomicBool, stop: &AtomicBool, pictures: &AtomicU64) {
    let mut aac = AacEncoder::new(AacEncoder::DEFAULT_BITRATE).expect("AAC");
    let mut opus = OpusEncoder::new(Bitrate::from_kbps(128)).expect("Opus");
    let painter = Painter::new(Content::Cells, SIZE.width, SIZE.height);
    let mut pixels = vec![0u32; SIZE.area() as usize];
    let mut picture = Picture::black(SIZE);
    let (begun, zero) = (Instant::now(), MonotonicClock.now());
    let (mut number, mut block) = (0u64, 0u64);
    while !stop.load(Ordering::Relaxed) {
        let since = begun.elapsed();
        let picture_due = Duration::from_nanos(1_000_000_000 * number / u64::from(FPS));
        let block_due = Duration::from_millis(10 * block);
        if since < picture_due.min(block_due) {
            std::thread::sleep(picture_due.min(block_due) - since);
            continue;
        }
        if block_due <= picture_due {
            let sound = tone_block(block, zero + block_due);
            let units = [aac.push(&sound).expect("AAC"), opus.push(&sound).expect("Opus")];
            units.iter().flatten().for_each(|unit| {
                hub.push(unit);
            });
            block += 1;
            continue;
        }
        painter.paint(number, &mut pixels);
        draw(&pixels, &mut picture);
        picture.captured_at = zero + picture_due;
        let keyframe = wanted.swap(false, Ordering::Relaxed);
        if let Some(unit) = video.encode(number, &picture, zero + picture_due, keyframe) {
            hub.push(&unit);
        }
        number += 1;
        pictures.store(number, Ordering::Relaxed);
    }
}

fn tone_block(block: u64, at: MediaTime) -> AudioBlock {
    let mut sound = AudioBlock::silence(at);
    for (n, frame) in sound.samples.chunks_exact_mut(2).enumerate() {
        let at = (block * BLOCK_FRAMES as u64 + n as u64) as f64 / 48_000.0;
        frame.fill((0.25 * (std::f64::consts::TAU * TONE * at).sin()) as f32);
    }
    sound
}

/// Luma only: the stamp is black and white.
fn draw(pixels: &[u32], picture: &mut Picture) {
    let (width, stride) = (SIZE.width as usize, picture.planes[0].stride);
    for (row, line) in picture.planes[0].data.chunks_exact_mut(stride).zip(pixels.chunks_exact(width)) {
        for (sample, pixel) in row.iter_mut().zip(line) {
            let [_, red, green, blue] = pixel.to_be_bytes().map(u32::from);
            *sample = (16 + (red * 54 + green * 183 + blue * 19) * 219 / 65_536) as u8;
        }
    }
}

/// A destination and what it tells.
pub(crate) struct Live {
    pub(crate) destination: Destination,
    pub(crate) statuses: mpsc::UnboundedReceiver<PublishStatus>,
}

impl Live {
    pub(crate) async fn next(&mut self) -> PublishStatus {
        timeout(PATIENCE, self.statuses.recv()).await.expect("a status in time").expect("a status")
    }

    pub(crate) async fn until_live(&mut self) {
        let mut told = Vec::new();
        let deadline = Instant::now() + 2 * PATIENCE;
        while Instant::now() < deadline {
            match self.next().await {
                PublishStatus::Live { .. } => return,
                PublishStatus::Connecting => {}
                PublishStatus::Reconnecting { code, .. } => told.push(code),
                end => panic!("{end:?}"),
            }
        }
        panic!("not live after {told:?}");
    }

    /// The code of the next pause or failure, and whether it is the end.
    pub(crate) async fn until_broken(&mut self) -> (&'static str, bool) {
        loop {
            match self.next().await {
                PublishStatus::Reconnecting { code, .. } => return (code, false),
                PublishStatus::Failed { code, .. } => return (code, true),
                PublishStatus::Stopped => panic!("stopped"),
                _ => {}
            }
        }
    }
}

/// A figure that the test is for.
pub(crate) fn say(text: &str) {
    std::io::Write::write_all(&mut std::io::stderr(), format!("{text}\n").as_bytes()).expect("written");
}

/// What happens, for whoever looks for a fault: with `TIDECAST_TEST_TELL` in the environment.
pub(crate) fn tell(text: impl FnOnce() -> String) {
    if std::env::var_os("TIDECAST_TEST_TELL").is_some() {
        let at = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        say(&format!("{:.3} {}", at.as_secs_f64(), text()));
    }
}

pub(crate) fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("Uid:\t0\t"))
}

/// A child process that is killed with its owner.
pub(crate) struct Peer(Child);

impl Peer {
    /// Starts a program that must be there: a missing one fails with its name.
    pub(crate) fn start(program: &str, arguments: &[&str]) -> Self {
        let child = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{program} can't be started (is its package installed?): {error}")))
    }

    /// As [`Self::start`], with what it prints kept in a file.
    pub(crate) fn start_into(program: &str, arguments: &[&str], file: &Path) -> Self {
        let file = std::fs::File::create(file).expect("a file");
        let child = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(file).spawn();
        Self(child.unwrap_or_else(|error| panic!("{program} can't be started (is its package installed?): {error}")))
    }

    /// Asks it to end, so that it finishes its file.
    pub(crate) async fn interrupt(self) {
        self.signal("INT");
        self.ended().await;
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().is_ok_and(|status| status.success()));
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Waits for its own end.
    pub(crate) async fn ended(mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.0.try_wait().expect("a child").is_none() {
            assert!(Instant::now() < deadline, "the peer goes on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until something listens on the port (TCP).
pub(crate) async fn listening(port: u16) {
    let deadline = Instant::now() + PATIENCE;
    // A look into the table of sockets, not a connection: ffmpeg takes one only.
    let wanted = format!("0100007F:{port:04X} 00000000:0000 0A");
    let any = format!("00000000:{port:04X} 00000000:0000 0A");
    loop {
        let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
        if table.contains(&wanted) || table.contains(&any) {
            return;
        }
        assert!(Instant::now() < deadline, "nobody listens on {port}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a file holds, as ffmpeg decodes it.
pub(crate) struct Received {
    /// The numbers of its pictures; one that can't be read is an error.
    pub(crate) numbers: Vec<u64>,
    /// The tone's amplitude in the middle second of the left channel.
    pub(crate) tone: f64,
}

impl Received {
    pub(crate) fn read(file: &Path) -> Self {
        Self::read_apart(file, file)
    }

    /// Of a file of pictures and one of sound.
    pub(crate) fn read_apart(pictures: &Path, sound: &Path) -> Self {
        let luma = ffmpeg(pictures, &["-fps_mode", "passthrough", "-vf", "extractplanes=y", "-f", "rawvideo"]);
        let sound = ffmpeg(sound, &["-map", "0:a:0", "-af", "pan=mono|c0=c0", "-ar", "48000", "-f", "f32le"]);
        Self::of(&luma, &sound)
    }

    /// Of whole pictures of luma and one channel of 32-bit samples at 48 kHz.
    pub(crate) fn of(luma: &[u8], sound: &[u8]) -> Self {
        let samples = sound.chunks_exact(4).map(|s| f32::from_le_bytes([s[0], s[1], s[2], s[3]])).collect();
        Self::decode(luma, samples)
    }

    /// From luma planes and one channel of 48 kHz.
    pub(crate) fn decode(luma: &[u8], samples: Vec<f32>) -> Self {
        let number = |picture| number_of(picture).expect("a readable picture");
        let numbers = luma.chunks_exact(SIZE.area() as usize).map(number).collect();
        let middle = samples.len() / 2;
        let second = &samples[middle.saturating_sub(24_000)..(middle + 24_000).min(samples.len())];
        Self { numbers, tone: tone_amplitude(second, TONE) }
    }

    /// Every picture from the first to the last, in order, and the tone as loud as it was.
    pub(crate) fn assert_whole(&self, at_least: usize) {
        let numbers = &self.numbers;
        assert!(numbers.len() >= at_least, "{} pictures", numbers.len());
        let gap = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1);
        assert_eq!(gap, None, "of {} pictures", numbers.len());
        assert!((0.2..0.3).contains(&self.tone), "the tone's amplitude is {}", self.tone);
    }
}

/// The number in a picture's luma plane, if it can be read.
pub(crate) fn number_of(data: &[u8]) -> Option<u64> {
    let (width, height) = (SIZE.width, SIZE.height);
    let picture = Luma { data, stride: width as usize, step: 1, width, height };
    decode(picture, Content::Cells, Region::whole(width, height))
}

/// The numbers of the pictures in a file without sound.
pub(crate) fn numbers_in(file: &Path) -> Vec<u64> {
    let luma = ffmpeg(file, &["-fps_mode", "passthrough", "-vf", "extractplanes=y", "-f", "rawvideo"]);
    luma.chunks_exact(SIZE.area() as usize).map(|picture| number_of(picture).expect("a readable picture")).collect()
}

fn ffmpeg(file: &Path, output: &[&str]) -> Vec<u8> {
    let output = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(file).args(output).arg("-").output();
    let output = output.expect("ffmpeg");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "ffmpeg says of {}: {said}", file.display());
    output.stdout
}

/// What is sent there in most tests.
pub(crate) fn rtmp_target(port: u16) -> publish::RtmpTarget {
    publish::RtmpTarget {
        url: format!("rtmp://127.0.0.1:{port}/live"),
        key: Some(media::Secret::new("name")),
        prefer_opus: false,
        target_bitrate: bitrate(),
        frame_rate: frame_rate(),
    }
}

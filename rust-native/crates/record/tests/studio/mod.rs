//! A studio in simulated time: each second begins with a white picture and a beep, through the real encoders; and
//! what ffprobe and ffmpeg make of the files.

#![allow(dead_code, reason = "each test file uses its part")]

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use container::{AudioCodec, Format};
use encoder::{AacEncoder, OpusEncoder, VideoConfig, VideoEncoder};
use media::{
    AUDIO_CHANNELS, AccessUnit, AudioBlock, BLOCK_FRAMES, Bitrate, FrameRate, MediaTime, Picture, Size, VideoCodec,
};
use record::{RecordEvent, RecordOptions, RecordStatus, Recorder};
use stream::{Broadcast, Lanes};
pub(crate) use testkit::scratch::Folder;
use testkit::scratch::output_of;

pub(crate) const START: MediaTime = MediaTime::from_nanos(77_000_000_000_123);
const SIZE: Size = Size { width: 64, height: 64 };
const FPS: u64 = 10;

/// Where the pictures come from.
enum Pictures {
    Encoder(Box<dyn VideoEncoder>),
    /// Encoded before, by a program that is not ours.
    Made(Vec<(bool, Vec<u8>)>),
}

impl Pictures {
    /// HEVC has no encoder of ours without a graphics card: twenty seconds of it are made elsewhere.
    fn of(codec: VideoCodec) -> Self {
        if codec == VideoCodec::Hevc {
            let pictures = (0..20 * FPS).flat_map(|number| {
                let luma = if number.is_multiple_of(FPS) { 235 } else { 16 };
                let area = SIZE.area() as usize;
                [vec![luma; area], vec![128; area / 2]].concat()
            });
            return Self::Made(testkit::hevc::encode(SIZE, FPS as u32, &pictures.collect::<Vec<u8>>()));
        }
        let config = VideoConfig {
            codec,
            size: SIZE,
            frame_rate: FrameRate::new(FPS as u32).unwrap(),
            bitrate: Bitrate::from_kbps(200),
            gop: Duration::from_secs(2),
            threads: 1,
            tune: encoder::Tune::default(),
        };
        Self::Encoder(encoder::open(&config).unwrap().encoder)
    }

    fn encode(&mut self, number: u64, picture: &Picture, at: MediaTime) -> Option<AccessUnit> {
        match self {
            Self::Encoder(encoder) => encoder.encode(picture, at, false).unwrap(),
            Self::Made(units) => {
                let (keyframe, payload) = units[number as usize].clone();
                let (track, payload) = (media::Track::Hevc, payload.into());
                Some(AccessUnit { track, pts: at, dts: at, keyframe, captured_at: at, payload })
            }
        }
    }
}

pub(crate) struct Studio {
    hub: Broadcast<AccessUnit>,
    video: Pictures,
    aac: AacEncoder,
    opus: OpusEncoder,
    picture: u64,
    block: u64,
    /// The test makes the sound.
    silent: bool,
}

impl Studio {
    pub(crate) fn new(hub: Broadcast<AccessUnit>) -> Self {
        Self::of(VideoCodec::H264, hub)
    }

    /// Pictures so coded.
    pub(crate) fn of(codec: VideoCodec, hub: Broadcast<AccessUnit>) -> Self {
        Self {
            hub,
            video: Pictures::of(codec),
            aac: AacEncoder::new(AacEncoder::DEFAULT_BITRATE).unwrap(),
            opus: OpusEncoder::new(Bitrate::from_kbps(128)).unwrap(),
            picture: 0,
            block: 0,
            silent: false,
        }
    }

    /// Pictures alone.
    pub(crate) fn silent(hub: Broadcast<AccessUnit>) -> Self {
        Self { silent: true, ..Self::new(hub) }
    }

    /// Encodes everything before that second. Sound comes first, as a picture's encode takes longer.
    pub(crate) fn encode_until(&mut self, seconds: f64) {
        while (self.picture as f64) < seconds * FPS as f64 - 1e-6 {
            let at = START + Duration::from_nanos(self.picture * 1_000_000_000 / FPS);
            while !self.silent && START + Duration::from_millis(10 * self.block) < at + Duration::from_millis(60) {
                self.sound();
            }
            let mut picture = Picture::black(SIZE);
            if self.picture.is_multiple_of(FPS) {
                picture.planes[0].data.fill(235);
            }
            picture.captured_at = at;
            if let Some(unit) = self.video.encode(self.picture, &picture, at) {
                self.hub.push(&unit);
            }
            self.picture += 1;
        }
    }

    fn sound(&mut self) {
        let mut block = AudioBlock::silence(START + Duration::from_millis(10 * self.block));
        if self.block % 100 < 10 {
            for (frame, pair) in block.samples.chunks_exact_mut(AUDIO_CHANNELS).enumerate() {
                let time = (self.block as usize * BLOCK_FRAMES + frame) as f64 / 48_000.0;
                pair.fill((0.5 * (TAU * 1000.0 * time).sin()) as f32);
            }
        }
        self.block += 1;
        for unit in [self.aac.push(&block).unwrap(), self.opus.push(&block).unwrap()].into_iter().flatten() {
            self.hub.push(&unit);
        }
    }

    /// The same, never further ahead of the recorder than its queue is long.
    pub(crate) fn run_until(&mut self, seconds: f64, recorder: &Recorder) {
        let mut to = (self.picture as f64) / FPS as f64;
        while to < seconds {
            to = (to + 1.0).min(seconds);
            self.encode_until(to);
            let before = recorder.status();
            if !before.paused {
                // The newest picture has been taken in when its step counts.
                settle(recorder, |status| status.ended || status.duration + Duration::from_secs(8) >= before.duration);
            }
            let begun = Instant::now();
            while self.hub.is_wanted(Lanes::VIDEO) && self.backlog(recorder, to) && begun.elapsed().as_secs() < 10 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn backlog(&self, recorder: &Recorder, to: f64) -> bool {
        let status = recorder.status();
        !status.ended && !status.paused && status.duration.as_secs_f64() + 0.05 < to - self.missed(&status, to)
    }

    fn missed(&self, status: &RecordStatus, to: f64) -> f64 {
        // What a pause left out is not waited for.
        if to - status.duration.as_secs_f64() > 2.5 { to - status.duration.as_secs_f64() } else { 0.0 }
    }
}

/// Waits until the recorder's own thread has done what it was told.
pub(crate) fn settle(recorder: &Recorder, done: impl Fn(&RecordStatus) -> bool) {
    let begun = Instant::now();
    while !done(&recorder.status()) {
        assert!(begun.elapsed().as_secs() < 20, "it never came: {:?}", recorder.status());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Records so many seconds and returns the finished files.
pub(crate) fn record_seconds(options: RecordOptions, seconds: u32) -> Vec<PathBuf> {
    record_seconds_of(VideoCodec::H264, options, seconds)
}

/// The same of pictures so coded.
pub(crate) fn record_seconds_of(codec: VideoCodec, options: RecordOptions, seconds: u32) -> Vec<PathBuf> {
    let hub = Broadcast::default();
    let (events, heard) = std::sync::mpsc::channel();
    let recorder = Recorder::start(options, &hub, Arc::new(|| {}), move |event| events.send(event).unwrap()).unwrap();
    let mut studio = Studio::of(codec, hub);
    studio.run_until(seconds.into(), &recorder);
    recorder.stop();
    heard
        .iter()
        .map(|event| match event {
            RecordEvent::Closed(path, None) => path,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[derive(Debug)]
pub(crate) struct Info {
    pub(crate) duration: f64,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

pub(crate) fn probe(file: &Path) -> Info {
    let fields = ["-v", "warning", "-select_streams", "v", "-show_entries", "stream=width,height:format=duration"];
    let output = output_of("ffprobe", &[&fields[..], &["-of", "default=nw=1:nk=1", "FILE"]].concat(), file);
    let text = String::from_utf8(output).unwrap();
    let lines: Vec<_> = text.lines().collect();
    Info { width: lines[0].parse().unwrap(), height: lines[1].parse().unwrap(), duration: lines[2].parse().unwrap() }
}

/// Start in seconds, and title.
pub(crate) fn chapters(file: &Path) -> Vec<(f64, String)> {
    let arguments =
        ["-v", "warning", "-show_entries", "chapter=start_time:chapter_tags=title", "-of", "csv=p=0", "FILE"];
    let text = String::from_utf8(output_of("ffprobe", &arguments, file)).unwrap();
    text.lines()
        .map(|line| {
            let (start, title) = line.split_once(',').unwrap();
            (start.parse().unwrap(), title.to_owned())
        })
        .collect()
}

/// Presentation times of a stream's packets, seconds.
pub(crate) fn packets(file: &Path, stream: &str) -> Vec<f64> {
    let arguments =
        ["-v", "warning", "-select_streams", stream, "-show_entries", "packet=pts_time", "-of", "csv=p=0", "FILE"];
    let text = String::from_utf8(output_of("ffprobe", &arguments, file)).unwrap();
    text.lines().map(|line| line.trim_end_matches(',').parse().unwrap()).collect()
}

/// When pictures turned white and beeps began, seconds.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) flashes: Vec<f64>,
    pub(crate) beeps: Vec<f64>,
}

pub(crate) fn play(file: &Path) -> Played {
    let shown =
        ["-v", "warning", "-i", "FILE", "-an", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"];
    let pictures = output_of("ffmpeg", &shown, file);
    let times = packets(file, "v");
    assert_eq!(pictures.len(), times.len() * (SIZE.area() as usize), "every picture is decoded");
    let white = |picture: &[u8]| picture.iter().map(|luma| u64::from(*luma)).sum::<u64>() > 128 * SIZE.area();
    let lit: Vec<_> = pictures.chunks_exact(SIZE.area() as usize).map(white).collect();
    let flashes = (0..lit.len()).filter(|n| lit[*n] && (*n == 0 || !lit[n - 1])).map(|n| times[n]).collect();
    // Stamped sound with its gaps filled: a sample's place is its time.
    let heard = ["-v", "warning", "-i", "FILE", "-vn", "-af", "aresample=async=1:first_pts=0", "-ac", "1"];
    let sound = output_of("ffmpeg", &[&heard[..], &["-ar", "48000", "-f", "s16le", "-"]].concat(), file);
    let samples: Vec<_> = sound.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
    let mut beeps = Vec::new();
    let mut quiet_since = -24_000_i64;
    for (index, sample) in samples.iter().enumerate() {
        if sample.unsigned_abs() > 4000 {
            if index as i64 - quiet_since > 12_000 {
                beeps.push(index as f64 / 48_000.0);
            }
            quiet_since = index as i64;
        }
    }
    Played { flashes, beeps }
}

/// How many pictures GStreamer decodes, and whole seconds of sound; its first word of warning fails the test.
pub(crate) fn gstreamer(file: &Path, format: Format, audio: AudioCodec) -> (usize, usize) {
    gstreamer_of(VideoCodec::H264, file, format, audio)
}

/// The same of pictures so coded.
pub(crate) fn gstreamer_of(codec: VideoCodec, file: &Path, format: Format, audio: AudioCodec) -> (usize, usize) {
    let picture = match codec {
        VideoCodec::H264 => "h264parse ! avdec_h264",
        VideoCodec::Hevc => "h265parse ! avdec_h265",
        VideoCodec::Av1 => "av1parse ! av1dec",
    };
    let out = Folder::new("record");
    let (pictures, sound) = (out.path().join("pictures"), out.path().join("sound"));
    let demux = match format {
        Format::Mp4 => "qtdemux",
        Format::Mkv => "matroskademux",
    };
    let decode = match audio {
        AudioCodec::Aac => "aacparse ! avdec_aac",
        AudioCodec::Opus => "opusparse ! opusdec",
    };
    let pipeline = format!(
        "-q filesrc location={} ! {demux} name=d \
         d.video_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! {picture} ! videoconvert \
         ! video/x-raw,format=GRAY8 ! filesink location={} \
         d.audio_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! {decode} ! audioconvert \
         ! audio/x-raw,format=S16LE,channels=2 ! filesink location={}",
        // A blank would end the word.
        copied(&out, file).display(),
        pictures.display(),
        sound.display()
    );
    let output = Command::new("gst-launch-1.0")
        .args(pipeline.split_whitespace())
        .env("GST_DEBUG", "2")
        .env("GST_DEBUG_NO_COLOR", "1")
        .output()
        .unwrap_or_else(|error| panic!("the test needs gst-launch-1.0 (npm run setup installs it): {error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    let harmless = [
        // Its reader of files says this of itself when the pipeline ends early in its start, whatever the file holds.
        "pad not activated yet",
        // Its reader of MP4 misses fragments' defaults that a file without fragments has no need of,
        "failed to find fragment defaults",
        // and decodes Opus, whose boxes are not in the table it names boxes from (1.22).
        "unknown QuickTime node type Opus",
        "unknown QuickTime node type dOps",
    ];
    let said: Vec<_> = said.lines().filter(|line| !harmless.iter().any(|known| line.contains(known))).collect();
    let said = said.join("\n");
    assert!(output.status.success() && said.is_empty(), "GStreamer says of {}: {said}", file.display());
    let length = |path: &Path| std::fs::metadata(path).unwrap().len() as usize;
    (length(&pictures) / SIZE.area() as usize, length(&sound).div_ceil(4) / 47_000)
}

fn copied(folder: &Folder, file: &Path) -> PathBuf {
    let copy = folder.path().join("file");
    std::fs::copy(file, &copy).unwrap();
    copy
}

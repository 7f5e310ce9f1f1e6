//! A studio in simulated time: each second begins with a white picture and a beep, through the real encoders; and
//! what ffprobe and ffmpeg make of the files.

#![allow(dead_code, reason = "each test file uses its part")]

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use container::{AudioCodec, Format};
use encoder::{AacEncoder, OpusEncoder, VideoConfig, VideoEncoder};
use media::{AUDIO_CHANNELS, AccessUnit, AudioBlock, BLOCK_FRAMES, Bitrate, FrameRate, MediaTime, Picture, Size};
use record::{RecordEvent, RecordOptions, RecordStatus, Recorder};
use stream::{Broadcast, Lanes};

pub(crate) const START: MediaTime = MediaTime::from_nanos(77_000_000_000_123);
const SIZE: Size = Size { width: 64, height: 64 };
const FPS: u64 = 10;

pub(crate) struct Studio {
    hub: Broadcast<AccessUnit>,
    video: Box<dyn VideoEncoder>,
    aac: AacEncoder,
    opus: OpusEncoder,
    picture: u64,
    block: u64,
    /// The test makes the sound.
    silent: bool,
}

impl Studio {
    pub(crate) fn new(hub: Broadcast<AccessUnit>) -> Self {
        let config = VideoConfig {
            size: SIZE,
            frame_rate: FrameRate::new(FPS as u32).unwrap(),
            bitrate: Bitrate::from_kbps(200),
            gop: Duration::from_secs(2),
            threads: 1,
            tune: encoder::Tune::default(),
        };
        Self {
            hub,
            video: encoder::open(&config).unwrap().encoder,
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
            if let Some(unit) = self.video.encode(&picture, at, false).unwrap() {
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
    let hub = Broadcast::default();
    let (events, heard) = std::sync::mpsc::channel();
    let recorder = Recorder::start(options, &hub, Arc::new(|| {}), move |event| events.send(event).unwrap()).unwrap();
    let mut studio = Studio::new(hub);
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

pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tidecast-record-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A program's output; a word of complaint fails the test.
fn run(program: &str, arguments: &[&str], file: &Path) -> Vec<u8> {
    let file = file.to_str().unwrap();
    let arguments: Vec<_> = arguments.iter().map(|word| if *word == "FILE" { file } else { word }).collect();
    let output = Command::new(program)
        .args(&arguments)
        .output()
        .unwrap_or_else(|error| panic!("the test needs {program} (npm run setup installs it): {error}"));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{program} {arguments:?}");
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

#[derive(Debug)]
pub(crate) struct Info {
    pub(crate) duration: f64,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

pub(crate) fn probe(file: &Path) -> Info {
    let fields = ["-v", "warning", "-select_streams", "v", "-show_entries", "stream=width,height:format=duration"];
    let output = run("ffprobe", &[&fields[..], &["-of", "default=nw=1:nk=1", "FILE"]].concat(), file);
    let text = String::from_utf8(output).unwrap();
    let lines: Vec<_> = text.lines().collect();
    Info { width: lines[0].parse().unwrap(), height: lines[1].parse().unwrap(), duration: lines[2].parse().unwrap() }
}

/// Start in seconds, and title.
pub(crate) fn chapters(file: &Path) -> Vec<(f64, String)> {
    let arguments =
        ["-v", "warning", "-show_entries", "chapter=start_time:chapter_tags=title", "-of", "csv=p=0", "FILE"];
    let text = String::from_utf8(run("ffprobe", &arguments, file)).unwrap();
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
    let text = String::from_utf8(run("ffprobe", &arguments, file)).unwrap();
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
    let pictures = run("ffmpeg", &shown, file);
    let times = packets(file, "v");
    assert_eq!(pictures.len(), times.len() * (SIZE.area() as usize), "every picture is decoded");
    let white = |picture: &[u8]| picture.iter().map(|luma| u64::from(*luma)).sum::<u64>() > 128 * SIZE.area();
    let lit: Vec<_> = pictures.chunks_exact(SIZE.area() as usize).map(white).collect();
    let flashes = (0..lit.len()).filter(|n| lit[*n] && (*n == 0 || !lit[n - 1])).map(|n| times[n]).collect();
    // Stamped sound with its gaps filled: a sample's place is its time.
    let heard = ["-v", "warning", "-i", "FILE", "-vn", "-af", "aresample=async=1:first_pts=0", "-ac", "1"];
    let sound = run("ffmpeg", &[&heard[..], &["-ar", "48000", "-f", "s16le", "-"]].concat(), file);
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
    let out = Folder::new();
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
         d.video_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! h264parse ! avdec_h264 ! videoconvert \
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

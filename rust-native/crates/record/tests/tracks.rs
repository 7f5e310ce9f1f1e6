//! Recordings in which each input has a track of its own: what ffprobe, ffmpeg and GStreamer find in them.

// Helpers of tests are tests: what they can't do without is to fail them.
#![allow(clippy::unwrap_used)]

mod studio;

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use container::{AudioCodec, Format};
use encoder::AacEncoder;
use media::{AUDIO_CHANNELS, AccessUnit, AudioBlock, BLOCK_FRAMES, Track};
use record::{InputTrack, Inputs, RecordEvent, RecordOptions, RecordStatus, Recorder, Split};
use stream::Broadcast;
use studio::{Folder, Studio, gstreamer, probe, settle};

/// Each input beeps at its own part of each second, which is silent in the others.
const TONES: [f64; 3] = [500.0, 1000.0, 2000.0];
const SLOT: f64 = 0.25;

/// A desk whose inputs beep in turn: the mix is their sum.
struct Desk {
    hub: Broadcast<AccessUnit>,
    studio: Studio,
    lines: Vec<(usize, AacEncoder)>,
    mix: AacEncoder,
    block: u64,
    /// Seconds that a pause left out.
    paused: f64,
}

impl Desk {
    fn new(hub: &Broadcast<AccessUnit>, inputs: usize) -> Self {
        let aac = || AacEncoder::new(AacEncoder::DEFAULT_BITRATE).unwrap();
        Self {
            hub: hub.clone(),
            studio: Studio::silent(hub.clone()),
            lines: (0..inputs).map(|input| (input, aac())).collect(),
            mix: aac(),
            block: 0,
            paused: 0.0,
        }
    }

    fn add(&mut self) {
        self.lines.push((self.lines.len(), AacEncoder::new(AacEncoder::DEFAULT_BITRATE).unwrap()));
    }

    /// A tenth of a second of everything at a time, as far as the recorder keeps up.
    fn run_until(&mut self, seconds: f64, recorder: &Recorder) {
        while (self.block as f64) < seconds * 100.0 {
            (0..10).for_each(|_| self.sound());
            let to = self.block as f64 / 100.0 - 0.06;
            self.studio.encode_until(to);
            let to = to - self.paused;
            settle(recorder, |status| done(status, to));
        }
    }

    fn sound(&mut self) {
        let at = studio::START + std::time::Duration::from_millis(10 * self.block);
        let mut sum = AudioBlock::silence(at);
        for (input, encoder) in &mut self.lines {
            let mut block = AudioBlock::silence(at);
            let begins = (SLOT * 100.0) as u64 * *input as u64;
            if (begins..begins + 10).contains(&(self.block % 100)) {
                for (frame, pair) in block.samples.chunks_exact_mut(AUDIO_CHANNELS).enumerate() {
                    let time = (self.block as usize * BLOCK_FRAMES + frame) as f64 / 48_000.0;
                    pair.fill((0.5 * (TAU * TONES[*input] * time).sin()) as f32);
                }
            }
            sum.samples.iter_mut().zip(&block.samples).for_each(|(sum, one)| *sum += one);
            if let Some(unit) = encoder.push(&block).unwrap() {
                self.hub.push(&AccessUnit { track: Track::Input(number(*input)), ..unit });
            }
        }
        if let Some(unit) = self.mix.push(&sum).unwrap() {
            self.hub.push(&unit);
        }
        self.block += 1;
    }
}

/// The mixer's numbers have gaps where inputs were removed.
fn number(input: usize) -> u32 {
    7 * input as u32 + 2
}

fn done(status: &RecordStatus, to: f64) -> bool {
    // The newest picture counts with its successor.
    status.ended || status.duration.as_secs_f64() > to - 2.0
}

fn tracks(names: &[&str]) -> Vec<InputTrack> {
    let name = |(input, name): (usize, &&str)| InputTrack { number: number(input), name: (*name).to_owned() };
    names.iter().enumerate().map(name).collect()
}

fn options(folder: &Folder, format: Format, plain: bool, inputs: &Inputs) -> RecordOptions {
    RecordOptions {
        folder: folder.path().to_path_buf(),
        template: "Show".to_owned(),
        format,
        audio: AudioCodec::Aac,
        plain,
        split: Split::default(),
        inputs: Some(inputs.clone()),
    }
}

fn start(options: RecordOptions, hub: &Broadcast<AccessUnit>) -> (Recorder, std::sync::mpsc::Receiver<RecordEvent>) {
    let (events, heard) = std::sync::mpsc::channel();
    (Recorder::start(options, hub, Arc::new(|| {}), move |event| events.send(event).unwrap()).unwrap(), heard)
}

fn files(heard: &std::sync::mpsc::Receiver<RecordEvent>) -> Vec<PathBuf> {
    let path = |event| match event {
        RecordEvent::Closed(path, None) => path,
        other => panic!("{other:?}"),
    };
    heard.iter().map(path).collect()
}

/// Of each track of sound: its title, and whether players take it by themselves.
fn titles(file: &Path) -> Vec<(String, bool)> {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "warning",
            "-select_streams",
            "a",
            "-show_entries",
            "stream_tags=title,handler_name:stream_disposition=default",
        ])
        .args(["-of", "compact=p=0"])
        .arg(file)
        .output()
        .expect("the test needs ffprobe (npm run setup installs it)");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| {
        let tag =
            |part: &str| part.strip_prefix("tag:title=").or(part.strip_prefix("tag:handler_name=")).map(str::to_owned);
        let title = line.split('|').find_map(tag).unwrap_or_default();
        (title, line.contains("disposition:default=1"))
    };
    text.lines().map(line).collect()
}

/// A track's left channel, each sample at its place in time.
fn sound(file: &Path, track: usize) -> Vec<f32> {
    let output = Command::new("ffmpeg")
        .args(["-v", "warning", "-i"])
        .arg(file)
        .args(["-map", &format!("0:a:{track}"), "-af", "aresample=async=1:first_pts=0", "-ac", "2"])
        .args(["-ar", "48000", "-f", "f32le", "-"])
        .output()
        .expect("the test needs ffmpeg (npm run setup installs it)");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    output.stdout.chunks_exact(8).map(|bytes| f32::from_le_bytes(bytes[..4].try_into().unwrap())).collect()
}

/// When the beep of that input's part of that second begins, seconds from the part's begin; `None` for silence.
fn beep(samples: &[f32], second: usize, input: usize) -> Option<f64> {
    let from = ((second as f64 + SLOT * input as f64) * 48_000.0) as usize;
    // Half of the silence before it, to half of the silence behind it.
    let part = &samples[from - 3600..(from + 8400).min(samples.len())];
    part.iter().position(|sample| sample.abs() > 0.12).map(|at| at as f64 / 48_000.0 - 0.075)
}

/// Each track holds its input's beeps alone, at the moments at which the mix has them.
fn assert_apart(file: &Path, seconds: std::ops::Range<usize>, inputs: usize) {
    let what = file.display();
    let mix = sound(file, 0);
    for (track, hz) in TONES.into_iter().enumerate().take(inputs) {
        let own = sound(file, track + 1);
        for second in seconds.clone() {
            for input in 0..inputs {
                let (there, here) = (beep(&mix, second, input), beep(&own, second, input));
                let there = there.unwrap_or_else(|| panic!("{what}: second {second}, no beep of {input} in the mix"));
                if input == track {
                    let here = here.unwrap_or_else(|| panic!("{what}: second {second}, no beep in track {track}"));
                    assert!((here - there).abs() < 0.005, "{what}: {here} in track {track}, {there} in the mix");
                } else {
                    assert_eq!(here, None, "{what}: second {second}, input {input} is heard in track {track}");
                }
            }
        }
        let at = ((seconds.start as f64 + SLOT * track as f64) * 48_000.0) as usize;
        let tone = &own[at + 480..at + 4320];
        let level = testkit::sine::tone_amplitude(tone, hz);
        assert!((level - 0.5).abs() < 0.03, "{what}: {hz} Hz has an amplitude of {level} in track {track}");
    }
}

#[test]
fn each_input_is_alone_on_its_track_and_in_step_with_the_mix() {
    for (format, plain) in [(Format::Mp4, false), (Format::Mp4, true), (Format::Mkv, false)] {
        let folder = Folder::new("record");
        let (hub, inputs) = (Broadcast::default(), Inputs::default());
        inputs.set(tracks(&["Microphone", "Spiel & Spaß", "音乐"]));
        let (recorder, heard) = start(options(&folder, format, plain, &inputs), &hub);
        let mut desk = Desk::new(&hub, 3);
        desk.run_until(8.0, &recorder);
        recorder.stop();
        let files = files(&heard);
        assert_eq!(files.len(), 1, "{files:?}");
        let mix = if format == Format::Mp4 { "Sound" } else { "" };
        let wanted = [(mix, true), ("Microphone", false), ("Spiel & Spaß", false), ("音乐", false)];
        assert_eq!(titles(&files[0]), wanted.map(|(title, default)| (title.to_owned(), default)), "{format:?} {plain}");
        assert!((probe(&files[0]).duration - 8.0).abs() < 0.2);
        assert_apart(&files[0], 1..7, 3);
        // A player that knows nothing of them plays the pictures and the mix.
        let (pictures, seconds) = gstreamer(&files[0], format, AudioCodec::Aac);
        assert!(pictures >= 78 && (7..=9).contains(&seconds), "{format:?}: {pictures} pictures, {seconds} s");
    }
}

#[test]
fn an_input_that_is_added_begins_a_part_and_nothing_is_lost_between() {
    let folder = Folder::new("record");
    let (hub, inputs) = (Broadcast::default(), Inputs::default());
    inputs.set(tracks(&["one"]));
    let (recorder, heard) = start(options(&folder, Format::Mp4, false, &inputs), &hub);
    let mut desk = Desk::new(&hub, 1);
    desk.run_until(5.5, &recorder);
    desk.add();
    inputs.set(tracks(&["one", "two"]));
    desk.run_until(12.0, &recorder);
    recorder.stop();
    let files = files(&heard);
    assert_eq!(files.len(), 2, "{files:?}");
    assert_eq!(titles(&files[0]).len(), 2);
    assert_eq!(titles(&files[1]).iter().map(|(title, _)| title.as_str()).collect::<Vec<_>>(), ["Sound", "one", "two"]);
    let lengths: Vec<_> = files.iter().map(|file| probe(file).duration).collect();
    assert!((lengths.iter().sum::<f64>() - 12.0).abs() < 0.2, "{lengths:?}");
    // A keyframe comes every two seconds.
    assert!((lengths[0] - 6.0).abs() < 0.1, "{lengths:?}");
    assert_apart(&files[0], 1..5, 1);
    assert_apart(&files[1], 1..5, 2);
}

#[test]
fn a_pause_is_left_out_of_every_track() {
    let folder = Folder::new("record");
    let (hub, inputs) = (Broadcast::default(), Inputs::default());
    inputs.set(tracks(&["one", "two"]));
    let (recorder, heard) = start(options(&folder, Format::Mkv, false, &inputs), &hub);
    let mut desk = Desk::new(&hub, 2);
    desk.run_until(4.5, &recorder);
    settle(&recorder, |status| status.duration.as_secs_f64() > 4.3);
    recorder.pause();
    settle(&recorder, |status| status.paused);
    // Nothing of it is taken in: there is nothing to wait for.
    for _ in 0..30 {
        (0..10).for_each(|_| desk.sound());
        desk.studio.encode_until(desk.block as f64 / 100.0 - 0.06);
    }
    desk.paused = 3.6;
    recorder.resume();
    settle(&recorder, |status| !status.paused);
    desk.run_until(14.0, &recorder);
    recorder.stop();
    let files = files(&heard);
    // It goes on with a keyframe: at 8 s, or at 6 s where the recorder came to it only when the pause was over.
    let length = probe(&files[0]).duration;
    assert!((length - 10.45).abs() < 0.2 || (length - 12.45).abs() < 0.2, "{length}");
    for (track, wanted) in [(0, &TONES[..2]), (1, &TONES[..1]), (2, &TONES[1..2])] {
        let samples = sound(&files[0], track);
        let heard_in = |from: f64, hz| {
            let part = &samples[(from * 48_000.0) as usize..][..48_000];
            part.chunks_exact(480).map(|part| testkit::sine::tone_amplitude(part, hz)).fold(0.0, f64::max) > 0.4
        };
        for second in [1.0, 5.5, 8.5] {
            let all: Vec<f64> = TONES.into_iter().filter(|hz| heard_in(second, *hz)).collect();
            assert_eq!(all, wanted, "track {track} at {second}");
        }
    }
}

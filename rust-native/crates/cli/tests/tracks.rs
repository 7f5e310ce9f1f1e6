//! `tidecast stream --record-tracks`: from devices to tracks, read back by ffprobe and ffmpeg.

#![cfg(target_os = "linux")]
// What was measured belongs to the test's output, wherever it is said.
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::scratch::{Folder, output_of};
use testkit::sine::{loudest_tone_db, tone_levels_db};
use testkit::sound::{SoundRig, Target};

/// Of the tones that the rig plays.
const TONE_DB: f64 = -12.04;
const WHISTLE: f64 = 440.0;
const MUSIC: f64 = 3000.0;

fn rig() -> SoundRig {
    SoundRig::start().unwrap_or_else(|error| panic!("the sound rig does not start: {error}"))
}

fn recorder(rig: &SoundRig, file: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidecast"));
    command
        .args(["stream", "--source", "pattern:bars", "--size", "320x180", "--fps", "10", "--kbps", "200"])
        .args(["--audio", "microphone:default,id=voice,gain=-6", "--audio", "system-sound,id=music"])
        .args(more)
        .args(["--record-tracks", "--record"])
        .arg(file)
        .envs(rig.env())
        .stdout(Stdio::null());
    command
}

fn titles(file: &Path) -> Vec<String> {
    // An MP4's track has its name as its handler's too, which every version of ffprobe shows.
    let tag = if file.extension().is_some_and(|extension| extension == "mp4") { "handler_name" } else { "title" };
    let entries = format!("stream=index:stream_tags={tag}");
    let arguments = ["-v", "warning", "-select_streams", "a", "-show_entries", &entries, "-of", "csv=p=0"];
    let text = String::from_utf8(output_of("ffprobe", &[&arguments[..], &["FILE"]].concat(), file)).expect("text");
    text.lines().skip(1).map(|line| line.split_once(',').map_or("", |(_, title)| title).to_owned()).collect()
}

/// A track's left channel at its place in time.
fn sound(file: &Path, track: usize) -> Vec<f32> {
    let map = format!("0:a:{track}");
    let arguments = ["-v", "warning", "-i", "FILE", "-map", &map, "-af", "aresample=async=1:first_pts=0", "-ac", "2"];
    let bytes = output_of("ffmpeg", &[&arguments[..], &["-ar", "48000", "-f", "f32le", "-"]].concat(), file);
    bytes.chunks_exact(8).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect()
}

/// Once more, and up to four times in all: a sound server that gets no processor plays nothing. Never right is wrong.
fn once_right(what: &str, attempt: impl Fn() -> Result<(), String>) {
    let mut attempts = 1;
    while let Err(wrong) = attempt() {
        assert!(attempts < 4, "{what}: {wrong}");
        println!("{what}, once more: {wrong}");
        attempts += 1;
    }
}

#[test]
fn every_input_is_alone_on_a_track_of_its_name_at_its_level_in_the_mix() {
    let (rig, folder) = (rig(), Folder::new("cli-tracks-whole"));
    let _whistle = rig.play_tone(Target::Microphone, WHISTLE, 300.0).expect("pacat");
    let _tone = rig.play_tone(Target::Speaker, MUSIC, 300.0).expect("pacat");
    for name in ["a.mp4", "a.mkv"] {
        let file = folder.file(name);
        once_right(name, || {
            let _ = std::fs::remove_file(&file);
            let status = recorder(&rig, &file, &["--duration", "6"]).status().expect("tidecast");
            assert!(status.success(), "{name}");
            assert_eq!(titles(&file), ["voice", "music"], "{name}");
            apart(&file)
        });
    }
}

/// Each tone at its level on its own track and in the mix, and not on the other's.
fn apart(file: &Path) -> Result<(), String> {
    let tracks: Vec<_> = (0..3).map(|track| sound(file, track)).collect();
    // The first second is the devices' beginning.
    let rest = |track: usize| tracks[track].get(48_000..).unwrap_or_default();
    for (track, hz, wanted) in [(1, WHISTLE, TONE_DB - 6.0), (2, MUSIC, TONE_DB)] {
        for place in [track, 0] {
            let loudest = loudest_tone_db(rest(place), hz);
            if (loudest - wanted).abs() >= 0.5 {
                return Err(format!("{hz} Hz has {loudest:.2} dB on track {place}, not {wanted:.2}"));
            }
        }
        let levels = tone_levels_db(rest(3 - track), hz);
        let other = levels[levels.len() / 2];
        if other > -60.0 {
            return Err(format!("{hz} Hz has {other:.2} dB on track {}", 3 - track));
        }
    }
    Ok(())
}

#[test]
fn killed_it_leaves_every_track() {
    let (rig, folder) = (rig(), Folder::new("cli-tracks-killed"));
    let _whistle = rig.play_tone(Target::Microphone, WHISTLE, 300.0).expect("pacat");
    let _tone = rig.play_tone(Target::Speaker, MUSIC, 300.0).expect("pacat");
    for name in ["a.mp4", "a.mkv"] {
        let file = folder.file(name);
        once_right(name, || {
            let _ = std::fs::remove_file(&file);
            let mut child = recorder(&rig, &file, &[]).spawn().expect("tidecast");
            wait_for_fragments(&file, &mut child);
            child.kill().expect("SIGKILL");
            child.wait().expect("its end");
            assert_eq!(titles(&file), ["voice", "music"], "{name}");
            apart(&file)
        });
    }
}

/// Some five seconds of pictures.
fn wait_for_fragments(file: &Path, of: &mut Child) {
    let begun = Instant::now();
    let (mut written, mut fragments) = (0, 0);
    while fragments < 6 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{written} bytes in a minute");
        assert!(of.try_wait().expect("a child").is_none(), "the program ended");
        let bytes = std::fs::metadata(file).map_or(0, |about| about.len());
        fragments += u32::from(bytes > written);
        written = bytes.max(written);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn without_a_recording_the_wish_is_a_wrong_command_line() {
    let output = Command::new(env!("CARGO_BIN_EXE_tidecast"))
        .args(["stream", "--source", "pattern:bars", "--record-tracks"])
        .output()
        .expect("tidecast");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--record"));
}

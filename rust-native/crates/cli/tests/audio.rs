//! `tidecast stream --audio`: what is in the recording is what was asked for, read back by ffmpeg.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Stdio};

use testkit::scratch::Folder;
use testkit::sine::{loudest_tone_db, tone_levels_db};
use testkit::sound::{SoundRig, Target};

/// Of the tones that the rig plays.
const TONE_DB: f64 = -12.04;

/// Records six seconds with those inputs; gives the left channel of its last two.
fn heard(rig: &SoundRig, file: &Path, inputs: &[&str]) -> Vec<f32> {
    let output = Command::new(env!("CARGO_BIN_EXE_tidecast"))
        .args(["stream", "--source", "pattern:bars", "--size", "320x180", "--fps", "5", "--kbps", "200"])
        .args(inputs)
        .args(["--duration", "6", "--record"])
        .arg(file)
        .envs(rig.env())
        .stdout(Stdio::null())
        .output()
        .expect("tidecast");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let decoded = Command::new("ffmpeg")
        .args(["-v", "error", "-sseof", "-2", "-i"])
        .arg(file)
        .args(["-map", "0:a", "-ac", "2", "-ar", "48000", "-f", "f32le", "-"])
        .output()
        .expect("the test needs ffmpeg (npm run setup installs it)");
    assert!(decoded.status.success(), "{}", String::from_utf8_lossy(&decoded.stderr));
    decoded.stdout.chunks_exact(8).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect()
}

#[test]
fn inputs_are_in_the_recording_at_their_levels_and_filtered() {
    let rig = SoundRig::start().unwrap_or_else(|error| panic!("the sound rig does not start: {error}"));
    let folder = Folder::new("cli-audio");
    let _whistle = rig.play_tone(Target::Microphone, 440.0, 300.0).expect("pacat");
    let _tone = rig.play_tone(Target::Speaker, 3000.0, 300.0).expect("pacat");

    let by_flags = ["--audio", "microphone:default,gain=-6", "--audio", "system-sound,gain=6"];
    let samples = heard(&rig, &folder.file("flags.mp4"), &by_flags);
    for (hz, wanted) in [(440.0, TONE_DB - 6.0), (3000.0, TONE_DB + 6.0)] {
        let level = loudest_tone_db(&samples, hz);
        println!("{hz} Hz: {level:.2} dB, wanted {wanted:.2}");
        assert!((level - wanted).abs() < 1.0, "{hz} Hz: {level:.2} dB instead of {wanted:.2}");
    }

    let file = folder.file("inputs.json");
    let text = r#"[{"source":{"kind":"microphone","device":"default"},"settings":{"filters":[{"enabled":true,
        "effect":{"kind":"gate","threshold_db":-3.0,"attack_ms":5.0,"hold_ms":0.0,"release_ms":50.0}}]}},
        {"id":"desktop","source":{"kind":"system_sound","device":"default"}}]"#;
    std::fs::write(&file, text).expect("a file");
    let samples = heard(&rig, &folder.file("file.mkv"), &["--audio-file", file.to_str().expect("text")]);
    let levels = tone_levels_db(&samples, 440.0);
    let (gated, open) = (levels[levels.len() / 2], loudest_tone_db(&samples, 3000.0));
    assert!(gated < -60.0, "the gate is shut: {gated:.2} dB");
    assert!((open - TONE_DB).abs() < 1.0, "{open:.2} dB");
}

#[test]
fn a_microphone_that_is_not_there_is_told_and_the_stream_goes_on() {
    let rig = SoundRig::start().unwrap_or_else(|error| panic!("the sound rig does not start: {error}"));
    let output = Command::new(env!("CARGO_BIN_EXE_tidecast"))
        .args(["stream", "--source", "pattern:bars", "--size", "320x180", "--duration", "2"])
        .args(["--audio", "microphone:no_such_thing"])
        .envs(rig.env())
        .output()
        .expect("tidecast");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("[device_not_found]"));
}

#[test]
fn an_input_that_makes_no_sense_is_a_wrong_command_line() {
    let output = Command::new(env!("CARGO_BIN_EXE_tidecast"))
        .args(["stream", "--source", "pattern:bars", "--audio", "kazoo"])
        .output()
        .expect("tidecast");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("kazoo"));
}

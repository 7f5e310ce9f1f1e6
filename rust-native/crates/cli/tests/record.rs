//! `tidecast stream --record`: what is on disk plays, however the program ends.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::scratch::Folder;

/// The engine's own moving picture: no screen is needed.
fn recorder(file: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidecast"));
    command.args(["stream", "--source", "pattern:bars", "--size", "320x180", "--fps", "15", "--kbps", "200"]);
    command.arg("--record").arg(file).args(more).stdout(Stdio::null());
    command
}

/// Seconds that can be played, every packet read; a complaint fails the test.
fn playable(file: &Path) -> f64 {
    let output = Command::new("ffprobe")
        .args(["-v", "warning", "-select_streams", "v", "-show_entries", "packet=pts_time,duration_time"])
        .args(["-of", "csv=p=0"])
        .arg(file)
        .output()
        .expect("the test needs ffprobe (npm run setup installs it)");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{}", file.display());
    let text = String::from_utf8(output.stdout).expect("numbers");
    let last = text.lines().last().unwrap_or_else(|| panic!("{} holds no picture", file.display()));
    last.split(',').filter_map(|number| number.parse::<f64>().ok()).sum()
}

fn wait_for_bytes(file: &Path, of: &mut Child) -> Instant {
    let begun = Instant::now();
    while std::fs::metadata(file).map_or(0, |about| about.len()) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "{} stays empty", file.display());
        assert!(of.try_wait().expect("a child").is_none(), "the program ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    Instant::now()
}

#[test]
fn a_recording_of_so_many_seconds_is_so_long() {
    let folder = Folder::new("cli-whole");
    for name in ["a.mp4", "a.mkv"] {
        let file = folder.file(name);
        assert!(recorder(&file, &["--duration", "4"]).status().expect("tidecast").success());
        let seconds = playable(&file);
        assert!((3.0..=5.0).contains(&seconds), "{name}: {seconds} s");
    }
}

#[test]
fn killed_at_ten_moments_ten_files_play_to_within_two_seconds_of_it() {
    let folder = Folder::new("cli-killed");
    let running: Vec<_> = (0..10)
        .map(|number| {
            let file = folder.file(&format!("{number}.mp4"));
            let mut child = recorder(&file, &[]).spawn().expect("tidecast");
            // The first bytes are the first fragment, which is what had been captured until then.
            let first = wait_for_bytes(&file, &mut child);
            (file, child, first, Duration::from_millis(1500 + 337 * number))
        })
        .collect();
    for (file, mut child, first, life) in running {
        std::thread::sleep(life.saturating_sub(first.elapsed()));
        let lived = first.elapsed().as_secs_f64();
        child.kill().expect("SIGKILL");
        child.wait().expect("its end");
        let seconds = playable(&file);
        assert!(
            seconds > lived - 2.0,
            "{}: {seconds:.2} s play, killed {lived:.2} s after its first bytes",
            file.display()
        );
    }
}

#[test]
fn av1_is_recorded_and_a_codec_without_an_encoder_or_a_place_is_refused_with_its_reason() {
    let folder = Folder::new("cli-codec");
    let file = folder.file("a.mp4");
    assert!(recorder(&file, &["--codec", "av1", "--duration", "4"]).status().expect("tidecast").success());
    assert!((3.0..=5.0).contains(&playable(&file)));
    let codec = ["-v", "error", "-select_streams", "v", "-show_entries", "stream=codec_name", "-of", "csv=p=0", "FILE"];
    assert_eq!(String::from_utf8_lossy(&testkit::scratch::output_of("ffprobe", &codec, &file)).trim(), "av1");
    let run = |more: &[&str]| {
        let output = recorder(&folder.file("b.mp4"), more).stderr(Stdio::piped()).output().expect("tidecast");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&["--codec", "av1", "--to", "udp://127.0.0.1:9", "--duration", "5"]);
    assert!(code == Some(1) && said.contains("[codec_not_taken]") && said.contains("AV1"), "{said}");
    // Only a graphics card makes it.
    let (code, said) = run(&["--codec", "hevc", "--duration", "2"]);
    let refused = said.contains("[no_encoder_of_codec]") && said.contains("hevc_nvenc: ");
    assert!(code == Some(0) || code == Some(1) && refused, "{said}");
}

#[test]
fn a_folder_that_is_not_there_is_told_and_the_exit_code_says_so() {
    let output = recorder(Path::new("/no/such/folder/a.mp4"), &["--duration", "2"])
        .stderr(Stdio::piped())
        .output()
        .expect("tidecast");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("[record_folder_gone]"));
}

//! `tidecast stream --record`: what is on disk plays, however the program ends.

#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A folder that is gone with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidecast-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

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
    let folder = Folder::new("whole");
    for name in ["a.mp4", "a.mkv"] {
        let file = folder.0.join(name);
        assert!(recorder(&file, &["--duration", "4"]).status().expect("tidecast").success());
        let seconds = playable(&file);
        assert!((3.0..=5.0).contains(&seconds), "{name}: {seconds} s");
    }
}

#[test]
fn killed_at_ten_moments_ten_files_play_to_within_two_seconds_of_it() {
    let folder = Folder::new("killed");
    let running: Vec<_> = (0..10)
        .map(|number| {
            let file = folder.0.join(format!("{number}.mp4"));
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
fn a_folder_that_is_not_there_is_told_and_the_exit_code_says_so() {
    let output = recorder(Path::new("/no/such/folder/a.mp4"), &["--duration", "2"])
        .stderr(Stdio::piped())
        .output()
        .expect("tidecast");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("[record_folder_gone]"));
}

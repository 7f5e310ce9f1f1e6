//! `tidecast stream --source wayland:portal`: what the desktop shares is in the recording, and its user is asked once.

#![cfg(target_os = "linux")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use testkit::scratch::Folder;
use testkit::shared_screen::{Answer, Desktop, Portal};

/// Streams two seconds of what that desktop shares into a file.
fn stream(desktop: &Desktop, folder: &Path, file: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidecast"));
    command.args(["stream", "--source", "wayland:portal", "--size", "320x180", "--fps", "10", "--kbps", "300"]);
    command.args(["--stats", "json", "--duration", "2", "--record"]).arg(file).args(more);
    command.env("DBUS_SESSION_BUS_ADDRESS", desktop.bus()).env("XDG_SESSION_TYPE", "wayland");
    command.env("XDG_STATE_HOME", folder.join("state")).env("HOME", folder).env("TIDECAST_LOG", "trace");
    command.output().expect("tidecast")
}

/// The middle of the last picture, red, green, blue.
fn colour(file: &Path) -> Vec<u8> {
    let decoded = Command::new("ffmpeg")
        .args(["-v", "error", "-sseof", "-1", "-i"])
        .arg(file)
        .args(["-vf", "crop=2:2:160:90,scale=1:1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .expect("the test needs ffmpeg (npm run setup installs it)");
    let at = decoded.stdout.len().checked_sub(3).expect("a picture");
    decoded.stdout[at..].to_vec()
}

#[test]
fn the_desktop_asks_once_and_its_token_is_kept_for_the_user_alone() {
    let desktop = Desktop::start().unwrap_or_else(|error| panic!("no PipeWire: {error}"));
    let orange = ["pattern=solid-color", "foreground-color=0xffe06820"];
    let screen = desktop.screen("format=BGRx,width=640,height=360,framerate=30/1", &orange).expect("a producer");
    let portal =
        Portal::start(&desktop.bus(), &desktop.pipewire(), screen.node, None, Answer::Share).expect("a portal");
    let folder = Folder::new("cli-portal");

    let file = folder.file("first.mp4");
    let first = stream(&desktop, folder.path(), &file, &[]);
    let words = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(first.status.success(), "{words}");
    for (seen, wanted) in colour(&file).into_iter().zip([0xe0, 0x68, 0x20]) {
        assert!(seen.abs_diff(wanted) <= 4, "{seen} instead of {wanted}");
    }
    assert_eq!(portal.asked().expect("a portal").questions, 1);
    let kept = folder.file("state/tidecast/grants.json");
    assert_eq!(std::fs::metadata(&kept).expect("the file").permissions().mode() & 0o777, 0o600);
    let all = [words, String::from_utf8_lossy(&first.stdout).into_owned()].concat();
    assert!(!all.contains("restore-me"), "the token is in what the program says");

    // Whoever asks without the token gets no answer at all now.
    portal.set_answer(Answer::Think).expect("a portal");
    let second = stream(&desktop, folder.path(), &folder.file("second.mp4"), &[]);
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    let asked = portal.asked().expect("a portal");
    assert_eq!((asked.questions, asked.restore_token.as_deref()), (1, Some("restore-me-1")));

    portal.set_answer(Answer::Refuse).expect("a portal");
    let anew = stream(&desktop, folder.path(), &folder.file("third.mp4"), &["--ask-again"]);
    let words = String::from_utf8_lossy(&anew.stderr);
    assert_eq!(anew.status.code(), Some(1), "{words}");
    assert!(words.contains("[portal_refused]"), "{words}");
    let asked = portal.asked().expect("a portal");
    assert_eq!((asked.questions, asked.restore_token), (2, None));
    assert!(!kept.exists());
}

//! A screen of a real Wayland session: sway, its portal and PipeWire, all of Debian sid, by pixel.
//!
//! The test starts the session and itself inside of it. Long, for what the session is made of: the first time it is
//! downloaded and unpacked, which takes minutes and a gigabyte.
#![cfg(target_os = "linux")]

mod video_rig;

use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use capture::video::{SourceKind, VideoCapture, VideoEvent, VideoOptions, describe, list_sources};
use media::{FrameRate, Secret, Size};
use stream::FrameSlot;
use video_rig::*;

#[test]
#[ignore = "long: makes a Wayland session of Debian sid"]
fn a_real_wayland_session_is_shared_by_pixel_and_ends_with_its_compositor() {
    if std::env::var_os("WAYLAND_SESSION").is_some() {
        the_list_offers_the_portal();
        the_screen_comes_by_pixel_and_changes_with_it();
        a_still_screen_gives_no_frames();
        the_token_brings_the_same_screen_back();
        // The last: nothing is left after it.
        the_end_of_the_compositor_is_a_card_and_a_reason();
        say(DONE);
        return;
    }
    let rig = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/rigs/wayland-session");
    let program = std::env::current_exe().expect("this test");
    let outcome = Command::new(rig).arg(program).args(["--ignored", "--nocapture"]).output().expect("the rig");
    let said = String::from_utf8_lossy(&outcome.stdout);
    let complaint = String::from_utf8_lossy(&outcome.stderr);
    assert!(outcome.status.success() && said.contains(DONE), "{}\n{said}\n{complaint}", outcome.status);
}

#[expect(clippy::print_stdout, reason = "what the inside measured is read by the outside")]
fn say(line: &str) {
    println!("{line}");
}

/// What the inside says at its end.
const DONE: &str = "the session passed";
const ID: &str = "wayland:portal";
const SCREEN: Size = Size { width: 1280, height: 720 };
/// As the rig sets the screen up.
const ORANGE: u32 = 0xe0_6820;
const TEAL: u32 = 0x10_8080;

fn sway(command: &str) {
    let output = Command::new("swaymsg").arg(command).output().expect("swaymsg");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// By a program of its own over what was there: sway's own word for it sets the output up anew, after which
/// xdg-desktop-portal-wlr 0.8.4 asks for two frames at once and is thrown out.
fn paint(colour: u32) {
    sway(&format!("exec swaybg --output HEADLESS-1 --mode solid_color --color '#{colour:06x}'"));
}

fn start(cursor: bool, restore_token: Option<Secret>) -> Running {
    let frame_rate = FrameRate::new(60).expect("rate");
    let options = VideoOptions { source_id: ID.to_owned(), frame_rate, cursor, own_window: None, restore_token };
    let slot = FrameSlot::default();
    let (sender, events) = mpsc::channel();
    let on_event = move |event| drop(sender.send(event));
    let capture = VideoCapture::start(options, slot.clone(), on_event).expect("a capture");
    // sway sends the first picture with the first change.
    paint(TEAL);
    paint(ORANGE);
    Running { capture, slot, events }
}

/// How many pixels have another colour.
fn others(frame: &media::VideoFrame, colour: u32) -> usize {
    let all = (0..frame.size.height).flat_map(|y| (0..frame.size.width).map(move |x| (x, y)));
    all.filter(|&(x, y)| pixel(frame, x, y) != colour).count()
}

fn the_list_offers_the_portal() {
    let listed = list_sources().expect("a list");
    assert_eq!((listed[0].id.as_str(), listed[0].kind), (ID, SourceKind::Portal));
    assert_eq!(describe(ID).expect("a source"), listed[0]);
}

fn the_screen_comes_by_pixel_and_changes_with_it() {
    let running = start(false, None);
    let frame = running.frame("an orange screen", |frame| others(frame, ORANGE) == 0);
    assert_eq!(frame.size, SCREEN);
    paint(TEAL);
    running.frame("a teal screen", |frame| others(frame, TEAL) == 0);
    // Another resolution is not asked of it: xdg-desktop-portal-wlr 0.8.4 ends with a protocol error of its own there.
}

fn a_still_screen_gives_no_frames() {
    let running = start(true, None);
    running.rest(Duration::from_secs(1));
    let before = running.capture.captured();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(running.capture.captured(), before, "a still screen");
}

fn the_token_brings_the_same_screen_back() {
    let running = start(false, None);
    let token = match running.event("a token", |event| matches!(event, VideoEvent::Remember(_))) {
        VideoEvent::Remember(token) => token,
        other => panic!("{other:?}"),
    };
    drop(running);
    let running = start(false, Some(token));
    running.frame("the screen again", |frame| others(frame, ORANGE) == 0);
}

fn the_end_of_the_compositor_is_a_card_and_a_reason() {
    let running = start(false, None);
    running.frame("the screen", |frame| others(frame, ORANGE) == 0);
    // It answers before it goes, or not.
    let _ = Command::new("swaymsg").arg("exit").output();
    let lost = running.event("the end", |event| matches!(event, VideoEvent::Lost(_)));
    assert!(matches!(&lost, VideoEvent::Lost(error) if error.code() == "sharing_ended"), "{lost:?}");
    running.frame("a card", |frame| pixel(frame, 2, 2) == 0x22_262e);
}

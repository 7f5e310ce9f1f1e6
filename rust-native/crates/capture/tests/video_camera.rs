//! Cameras, by their pixels and their clock, on a real V4L2 device: Linux' `vivid` driver in a virtual machine.
//!
//! The test starts the machine and itself inside of it.
#![cfg(target_os = "linux")]

mod video_rig;

use std::process::Command;
use std::time::Duration;

use capture::video::{SourceKind, VideoEvent, list_cameras};
use media::{Alpha, Clock as _, MonotonicClock, Size};
use video_rig::*;

#[test]
fn a_real_camera_is_listed_read_in_each_format_at_its_rate_and_survives_being_unplugged() {
    if std::env::var_os("CAMERA_VM").is_some() {
        a_camera_is_listed_with_what_it_can_do();
        each_format_gives_the_same_picture();
        a_camera_gives_its_rate_by_its_own_clock();
        a_flash_bears_the_time_at_which_it_was();
        an_unplugged_camera_pauses_and_comes_back();
        say(DONE);
        return;
    }
    let rig = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/rigs/camera-vm");
    let program = std::env::current_exe().expect("this test");
    let outcome = Command::new(rig).arg(program).arg("--nocapture").output().expect("the rig");
    let said = String::from_utf8_lossy(&outcome.stdout);
    let complaint = String::from_utf8_lossy(&outcome.stderr);
    assert!(outcome.status.success() && said.contains(DONE), "{}\n{said}\n{complaint}", outcome.status);
    said.lines().filter(|line| line.starts_with("rate ") || line.starts_with("flash ")).for_each(say);
}

#[expect(clippy::print_stdout, reason = "what the inside measured is read by the outside")]
fn say(line: &str) {
    println!("{line}");
}

/// What the inside says at its end.
const DONE: &str = "the camera passed";

fn camera() -> String {
    until("a camera in the list", || list_cameras().into_iter().next().map(|camera| camera.id))
}

/// vivid's first picture: bars of 75 % (ITU-R BT.1729), white, yellow, cyan, green, magenta, red, blue, black.
const BARS: [[i32; 3]; 8] =
    [[191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0], [191, 0, 191], [191, 0, 0], [0, 0, 191], [0, 0, 0]];

fn a_camera_is_listed_with_what_it_can_do() {
    camera();
    let cameras = list_cameras();
    assert_eq!(cameras.len(), 1);
    assert_eq!((cameras[0].kind, cameras[0].title.as_str()), (SourceKind::Camera, "vivid"));
    assert_eq!(cameras[0].id, "camera:/dev/video0");
    assert!(cameras[0].area.width >= 640, "{:?}", cameras[0].area);
}

fn each_format_gives_the_same_picture() {
    let camera = camera();
    for format in ["nv12", "yuyv"] {
        let running = Running::generated(&format!("{camera}?size=640x360&fps=15&format={format}"), 60).expect(format);
        let frame = running.frame(format, |_| true);
        assert_eq!((frame.size, frame.alpha), (Size { width: 640, height: 360 }, Alpha::Opaque));
        for (index, expected) in (0..).zip(BARS) {
            let colour = pixel(&frame, index * 80 + 40, 300);
            let colour = [colour >> 16, colour >> 8 & 0xff, colour & 0xff].map(|part| part as i32);
            let near = colour.iter().zip(expected).all(|(is, wanted)| (is - wanted).abs() <= 12);
            assert!(near, "{format}, bar {index}: {colour:?} in place of {expected:?}");
        }
        let refusal = Running::generated(&format!("{camera}?format=mjpeg"), 30).err().expect("vivid has no JPEG");
        assert_eq!(refusal.code(), "camera_format");
    }
}

fn a_camera_gives_its_rate_by_its_own_clock() {
    let camera = camera();
    let running = Running::generated(&format!("{camera}?size=320x180&fps=15&format=yuyv"), 60).expect("a camera");
    let first = running.frame("the first", |_| true);
    let before = running.capture.captured();
    let mut last = first.captured_at;
    let mut count = 0;
    while last.since(first.captured_at) < Duration::from_secs(6) {
        let frame = running.frame("the next", |_| true);
        assert!(frame.captured_at > last, "time goes forward");
        last = frame.captured_at;
        count += 1;
    }
    // A picture is counted a moment after it is put.
    let captured = running.capture.captured() - before;
    assert!(captured.abs_diff(count) <= 1, "{captured} put and {count} taken: some were lost on the way");
    let rate = f64::from(count as u32) / last.since(first.captured_at).as_secs_f64();
    assert!((rate / 15.0 - 1.0).abs() < 0.02, "{rate:.3} frames per second in place of 15");
    say(&format!("rate {rate:.3} of 15"));
}

/// The time that pictures bear is what they and the sound are put in step by: a flash belongs to the first picture that
/// was taken after it.
fn a_flash_bears_the_time_at_which_it_was() {
    const INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / 30);
    let camera = camera();
    let running = Running::generated(&format!("{camera}?size=320x180&fps=30&format=yuyv"), 60).expect("a camera");
    let mut late: Vec<Duration> = (0..9)
        .map(|round| {
            show_pattern("100% Black");
            running.frame("black", |frame| pixel(frame, 300, 150) & 0xff < 0x20);
            // At another moment of the camera's beat each time.
            std::thread::sleep(INTERVAL * round / 9);
            let before = MonotonicClock.now();
            show_pattern("100% White");
            let flash = running.frame("white", |frame| pixel(frame, 300, 150) & 0xff > 0xd0);
            assert!(flash.captured_at >= before, "a picture from before it was taken");
            flash.captured_at.since(before)
        })
        .collect();
    late.sort();
    // On average half an interval; an emulated machine is late now and then.
    assert!(late[4] <= INTERVAL, "{late:?}");
    say(&format!("flash {:.1} ms before its picture", late[4].as_secs_f64() * 1000.0));
}

/// Has vivid show another picture.
fn show_pattern(name: &str) {
    let device = v4l::Device::with_path("/dev/video0").expect("the device");
    let controls = device.query_controls().expect("its controls");
    let patterns = controls.iter().find(|control| control.name == "Test Pattern").expect("the patterns");
    let items = patterns.items.iter().flatten();
    let is_it = |item: &&(u32, v4l::control::MenuItem)| item.1.to_string() == name;
    let (index, _) = items.clone().find(is_it).unwrap_or_else(|| panic!("no {name} among {:?}", patterns.items));
    let choice = v4l::Control { id: patterns.id, value: v4l::control::Value::Integer(i64::from(*index)) };
    device.set_control(choice).expect("another pattern");
}

fn an_unplugged_camera_pauses_and_comes_back() {
    let camera = camera();
    let running = Running::generated(&format!("{camera}?size=320x180&fps=15"), 60).expect("a camera");
    running.frame("a picture", |_| true);
    press_disconnect();
    running
        .event("the pause", |event| matches!(event, VideoEvent::Paused(error) if error.code() == "camera_unplugged"));
    running.frame("a card", |frame| pixel(frame, 2, 2) == 0x22_262e);
    until("the driver lets go", || Command::new("unplug").status().expect("unplug").success().then_some(()));
    assert!(Command::new("plug").status().expect("plug").success());
    running.event("the resumption", |event| *event == VideoEvent::Resumed);
    running.frame("a picture again", |frame| {
        frame.size == Size { width: 320, height: 180 } && pixel(frame, 2, 150) > 0x80_8080
    });
}

/// vivid's own button that takes the device away under its users.
fn press_disconnect() {
    let device = v4l::Device::with_path("/dev/video0").expect("the device");
    let controls = device.query_controls().expect("its controls");
    let button = controls.iter().find(|control| control.name == "Disconnect").expect("the button");
    let press = v4l::Control { id: button.id, value: v4l::control::Value::None };
    // The device is gone before it can answer well.
    let _ = device.set_control(press);
}

//! Monitors, by their pixels, on a real X server.
#![cfg(target_os = "linux")]

mod video_rig;

use std::time::Duration;

use capture::video::{Rect, VideoEvent};
use media::Size;
use testkit::xvfb::{Place, TestWindow, Xvfb};
use video_rig::*;

#[test]
fn a_monitor_is_captured_as_it_looks() {
    let display = xvfb(640, 480, false);
    let _window = TestWindow::open(display.display(), "red", Place::new(100, 50, 200, 100), RED).expect("window");
    let running = Running::start(&display, SCREEN);
    let frame = running.frame("the red window", |frame| pixel(frame, 100, 50) == RED);
    assert_eq!(frame.size, Size { width: 640, height: 480 });
    assert!(frame.stride >= 640 * 4 && frame.pixels.bytes().len() >= frame.stride * 480);
    assert_eq!([pixel(&frame, 299, 149), pixel(&frame, 99, 50), pixel(&frame, 300, 149)], [RED, 0, 0]);
    let area = running.event("the area", |event| matches!(event, VideoEvent::Area(_)));
    assert_eq!(area, VideoEvent::Area(Some(Rect { x: 0, y: 0, width: 640, height: 480 })));
}

#[test]
fn rows_follow_each_other_by_the_stride_at_odd_sizes() {
    let display = xvfb(641, 363, false);
    let window = TestWindow::open(display.display(), "lines", Place::new(0, 0, 641, 363), BLUE).expect("window");
    let running = Running::start(&display, SCREEN);
    // A diagonal of dots bends if rows are read by another stride.
    for step in 0..36 {
        window.fill(Place::new(step * 10, step * 10, 1, 1), WHITE).expect("dot");
    }
    let frame = running.frame("the last dot", |frame| pixel(frame, 350, 350) == WHITE);
    assert_eq!(frame.size, Size { width: 641, height: 363 });
    for step in 0..36 {
        assert_eq!(pixel(&frame, step * 10, step * 10), WHITE);
        assert_eq!(pixel(&frame, step * 10 + 1, step * 10), BLUE);
    }
    assert_eq!(pixel(&frame, 640, 362), BLUE);
}

#[test]
fn a_second_monitor_is_captured_by_itself() {
    let display = xvfb(800, 400, false);
    display.xrandr(&["--setmonitor", "left", "400/100x400/100+0+0", "screen"]).expect("left");
    display.xrandr(&["--setmonitor", "right", "400/100x400/100+400+0", "none"]).expect("right");
    let left = TestWindow::open(display.display(), "left", Place::new(0, 0, 400, 400), RED).expect("window");
    let right = TestWindow::open(display.display(), "right", Place::new(400, 0, 400, 400), BLUE).expect("window");
    let running = Running::start(&display, "x11:monitor:right");
    let frame = running.frame("blue", is_all(BLUE));
    assert_eq!(frame.size, Size { width: 400, height: 400 });
    assert_eq!([pixel(&frame, 0, 0), pixel(&frame, 399, 399)], [BLUE, BLUE]);

    // What happens on the other one is none of its business.
    running.rest(Duration::from_millis(300));
    let before = running.capture.captured();
    for index in 0..20 {
        left.fill(Place::new(index, 0, 1, 1), WHITE).expect("dot");
    }
    right.fill(Place::new(5, 5, 1, 1), WHITE).expect("dot");
    running.frame("the dot on its own", |frame| pixel(frame, 5, 5) == WHITE);
    assert_eq!(running.capture.captured() - before, 1);
}

fn mode(display: &Xvfb, mode: &str) {
    display.xrandr(&["--output", "screen", "--mode", mode]).expect(mode);
}

#[test]
fn a_monitor_that_changes_its_size_goes_on() {
    let display = xvfb(800, 600, false);
    // Xvfb has but one mode; the timing of a mode is of no interest to it.
    let timing = "--newmode 640x480 25 640 656 752 800 480 490 492 525";
    display.xrandr(&timing.split(' ').collect::<Vec<_>>()).expect("another mode");
    display.xrandr(&["--addmode", "screen", "640x480"]).expect("another mode");
    let running = Running::start(&display, SCREEN);
    running.frame("the first frame", |_| true);
    mode(&display, "640x480");
    let frame = running.frame("the smaller size", |frame| frame.size == Size { width: 640, height: 480 });
    assert_eq!(frame.stride, 640 * 4);
    let area = VideoEvent::Area(Some(Rect { x: 0, y: 0, width: 640, height: 480 }));
    running.event("the smaller area", |event| *event == area);
    let _window = TestWindow::open(display.display(), "red", Place::new(0, 0, 640, 480), RED).expect("window");
    running.frame("red", is_all(RED));
    mode(&display, "800x600");
    running.frame("the old size", |frame| frame.size == Size { width: 800, height: 600 });
}

#[test]
fn a_monitor_that_is_unplugged_is_lost() {
    let display = xvfb(800, 400, false);
    display.xrandr(&["--setmonitor", "right", "400/100x400/100+400+0", "none"]).expect("right");
    let running = Running::start(&display, "x11:monitor:right");
    display.xrandr(&["--delmonitor", "right"]).expect("gone");
    let lost = running.event("the loss", |event| matches!(event, VideoEvent::Lost(_)));
    assert!(matches!(lost, VideoEvent::Lost(error) if error.code() == "source_closed"));
}

#[test]
fn a_display_that_dies_is_lost() {
    let display = xvfb(320, 240, false);
    let running = Running::start(&display, SCREEN);
    display.crash();
    let lost = running.event("the loss", |event| matches!(event, VideoEvent::Lost(_)));
    assert!(matches!(lost, VideoEvent::Lost(error) if error.code() == "display_lost"));
}

#[test]
fn what_is_not_there_is_refused_with_its_code() {
    let display = xvfb(320, 240, false);
    for id in ["x11:monitor:none", "x11:window:0x1", "nonsense"] {
        let refusal = Running::start_with(&display, id, |_| {}).err().expect(id);
        assert_eq!(refusal.code(), "source_not_found", "{id}");
    }
    let refusal = capture::video::list_sources_on(Some(":64999")).expect_err("no such display");
    assert_eq!(refusal.code(), "no_display");
}

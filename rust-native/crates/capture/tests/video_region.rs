//! Parts of monitors, by their pixels, on a real X server.
#![cfg(target_os = "linux")]

mod video_rig;

use std::time::Duration;

use capture::video::{Rect, SourceKind, VideoEvent, describe_on, thumbnail_on};
use media::Size;
use testkit::xvfb::{Place, TestWindow, Xvfb};
use video_rig::*;

/// Two monitors of 400×400 side by side, red and blue.
fn two_monitors() -> (Xvfb, TestWindow, TestWindow) {
    let display = xvfb(800, 400, false);
    display.xrandr(&["--setmonitor", "left", "400/100x400/100+0+0", "screen"]).expect("left");
    display.xrandr(&["--setmonitor", "right", "400/100x400/100+400+0", "none"]).expect("right");
    let left = TestWindow::open(display.display(), "left", Place::new(0, 0, 400, 400), RED).expect("window");
    let right = TestWindow::open(display.display(), "right", Place::new(400, 0, 400, 400), BLUE).expect("window");
    (display, left, right)
}

#[test]
fn a_region_of_the_second_monitor_is_captured_to_the_pixel() {
    let (display, _left, right) = two_monitors();
    // A frame of one pixel around the region, and a dot in each of its corners.
    right.fill(Place::new(99, 49, 122, 82), GREEN).expect("frame");
    right.fill(Place::new(100, 50, 120, 80), WHITE).expect("inside");
    for (x, y) in [(100, 50), (219, 50), (100, 129), (219, 129)] {
        right.fill(Place::new(x, y, 1, 1), YELLOW).expect("dot");
    }
    let running = Running::start(&display, "region:x11:monitor:right:100,50,120,80");
    let frame = running.frame("the region", |frame| pixel(frame, 0, 0) == YELLOW);
    assert_eq!(frame.size, Size { width: 120, height: 80 });
    assert_eq!([pixel(&frame, 119, 0), pixel(&frame, 0, 79), pixel(&frame, 119, 79)], [YELLOW; 3]);
    for y in 0..80 {
        for x in 0..120 {
            assert_ne!(pixel(&frame, x, y), GREEN, "{x},{y} lies outside");
        }
    }
    let area = VideoEvent::Area(Some(Rect { x: 500, y: 50, width: 120, height: 80 }));
    running.event("where it lies", |event| *event == area);
}

#[test]
fn what_happens_beside_a_region_is_no_reason_for_a_frame() {
    let (display, left, _right) = two_monitors();
    let running = Running::start(&display, "region:x11:monitor:left:100,100,100,100");
    running.rest(Duration::from_millis(300));
    let before = running.capture.captured();
    for index in 0..20 {
        left.fill(Place::new(index, 0, 1, 1), WHITE).expect("dot");
    }
    left.fill(Place::new(100, 100, 1, 1), YELLOW).expect("dot");
    running.frame("the dot inside", |frame| pixel(frame, 0, 0) == YELLOW);
    assert_eq!(running.capture.captured() - before, 1);
}

#[test]
fn a_region_goes_along_with_its_monitor_and_pauses_where_nothing_of_it_is_left() {
    let (display, _left, _right) = two_monitors();
    display.xrandr(&["--setmonitor", "small", "300/100x300/100+50+0", "none"]).expect("monitor");
    let running = Running::start(&display, "region:x11:monitor:small:200,0,100,100");
    running.frame("red", is_all(RED));
    let place = |geometry: &str| {
        display.xrandr(&["--delmonitor", "small"]).expect("gone");
        display.xrandr(&["--setmonitor", "small", geometry, "none"]).expect("back");
    };
    // A monitor that is redefined is gone for a moment: take it by a new capture.
    drop(running);
    place("300/100x300/100+450+0");
    let running = Running::start(&display, "region:x11:monitor:small:200,0,100,100");
    running.frame("blue", is_all(BLUE));
    drop(running);
    place("150/100x150/100+450+0");
    let refusal = Running::start_with(&display, "region:x11:monitor:small:200,0,100,100", |_| {}).err();
    assert_eq!(refusal.expect("nothing left").code(), "region_outside");
}

#[test]
fn a_region_is_described_and_has_a_thumbnail() {
    let (display, _left, _right) = two_monitors();
    let id = "region:x11:monitor:right:10,20,300,200";
    let info = describe_on(Some(display.display()), id).expect("a description");
    assert_eq!((info.kind, info.id.as_str(), info.lasting_id.as_str()), (SourceKind::Region, id, id));
    assert_eq!(info.area, Rect { x: 410, y: 20, width: 300, height: 200 });
    assert_eq!(info.title, "right 10,20 300×200");
    let jpeg = thumbnail_on(Some(display.display()), id, Size { width: 150, height: 150 }).expect("a thumbnail");
    let picture = image::load_from_memory(&jpeg).expect("a JPEG").into_rgb8();
    assert_eq!(picture.dimensions(), (150, 100));
    let [red, green, blue] = picture.get_pixel(75, 50).0;
    assert!(blue > 240 && red.max(green) < 15, "{red} {green} {blue}");
}

#[test]
fn wrong_regions_are_refused_with_their_code() {
    let (display, _left, _right) = two_monitors();
    for (id, code) in [
        ("region:x11:monitor:none:0,0,100,100", "source_not_found"),
        ("region:x11:monitor:left:0,0,100", "bad_source"),
        ("region:x11:monitor:left:0,0,4,4", "bad_source"),
        ("region:x11:monitor:left:500,0,100,100", "region_outside"),
        ("region:elsewhere:0,0,100,100", "source_not_found"),
    ] {
        let refusal = Running::start_with(&display, id, |_| {}).err().expect(id);
        assert_eq!(refusal.code(), code, "{id}");
    }
}

#[test]
fn a_window_that_moves_between_monitors_stays_in_the_picture() {
    let display = xvfb(800, 400, true);
    display.xrandr(&["--setmonitor", "left", "400/100x400/100+0+0", "screen"]).expect("left");
    display.xrandr(&["--setmonitor", "right", "400/100x400/100+400+0", "none"]).expect("right");
    let window = TestWindow::open(display.display(), "window", Place::new(50, 50, 200, 150), RED).expect("window");
    let running = Running::start(&display, &listed(&display, "window").id);
    running.frame("red", is_all(RED));
    for (x, colour) in [(500, GREEN), (50, BLUE), (300, YELLOW)] {
        window.move_to(x, 80).expect("move");
        let moved = |event: &VideoEvent| matches!(event, VideoEvent::Area(Some(area)) if area.x >= i32::from(x) && area.x < i32::from(x) + 20 && area.width == 200);
        running.event("its new place", moved);
        window.fill_all(colour).expect("fill");
        let frame = running.frame("its new colour", is_all(colour));
        assert_eq!(frame.size, Size { width: 200, height: 150 });
        assert_eq!([pixel(&frame, 0, 0), pixel(&frame, 199, 149)], [colour; 2]);
    }
}

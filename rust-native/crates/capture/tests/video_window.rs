//! Windows, by their pixels, on a real X server.
#![cfg(target_os = "linux")]

mod video_rig;

use std::time::Duration;

use capture::video::{Rect, VideoEvent};
use media::{Size, VideoFrame};
use testkit::xvfb::{Place, TestWindow};
use video_rig::*;

#[test]
fn a_covered_window_is_captured_live() {
    let display = xvfb(640, 480, false);
    let below = TestWindow::open(display.display(), "below", Place::new(50, 50, 200, 150), RED).expect("window");
    let _above = TestWindow::open(display.display(), "above", Place::new(0, 0, 400, 400), GREEN).expect("window");
    let running = Running::start(&display, &window_id(below.id()));
    // Not even the first frame may show what covers it.
    let first = running.frame("the first frame", |_| true);
    assert_eq!(first.size, Size { width: 200, height: 150 });
    assert_eq!([pixel(&first, 0, 0), pixel(&first, 100, 75), pixel(&first, 199, 149)], [RED; 3]);
    below.fill(Place::new(10, 20, 30, 40), BLUE).expect("fill");
    let frame = running.frame("blue", |frame| pixel(frame, 10, 20) == BLUE);
    assert_eq!([pixel(&frame, 39, 59), pixel(&frame, 40, 60)], [BLUE, RED]);
}

#[test]
fn what_covers_a_window_is_no_reason_for_a_frame() {
    let display = xvfb(640, 480, false);
    let below = TestWindow::open(display.display(), "below", Place::new(50, 50, 200, 150), RED).expect("window");
    let above = TestWindow::open(display.display(), "above", Place::new(0, 0, 400, 400), GREEN).expect("window");
    let running = Running::start(&display, &window_id(below.id()));
    running.rest(Duration::from_millis(300));
    let before = running.capture.captured();
    for index in 0..20 {
        above.fill(Place::new(60, 60, 20 + index, 20), YELLOW).expect("fill");
    }
    below.fill(Place::new(0, 0, 5, 5), BLUE).expect("fill");
    running.frame("blue", |frame| pixel(frame, 0, 0) == BLUE);
    assert_eq!(running.capture.captured() - before, 1);
}

#[test]
fn a_resized_window_gives_frames_of_its_new_size() {
    let display = xvfb(640, 480, false);
    let window = TestWindow::open(display.display(), "window", Place::new(20, 20, 200, 150), RED).expect("window");
    let running = Running::start(&display, &window_id(window.id()));
    running.frame("red", is_all(RED));
    for (width, height) in [(301, 203), (64, 48), (500, 400)] {
        window.resize(width, height).expect("resize");
        let size = Size { width: width.into(), height: height.into() };
        let frame = running.frame("the new size", |frame| frame.size == size && pixel(frame, size.width - 1, 0) == RED);
        assert_eq!(pixel(&frame, size.width - 1, size.height - 1), RED);
        let area = VideoEvent::Area(Some(Rect { x: 20, y: 20, width: size.width, height: size.height }));
        running.event("the new area", |event| *event == area);
    }
    window.fill_all(GREEN).expect("fill");
    running.frame("green", is_all(GREEN));
}

#[test]
fn a_moved_window_tells_its_new_area_and_costs_no_frame() {
    let display = xvfb(640, 480, true);
    let window = TestWindow::open(display.display(), "window", Place::new(20, 20, 200, 150), RED).expect("window");
    let source = listed(&display, "window");
    let running = Running::start(&display, &source.id);
    running.rest(Duration::from_millis(300));
    let before = running.capture.captured();
    window.move_to(120, 90).expect("move");
    let moved = |event: &VideoEvent| matches!(event, VideoEvent::Area(Some(area)) if area.x >= 120 && area.y >= 90 && area.width == 200);
    running.event("the new area", moved);
    running.rest(Duration::from_millis(200));
    assert_eq!(running.capture.captured(), before);
}

#[test]
fn a_minimised_window_pauses_and_comes_back() {
    let display = xvfb(640, 480, true);
    let window = TestWindow::open(display.display(), "window", Place::new(50, 50, 200, 150), RED).expect("window");
    let source = listed(&display, "window");
    let running = Running::start(&display, &source.id);
    running.frame("red", is_all(RED));
    for colour in [GREEN, BLUE] {
        window.minimise().expect("minimise");
        let paused = running.event("the pause", |event| matches!(event, VideoEvent::Paused(_)));
        assert!(matches!(paused, VideoEvent::Paused(error) if error.code() == "source_minimised"));
        let before = running.capture.captured();
        window.fill_all(colour).expect("fill");
        let refusal = Running::start_with(&display, &source.id, |_| {}).err().expect("no picture to start with");
        assert_eq!(refusal.code(), "source_minimised");
        assert_eq!(listed(&display, "window").id, source.id, "a minimised window stays in the list");
        assert_eq!(running.capture.captured(), before, "frames of a minimised window");
        window.map().expect("map");
        running.event("the resumption", |event| *event == VideoEvent::Resumed);
        running.frame("the new colour", is_all(colour));
    }
}

#[test]
fn the_first_picture_of_a_window_that_is_shown_again_is_its_own() {
    let display = xvfb(640, 480, true);
    let below = TestWindow::open(display.display(), "below", Place::new(0, 0, 600, 440), YELLOW).expect("window");
    listed(&display, "below");
    let window = TestWindow::open(display.display(), "window", Place::new(50, 50, 200, 150), RED).expect("window");
    let source = listed(&display, "window");
    let running = Running::start(&display, &source.id);
    running.frame("red", is_all(RED));
    window.forget_background().expect("no background");
    let whole = Place::new(0, 0, 200, 150);
    for colour in [GREEN, BLUE, RED] {
        window.minimise().expect("minimise");
        running.event("the pause", |event| matches!(event, VideoEvent::Paused(_)));
        below.fill_all(YELLOW).expect("fill");
        let card = running.frame("the card", |_| true);
        let colours = std::thread::scope(|scope| {
            scope.spawn(|| {
                window.map_exposed().expect("an order to paint");
                // As long as a program may take to draw itself again.
                std::thread::sleep(Duration::from_millis(40));
                window.fill(whole, colour).expect("fill");
            });
            let mut colours = Vec::new();
            running.frame("its new picture", |frame| {
                colours_of(frame, &card, &mut colours);
                is_all(colour)(frame)
            });
            colours
        });
        // Neither what lay in its place nor what it showed before it was hidden.
        assert_eq!(colours, [colour], "{colours:x?}");
        running.event("the resumption", |event| *event == VideoEvent::Resumed);
    }
}

/// Notes the middle of a frame that is not the card.
fn colours_of(frame: &VideoFrame, card: &VideoFrame, colours: &mut Vec<u32>) {
    if frame.pixels.bytes() != card.pixels.bytes() {
        colours.push(pixel(frame, frame.size.width / 2, frame.size.height / 2));
    }
}

#[test]
fn a_closed_window_is_lost() {
    for with_wm in [false, true] {
        let display = xvfb(640, 480, with_wm);
        let window = TestWindow::open(display.display(), "window", Place::new(50, 50, 200, 150), RED).expect("window");
        let running = Running::start(&display, &listed(&display, "window").id);
        window.destroy().expect("destroy");
        let lost = running.event("the loss", |event| matches!(event, VideoEvent::Lost(_)));
        assert!(matches!(lost, VideoEvent::Lost(error) if error.code() == "source_closed"));
        let refusal = Running::start_with(&display, &window_id(window.id()), |_| {}).err().expect("gone");
        assert_eq!(refusal.code(), "source_not_found");
    }
}

#[test]
fn a_window_that_leaves_the_screen_is_captured_whole() {
    let display = xvfb(320, 240, false);
    let window = TestWindow::open(display.display(), "window", Place::new(200, 100, 300, 200), RED).expect("window");
    let running = Running::start(&display, &window_id(window.id()));
    let frame = running.frame("all of it", is_all(RED));
    assert_eq!(frame.size, Size { width: 300, height: 200 });
    assert_eq!(pixel(&frame, 299, 199), RED);
    window.move_to(-150, -100).expect("move");
    window.fill_all(GREEN).expect("fill");
    let frame = running.frame("green", is_all(GREEN));
    assert_eq!([pixel(&frame, 0, 0), pixel(&frame, 299, 199)], [GREEN; 2]);
}

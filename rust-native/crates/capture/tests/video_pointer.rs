//! The mouse pointer in the picture, on a real X server.
#![cfg(target_os = "linux")]

mod video_rig;

use std::time::Duration;

use testkit::xvfb::{Place, TestWindow, Xvfb};
use video_rig::*;

/// A blue screen on which the pointer is a yellow square of 8 pixels around its hot spot.
fn screen_with_pointer() -> (Xvfb, TestWindow) {
    let display = xvfb(640, 480, false);
    let window = TestWindow::open(display.display(), "screen", Place::new(0, 0, 640, 480), BLUE).expect("window");
    window.set_square_cursor(8, 4, YELLOW).expect("pointer");
    display.move_pointer(320, 240).expect("move");
    (display, window)
}

#[test]
fn the_pointer_is_drawn_around_its_hot_spot_and_follows_the_mouse() {
    let (display, _window) = screen_with_pointer();
    let running = Running::start_with(&display, SCREEN, |options| options.cursor = true).expect("a capture");
    running.frame("the pointer", |frame| pixel(frame, 320, 240) == YELLOW);
    display.move_pointer(100, 50).expect("move");
    let frame = running.frame("the moved pointer", |frame| pixel(frame, 100, 50) == YELLOW);
    assert_eq!([pixel(&frame, 96, 46), pixel(&frame, 103, 53)], [YELLOW; 2]);
    assert_eq!([pixel(&frame, 95, 46), pixel(&frame, 104, 53), pixel(&frame, 320, 240)], [BLUE; 3]);
    display.move_pointer(0, 0).expect("move");
    let frame = running.frame("the clipped pointer", |frame| pixel(frame, 0, 0) == YELLOW);
    assert_eq!([pixel(&frame, 3, 3), pixel(&frame, 4, 4), pixel(&frame, 100, 50)], [YELLOW, BLUE, BLUE]);
}

#[test]
fn a_new_shape_is_drawn_without_a_move() {
    let (display, window) = screen_with_pointer();
    let running = Running::start_with(&display, SCREEN, |options| options.cursor = true).expect("a capture");
    running.frame("the pointer", is_all(YELLOW));
    window.set_square_cursor(16, 8, GREEN).expect("pointer");
    let frame = running.frame("the new pointer", is_all(GREEN));
    assert_eq!([pixel(&frame, 312, 232), pixel(&frame, 327, 247)], [GREEN; 2]);
}

#[test]
fn without_the_pointer_its_moves_are_no_reason_for_a_frame() {
    let (display, window) = screen_with_pointer();
    let running = Running::start(&display, SCREEN);
    running.frame("no pointer", is_all(BLUE));
    running.rest(Duration::from_millis(300));
    let before = running.capture.captured();
    for step in 0..50 {
        display.move_pointer(100 + step * 4, 100 + step).expect("move");
    }
    window.fill(Place::new(0, 0, 1, 1), WHITE).expect("dot");
    let frame = running.frame("the dot", |frame| pixel(frame, 0, 0) == WHITE);
    assert_eq!(pixel(&frame, 296, 149), BLUE);
    assert_eq!(running.capture.captured() - before, 1);
}

#[test]
fn the_pointer_comes_and_goes_while_it_runs() {
    let (display, _window) = screen_with_pointer();
    let running = Running::start(&display, SCREEN);
    for _ in 0..2 {
        running.capture.set_cursor(true);
        running.frame("the pointer", is_all(YELLOW));
        running.capture.set_cursor(false);
        running.frame("no pointer", is_all(BLUE));
    }
}

#[test]
fn a_resting_pointer_costs_nothing() {
    let (display, _window) = screen_with_pointer();
    let running = Running::start_with(&display, SCREEN, |options| options.cursor = true).expect("a capture");
    running.frame("the pointer", is_all(YELLOW));
    running.rest(Duration::from_millis(300));
    let before = running.capture.captured();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(running.capture.captured(), before);
}

#[test]
fn in_a_window_s_picture_the_pointer_is_where_it_is_over_the_window() {
    let display = xvfb(640, 480, false);
    let below = TestWindow::open(display.display(), "below", Place::new(100, 100, 300, 200), BLUE).expect("window");
    let above = TestWindow::open(display.display(), "above", Place::new(300, 100, 200, 200), GREEN).expect("window");
    below.set_square_cursor(8, 4, YELLOW).expect("pointer");
    above.set_square_cursor(8, 4, YELLOW).expect("pointer");
    display.move_pointer(150, 180).expect("move");
    let running = Running::start_with(&display, &window_id(below.id()), |options| options.cursor = true);
    let running = running.expect("a capture");
    let frame = running.frame("the pointer", |frame| pixel(frame, 50, 80) == YELLOW);
    assert_eq!([pixel(&frame, 46, 76), pixel(&frame, 54, 84)], [YELLOW, BLUE]);
    // Over the window that covers this one it is none of its business.
    display.move_pointer(350, 180).expect("move");
    let frame = running.frame("no pointer", |frame| pixel(frame, 50, 80) == BLUE);
    assert_eq!(pixel(&frame, 250, 80), BLUE);
}

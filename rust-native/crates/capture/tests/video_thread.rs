//! The capture's thread itself: it sleeps while nothing changes, and ends with its capture.
#![cfg(target_os = "linux")]

mod video_rig;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use testkit::threads::named;
use testkit::xvfb::{Place, TestWindow};
use video_rig::*;

/// Threads are told apart by name only: one test at a time may have one.
static ALONE: Mutex<()> = Mutex::new(());

fn threads() -> Vec<PathBuf> {
    named("capture-video").into_iter().map(|(_, task)| task).collect()
}

/// How often the one capture thread went to sleep so far.
fn wake_ups() -> u64 {
    let threads = threads();
    assert_eq!(threads.len(), 1, "capture threads");
    let status = std::fs::read_to_string(threads[0].join("status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.expect("a count").trim().parse().expect("a number")
}

#[test]
fn a_still_screen_is_left_alone_and_one_pixel_arrives_at_once() {
    let _alone = ALONE.lock();
    let display = xvfb(640, 480, false);
    let window = TestWindow::open(display.display(), "still", Place::new(0, 0, 640, 480), BLUE).expect("window");
    let running = Running::start_with(&display, SCREEN, |options| options.cursor = true).expect("a capture");
    running.rest(Duration::from_millis(500));
    let (frames, before) = (running.capture.captured(), wake_ups());
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(running.capture.captured(), frames, "frames of a still screen");
    assert_eq!(wake_ups(), before, "the thread woke up on a still screen");

    let mut waits: Vec<Duration> = (0..5)
        .map(|index| {
            running.rest(Duration::from_millis(200));
            let changed = Instant::now();
            window.fill(Place::new(300 + index, 200, 1, 1), WHITE).expect("dot");
            running.frame("one pixel", |frame| pixel(frame, 300 + index as u32, 200) == WHITE);
            changed.elapsed()
        })
        .collect();
    waits.sort();
    assert!(waits[2] < Duration::from_millis(200), "{waits:?}");
}

#[test]
fn the_thread_ends_with_its_capture() {
    let _alone = ALONE.lock();
    let display = xvfb(320, 240, false);
    for _ in 0..5 {
        let running = Running::start(&display, SCREEN);
        assert_eq!(threads().len(), 1);
        drop(running);
        // A thread that was joined may still lie in /proc for a moment.
        until("no thread", || threads().is_empty().then_some(()));
    }
    Running::start_with(&display, "x11:monitor:none", |_| {}).err().expect("no such monitor");
    until("no thread", || threads().is_empty().then_some(()));
}

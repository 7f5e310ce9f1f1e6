//! How many frames come, and when: fast sources, our own window, consumers that lag, a display that hangs.
#![cfg(target_os = "linux")]

mod video_rig;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use media::{FrameRate, MediaTime};
use stream::SlotWait;
use testkit::xvfb::{Place, TestWindow};
use video_rig::*;

/// Calls `paint` at that rate in its own thread until it is dropped.
struct Painter {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<TestWindow>>,
}

impl Painter {
    fn start(window: TestWindow, hertz: u32, paint: impl Fn(&TestWindow, u32) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let started = Instant::now();
            for index in 0.. {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                paint(&window, index);
                let next = started + Duration::from_secs(1) * (index + 1) / hertz;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            window
        });
        Self { stop, thread: Some(thread) }
    }

    fn stop(mut self) -> TestWindow {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("a thread").join().expect("painted")
    }
}

fn fill_counted(window: &TestWindow, index: u32) {
    window.fill(Place::new(0, 0, 1280, 720), index & 0xff_ffff).expect("fill");
}

/// Different pictures per second, over `time`.
fn unique_rate(running: &Running, time: Duration) -> f64 {
    let started = Instant::now();
    let mut seen = HashSet::new();
    let mut stamps: Vec<MediaTime> = Vec::new();
    while started.elapsed() < time {
        if let SlotWait::Item(frame) = running.slot.take(Some(started + time)) {
            seen.insert(pixel(&frame, 640, 360));
            stamps.push(frame.captured_at);
        }
    }
    assert!(stamps.is_sorted(), "stamps run backwards");
    seen.len() as f64 / started.elapsed().as_secs_f64()
}

#[test]
fn a_60_hz_source_gives_60_different_frames_a_second() {
    let display = xvfb(1280, 720, false);
    let window = TestWindow::open(display.display(), "painter", Place::new(0, 0, 1280, 720), BLUE).expect("window");
    let running = Running::start(&display, SCREEN);
    let painter = Painter::start(window, 60, fill_counted);
    // A machine that compiles something at the same time holds the painter up: the best of some rounds counts.
    let mut rates = Vec::new();
    while rates.len() < 10 {
        rates.push(unique_rate(&running, Duration::from_secs(2)));
        if rates.last() >= Some(&57.0) {
            break;
        }
    }
    painter.stop();
    assert!(rates.last() >= Some(&57.0), "{rates:?}");
}

#[test]
fn a_lower_rate_is_kept_and_can_be_changed_while_it_runs() {
    let display = xvfb(1280, 720, false);
    let window = TestWindow::open(display.display(), "painter", Place::new(0, 0, 1280, 720), BLUE).expect("window");
    let rate = |fps| FrameRate::new(fps).expect("rate");
    let running = Running::start_with(&display, SCREEN, |options| options.frame_rate = rate(10)).expect("a capture");
    let painter = Painter::start(window, 60, fill_counted);
    let frames_in = |time: Duration| {
        let (before, started) = (running.capture.captured(), Instant::now());
        std::thread::sleep(time);
        (running.capture.captured() - before) as f64 / started.elapsed().as_secs_f64()
    };
    let slow = frames_in(Duration::from_secs(3));
    assert!((7.0..12.0).contains(&slow), "{slow}");
    running.capture.set_frame_rate(rate(30));
    let faster = frames_in(Duration::from_secs(3));
    assert!((18.0..33.0).contains(&faster), "{faster}");
    painter.stop();
}

#[test]
fn our_own_window_alone_gives_a_frame_a_second_and_hides_nothing() {
    let display = xvfb(640, 480, true);
    let own = TestWindow::open(display.display(), "own", Place::new(20, 40, 300, 300), RED).expect("window");
    let other = TestWindow::open(display.display(), "other", Place::new(400, 40, 100, 100), BLUE).expect("window");
    let (own_area, other_area) = (listed(&display, "own").area, listed(&display, "other").area);
    until("the windows on the screen", || {
        let running = Running::start(&display, SCREEN);
        let frame = running.frame("a frame", |_| true);
        let at = |area: capture::video::Rect| pixel(&frame, area.x as u32 + 50, area.y as u32 + 50);
        ((at(own_area), at(other_area)) == (RED, BLUE)).then_some(())
    });
    let own_id = own.id();
    let running = Running::start_with(&display, SCREEN, |options| options.own_window = Some(own_id));
    let running = running.expect("a capture");
    running.rest(Duration::from_millis(1500));

    let painter = Painter::start(own, 30, |window, index| {
        window.fill(Place::new(0, 0, 100, 100), index).expect("fill");
    });
    let before = running.capture.captured();
    std::thread::sleep(Duration::from_secs(4));
    let frames = running.capture.captured() - before;
    assert!((2..=5).contains(&frames), "{frames} frames in 4 s of our own window");

    // A change elsewhere comes through at once all the while.
    let mut waits: Vec<Duration> = (0..5)
        .map(|index: u16| {
            let colour = WHITE - u32::from(index);
            let changed = Instant::now();
            other.fill(Place::new(10, 10, 1, 1), colour).expect("dot");
            let (x, y) = (other_area.x as u32 + 10, other_area.y as u32 + 10);
            running.frame("the other window's dot", |frame| pixel(frame, x, y) == colour);
            changed.elapsed()
        })
        .collect();
    waits.sort();
    assert!(waits[2] < Duration::from_millis(200), "{waits:?}");

    // So does one in a window that covers ours.
    other.move_to(60, 80).expect("move");
    other.raise().expect("raise");
    let over = until("the other window over ours", || {
        let area = listed(&display, "other").area;
        (area.x < 200).then_some(area)
    });
    let mut waits: Vec<Duration> = (0..5)
        .map(|index: u16| {
            let colour = YELLOW + u32::from(index);
            let changed = Instant::now();
            other.fill(Place::new(10, 10, 1, 1), colour).expect("dot");
            let (x, y) = (over.x as u32 + 10, over.y as u32 + 10);
            running.frame("the covering window's dot", |frame| pixel(frame, x, y) == colour);
            changed.elapsed()
        })
        .collect();
    waits.sort();
    assert!(waits[2] < Duration::from_millis(200), "{waits:?}");

    // Once it is no longer ours, it counts like any other.
    running.capture.set_own_window(None);
    let before = running.capture.captured();
    std::thread::sleep(Duration::from_secs(2));
    assert!(running.capture.captured() - before > 20);
    painter.stop();
}

#[test]
fn a_consumer_that_holds_every_frame_stalls_itself_only() {
    let display = xvfb(1280, 720, false);
    let window = TestWindow::open(display.display(), "painter", Place::new(0, 0, 1280, 720), BLUE).expect("window");
    let running = Running::start(&display, SCREEN);
    let painter = Painter::start(window, 60, fill_counted);
    let mut held = Vec::new();
    while let SlotWait::Item(frame) = running.slot.take(Some(Instant::now() + Duration::from_millis(500))) {
        held.push((pixel(&frame, 640, 360), frame));
        assert!(held.len() < 20, "the pool has no end");
    }
    assert!(held.len() >= 4, "{} frames could be held", held.len());
    // What is held stays as it was.
    assert!(held.iter().all(|(colour, frame)| pixel(frame, 640, 360) == *colour));
    held.clear();
    for _ in 0..10 {
        running.frame("frames again", |_| true);
    }
    painter.stop();
}

#[test]
fn a_frame_outlives_its_capture_and_its_display() {
    let display = xvfb(320, 240, false);
    let _window = TestWindow::open(display.display(), "window", Place::new(0, 0, 320, 240), RED).expect("window");
    let running = Running::start(&display, SCREEN);
    let frame = running.frame("red", is_all(RED));
    drop(running);
    drop(display);
    assert_eq!(pixel(&frame, 319, 239), RED);
}

#[test]
fn a_capture_of_a_display_that_hangs_can_be_dropped() {
    let display = xvfb(1280, 720, false);
    let window = TestWindow::open(display.display(), "painter", Place::new(0, 0, 1280, 720), BLUE).expect("window");
    let running = Running::start(&display, SCREEN);
    let painter = Painter::start(window, 60, fill_counted);
    running.frame("some frame", |_| true);
    let server = display.pid() as libc::pid_t;
    // SAFETY: signals a process that this test started and that has not been waited for.
    assert_eq!(unsafe { libc::kill(server, libc::SIGSTOP) }, 0);
    std::thread::sleep(Duration::from_millis(100));
    let started = Instant::now();
    drop(running);
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    // SAFETY: as above.
    assert_eq!(unsafe { libc::kill(server, libc::SIGCONT) }, 0);
    painter.stop();
}

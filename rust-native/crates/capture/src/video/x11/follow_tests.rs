//! A program that has the screen to itself, on a real X server: the refusal, which no program can cause there, is put in
//! where the window's capture begins; all before and behind it is the real thing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use stream::SlotWait;
use testkit::xvfb::{Place, TestWindow, Xvfb};

use super::super::rule::GAME;
use super::*;

const RED: u32 = 0xff_0000;
/// On a machine that builds something else besides.
const PATIENCE: Duration = Duration::from_secs(30);

static REFUSES: AtomicBool = AtomicBool::new(true);

fn open(
    display: Option<&str>,
    options: VideoOptions,
    slot: FrameSlot<VideoFrame>,
    on_event: Box<dyn Fn(VideoEvent) + Send>,
    is_new: bool,
) -> Result<Capture, VideoError> {
    if REFUSES.load(Ordering::Relaxed) {
        return Err(VideoError::Refused("the picture of that window".to_owned()));
    }
    Capture::start(display, options, slot, on_event, is_new)
}

fn event(events: &mpsc::Receiver<VideoEvent>, what: &str, is_it: impl Fn(&VideoEvent) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let mut others = Vec::new();
    loop {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(event) if is_it(&event) => return,
            Ok(event) => others.push(event),
            Err(_) => panic!("waited in vain for {what}; there were {others:?}"),
        }
    }
}

fn frame(slot: &FrameSlot<VideoFrame>, what: &str, colour: impl Fn(u32) -> bool) -> VideoFrame {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match slot.take(Some(deadline)) {
            SlotWait::Item(frame) if colour(corner(&frame)) => return frame,
            SlotWait::Item(_) => {}
            other => panic!("waited in vain for {what} ({other:?})"),
        }
    }
}

fn corner(frame: &VideoFrame) -> u32 {
    let pixels = frame.pixels.bytes();
    u32::from(pixels[2]) << 16 | u32::from(pixels[1]) << 8 | u32::from(pixels[0])
}

#[test]
fn a_game_that_keeps_the_screen_to_itself_is_explained_until_it_can_be_captured() {
    let display = Xvfb::start(Size { width: 640, height: 480 }, true).expect("the X11 rig");
    let game = TestWindow::open(display.display(), "game", Place::new(50, 50, 200, 150), RED).expect("window");
    let frame_rate = FrameRate::new(30).expect("rate");
    let options =
        VideoOptions { source_id: GAME.to_owned(), frame_rate, cursor: false, own_window: None, restore_token: None };
    let (sender, events) = mpsc::channel();
    let (slot, on_event) = (FrameSlot::default(), Box::new(move |event| drop(sender.send(event))));
    let follow = Follow::start_with(open, Some(display.display()), Rule::FullScreen, options, (slot.clone(), on_event));
    let follow = follow.expect("the follower");
    let paused = |code: &str| {
        event(&events, code, |event| matches!(event, VideoEvent::Paused(error) if error.code() == code));
    };
    paused("no_full_screen");
    game.fill_screen(true).expect("full screen");
    // At first it may be one that has not painted itself yet.
    paused("display_refused");
    paused("exclusive_full_screen");
    assert_eq!(follow.captured(), 0);
    // What is seen is a card that says so, never the desktop behind it, nor black.
    frame(&slot, "a card", |colour| colour == 0x22_262e);
    // Its user follows the advice.
    REFUSES.store(false, Ordering::Relaxed);
    event(&events, "the resumption", |event| *event == VideoEvent::Resumed);
    let seen = frame(&slot, "the game", |colour| colour == RED);
    assert_eq!(seen.size, Size { width: 640, height: 480 });
}

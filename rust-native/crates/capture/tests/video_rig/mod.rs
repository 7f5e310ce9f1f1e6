//! What the screen tests share: a capture with its frames and events, and ways to wait for a picture.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::sync::mpsc;
use std::time::{Duration, Instant};

use capture::video::{SourceInfo, SourceKind, VideoCapture, VideoError, VideoEvent, VideoOptions, list_sources_on};
use media::{FrameRate, Size, VideoFrame};
use stream::{FrameSlot, SlotWait};
use testkit::xvfb::Xvfb;

/// A machine busy with other tests may take this long for what takes milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const RED: u32 = 0xff_0000;
pub(crate) const GREEN: u32 = 0x00_ff00;
pub(crate) const BLUE: u32 = 0x00_00ff;
pub(crate) const YELLOW: u32 = 0xff_ff00;
pub(crate) const WHITE: u32 = 0xff_ffff;

pub(crate) const SCREEN: &str = "x11:monitor:screen";

pub(crate) fn xvfb(width: u32, height: u32, with_wm: bool) -> Xvfb {
    Xvfb::start(Size { width, height }, with_wm).expect("the X11 rig")
}

pub(crate) fn window_id(xid: u32) -> String {
    format!("x11:window:{xid:#x}")
}

/// The window with that title, once the list has it.
pub(crate) fn listed(display: &Xvfb, title: &str) -> SourceInfo {
    until(&format!("{title} in the list"), || {
        let sources = list_sources_on(Some(display.display())).expect("sources");
        sources.into_iter().find(|source| source.kind == SourceKind::Window && source.title == title)
    })
}

/// Asks again until there is an answer.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A running capture.
pub(crate) struct Running {
    pub(crate) capture: VideoCapture,
    pub(crate) slot: FrameSlot<VideoFrame>,
    pub(crate) events: mpsc::Receiver<VideoEvent>,
}

impl Running {
    pub(crate) fn start(display: &Xvfb, id: &str) -> Self {
        // A window manager may list a window before it shows it.
        until("a window that is shown", || match Self::start_with(display, id, |_| {}) {
            Err(VideoError::SourceMinimised) => None,
            other => Some(other.expect("a capture")),
        })
    }

    pub(crate) fn start_with(
        display: &Xvfb,
        id: &str,
        change: impl FnOnce(&mut VideoOptions),
    ) -> Result<Self, VideoError> {
        let mut options = VideoOptions {
            source_id: id.to_owned(),
            frame_rate: FrameRate::new(60).expect("rate"),
            cursor: false,
            own_window: None,
            restore_token: None,
        };
        change(&mut options);
        let slot = FrameSlot::default();
        let (sender, events) = mpsc::channel();
        let on_event = move |event| drop(sender.send(event));
        let capture = VideoCapture::start_on(Some(display.display()), options, slot.clone(), on_event)?;
        Ok(Self { capture, slot, events })
    }

    /// A source that needs no display.
    pub(crate) fn generated(id: &str, fps: u32) -> Result<Self, VideoError> {
        let frame_rate = FrameRate::new(fps).expect("rate");
        let options =
            VideoOptions { source_id: id.to_owned(), frame_rate, cursor: false, own_window: None, restore_token: None };
        let slot = FrameSlot::default();
        let (sender, events) = mpsc::channel();
        let on_event = move |event| drop(sender.send(event));
        let capture = VideoCapture::start(options, slot.clone(), on_event)?;
        Ok(Self { capture, slot, events })
    }

    /// The next frame for which `is_it` holds.
    pub(crate) fn frame(&self, what: &str, mut is_it: impl FnMut(&VideoFrame) -> bool) -> VideoFrame {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = None;
        loop {
            match self.slot.take(Some(deadline)) {
                SlotWait::Item(frame) if is_it(&frame) => return frame,
                SlotWait::Item(frame) => seen = Some(frame.size),
                other => panic!("waited in vain for {what} ({other:?}); the last frame was {seen:?}"),
            }
        }
    }

    /// The next event for which `is_it` holds.
    pub(crate) fn event(&self, what: &str, is_it: impl Fn(&VideoEvent) -> bool) -> VideoEvent {
        let deadline = Instant::now() + PATIENCE;
        let mut others = Vec::new();
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) if is_it(&event) => return event,
                Ok(event) => others.push(event),
                Err(_) => panic!("waited in vain for {what}; there were {others:?}"),
            }
        }
    }

    /// Returns once no frame came for `quiet`.
    pub(crate) fn rest(&self, quiet: Duration) {
        until("a screen at rest", || {
            let before = self.capture.captured();
            std::thread::sleep(quiet);
            (self.capture.captured() == before).then_some(())
        });
        self.slot.take(Some(Instant::now()));
    }
}

/// A pixel as `0xRRGGBB`.
pub(crate) fn pixel(frame: &VideoFrame, x: u32, y: u32) -> u32 {
    let at = y as usize * frame.stride + x as usize * 4;
    let bytes = &frame.pixels.bytes()[at..at + 3];
    u32::from(bytes[2]) << 16 | u32::from(bytes[1]) << 8 | u32::from(bytes[0])
}

/// Whether the middle pixel has that colour.
pub(crate) fn is_all(colour: u32) -> impl Fn(&VideoFrame) -> bool {
    move |frame| pixel(frame, frame.size.width / 2, frame.size.height / 2) == colour
}

//! A grab of a 1080p screen, as the capture does it: for the clock alone, as half of the work is the X server's.

use std::time::{Duration, Instant};

use capture::video::{SourceKind, VideoCapture, VideoOptions, list_sources_on};
use media::{FrameRate, Size, VideoFrame};
use stream::{FrameSlot, SlotWait};
use testkit::xvfb::{Place, TestWindow, Xvfb};

use crate::cpu_ms;

/// Quicker than any screen, so that a grab waits for a change and for nothing else.
const RATE: u32 = 240;
const PATIENCE: Duration = Duration::from_secs(10);

/// A screen, something on it that changes, and a capture that runs.
pub struct Grabs {
    slot: FrameSlot<VideoFrame>,
    window: TestWindow,
    changes: u32,
    _capture: VideoCapture,
    _display: Xvfb,
}

impl Grabs {
    /// Starts them.
    ///
    /// # Errors
    /// In words, where there is no X server to start.
    pub fn start(size: Size) -> Result<Self, String> {
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let display = Xvfb::start(size, false).map_err(|error| words(&error))?;
        let whole = Place::new(0, 0, size.width as u16, size.height as u16);
        let window = TestWindow::open(display.display(), "grabbed", whole, 0).map_err(|error| words(&error))?;
        let sources = list_sources_on(Some(display.display())).map_err(|error| words(&error))?;
        let monitor = sources.into_iter().find(|source| source.kind == SourceKind::Monitor).ok_or("no monitor")?;
        let slot = FrameSlot::default();
        let options = VideoOptions {
            source_id: monitor.id,
            frame_rate: FrameRate::new(RATE).ok_or("no such frame rate")?,
            cursor: false,
            own_window: None,
            restore_token: None,
        };
        let capture = VideoCapture::start_on(Some(display.display()), options, slot.clone(), |_| {});
        let capture = capture.map_err(|error| words(&error))?;
        Ok(Self { slot, window, changes: 0, _capture: capture, _display: display })
    }

    /// Our processor time for so many grabs, each of which shows a change; the X server's is not in it.
    ///
    /// # Errors
    /// In words, where no frame comes.
    pub fn spend(&mut self, times: u64) -> Result<Duration, String> {
        let before = cpu_ms();
        for _ in 0..times {
            self.changes += 1;
            let colour = self.changes & 0xff_ffff;
            self.window.fill(Place::new(0, 0, 64, 64), colour).map_err(|error| error.to_string())?;
            match self.slot.take(Some(Instant::now() + PATIENCE)) {
                SlotWait::Item(_) => {}
                _ => return Err("a change gave no frame".to_owned()),
            }
        }
        Ok(Duration::from_secs_f64((cpu_ms() - before) / 1000.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_grabbed_once_and_costs_something() {
        let mut grabs = Grabs::start(Size { width: 640, height: 360 }).expect("a screen");
        let spent = grabs.spend(20).expect("twenty frames");
        assert!(spent > Duration::ZERO && spent < Duration::from_secs(5), "{spent:?}");
    }
}

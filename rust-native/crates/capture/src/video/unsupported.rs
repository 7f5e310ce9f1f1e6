//! Systems whose screens this crate can't capture yet: every request says so.

use media::{FrameRate, Size, VideoFrame};
use stream::FrameSlot;

use super::{SourceInfo, VideoError, VideoEvent, VideoOptions};

const REFUSAL: VideoError = VideoError::NotSupportedHere("the screens of this system");

pub(super) fn list_sources(_display: Option<&str>) -> Result<Vec<SourceInfo>, VideoError> {
    Err(REFUSAL)
}

pub(super) fn thumbnail(_display: Option<&str>, _id: &str, _max: Size) -> Result<Vec<u8>, VideoError> {
    Err(REFUSAL)
}

/// Can't be made, so that nothing can be asked of it.
#[derive(Debug)]
pub(super) enum Capture {}

impl Capture {
    pub(super) fn start(
        _display: Option<&str>,
        _options: VideoOptions,
        _slot: FrameSlot<VideoFrame>,
        _on_event: Box<dyn Fn(VideoEvent) + Send>,
    ) -> Result<Self, VideoError> {
        Err(REFUSAL)
    }

    pub(super) fn set_frame_rate(&self, _rate: FrameRate) {
        match *self {}
    }

    pub(super) fn set_own_window(&self, _window: Option<u32>) {
        match *self {}
    }

    pub(super) fn set_cursor(&self, _cursor: bool) {
        match *self {}
    }

    pub(super) fn captured(&self) -> u64 {
        match *self {}
    }
}

//! Systems whose screens this crate can't capture yet: every request says so.

use media::{Size, VideoFrame};
use stream::FrameSlot;

use super::backend::Backend;
use super::{SourceInfo, VideoError, VideoEvent, VideoOptions};

const REFUSAL: VideoError = VideoError::NotSupportedHere("the screens of this system");

pub(super) fn list_sources(_display: Option<&str>) -> Result<Vec<SourceInfo>, VideoError> {
    Err(REFUSAL)
}

pub(super) fn thumbnail(_display: Option<&str>, _id: &str, _max: Size) -> Result<Vec<u8>, VideoError> {
    Err(REFUSAL)
}

pub(super) fn describe(_display: Option<&str>, _id: &str) -> Result<SourceInfo, VideoError> {
    Err(REFUSAL)
}

pub(super) fn start(
    _display: Option<&str>,
    _options: VideoOptions,
    _slot: FrameSlot<VideoFrame>,
    _on_event: Box<dyn Fn(VideoEvent) + Send>,
) -> Result<Box<dyn Backend>, VideoError> {
    Err(REFUSAL)
}

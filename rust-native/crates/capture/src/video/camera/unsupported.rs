//! Systems whose cameras this crate can't capture yet: every request says so.

use std::path::PathBuf;

use media::VideoFrame;
use stream::FrameSlot;

use super::backend::Backend;
use super::{SourceInfo, VideoError, VideoEvent, VideoOptions};

const REFUSAL: VideoError = VideoError::NotSupportedHere("the cameras of this system");

pub(super) fn is_camera(id: &str) -> bool {
    id.starts_with("camera:")
}

pub(super) fn list() -> Vec<SourceInfo> {
    Vec::new()
}

pub(super) fn device_file(_id: &str) -> Option<PathBuf> {
    None
}

pub(super) fn describe(_id: &str) -> Result<SourceInfo, VideoError> {
    Err(REFUSAL)
}

pub(super) fn start(
    _options: &VideoOptions,
    _slot: FrameSlot<VideoFrame>,
    _on_event: Box<dyn Fn(VideoEvent) + Send>,
) -> Result<Box<dyn Backend>, VideoError> {
    Err(REFUSAL)
}

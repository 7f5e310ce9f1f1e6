//! The screens of systems whose captures are of one kind: behind the trait that all sources share.

use media::{FrameRate, VideoFrame};
use stream::FrameSlot;

use super::backend::Backend;
use super::{SourceInfo, VideoError, VideoEvent, VideoOptions, imp};

pub(super) fn start(
    display: Option<&str>,
    options: VideoOptions,
    slot: FrameSlot<VideoFrame>,
    on_event: Box<dyn Fn(VideoEvent) + Send>,
) -> Result<Box<dyn Backend>, VideoError> {
    Ok(Box::new(imp::Capture::start(display, options, slot, on_event)?))
}

pub(super) fn describe(display: Option<&str>, id: &str) -> Result<SourceInfo, VideoError> {
    let listed = imp::list_sources(display)?;
    listed.into_iter().find(|source| source.id == id).ok_or_else(|| VideoError::SourceNotFound(id.to_owned()))
}

impl Backend for imp::Capture {
    fn set_frame_rate(&self, rate: FrameRate) {
        Self::set_frame_rate(self, rate);
    }

    fn set_own_window(&self, window: Option<u32>) {
        Self::set_own_window(self, window);
    }

    fn set_cursor(&self, cursor: bool) {
        Self::set_cursor(self, cursor);
    }

    fn captured(&self) -> u64 {
        Self::captured(self)
    }
}

//! What the running captures of all kinds of sources have in common.

use std::fmt::Debug;

use media::FrameRate;

/// A running capture; ends, and its thread with it, when it is dropped.
pub(super) trait Backend: Debug + Send + Sync {
    /// Takes another rate from the next frame on.
    fn set_frame_rate(&self, rate: FrameRate);

    /// See [`super::VideoOptions::own_window`]; nothing to do for what is no part of the desktop.
    fn set_own_window(&self, window: Option<u32>);

    /// Draws the pointer from now on, or leaves it out; nothing to do for what has no pointer.
    fn set_cursor(&self, cursor: bool);

    /// Leaves frames on the graphics card from now on ([`media::PixelBuffer::surface`]), or brings them into memory;
    /// nothing to do for what never lies on one.
    fn set_surfaces(&self, _surfaces: bool) {}

    /// Frames put into the slot so far.
    fn captured(&self) -> u64;
}

//! Frames that lie on a graphics card, on their way into an encoder there: scaled and converted to NV12 (BT.709, limited
//! range) by the card, never through memory.
//!
//! **Compiled only**: no machine with a graphics card has run this yet; CONTRIBUTING says how to check it by hand.

#[cfg(target_os = "windows")]
#[path = "d3d11.rs"]
mod imp;
#[cfg(not(any(target_os = "linux", target_os = "windows", target_os = "macos")))]
#[path = "none.rs"]
mod imp;
#[cfg(target_os = "linux")]
#[path = "vaapi.rs"]
mod imp;
#[cfg(target_os = "macos")]
#[path = "video_toolbox.rs"]
mod imp;

use ffmpeg_next::ffi;
use media::{Size, VideoFrame};

use super::raw::{AvError, Buffer, Frame};

/// The card that a frame lies on, and what converts such frames there.
#[derive(Debug)]
pub(super) struct Card {
    converter: imp::Converter,
    /// Of the frame that it was made for.
    size: Size,
}

impl Card {
    /// For frames like this one, as pictures of `size` for the encoder of that name in libavcodec: what its surfaces
    /// have to be depends on whose they are.
    ///
    /// # Errors
    /// In words: the card, its driver or this build has no way.
    pub(super) fn of(frame: &VideoFrame, size: Size, encoder: &str) -> Result<Self, String> {
        Ok(Self { converter: imp::Converter::new(frame, size, encoder)?, size: frame.size })
    }

    /// Whether that frame is like the first one: on the same card, as large.
    pub(super) fn suits(&self, frame: &VideoFrame) -> bool {
        frame.size == self.size && self.converter.suits(frame)
    }

    /// What its surfaces are to libavcodec.
    pub(super) fn pixel_format(&self) -> ffi::AVPixelFormat {
        // SAFETY: an initialised frames context begins as the struct that its buffer's data points to.
        unsafe { (*(*self.pool().as_ptr()).data.cast::<ffi::AVHWFramesContext>()).format }
    }

    /// The surfaces that the encoder reads: an `AVHWFramesContext`, NV12, of the output's size.
    pub(super) fn pool(&self) -> &Buffer {
        self.converter.pool()
    }

    /// Makes `to`, which is empty, a surface with the frame in it, scaled and converted.
    ///
    /// # Errors
    /// The driver's.
    pub(super) fn bring(&mut self, frame: &VideoFrame, to: &Frame) -> Result<(), AvError> {
        self.converter.bring(frame, to)
    }
}

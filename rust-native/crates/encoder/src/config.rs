//! What is asked of a video encoder, and what one does.

use std::time::Duration;

use media::{AccessUnit, Bitrate, FrameRate, MediaTime, Picture, Size};

use crate::EncoderError;

/// What to encode at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoConfig {
    /// Pixels; rounded up to even numbers, as 4:2:0 needs.
    pub size: Size,
    /// The most pictures per second that will come. Fewer may: the bitrate is kept by their real cadence.
    pub frame_rate: FrameRate,
    /// Bits per second on the wire.
    pub bitrate: Bitrate,
    /// The longest time from one IDR to the next.
    pub gop: Duration,
    /// Threads of a software encoder; 0 chooses.
    pub threads: u32,
}

/// An open encoder; used by one thread at a time.
pub trait VideoEncoder: Send {
    /// Its name in libavcodec, or `"openh264"`.
    fn name(&self) -> &'static str;

    /// Whether a chip beside the processor does the work.
    fn hardware(&self) -> bool;

    /// Encodes one picture. An IDR is made where it is asked for, where the last one is a GOP ago, and first of all.
    ///
    /// `pts` is to rise from call to call: one that doesn't is moved to a microsecond after the last. `None` means
    /// that the encoder kept the picture for later (some hardware does) or spent no bits on it.
    ///
    /// # Errors
    /// [`EncoderError::WrongPictureSize`] for a picture of another size than the configured one, and
    /// [`EncoderError::EncodeFailed`], after which only dropping the encoder makes sense.
    fn encode(
        &mut self,
        picture: &Picture,
        pts: MediaTime,
        force_keyframe: bool,
    ) -> Result<Option<AccessUnit>, EncoderError>;

    /// Takes over new settings from the next picture on. `true`: done in place, without an IDR. `false`: nothing was
    /// changed, and the caller is to open a new encoder.
    ///
    /// # Errors
    /// [`EncoderError::UnsupportedSettings`] where no encoder could take them.
    fn reconfigure(&mut self, config: &VideoConfig) -> Result<bool, EncoderError>;
}

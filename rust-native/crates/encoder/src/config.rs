//! What is asked of a video encoder, and what one does.

use std::time::Duration;

use media::{AccessUnit, Bitrate, FrameRate, MediaTime, Picture, Size, VideoCodec, VideoFrame};

use crate::EncoderError;

/// What to encode at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoConfig {
    /// As what.
    pub codec: VideoCodec,
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
    /// What the work is to be spent on.
    pub tune: Tune,
}

/// How an encoder goes about it. What one does not know, it leaves alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tune {
    /// Work per picture, of encoders that have a choice.
    pub preset: Preset,
    /// One thread encodes, of encoders whose threads are ours to choose: less work in all, as slices that are encoded beside
    /// each other wake threads and share caches, and a longer time for each picture.
    pub one_thread: bool,
    /// A column of fresh blocks wanders through the pictures in the time of a GOP, instead of a large IDR at its end:
    /// every picture is about as large as the next. IDRs are then made at the start and on demand only, so it suits
    /// WebRTC and nothing that cuts at keyframes.
    pub intra_refresh: bool,
    /// What the pictures show.
    pub content: Content,
}

/// x264's own names; each takes about twice the time of the one before, or a third more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub enum Preset {
    /// A 1080p picture of a game takes 9 ms of a core.
    #[default]
    Ultrafast,
    /// Twice that, for half a decibel.
    Superfast,
    /// Half as much again.
    Veryfast,
}

impl Preset {
    /// As libavcodec names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ultrafast => "ultrafast",
            Self::Superfast => "superfast",
            Self::Veryfast => "veryfast",
        }
    }
}

/// What pictures show, as far as an encoder cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Content {
    /// Films, games, cameras: all of it moves, or nobody knows.
    #[default]
    Motion,
    /// Texts and windows: flat colours, sharp edges, small parts that change.
    Screen,
}

/// What an encoder can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Abilities {
    /// Another bitrate is taken in mid-stream; otherwise it costs a new encoder, and an IDR.
    pub live_bitrate: bool,
    /// It takes the presets of [`Tune`].
    pub presets: bool,
    /// It goes about texts and windows in another way than about what moves: see [`Tune::content`].
    pub content: bool,
    /// It takes frames where they lie on a graphics card: see [`VideoEncoder::encode_surface`].
    pub surfaces: bool,
    /// How often a raw picture is copied on its way into it.
    pub copies: u32,
}

/// An open encoder; used by one thread at a time.
pub trait VideoEncoder: Send {
    /// Its name in libavcodec, or `"openh264"` or `"svt-av1"`.
    fn name(&self) -> &'static str;

    /// Whether a chip beside the processor does the work.
    fn hardware(&self) -> bool;

    /// What it can do, and what a picture costs it besides the encoding.
    fn abilities(&self) -> Abilities;

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

    /// As [`Self::encode`], of a frame that lies on a graphics card ([`media::PixelBuffer::surface`]) and is all of the
    /// picture: it is scaled and converted there, and never comes into memory. The two may take turns.
    ///
    /// # Errors
    /// [`EncoderError::SurfaceRefused`], after which [`Self::encode`] goes on as before; else as that.
    fn encode_surface(
        &mut self,
        _frame: &VideoFrame,
        _pts: MediaTime,
        _force_keyframe: bool,
    ) -> Result<Option<AccessUnit>, EncoderError> {
        let reason = "it reads pictures in memory".to_owned();
        Err(EncoderError::SurfaceRefused { name: self.name(), reason })
    }

    /// Asks whether the keyframe it made last may be sent once more with that time instead of encoding another one: the
    /// caller sees to it that all that was made after it follows before the next picture is encoded. `true`: the next one
    /// is due a GOP later.
    fn sends_keyframe_again(&mut self, _pts: MediaTime) -> bool {
        false
    }

    /// Takes over new settings from the next picture on. `true`: done in place, without an IDR. `false`: nothing was
    /// changed, and the caller is to open a new encoder.
    ///
    /// # Errors
    /// [`EncoderError::UnsupportedSettings`] where no encoder could take them.
    fn reconfigure(&mut self, config: &VideoConfig) -> Result<bool, EncoderError>;
}

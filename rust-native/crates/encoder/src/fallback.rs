//! openh264, built into the program: the encoder that works everywhere.
//!
//! Its usage type follows what the pictures show: "screen content" needs a fifth of the bits on a terminal, but on
//! moving game pictures it takes 56 ms for one of 1080p and three times the bitrate.

use std::ptr;

use bytes::Bytes;
use media::{AccessUnit, MediaTime, Picture, Size, Track};
use openh264::encoder as wels;
use openh264::formats::YUVSlices;
use openh264::{OpenH264API, Timestamp};
use openh264_sys2::{
    ENCODER_OPTION, ENCODER_OPTION_BITRATE, ENCODER_OPTION_MAX_BITRATE, ENCODER_OPTION_TRACE_LEVEL, SBitrateInfo,
    SPATIAL_LAYER_0, SPATIAL_LAYER_ALL, WELS_LOG_QUIET,
};

use crate::av::check_size;
use crate::h264::{self, Gop};
use crate::rate::{Cadence, after};
use crate::{Abilities, Content, EncoderError, Refusal, VideoConfig, VideoEncoder};

/// Its name in events and statistics.
pub(crate) const NAME: &str = "openh264";

/// The built-in encoder.
pub(crate) struct Fallback {
    encoder: wels::Encoder,
    config: VideoConfig,
    gop: Gop,
    cadence: Cadence,
    last_pts: Option<MediaTime>,
    /// The bitrate that it was told, once it has been.
    told: i64,
}

impl Fallback {
    /// Opens it and lets it encode a black picture.
    pub(crate) fn open(config: &VideoConfig) -> Result<Self, Refusal> {
        let refuse = |reason: String| Refusal { name: NAME.to_owned(), reason };
        let config = VideoConfig { size: config.size.even(), ..*config };
        if level(&config).is_none() {
            return Err(refuse(format!("{} is more than it can encode", config.size)));
        }
        let settings = wels::EncoderConfig::new()
            .usage_type(match config.tune.content {
                Content::Motion => wels::UsageType::CameraVideoRealTime,
                Content::Screen => wels::UsageType::ScreenContentRealTime,
            })
            .rate_control_mode(wels::RateControlMode::Bitrate)
            .bitrate(wels::BitRate::from_bps(config.bitrate.as_bps()))
            .max_frame_rate(wels::FrameRate::from_hz(config.frame_rate.fps() as f32))
            // A dropped picture is a hitch that one sees; a coarser one is not.
            .skip_frames(false)
            // IDRs are asked for by time.
            .intra_frame_period(wels::IntraFramePeriod::auto())
            .scene_change_detect(false)
            .profile(wels::Profile::Baseline)
            .complexity(wels::Complexity::Low)
            // Named, or it stops at 42, which on the hardest pictures is twice the bitrate.
            .qp(wels::QpRange::new(12, 51))
            .num_threads(1)
            .vui(wels::VuiConfig::bt709());
        let encoder = wels::Encoder::with_api_config(OpenH264API::from_source(), settings)
            .map_err(|error| refuse(error.to_string()))?;
        let mut this = Self {
            encoder,
            config,
            gop: Gop::new(config.gop),
            cadence: Cadence::new(config.frame_rate),
            last_pts: None,
            told: i64::from(config.bitrate.as_bps()),
        };
        // The wrapper does so too, but only after openh264 has written its first warnings to stderr.
        this.set_option(ENCODER_OPTION_TRACE_LEVEL, &mut { WELS_LOG_QUIET })
            .map_err(|error| refuse(error.to_string()))?;
        let black =
            this.run(&Picture::black(config.size), MediaTime::ZERO).map_err(|error| refuse(error.to_string()))?;
        if black.is_none() {
            return Err(refuse("it took a picture and gave nothing back".to_owned()));
        }
        Ok(this)
    }

    /// The picture as Annex B, and whether it is an IDR; `None` when no bits were spent on it.
    fn run(&mut self, picture: &Picture, pts: MediaTime) -> Result<Option<(Vec<u8>, bool)>, EncoderError> {
        let Size { width, height } = picture.size;
        let (width, height) = (width as usize, height as usize);
        let [y, u, v] = &picture.planes;
        let slices = YUVSlices::new(
            (&y.data[..y.stride * height], &u.data[..u.stride * height / 2], &v.data[..v.stride * height / 2]),
            (width, height),
            (y.stride, u.stride, v.stride),
        );
        let stream = self.encoder.encode_at(&slices, Timestamp::from_millis(pts.as_millis())).map_err(failed)?;
        let payload = stream.to_vec();
        let keyframe = stream.frame_type() == wels::FrameType::IDR;
        Ok((!payload.is_empty()).then_some((payload, keyframe)))
    }

    fn set_rate(&mut self) -> Result<(), EncoderError> {
        let bitrate = self.cadence.scaled(self.config.bitrate);
        // The ceiling belongs to layer 0 (set for all layers it is not looked at) and may never be below the target,
        // not even in between.
        let target = (ENCODER_OPTION_BITRATE, SPATIAL_LAYER_ALL, bitrate);
        let ceiling = (ENCODER_OPTION_MAX_BITRATE, SPATIAL_LAYER_0, bitrate + bitrate / 4);
        let options = if bitrate > self.told { [ceiling, target] } else { [target, ceiling] };
        for (option, layer, bitrate) in options {
            let mut info = SBitrateInfo { iLayer: layer, iBitrate: i32::try_from(bitrate).unwrap_or(i32::MAX) };
            self.set_option(option, &mut info)?;
        }
        self.told = bitrate;
        Ok(())
    }

    fn set_option<T>(&mut self, option: ENCODER_OPTION, value: &mut T) -> Result<(), EncoderError> {
        // SAFETY: the callers pass the type that the option reads, and only options that the wrapper doesn't keep.
        let result = unsafe { self.encoder.raw_api().set_option(option, ptr::from_mut(value).cast()) };
        if result == 0 {
            return Ok(());
        }
        Err(EncoderError::EncodeFailed { name: NAME, reason: format!("it refused option {option} (code {result})") })
    }
}

impl VideoEncoder for Fallback {
    fn name(&self) -> &'static str {
        NAME
    }

    fn hardware(&self) -> bool {
        false
    }

    fn abilities(&self) -> Abilities {
        Abilities { live_bitrate: true, presets: false, content: true, surfaces: false, copies: 0 }
    }

    fn encode(
        &mut self,
        picture: &Picture,
        pts: MediaTime,
        force_keyframe: bool,
    ) -> Result<Option<AccessUnit>, EncoderError> {
        check_size(self.config.size, picture)?;
        let pts = after(&mut self.last_pts, pts);
        if self.cadence.observe(pts) {
            self.set_rate()?;
        }
        if force_keyframe || self.gop.is_due(pts) {
            self.gop.note(pts);
            self.encoder.force_intra_frame();
        }
        Ok(self.run(picture, pts)?.map(|(payload, keyframe)| AccessUnit {
            track: Track::Video,
            pts,
            dts: pts,
            keyframe,
            captured_at: picture.captured_at,
            payload: Bytes::from(payload),
        }))
    }

    fn reconfigure(&mut self, config: &VideoConfig) -> Result<bool, EncoderError> {
        let config = VideoConfig { size: config.size.even(), ..*config };
        let Some(level_now) = level(&config) else {
            return Err(EncoderError::UnsupportedSettings { what: format!("{} at {}", config.size, config.bitrate) });
        };
        let fits = config.codec == self.config.codec
            && config.size == self.config.size
            && config.frame_rate == self.config.frame_rate
            && config.tune.content == self.config.tune.content
            && Some(level_now) <= level(&self.config);
        if fits {
            self.config = config;
            self.gop.set_period(config.gop);
            self.set_rate()?;
        }
        Ok(fits)
    }
}

/// It ends at 3840×2160 (its README), which is level 5.2.
fn level(config: &VideoConfig) -> Option<i32> {
    h264::level(config.size, config.frame_rate.fps(), config.bitrate.as_kbps()).filter(|level| *level <= 52)
}

fn failed(error: openh264::Error) -> EncoderError {
    EncoderError::EncodeFailed { name: NAME, reason: error.to_string() }
}

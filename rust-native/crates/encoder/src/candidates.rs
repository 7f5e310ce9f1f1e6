//! Which encoder: those of the table that make the wanted codec, best first, tried by really encoding; each refusal is kept with its reason.

use std::time::{Duration, Instant};

use media::{Bitrate, FrameRate, MediaTime, Picture, Size, VideoCodec};

use crate::av::LibavEncoder;
use crate::fallback::{self, Fallback};
use crate::memory::{self, Memory};
use crate::svt_av1::{self, SvtAv1};
use crate::table::{Backend, CANDIDATES, Candidate};
use crate::{EncoderError, Refusal, Tune, VideoConfig, VideoEncoder};

impl Candidate {
    fn name(&self) -> &'static str {
        match &self.backend {
            Backend::Libavcodec(recipe) => recipe.name,
            Backend::BuiltIn => fallback::NAME,
            Backend::SvtAv1 => svt_av1::NAME,
        }
    }

    fn open(&'static self, config: &VideoConfig) -> Result<Box<dyn VideoEncoder>, Refusal> {
        match &self.backend {
            Backend::Libavcodec(recipe) => {
                LibavEncoder::open(recipe, self.hardware, config).map(|encoder| Box::new(encoder) as _)
            }
            Backend::BuiltIn => Fallback::open(config).map(|encoder| Box::new(encoder) as _),
            Backend::SvtAv1 => SvtAv1::open(config).map(|encoder| Box::new(encoder) as _),
        }
    }
}

/// An encoder, and those that were tried before it.
pub struct Opened {
    /// The first one that could encode.
    pub encoder: Box<dyn VideoEncoder>,
    /// The better ones, each with its reason.
    pub refused: Vec<Refusal>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("encoder", &self.encoder.name()).field("refused", &self.refused).finish()
    }
}

/// Opens the best encoder of the wanted codec that works here.
///
/// # Errors
/// [`EncoderError::UnsupportedSettings`] for settings without a picture or a bit in them, and
/// [`EncoderError::NoEncoder`], with all reasons, where none could be opened.
pub fn open(config: &VideoConfig) -> Result<Opened, EncoderError> {
    open_except(config, &[])
}

/// As [`open`], but for the encoders of those names: what has failed in mid-stream is not what goes on.
///
/// # Errors
/// As [`open`].
pub fn open_except(config: &VideoConfig, barred: &[&str]) -> Result<Opened, EncoderError> {
    validate(config)?;
    let mut refused = Vec::new();
    for candidate in of_codec(config.codec) {
        if barred.contains(&candidate.name()) {
            let reason = "it failed while it was in use".to_owned();
            refused.push(Refusal { name: candidate.name().to_owned(), reason });
            continue;
        }
        if let Some(refusal) = memory::of_this_start().lock().refusal(candidate.name(), config.size) {
            refused.push(refusal);
            continue;
        }
        match candidate.open(config) {
            Ok(encoder) => {
                tracing::info!(encoder = encoder.name(), size = %config.size, bitrate = %config.bitrate, "encoder opened");
                return Ok(Opened { encoder, refused });
            }
            Err(refusal) => {
                tracing::info!(encoder = refusal.name, reason = refusal.reason, "encoder refused");
                if candidate.hardware {
                    memory::of_this_start().lock().note(refusal.clone(), config.size);
                }
                refused.push(refusal);
            }
        }
    }
    Err(EncoderError::NoEncoder { codec: config.codec, refused })
}

fn of_codec(codec: VideoCodec) -> impl Iterator<Item = &'static Candidate> {
    CANDIDATES.iter().filter(move |candidate| candidate.codec == codec)
}

/// Looks for each kind of H.264 hardware once, with two pictures, and remembers what is not there: at the program's start,
/// so that nobody waits for drivers when the first picture is to be encoded. Takes a tenth of a second where there is
/// none, up to a second where there is some.
pub fn look_for_hardware() {
    /// What is refused here is refused for every larger picture; smaller ones some hardware refuses for being small.
    const SIZE: Size = Size { width: 640, height: 360 };
    let Some(frame_rate) = FrameRate::new(30) else { return };
    let (bitrate, gop) = (Bitrate::from_kbps(1000), Duration::from_secs(2));
    let codec = VideoCodec::H264;
    let config = VideoConfig { codec, size: SIZE, frame_rate, bitrate, gop, threads: 0, tune: Tune::default() };
    for candidate in of_codec(codec).filter(|candidate| candidate.hardware) {
        if let Err(refusal) = candidate.open(&config) {
            memory::of_this_start().lock().note(refusal, SIZE);
        }
    }
}

/// Opens the encoder of that name, and no other; its codec must be the settings'.
///
/// # Errors
/// [`EncoderError::UnknownEncoder`], [`EncoderError::Refused`], [`EncoderError::UnsupportedSettings`].
pub fn open_named(name: &str, config: &VideoConfig) -> Result<Box<dyn VideoEncoder>, EncoderError> {
    validate(config)?;
    let candidate = CANDIDATES
        .iter()
        .find(|candidate| candidate.name() == name && candidate.codec == config.codec)
        .ok_or_else(|| EncoderError::UnknownEncoder { name: name.to_owned() })?;
    candidate.open(config).map_err(EncoderError::Refused)
}

/// What can encode here, and how fast.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// The encoder that [`open`] takes.
    pub opened_name: String,
    /// Whether that is hardware.
    pub hardware: bool,
    /// The better ones, each with its reason.
    pub refused: Vec<Refusal>,
    /// Milliseconds of wall time for one moving 1080p picture at 6 Mbit/s.
    pub ms_per_1080p_frame: f64,
}

/// Tries every encoder of H.264 anew, whatever was remembered of it, and measures the one that is found; half a second on a machine that suits, two on a slow one.
///
/// # Errors
/// As [`open`], and [`EncoderError::EncodeFailed`].
pub fn probe() -> Result<Probe, EncoderError> {
    /// Enough to see past the first IDR.
    const LEAST: u32 = 8;
    const MOST: u32 = 30;
    const LONGEST: Duration = Duration::from_millis(800);
    let frame_rate = FrameRate::new(30).ok_or(EncoderError::UnsupportedSettings { what: String::new() })?;
    let config = VideoConfig {
        codec: VideoCodec::H264,
        size: Size { width: 1920, height: 1080 },
        frame_rate,
        bitrate: Bitrate::from_kbps(6000),
        gop: Duration::from_secs(2),
        threads: 0,
        tune: Tune::default(),
    };
    *memory::of_this_start().lock() = Memory::default();
    let Opened { mut encoder, refused } = open(&config)?;
    let mut picture = Picture::black(config.size);
    let (mut spent, mut count) = (Duration::ZERO, 0);
    while count < MOST && (count < LEAST || spent < LONGEST) {
        draw_motion(&mut picture, count);
        let pts = MediaTime::ZERO + frame_rate.interval() * count;
        let begin = Instant::now();
        encoder.encode(&picture, pts, false)?;
        spent += begin.elapsed();
        count += 1;
    }
    Ok(Probe {
        opened_name: encoder.name().to_owned(),
        hardware: encoder.hardware(),
        refused,
        ms_per_1080p_frame: spent.as_secs_f64() * 1000.0 / f64::from(count),
    })
}

/// Something as hard to encode as a game: a texture that moves, and grain that no prediction finds.
fn draw_motion(picture: &mut Picture, step: u32) {
    let (width, stride) = (picture.size.width as usize, picture.planes[0].stride);
    let mut grain = 0x9e37_79b9_u32 ^ (step << 8);
    for (y, row) in picture.planes[0].data.chunks_exact_mut(stride).enumerate() {
        let moved = y + 3 * step as usize;
        for (x, sample) in row[..width].iter_mut().enumerate() {
            grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let texture = (((x + 5 * step as usize) / 8) ^ (moved / 8)) as u8 & 0x7f;
            *sample = 32 + texture + (grain >> 28) as u8;
        }
    }
}

fn validate(config: &VideoConfig) -> Result<(), EncoderError> {
    let what = if config.size.area() == 0 {
        format!("{} is no picture", config.size)
    } else if config.bitrate.as_kbps() == 0 {
        format!("{} carries no picture", config.bitrate)
    } else if config.gop.is_zero() {
        "every picture would be a keyframe".to_owned()
    } else {
        return Ok(());
    };
    Err(EncoderError::UnsupportedSettings { what })
}

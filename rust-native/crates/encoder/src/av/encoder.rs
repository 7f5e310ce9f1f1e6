//! One open encoder of libavcodec.

use std::collections::VecDeque;
use std::ffi::{CString, c_int};
use std::time::Duration;

use ffmpeg_next::ffi;
use media::{AccessUnit, MediaTime, Picture, Size, VideoCodec, VideoFrame};

use super::card::Card;
use super::input::{Fed, Feeder};
use super::raw::{AvError, Context, Packet, check, dictionary};
use super::settings::{configure, idr_distance, level_for, options, rate_buffer, refreshes, same_options};
use super::{Input, Recipe, log};
use crate::h264::{self, Gop, ParameterSets};
use crate::payload::Payloads;
use crate::rate::Cadence;
use crate::{Abilities, EncoderError, Refusal, VideoConfig, VideoEncoder};

/// Ticks of a libavcodec time stamp in a second: fine enough that stamps of 240 pictures a second differ.
pub(super) const TICKS: c_int = 1_000_000;
/// Pictures after which an encoder must have given its first output. The deepest pipelines hold back three.
const TRIAL_PICTURES: i64 = 8;

/// What belongs to a picture that the encoder has not given back yet.
#[derive(Debug)]
struct InFlight {
    ticks: i64,
    pts: MediaTime,
    captured_at: MediaTime,
}

/// An encoder of libavcodec.
#[derive(Debug)]
pub(crate) struct LibavEncoder {
    // Declared before the feeder: the codec goes first, then the surfaces that it used.
    context: Context,
    feeder: Feeder,
    packet: Packet,
    recipe: &'static Recipe,
    hardware: bool,
    config: VideoConfig,
    level: i32,
    gop: Gop,
    cadence: Cadence,
    parameter_sets: ParameterSets,
    payloads: Payloads,
    last_ticks: i64,
    in_flight: VecDeque<InFlight>,
    ready: VecDeque<AccessUnit>,
}

impl LibavEncoder {
    /// Opens it and lets it encode a black picture, as drivers fail as late as that.
    pub(crate) fn open(recipe: &'static Recipe, hardware: bool, config: &VideoConfig) -> Result<Self, Refusal> {
        log::install();
        let (result, complaints) = log::collect(|| {
            let mut this = Self::open_unproved(recipe, hardware, config, None)?;
            this.prove()?;
            Ok(this)
        });
        result.map_err(|error: Failure| Refusal { name: recipe.name.to_owned(), reason: error.reason(&complaints) })
    }

    fn open_unproved(
        recipe: &'static Recipe,
        hardware: bool,
        config: &VideoConfig,
        card: Option<Card>,
    ) -> Result<Self, Failure> {
        let config = VideoConfig { size: config.size.even(), ..*config };
        let level = level_for(&config).ok_or(Failure::TooMuch)?;
        let name = CString::new(recipe.name).map_err(|_| Failure::NotCompiledIn)?;
        // SAFETY: a NUL-terminated name; the answer is a static of libavcodec, or NULL.
        let codec = unsafe { ffi::avcodec_find_encoder_by_name(name.as_ptr()) };
        if codec.is_null() {
            return Err(Failure::NotCompiledIn);
        }
        // SAFETY: `codec` is valid.
        let context = Context::take(unsafe { ffi::avcodec_alloc_context3(codec) })?;
        configure(&context, recipe, &config, level);
        let feeder = match card {
            Some(card) => Feeder::on_card(card, config.size, &context)?,
            None => Feeder::new(recipe.input, config.size, &context).map_err(|error| match recipe.input {
                Input::VaSurface => Failure::NoDevice(error),
                _ => Failure::Av(error),
            })?,
        };
        let mut options = dictionary(&options(recipe, &config))?;
        // SAFETY: context and codec belong together; of the options it takes what it knows and leaves the rest.
        let opened = unsafe {
            let opened = ffi::avcodec_open2(context.as_ptr(), codec, &mut options);
            ffi::av_dict_free(&mut options);
            opened
        };
        check(opened)?;
        Ok(Self {
            context,
            feeder,
            packet: Packet::new()?,
            recipe,
            hardware,
            config,
            level,
            gop: Gop::new(idr_distance(recipe, &config)),
            cadence: Cadence::new(config.frame_rate),
            parameter_sets: ParameterSets::of(config.codec),
            payloads: Payloads::default(),
            last_ticks: i64::MIN,
            in_flight: VecDeque::new(),
            ready: VecDeque::new(),
        })
    }

    /// Encodes black pictures, stamped before all time, at least two and until something comes out: an IDR and a
    /// picture that refers to it.
    fn prove(&mut self) -> Result<(), Failure> {
        let black = Picture::black(self.config.size);
        let mut came = false;
        for picture in -TRIAL_PICTURES..0 {
            let first = picture == -TRIAL_PICTURES;
            self.submit(
                Fed::Picture(&black),
                picture * i64::from(TICKS) / i64::from(self.config.frame_rate.fps()),
                first,
            )?;
            came |= self.receive()?;
            if came && !first {
                // What it still holds back of these is dropped when it comes: nothing in flight has its stamp.
                self.ready.clear();
                return Ok(());
            }
        }
        Err(Failure::Silent)
    }

    fn submit(&mut self, fed: Fed<'_>, ticks: i64, idr: bool) -> Result<(), AvError> {
        let context = self.context.as_ptr();
        // SAFETY: both are valid and used by this thread alone.
        self.feeder.feed(fed, ticks, idr, |frame| unsafe { ffi::avcodec_send_frame(context, frame) })
    }

    /// Takes all that is finished; `true` when there was something.
    fn receive(&mut self) -> Result<bool, AvError> {
        let mut any = false;
        loop {
            // SAFETY: both are valid and used by this thread alone; the packet is emptied first.
            let result = unsafe { ffi::avcodec_receive_packet(self.context.as_ptr(), self.packet.as_ptr()) };
            if result == ffi::AVERROR(libc::EAGAIN) {
                return Ok(any);
            }
            check(result)?;
            any = true;
            // SAFETY: a received packet holds `size` bytes at `data`, until it is emptied below.
            let (ticks, flagged, written) = unsafe {
                let packet = self.packet.as_ptr();
                let written = std::slice::from_raw_parts((*packet).data, (*packet).size as usize);
                ((*packet).pts, (*packet).flags & ffi::AV_PKT_FLAG_KEY != 0, written)
            };
            // AV1's containers and protocols want no temporal delimiter, which stands in front.
            let written = match self.config.codec {
                VideoCodec::Av1 => written.strip_prefix(&[0x12, 0]).unwrap_or(written),
                _ => written,
            };
            // Intra refresh marks the pictures at which a wave of fresh blocks begins, too.
            let keyframe = flagged && (!refreshes(self.recipe, &self.config) || h264::has_idr(written));
            let missing = if keyframe { self.parameter_sets.missing_in(written) } else { &[] };
            let payload = self.payloads.hold([missing, written]);
            // SAFETY: the packet is ours; `written` is not used any more.
            unsafe { ffi::av_packet_unref(self.packet.as_ptr()) };
            let Some(at) = self.in_flight.iter().position(|picture| picture.ticks == ticks) else {
                continue;
            };
            // Without B-frames they come in order: those before it were dropped by the encoder.
            let Some(picture) = self.in_flight.drain(..=at).next_back() else { continue };
            self.ready.push_back(AccessUnit {
                track: self.config.codec.track(),
                pts: picture.pts,
                dts: picture.pts,
                keyframe,
                captured_at: picture.captured_at,
                payload,
            });
        }
    }

    fn surface_refused(&self, reason: String) -> EncoderError {
        EncoderError::SurfaceRefused { name: self.recipe.name, reason }
    }

    /// Goes on in a session of its own on the card where that frame lies; its first picture is an IDR.
    fn move_to_card_of(&mut self, frame: &VideoFrame) -> Result<(), EncoderError> {
        let (result, complaints) = log::collect(|| {
            let card = Card::of(frame, self.config.size, self.recipe.name).map_err(Failure::NoCard)?;
            let mut moved = Self::open_unproved(self.recipe, self.hardware, &self.config, Some(card))?;
            moved.prove()?;
            Ok(moved)
        });
        let moved = result.map_err(|failure: Failure| self.surface_refused(failure.reason(&complaints)))?;
        let Self { context, feeder, parameter_sets, gop, .. } = moved;
        // The codec goes before its surfaces.
        self.context = context;
        self.feeder = feeder;
        (self.parameter_sets, self.gop) = (parameter_sets, gop);
        self.in_flight.clear();
        self.set_rate();
        Ok(())
    }

    fn run(&mut self, fed: Fed<'_>, pts: MediaTime, force_keyframe: bool) -> Result<Option<AccessUnit>, EncoderError> {
        let captured_at = match fed {
            Fed::Picture(picture) => picture.captured_at,
            Fed::Surface(frame) => frame.captured_at,
        };
        let ticks = ((pts.as_nanos() / 1_000) as i64).max(self.last_ticks + 1);
        let moved = (ticks - (pts.as_nanos() / 1_000) as i64) as u64;
        let pts = if moved > 0 { pts + Duration::from_micros(moved) } else { pts };
        if self.recipe.live_bitrate && self.cadence.observe(pts) {
            self.set_rate();
        }
        let idr = force_keyframe || self.gop.is_due(pts);
        if idr {
            self.gop.note(pts);
        }
        self.last_ticks = ticks;
        self.in_flight.push_back(InFlight { ticks, pts, captured_at });
        let result = self.submit(fed, ticks, idr).and_then(|()| self.receive());
        result.map_err(|error| EncoderError::EncodeFailed { name: self.recipe.name, reason: error.text })?;
        Ok(self.ready.pop_front())
    }

    /// Tells the encoder its bitrate.
    fn set_rate(&mut self) {
        let bitrate = self.cadence.scaled(self.config.bitrate);
        let buffer = rate_buffer(&self.config).max(bitrate / i64::from(self.config.frame_rate.fps()) + 1);
        // SAFETY: the context is ours; wrappers with a live bitrate read these fields before each picture.
        unsafe {
            let context = self.context.as_ptr();
            (*context).bit_rate = bitrate;
            (*context).rc_max_rate = bitrate;
            (*context).rc_buffer_size = buffer as c_int;
        }
    }
}

impl VideoEncoder for LibavEncoder {
    fn name(&self) -> &'static str {
        self.recipe.name
    }

    fn hardware(&self) -> bool {
        self.hardware
    }

    fn abilities(&self) -> Abilities {
        let Recipe { live_bitrate, tunable, input, surfaces, .. } = *self.recipe;
        Abilities { live_bitrate, presets: tunable, content: false, surfaces, copies: input.copies() }
    }

    fn encode(
        &mut self,
        picture: &Picture,
        pts: MediaTime,
        force_keyframe: bool,
    ) -> Result<Option<AccessUnit>, EncoderError> {
        check_size(self.config.size, picture)?;
        self.run(Fed::Picture(picture), pts, force_keyframe)
    }

    fn encode_surface(
        &mut self,
        frame: &VideoFrame,
        pts: MediaTime,
        force_keyframe: bool,
    ) -> Result<Option<AccessUnit>, EncoderError> {
        if !self.recipe.surfaces || frame.pixels.surface().is_none() {
            return Err(self.surface_refused("it reads pictures in memory".to_owned()));
        }
        if !self.feeder.takes(frame) {
            self.move_to_card_of(frame)?;
        }
        self.feeder.bring(frame).map_err(|error| self.surface_refused(error.text))?;
        self.run(Fed::Surface(frame), pts, force_keyframe)
    }

    fn sends_keyframe_again(&mut self, pts: MediaTime) -> bool {
        // x264 answers each picture at once and is on the processor, where it pays; the waves of an intra refresh go on.
        let may = self.recipe.tunable && !refreshes(self.recipe, &self.config);
        if may {
            self.gop.note(pts);
        }
        may
    }

    fn reconfigure(&mut self, config: &VideoConfig) -> Result<bool, EncoderError> {
        let config = VideoConfig { size: config.size.even(), ..*config };
        let level = level_for(&config).ok_or_else(|| Failure::TooMuch.unsupported(&config))?;
        let other_rate = config.bitrate != self.config.bitrate;
        let fits = config.codec == self.config.codec
            && config.size == self.config.size
            && config.frame_rate == self.config.frame_rate
            && config.threads == self.config.threads
            && (!self.recipe.tunable || same_options(&config, &self.config))
            && level <= self.level
            && (!other_rate || self.recipe.live_bitrate);
        if fits {
            self.config = config;
            self.gop.set_period(idr_distance(self.recipe, &config));
            if other_rate {
                self.set_rate();
            }
        }
        Ok(fits)
    }
}

/// Errors for pictures of another size than the encoder's.
pub(crate) fn check_size(expected: Size, picture: &Picture) -> Result<(), EncoderError> {
    let rows = [expected.height, expected.height / 2, expected.height / 2];
    let widths = [expected.width, expected.width / 2, expected.width / 2];
    let whole = picture.planes.iter().zip(rows).zip(widths).all(|((plane, rows), width)| {
        plane.stride >= width as usize && plane.data.len() >= plane.stride * rows as usize
    });
    if picture.size == expected && whole {
        Ok(())
    } else {
        Err(EncoderError::WrongPictureSize { expected, got: picture.size })
    }
}

/// Why an encoder could not be opened.
#[derive(Debug)]
enum Failure {
    NotCompiledIn,
    /// No level of H.264 holds the stream.
    TooMuch,
    /// It took pictures and gave nothing back.
    Silent,
    /// Frames on the graphics card can't be taken there, in words.
    NoCard(String),
    /// The device that it works on doesn't answer.
    NoDevice(AvError),
    Av(AvError),
}

impl From<AvError> for Failure {
    fn from(error: AvError) -> Self {
        Self::Av(error)
    }
}

impl Failure {
    /// In words: what the library complained about says more than the code it returned.
    fn reason(&self, complaints: &[String]) -> String {
        match self {
            Self::NotCompiledIn => "not compiled into this build".to_owned(),
            Self::TooMuch => "no level of H.264 holds a stream of this size and rate".to_owned(),
            Self::Silent => format!("it took {TRIAL_PICTURES} pictures and gave nothing back"),
            Self::NoCard(reason) => reason.clone(),
            Self::NoDevice(error) => {
                let device = "no VA-API device answers (/dev/dri/renderD128 and on)";
                format!("{device}: {}", complaints.last().unwrap_or(&error.text))
            }
            Self::Av(error) if complaints.is_empty() => error.text.clone(),
            // The code is then a vague one ("Operation not permitted" for a driver that isn't there).
            Self::Av(_) => complaints.join("; "),
        }
    }

    fn unsupported(&self, config: &VideoConfig) -> EncoderError {
        let what = format!("{} at {} pictures per second, {}", config.size, config.frame_rate.fps(), config.bitrate);
        EncoderError::UnsupportedSettings { what: format!("{what}: {}", self.reason(&[])) }
    }
}

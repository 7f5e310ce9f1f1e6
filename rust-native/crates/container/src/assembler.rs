//! Units → fragments on a file's own timeline, which begins at zero with the first keyframe and leaves pauses out.

use std::time::Duration;

use bytes::Bytes;
use media::{AccessUnit, MediaTime, Parameters, VideoCodec};

use crate::sound_line::SoundLine;
use crate::{AUDIO_RATE, AudioCodec, AudioLayout, ContainerError, InputTrack, Layout, VIDEO_RATE};

/// A fragment is closed by the first picture that comes so long after its start. A still screen sends one picture a
/// second, so that two seconds are the most that a power cut costs; pictures' own clocks jitter, hence not a whole one.
pub const TARGET: Duration = Duration::from_millis(900);
/// A last picture whose successor is unknown is shown so long.
const LAST_PICTURE: Duration = Duration::from_millis(33);

/// One access unit as a file holds it.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Ticks of its track from the file's zero.
    pub time: u64,
    /// Ticks until the next one.
    pub duration: u32,
    /// A decoder may start here.
    pub keyframe: bool,
    /// Length-prefixed NAL units, AV1's units without a delimiter, or one packet of sound.
    pub data: Bytes,
}

/// What is written at once: at most a second or so, every sample whole.
#[derive(Debug, Clone, Default)]
pub struct Fragment {
    /// In [`VIDEO_RATE`] ticks.
    pub video: Vec<Sample>,
    /// The mix, in [`AUDIO_RATE`] ticks.
    pub audio: Vec<Sample>,
    /// Each of [`Layout::inputs`], in their order.
    pub inputs: Vec<Vec<Sample>>,
}

impl Fragment {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.video.is_empty() && self.audio.is_empty() && self.inputs.iter().all(Vec::is_empty)
    }
}

#[derive(Debug)]
struct Picture {
    at: Duration,
    keyframe: bool,
    data: Bytes,
}

/// See the module.
#[derive(Debug)]
pub struct Assembler {
    codec: AudioCodec,
    target: Duration,
    /// Media time of the file's zero, moved on by each pause; `None` until the first keyframe.
    origin: Option<MediaTime>,
    parameters: Option<Parameters>,
    layout: Option<Layout>,
    pictures: Vec<Picture>,
    mix: SoundLine,
    /// One for each of `tracks`.
    inputs: Vec<SoundLine>,
    tracks: Vec<InputTrack>,
    /// The end of the last fragment, and of what was shown when a pause began.
    end: Duration,
    /// The step between the last two pictures.
    step: Duration,
    paused: bool,
}

impl Assembler {
    /// An empty file whose sound is coded so, in fragments of about `target`.
    pub fn new(codec: AudioCodec, target: Duration) -> Self {
        Self {
            codec,
            target,
            origin: None,
            parameters: None,
            layout: None,
            pictures: Vec::new(),
            mix: SoundLine::mix(codec),
            inputs: Vec::new(),
            tracks: Vec::new(),
            end: Duration::ZERO,
            step: LAST_PICTURE,
            paused: false,
        }
    }

    /// The same, with a track for each of these inputs beside the mix.
    #[must_use]
    pub fn with_inputs(mut self, tracks: Vec<InputTrack>) -> Self {
        self.inputs = tracks.iter().map(|track| SoundLine::input(track.number)).collect();
        self.tracks = tracks;
        self
    }

    /// How many inputs have tracks of their own.
    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// Whether one of these inputs has no track in this file.
    pub fn lacks(&self, tracks: &[InputTrack]) -> bool {
        tracks.iter().any(|wanted| !self.tracks.iter().any(|track| track.number == wanted.number))
    }

    /// What the file holds; known from its first fragment on.
    pub fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    /// How much has been taken in, pauses left out.
    pub fn duration(&self) -> Duration {
        self.pictures.last().map_or(self.end, |picture| picture.at + self.step)
    }

    /// Whether this unit can't go on in this file: the picture's parameter sets changed, or there is sound now where
    /// the file has no track for it.
    pub fn needs_new_file(&self, unit: &AccessUnit) -> bool {
        let Some(codec) = unit.track.video_codec().filter(|_| unit.keyframe && !self.paused) else { return false };
        let other = |known: &Parameters| Parameters::find(codec, &unit.payload).is_some_and(|new| new != *known);
        self.parameters.as_ref().is_some_and(other)
            || self.layout.as_ref().is_some_and(|layout| layout.audio.is_none()) && !self.mix.is_empty()
    }

    /// Takes a unit; now and then that completes a fragment. Units of tracks that the file has no use for are ignored.
    ///
    /// # Errors
    /// [`ContainerError::ParameterSets`] for a first keyframe without them.
    pub fn push(&mut self, unit: &AccessUnit) -> Result<Option<Fragment>, ContainerError> {
        if let Some(codec) = unit.track.video_codec() {
            return self.picture(codec, unit);
        }
        let begun = self.origin.is_some();
        if self.paused && begun {
            return Ok(None);
        }
        if let Some(line) = self.lines().find(|line| line.track() == unit.track) {
            line.push(unit);
            if !begun {
                line.forget_early();
            }
        }
        Ok(None)
    }

    fn lines(&mut self) -> impl Iterator<Item = &mut SoundLine> {
        std::iter::once(&mut self.mix).chain(&mut self.inputs)
    }

    fn picture(&mut self, codec: VideoCodec, unit: &AccessUnit) -> Result<Option<Fragment>, ContainerError> {
        if self.origin.is_none() || self.paused {
            if self.paused || !unit.keyframe {
                return Ok(None);
            }
            let found = Parameters::find(codec, &unit.payload);
            self.parameters = Some(found.ok_or(ContainerError::ParameterSets("one is missing"))?);
            self.origin = Some(unit.pts - self.end);
        }
        let Some(origin) = self.origin else { return Ok(None) };
        let at = unit.pts.since(origin);
        // A picture that comes no later than the last one has no place in a file; the engine never sends one.
        if self.pictures.last().is_some_and(|last| at <= last.at) {
            return Ok(None);
        }
        if let Some(last) = self.pictures.last() {
            self.step = at - last.at;
        }
        let full = at.saturating_sub(self.end);
        let closes = full >= self.target || (unit.keyframe && full >= self.target / 2);
        let fragment = if closes { self.cut(at)? } else { None };
        self.pictures.push(Picture { at, keyframe: unit.keyframe, data: codec.sample(&unit.payload) });
        Ok(fragment)
    }

    /// Ends the fragment there: for the end of a file, or to continue in another one from that moment on.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(&mut self, next: Option<MediaTime>) -> Result<Option<Fragment>, ContainerError> {
        let end = match (next, self.origin) {
            (Some(next), Some(origin)) => next.since(origin).max(self.end),
            _ => self.natural_end(),
        };
        self.cut(end)
    }

    /// Takes nothing more until [`Self::resume`]; what is there becomes a fragment.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn pause(&mut self) -> Result<Option<Fragment>, ContainerError> {
        let fragment = self.cut(self.duration())?;
        self.paused = true;
        self.lines().for_each(|line| line.truncate(0));
        Ok(fragment)
    }

    /// Goes on with the next keyframe, as if no time had passed.
    pub fn resume(&mut self) {
        if std::mem::take(&mut self.paused) {
            self.origin = None;
            self.lines().for_each(|line| line.truncate(0));
        }
    }

    /// A picture is shown at least for a frame's time, and while there is sound.
    fn natural_end(&self) -> Duration {
        let Some(origin) = self.origin else { return self.end };
        let heard = self.mix.heard_until(origin).unwrap_or(Duration::ZERO);
        self.duration().max(heard.min(self.duration() + Duration::from_secs(1)))
    }

    fn cut(&mut self, end: Duration) -> Result<Option<Fragment>, ContainerError> {
        if self.pictures.is_empty() {
            return Ok(None);
        }
        let mut fragment = self.take_sound(end);
        fragment.video = self.take_pictures(end);
        if self.layout.is_none() {
            let Some(parameters) = self.parameters.clone() else { return Ok(None) };
            let size = parameters.size().ok_or(ContainerError::ParameterSets("an unreadable SPS"))?;
            let audio = (!fragment.audio.is_empty()).then_some(AudioLayout { codec: self.codec });
            let inputs = if audio.is_some() { self.tracks.clone() } else { Vec::new() };
            self.layout = Some(Layout { parameters, size, audio, inputs });
        }
        self.end = end;
        Ok(Some(fragment))
    }

    fn take_pictures(&mut self, end: Duration) -> Vec<Sample> {
        let pictures = std::mem::take(&mut self.pictures);
        let ends: Vec<_> = pictures.iter().skip(1).map(|next| next.at).chain([end]).collect();
        let sample = |(picture, end): (Picture, Duration)| {
            let time = ticks(picture.at, VIDEO_RATE);
            let duration = ticks(end, VIDEO_RATE).saturating_sub(time).clamp(1, u64::from(u32::MAX)) as u32;
            Sample { time, duration, keyframe: picture.keyframe, data: picture.data }
        };
        pictures.into_iter().zip(ends).map(sample).collect()
    }

    /// The sound that begins before `end`. A file whose first fragment had none gets none later.
    fn take_sound(&mut self, end: Duration) -> Fragment {
        let mut fragment = Fragment::default();
        let Some(origin) = self.origin else { return fragment };
        if self.layout.as_ref().is_some_and(|layout| layout.audio.is_none()) {
            // One is kept: it tells at the next keyframe that the file needs a track.
            self.lines().for_each(|line| line.truncate(1));
            return fragment;
        }
        let end = ticks(end, AUDIO_RATE);
        fragment.audio = self.mix.take(origin, end);
        if self.layout.is_some() || !fragment.audio.is_empty() {
            fragment.inputs = self.inputs.iter_mut().map(|line| line.take(origin, end)).collect();
        }
        fragment
    }
}

fn ticks(at: Duration, rate: u32) -> u64 {
    (at.as_nanos() * u128::from(rate) / 1_000_000_000) as u64
}

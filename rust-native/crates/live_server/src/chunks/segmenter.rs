//! Units → parts and segments, on one media time. Pure: time is what the units say, and `tick` is told what it is now.
//!
//! A segment begins at a keyframe, and a keyframe is wanted as soon as the segment is as long as it should be. Sound
//! has the same segments as the picture: a packet belongs to the segment in which its middle lies. It waits until the
//! picture has come so far, for only then it is known whether a segment begins there; and sound that does not come is
//! filled with silence, so that both always have the same numbers (RFC 8216bis section 6.2.4: synchronized renditions).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use container::{AUDIO_RATE, AudioCodec, CmafTrack, ContainerError, Sample, VIDEO_RATE, cmaf_header};

use super::lower::LowerTracks;
use super::track::Track;
use super::units::opus_frames;
use super::window::{Kind, Part};
use crate::ladder::Rung;

/// How long things should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// No part is longer, unless one picture is (RFC 8216bis section 4.4.3.7).
    pub(crate) part: Duration,
    /// A keyframe is wanted when a segment is so long.
    pub(crate) segment: Duration,
}

/// A publisher that gives no keyframe for so long gets a segment that begins without one.
const LONGEST_SEGMENT: i64 = 12_000_000_000;
/// Sound waits no longer for a picture that says where a segment begins: 30 pictures a second come 33 ms apart and take
/// some 100 ms to be encoded.
const SOUND_WAITS: i64 = 250_000_000;
/// Sound that has not come by then will not.
const SOUND_LATE: i64 = 900_000_000;
/// Packets closer than this to where the last one ended follow it without a seam: 5 ms.
const SEAMLESS: i64 = 240;
/// 20 ms of stereo silence (RFC 6716: CELT, full band, one frame).
const SILENCE: &[u8] = &[0xfc, 0xff, 0xfe];
const SILENCE_FRAMES: u32 = 960;
/// How long the last picture before a pause is shown.
const LAST_PICTURE: u64 = 3000;
/// Packets of sound that wait: more than ten seconds' worth are a picture that never comes.
const MOST_SOUND: usize = 512;

/// What the window learns.
#[derive(Debug)]
pub(super) enum Change {
    /// Another run of the stream: its headers, and when it begins.
    Run { at: i64, tracks: Vec<(Kind, CmafTrack, Bytes)> },
    /// A part is whole.
    Part(Kind, Part),
    /// The segment is, and the next begins.
    End(Kind),
    /// A rendition of the picture begins where one of the source's segments does (ticks), with this header.
    Join(Rung, u64, CmafTrack, Bytes),
    /// It is not made any more.
    Leave(Rung),
}

/// A packet of sound that waits.
#[derive(Debug)]
struct Sound {
    at: i64,
    frames: u32,
    data: Bytes,
}

/// One stream. See the module.
#[derive(Debug)]
pub(super) struct Segmenter {
    rules: Rules,
    video: Option<Track>,
    audio: Option<Track>,
    waiting: VecDeque<Sound>,
    /// Where the sound's next segments begin, nanoseconds.
    boundaries: VecDeque<i64>,
    /// The newest picture, nanoseconds.
    watermark: i64,
    /// The segment that is being made has begun there.
    segment_start: i64,
    /// No run may begin before the last has ended.
    end: i64,
    /// Renditions of the picture.
    lower: LowerTracks,
}

impl Segmenter {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            video: None,
            audio: None,
            waiting: VecDeque::new(),
            boundaries: VecDeque::new(),
            watermark: 0,
            segment_start: 0,
            end: 0,
            lower: LowerTracks::new(rules),
        }
    }

    /// Takes a picture of a rendition; `what` comes with its keyframes.
    pub(super) fn lower_at(
        &mut self,
        rung: Rung,
        (at, keyframe, data): (i64, bool, Bytes),
        what: Option<CmafTrack>,
        out: &mut Vec<Change>,
    ) -> Result<(), ContainerError> {
        let sample = Sample { time: ticks(at, VIDEO_RATE), duration: LAST_PICTURE as u32, keyframe, data };
        self.lower.push(rung, sample, what, out)
    }

    /// A rendition is not made any more.
    pub(super) fn lower_gone(&mut self, rung: Rung, out: &mut Vec<Change>) {
        self.lower.leave(rung, out);
    }

    /// Whether there is a run.
    pub(super) fn is_running(&self) -> bool {
        self.video.is_some() || self.audio.is_some()
    }

    /// Where the last run has ended, nanoseconds.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// What the present run's pictures are.
    pub(super) fn picture(&self) -> Option<&CmafTrack> {
        self.video.as_ref().map(|track| &track.what)
    }

    /// A run begins there; the one before must have been finished.
    pub(super) fn begin(
        &mut self,
        at: i64,
        video: Option<CmafTrack>,
        audio: bool,
        out: &mut Vec<Change>,
    ) -> Result<(), ContainerError> {
        let mut tracks = Vec::new();
        if let Some(what) = video {
            tracks.push((Kind::Video, what.clone(), cmaf_header(&what)?));
            self.video = Some(Track::new(Kind::Video, what, self.rules, ticks(at, VIDEO_RATE)));
            self.lower.begin(ticks(at, VIDEO_RATE));
        }
        if audio {
            let what = CmafTrack::Audio(AudioCodec::Opus);
            tracks.push((Kind::Audio, what.clone(), cmaf_header(&what)?));
            self.audio = Some(Track::new(Kind::Audio, what, self.rules, ticks(at, AUDIO_RATE)));
        }
        (self.watermark, self.segment_start, self.end) = (at, at, at);
        out.push(Change::Run { at, tracks });
        Ok(())
    }

    /// Whether the publisher should be asked for a keyframe.
    pub(super) fn wants_keyframe(&self) -> bool {
        self.video.is_some() && self.watermark - self.segment_start >= nanos(self.rules.segment)
    }

    /// Takes a picture of the run.
    pub(super) fn picture_at(
        &mut self,
        at: i64,
        keyframe: bool,
        data: Bytes,
        out: &mut Vec<Change>,
    ) -> Result<(), ContainerError> {
        let Some(track) = &mut self.video else { return Ok(()) };
        let time = ticks(at, VIDEO_RATE);
        if !track.takes(time) {
            return Ok(());
        }
        let age = at - self.segment_start;
        if (keyframe && age >= nanos(self.rules.segment) / 2) || age >= LONGEST_SEGMENT {
            track.cut(time, out)?;
            self.segment_start = at;
            if self.audio.is_some() {
                self.boundaries.push_back(at);
            }
            self.lower.boundary(time, out);
        }
        track.push(Sample { time, duration: LAST_PICTURE as u32, keyframe, data }, out)?;
        self.watermark = at;
        self.end = self.end.max(at);
        self.release(false, i64::MIN, out)
    }

    /// Takes a packet of sound.
    pub(super) fn sound_at(
        &mut self,
        at: i64,
        data: Bytes,
        now: i64,
        out: &mut Vec<Change>,
    ) -> Result<(), ContainerError> {
        let Some(frames) = opus_frames(&data).filter(|_| self.audio.is_some()) else { return Ok(()) };
        if self.waiting.len() < MOST_SOUND {
            self.waiting.push_back(Sound { at, frames, data });
        }
        self.release(false, now, out)
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self, now: i64, out: &mut Vec<Change>) -> Result<(), ContainerError> {
        self.release(false, now, out)?;
        let Some(track) = &self.audio else { return Ok(()) };
        let heard = nanos_of(track.end(), AUDIO_RATE);
        if self.waiting.is_empty() && now - heard > SOUND_LATE {
            let until = now - SOUND_LATE + 200_000_000;
            self.silence(until, out)?;
        }
        Ok(())
    }

    /// Everything that is there becomes parts and a segment; the run is over.
    pub(super) fn finish(&mut self, out: &mut Vec<Change>) -> Result<(), ContainerError> {
        self.release(true, i64::MAX, out)?;
        let video = self.video.is_some();
        if let Some(mut track) = self.video.take() {
            let end = track.end();
            self.end = self.end.max(nanos_of(end, VIDEO_RATE));
            track.cut(end, out)?;
            self.lower.finish(end, out)?;
        }
        if self.audio.is_some() && video {
            // As many segments as the picture has, and to its end.
            while let Some(boundary) = self.boundaries.front().copied() {
                self.silence(boundary + 20_000_000, out)?;
            }
            self.silence(self.end - 20_000_000, out)?;
        }
        if let Some(mut track) = self.audio.take() {
            let end = track.end();
            self.end = self.end.max(nanos_of(end, AUDIO_RATE));
            track.cut(end, out)?;
        }
        self.waiting.clear();
        self.boundaries.clear();
        Ok(())
    }

    fn release(&mut self, all: bool, now: i64, out: &mut Vec<Change>) -> Result<(), ContainerError> {
        while let Some(sound) = self.waiting.front() {
            let known = self.video.is_none() || self.watermark >= sound.at;
            if !(all || known || now.saturating_sub(sound.at) >= SOUND_WAITS) {
                break;
            }
            let Some(sound) = self.waiting.pop_front() else { break };
            self.silence_before(&sound, out)?;
            self.take_sound(sound, out)?;
        }
        Ok(())
    }

    /// Fills what is missing before a packet.
    fn silence_before(&mut self, sound: &Sound, out: &mut Vec<Change>) -> Result<(), ContainerError> {
        let Some(track) = &self.audio else { return Ok(()) };
        let gap = ticks(sound.at, AUDIO_RATE) as i64 - track.end() as i64;
        // What is left of a packet's length is added to the one before.
        if gap >= i64::from(SILENCE_FRAMES) { self.silence(sound.at - 20_000_000, out) } else { Ok(()) }
    }

    /// Silence up to that moment, in whole packets.
    fn silence(&mut self, until: i64, out: &mut Vec<Change>) -> Result<(), ContainerError> {
        // A minute at most: what lies further apart is no gap but another run.
        for _ in 0..3000 {
            let Some(track) = &self.audio else { break };
            let at = nanos_of(track.end(), AUDIO_RATE);
            if at > until {
                break;
            }
            self.take_sound(Sound { at, frames: SILENCE_FRAMES, data: Bytes::from_static(SILENCE) }, out)?;
        }
        Ok(())
    }

    fn take_sound(&mut self, sound: Sound, out: &mut Vec<Change>) -> Result<(), ContainerError> {
        let Some(track) = &mut self.audio else { return Ok(()) };
        let (mut time, expected) = (ticks(sound.at, AUDIO_RATE), track.end());
        let off = time as i64 - expected as i64;
        if off.abs() <= SEAMLESS {
            time = expected;
        } else if time + u64::from(sound.frames) <= expected
            || track.held.as_ref().is_some_and(|held| time <= held.time)
        {
            return Ok(());
        }
        time = time.max(track.segment_start);
        let middle = nanos_of(time + u64::from(sound.frames / 2), AUDIO_RATE);
        let begins = match self.boundaries.front() {
            Some(boundary) => middle >= *boundary,
            None if self.video.is_none() => middle - self.segment_start >= nanos(self.rules.segment),
            None => false,
        };
        if begins {
            track.cut(time, out)?;
            if self.boundaries.pop_front().is_none() {
                self.segment_start = nanos_of(time, AUDIO_RATE);
            }
        }
        let Some(track) = &mut self.audio else { return Ok(()) };
        let end = time + u64::from(sound.frames);
        track.push(Sample { time, duration: sound.frames, keyframe: true, data: sound.data }, out)?;
        self.end = self.end.max(nanos_of(end, AUDIO_RATE));
        Ok(())
    }
}

fn nanos(duration: Duration) -> i64 {
    duration.as_nanos() as i64
}

/// From the absolute value, rounded to the nearest.
fn ticks(at: i64, rate: u32) -> u64 {
    ((i128::from(at.max(0)) * i128::from(rate) + 500_000_000) / 1_000_000_000) as u64
}

fn nanos_of(ticks: u64, rate: u32) -> i64 {
    (u128::from(ticks) * 1_000_000_000 / u128::from(rate)) as i64
}

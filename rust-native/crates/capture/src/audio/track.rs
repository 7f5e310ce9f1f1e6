//! One input on the mix's timeline: reads its ring so that what was captured at a time is heard at that time.

use std::time::Duration;

use media::{AUDIO_CHANNELS, MediaTime};
use sound::Samples;

use super::AudioError;
use super::capture_clock::{CaptureClock, signed_ns};
use super::intake::{Reader, duration};
use super::resampling::Resampling;
use super::timeline::{Align, Steer, align, steer};

/// Stamps before a device's clock is believed: its first chunks often come in a burst.
const STAMPS_TO_BEGIN: u32 = 8;
/// Frames over which sound fades where it is cut (1.3 ms): no click, and nothing is lost to the ear.
const FADE_FRAMES: usize = 64;

/// A device that has sent nothing for so long is not waited for: a program that is paused must not make the mix late.
const QUIET_AFTER: Duration = Duration::from_millis(500);

/// Whether a block can be made from this input now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    /// All its frames are here.
    Ready,
    /// They are due.
    Waiting,
    /// It has nothing to say in this block.
    Silent,
}

/// What went wrong with an input, counted since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InputCounters {
    /// Blocks in which its sound came too late and was left out.
    pub underruns: u64,
    /// Frames thrown away because the mixer did not read for a second.
    pub lost_frames: u64,
    /// Times it was put in step at once, because its clock jumped.
    pub realigned: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Track {
    reader: Reader,
    clock: Option<CaptureClock>,
    resampling: Resampling,
    /// Frames taken out of the ring.
    consumed: u64,
    aligned: bool,
    /// Whether the present block has sound from it, be it here or not.
    due: bool,
    fade_in: bool,
    /// The largest recent age of a frame when it arrived, beyond the device's chunk.
    lateness: Duration,
    last_arrival: MediaTime,
    scratch: Vec<f32>,
    counters: InputCounters,
}

impl Track {
    pub(super) fn new(reader: Reader, now: MediaTime) -> Result<Self, AudioError> {
        Ok(Self {
            resampling: Resampling::new(reader.rate)?,
            clock: None,
            consumed: 0,
            aligned: false,
            due: false,
            fade_in: true,
            lateness: Duration::ZERO,
            last_arrival: now,
            // What the largest block takes: none is ever allocated while sound flows.
            scratch: Vec::with_capacity(reader.rate as usize / 50 * AUDIO_CHANNELS + 1024),
            counters: InputCounters::default(),
            reader,
        })
    }

    /// Takes in the stamps that have come.
    pub(super) fn poll(&mut self) {
        while let Ok(stamp) = self.reader.stamps.pop() {
            let clock = match &mut self.clock {
                Some(clock) => {
                    clock.observe(stamp.frame, stamp.captured_at);
                    clock
                }
                empty => empty.insert(CaptureClock::new(self.reader.rate, stamp.frame, stamp.captured_at)),
            };
            let end = clock.time_of(stamp.frame + stamp.frames);
            // Forgets a late spell within some ten seconds of chunks.
            let forgotten = self.lateness - self.lateness / 1024;
            self.lateness = stamp.arrived_at.since(end).max(forgotten);
            self.last_arrival = stamp.arrived_at;
        }
        self.counters.lost_frames += self.reader.take_lost();
    }

    /// How late its frames have been of late.
    pub(super) fn lateness(&self) -> Duration {
        self.lateness
    }

    /// When its device last sent anything.
    pub(super) fn last_arrival(&self) -> MediaTime {
        self.last_arrival
    }

    pub(super) fn counters(&self) -> InputCounters {
        self.counters
    }

    /// Makes the next block read from the timeline's new place.
    pub(super) fn unalign(&mut self) {
        self.aligned = false;
    }

    /// Whether the block that starts at `position` can be made; throws away what lies before it.
    pub(super) fn readiness(&mut self, position: MediaTime) -> Readiness {
        let readiness = self.look(position);
        self.due = readiness != Readiness::Silent;
        readiness
    }

    fn look(&mut self, position: MediaTime) -> Readiness {
        let Some(clock) = self.clock.as_ref().filter(|clock| clock.stamps() >= STAMPS_TO_BEGIN) else {
            return Readiness::Silent;
        };
        if position.since(self.last_arrival) > QUIET_AFTER && self.reader.available() == 0 {
            self.aligned = false;
            return Readiness::Silent;
        }
        let rate = self.reader.rate;
        let delay = self.resampling.delay_frames();
        // The time of the frame that the next block starts with: the resampler still holds `delay` frames.
        let time_of = |consumed: u64, held: u64| clock.time_of(consumed) - duration(held, rate);
        if self.aligned {
            match steer(time_of(self.consumed, delay), position, clock.drift()) {
                Steer::Ratio(ratio) => self.resampling.set_ratio(ratio),
                Steer::Realign => {
                    self.aligned = false;
                    self.counters.realigned += 1;
                }
            }
        }
        if !self.aligned {
            match align(time_of(self.consumed, delay), position, rate) {
                Align::Later => return Readiness::Silent,
                Align::Drop(frames) => {
                    let dropped = self.reader.skip(usize::try_from(frames).unwrap_or(usize::MAX)) as u64;
                    self.consumed += dropped;
                    if dropped < frames {
                        return Readiness::Waiting;
                    }
                    self.resampling.reset();
                    self.aligned = true;
                    self.fade_in = true;
                }
            }
        }
        if self.reader.available() >= self.resampling.input_frames() { Readiness::Ready } else { Readiness::Waiting }
    }

    /// Reads the block for which `readiness` was asked last. When that said `Waiting`, takes what there is, fades
    /// it out and counts the rest as missing. Returns the time error of the block against the timeline in nanoseconds, for tests and logs.
    pub(super) fn read(&mut self, position: MediaTime, out: &mut Samples) -> Result<f64, AudioError> {
        if !self.aligned {
            out.fill(0.0);
            self.counters.underruns += u64::from(self.due);
            return Ok(0.0);
        }
        let need = self.resampling.input_frames();
        let have = self.reader.available().min(need);
        let error = self.clock.as_ref().map_or(0.0, |clock| signed_ns(clock.time_of(self.consumed), position));
        self.scratch.clear();
        if let Ok(chunk) = self.reader.samples.read_chunk(have * AUDIO_CHANNELS) {
            let (first, second) = chunk.as_slices();
            self.scratch.extend_from_slice(first);
            self.scratch.extend_from_slice(second);
            chunk.commit_all();
        }
        self.consumed += have as u64;
        let starved = have < need;
        if starved {
            fade(&mut self.scratch, Fade::Out);
            self.scratch.resize(need * AUDIO_CHANNELS, 0.0);
            self.counters.underruns += 1;
            self.aligned = false;
        }
        self.resampling.process(&self.scratch, out)?;
        if self.fade_in && !starved {
            fade(out, Fade::In);
            self.fade_in = false;
        }
        Ok(error)
    }
}

enum Fade {
    In,
    Out,
}

/// Fades the first or the last frames of a piece.
fn fade(samples: &mut [f32], direction: Fade) {
    let frames = FADE_FRAMES.min(samples.len() / AUDIO_CHANNELS);
    let weight = |index: usize| index as f32 / frames as f32;
    match direction {
        Fade::In => {
            for (index, frame) in samples.chunks_exact_mut(AUDIO_CHANNELS).take(frames).enumerate() {
                frame.iter_mut().for_each(|sample| *sample *= weight(index));
            }
        }
        Fade::Out => {
            for (index, frame) in samples.rchunks_exact_mut(AUDIO_CHANNELS).take(frames).enumerate() {
                frame.iter_mut().for_each(|sample| *sample *= weight(index));
            }
        }
    }
}

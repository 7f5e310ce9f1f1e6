//! One track of sound on its way into a file: packets in, samples on the file's timeline out.

use std::collections::VecDeque;
use std::time::Duration;

use media::{AccessUnit, MediaTime, Track};

use crate::{AUDIO_RATE, AudioCodec, Sample};

/// Sound that lies closer than this to where the last packet ended follows it without a seam.
const SEAMLESS: i64 = AUDIO_RATE as i64 / 100;
/// Sound kept while no picture has come yet: more than the mixer's longest wait.
const MOST_EARLY: usize = 128;

/// See the module.
#[derive(Debug)]
pub(crate) struct SoundLine {
    track: Track,
    codec: AudioCodec,
    waiting: VecDeque<AccessUnit>,
    /// Where the next packet is expected, ticks from the file's zero.
    expected: Option<i64>,
}

impl SoundLine {
    /// The mix, coded so.
    pub(crate) fn mix(codec: AudioCodec) -> Self {
        let track = match codec {
            AudioCodec::Aac => Track::Aac,
            AudioCodec::Opus => Track::Audio,
        };
        Self { track, codec, waiting: VecDeque::new(), expected: None }
    }

    /// One input.
    pub(crate) fn input(number: u32) -> Self {
        Self { track: Track::Input(number), codec: AudioCodec::Aac, waiting: VecDeque::new(), expected: None }
    }

    pub(crate) fn track(&self) -> Track {
        self.track
    }

    pub(crate) fn push(&mut self, unit: &AccessUnit) {
        self.waiting.push_back(unit.clone());
    }

    /// Forgets what can't matter any more, while the file has not begun.
    pub(crate) fn forget_early(&mut self) {
        while self.waiting.len() > MOST_EARLY {
            self.waiting.pop_front();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Keeps so many packets at the most, the oldest.
    pub(crate) fn truncate(&mut self, packets: usize) {
        self.waiting.truncate(packets);
    }

    /// The end of the last packet that waits.
    pub(crate) fn heard_until(&self, origin: MediaTime) -> Option<Duration> {
        let frames = u64::from(self.codec.packet_frames());
        let packet = Duration::from_nanos(frames * 1_000_000_000 / u64::from(AUDIO_RATE));
        self.waiting.back().map(|unit| (unit.pts + packet).since(origin))
    }

    /// What begins before `end`, in ticks from the file's zero.
    pub(crate) fn take(&mut self, origin: MediaTime, end: u64) -> Vec<Sample> {
        let frames = i64::from(self.codec.packet_frames());
        let mut samples: Vec<Sample> = Vec::new();
        while let Some(unit) = self.waiting.front() {
            let at = signed_ticks(unit.pts, origin) - i64::from(self.codec.delay());
            if at >= end as i64 {
                break;
            }
            let Some(unit) = self.waiting.pop_front() else { break };
            let at = match self.expected {
                Some(expected) if (at - expected).abs() <= SEAMLESS => expected,
                // After a pause, what sounded before it is over; it never overlaps.
                Some(expected) if at + frames <= expected => continue,
                Some(expected) => at.max(expected),
                // Nothing lies before the file's zero: an edit list that hides it is read differently everywhere.
                None if at < 0 => continue,
                None => at,
            };
            let time = u64::try_from(at).unwrap_or(0);
            if let Some(last) = samples.last_mut() {
                last.duration = u32::try_from(time - last.time).unwrap_or(u32::MAX);
            }
            samples.push(Sample { time, duration: frames as u32, keyframe: true, data: unit.payload });
            self.expected = Some(at + frames);
        }
        samples
    }
}

/// Ticks from `origin`, rounded to the nearest; negative before it.
fn signed_ticks(at: MediaTime, origin: MediaTime) -> i64 {
    let nanos = i128::from(at.as_nanos()) - i128::from(origin.as_nanos());
    (nanos * i128::from(AUDIO_RATE) + 500_000_000).div_euclid(1_000_000_000) as i64
}

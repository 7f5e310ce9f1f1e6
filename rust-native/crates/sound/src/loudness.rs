//! How loud the mix is to a listener: EBU R128 (ITU-R BS.1770), momentary, short-term and integrated.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use ebur128::{EbuR128, Mode};
use media::{AUDIO_CHANNELS, AUDIO_SAMPLE_RATE};

use crate::{SILENCE_DB, Samples};

/// Blocks from one reading to the next: 100 ms, EBU Tech 3341's least rate for a live meter.
const READ_EVERY: u32 = 10;
/// Readings from one integrated value to the next: it moves slowly.
const INTEGRATE_EVERY: u32 = 10;

/// LUFS; −120 is silence, or not known yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoudnessReading {
    /// The last 400 ms.
    pub momentary: f32,
    /// The last 3 s.
    pub short_term: f32,
    /// Since the start or the last reset, gated.
    pub integrated: f32,
}

#[derive(Debug)]
struct Shared {
    momentary: AtomicU32,
    short_term: AtomicU32,
    integrated: AtomicU32,
    reset: AtomicBool,
}

/// The mix's end.
pub struct Loudness {
    meter: Option<EbuR128>,
    shared: Arc<Shared>,
    blocks: u32,
    readings: u32,
}

/// The window's end.
#[derive(Debug, Clone)]
pub struct LoudnessReader(Arc<Shared>);

impl Default for Loudness {
    fn default() -> Self {
        Self::new()
    }
}

impl Loudness {
    /// Takes all the memory that it will need: a histogram instead of a list that grows with the stream.
    pub fn new() -> Self {
        let silent = || AtomicU32::new(SILENCE_DB.to_bits());
        let mode = Mode::M | Mode::S | Mode::I | Mode::HISTOGRAM;
        let shared =
            Shared { momentary: silent(), short_term: silent(), integrated: silent(), reset: AtomicBool::new(false) };
        Self {
            // It only refuses channel counts and rates that are not ours.
            meter: EbuR128::new(AUDIO_CHANNELS as u32, AUDIO_SAMPLE_RATE, mode).ok(),
            shared: Arc::new(shared),
            blocks: 0,
            readings: 0,
        }
    }

    /// The other end.
    pub fn reader(&self) -> LoudnessReader {
        LoudnessReader(Arc::clone(&self.shared))
    }

    /// Takes a block of the mix in.
    pub fn add(&mut self, samples: &Samples) {
        let Some(meter) = &mut self.meter else { return };
        if self.shared.reset.swap(false, Ordering::Relaxed) {
            meter.reset();
            (self.blocks, self.readings) = (0, 0);
        }
        // It only refuses pieces that are no whole frames.
        let _ = meter.add_frames_f32(samples);
        self.blocks += 1;
        if self.blocks < READ_EVERY {
            return;
        }
        self.blocks = 0;
        let store = |cell: &AtomicU32, value: Result<f64, ebur128::Error>| {
            let value = value.unwrap_or(f64::NEG_INFINITY) as f32;
            cell.store(value.max(SILENCE_DB).to_bits(), Ordering::Relaxed);
        };
        store(&self.shared.momentary, meter.loudness_momentary());
        store(&self.shared.short_term, meter.loudness_shortterm());
        if self.readings.is_multiple_of(INTEGRATE_EVERY) {
            store(&self.shared.integrated, meter.loudness_global());
        }
        self.readings = self.readings.wrapping_add(1);
    }
}

impl LoudnessReader {
    /// The newest values.
    pub fn read(&self) -> LoudnessReading {
        let load = |cell: &AtomicU32| f32::from_bits(cell.load(Ordering::Relaxed));
        LoudnessReading {
            momentary: load(&self.0.momentary),
            short_term: load(&self.0.short_term),
            integrated: load(&self.0.integrated),
        }
    }

    /// Starts the measurement over with the next block.
    pub fn reset(&self) {
        self.0.reset.store(true, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Loudness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loudness").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear;
    use crate::testing::tone;

    /// EBU Tech 3341, test signal 1: a stereo sine of 1 kHz at −23 dBFS reads −23.0 ±0.1 LUFS on all three.
    #[test]
    fn the_ebu_s_first_test_signal_reads_minus_23() {
        let mut loudness = Loudness::new();
        let reader = loudness.reader();
        tone(1000.0, linear(-23.0), 20.0, |block| loudness.add(block));
        let LoudnessReading { momentary, short_term, integrated } = reader.read();
        for value in [momentary, short_term, integrated] {
            assert!((value + 23.0).abs() < 0.1, "{:?}", reader.read());
        }
    }

    /// EBU Tech 3341, test signal 3: the quiet parts (−36) before and after −23 are gated away.
    #[test]
    fn quiet_parts_do_not_count_for_the_integrated_loudness() {
        let mut loudness = Loudness::new();
        let reader = loudness.reader();
        for (db, seconds) in [(-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0)] {
            tone(1000.0, linear(db), seconds, |block| loudness.add(block));
        }
        assert!((reader.read().integrated + 23.0).abs() < 0.1, "{:?}", reader.read());
        assert!((reader.read().momentary + 36.0).abs() < 0.1, "{:?}", reader.read());
        reader.reset();
        tone(1000.0, linear(-30.0), 5.0, |block| loudness.add(block));
        assert!((reader.read().integrated + 30.0).abs() < 0.1, "{:?}", reader.read());
    }

    #[test]
    fn silence_is_told_as_silence() {
        let mut loudness = Loudness::new();
        let reader = loudness.reader();
        tone(1000.0, 0.0, 1.0, |block| loudness.add(block));
        assert_eq!(reader.read().momentary, SILENCE_DB);
    }
}

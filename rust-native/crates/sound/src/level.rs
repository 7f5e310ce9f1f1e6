//! Meters: written by the mix for each block without waiting, read by whoever shows them.
//!
//! There is no lock between the two: a window that is slow to look can't hold the sound up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// What meters show for silence, dBFS.
pub const SILENCE_DB: f32 = -120.0;

/// Sums that only grow, and the largest sample since it was last read.
#[derive(Debug, Default)]
struct Cell {
    /// Odd while `power` and `samples` are being written (a sequence lock: only the reader ever tries again).
    sequence: AtomicU64,
    /// Bits of the `f64` sum of squares.
    power: AtomicU64,
    samples: AtomicU64,
    /// Bits of a non-negative `f32`, which order as the numbers do.
    peak: AtomicU32,
}

/// The mix's end.
#[derive(Debug, Default)]
pub struct Meter {
    cell: Arc<Cell>,
    power: f64,
    samples: u64,
}

/// The window's end: one reader, as reading starts the peak over.
#[derive(Debug)]
pub struct MeterReader {
    cell: Arc<Cell>,
    power: f64,
    samples: u64,
    shown: (f32, f32),
}

impl Meter {
    /// The other end; what comes in from now on is read there.
    pub fn reader(&self) -> MeterReader {
        MeterReader {
            cell: Arc::clone(&self.cell),
            power: self.power,
            samples: self.samples,
            shown: (SILENCE_DB, SILENCE_DB),
        }
    }

    /// Takes a block in.
    pub fn add(&mut self, samples: &[f32]) {
        // Four lanes, so that the compiler can use SIMD: float addition is not reordered by itself.
        let (mut peaks, mut powers) = ([0.0f32; 4], [0.0f32; 4]);
        for four in samples.chunks_exact(4) {
            for lane in 0..4 {
                peaks[lane] = peaks[lane].max(four[lane].abs());
                powers[lane] += four[lane] * four[lane];
            }
        }
        self.power += f64::from(powers.iter().sum::<f32>());
        self.samples += samples.len() as u64;
        let peak = peaks.iter().fold(0.0f32, |a, b| a.max(*b));
        self.cell.peak.fetch_max(peak.to_bits(), Ordering::Relaxed);
        let sequence = self.cell.sequence.load(Ordering::Relaxed);
        self.cell.sequence.store(sequence + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        self.cell.power.store(self.power.to_bits(), Ordering::Relaxed);
        self.cell.samples.store(self.samples, Ordering::Relaxed);
        self.cell.sequence.store(sequence + 2, Ordering::Release);
    }
}

impl MeterReader {
    /// Peak and RMS in dBFS since the last call; what was shown last when nothing came in since.
    pub fn read(&mut self) -> (f32, f32) {
        let (power, samples) = self.sums();
        if samples > self.samples {
            let mean = (power - self.power).max(0.0) / (samples - self.samples) as f64;
            let peak = f32::from_bits(self.cell.peak.swap(0, Ordering::Relaxed));
            (self.power, self.samples) = (power, samples);
            self.shown = (decibels(peak), decibels(mean.sqrt() as f32));
        }
        self.shown
    }

    fn sums(&self) -> (f64, u64) {
        loop {
            let before = self.cell.sequence.load(Ordering::Acquire);
            let power = f64::from_bits(self.cell.power.load(Ordering::Relaxed));
            let samples = self.cell.samples.load(Ordering::Relaxed);
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && before == self.cell.sequence.load(Ordering::Relaxed) {
                return (power, samples);
            }
            std::hint::spin_loop();
        }
    }
}

/// Linear to dBFS, not below [`SILENCE_DB`].
pub fn decibels(linear: f32) -> f32 {
    if linear > 1e-6 { 20.0 * linear.log10() } else { SILENCE_DB }
}

/// Decibels to a linear gain; [`SILENCE_DB`] and less is 0.
pub fn linear(db: f32) -> f32 {
    if db > SILENCE_DB { 10f32.powf(db / 20.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meters_read_a_full_scale_square_as_zero_db_and_start_over() {
        let mut meter = Meter::default();
        let mut reader = meter.reader();
        assert_eq!(reader.read(), (SILENCE_DB, SILENCE_DB));
        meter.add(&[1.0, -1.0, 1.0, -1.0]);
        assert_eq!(reader.read(), (0.0, 0.0));
        meter.add(&[0.5; 8]);
        let (peak, rms) = reader.read();
        assert!((peak + 6.02).abs() < 0.01 && (rms + 6.02).abs() < 0.01, "{peak} {rms}");
        assert_eq!(reader.read(), (peak, rms), "nothing new: the last reading stays");
    }

    #[test]
    fn a_reader_never_sees_half_a_block() {
        let mut meter = Meter::default();
        let mut reader = meter.reader();
        let writer = std::thread::spawn(move || (0..200_000).for_each(|_| meter.add(&[0.5; 64])));
        let mut readings = 0;
        while !writer.is_finished() {
            let (_, rms) = reader.read();
            if rms > SILENCE_DB {
                assert!((rms + 6.02).abs() < 0.01, "{rms}");
                readings += 1;
            }
        }
        writer.join().expect("it ends");
        assert!(readings > 0);
    }

    #[test]
    fn decibels_and_gains_are_each_other_s_inverse() {
        for db in [-60.0, -6.0, 0.0, 12.0] {
            assert!((decibels(linear(db)) - db).abs() < 1e-3);
        }
        assert_eq!(linear(SILENCE_DB), 0.0);
    }
}

//! Sines as numbers: made, and measured. Plays nothing and opens nothing, so that every system's tests have it.

use std::time::Duration;

const RATE: u32 = 48_000;
/// Sound ends and begins over 5 ms: a click would be heard at every frequency.
const FADE_FRAMES: usize = 240;

/// Where in the stereo picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Side {
    /// On both.
    #[default]
    Both,
    /// Only left.
    Left,
    /// Only right.
    Right,
}

/// A sine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tone {
    /// Its frequency.
    pub hz: f64,
    /// How long it sounds.
    pub length: Duration,
    /// Its peak, linear; 0.25 is −12 dBFS.
    pub amplitude: f32,
    /// Which channels.
    pub side: Side,
}

impl Default for Tone {
    fn default() -> Self {
        Self { hz: 1000.0, length: Duration::from_secs(1), amplitude: 0.25, side: Side::Both }
    }
}

/// The tone as interleaved stereo at 48 kHz.
pub fn tone_samples(tone: &Tone) -> impl Iterator<Item = [f32; 2]> + Send + use<> {
    let frames = (tone.length.as_secs_f64() * f64::from(RATE)) as usize;
    let tone = *tone;
    (0..frames).map(move |frame| {
        let edge = frame.min(frames - frame).min(FADE_FRAMES) as f32 / FADE_FRAMES as f32;
        let phase = std::f64::consts::TAU * (tone.hz * frame as f64 / f64::from(RATE)).fract();
        let sample = tone.amplitude * edge * phase.sin() as f32;
        match tone.side {
            Side::Both => [sample, sample],
            Side::Left => [sample, 0.0],
            Side::Right => [0.0, sample],
        }
    })
}

/// The peak of a sine of that frequency in samples of one channel at 48 kHz (Goertzel, Hann window).
pub fn tone_amplitude(samples: &[f32], hz: f64) -> f64 {
    let length = samples.len() as f64;
    let step = std::f64::consts::TAU * hz / f64::from(RATE);
    let (mut real, mut imaginary, mut weight) = (0.0, 0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (std::f64::consts::TAU * index as f64 / length).cos();
        let (sin, cos) = (step * index as f64).sin_cos();
        real += f64::from(*sample) * window * cos;
        imaginary += f64::from(*sample) * window * sin;
        weight += window;
    }
    if weight > 0.0 { 2.0 * real.hypot(imaginary) / weight } else { 0.0 }
}

/// The levels of a sine in parts of 50 ms, dBFS, ascending. What a busy machine's sound server loses makes a part quieter
/// and never louder: the last is the level of the whole tone.
pub fn tone_levels_db(samples: &[f32], hz: f64) -> Vec<f64> {
    let level = |part| 20.0 * tone_amplitude(part, hz).max(1e-9).log10();
    let mut levels: Vec<f64> = samples.chunks_exact(RATE as usize / 20).map(level).collect();
    levels.sort_by(f64::total_cmp);
    levels
}

/// The last of [`tone_levels_db`]; -180 of no sound at all.
pub fn loudest_tone_db(samples: &[f32], hz: f64) -> f64 {
    tone_levels_db(samples, hz).last().copied().unwrap_or(-180.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_measured_as_loud_as_it_was_made_and_nothing_else_is() {
        let left: Vec<f32> = tone_samples(&Tone::default()).map(|[left, _]| left).skip(240).take(47_520).collect();
        assert!((tone_amplitude(&left, 1000.0) - 0.25).abs() < 0.001);
        assert!(tone_amplitude(&left, 1100.0) < 0.0001);
    }
}

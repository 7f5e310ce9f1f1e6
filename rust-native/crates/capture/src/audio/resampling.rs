//! One device's frames at its own rate in, 480 frames at 48 kHz out.
//!
//! A device that runs at 48 kHz by its own quartz only needs a frame slipped in or out now and then, which costs
//! nothing; any other rate goes through a windowed sinc. The choice of the ratio is [`super::timeline`]'s.

use media::{AUDIO_CHANNELS, AUDIO_SAMPLE_RATE, BLOCK_FRAMES};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Resampler, SincInterpolationParameters, SincInterpolationType, Slip, WindowFunction,
};

use super::AudioError;

/// The largest correction that is ever asked for: drift plus pull, with room.
const MAX_RELATIVE_RATIO: f64 = 1.005;
/// 128 taps keep 20 kHz at 44.1 kHz and cost a hundredth of a core.
const SINC_LENGTH: usize = 128;

/// See the module.
pub(super) struct Resampling {
    kind: Kind,
    rate: u32,
}

enum Kind {
    Slip(Slip<f32>),
    Sinc(Box<Async<f32>>),
}

impl Resampling {
    /// For a device of that rate in Hz.
    pub(super) fn new(rate: u32) -> Result<Self, AudioError> {
        let refused = |error: rubato::ResamplerConstructionError| AudioError::DeviceRefused {
            reason: format!("{rate} Hz can't be converted: {error}"),
        };
        let kind = if rate == AUDIO_SAMPLE_RATE {
            Kind::Slip(Slip::new(BLOCK_FRAMES, AUDIO_CHANNELS, FixedAsync::Output).map_err(refused)?)
        } else {
            let parameters = SincInterpolationParameters::new(SINC_LENGTH, WindowFunction::BlackmanHarris2)
                .interpolation(SincInterpolationType::Linear)
                .oversampling_factor(256);
            let ratio = f64::from(AUDIO_SAMPLE_RATE) / f64::from(rate);
            Kind::Sinc(Box::new(
                Async::new_sinc(
                    ratio,
                    MAX_RELATIVE_RATIO,
                    &parameters,
                    BLOCK_FRAMES,
                    AUDIO_CHANNELS,
                    FixedAsync::Output,
                )
                .map_err(refused)?,
            ))
        };
        Ok(Self { kind, rate })
    }

    /// Input frames that the next block takes.
    pub(super) fn input_frames(&self) -> usize {
        match &self.kind {
            Kind::Slip(slip) => slip.input_frames_next(),
            Kind::Sinc(sinc) => sinc.input_frames_next(),
        }
    }

    /// Input frames by which the output lags behind what was taken in.
    pub(super) fn delay_frames(&self) -> u64 {
        match &self.kind {
            Kind::Slip(_) => 0,
            Kind::Sinc(sinc) => sinc.output_delay() as u64 * u64::from(self.rate) / u64::from(AUDIO_SAMPLE_RATE),
        }
    }

    /// Output frames per input frame, relative to the nominal conversion.
    pub(super) fn set_ratio(&mut self, relative: f64) {
        let relative = relative.clamp(2.0 - MAX_RELATIVE_RATIO, MAX_RELATIVE_RATIO - 1e-4);
        // Within the range that both were built for, so neither can refuse.
        let _ = match &mut self.kind {
            Kind::Slip(slip) => slip.set_resample_ratio_relative(relative, false),
            Kind::Sinc(sinc) => sinc.set_resample_ratio_relative(relative, true),
        };
    }

    /// Takes exactly [`Self::input_frames`] interleaved frames.
    pub(super) fn process(
        &mut self,
        input: &[f32],
        output: &mut [f32; BLOCK_FRAMES * AUDIO_CHANNELS],
    ) -> Result<(), AudioError> {
        let frames = input.len() / AUDIO_CHANNELS;
        let sizes = |error: &dyn std::fmt::Display| AudioError::DeviceRefused { reason: error.to_string() };
        let from = InterleavedSlice::new(input, AUDIO_CHANNELS, frames).map_err(|e| sizes(&e))?;
        let mut to = InterleavedSlice::new_mut(&mut output[..], AUDIO_CHANNELS, BLOCK_FRAMES).map_err(|e| sizes(&e))?;
        match &mut self.kind {
            Kind::Slip(slip) => slip.process_into_buffer(&from, &mut to, None),
            Kind::Sinc(sinc) => sinc.process_into_buffer(&from, &mut to, None),
        }
        .map_err(|e| sizes(&e))?;
        Ok(())
    }

    /// Forgets what was taken in, after a gap.
    pub(super) fn reset(&mut self) {
        match &mut self.kind {
            Kind::Slip(slip) => slip.reset(),
            Kind::Sinc(sinc) => sinc.reset(),
        }
    }
}

impl std::fmt::Debug for Resampling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resampling").field("rate", &self.rate).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::sine::tone_amplitude;

    #[test]
    fn a_tone_keeps_its_pitch_and_level_from_any_rate() {
        for rate in [16_000u32, 44_100, 48_000, 96_000] {
            let mut resampling = Resampling::new(rate).expect("a usual rate");
            let (mut position, mut heard) = (0u64, Vec::new());
            for _ in 0..100 {
                let frames = resampling.input_frames();
                let input: Vec<f32> = (position..position + frames as u64)
                    .flat_map(|n| {
                        let phase = std::f64::consts::TAU * 1000.0 * n as f64 / f64::from(rate);
                        [(0.5 * phase.sin()) as f32, 0.0]
                    })
                    .collect();
                position += frames as u64;
                let mut output = [0.0; BLOCK_FRAMES * AUDIO_CHANNELS];
                resampling.process(&input, &mut output).expect("as many frames as asked for");
                heard.extend(output);
            }
            let left: Vec<f32> = heard.iter().step_by(2).skip(4800).take(38_400).copied().collect();
            let amplitude = tone_amplitude(&left, 1000.0);
            assert!((amplitude - 0.5).abs() < 0.01, "{rate} Hz: {amplitude}");
            assert!(heard.iter().skip(1).step_by(2).all(|right| right.abs() < 1e-6), "{rate} Hz: channels mixed");
        }
    }
}

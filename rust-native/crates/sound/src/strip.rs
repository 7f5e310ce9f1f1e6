//! One input's way into the mix: filters, delay, gain, mute.

use crate::{Chain, Delay, Gain, SILENCE, Samples, linear, smooth};

/// See the module. What it costs is memory for the longest delay; blocks cost none.
#[derive(Debug)]
pub struct Strip {
    chain: Box<Chain>,
    /// What `chain` replaced, for the one block in which they are cross-faded.
    fading: Option<Box<Chain>>,
    delay: Delay,
    delay_frames: usize,
    gain: Gain,
    audible: Gain,
}

impl Default for Strip {
    fn default() -> Self {
        Self::new()
    }
}

impl Strip {
    /// With nothing in the way.
    pub fn new() -> Self {
        Self {
            chain: Box::default(),
            fading: None,
            delay: Delay::new(),
            delay_frames: 0,
            gain: Gain::new(1.0),
            audible: Gain::new(1.0),
        }
    }

    /// Other filters from the next block on: the same ones are only tuned, others are cross-faded to.
    ///
    /// Returns what is no longer needed, to be dropped where time does not matter.
    pub fn set_chain(&mut self, chain: Box<Chain>) -> Option<Box<Chain>> {
        if self.chain.retune(&chain) {
            return Some(chain);
        }
        let unheard = self.fading.take();
        self.fading = Some(std::mem::replace(&mut self.chain, chain));
        self.place_delay();
        unheard
    }

    /// How much later than it was captured it is heard, beside its picture, in frames.
    pub fn set_delay(&mut self, frames: usize) {
        self.delay_frames = frames;
        self.place_delay();
    }

    /// By how many frames its sound must be taken in before its time, as its filters hold it up for longer than it
    /// is to be delayed.
    pub fn lead_frames(&self) -> usize {
        self.chain.delay_frames().saturating_sub(self.delay_frames)
    }

    fn place_delay(&mut self) {
        // The filters' own delay is a part of what was asked for.
        self.delay.set(self.delay_frames.saturating_sub(self.chain.delay_frames()));
    }

    /// In dB; not a number counts as silence.
    pub fn set_gain_db(&mut self, db: f32) {
        self.gain.set(linear(db));
    }

    /// Linear; not a number counts as silence.
    pub fn set_gain(&mut self, gain: f32) {
        self.gain.set(if gain > 0.0 { gain } else { 0.0 });
    }

    /// Whether it is heard in the mix: not muted, and soloed where others are.
    pub fn set_audible(&mut self, audible: bool) {
        self.audible.set(if audible { 1.0 } else { 0.0 });
    }

    /// Forgets what it holds of a device that is closed.
    pub fn clear(&mut self) {
        self.delay.clear();
    }

    /// From the device to its fader: what meters and headphones get.
    pub fn process(&mut self, samples: &mut Samples) {
        // A broken driver's sample that is no number would stay in a filter for ever.
        samples.iter_mut().filter(|sample| !sample.is_finite()).for_each(|sample| *sample = 0.0);
        if let Some(mut old) = self.fading.take() {
            let mut before = *samples;
            old.process(&mut before);
            self.chain.process(samples);
            for (index, (new, old)) in samples.iter_mut().zip(&before).enumerate() {
                *new = *old + (*new - *old) * smooth((index / 2 + 1) as f32 / (SILENCE.len() / 2) as f32);
            }
        } else {
            self.chain.process(samples);
        }
        self.delay.process(samples);
        self.gain.apply(samples);
    }

    /// From the fader into the mix.
    pub fn fade_for_mix(&mut self, samples: &mut Samples) {
        self.audible.apply(samples);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gain_at;
    use crate::{Effect, Filter};

    fn chain(effects: &[Effect]) -> Box<Chain> {
        let filters: Vec<Filter> = effects.iter().map(|effect| Filter { enabled: true, effect: *effect }).collect();
        Box::new(Chain::new(&filters).expect("valid"))
    }

    /// Frames from an impulse in to the impulse out, by way of a limiter (2 ms) and a delay.
    fn heard_after(delay_frames: usize) -> (usize, usize) {
        let mut strip = Strip::new();
        strip.set_chain(chain(&[Effect::Limiter { ceiling_db: 0.0, release_ms: 100.0 }]));
        strip.set_delay(delay_frames);
        let mut out = Vec::new();
        for block in 0..20 {
            let mut samples = SILENCE;
            // After the cross-fades have passed.
            if block == 3 {
                samples[0] = 0.5;
            }
            strip.process(&mut samples);
            out.extend(samples);
        }
        let peak = (0..out.len()).max_by(|a, b| out[*a].abs().total_cmp(&out[*b].abs())).expect("not empty");
        (peak / 2 - 3 * 480, strip.lead_frames())
    }

    #[test]
    fn the_filters_delay_is_part_of_the_delay_that_was_asked_for() {
        assert_eq!(heard_after(1000), (1000, 0));
        assert_eq!(heard_after(96), (96, 0));
        // Less than the filter needs: the rest is made up for by taking sound in earlier.
        assert_eq!(heard_after(0), (96, 96));
    }

    #[test]
    fn gain_is_in_decibels_and_silence_is_silent() {
        for (db, wanted) in [(-6.0, -6.0), (12.0, 12.0), (-120.0, -180.0)] {
            let mut strip = Strip::new();
            strip.set_gain_db(db);
            let heard = gain_at(1000.0, 0.1, |block| strip.process(block));
            assert!((heard - wanted).abs() < 0.01 || heard < -150.0 && wanted < -150.0, "{db}: {heard}");
        }
    }

    #[test]
    fn changing_filters_under_a_tone_has_no_step() {
        let mut strip = Strip::new();
        let mut number = 0;
        let heard = crate::testing::tone(200.0, 0.5, 1.0, |block| {
            number += 1;
            let equalizer = Effect::Equalizer { low_db: 0.0, mid_db: number as f32 / 10.0, high_db: 3.0 };
            match number % 20 {
                0 => drop(strip.set_chain(chain(&[equalizer]))),
                10 => drop(strip.set_chain(chain(&[]))),
                n if n < 5 => drop(strip.set_chain(chain(&[equalizer]))),
                _ => {}
            }
            strip.process(block);
        });
        let steepest = heard.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
        // The tone's own steepest step is 0.013.
        assert!(steepest < 0.03, "{steepest}");
    }
}

//! An input's filters, one after the other.

use crate::compressor::Compressor;
use crate::equalizer::Equalizer;
use crate::gate::Gate;
use crate::limiter::Limiter;
use crate::noise::{self, NoiseSuppression};
use crate::{Effect, Filter, MOST_FILTERS, Samples, SoundError};

/// Built where memory may be taken, run where it may not.
#[derive(Debug, Default)]
pub struct Chain {
    stages: Vec<Stage>,
    effects: Vec<Effect>,
}

#[derive(Debug)]
enum Stage {
    Noise(NoiseSuppression),
    Gate(Gate),
    Compressor(Compressor),
    Limiter(Box<Limiter>),
    Equalizer(Equalizer),
}

impl Chain {
    /// The enabled ones, in their order.
    ///
    /// # Errors
    /// A setting out of range, of a disabled one too; more than [`MOST_FILTERS`].
    pub fn new(filters: &[Filter]) -> Result<Self, SoundError> {
        if filters.len() > MOST_FILTERS {
            return Err(SoundError::TooManyFilters);
        }
        filters.iter().try_for_each(|filter| filter.effect.check())?;
        let effects: Vec<Effect> = filters.iter().filter(|filter| filter.enabled).map(|filter| filter.effect).collect();
        Ok(Self { stages: effects.iter().map(Stage::new).collect(), effects })
    }

    /// Takes another chain's settings over without a break, where it has the same filters in the same order.
    pub fn retune(&mut self, other: &Self) -> bool {
        let same = self.effects.len() == other.effects.len()
            && self
                .effects
                .iter()
                .zip(&other.effects)
                .all(|(a, b)| std::mem::discriminant(a) == std::mem::discriminant(b));
        if same {
            self.stages.iter_mut().zip(&other.effects).for_each(|(stage, effect)| stage.tune(effect));
            self.effects.copy_from_slice(&other.effects);
        }
        same
    }

    /// How much older a block comes out than it went in, in frames.
    pub fn delay_frames(&self) -> usize {
        self.stages.iter().map(Stage::delay_frames).sum()
    }

    /// Filters a block in place.
    pub fn process(&mut self, samples: &mut Samples) {
        self.stages.iter_mut().for_each(|stage| stage.process(samples));
    }
}

impl Stage {
    fn new(effect: &Effect) -> Self {
        match *effect {
            Effect::NoiseSuppression => Self::Noise(NoiseSuppression::new()),
            Effect::Gate { threshold_db, attack_ms, hold_ms, release_ms } => {
                Self::Gate(Gate::new(threshold_db, attack_ms, hold_ms, release_ms))
            }
            Effect::Compressor { threshold_db, ratio, attack_ms, release_ms, makeup_db } => {
                Self::Compressor(Compressor::new(threshold_db, ratio, attack_ms, release_ms, makeup_db))
            }
            Effect::Limiter { ceiling_db, release_ms } => Self::Limiter(Box::new(Limiter::new(ceiling_db, release_ms))),
            Effect::Equalizer { low_db, mid_db, high_db } => Self::Equalizer(Equalizer::new(low_db, mid_db, high_db)),
        }
    }

    fn tune(&mut self, effect: &Effect) {
        match (self, *effect) {
            (Self::Gate(gate), Effect::Gate { threshold_db, attack_ms, hold_ms, release_ms }) => {
                gate.tune(threshold_db, attack_ms, hold_ms, release_ms);
            }
            (
                Self::Compressor(compressor),
                Effect::Compressor { threshold_db, ratio, attack_ms, release_ms, makeup_db },
            ) => compressor.tune(threshold_db, ratio, attack_ms, release_ms, makeup_db),
            (Self::Limiter(limiter), Effect::Limiter { ceiling_db, release_ms }) => {
                limiter.tune(ceiling_db, release_ms);
            }
            (Self::Equalizer(equalizer), Effect::Equalizer { low_db, mid_db, high_db }) => {
                equalizer.tune(low_db, mid_db, high_db);
            }
            // Noise suppression has no settings, and `retune` only pairs what is of one kind.
            _ => {}
        }
    }

    fn delay_frames(&self) -> usize {
        match self {
            Self::Noise(_) => noise::DELAY_FRAMES,
            Self::Limiter(_) => Limiter::DELAY_FRAMES,
            Self::Gate(_) | Self::Compressor(_) | Self::Equalizer(_) => 0,
        }
    }

    fn process(&mut self, samples: &mut Samples) {
        match self {
            Self::Noise(noise) => noise.process(samples),
            Self::Gate(gate) => gate.process(samples),
            Self::Compressor(compressor) => compressor.process(samples),
            Self::Limiter(limiter) => limiter.process(samples),
            Self::Equalizer(equalizer) => equalizer.process(samples),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear;
    use crate::testing::gain_at;

    fn on(effect: Effect) -> Filter {
        Filter { enabled: true, effect }
    }

    const GATE: Effect = Effect::Gate { threshold_db: -30.0, attack_ms: 1.0, hold_ms: 10.0, release_ms: 10.0 };
    const LOUDER: Effect = Effect::Equalizer { low_db: 12.0, mid_db: 0.0, high_db: 0.0 };

    #[test]
    fn the_order_of_the_filters_is_the_order_in_which_they_work() {
        // −36 dB at 50 Hz: raised by 12 dB it opens the gate, otherwise it does not.
        let through = |filters: &[Filter]| {
            let mut chain = Chain::new(filters).expect("valid");
            gain_at(50.0, linear(-36.0), |block| chain.process(block))
        };
        assert!((through(&[on(LOUDER), on(GATE)]) - 12.0).abs() < 0.6);
        assert!(through(&[on(GATE), on(LOUDER)]) < -60.0);
        let off = Filter { enabled: false, effect: GATE };
        assert!((through(&[off, on(LOUDER)]) - 12.0).abs() < 0.6);
    }

    #[test]
    fn other_settings_are_taken_over_and_another_order_is_not() {
        let mut chain = Chain::new(&[on(LOUDER)]).expect("valid");
        let quieter = Effect::Equalizer { low_db: -6.0, mid_db: 0.0, high_db: 0.0 };
        assert!(chain.retune(&Chain::new(&[on(quieter)]).expect("valid")));
        assert!((gain_at(30.0, 0.1, |block| chain.process(block)) + 6.0).abs() < 0.3);
        assert!(!chain.retune(&Chain::new(&[on(GATE)]).expect("valid")));
        assert!(!chain.retune(&Chain::default()));
    }

    #[test]
    fn the_delay_of_a_chain_is_measured_as_it_is_told() {
        let limiter = Effect::Limiter { ceiling_db: 0.0, release_ms: 100.0 };
        let mut chain = Chain::new(&[on(limiter), on(limiter)]).expect("valid");
        let mut block = crate::SILENCE;
        block[0] = 0.5;
        chain.process(&mut block);
        assert_eq!(block.iter().position(|sample| *sample != 0.0), Some(2 * chain.delay_frames()));
    }

    #[test]
    fn too_many_are_refused() {
        assert_eq!(Chain::new(&[on(GATE); MOST_FILTERS + 1]).expect_err("too many"), SoundError::TooManyFilters);
    }
}

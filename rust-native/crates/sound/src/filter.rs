//! What a user puts into an input's way, as it is saved and sent.

use serde::{Deserialize, Serialize};

/// One place in an input's chain.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Whether it is in use; its settings stay while it is not.
    pub enabled: bool,
    /// What it does.
    pub effect: Effect,
}

/// What a filter does, with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// Takes steady noise out of speech; adds 10 ms, which the mix makes up for.
    NoiseSuppression,
    /// Silence while the sound is quieter than the threshold.
    Gate {
        /// dBFS, −90 to 0.
        threshold_db: f32,
        /// ms, 0.1 to 500.
        attack_ms: f32,
        /// ms, 0 to 2000.
        hold_ms: f32,
        /// ms, 1 to 2000.
        release_ms: f32,
    },
    /// Loud parts are made less loud.
    Compressor {
        /// dBFS, −60 to 0.
        threshold_db: f32,
        /// n to 1, 1 to 30.
        ratio: f32,
        /// ms, 0.1 to 500.
        attack_ms: f32,
        /// ms, 1 to 2000.
        release_ms: f32,
        /// dB, 0 to 30.
        makeup_db: f32,
    },
    /// Nothing is louder than the ceiling.
    Limiter {
        /// dBFS, −40 to 0.
        ceiling_db: f32,
        /// ms, 10 to 2000.
        release_ms: f32,
    },
    /// Low (below 250 Hz), middle (around 1.5 kHz), high (above 5 kHz), each −24 to 24 dB.
    Equalizer {
        /// dB.
        low_db: f32,
        /// dB.
        mid_db: f32,
        /// dB.
        high_db: f32,
    },
}

/// Why a chain can't be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SoundError {
    /// A setting is outside its range.
    #[error("{value} is not a {what} from {least} to {most}")]
    OutOfRange {
        /// The setting.
        what: &'static str,
        /// As given.
        value: f32,
        /// Smallest allowed.
        least: f32,
        /// Largest allowed.
        most: f32,
    },
    /// More filters than an input may have.
    #[error("an input has at most {MOST_FILTERS} filters")]
    TooManyFilters,
}

impl SoundError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OutOfRange { .. } => "bad_filter",
            Self::TooManyFilters => "too_many_filters",
        }
    }

    /// One sentence for people: what to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::OutOfRange { .. } => "Choose a value within the range.",
            Self::TooManyFilters => "Remove a filter of this input first.",
        }
    }
}

/// More than this is a mistake: each costs processor time for as long as the input is open.
pub const MOST_FILTERS: usize = 16;

impl Effect {
    /// Whether every setting is within its range.
    ///
    /// # Errors
    /// The first one that is not.
    pub fn check(&self) -> Result<(), SoundError> {
        match *self {
            Self::NoiseSuppression => Ok(()),
            Self::Gate { threshold_db, attack_ms, hold_ms, release_ms } => {
                within("gate threshold in dB", threshold_db, -90.0, 0.0)?;
                within("gate attack in ms", attack_ms, 0.1, 500.0)?;
                within("gate hold in ms", hold_ms, 0.0, 2000.0)?;
                within("gate release in ms", release_ms, 1.0, 2000.0)
            }
            Self::Compressor { threshold_db, ratio, attack_ms, release_ms, makeup_db } => {
                within("compressor threshold in dB", threshold_db, -60.0, 0.0)?;
                within("compressor ratio", ratio, 1.0, 30.0)?;
                within("compressor attack in ms", attack_ms, 0.1, 500.0)?;
                within("compressor release in ms", release_ms, 1.0, 2000.0)?;
                within("compressor make-up gain in dB", makeup_db, 0.0, 30.0)
            }
            Self::Limiter { ceiling_db, release_ms } => {
                within("limiter ceiling in dB", ceiling_db, -40.0, 0.0)?;
                within("limiter release in ms", release_ms, 10.0, 2000.0)
            }
            Self::Equalizer { low_db, mid_db, high_db } => {
                within("low gain in dB", low_db, -24.0, 24.0)?;
                within("middle gain in dB", mid_db, -24.0, 24.0)?;
                within("high gain in dB", high_db, -24.0, 24.0)
            }
        }
    }
}

fn within(what: &'static str, value: f32, least: f32, most: f32) -> Result<(), SoundError> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(SoundError::OutOfRange { what, value, least, most }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_or_out_of_range_is_refused() {
        let equalizer = |low_db| Effect::Equalizer { low_db, mid_db: 0.0, high_db: 0.0 };
        assert_eq!(equalizer(24.0).check(), Ok(()));
        assert_eq!(equalizer(24.1).check().expect_err("too much").code(), "bad_filter");
        assert!(equalizer(f32::NAN).check().is_err());
        assert!(Effect::Limiter { ceiling_db: 1.0, release_ms: 100.0 }.check().is_err());
    }
}

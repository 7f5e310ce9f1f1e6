//! Three bands: a low shelf, a bell and a high shelf, at the places where voices are changed by them.

use crate::Samples;
use crate::biquad::{Biquad, bell, high_shelf, low_shelf};

/// Rumble and boom below, the body of a voice above.
const LOW_HZ: f64 = 250.0;
/// What makes a voice nasal or near.
const MID_HZ: f64 = 1500.0;
/// Two octaves wide.
const MID_Q: f64 = 0.7;
/// Sibilants and air.
const HIGH_HZ: f64 = 5000.0;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Equalizer {
    bands: [Biquad; 3],
}

impl Equalizer {
    /// Gains in dB.
    pub(crate) fn new(low_db: f32, mid_db: f32, high_db: f32) -> Self {
        let [low, mid, high] = coefficients(low_db, mid_db, high_db);
        Self { bands: [Biquad::new(low), Biquad::new(mid), Biquad::new(high)] }
    }

    pub(crate) fn tune(&mut self, low_db: f32, mid_db: f32, high_db: f32) {
        let tuned = coefficients(low_db, mid_db, high_db);
        self.bands.iter_mut().zip(tuned).for_each(|(band, coefficients)| band.tune(coefficients));
    }

    pub(crate) fn process(&mut self, samples: &mut Samples) {
        self.bands.iter_mut().for_each(|band| band.process(samples));
    }
}

fn coefficients(low_db: f32, mid_db: f32, high_db: f32) -> [[f64; 5]; 3] {
    [
        low_shelf(LOW_HZ, f64::from(low_db)),
        bell(MID_HZ, MID_Q, f64::from(mid_db)),
        high_shelf(HIGH_HZ, f64::from(high_db)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gain_at;

    #[test]
    fn each_band_moves_its_own_part_of_the_sound() {
        let through = |low, mid, high, hz| {
            let mut equalizer = Equalizer::new(low, mid, high);
            gain_at(hz, 0.1, |block| equalizer.process(block))
        };
        let near = |value: f64, wanted: f64| assert!((value - wanted).abs() < 0.5, "{value} dB instead of {wanted}");
        near(through(12.0, 0.0, 0.0, 40.0), 12.0);
        near(through(12.0, 0.0, 0.0, 8000.0), 0.0);
        near(through(0.0, -9.0, 0.0, 1500.0), -9.0);
        near(through(0.0, 0.0, 6.0, 16_000.0), 6.0);
        near(through(0.0, 0.0, 6.0, 100.0), 0.0);
        near(through(0.0, 0.0, 0.0, 1000.0), 0.0);
    }
}

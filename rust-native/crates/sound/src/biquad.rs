//! Second-order sections, by the formulas of R. Bristow-Johnson's "Cookbook formulae for audio EQ biquad filters".

use std::f64::consts::PI;

use media::{AUDIO_CHANNELS, AUDIO_SAMPLE_RATE};

use crate::Samples;

/// b0, b1, b2, a1, a2 with a0 = 1.
pub(crate) type Coefficients = [f64; 5];

/// One section over both channels, transposed direct form II.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Biquad {
    coefficients: Coefficients,
    state: [[f64; 2]; AUDIO_CHANNELS],
}

impl Biquad {
    pub(crate) fn new(coefficients: Coefficients) -> Self {
        Self { coefficients, state: [[0.0; 2]; AUDIO_CHANNELS] }
    }

    /// Other coefficients, while the sound goes on.
    pub(crate) fn tune(&mut self, coefficients: Coefficients) {
        self.coefficients = coefficients;
    }

    pub(crate) fn run(&mut self, channel: usize, x: f64) -> f64 {
        let [b0, b1, b2, a1, a2] = self.coefficients;
        let [s1, s2] = &mut self.state[channel];
        let y = b0 * x + *s1;
        *s1 = b1 * x - a1 * y + *s2;
        *s2 = b2 * x - a2 * y;
        y
    }

    pub(crate) fn process(&mut self, samples: &mut Samples) {
        for frame in samples.chunks_exact_mut(AUDIO_CHANNELS) {
            for (channel, sample) in frame.iter_mut().enumerate() {
                *sample = self.run(channel, f64::from(*sample)) as f32;
            }
        }
        // Denormal numbers cost a hundred times the time of others.
        self.state.iter_mut().flatten().filter(|state| state.abs() < 1e-30).for_each(|state| *state = 0.0);
    }
}

fn angle(hz: f64) -> f64 {
    2.0 * PI * hz / f64::from(AUDIO_SAMPLE_RATE)
}

fn normal(b: [f64; 3], a: [f64; 3]) -> Coefficients {
    [b[0] / a[0], b[1] / a[0], b[2] / a[0], a[1] / a[0], a[2] / a[0]]
}

/// Everything below `hz` is raised by `db`; half of it at `hz`.
pub(crate) fn low_shelf(hz: f64, db: f64) -> Coefficients {
    shelf(hz, db, 1.0)
}

/// Everything above `hz` is raised by `db`; half of it at `hz`.
pub(crate) fn high_shelf(hz: f64, db: f64) -> Coefficients {
    shelf(hz, db, -1.0)
}

/// Both shelves at slope 1; the high one is the low one with the cosine's sign turned.
fn shelf(hz: f64, db: f64, sign: f64) -> Coefficients {
    let a = 10f64.powf(db / 40.0);
    let w = angle(hz);
    let cos = sign * w.cos();
    let root = 2.0 * a.sqrt() * (w.sin() / 2.0 * 2f64.sqrt());
    let b = [
        a * ((a + 1.0) - (a - 1.0) * cos + root),
        sign * 2.0 * a * ((a - 1.0) - (a + 1.0) * cos),
        a * ((a + 1.0) - (a - 1.0) * cos - root),
    ];
    let den = [
        (a + 1.0) + (a - 1.0) * cos + root,
        sign * -2.0 * ((a - 1.0) + (a + 1.0) * cos),
        (a + 1.0) + (a - 1.0) * cos - root,
    ];
    normal(b, den)
}

/// `db` at `hz`, fading to nothing beside it; `q` is how narrow.
pub(crate) fn bell(hz: f64, q: f64, db: f64) -> Coefficients {
    let a = 10f64.powf(db / 40.0);
    let w = angle(hz);
    let alpha = w.sin() / (2.0 * q);
    let cos = -2.0 * w.cos();
    normal([1.0 + alpha * a, cos, 1.0 - alpha * a], [1.0 + alpha / a, cos, 1.0 - alpha / a])
}

/// Butterworth of second order.
#[cfg(test)]
pub(crate) fn high_pass(hz: f64) -> Coefficients {
    let w = angle(hz);
    let alpha = w.sin() / 2f64.sqrt();
    let c = 1.0 + w.cos();
    normal([c / 2.0, -c, c / 2.0], [1.0 + alpha, -2.0 * w.cos(), 1.0 - alpha])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// |H| at a frequency, from the coefficients, in dB.
    fn response(c: Coefficients, hz: f64) -> f64 {
        let w = angle(hz);
        let magnitude = |k: [f64; 3]| {
            let re = k[0] + k[1] * w.cos() + k[2] * (2.0 * w).cos();
            let im = -k[1] * w.sin() - k[2] * (2.0 * w).sin();
            (re * re + im * im).sqrt()
        };
        20.0 * (magnitude([c[0], c[1], c[2]]) / magnitude([1.0, c[3], c[4]])).log10()
    }

    #[test]
    fn sections_have_the_gains_they_are_named_for() {
        let near = |value: f64, wanted: f64| assert!((value - wanted).abs() < 0.05, "{value} instead of {wanted}");
        for db in [-12.0, 6.0] {
            near(response(low_shelf(200.0, db), 1.0), db);
            near(response(low_shelf(200.0, db), 200.0), db / 2.0);
            near(response(low_shelf(200.0, db), 20_000.0), 0.0);
            near(response(high_shelf(5000.0, db), 23_999.0), db);
            near(response(high_shelf(5000.0, db), 5000.0), db / 2.0);
            near(response(high_shelf(5000.0, db), 20.0), 0.0);
            near(response(bell(1000.0, 1.0, db), 1000.0), db);
            near(response(bell(1000.0, 1.0, db), 10.0), 0.0);
        }
        near(response(high_pass(1000.0), 1000.0), -3.01);
    }
}

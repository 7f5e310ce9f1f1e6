//! When a scene of several moving sources is composed: at most at the canvas's rate, whatever the sources' are. Pure.

use media::{FrameRate, MediaTime};

/// How far a composition may run ahead of the average rate, in intervals: a source at the canvas's rate is then
/// shown as its frames come, in spite of their jitter, while a second one in between waits for the next.
const LEAD: f64 = 0.3;

/// A virtual schedule (a leaky bucket, ITU-T I.371 GCRA).
#[derive(Debug, Default)]
pub(crate) struct CanvasClock {
    schedule: MediaTime,
}

impl CanvasClock {
    /// The earliest time of the next composition; in the past after a quiet time.
    pub(crate) fn ready_at(&self, rate: FrameRate) -> MediaTime {
        self.schedule - rate.interval().mul_f64(LEAD)
    }

    /// Notes a composition.
    pub(crate) fn composed(&mut self, at: MediaTime, rate: FrameRate) {
        self.schedule = self.schedule.max(at) + rate.interval();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Composes for frames at those times (ms); gives back the compositions' times.
    fn run(mut frames: Vec<f64>, fps: u32) -> Vec<f64> {
        let rate = FrameRate::new(fps).expect("rate");
        frames.sort_by(f64::total_cmp);
        let mut clock = CanvasClock::default();
        let mut times: Vec<f64> = Vec::new();
        for frame in frames {
            if times.last().is_some_and(|last| *last >= frame) {
                // It lay there when that one was composed.
                continue;
            }
            let at = MediaTime::from_nanos((frame * 1e6) as u64).max(clock.ready_at(rate));
            clock.composed(at, rate);
            times.push(at.as_nanos() as f64 / 1e6);
        }
        times
    }

    fn source(hertz: f64, phase: f64) -> Vec<f64> {
        (0..(hertz * 10.0) as u32).map(|index| 1000.0 + phase + f64::from(index) * 1000.0 / hertz).collect()
    }

    #[test]
    fn several_rates_give_the_canvas_rate_and_no_more() {
        for (first, second, fps) in [(60.0, 30.0, 60), (60.0, 60.0, 60), (30.0, 25.0, 30), (60.0, 144.0, 30)] {
            for phase in [0.0, 3.0, 8.0, 12.0] {
                let times = run([source(first, 0.0), source(second, phase)].concat(), fps);
                let rate = times.len() as f64 / 10.0 / f64::from(fps);
                assert!((0.95..1.01).contains(&rate), "{first} and {second} Hz, {phase} ms apart: {rate}");
            }
        }
    }

    #[test]
    fn slow_sources_are_shown_as_they_come() {
        let times = run([source(15.0, 0.0), source(10.0, 31.0)].concat(), 60);
        assert!(times.len() >= 240, "{}", times.len());
    }

    #[test]
    fn nothing_waits_longer_than_a_picture() {
        let frames = [source(60.0, 0.0), source(30.0, 8.0)].concat();
        let times = run(frames.clone(), 60);
        for frame in frames {
            let shown = times.iter().find(|time| **time >= frame).copied().unwrap_or(frame);
            assert!(shown - frame <= 1000.0 / 60.0 + 0.1, "{frame} waits until {shown}");
        }
    }
}

//! When the next frame may be grabbed: policy only, time comes from outside.
//!
//! A source that paints at about the wanted rate must give each of its pictures, at once, however its clock drifts
//! against ours; a faster one must give the wanted rate and no more. So there are two limits. The *spacing* between
//! two grabs may fall to 0.7 of the interval, which lets a late picture be followed by one that is in time. The
//! *average* is kept by a virtual schedule (a leaky bucket, ITU-T I.371 GCRA) that grabs may run ahead of by
//! [`LEAD`] intervals.

use std::time::Duration;

use media::{FrameRate, MediaTime};

/// The least time between two grabs, in intervals.
const SPACING: f64 = 0.7;
/// How far grabs may run ahead of the average rate, in intervals. Not a multiple of ½, ⅓, ¼ less one: sources that
/// paint at two, three or four times the rate are then grabbed between two of their pictures, not beside one.
const LEAD: f64 = 1.2;
/// What a grab made as soon as its picture came costs, in intervals: sources up to 1 % faster than the rate (a
/// 60.3 Hz monitor) are not held back, else their wait would grow until a picture falls out.
const COST_AT_ONCE: f64 = 0.99;
/// What a grab costs whose picture had to wait: a wait that a hiccup left behind shrinks away within seconds.
const COST_AFTER_WAIT: f64 = 0.998;
/// From this wait on, in intervals, the source is faster than the rate or out of step with it.
const LONG_WAIT: f64 = 0.25;

/// Decides when a grab is due. Asked with [`Pacer::ready_at`], told with [`Pacer::grabbed`].
#[derive(Debug)]
pub(super) struct Pacer {
    interval: Duration,
    last: MediaTime,
    /// Where the virtual schedule has its next grab.
    schedule: MediaTime,
}

impl Pacer {
    pub(super) fn new(rate: FrameRate) -> Self {
        Self { interval: rate.interval(), last: MediaTime::ZERO, schedule: MediaTime::ZERO }
    }

    /// Takes another rate, from the last grab on.
    pub(super) fn set_rate(&mut self, rate: FrameRate) {
        self.interval = rate.interval();
        self.schedule = self.schedule.min(self.last + self.interval);
    }

    /// The earliest time of the next grab; in the past after a quiet time.
    pub(super) fn ready_at(&self) -> MediaTime {
        let spaced = if self.last == MediaTime::ZERO { self.last } else { self.last + self.interval.mul_f64(SPACING) };
        spaced.max(self.schedule - self.interval.mul_f64(LEAD))
    }

    /// Notes a grab at `at` of something that was first seen to change at `wanted`.
    pub(super) fn grabbed(&mut self, at: MediaTime, wanted: MediaTime) {
        let waited_long = at.since(wanted) >= self.interval.mul_f64(LONG_WAIT);
        let cost = if waited_long { COST_AFTER_WAIT } else { COST_AT_ONCE };
        self.schedule = self.schedule.max(at) + self.interval.mul_f64(cost);
        self.last = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: f64 = 1e6;

    /// Runs a source that paints at those times (ms); gives back for each grab its time and the picture it got.
    fn run(fps: u32, paints: &[f64]) -> Vec<(f64, usize)> {
        let mut pacer = Pacer::new(FrameRate::new(fps).expect("rate"));
        let mut grabs = Vec::new();
        let mut index = 0;
        while index < paints.len() {
            let wanted = MediaTime::from_nanos((paints[index] * MS) as u64);
            let at = wanted.max(pacer.ready_at());
            let time = at.as_nanos() as f64 / MS;
            // Everything painted until then is in the picture.
            while index + 1 < paints.len() && paints[index + 1] <= time {
                index += 1;
            }
            pacer.grabbed(at, wanted);
            grabs.push((time, index));
            index += 1;
        }
        grabs
    }

    fn paints(hertz: f64, seconds: f64) -> Vec<f64> {
        (0..(hertz * seconds) as u32).map(|index| 1000.0 + f64::from(index) * 1000.0 / hertz).collect()
    }

    fn worst_wait(grabs: &[(f64, usize)], paints: &[f64]) -> f64 {
        grabs.iter().map(|&(at, picture)| at - paints[picture]).fold(0.0, f64::max)
    }

    #[test]
    fn the_first_change_after_a_quiet_time_is_grabbed_at_once() {
        let paints = [1000.0, 2000.0, 2500.0, 9000.0];
        let grabs = run(30, &paints);
        assert_eq!(grabs.iter().map(|grab| grab.0).collect::<Vec<_>>(), paints);
    }

    #[test]
    fn a_source_at_the_rate_gives_each_picture_at_once() {
        for hertz in [59.94, 60.0, 60.3] {
            let paints = paints(hertz, 60.0);
            let grabs = run(60, &paints);
            assert_eq!(grabs.len(), paints.len(), "{hertz} Hz");
            assert!(worst_wait(&grabs, &paints) < 1.0, "{hertz} Hz: {}", worst_wait(&grabs, &paints));
        }
    }

    #[test]
    fn jitter_costs_no_picture() {
        let mut random = 7_u32;
        let jittered: Vec<f64> = paints(60.0, 60.0)
            .into_iter()
            .map(|at| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                at + f64::from(random >> 16) / 65_536.0 * 10.0
            })
            .collect();
        assert_eq!(run(60, &jittered).len(), jittered.len());
    }

    #[test]
    fn a_faster_source_gives_the_rate_and_no_more() {
        for (hertz, fps) in [(144.0, 60), (75.0, 60), (1000.0, 60), (60.0, 25), (60.0, 24)] {
            let grabs = run(fps, &paints(hertz, 20.0));
            let rate = grabs.len() as f64 / 20.0 / f64::from(fps);
            assert!((0.97..1.012).contains(&rate), "{hertz} Hz at {fps}: {rate}");
        }
    }

    #[test]
    fn a_source_at_a_multiple_of_the_rate_moves_in_even_steps() {
        for (hertz, fps, step) in [(60.0, 30, 2), (120.0, 60, 2), (60.0, 20, 3), (60.0, 15, 4)] {
            let grabs = run(fps, &paints(hertz, 20.0));
            let uneven = grabs.windows(2).skip(8).filter(|pair| pair[1].1 - pair[0].1 != step).count();
            // The schedule runs 0.2 % fast: about one step in 500 / step is short.
            assert!(uneven <= grabs.len() * step / 250, "{hertz} Hz at {fps}: {uneven} of {}", grabs.len());
        }
    }

    #[test]
    fn a_wait_that_a_hiccup_left_shrinks_away() {
        let mut paints = paints(60.0, 20.0);
        // Bursts within the first second use the lead up.
        let extra: Vec<f64> = (0..10).map(|index| 1005.0 + f64::from(index) * 66.667).collect();
        paints.extend(extra);
        paints.sort_by(f64::total_cmp);
        let grabs = run(60, &paints);
        let late: Vec<_> = grabs.iter().copied().filter(|grab| grab.0 > 12_000.0).collect();
        assert!(worst_wait(&late, &paints) < 1.0, "{}", worst_wait(&late, &paints));
    }

    #[test]
    fn another_rate_acts_at_once() {
        let mut pacer = Pacer::new(FrameRate::new(1).expect("rate"));
        let at = MediaTime::from_nanos(5_000_000_000);
        pacer.grabbed(at, at);
        pacer.set_rate(FrameRate::new(100).expect("rate"));
        assert_eq!(pacer.ready_at(), at + Duration::from_millis(7));
    }
}

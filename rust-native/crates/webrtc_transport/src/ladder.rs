//! Which of several encodings go over a path that carries less than all of them: the highest is left out first, and comes
//! back when there is room. Pure: the time is passed in.

use std::time::{Duration, Instant};

use crate::layers::MOST_LAYERS;

/// Over so long a rate is measured: a keyframe is no rate.
const WINDOW: Duration = Duration::from_secs(1);
/// So long a shortage may last: the encode that follows this path becomes smaller sooner than that.
const PATIENCE: Duration = Duration::from_secs(1);
/// What waits for longer than this is a shortage whatever the estimate says.
const LONG_QUEUE: Duration = Duration::from_millis(250);
/// An estimate swings by so much about what a path carries.
const TOLERANCE: f64 = 1.05;
/// What was left out is tried again after this, and after twice as long each time that it was in vain.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// An estimate does not grow above two and a half times of what is sent (`path.rs`): more can't be waited for.
const UNTRIED: f64 = 2.5;

/// The encodings of one peer.
#[derive(Debug)]
pub(crate) struct Ladder {
    /// Taken by the other side.
    accepted: [bool; MOST_LAYERS],
    /// Bits per second, sent or not.
    rates: [f64; MOST_LAYERS],
    noted: Option<Instant>,
    /// The highest that is sent.
    highest: usize,
    short_since: Option<Instant>,
    dropped: Option<Instant>,
    raised: Option<Instant>,
    wait: Duration,
}

impl Ladder {
    pub(crate) fn new(accepted: [bool; MOST_LAYERS]) -> Self {
        let highest = accepted.iter().position(|taken| *taken).unwrap_or_default();
        Self {
            accepted,
            rates: [0.0; MOST_LAYERS],
            noted: None,
            highest,
            short_since: None,
            dropped: None,
            raised: None,
            wait: FIRST_WAIT,
        }
    }

    /// A picture of that encoding came, sent or not.
    pub(crate) fn note(&mut self, now: Instant, layer: usize, bytes: usize) {
        let since = now.saturating_duration_since(*self.noted.get_or_insert(now));
        let fade = (-since.as_secs_f64() / WINDOW.as_secs_f64()).exp();
        self.rates.iter_mut().for_each(|rate| *rate *= fade);
        self.rates[layer] += bytes as f64 * 8.0 / WINDOW.as_secs_f64();
        self.noted = Some(now);
    }

    /// Whether that encoding is sent now.
    pub(crate) fn sends(&self, layer: usize) -> bool {
        self.accepted[layer] && layer >= self.highest
    }

    /// How many are sent now.
    pub(crate) fn count(&self) -> usize {
        (0..MOST_LAYERS).filter(|layer| self.sends(*layer)).count()
    }

    /// Looks at the path: what it carries (bits per second; `None` where nobody knows), and how long packets wait.
    /// `true` when something changed.
    pub(crate) fn look(&mut self, now: Instant, estimate: Option<f64>, queue: Duration) -> bool {
        let Some(estimate) = estimate else { return false };
        let need: f64 = (self.highest..MOST_LAYERS).filter(|layer| self.accepted[*layer]).map(|n| self.rates[n]).sum();
        if need > estimate * TOLERANCE || queue > LONG_QUEUE {
            let since = *self.short_since.get_or_insert(now);
            let lower = (self.highest + 1..MOST_LAYERS).find(|layer| self.accepted[*layer]);
            match lower {
                Some(lower) if now.saturating_duration_since(since) >= PATIENCE => self.drop_to(lower, now),
                _ => return false,
            }
            return true;
        }
        self.short_since = None;
        let higher = (0..self.highest).rev().find(|layer| self.accepted[*layer]);
        let rested = self.dropped.is_some_and(|at| now.saturating_duration_since(at) >= self.wait);
        match higher {
            Some(higher) if rested && need + self.rates[higher] <= estimate * UNTRIED => {
                (self.highest, self.raised) = (higher, Some(now));
                true
            }
            _ => false,
        }
    }

    fn drop_to(&mut self, lower: usize, now: Instant) {
        let in_vain = self.raised.is_some_and(|at| now.saturating_duration_since(at) < 2 * self.wait);
        self.wait = if in_vain { (2 * self.wait).min(LONGEST_WAIT) } else { FIRST_WAIT };
        (self.highest, self.dropped, self.short_since) = (lower, Some(now), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(100);
    const EMPTY: Duration = Duration::ZERO;

    /// Full, half and quarter of 4, 1.2 and 0.4 Mbit/s for so long over a path of that many; what is sent at the end,
    /// and how often it changed.
    fn run(ladder: &mut Ladder, now: &mut Instant, time: Duration, path: f64) -> (usize, u32) {
        let (end, mut changes) = (*now + time, 0);
        while *now < end {
            *now += STEP;
            for (layer, bits) in [4e6, 1.2e6, 0.4e6].into_iter().enumerate() {
                ladder.note(*now, layer, (bits * STEP.as_secs_f64() / 8.0) as usize);
            }
            changes += u32::from(ladder.look(*now, Some(path), EMPTY));
        }
        (ladder.count(), changes)
    }

    #[test]
    fn the_highest_is_left_out_first_and_the_others_flow() {
        let (mut ladder, mut now) = (Ladder::new([true; 3]), Instant::now());
        assert_eq!(run(&mut ladder, &mut now, Duration::from_secs(10), 8e6), (3, 0));
        assert_eq!(run(&mut ladder, &mut now, Duration::from_secs(3), 2e6), (2, 1));
        assert!(!ladder.sends(0) && ladder.sends(1) && ladder.sends(2));
        assert_eq!(run(&mut ladder, &mut now, Duration::from_secs(3), 0.5e6), (1, 1));
        assert_eq!(run(&mut ladder, &mut now, Duration::from_secs(30), 0.1e6).0, 1, "the last one stays");
        assert_eq!(run(&mut ladder, &mut now, Duration::from_secs(30), 8e6), (3, 2), "one after the other");
    }

    #[test]
    fn a_short_shortage_is_left_to_the_encode_that_follows() {
        let (mut ladder, mut now) = (Ladder::new([true; 3]), Instant::now());
        run(&mut ladder, &mut now, Duration::from_secs(5), 8e6);
        assert_eq!(run(&mut ladder, &mut now, Duration::from_millis(800), 2e6), (3, 0));
        assert_eq!(run(&mut ladder, &mut now, Duration::from_secs(5), 8e6), (3, 0));
    }

    #[test]
    fn what_is_tried_in_vain_is_tried_more_and_more_rarely() {
        let (mut ladder, mut now) = (Ladder::new([true, true, false]), Instant::now());
        let (_, changes) = run(&mut ladder, &mut now, Duration::from_secs(120), 3e6);
        assert!((5..=11).contains(&changes), "{changes}");
    }

    #[test]
    fn a_queue_counts_whatever_the_estimate_says_and_without_one_nothing_is_done() {
        let (mut ladder, start) = (Ladder::new([true, true, false]), Instant::now());
        assert!(!ladder.look(start, None, Duration::from_secs(9)));
        assert!(!ladder.look(start, Some(9e9), Duration::from_millis(300)));
        assert!(ladder.look(start + PATIENCE, Some(9e9), Duration::from_millis(300)));
        assert_eq!(ladder.count(), 1);
    }
}

//! When to try again: the one policy, a pure function.

use std::time::Duration;

/// The pause after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// On this machine a server that restarts is back at once, and asking costs nothing.
const FIRST_LOOPBACK: Duration = Duration::from_millis(250);
/// While viewers still wait, a server that comes back is found within five seconds: this, its jitter, and the time
/// that a connection takes.
const LONGEST_SOON: Duration = Duration::from_millis(3500);
/// How long they wait.
const SOON: Duration = Duration::from_secs(120);
/// Later on a server that comes back is found within this.
const LONGEST: Duration = Duration::from_secs(30);
/// For so long without a connection a destination keeps trying: a router's restart and a change of network end
/// sooner, and whoever watches a stream gives up later.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// Each pause varies by this share either way, so that a restarted server is not asked by everyone at once.
const JITTER: f64 = 0.2;

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Try again after this pause.
    Retry(Duration),
    /// It is over.
    GiveUp,
}

/// One failed attempt, as the policy needs to know it.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Failures in a row, this one included: at least one.
    pub attempt: u32,
    /// Since the connection was last good, or since the start.
    pub down_for: Duration,
    /// Nothing will change without the user.
    pub is_final: bool,
    /// What the server asked for.
    pub retry_after: Option<Duration>,
    /// The target is on this machine.
    pub loopback: bool,
    /// How long the failed attempt took: pauses count from its beginning, so that one that waited in vain for an
    /// answer is followed by the next at once.
    pub took: Duration,
}

impl RetryPolicy {
    /// Decides; `dice` is uniform in 0 to 1.
    pub fn verdict(&self, dice: f64) -> Verdict {
        if self.is_final || self.down_for >= PATIENCE {
            return Verdict::GiveUp;
        }
        let first = if self.loopback { FIRST_LOOPBACK } else { FIRST };
        let doublings = self.attempt.saturating_sub(1).min(16);
        let longest = if self.down_for < SOON { LONGEST_SOON } else { LONGEST };
        let pause = first.saturating_mul(1 << doublings).min(longest);
        let pause = pause.mul_f64(1.0 + JITTER * (2.0 * dice.clamp(0.0, 1.0) - 1.0));
        let pause = pause.saturating_sub(self.took).max(FIRST_LOOPBACK.min(pause));
        // A server that asks for more time gets it; jitter only ever adds to that.
        Verdict::Retry(match self.retry_after {
            Some(asked) => asked.max(pause),
            None => pause,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: f64 = 0.5;

    fn failure(attempt: u32) -> RetryPolicy {
        RetryPolicy {
            attempt,
            down_for: Duration::ZERO,
            is_final: false,
            retry_after: None,
            loopback: false,
            took: Duration::ZERO,
        }
    }

    fn pause(policy: RetryPolicy, dice: f64) -> f64 {
        match policy.verdict(dice) {
            Verdict::Retry(pause) => pause.as_secs_f64(),
            Verdict::GiveUp => panic!("gave up: {policy:?}"),
        }
    }

    #[test]
    fn pauses_double_up_to_what_viewers_wait_for_and_after_two_minutes_up_to_half_a_minute() {
        for (attempt, soon, later) in [(1, 1.0, 1.0), (2, 2.0, 2.0), (3, 3.5, 4.0), (5, 3.5, 16.0), (9999, 3.5, 30.0)] {
            assert_eq!(pause(failure(attempt), MIDDLE), soon, "attempt {attempt}");
            let long_gone = RetryPolicy { down_for: SOON, ..failure(attempt) };
            assert_eq!(pause(long_gone, MIDDLE), later, "attempt {attempt}");
        }
        assert!(pause(failure(99), 1.0) < 4.5, "five seconds, less what connecting takes");
    }

    #[test]
    fn a_server_on_this_machine_is_asked_again_at_once() {
        let here = |attempt| RetryPolicy { loopback: true, ..failure(attempt) };
        assert_eq!([1, 2, 3, 4].map(|attempt| pause(here(attempt), MIDDLE)), [0.25, 0.5, 1.0, 2.0]);
    }

    #[test]
    fn pauses_vary_by_a_fifth_either_way() {
        assert_eq!(pause(failure(2), 0.0), 1.6);
        assert_eq!(pause(failure(2), 1.0), 2.4);
        assert_eq!(pause(failure(2), f64::INFINITY), 2.4);
    }

    #[test]
    fn the_server_gets_the_time_it_asks_for() {
        let asked = |seconds| RetryPolicy { retry_after: Some(Duration::from_secs(seconds)), ..failure(3) };
        assert_eq!(pause(asked(60), MIDDLE), 60.0);
        assert_eq!(pause(asked(0), MIDDLE), 3.5, "but never less than the policy's own pause");
    }

    #[test]
    fn an_attempt_that_waited_in_vain_is_followed_by_the_next_at_once() {
        let took = |seconds| RetryPolicy { took: Duration::from_secs(seconds), ..failure(9) };
        assert_eq!((pause(took(2), MIDDLE), pause(took(6), MIDDLE)), (1.5, 0.25));
    }

    #[test]
    fn what_the_user_must_change_is_not_tried_again() {
        assert_eq!(RetryPolicy { is_final: true, ..failure(1) }.verdict(MIDDLE), Verdict::GiveUp);
    }

    #[test]
    fn patience_lasts_longer_than_ten_minutes_but_not_for_ever() {
        let down = |minutes: u64| RetryPolicy { down_for: Duration::from_secs(60 * minutes), ..failure(40) };
        assert_eq!(down(10).verdict(MIDDLE), Verdict::Retry(LONGEST));
        assert_eq!(down(15).verdict(MIDDLE), Verdict::GiveUp);
    }
}

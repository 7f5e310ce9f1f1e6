//! When a publisher is asked for a keyframe, and how a viewer who joins gets its first picture. Pure policy.
//!
//! A keyframe costs every viewer a burst or a blur, so at most one is *asked for* in [`SPACING`], however many want one;
//! wishes in between wait for the next slot and vanish when a keyframe comes by itself.
//!
//! A join has two ways to a picture. *Replay*: send what came since the last keyframe at once, its timestamps pushed
//! together so that the player hurries through it instead of starting that much behind. It costs nobody else anything,
//! but a long replay fills the viewer's socket and decoder. *Ask*: one keyframe, for all. So a short group is replayed
//! (a resting desktop, a keyframe that just came), and a long one is left for a fresh keyframe. While the slot is
//! taken, a keyframe was asked for less than [`SPACING`] ago: if it has come, the group is short enough to replay
//! whatever its size, else it is on its way.

use std::time::{Duration, Instant};

/// At most one requested keyframe in this time (DESIGN.md, rule 2).
pub(super) const SPACING: Duration = Duration::from_millis(500);

/// A software decoder needs 3 ms for a 1080p picture: 30 are a tenth of a second.
const MOST_FRAMES: usize = 30;
/// At the pace of a replay (see `viewer`) 384 KiB take 40 ms.
const MOST_BYTES: usize = 384 << 10;

/// The one place that asks a publisher.
#[derive(Debug, Default)]
pub(super) struct KeyframeGate {
    asked: Option<Instant>,
    wanted: bool,
}

impl KeyframeGate {
    /// Somebody wants a keyframe.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// One came.
    pub(super) fn arrived(&mut self) {
        self.wanted = false;
    }

    /// A new publisher: what was asked of the old one doesn't count.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Whether to ask now. If so, it counts as asked.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let due = self.wanted && self.is_open(now);
        if due {
            self.asked = Some(now);
            self.wanted = false;
        }
        due
    }

    /// When `take` may say yes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.wanted.then(|| self.asked.map(|asked| asked + SPACING))?
    }

    /// Whether the slot is free.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= SPACING)
    }
}

/// How a viewer who joins is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    /// From the cache, at once.
    Replay,
    /// From the next keyframe, which is asked for (as soon as the gate lets through).
    Ask,
}

/// Decides it. `frames` and `bytes` are what the cache holds since its keyframe; no frames: no keyframe.
pub(super) fn plan_join(frames: usize, bytes: usize, gate_is_open: bool) -> Join {
    let short = frames <= MOST_FRAMES && bytes <= MOST_BYTES;
    if frames > 0 && (short || !gate_is_open && frames <= 2 * MOST_FRAMES) { Join::Replay } else { Join::Ask }
}

/// How often one viewer's loss may cost all others a keyframe: a few at once, then one in this time. A viewer whose
/// line can't carry the stream loses packets for ever; its wishes would keep everybody's picture poor.
const VIEWER_REFILL: Duration = Duration::from_secs(2);
const VIEWER_BURST: u32 = 5;

/// One viewer's wishes.
#[derive(Debug)]
pub(super) struct ViewerBudget {
    left: u32,
    refilled: Instant,
}

impl ViewerBudget {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: VIEWER_BURST, refilled: now }
    }

    /// Whether this wish is heard.
    pub(super) fn spend(&mut self, now: Instant) -> bool {
        while self.left < VIEWER_BURST && now.saturating_duration_since(self.refilled) >= VIEWER_REFILL {
            self.left += 1;
            self.refilled += VIEWER_REFILL;
        }
        if self.left == VIEWER_BURST {
            self.refilled = now;
        }
        let heard = self.left > 0;
        self.left = self.left.saturating_sub(1);
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn many_wishes_in_half_a_second_are_one_request() {
        let (mut gate, start) = (KeyframeGate::default(), Instant::now());
        let mut asked = 0;
        for n in 0..500 {
            gate.want();
            asked += u32::from(gate.take(start + n * MS));
        }
        assert_eq!(asked, 1);
        assert_eq!(gate.deadline(), Some(start + SPACING));
        assert!(gate.take(start + SPACING));
        assert!(!gate.take(start + 2 * SPACING), "nobody wants another");
    }

    #[test]
    fn a_keyframe_that_comes_by_itself_fulfils_the_waiting_wish() {
        let (mut gate, start) = (KeyframeGate::default(), Instant::now());
        gate.want();
        assert!(gate.take(start));
        gate.want();
        gate.arrived();
        assert!(!gate.take(start + SPACING));
        assert_eq!(gate.deadline(), None);
    }

    #[test]
    fn a_short_group_is_replayed_and_a_long_one_is_not() {
        assert_eq!(plan_join(1, 200_000, true), Join::Replay);
        assert_eq!(plan_join(30, 300_000, true), Join::Replay);
        assert_eq!(plan_join(60, 300_000, true), Join::Ask);
        assert_eq!(plan_join(10, 3_000_000, true), Join::Ask);
        assert_eq!(plan_join(0, 0, true), Join::Ask);
    }

    #[test]
    fn while_the_gate_is_shut_the_keyframe_that_was_asked_for_serves() {
        assert_eq!(plan_join(20, 3_000_000, false), Join::Replay, "it has come");
        assert_eq!(plan_join(120, 3_000_000, false), Join::Ask, "it is on its way");
    }

    #[test]
    fn a_viewer_that_loses_all_the_time_is_heard_rarely() {
        let start = Instant::now();
        let mut budget = ViewerBudget::new(start);
        let heard = (0..600).filter(|n| budget.spend(start + *n * 100 * MS)).count();
        assert!((30..=36).contains(&heard), "{heard} in a minute");
    }

    #[test]
    fn a_viewer_that_loses_now_and_then_is_always_heard() {
        let start = Instant::now();
        let mut budget = ViewerBudget::new(start);
        assert!((0..100).all(|n| budget.spend(start + n * Duration::from_secs(3))));
    }
}

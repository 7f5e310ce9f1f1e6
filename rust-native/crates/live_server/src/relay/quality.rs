//! Which rendition a viewer's line carries. Pure policy: time and figures in, a choice out.
//!
//! Down at once: what is sent and doesn't arrive is a frozen picture. Up carefully: a line that carries little is never
//! seen to carry more, as nothing more is sent (receivers' estimates grow to one and a half times of what arrives), so
//! after a while of peace the next better one is simply tried; a try that fails makes the next pause twice as long.

use std::time::{Duration, Instant};

/// More of the packets lost than this, and the picture stands still more than it moves, whatever is sent again.
const HEAVY_LOSS: f32 = 0.10;
/// Below this a loss is chance.
const SOME_LOSS: f32 = 0.02;
/// A shortage must show for so long: one report can be a moment's.
const SHORTAGE_LASTS: Duration = Duration::from_millis(900);
/// A rendition is chosen that takes this much of the estimate: its bitrate is a mean, and sound is beside it.
const SHARE: f64 = 0.85;
/// After a change nothing is said of the new rendition until it flows.
const SETTLES: Duration = Duration::from_secs(3);
/// A try upwards that fails is a picture that stands: it is believed sooner.
const TRY_SETTLES: Duration = Duration::from_secs(1);
/// Peace before the first try upwards, and the longest pause that failures make of it.
const FIRST_PAUSE: Duration = Duration::from_secs(8);
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// A step down so soon after a step up says that the step up was wrong.
const FAILS_WITHIN: Duration = Duration::from_secs(20);

/// What is known of a viewer's line.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Line {
    /// What its player says that it carries (REMB), bit/s.
    pub(super) estimate: Option<f64>,
    /// Share of the packets that were lost lately, 0 to 1.
    pub(super) loss: Option<f32>,
    /// What is sent to it, bit/s.
    pub(super) sent: f64,
}

/// One viewer's choice among what is offered, 0 the best.
#[derive(Debug)]
pub(super) struct Chooser {
    present: usize,
    changed: Option<Instant>,
    raised: Option<Instant>,
    short_since: Option<Instant>,
    good_since: Option<Instant>,
    pause: Duration,
}

impl Default for Chooser {
    fn default() -> Self {
        Self { present: 0, changed: None, raised: None, short_since: None, good_since: None, pause: FIRST_PAUSE }
    }
}

impl Chooser {
    /// Chooses. `offered`: what each needs, bit/s, the best first.
    pub(super) fn choose(&mut self, line: Line, offered: &[f64], now: Instant) -> usize {
        let lowest = offered.len().saturating_sub(1);
        self.present = self.present.min(lowest);
        let settles = if self.raised.is_some() && self.raised == self.changed { TRY_SETTLES } else { SETTLES };
        let settling = self.changed.is_some_and(|at| now.saturating_duration_since(at) < settles);
        let loss = line.loss.unwrap_or(0.0);
        // An estimate below what is sent is the player's word that less gets through. Where little is sent the estimate
        // is little, too, and says nothing of the line.
        let overrun = line.estimate.is_some_and(|estimate| line.sent > 100_000.0 && estimate < line.sent * 0.95);
        if settling {
            (self.short_since, self.good_since) = (None, None);
            return self.present;
        }
        if loss >= HEAVY_LOSS || overrun {
            self.good_since = None;
            let since = *self.short_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= SHORTAGE_LASTS && self.present < lowest {
                self.lower(line, offered, now);
            }
            return self.present;
        }
        self.short_since = None;
        if loss > SOME_LOSS || self.present == 0 {
            self.good_since = None;
            return self.present;
        }
        let since = *self.good_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= self.pause {
            self.present -= 1;
            (self.changed, self.raised, self.good_since) = (Some(now), Some(now), None);
        }
        self.present
    }

    fn lower(&mut self, line: Line, offered: &[f64], now: Instant) {
        let next = self.present + 1;
        // Without an estimate one step is what can be said.
        let carried = line.estimate.map_or(next, |estimate| {
            let fits = |needs: &f64| *needs <= estimate * SHARE;
            (next..offered.len()).find(|at| fits(&offered[*at])).unwrap_or(offered.len() - 1)
        });
        let failed = self.raised.is_some_and(|at| now.saturating_duration_since(at) < FAILS_WITHIN);
        self.pause = if failed { (self.pause * 2).min(LONGEST_PAUSE) } else { FIRST_PAUSE.max(self.pause / 2) };
        self.present = carried;
        (self.changed, self.raised, self.short_since) = (Some(now), None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1080p, 720p, 480p.
    const OFFERED: [f64; 3] = [6_000_000.0, 2_500_000.0, 1_100_000.0];

    /// A line of so many bits, seen as a player sees it: what is sent and fits arrives, the estimate grows to one and a
    /// half times of that; what doesn't is lost.
    struct Viewer {
        chooser: Chooser,
        now: Instant,
        changes: Vec<(f64, usize)>,
        begun: Instant,
    }

    impl Viewer {
        fn new() -> Self {
            let now = Instant::now();
            Self { chooser: Chooser::default(), now, changes: Vec::new(), begun: now }
        }

        fn watch(&mut self, seconds: u32, carries: f64) -> usize {
            let mut present = self.chooser.present;
            for _ in 0..seconds * 2 {
                let sent = OFFERED[present];
                let line = if sent > carries {
                    let lost = ((sent - carries) / sent) as f32;
                    Line { estimate: Some(carries * 0.85), loss: Some(lost), sent }
                } else {
                    Line { estimate: Some((sent * 1.5).min(carries * 1.05)), loss: Some(0.0), sent }
                };
                let before = present;
                present = self.chooser.choose(line, &OFFERED, self.now);
                if before != present {
                    self.changes.push((self.now.duration_since(self.begun).as_secs_f64(), present));
                }
                self.now += Duration::from_millis(500);
            }
            present
        }
    }

    #[test]
    fn a_line_that_carries_the_source_keeps_it() {
        let mut viewer = Viewer::new();
        assert_eq!(viewer.watch(120, 20_000_000.0), 0);
        assert!(viewer.changes.is_empty());
    }

    #[test]
    fn a_line_that_does_not_steps_down_within_seconds_to_what_it_carries() {
        for (carries, chosen) in [(4_000_000.0, 1), (1_500_000.0, 2), (300_000.0, 2)] {
            let mut viewer = Viewer::new();
            assert_eq!(viewer.watch(3, carries), chosen);
            assert_eq!(viewer.changes.len(), 1, "straight to it: {:?}", viewer.changes);
        }
    }

    #[test]
    fn a_line_that_is_wide_again_is_climbed_step_by_step() {
        let mut viewer = Viewer::new();
        viewer.watch(10, 1_500_000.0);
        viewer.changes.clear();
        assert_eq!(viewer.watch(60, 20_000_000.0), 0);
        assert_eq!(viewer.changes.iter().map(|(_, to)| *to).collect::<Vec<_>>(), [1, 0]);
    }

    #[test]
    fn a_try_that_fails_is_repeated_ever_more_rarely() {
        let mut viewer = Viewer::new();
        viewer.watch(600, 4_000_000.0);
        let tries: Vec<f64> = viewer.changes.iter().filter(|(_, to)| *to == 0).map(|(at, _)| *at).collect();
        assert!((3..=9).contains(&tries.len()), "{tries:?}");
        let pauses: Vec<f64> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses.windows(2).all(|pair| pair[1] >= pair[0] - 1.0), "{pauses:?}");
        let above: f64 =
            viewer.changes.windows(2).filter(|pair| pair[0].1 == 0).map(|pair| pair[1].0 - pair[0].0).sum();
        assert!(above < 45.0, "so long in ten minutes more was sent than arrives: {above}");
    }

    #[test]
    fn one_bad_report_and_a_still_picture_change_nothing() {
        let (mut chooser, mut now) = (Chooser::default(), Instant::now());
        for second in 0..30 {
            let loss = if second == 10 { 0.5 } else { 0.0 };
            let still = Line { estimate: Some(40_000.0), loss: Some(loss), sent: 50_000.0 };
            assert_eq!(chooser.choose(still, &OFFERED, now), 0);
            now += Duration::from_secs(1);
        }
    }

    #[test]
    fn fewer_renditions_than_before_are_met() {
        let mut viewer = Viewer::new();
        viewer.watch(5, 1_500_000.0);
        assert_eq!(viewer.chooser.choose(Line::default(), &OFFERED[..2], viewer.now), 1);
        assert_eq!(viewer.chooser.choose(Line::default(), &[], viewer.now), 0);
    }
}

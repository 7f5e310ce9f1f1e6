//! When an alert is told, and when that it is over: once each. Pure, time is passed in.

use std::collections::BTreeMap;
use std::time::Duration;

/// A rule and what it is about: a stream's name or a folder.
pub(super) type Subject = (String, String);

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Fires,
    Resolves,
}

/// Where one alert stands. What is not here is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Bad since then, not told yet.
    Bad { since: Duration },
    /// Told then.
    Told { since: Duration },
    /// Told then, and well since a later moment.
    Mending { told: Duration, since: Duration },
}

/// How far an alert has come, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Well,
    /// Bad, and not for long enough to be told.
    Pending(Duration),
    /// Told, and not told to be over.
    Firing(Duration),
}

/// Every alert that is not quite well.
#[derive(Debug, Default)]
pub(super) struct Alerts(BTreeMap<Subject, Standing>);

impl Alerts {
    /// What is seen of a subject at a moment, counted from anywhere. `None`: nothing to be told now.
    pub(super) fn see(&mut self, subject: &Subject, bad: bool, holds: Duration, now: Duration) -> Option<Change> {
        let long = |since: Duration| now.saturating_sub(since) >= holds;
        let standing = self.0.get(subject).copied();
        let (next, change) = match (standing, bad) {
            (None, false) | (Some(Standing::Bad { .. }), false) => (None, None),
            (None, true) => (Some(Standing::Bad { since: now }), None),
            (Some(Standing::Bad { since }), true) if long(since) => {
                (Some(Standing::Told { since: now }), Some(Change::Fires))
            }
            (Some(Standing::Told { since }), false) => (Some(Standing::Mending { told: since, since: now }), None),
            (Some(Standing::Mending { told, .. }), true) => (Some(Standing::Told { since: told }), None),
            (Some(Standing::Mending { since, .. }), false) if long(since) => (None, Some(Change::Resolves)),
            (Some(same), _) => (Some(same), None),
        };
        match next {
            Some(next) => self.0.insert(subject.clone(), next),
            None => self.0.remove(subject),
        };
        change
    }

    /// Where a subject stands.
    pub(super) fn stage(&self, subject: &Subject) -> Stage {
        match self.0.get(subject) {
            None => Stage::Well,
            Some(Standing::Bad { since }) => Stage::Pending(*since),
            Some(Standing::Told { since } | Standing::Mending { told: since, .. }) => Stage::Firing(*since),
        }
    }

    /// Forgets what isn't watched any more; gives out what had been told of it.
    pub(super) fn forget(&mut self, watched: impl Fn(&Subject) -> bool) -> Vec<Subject> {
        let gone = self.0.extract_if(.., |subject, _| !watched(subject));
        gone.filter(|(_, standing)| !matches!(standing, Standing::Bad { .. })).map(|(subject, _)| subject).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn subject() -> Subject {
        ("down".to_owned(), "live".to_owned())
    }

    /// What is told over a course of (second, bad).
    fn told(course: &[(u64, bool)]) -> Vec<(u64, Change)> {
        let mut alerts = Alerts::default();
        let told = course.iter().filter_map(|(now, bad)| Some((*now, alerts.see(&subject(), *bad, TEN, at(*now))?)));
        told.collect()
    }

    #[test]
    fn what_holds_long_enough_is_told_once_and_its_end_once() {
        let course: Vec<(u64, bool)> = (0..100).map(|second| (second, (20..60).contains(&second))).collect();
        assert_eq!(told(&course), [(30, Change::Fires), (70, Change::Resolves)]);
    }

    #[test]
    fn what_comes_and_goes_is_not_told_and_what_was_told_is_not_told_again() {
        let flutter: Vec<(u64, bool)> = (0..100).map(|second| (second, second % 10 < 8)).collect();
        assert_eq!(told(&flutter), []);
        // Told at ten; well for eight seconds at a time is not well.
        let course: Vec<(u64, bool)> = (0..100).map(|second| (second, second <= 12 || second % 10 == 0)).collect();
        assert_eq!(told(&course), [(10, Change::Fires)]);
    }

    #[test]
    fn an_alert_fires_until_its_end_is_told() {
        let mut alerts = Alerts::default();
        let mut stage = |second: u64, bad: bool| {
            alerts.see(&subject(), bad, TEN, at(second));
            alerts.stage(&subject())
        };
        assert_eq!((stage(0, false), stage(1, true)), (Stage::Well, Stage::Pending(at(1))));
        assert_eq!((stage(11, true), stage(12, false)), (Stage::Firing(at(11)), Stage::Firing(at(11))));
        assert_eq!((stage(13, true), stage(14, false)), (Stage::Firing(at(11)), Stage::Firing(at(11))));
        assert_eq!(stage(24, false), Stage::Well);
    }

    #[test]
    fn a_rule_that_is_gone_leaves_nothing_open() {
        let mut alerts = Alerts::default();
        assert_eq!(alerts.see(&subject(), true, TEN, at(0)), None);
        assert_eq!(alerts.forget(|_| false), [], "nobody was told");
        alerts.see(&subject(), true, TEN, at(0));
        alerts.see(&subject(), true, TEN, at(10));
        assert_eq!(alerts.forget(|_| true), []);
        assert_eq!(alerts.forget(|_| false), [subject()]);
        assert_eq!(alerts.see(&subject(), false, TEN, at(11)), None);
    }
}

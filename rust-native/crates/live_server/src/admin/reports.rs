//! What viewers say of their own picture, summed per stream over the last minutes.
//!
//! Anybody who may watch may say anything: figures are clamped, bounded in number, and steer nothing.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What is older says nothing of now.
const WINDOW: Duration = Duration::from_secs(300);
/// Of one stream: 500 viewers who report twice a minute.
const MOST: usize = 5000;
const LONGEST_NAME: usize = 32;

/// What a player says, of the time since it last said something.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    /// A name that the page made up for itself; 1 to 32 letters and digits.
    pub(crate) viewer: String,
    /// From the request to the first picture, milliseconds; once.
    #[serde(default)]
    pub(crate) join_ms: Option<f64>,
    /// Milliseconds that it was to play.
    pub(crate) watched_ms: f64,
    /// Times that the picture stood still.
    #[serde(default, deserialize_with = "super::whole::number")]
    pub(crate) freezes: u32,
    /// Milliseconds that it did.
    #[serde(default)]
    pub(crate) frozen_ms: f64,
    /// How far behind it plays, milliseconds, where the page knows.
    #[serde(default)]
    pub(crate) delay_ms: Option<f64>,
}

impl Report {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let name = &self.viewer;
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("viewer must be 1 to 32 letters and digits");
        }
        let minutes = |value: f64| (0.0..=600_000.0).contains(&value);
        let known = [self.join_ms, self.delay_ms, Some(self.watched_ms), Some(self.frozen_ms)];
        if !known.into_iter().flatten().all(minutes) {
            return Err("a duration must lie between 0 and 600000 milliseconds");
        }
        if self.freezes > 10_000 {
            return Err("freezes must lie between 0 and 10000");
        }
        Ok(())
    }
}

/// The sum over a stream's viewers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct ReportSum {
    /// Who reported.
    pub(crate) viewers: u32,
    /// To the first picture, milliseconds: the median, and what one in twenty waited at least.
    pub(crate) join_ms_p50: Option<f64>,
    pub(crate) join_ms_p95: Option<f64>,
    /// Per viewer and hour.
    pub(crate) freezes_per_hour: f64,
    /// Of the watched time, 0 to 1.
    pub(crate) frozen_share: f64,
    /// Milliseconds, the median.
    pub(crate) delay_ms_p50: Option<f64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Reports(BTreeMap<String, VecDeque<(Instant, Report)>>);

impl Reports {
    /// Takes a checked report of a stream that exists.
    pub(crate) fn take(&mut self, stream: &str, report: Report, now: Instant) {
        let kept = self.0.entry(stream.to_owned()).or_default();
        kept.push_back((now, report));
        forget(kept, now);
    }

    /// What is said of a stream now.
    pub(crate) fn sum(&mut self, stream: &str, now: Instant) -> ReportSum {
        let Some(kept) = self.0.get_mut(stream) else { return ReportSum::default() };
        forget(kept, now);
        if kept.is_empty() {
            self.0.remove(stream);
            return ReportSum::default();
        }
        let reports = || kept.iter().map(|(_, report)| report);
        let watched: f64 = reports().map(|report| report.watched_ms).sum();
        let frozen: f64 = reports().map(|report| report.frozen_ms.min(report.watched_ms)).sum();
        let freezes: f64 = reports().map(|report| f64::from(report.freezes)).sum();
        let per_watched = |value: f64, unit: f64| if watched > 0.0 { value * unit / watched } else { 0.0 };
        let joins = sorted(reports().filter_map(|report| report.join_ms));
        let delays = sorted(reports().filter_map(|report| report.delay_ms));
        ReportSum {
            viewers: reports().map(|report| report.viewer.as_str()).collect::<HashSet<_>>().len() as u32,
            join_ms_p50: at(&joins, 0.5),
            join_ms_p95: at(&joins, 0.95),
            freezes_per_hour: per_watched(freezes, 3_600_000.0),
            frozen_share: per_watched(frozen, 1.0),
            delay_ms_p50: at(&delays, 0.5),
        }
    }
}

fn forget(kept: &mut VecDeque<(Instant, Report)>, now: Instant) {
    while kept.len() > MOST || kept.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW) {
        kept.pop_front();
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value below which a share of them lies.
fn at(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get(((sorted.len() as f64 * share) as usize).min(last)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(viewer: &str, join_ms: Option<f64>, frozen_ms: f64) -> Report {
        let freezes = u32::from(frozen_ms > 0.0);
        Report { viewer: viewer.to_owned(), join_ms, watched_ms: 30_000.0, freezes, frozen_ms, delay_ms: Some(80.0) }
    }

    #[test]
    fn reports_of_the_last_minutes_are_summed_and_older_ones_forgotten() {
        let (mut reports, start) = (Reports::default(), Instant::now());
        for n in 0..20u32 {
            reports.take("live", report(&format!("v{n}"), Some(f64::from(n) * 10.0), 0.0), start);
        }
        let later = start + Duration::from_secs(30);
        reports.take("live", report("v0", None, 3000.0), later);
        let sum = reports.sum("live", later);
        assert_eq!((sum.viewers, sum.join_ms_p50, sum.join_ms_p95), (20, Some(100.0), Some(190.0)));
        assert!((sum.frozen_share - 3000.0 / (21.0 * 30_000.0)).abs() < 1e-9);
        assert!((sum.freezes_per_hour - 3600.0 / (21.0 * 30.0)).abs() < 1e-9);
        assert_eq!(reports.sum("live", start + WINDOW).viewers, 1);
        reports.take("lies", report("v0", None, 600_000.0), later);
        assert_eq!(reports.sum("lies", later).frozen_share, 1.0, "nobody stands still for longer than it watches");
        assert_eq!(reports.sum("live", later + WINDOW), ReportSum::default());
        assert_eq!(reports.sum("other", later), ReportSum::default());
    }

    #[test]
    fn nonsense_is_refused_and_a_flood_is_bounded() {
        let good = report("abc", Some(300.0), 0.0);
        assert_eq!(good.check(), Ok(()));
        for bad in [
            Report { viewer: String::new(), ..good.clone() },
            Report { viewer: "a b".to_owned(), ..good.clone() },
            Report { viewer: "x".repeat(33), ..good.clone() },
            Report { join_ms: Some(-1.0), ..good.clone() },
            Report { delay_ms: Some(f64::NAN), ..good.clone() },
            Report { freezes: 1_000_000, ..good.clone() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        let (mut reports, now) = (Reports::default(), Instant::now());
        for _ in 0..MOST + 100 {
            reports.take("live", good.clone(), now);
        }
        assert_eq!(reports.0["live"].len(), MOST);
    }
}

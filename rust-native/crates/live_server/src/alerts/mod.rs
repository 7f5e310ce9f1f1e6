//! Alerts: what an operator has to know now, told to a webhook, once when it begins and once when it is over.
//!
//! The figures that everybody sees are looked at once a second; `state` says what is news. What has been told is
//! forgotten with the server: after a restart an alert that still holds is told again.

mod state;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::config::{AlertKind, AlertRule, AlertSettings};
use crate::figures::StreamInfo;
use crate::http::Site;
use state::{Alerts, Change, Stage, Subject};

const LOOK: Duration = Duration::from_secs(1);
/// A stream that has just begun has no figures yet.
const BEGINS: Duration = Duration::from_secs(5);
/// What may wait for a webhook that does not answer; the newest are dropped past it.
const WAITING: usize = 256;
const PATIENCE: Duration = Duration::from_secs(5);
/// Pauses before an alert is tried again: a minute and a half in all.
const AGAIN: [u64; 5] = [1, 4, 15, 30, 40];

/// What the webhook is told.
#[derive(Debug, Clone, Serialize)]
struct Told {
    /// The rule's name.
    alert: String,
    /// `firing` or `resolved`.
    state: &'static str,
    /// What the rule watches.
    kind: AlertKind,
    /// A stream's name, or a folder.
    subject: String,
    /// What was seen last, in the limit's unit.
    value: Option<f64>,
    limit: Option<f64>,
    /// Unix time, milliseconds.
    at_ms: u64,
}

/// A rule and one thing that it watches, as they are now.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Watched {
    /// The rule's name.
    pub(crate) alert: String,
    pub(crate) kind: AlertKind,
    /// A stream's name, or a folder.
    pub(crate) subject: String,
    /// `firing`, `pending` (bad, and not for long enough to be told) or `well`.
    pub(crate) state: &'static str,
    /// What was seen last, in the limit's unit.
    pub(crate) value: Option<f64>,
    pub(crate) limit: Option<f64>,
    /// Unix time at which it began to be told or bad, milliseconds.
    pub(crate) since_ms: Option<u64>,
}

/// What is watched, as the last look found it.
#[derive(Debug, Default)]
pub(crate) struct Standing(Mutex<Vec<Watched>>);

impl Standing {
    /// What is bad comes first.
    pub(crate) fn all(&self) -> Vec<Watched> {
        self.0.lock().clone()
    }
}

/// What a rule sees of a subject: whether it is bad, and the figure.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    bad: bool,
    value: Option<f64>,
}

/// What a rule about streams sees of one. Pure. A stream that is not live has neither bitrate nor loss.
fn judge(rule: &AlertRule, info: &StreamInfo, now_ms: u64) -> Seen {
    let limit = rule.limit.unwrap_or_default();
    let begun = info.since_ms.is_some_and(|since| now_ms.saturating_sub(since) >= BEGINS.as_millis() as u64);
    let live = info.live && begun;
    match rule.when {
        AlertKind::StreamDown => Seen { bad: !info.live, value: None },
        AlertKind::BitrateLow => Seen { bad: live && info.bitrate_kbps < limit, value: Some(info.bitrate_kbps) },
        AlertKind::LossHigh => {
            let percent = info.publisher_loss.map(|loss| loss * 100.0);
            Seen { bad: live && percent.is_some_and(|percent| percent > limit), value: percent }
        }
        AlertKind::DiskLow => Seen { bad: false, value: None },
    }
}

fn judge_disk(rule: &AlertRule, free: Option<u64>) -> Seen {
    let free = free.map(|bytes| bytes as f64 / 1e9);
    Seen { bad: free.is_some_and(|free| free < rule.limit.unwrap_or_default()), value: free }
}

/// Looks and tells until the server stops.
pub(crate) async fn run(site: Arc<Site>, mut stop: watch::Receiver<bool>) {
    let (tell, told) = mpsc::channel(WAITING);
    let teller = tokio::spawn(tell_all(site.clone(), told));
    let (mut alerts, begun) = (Alerts::default(), Instant::now());
    let mut last: Option<AlertSettings> = None;
    while !*stop.borrow() {
        let settings = site.config().alerts.clone();
        look(&site, settings.as_ref(), last.as_ref(), &mut alerts, begun.elapsed(), &tell);
        last = settings;
        let _ = tokio::time::timeout(LOOK, stop.wait_for(|stop| *stop)).await;
    }
    teller.abort();
}

fn look(
    site: &Site,
    settings: Option<&AlertSettings>,
    before: Option<&AlertSettings>,
    alerts: &mut Alerts,
    now: Duration,
    tell: &mpsc::Sender<Told>,
) {
    let at_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let say = |(alert, subject): &Subject, state, rule: &AlertRule, value| {
        let (alert, subject) = (alert.clone(), subject.clone());
        tracing::warn!(alert, subject, state, ?value, "an alert");
        let told = Told { alert, state, kind: rule.when, subject, value, limit: rule.limit, at_ms };
        if tell.try_send(told).is_err() {
            tracing::error!("the alerts' webhook has not answered for long: an alert is not told");
        }
    };
    let (mut watched, mut standing) = (Vec::new(), Vec::new());
    for (name, rule) in settings.into_iter().flat_map(|settings| &settings.rules) {
        let seen: Vec<(String, Seen)> = if rule.when == AlertKind::DiskLow {
            let folders = rule.folder.clone().map_or_else(|| site.recordings().folders(), |folder| vec![folder]);
            folders.iter().map(|folder| (shown(folder), judge_disk(rule, record::free_bytes(folder)))).collect()
        } else {
            let all = site.all_streams().into_iter().filter(|info| rule.takes(&info.name));
            all.map(|info| (info.name.clone(), judge(rule, &info, at_ms))).collect()
        };
        for (subject, Seen { bad, value }) in seen {
            let subject = (name.clone(), subject);
            match alerts.see(&subject, bad, rule.holds_for(), now) {
                Some(Change::Fires) => say(&subject, "firing", rule, value),
                Some(Change::Resolves) => say(&subject, "resolved", rule, value),
                None => {}
            }
            standing.push(stand(alerts, &subject, (rule, value), (now, at_ms)));
            watched.push(subject);
        }
    }
    standing.sort_by_key(|watched| ["firing", "pending"].iter().position(|state| *state == watched.state).unwrap_or(2));
    *site.alerts().0.lock() = standing;
    for subject in alerts.forget(|subject| watched.contains(subject)) {
        // The rule or the stream is gone: what was told of it is over.
        if let Some(rule) = before.and_then(|settings| settings.rules.get(&subject.0)) {
            say(&subject, "resolved", rule, None);
        }
    }
}

fn stand(
    alerts: &Alerts,
    subject: &Subject,
    (rule, value): (&AlertRule, Option<f64>),
    (now, at_ms): (Duration, u64),
) -> Watched {
    let (state, since) = match alerts.stage(subject) {
        Stage::Well => ("well", None),
        Stage::Pending(since) => ("pending", Some(since)),
        Stage::Firing(since) => ("firing", Some(since)),
    };
    let since_ms = since.map(|since| at_ms.saturating_sub(now.saturating_sub(since).as_millis() as u64));
    let (alert, subject) = subject.clone();
    Watched { alert, kind: rule.when, subject, state, value, limit: rule.limit, since_ms }
}

fn shown(folder: &Path) -> String {
    PathBuf::from(folder).display().to_string()
}

/// One after the other, in order.
async fn tell_all(site: Arc<Site>, mut told: mpsc::Receiver<Told>) {
    while let Some(told) = told.recv().await {
        // Texts and numbers: it can always be written.
        let body = serde_json::to_string(&told).unwrap_or_default();
        for pause in AGAIN.into_iter().map(Some).chain([None]) {
            let Some(settings) = site.config().alerts.clone() else { break };
            let sent = site.hook().send(&settings.webhook, settings.secret.as_ref(), PATIENCE, body.clone()).await;
            let why = match sent {
                Ok(status) if status.is_success() => break,
                Ok(status) => status.to_string(),
                Err(error) => error.without_url().to_string(),
            };
            match pause {
                Some(seconds) => {
                    tracing::warn!(alert = told.alert, why, "the alerts' webhook is tried again");
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                }
                None => tracing::error!(alert = told.alert, why, "an alert could not be told"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> StreamInfo {
        let (name, live, since_ms) = ("live".to_owned(), true, Some(0));
        StreamInfo { name, live, since_ms, bitrate_kbps: 3000.0, publisher_loss: Some(0.02), ..Default::default() }
    }

    #[test]
    fn a_live_stream_is_judged_by_its_figures_and_one_that_is_not_only_by_that() {
        let rule = |when, limit| AlertRule::new(when, limit);
        let bad = |rule: AlertRule, info: &StreamInfo, now_ms| judge(&rule, info, now_ms).bad;
        let down = StreamInfo { live: false, ..live() };
        assert!(!bad(rule(AlertKind::StreamDown, None), &live(), 9000));
        assert!(bad(rule(AlertKind::StreamDown, None), &down, 9000));
        assert!(bad(rule(AlertKind::BitrateLow, Some(3001.0)), &live(), 9000));
        assert!(!bad(rule(AlertKind::BitrateLow, Some(2999.0)), &live(), 9000));
        assert!(!bad(rule(AlertKind::BitrateLow, Some(3001.0)), &live(), 1000), "it has just begun");
        assert!(!bad(rule(AlertKind::BitrateLow, Some(3001.0)), &down, 9000));
        assert!(bad(rule(AlertKind::LossHigh, Some(1.5)), &live(), 9000));
        assert!(!bad(rule(AlertKind::LossHigh, Some(2.5)), &live(), 9000));
        let disk = rule(AlertKind::DiskLow, Some(5.0));
        assert!(judge_disk(&disk, Some(4_999_999_999)).bad && !judge_disk(&disk, Some(5_000_000_001)).bad);
        assert!(!judge_disk(&disk, None).bad, "what can't be known is not bad");
    }
}

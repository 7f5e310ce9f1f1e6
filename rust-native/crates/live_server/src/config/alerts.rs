//! `[alerts]`: what the operator is told of, and where.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use media::Secret;
use serde::Deserialize;

use super::recording::{every_stream, named};

/// Where alerts go, and which there are.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertSettings {
    /// Where to POST. Tried again for a while when the answer isn't 2xx.
    pub webhook: String,
    /// Signs what is sent, as the hook's does.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// By name.
    #[serde(default)]
    pub rules: BTreeMap<String, AlertRule>,
}

/// `[alerts.rules.NAME]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// What is watched.
    pub when: AlertKind,
    /// Which streams; a `*` at the end stands for anything. Every stream by default.
    #[serde(default = "every_stream")]
    pub streams: Vec<String>,
    /// The folder whose disk is watched; those of recordings by default.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// `bitrate_low`: kbit/s; `disk_low`: gigabytes (10⁹); `loss_high`: percent. `stream_down` has none.
    #[serde(default)]
    pub limit: Option<f64>,
    /// So long it must hold before it is told, and be over before that is told. 1 to 86400.
    #[serde(default = "half_a_minute")]
    pub for_seconds: u32,
}

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// Nobody publishes, from the server's start on: for streams that are always there.
    StreamDown,
    /// A live stream brings less than this.
    BitrateLow,
    /// More than this of a live stream is lost on its way in.
    LossHigh,
    /// The disk has less room than this.
    DiskLow,
}

fn half_a_minute() -> u32 {
    30
}

impl AlertRule {
    /// With this limit, everything else as it is by default.
    pub fn new(when: AlertKind, limit: Option<f64>) -> Self {
        Self { when, streams: every_stream(), folder: None, limit, for_seconds: half_a_minute() }
    }

    pub(crate) fn holds_for(&self) -> Duration {
        Duration::from_secs(self.for_seconds.into())
    }

    pub(crate) fn takes(&self, stream: &str) -> bool {
        named(&self.streams, stream)
    }
}

impl AlertSettings {
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(self.webhook.starts_with("http://") || self.webhook.starts_with("https://")) {
            return Err("alerts.webhook must begin with http:// or https://".to_owned());
        }
        for (name, rule) in &self.rules {
            let limited = rule.when != AlertKind::StreamDown;
            if limited != rule.limit.is_some() || rule.limit.is_some_and(|limit| !(limit > 0.0 && limit < 1e9)) {
                return Err(format!("alerts.rules.{name}.limit must be more than 0, and stream_down has none"));
            }
            if !(1..=86_400).contains(&rule.for_seconds) {
                return Err(format!("alerts.rules.{name}.for_seconds must lie between 1 and 86400"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_without_its_limit_or_with_one_too_many_is_refused_by_name() {
        let check = |rule| {
            let rules = BTreeMap::from([("one".to_owned(), rule)]);
            AlertSettings { webhook: "http://localhost/".to_owned(), secret: None, rules }.check()
        };
        assert_eq!(check(AlertRule::new(AlertKind::StreamDown, None)), Ok(()));
        assert_eq!(check(AlertRule::new(AlertKind::LossHigh, Some(5.0))), Ok(()));
        for (kind, limit) in [
            (AlertKind::StreamDown, Some(1.0)),
            (AlertKind::BitrateLow, None),
            (AlertKind::DiskLow, Some(0.0)),
            (AlertKind::LossHigh, Some(f64::NAN)),
        ] {
            let refused = check(AlertRule::new(kind, limit)).expect_err("refused");
            assert!(refused.starts_with("alerts.rules.one.limit "), "{refused}");
        }
    }
}

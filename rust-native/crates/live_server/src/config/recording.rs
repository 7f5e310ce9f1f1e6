//! `[recording.NAME]`: which streams are recorded, where to, and how long that is kept.

use std::path::PathBuf;
use std::time::Duration;

use media::Secret;
use serde::Deserialize;

/// One rule. A stream that several rules name is recorded by each of them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingSettings {
    /// Names of streams; a `*` at the end stands for anything. Every stream by default.
    #[serde(default = "every_stream")]
    pub streams: Vec<String>,
    /// A folder on this machine, which is made where there is none; this or `s3`.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// A bucket.
    #[serde(default)]
    pub s3: Option<S3Settings>,
    /// Minutes after which another recording begins, at a keyframe. 1 to 1440.
    #[serde(default = "an_hour")]
    pub split_minutes: u32,
    /// Days after which a recording is deleted; never by default.
    #[serde(default)]
    pub keep_days: Option<f64>,
    /// Gigabytes (10⁹) that all recordings of this rule may take; the oldest go first.
    #[serde(default)]
    pub keep_gb: Option<f64>,
}

/// A bucket of S3, or of any store that speaks like it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Settings {
    /// Its name.
    pub bucket: String,
    /// Where it lies; stores without regions ignore it.
    #[serde(default = "first_region")]
    pub region: String,
    /// `https://…` of a store that is not Amazon's.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Whose it is; without it, what the environment says (`AWS_ACCESS_KEY_ID` …, or the machine's role).
    #[serde(default)]
    pub access_key_id: Option<String>,
    /// The key's secret.
    #[serde(default)]
    pub secret_access_key: Option<Secret>,
    /// What comes before each name in the bucket.
    #[serde(default)]
    pub prefix: String,
}

pub(super) fn every_stream() -> Vec<String> {
    vec!["*".to_owned()]
}

fn an_hour() -> u32 {
    60
}

fn first_region() -> String {
    "us-east-1".to_owned()
}

impl RecordingSettings {
    /// Into a folder, everything else as it is by default.
    pub fn into_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            streams: every_stream(),
            folder: Some(folder.into()),
            s3: None,
            split_minutes: an_hour(),
            keep_days: None,
            keep_gb: None,
        }
    }

    /// What is wrong with it; `name` is the rule's.
    pub(crate) fn check(&self, name: &str) -> Result<(), String> {
        if name.is_empty() || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        {
            return Err(format!("recording {name:?} can't stand in a URL: use 1 to 64 letters, digits, '-' and '_'"));
        }
        if self.folder.is_some() == self.s3.is_some() {
            return Err(format!("recording {name:?} needs either a folder or s3 = {{ bucket = … }}"));
        }
        if !(1..=1440).contains(&self.split_minutes) {
            return Err(format!("recording.{name}.split_minutes must lie between 1 and 1440"));
        }
        for (field, value) in [("keep_days", self.keep_days), ("keep_gb", self.keep_gb)] {
            if value.is_some_and(|value| !(value > 0.0 && value < 1e6)) {
                return Err(format!("recording.{name}.{field} must be more than 0"));
            }
        }
        let half = |s3: &S3Settings| s3.access_key_id.is_some() != s3.secret_access_key.is_some();
        if self.s3.as_ref().is_some_and(half) {
            return Err(format!("recording {name:?} needs access_key_id and secret_access_key, or neither"));
        }
        Ok(())
    }

    /// The folder or the bucket, to be shown.
    pub(crate) fn place(&self) -> String {
        let folder = self.folder.as_ref().map(|folder| folder.display().to_string());
        let bucket = self.s3.as_ref().map(|s3| format!("s3: {}", s3.bucket));
        folder.or(bucket).unwrap_or_default()
    }

    /// Whether a stream is recorded by it.
    pub(crate) fn takes(&self, stream: &str) -> bool {
        named(&self.streams, stream)
    }

    pub(crate) fn split(&self) -> Duration {
        Duration::from_secs(u64::from(self.split_minutes) * 60)
    }
}

/// Whether a list of names, some with a `*` at the end, has this one.
pub(crate) fn named(list: &[String], stream: &str) -> bool {
    list.iter().any(|name| name.strip_suffix('*').map_or(name == stream, |begin| stream.starts_with(begin)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_takes_the_streams_that_it_names() {
        let rule = RecordingSettings {
            streams: vec!["live".to_owned(), "cam-*".to_owned()],
            ..RecordingSettings::into_folder("recordings")
        };
        for (stream, taken) in [("live", true), ("live2", false), ("cam-1", true), ("cam", false)] {
            assert_eq!(rule.takes(stream), taken, "{stream}");
        }
        assert!(RecordingSettings::into_folder("recordings").takes("anything"));
    }

    #[test]
    fn a_rule_without_a_place_or_with_two_is_refused() {
        let rule = RecordingSettings::into_folder("recordings");
        assert_eq!(rule.check("all"), Ok(()));
        assert!(rule.check("a/b").is_err());
        assert!(RecordingSettings { folder: None, ..rule.clone() }.check("all").is_err());
        let s3 = S3Settings {
            bucket: "b".to_owned(),
            region: first_region(),
            endpoint: None,
            access_key_id: Some("id".to_owned()),
            secret_access_key: None,
            prefix: String::new(),
        };
        assert!(RecordingSettings { s3: Some(s3.clone()), ..rule.clone() }.check("all").is_err(), "two places");
        assert!(RecordingSettings { s3: Some(s3), folder: None, ..rule.clone() }.check("all").is_err(), "half a key");
        assert!(RecordingSettings { keep_gb: Some(0.0), ..rule }.check("all").is_err());
    }
}

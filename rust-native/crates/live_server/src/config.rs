//! What the server can be told, as TOML or as a value by whoever embeds it.
//!
//! Every mistake is named with its line and its reason, and no message repeats the text of a line: it may hold a key.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use media::Secret;
use serde::Deserialize;

use crate::auth;
use crate::error::{ConfigProblem, ServerError};

mod access;
mod acme;
mod admin;
mod alerts;
mod forward;
mod hls;
mod https;
mod ingest;
mod line;
mod media_path;
mod publishing;
mod pull;
mod recording;
mod transcoding;

pub use access::{AccessSettings, HookSettings, Network, TokenSettings, WhenUnreachable};
pub use acme::AcmeSettings;
pub use admin::AdminSettings;
pub(crate) use admin::SHORTEST_PASSWORD;
pub use alerts::{AlertKind, AlertRule, AlertSettings};
pub use forward::ForwardSettings;
pub(crate) use forward::USUAL_RATE;
pub use hls::HlsSettings;
pub use https::HttpsSettings;
pub use ingest::{RtmpSettings, SrtSettings};
pub use media_path::{IceServer, RtcSettings};
pub use publishing::{PublishingSettings, SecondPublisher};
pub(crate) use pull::{PullProtocol, latency as pull_latency};
pub use pull::{PullSettings, PullWhen};
pub use recording::{RecordingSettings, S3Settings};
pub use transcoding::{LadderSettings, RenditionSettings, TranscodingSettings};

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where HTTP listens. Port 0 takes a free one.
    #[serde(default = "default_http")]
    pub http: SocketAddr,
    /// The same over TLS.
    #[serde(default)]
    pub https: HttpsSettings,
    /// Where media travels.
    #[serde(default)]
    pub rtc: RtcSettings,
    /// Publishers that come over RTMP.
    #[serde(default)]
    pub rtmp: RtmpSettings,
    /// Publishers that come over SRT.
    #[serde(default)]
    pub srt: SrtSettings,
    /// What is encoded anew for viewers.
    #[serde(default)]
    pub transcoding: TranscodingSettings,
    /// What happens when a publisher goes, or another comes.
    #[serde(default)]
    pub publishing: PublishingSettings,
    /// HLS and DASH.
    #[serde(default)]
    pub hls: HlsSettings,
    /// What is recorded, by rules with a name.
    #[serde(default)]
    pub recording: BTreeMap<String, RecordingSettings>,
    /// Where streams are sent on to, by names.
    #[serde(default)]
    pub forward: BTreeMap<String, ForwardSettings>,
    /// Where streams are fetched from, by the stream's name.
    #[serde(default)]
    pub pull: BTreeMap<String, PullSettings>,
    /// What the operator is told of.
    #[serde(default)]
    pub alerts: Option<AlertSettings>,
    /// Which networks may come.
    #[serde(default)]
    pub access: AccessSettings,
    /// Signed tokens that expire.
    #[serde(default)]
    pub tokens: Option<TokenSettings>,
    /// A platform's own rules.
    #[serde(default)]
    pub hook: Option<HookSettings>,
    /// The admin pages; without it there are none.
    #[serde(default)]
    pub admin: Option<AdminSettings>,
    /// Seconds that viewers may stay when the server is told to stop; new ones are sent away meanwhile.
    #[serde(default)]
    pub drain_seconds: u32,
    /// Who may not ask for more.
    #[serde(default)]
    pub limits: Limits,
    /// Opens `/metrics` to other machines that send it as a bearer token; without it only this machine may read them.
    #[serde(default)]
    pub metrics_token: Option<Secret>,
    /// The streams there can be, by name.
    #[serde(default)]
    pub streams: BTreeMap<String, StreamSettings>,
}

/// Who may not ask for more.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Viewers of all streams together; the next one is answered 503.
    pub viewers: u32,
    /// Wrong keys and tokens from one address in a minute before it is answered 429; 0 for no limit (behind a proxy
    /// every viewer has the proxy's address: let it limit them).
    pub failures_per_minute: u32,
    /// Sessions that one address may open in a minute before it is answered 429; 0 for no limit.
    pub sessions_per_minute: u32,
    /// Viewers from one address at the same time; 0 for no limit.
    pub viewers_per_address: u32,
}

impl Default for Limits {
    fn default() -> Self {
        // 500 viewers are a gigabit at 2 Mbit/s and about two cores: past that one machine fails everyone at once.
        // 20 failures leave room for a person who mistypes and for a few people behind one address.
        Self { viewers: 500, failures_per_minute: 20, sessions_per_minute: 0, viewers_per_address: 0 }
    }
}

/// One stream.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamSettings {
    /// The bearer token of its publisher, or its hash (`tidecast-server hash-key`).
    pub publish_key: Secret,
    /// The bearer token of its viewers, or its hash; `None` lets everyone watch who can reach the server.
    #[serde(default)]
    pub view_token: Option<Secret>,
    /// Nobody watches without the view token or a signed one.
    #[serde(default)]
    pub signed_only: bool,
}

fn default_http() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))
}

/// Fewer can be guessed within the rate limit's patience in some years; ours have 43.
const SHORTEST_SECRET: usize = 8;
/// A token's signature can be tried on any machine, without asking us (RFC 7518 §3.2: as many bits as the hash).
const SHORTEST_SIGNING_SECRET: usize = 32;

impl Default for Config {
    fn default() -> Self {
        Self {
            http: default_http(),
            https: HttpsSettings::default(),
            rtc: RtcSettings::default(),
            rtmp: RtmpSettings::default(),
            srt: SrtSettings::default(),
            transcoding: TranscodingSettings::default(),
            publishing: PublishingSettings::default(),
            hls: HlsSettings::default(),
            recording: BTreeMap::new(),
            forward: BTreeMap::new(),
            pull: BTreeMap::new(),
            alerts: None,
            access: AccessSettings::default(),
            tokens: None,
            hook: None,
            admin: None,
            drain_seconds: 0,
            limits: Limits::default(),
            metrics_token: None,
            streams: BTreeMap::new(),
        }
    }
}

impl Config {
    /// One stream, for whoever embeds the server.
    pub fn with_stream(http: SocketAddr, name: &str, publish_key: Secret, view_token: Option<Secret>) -> Self {
        let streams =
            BTreeMap::from([(name.to_owned(), StreamSettings { publish_key, view_token, signed_only: false })]);
        Self { http, streams, ..Self::default() }
    }

    /// Reads TOML.
    ///
    /// # Errors
    /// [`ServerError::BadConfig`] with the line and the reason.
    pub fn from_toml(text: &str) -> Result<Self, ServerError> {
        let config: Self = toml::from_str(text).map_err(|error| ServerError::BadConfig(line::of_toml(text, &error)))?;
        config.check().map_err(|problem| ServerError::BadConfig(line::of_check(text, problem)))?;
        Ok(config)
    }

    /// Whether it can be used; called by `LiveServer::start` too.
    pub(crate) fn check(&self) -> Result<(), ConfigProblem> {
        let problem = |reason: String| Err(ConfigProblem { line: None, reason });
        if self.streams.is_empty() {
            return problem("no stream is configured: add [streams.live] with a publish_key".to_owned());
        }
        for (name, stream) in &self.streams {
            if name.is_empty()
                || name.len() > 64
                || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            {
                return problem(format!(
                    "the stream name {name:?} can't stand in a URL: use 1 to 64 letters, digits, '-' and '_'"
                ));
            }
            for (field, secret) in
                [("publish_key", Some(&stream.publish_key)), ("view_token", stream.view_token.as_ref())]
            {
                if let Some(secret) = secret.filter(|secret| auth::is_hash(secret))
                    && let Err(what) = auth::check_hash(secret)
                {
                    return problem(format!("the {field} of stream {name:?} {what}"));
                }
            }
            if stream.signed_only && self.tokens.is_none() {
                return problem(format!("stream {name:?} is signed_only, but there is no [tokens] secret"));
            }
            if stream.publish_key.expose().len() < SHORTEST_SECRET {
                return problem(format!(
                    "the publish_key of stream {name:?} is shorter than {SHORTEST_SECRET} characters"
                ));
            }
            let short = stream.view_token.as_ref().is_some_and(|token| token.expose().len() < SHORTEST_SECRET);
            if short {
                return problem(format!(
                    "the view_token of stream {name:?} is shorter than {SHORTEST_SECRET} characters"
                ));
            }
        }
        let ports =
            [self.https.check(), self.rtc.check(), self.rtmp.check(self.https.listen.is_some()), self.srt.check()];
        for checked in ports.into_iter().chain([self.hls.check(), self.transcoding.check()]) {
            checked.map_err(|reason| ConfigProblem { line: None, reason })?;
        }
        if let Some(alerts) = &self.alerts {
            alerts.check().map_err(|reason| ConfigProblem { line: None, reason })?;
        }
        for (name, forward) in &self.forward {
            forward.check(name).map_err(|reason| ConfigProblem { line: None, reason })?;
            if !self.streams.contains_key(&forward.stream) {
                return problem(format!("forward.{name}.stream names no stream that is configured"));
            }
        }
        for (stream, pull) in &self.pull {
            pull.check(stream).map_err(|reason| ConfigProblem { line: None, reason })?;
            if !self.streams.contains_key(stream) {
                return problem(format!("pull {stream:?} feeds no stream that is configured"));
            }
        }
        for checked in self.recording.iter().map(|(name, rule)| rule.check(name)) {
            checked.map_err(|reason| ConfigProblem { line: None, reason })?;
        }
        if self.tokens.as_ref().is_some_and(|tokens| tokens.secret.expose().len() < SHORTEST_SIGNING_SECRET) {
            return problem(format!("tokens.secret is shorter than {SHORTEST_SIGNING_SECRET} characters"));
        }
        if let Some(hook) = &self.hook {
            hook.check().map_err(|reason| ConfigProblem { line: None, reason })?;
        }
        if let Some(admin) = &self.admin {
            admin.check().map_err(|reason| ConfigProblem { line: None, reason })?;
        }
        if self.limits.viewers == 0 {
            return problem("limits.viewers is 0: nobody could watch".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> ConfigProblem {
        match Config::from_toml(text) {
            Err(ServerError::BadConfig(problem)) => problem,
            other => panic!("expected a bad configuration, got {other:?}"),
        }
    }

    #[test]
    fn a_whole_configuration_is_read() {
        let config = Config::from_toml(
            "http = \"0.0.0.0:9000\"\n[rtc]\nport = 9001\npublic_address = \"203.0.113.7\"\n[limits]\nviewers = 10\n\
             [streams.live]\npublish_key = \"secret-key\"\nview_token = \"secret-token\"\n[streams.second]\npublish_key = \"another-key\"",
        )
        .expect("a good configuration");
        assert_eq!(config.http.port(), 9000);
        assert_eq!(config.rtc.port, 9001);
        assert_eq!(config.limits.viewers, 10);
        assert_eq!(config.limits.failures_per_minute, 20);
        assert_eq!(config.streams.len(), 2);
        assert!(config.streams["second"].view_token.is_none());
    }

    #[test]
    fn rules_for_recordings_forwards_and_alerts_are_read_and_their_mistakes_named_with_their_line() {
        let good = "[recording.cloud]\ns3 = { bucket = \"b\", access_key_id = \"i\", secret_access_key = \"s\" }\n\
                    [forward.other]\nstream = \"live\"\nurl = \"rtmp://host/app\"\n\
                    [alerts]\nwebhook = \"https://host/\"\nrules.down = { when = \"stream_down\" }\n\
                    [streams.live]\npublish_key = \"12345678\"\n";
        let config = Config::from_toml(good).expect("a good configuration");
        assert_eq!((config.recording.len(), config.forward["other"].stream.as_str()), (1, "live"));
        assert_eq!(config.alerts.expect("they are there").rules["down"].when, AlertKind::StreamDown);
        for (from, to, line) in [
            ("rtmp://", "ftp://", 5),
            ("stream = \"live\"", "stream = \"other\"", 4),
            ("[recording.cloud]\n", "[recording.cloud]\nfolder = \"here\"\n", 1),
            ("[recording.cloud]\n", "[recording.cloud]\nsplit_minutes = 0\n", 2),
        ] {
            let problem = problem(&good.replace(from, to));
            assert_eq!(problem.line, Some(line), "{problem}");
        }
    }

    #[test]
    fn an_unknown_field_is_named_with_its_line() {
        let problem = problem("http = \"127.0.0.1:1\"\nport = 3\n[streams.live]\npublish_key = \"12345678\"");
        assert_eq!(problem.line, Some(2));
        assert!(problem.reason.contains("unknown field `port`"), "{problem}");
    }

    #[test]
    fn a_wrong_address_is_named_with_its_line() {
        let problem = problem("\n\nhttp = \"localhost\"");
        assert_eq!(problem.line, Some(3));
        assert!(problem.reason.contains("socket address"), "{problem}");
    }

    #[test]
    fn no_message_repeats_a_key() {
        for text in [
            "[streams.live]\npublish_key = 1234567890123",
            "[streams.live]\npublish_key = hunter2hunter2",
            "[streams.live]\npublish_key = \"hunter2\"",
            "[streams.live]\npublish_key = \"longenough\"\nview_token = [\"hunter2\"]",
            "[streams.live]\npublish_key = \"longenough\"\n[pull.live]\nurl = \"srt://a:1\"\nkey = 1234567890123",
        ] {
            let problem = problem(text);
            assert!(problem.line.is_some(), "{problem}");
            let shown = problem.to_string();
            assert!(!shown.contains("hunter2") && !shown.contains("1234567890123"), "{shown}");
        }
    }

    #[test]
    fn a_server_without_streams_is_refused() {
        assert!(problem("").reason.contains("no stream"));
    }

    #[test]
    fn a_name_that_cant_stand_in_a_url_is_refused_with_its_line() {
        let problem = problem("[streams.\"a/b\"]\npublish_key = \"12345678\"");
        assert_eq!(problem.line, Some(1));
    }
}

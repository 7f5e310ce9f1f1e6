//! `[pull.STREAM]`: a stream that is fetched from another server instead of being published here.

use std::time::Duration;

use media::Secret;
use serde::{Deserialize, Serialize};

/// When a source is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PullWhen {
    /// Always.
    #[default]
    Always,
    /// While somebody watches the stream, or asks for it.
    Watched,
}

/// Where a stream comes from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullSettings {
    /// `rtmp://`, `rtmps://`, `srt://` (called), `http(s)://` of an HLS playlist (its path ends with `.m3u8`), or
    /// `whep+http(s)://`. May hold a key: it is shown without its path.
    pub url: Secret,
    /// RTMP's stream name, SRT's stream id, HLS's and WHEP's bearer token.
    #[serde(default)]
    pub key: Option<Secret>,
    /// SRT's passphrase.
    #[serde(default)]
    pub passphrase: Option<Secret>,
    /// How long what was lost may take to be sent again over SRT, milliseconds.
    #[serde(default = "latency")]
    pub latency_ms: u64,
    /// When it is connected to.
    #[serde(default)]
    pub when: PullWhen,
}

/// Twice SRT's own default, as with forwards.
pub(crate) fn latency() -> u64 {
    250
}

/// What a source speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PullProtocol {
    Rtmp,
    Srt,
    Hls,
    Whep,
}

impl PullProtocol {
    /// As the figures name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rtmp => "rtmp",
            Self::Srt => "srt",
            Self::Hls => "hls",
            Self::Whep => "whep",
        }
    }
}

impl PullSettings {
    /// What is wrong with it; `stream` is the one that it feeds.
    pub(crate) fn check(&self, stream: &str) -> Result<(), String> {
        if self.protocol().is_none() {
            return Err(format!(
                "pull.{stream}.url must begin with rtmp, rtmps, srt, http or https (HLS: its path ends with .m3u8), \
                 whep+http or whep+https"
            ));
        }
        if !(20..=8000).contains(&self.latency_ms) {
            return Err(format!("pull.{stream}.latency_ms must lie between 20 and 8000"));
        }
        if self.passphrase.as_ref().is_some_and(|secret| !(10..=79).contains(&secret.expose().len())) {
            return Err(format!("pull.{stream}.passphrase must have 10 to 79 characters"));
        }
        Ok(())
    }

    pub(crate) fn protocol(&self) -> Option<PullProtocol> {
        let (scheme, rest) = self.url.expose().split_once("://")?;
        let path = rest.split(['?', '#']).next().unwrap_or_default();
        Some(match scheme {
            _ if rest.split(['/', '?', '#']).next().is_none_or(str::is_empty) => return None,
            "rtmp" | "rtmps" => PullProtocol::Rtmp,
            "srt" => PullProtocol::Srt,
            "http" | "https" if path.ends_with(".m3u8") => PullProtocol::Hls,
            "whep+http" | "whep+https" => PullProtocol::Whep,
            _ => return None,
        })
    }

    pub(crate) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms)
    }

    /// Whether it lies on this machine: asking it again costs nothing.
    pub(crate) fn is_here(&self) -> bool {
        let shown = self.shown();
        let host = shown.split_once("://").map_or("", |(_, host)| host);
        host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]")
    }

    /// Where from, without what may be a key.
    pub(crate) fn shown(&self) -> String {
        super::forward::without_secrets(self.url.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(url: &str) -> PullSettings {
        let when = PullWhen::default();
        PullSettings { url: Secret::new(url), key: None, passphrase: None, latency_ms: latency(), when }
    }

    #[test]
    fn an_address_says_what_its_source_speaks() {
        for (url, protocol) in [
            ("rtmp://a/live/b", Some(PullProtocol::Rtmp)),
            ("rtmps://a/live/b", Some(PullProtocol::Rtmp)),
            ("srt://a:1?streamid=x", Some(PullProtocol::Srt)),
            ("https://a/b/index.m3u8?token=secret", Some(PullProtocol::Hls)),
            ("whep+https://a/whep/b", Some(PullProtocol::Whep)),
            ("https://a/b.mp4", None),
            ("rtmp:///live", None),
            ("secret-place", None),
        ] {
            assert_eq!(pull(url).protocol(), protocol, "{url}");
            assert_eq!(pull(url).check("live").is_ok(), protocol.is_some());
        }
        let refused = pull("ftp://secret-place").check("live").expect_err("refused");
        assert!(refused.starts_with("pull.live.url ") && !refused.contains("secret-place"), "{refused}");
        assert_eq!(pull("whep+https://user:word@host/whep/secret").shown(), "whep+https://host");
        assert!(pull("rtmp://127.0.0.1:1935/a/b").is_here() && !pull("rtmp://example.org/a/b").is_here());
    }
}

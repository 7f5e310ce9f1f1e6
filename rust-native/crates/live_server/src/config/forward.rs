//! `[forward.NAME]`: a stream that is sent on to another server.

use std::time::Duration;

use media::{Bitrate, FrameRate, Secret};
use publish::{MpegTsTarget, RtmpTarget, SrtTarget, Target, WhipTarget};
use serde::Deserialize;

/// One place that a stream is sent to while it is live.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardSettings {
    /// Which stream.
    pub stream: String,
    /// `rtmp://`, `rtmps://`, `srt://`, `http(s)://` (WHIP), or MPEG-TS by `udp://` or `tcp://`. May hold a key: it is
    /// shown without its path.
    pub url: Secret,
    /// RTMP's stream key, SRT's stream id, WHIP's bearer token.
    #[serde(default)]
    pub key: Option<Secret>,
    /// SRT's passphrase.
    #[serde(default)]
    pub passphrase: Option<Secret>,
    /// How long an SRT receiver waits for what was lost, milliseconds.
    #[serde(default = "latency")]
    pub latency_ms: u64,
}

/// Where a stream's rate is not known yet.
pub(crate) const USUAL_RATE: FrameRate = match FrameRate::new(30) {
    Some(rate) => rate,
    None => unreachable!(),
};

fn latency() -> u64 {
    // Twice SRT's own default: a server far away has a longer round trip than a camera in the same town.
    250
}

impl ForwardSettings {
    /// What is wrong with it; `name` is its own.
    pub(crate) fn check(&self, name: &str) -> Result<(), String> {
        if name.is_empty() || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        {
            return Err(format!("forward {name:?} can't stand in a URL: use 1 to 64 letters, digits, '-' and '_'"));
        }
        if self.target(Bitrate::from_kbps(1), USUAL_RATE).is_none() {
            return Err(format!("forward.{name}.url must begin with rtmp, rtmps, srt, http, https, udp or tcp"));
        }
        if !(20..=8000).contains(&self.latency_ms) {
            return Err(format!("forward.{name}.latency_ms must lie between 20 and 8000"));
        }
        Ok(())
    }

    fn scheme(&self) -> &str {
        self.url.expose().split_once("://").map_or("", |(scheme, _)| scheme)
    }

    /// Where to, without what may be a key.
    pub(crate) fn shown(&self) -> String {
        without_secrets(self.url.expose())
    }

    /// As the crate that sends it names it; `None` for an address of no known kind. The rates are those of the stream.
    pub(crate) fn target(&self, bitrate: Bitrate, frame_rate: FrameRate) -> Option<Target> {
        let (url, key) = (self.url.expose().to_owned(), self.key.clone());
        Some(match self.scheme() {
            "rtmp" | "rtmps" => {
                // AAC is what every service takes.
                Target::Rtmp(RtmpTarget { url, key, prefer_opus: false, target_bitrate: bitrate, frame_rate })
            }
            "srt" => Target::Srt(SrtTarget {
                url,
                passphrase: self.passphrase.clone(),
                stream_id: key,
                latency: Duration::from_millis(self.latency_ms),
                target_bitrate: bitrate,
            }),
            "http" | "https" => Target::Whip(WhipTarget { url, key, target_bitrate: bitrate }),
            "udp" | "tcp" => Target::MpegTs(MpegTsTarget { url, target_bitrate: bitrate }),
            _ => return None,
        })
    }
}

/// Scheme, host and port of an address: what else stands there may be a key.
pub(crate) fn without_secrets(url: &str) -> String {
    let (scheme, place) = url.split_once("://").unwrap_or_default();
    let host = place.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(url: &str) -> ForwardSettings {
        let (stream, url) = ("live".to_owned(), Secret::new(url));
        ForwardSettings { stream, url, key: None, passphrase: None, latency_ms: latency() }
    }

    #[test]
    fn an_address_of_no_known_kind_is_refused_without_being_repeated() {
        for url in ["rtmp://a/b", "rtmps://a/b", "srt://a:1", "https://a/whip", "udp://a:1"] {
            assert_eq!(forward(url).check("one"), Ok(()), "{url}");
        }
        let refused = forward("ftp://secret-place").check("one").expect_err("refused");
        assert!(refused.starts_with("forward.one.url ") && !refused.contains("secret-place"), "{refused}");
    }

    #[test]
    fn what_may_be_a_key_is_not_shown() {
        for (url, shown) in [
            ("rtmp://live.example/app/stream-key", "rtmp://live.example"),
            ("srt://host:9000?streamid=secret", "srt://host:9000"),
            ("https://user:word@host/whip/secret", "https://host"),
        ] {
            assert_eq!(forward(url).shown(), shown);
        }
    }
}

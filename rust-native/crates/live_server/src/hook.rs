//! A platform's own rules: asked before somebody publishes or watches, told when that ends.
//!
//! One POST per event, JSON, signed. It never holds a key, a token or a session's name: a session is known by a digest.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use media::Secret;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::config::{HookSettings, WhenUnreachable};
use crate::relay::{Departed, Role};

/// Ends that may wait to be told: past it they are dropped with a warning, the media never waits.
pub(crate) const WAITING_ENDS: usize = 1024;

/// What a hook is told.
#[derive(Debug, Serialize)]
pub(crate) struct Event<'a> {
    /// `publish`, `play` or `end`.
    pub(crate) event: &'static str,
    pub(crate) stream: &'a str,
    /// `publish` or `play`: what has ended.
    pub(crate) kind: &'static str,
    /// The same for a session's beginning and end.
    pub(crate) session: String,
    pub(crate) address: IpAddr,
    /// The `sub` of a signed token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
}

/// What it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    Refused,
    /// It didn't answer, and that means no.
    Unreachable,
}

pub(crate) fn kind(role: Role) -> &'static str {
    match role {
        Role::Publish => "publish",
        Role::View => "play",
    }
}

/// Posts events.
pub(crate) struct Hook {
    client: reqwest::Client,
}

impl Hook {
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        // A redirect would carry who watches what to another machine; a proxy from the environment is nobody's rule.
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        Ok(Self { client })
    }

    /// Asks.
    pub(crate) async fn ask(&self, settings: &HookSettings, event: &Event<'_>) -> Verdict {
        match self.post(settings, event).await {
            Ok(status) if status.is_success() => Verdict::Allowed,
            Ok(status) => {
                tracing::info!(stream = event.stream, event = event.event, %status, "the hook refuses");
                Verdict::Refused
            }
            Err(error) => {
                // Without the address: a platform may have put a key into it.
                let error = error.without_url();
                tracing::warn!(stream = event.stream, event = event.event, %error, "the hook does not answer");
                match settings.when_unreachable {
                    WhenUnreachable::Allow => Verdict::Allowed,
                    WhenUnreachable::Refuse => Verdict::Unreachable,
                }
            }
        }
    }

    async fn post(&self, settings: &HookSettings, event: &Event<'_>) -> Result<reqwest::StatusCode, reqwest::Error> {
        // A struct of texts and an address: it can always be written.
        let body = serde_json::to_string(event).unwrap_or_default();
        self.send(&settings.url, settings.secret.as_ref(), settings.timeout(), body).await
    }

    /// Posts JSON, signed where there is a secret.
    pub(crate) async fn send(
        &self,
        url: &str,
        secret: Option<&Secret>,
        timeout: Duration,
        body: String,
    ) -> Result<reqwest::StatusCode, reqwest::Error> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let mut request = self
            .client
            .post(url)
            .timeout(timeout)
            .header("Content-Type", "application/json")
            .header("X-Tidecast-Timestamp", now);
        if let Some(secret) = secret {
            request = request.header("X-Tidecast-Signature", signature(secret.expose(), now, &body));
        }
        Ok(request.body(body).send().await?.status())
    }

    /// Tells the ends until nobody can report any more. `settings` is looked at anew for each.
    pub(crate) async fn tell_ends(
        &self,
        mut departures: mpsc::Receiver<Departed>,
        settings: impl Fn() -> Option<HookSettings>,
    ) {
        while let Some(departed) = departures.recv().await {
            let Some(settings) = settings() else { continue };
            let event = Event {
                event: "end",
                stream: &departed.stream,
                kind: kind(departed.role),
                session: departed.session.public(),
                address: departed.from,
                subject: None,
            };
            if let Err(error) = self.post(&settings, &event).await {
                tracing::warn!(stream = departed.stream, error = %error.without_url(), "the hook does not hear an end");
            }
        }
    }
}

/// `sha256=…` over time and body: who has the secret knows that both are ours, and how old they are.
fn signature(secret: &str, timestamp: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{timestamp}.{body}").as_bytes());
    format!("sha256={}", tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_covers_time_and_body() {
        let good = signature("secret", 1, "{}");
        // printf '1.{}' | openssl dgst -sha256 -hmac secret
        assert_eq!(good, "sha256=1122767b193110cfec322b6f199b599edbf608ed087f2d27afb0b97d99523908");
        for other in [signature("secret", 2, "{}"), signature("secret", 1, "{ }"), signature("Secret", 1, "{}")] {
            assert_ne!(good, other);
        }
    }
}

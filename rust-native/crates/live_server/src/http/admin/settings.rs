//! The settings in force, to be looked at. What is shown is listed here: a secret can't slip in with a new field.

use std::path::Path;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::super::Site;
use super::Admin;
use crate::auth;
use crate::config::{Config, Network, SecondPublisher, WhenUnreachable};

#[derive(Debug, Serialize)]
pub(super) struct Section {
    /// As the table in the file is called.
    name: String,
    settings: Vec<Setting>,
}

#[derive(Debug, Serialize)]
pub(super) struct Setting {
    name: &'static str,
    value: String,
}

pub(super) async fn settings(State(site): State<Arc<Site>>, _admin: Admin) -> Json<Vec<Section>> {
    Json(sections(&site.config()))
}

fn sections(config: &Config) -> Vec<Section> {
    let address = |address: Option<std::net::SocketAddr>| address.map_or_else(|| "off".to_owned(), |it| it.to_string());
    let second = match config.publishing.second_publisher {
        SecondPublisher::TakeOver => "take_over",
        SecondPublisher::Refuse => "refuse",
    };
    let (rtc, hls, limits, access) = (&config.rtc, &config.hls, &config.limits, &config.access);
    let mut all = vec![
        section(
            "server",
            vec![
                ("http", config.http.to_string()),
                ("drain_seconds", config.drain_seconds.to_string()),
                ("metrics_token", set(config.metrics_token.is_some())),
            ],
        ),
        section(
            "https",
            vec![("listen", address(config.https.listen)), ("certificate", file(config.https.certificate.as_deref()))],
        ),
        section(
            "rtc",
            vec![
                ("port", rtc.port.to_string()),
                ("tcp", rtc.tcp.to_string()),
                ("public_address", rtc.public_address.map_or_else(|| "none".to_owned(), |ip| ip.to_string())),
                ("ice_servers", rtc.ice_servers.len().to_string()),
            ],
        ),
        section("rtmp", vec![("listen", address(config.rtmp.listen)), ("tls_listen", address(config.rtmp.tls_listen))]),
        section(
            "srt",
            vec![("listen", address(config.srt.listen)), ("passphrase", set(config.srt.passphrase.is_some()))],
        ),
        section(
            "publishing",
            vec![
                ("grace_seconds", config.publishing.grace().as_secs().to_string()),
                ("second_publisher", second.to_owned()),
            ],
        ),
        section(
            "transcoding",
            vec![
                ("most_videos", config.transcoding.most_videos.to_string()),
                ("max_renditions", config.transcoding.max_renditions.to_string()),
                ("linger_seconds", config.transcoding.linger_seconds.to_string()),
            ],
        ),
        section("hls", vec![("enabled", hls.enabled.to_string()), ("always", hls.always.to_string())]),
        section(
            "limits",
            vec![
                ("viewers", limits.viewers.to_string()),
                ("failures_per_minute", limits.failures_per_minute.to_string()),
                ("sessions_per_minute", limits.sessions_per_minute.to_string()),
                ("viewers_per_address", limits.viewers_per_address.to_string()),
            ],
        ),
        section(
            "access",
            vec![
                ("publish_allow", networks(&access.publish_allow)),
                ("publish_deny", networks(&access.publish_deny)),
                ("view_allow", networks(&access.view_allow)),
                ("view_deny", networks(&access.view_deny)),
                ("trusted_proxies", networks(&access.trusted_proxies)),
            ],
        ),
        section("tokens", vec![("secret", set(config.tokens.is_some()))]),
    ];
    if let Some(hook) = &config.hook {
        let when = match hook.when_unreachable {
            WhenUnreachable::Refuse => "refuse",
            WhenUnreachable::Allow => "allow",
        };
        all.push(section(
            "hook",
            vec![
                ("url", origin(&hook.url)),
                ("secret", set(hook.secret.is_some())),
                ("when_unreachable", when.to_owned()),
            ],
        ));
    }
    if let Some(admin) = &config.admin {
        all.push(section(
            "admin",
            vec![
                ("folder", file(admin.folder.as_deref())),
                ("allow", networks(&admin.allow)),
                ("plain_http", admin.plain_http.to_string()),
                ("session_hours", admin.session_hours.to_string()),
            ],
        ));
    }
    all.extend(more(config));
    for (name, stream) in &config.streams {
        let hashed = if auth::is_hash(&stream.publish_key) { "hashed" } else { "plain" };
        all.push(section(
            &format!("streams.{name}"),
            vec![
                ("publish_key", hashed.to_owned()),
                ("view_token", set(stream.view_token.is_some())),
                ("signed_only", stream.signed_only.to_string()),
            ],
        ));
    }
    all
}

/// What is there only where it was asked for: recordings, forwards, alerts.
fn more(config: &Config) -> Vec<Section> {
    let mut all = Vec::new();
    for (name, rule) in &config.recording {
        let kept = |limit: Option<f64>| limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
        all.push(section(
            &format!("recording.{name}"),
            vec![
                ("streams", rule.streams.join(", ")),
                ("to", rule.place()),
                ("split_minutes", rule.split_minutes.to_string()),
                ("keep_days", kept(rule.keep_days)),
                ("keep_gb", kept(rule.keep_gb)),
            ],
        ));
    }
    for (name, forward) in &config.forward {
        all.push(section(
            &format!("forward.{name}"),
            vec![("stream", forward.stream.clone()), ("url", forward.shown()), ("key", set(forward.key.is_some()))],
        ));
    }
    if let Some(alerts) = &config.alerts {
        let rules = alerts.rules.keys().cloned().collect::<Vec<_>>().join(", ");
        all.push(section(
            "alerts",
            vec![("webhook", origin(&alerts.webhook)), ("secret", set(alerts.secret.is_some())), ("rules", rules)],
        ));
    }
    all
}

fn section(name: &str, settings: Vec<(&'static str, String)>) -> Section {
    Section {
        name: name.to_owned(),
        settings: settings.into_iter().map(|(name, value)| Setting { name, value }).collect(),
    }
}

/// A URL without its path and its user: a platform may have put a key there.
fn origin(url: &str) -> String {
    let origin = url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    origin.split_once('@').map_or(origin.as_str(), |(_, host)| host).to_owned()
}

fn set(is: bool) -> String {
    if is { "set" } else { "not set" }.to_owned()
}

fn file(path: Option<&Path>) -> String {
    path.map_or_else(|| "none".to_owned(), |path| path.display().to_string())
}

fn networks(list: &[Network]) -> String {
    if list.is_empty() { "–".to_owned() } else { list.iter().map(Network::to_string).collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let config = Config::from_toml(
            "metrics_token = \"hunter2-metrics\"\n[tokens]\nsecret = \"hunter2-0123456789abcdef0123456789\"\n\
             [srt]\npassphrase = \"hunter2-pass\"\n[admin]\npassword = \"hunter2-admin\"\nallow = [\"10.0.0.0/8\"]\n\
             [hook]\nurl = \"https://user:hunter2@hook.example/hunter2?key=hunter2\"\nsecret = \"hunter2-hook\"\n\
             [[rtc.ice_servers]]\nurls = [\"turn:turn.example\"]\nusername = \"hunter2\"\ncredential = \"hunter2\"\n\
             [forward.out]\nstream = \"live\"\nurl = \"rtmp://u:hunter2@twitch.example/app/hunter2\"\nkey = \"hunter2\"\n\
             [recording.all.s3]\nbucket = \"shows\"\naccess_key_id = \"hunter2\"\nsecret_access_key = \"hunter2\"\n\
             [alerts]\nwebhook = \"https://hook.example/hunter2\"\nsecret = \"hunter2\"\n\
             [streams.live]\npublish_key = \"hunter2-key\"\nview_token = \"hunter2-token\"",
        )
        .expect("a good configuration");
        let shown = serde_json::to_string(&sections(&config)).expect("JSON");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("twitch.example") && shown.contains("s3: shows"), "{shown}");
        assert!(shown.contains("hook.example") && shown.contains("10.0.0.0/8") && shown.contains("streams.live"));
    }
}

//! Where media travels: the UDP port, the address the world knows, the servers that help it through firewalls.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use media::Secret;
use serde::Deserialize;

/// `[rtc]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RtcSettings {
    /// The address of the UDP socket; `None` takes that of `http`.
    pub address: Option<IpAddr>,
    /// Its port; 0 takes a free one.
    pub port: u16,
    /// With this the first free port from `port` to it is taken.
    pub last_port: Option<u16>,
    /// Whether the port of the same number takes TCP connections, for who reaches it by TCP alone (RFC 6544).
    pub tcp: bool,
    /// The address by which the world reaches this machine, where a NAT stands before it (1:1, same port).
    pub public_address: Option<IpAddr>,
    /// STUN and TURN servers that publishers and viewers are told of.
    pub ice_servers: Vec<IceServer>,
}

impl Default for RtcSettings {
    fn default() -> Self {
        Self { address: None, port: 0, last_port: None, tcp: true, public_address: None, ice_servers: Vec::new() }
    }
}

/// `[[rtc.ice_servers]]`: told to whoever opens a session, in `Link` headers (RFC 9725 §4.6).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IceServer {
    /// `stun:…`, `turn:…` or `turns:…` (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// For TURN.
    #[serde(default)]
    pub username: Option<String>,
    /// For TURN.
    #[serde(default)]
    pub credential: Option<Secret>,
}

impl RtcSettings {
    pub(crate) fn ports(&self) -> RangeInclusive<u16> {
        self.port..=self.last_port.unwrap_or(self.port)
    }

    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.public_address.is_some_and(|address| address.is_unspecified() || address.is_multicast()) {
            return Err("rtc.public_address is not the address of a machine".to_owned());
        }
        if self.last_port.is_some_and(|last| self.port == 0 || last < self.port) {
            return Err("rtc.last_port must not lie below rtc.port, and rtc.port not be 0".to_owned());
        }
        self.ice_servers.iter().try_for_each(IceServer::check)
    }
}

impl IceServer {
    fn check(&self) -> Result<(), String> {
        // What stands in a header must not break out of it.
        let plain =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"\\".contains(&b));
        let turn = |url: &str| url.starts_with("turn:") || url.starts_with("turns:");
        if self.urls.is_empty() {
            return Err("an entry of rtc.ice_servers has no urls".to_owned());
        }
        for url in &self.urls {
            if !plain(url) || !(url.starts_with("stun:") || turn(url)) {
                return Err("an url of rtc.ice_servers must begin with stun:, turn: or turns:".to_owned());
            }
            if turn(url) && (self.username.is_none() || self.credential.is_none()) {
                return Err("a TURN server of rtc.ice_servers needs username and credential".to_owned());
            }
        }
        let credential = self.credential.as_ref().map(Secret::expose);
        if [self.username.as_deref(), credential].into_iter().flatten().any(|text| !plain(text)) {
            return Err("username and credential of rtc.ice_servers must be printable ASCII without spaces, quotes, \
                        backslashes and angle brackets"
                .to_owned());
        }
        Ok(())
    }

    /// The values of its `Link` headers. They hold the credential.
    pub(crate) fn links(&self) -> impl Iterator<Item = String> {
        self.urls.iter().map(|url| {
            let mut link = format!("<{url}>; rel=\"ice-server\"");
            if let (Some(username), Some(credential)) = (&self.username, &self.credential) {
                let credential = credential.expose();
                link.push_str(&format!(
                    "; username=\"{username}\"; credential=\"{credential}\"; credential-type=\"password\""
                ));
            }
            link
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str, username: Option<&str>, credential: Option<&str>) -> IceServer {
        IceServer {
            urls: vec![url.to_owned()],
            username: username.map(str::to_owned),
            credential: credential.map(Secret::new),
        }
    }

    #[test]
    fn a_turn_server_is_told_with_its_credential() {
        let links: Vec<String> =
            server("turn:turn.example.net?transport=udp", Some("me"), Some("pw")).links().collect();
        assert_eq!(
            links,
            [
                "<turn:turn.example.net?transport=udp>; rel=\"ice-server\"; username=\"me\"; credential=\"pw\"; credential-type=\"password\""
            ]
        );
        assert_eq!(
            server("stun:stun.example.net", None, None).links().collect::<Vec<_>>(),
            ["<stun:stun.example.net>; rel=\"ice-server\""]
        );
    }

    #[test]
    fn what_would_break_a_header_or_cant_work_is_refused() {
        assert!(server("stun:a", None, None).check().is_ok());
        for (url, username, credential) in [
            ("http://a", None, None),
            ("turn:a", None, None),
            ("turn:a", Some("me"), None),
            ("turn:a>; rel=\"x\"", Some("me"), Some("pw")),
            ("turn:a", Some("me\r\nX: y"), Some("pw")),
            ("turn:a", Some("me"), Some("p\"w")),
        ] {
            assert!(server(url, username, credential).check().is_err(), "{url:?} {username:?}");
        }
    }

    #[test]
    fn a_range_of_ports_must_be_one() {
        let range = |port, last_port| RtcSettings { port, last_port, ..RtcSettings::default() };
        assert!(range(8081, Some(8090)).check().is_ok());
        assert_eq!(range(8081, None).ports(), 8081..=8081);
        assert!(range(8081, Some(8080)).check().is_err());
        assert!(range(0, Some(8080)).check().is_err());
    }
}

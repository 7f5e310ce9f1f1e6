//! Who may come at all: networks, signed tokens, and a platform's own rules.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use media::Secret;
use serde::Deserialize;

/// A network in CIDR notation, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network(IpNet);

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map(Self).map_err(|_| "expected a network like 192.0.2.0/24 or an address".to_owned())
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Network {
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// `[access]`. An address on a deny list is refused; where there is an allow list, one that isn't on it too.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessSettings {
    /// Where publishers may come from.
    pub publish_allow: Vec<Network>,
    /// Where they may not.
    pub publish_deny: Vec<Network>,
    /// Where viewers may come from.
    pub view_allow: Vec<Network>,
    /// Where they may not.
    pub view_deny: Vec<Network>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
}

impl AccessSettings {
    /// Whether an address may publish, or watch.
    pub(crate) fn allows(&self, publish: bool, address: IpAddr) -> bool {
        let (allow, deny) =
            if publish { (&self.publish_allow, &self.publish_deny) } else { (&self.view_allow, &self.view_deny) };
        let on = |list: &[Network]| list.iter().any(|network| network.contains(address));
        !on(deny) && (allow.is_empty() || on(allow))
    }

    /// Whether an address is a proxy that is believed.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|proxy| proxy.contains(address))
    }

    /// Who asks, when `forwarded` is what proxies wrote into `X-Forwarded-For`: the last address that no trusted proxy
    /// has. What stands before it anybody can write.
    pub(crate) fn asker(&self, from: IpAddr, forwarded: &[&str]) -> IpAddr {
        let mut asker = from;
        let mut hops = forwarded.iter().flat_map(|line| line.split(',')).collect::<Vec<_>>();
        while self.trusts(asker) {
            let Some(Ok(before)) = hops.pop().map(|hop| hop.trim().parse::<IpAddr>()) else { break };
            asker = before;
        }
        asker
    }
}

/// `[tokens]`: signed tokens (JWT, HS256) open streams beside their keys.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// What they are signed with; at least 32 characters.
    pub secret: Secret,
}

/// `[hook]`: asked before somebody publishes or watches, told when that ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookSettings {
    /// Where to POST. An answer of 2xx allows, every other refuses.
    pub url: String,
    /// Signs what is sent, in `X-Tidecast-Signature`.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// Milliseconds to wait for an answer.
    #[serde(default = "hook_timeout")]
    pub timeout_ms: u64,
    /// What holds when none comes.
    #[serde(default)]
    pub when_unreachable: WhenUnreachable,
}

/// What holds when the hook doesn't answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnreachable {
    /// Nobody new gets in (503).
    #[default]
    Refuse,
    /// Everybody does who has the key.
    Allow,
}

fn hook_timeout() -> u64 {
    3000
}

impl HookSettings {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if !(self.url.starts_with("http://") || self.url.starts_with("https://")) {
            return Err("hook.url must begin with http:// or https://".to_owned());
        }
        if !(100..=30_000).contains(&self.timeout_ms) {
            return Err("hook.timeout_ms must lie between 100 and 30000".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(list: &[&str]) -> Vec<Network> {
        list.iter().map(|text| Network::try_from((*text).to_owned()).expect("a network")).collect()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn deny_goes_before_allow_and_an_empty_list_allows() {
        let access = AccessSettings {
            publish_allow: networks(&["10.0.0.0/8", "2001:db8::/32"]),
            publish_deny: networks(&["10.1.2.3"]),
            view_deny: networks(&["192.0.2.0/24"]),
            ..AccessSettings::default()
        };
        assert!(access.allows(true, ip("10.1.2.4")) && access.allows(true, ip("2001:db8::1")));
        assert!(access.allows(true, ip("::ffff:10.9.9.9")), "an IPv4 address in an IPv6 socket");
        assert!(!access.allows(true, ip("10.1.2.3")) && !access.allows(true, ip("127.0.0.1")));
        assert!(access.allows(false, ip("127.0.0.1")) && !access.allows(false, ip("192.0.2.77")));
        assert!(Network::try_from("10.0.0.0/40".to_owned()).is_err());
    }

    #[test]
    fn only_what_a_trusted_proxy_wrote_is_believed() {
        let access = AccessSettings { trusted_proxies: networks(&["127.0.0.1", "10.0.0.0/8"]), ..Default::default() };
        assert_eq!(access.asker(ip("192.0.2.1"), &["203.0.113.5"]), ip("192.0.2.1"), "anybody can write it");
        assert_eq!(access.asker(ip("127.0.0.1"), &["203.0.113.5"]), ip("203.0.113.5"));
        assert_eq!(access.asker(ip("127.0.0.1"), &["6.6.6.6, 203.0.113.5, 10.2.0.1"]), ip("203.0.113.5"));
        assert_eq!(access.asker(ip("127.0.0.1"), &["6.6.6.6", "203.0.113.5"]), ip("203.0.113.5"));
        assert_eq!(access.asker(ip("127.0.0.1"), &["nonsense"]), ip("127.0.0.1"));
        assert_eq!(access.asker(ip("127.0.0.1"), &[]), ip("127.0.0.1"));
    }
}

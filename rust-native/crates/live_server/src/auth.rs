//! Who may do what: bearer tokens, compared in constant time, and a limit on wrong ones.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use media::Secret;
use rand::TryRngCore;
use rand::rngs::OsRng;
use subtle::ConstantTimeEq;

/// The token of `Authorization: Bearer …` (RFC 6750 §2.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether a token is the secret. How long it takes says nothing about where they differ (though it may say whether
/// the lengths do, which is no help against 128 random bits).
pub(crate) fn matches(token: Option<&str>, secret: &Secret) -> bool {
    token.is_some_and(|token| bool::from(token.as_bytes().ct_eq(secret.expose().as_bytes())))
}

/// `bytes` random bytes from the system, as lower-case hexadecimal digits.
///
/// # Panics
/// If the system has no random numbers: nothing here may run without them.
pub(crate) fn random_hex(bytes: usize) -> String {
    let mut buffer = vec![0u8; bytes];
    #[allow(clippy::expect_used)]
    OsRng.try_fill_bytes(&mut buffer).expect("the system's random numbers");
    buffer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Wrong tokens are counted in windows this long.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered; past it the oldest windows go, so that a flood can't fill the memory.
const MOST_ADDRESSES: usize = 4096;

/// Counts wrong tokens by address.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    by_address: HashMap<IpAddr, (u32, Instant)>,
}

impl Failures {
    /// How long an address has to wait, if it has failed too often. A limit of 0 means none.
    pub(crate) fn blocked(&self, address: IpAddr, limit: u32, now: Instant) -> Option<Duration> {
        let (count, since) = self.by_address.get(&key(address))?;
        let left = (*since + WINDOW).saturating_duration_since(now);
        (limit > 0 && *count >= limit && !left.is_zero()).then_some(left)
    }

    /// Counts a wrong token.
    pub(crate) fn failed(&mut self, address: IpAddr, now: Instant) {
        if self.by_address.len() >= MOST_ADDRESSES {
            self.by_address.retain(|_, (_, since)| now.saturating_duration_since(*since) < WINDOW);
            if self.by_address.len() >= MOST_ADDRESSES {
                self.by_address.clear();
            }
        }
        let entry = self.by_address.entry(key(address)).or_insert((0, now));
        if now.saturating_duration_since(entry.1) >= WINDOW {
            *entry = (0, now);
        }
        entry.0 = entry.0.saturating_add(1);
    }
}

/// One household has a whole /64 of IPv6 addresses: they count as one.
fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_matches() {
        let secret = Secret::new("abcdefgh");
        assert!(matches(Some("abcdefgh"), &secret));
        for wrong in [None, Some(""), Some("abcdefg"), Some("abcdefghi"), Some("abcdefgx")] {
            assert!(!matches(wrong, &secret));
        }
    }

    #[test]
    fn an_address_that_fails_too_often_waits_out_its_minute() {
        let mut failures = Failures::default();
        let (start, address) = (Instant::now(), IpAddr::from([192, 0, 2, 1]));
        for _ in 0..3 {
            assert!(failures.blocked(address, 3, start).is_none());
            failures.failed(address, start);
        }
        assert_eq!(failures.blocked(address, 3, start + Duration::from_secs(20)), Some(Duration::from_secs(40)));
        assert!(failures.blocked(IpAddr::from([192, 0, 2, 2]), 3, start).is_none());
        assert!(failures.blocked(address, 3, start + WINDOW).is_none());
        failures.failed(address, start + WINDOW);
        assert!(failures.blocked(address, 3, start + WINDOW).is_none());
    }

    #[test]
    fn remembered_addresses_are_bounded() {
        let mut failures = Failures::default();
        let now = Instant::now();
        for n in 0..10_000u32 {
            failures.failed(IpAddr::from(n.to_be_bytes()), now);
        }
        assert!(failures.by_address.len() <= MOST_ADDRESSES);
    }

    #[test]
    fn random_names_differ_and_have_128_bits() {
        let (a, b) = (random_hex(16), random_hex(16));
        assert_eq!(a.len(), 32);
        assert_ne!(a, b);
    }
}

//! Who may do what: bearer tokens against keys (plain or hashed) and signatures, networks, and counts of who failed.
//!
//! Nothing here answers requests or knows streams: `http::access` puts the pieces together.

mod counter;
mod keys;
mod signed;

pub(crate) use counter::{Counter, household};
pub use keys::hash_key;
pub(crate) use keys::{Busy, KeyChecker, check_hash, is_hash};
pub use signed::{TokenAct, sign_token};
pub(crate) use signed::{TokenProblem, verify_token};

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
    fn random_names_differ_and_have_128_bits() {
        let (a, b) = (random_hex(16), random_hex(16));
        assert_eq!(a.len(), 32);
        assert_ne!(a, b);
    }
}

//! Keys at rest: as they are, or as Argon2id hashes (RFC 9106) that a stolen configuration doesn't give away.
//!
//! A hash costs a core some tens of milliseconds and 19 MiB. One is computed at a time, off the runtime's threads, and a
//! key that was right once is known again by a keyed digest, so that neither a crowd of players nor a flood of wrong
//! keys takes the processor from the media.

use std::collections::HashSet;
use std::time::Duration;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::hmac;
use media::Secret;
use parking_lot::Mutex;
use rand::TryRngCore;
use tokio::sync::Semaphore;

use super::matches;

/// A key longer than this is no key: hashing it would only cost time.
const LONGEST_KEY: usize = 512;
/// Keys that are remembered as right. Past it all are forgotten and hashed once more.
const MOST_KNOWN: usize = 1024;
/// Who has waited this long for the one place to compute is told to come back.
const PATIENCE: Duration = Duration::from_secs(5);
/// KiB that a hash in a configuration may ask for: one of a gigabyte would stop the machine at each wrong key.
const MOST_MEMORY: u32 = 256 << 10;
const MOST_PASSES: u32 = 16;

/// The hash of a key, for a configuration file: Argon2id with 19 MiB, two passes (OWASP's first choice).
///
/// # Errors
/// What is wrong with the key, or that the system has no random numbers.
pub fn hash_key(key: &Secret) -> Result<String, String> {
    if key.expose().len() > LONGEST_KEY {
        return Err(format!("the key is longer than {LONGEST_KEY} bytes"));
    }
    let mut salt = [0u8; 16];
    rand::rngs::OsRng.try_fill_bytes(&mut salt).map_err(|error| format!("no random numbers: {error}"))?;
    let salt = SaltString::encode_b64(&salt).map_err(|error| error.to_string())?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default());
    Ok(argon.hash_password(key.expose().as_bytes(), &salt).map_err(|error| error.to_string())?.to_string())
}

/// Whether a configured key is a hash.
pub(crate) fn is_hash(secret: &Secret) -> bool {
    secret.expose().starts_with("$argon2")
}

/// What is wrong with a configured hash.
pub(crate) fn check_hash(secret: &Secret) -> Result<(), String> {
    let hash = PasswordHash::new(secret.expose()).map_err(|_| "is not a whole Argon2 hash".to_owned())?;
    let params = Params::try_from(&hash).map_err(|_| "has parameters that can't be used".to_owned())?;
    if hash.algorithm != argon2::ARGON2ID_IDENT || hash.hash.is_none() {
        return Err("is not an Argon2id hash: make one with tidecast-server hash-key".to_owned());
    }
    if params.m_cost() > MOST_MEMORY || params.t_cost() > MOST_PASSES {
        return Err("asks for more memory or passes than a server can spend on each wrong key".to_owned());
    }
    Ok(())
}

/// No place to compute a hash became free in time.
#[derive(Debug)]
pub(crate) struct Busy;

/// Compares tokens with keys.
pub(crate) struct KeyChecker {
    /// Made anew by each run: the digests below mean nothing outside of it.
    seal: hmac::Key,
    known: Mutex<HashSet<[u8; 32]>>,
    place: Semaphore,
}

impl Default for KeyChecker {
    fn default() -> Self {
        Self::new()
    }
}

impl KeyChecker {
    pub(crate) fn new() -> Self {
        let seal = hmac::Key::new(hmac::HMAC_SHA256, super::random_hex(32).as_bytes());
        Self { seal, known: Mutex::default(), place: Semaphore::new(1) }
    }

    /// Whether a token is the key.
    pub(crate) async fn matches(&self, token: Option<&str>, key: &Secret) -> Result<bool, Busy> {
        if !is_hash(key) {
            return Ok(matches(token, key));
        }
        let Some(token) = token.filter(|token| token.len() <= LONGEST_KEY) else { return Ok(false) };
        let digest = self.digest(token, key);
        if self.known.lock().contains(&digest) {
            return Ok(true);
        }
        let place = tokio::time::timeout(PATIENCE, self.place.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err(Busy) };
        let (token, hash) = (Secret::new(token), key.clone());
        let right = tokio::task::spawn_blocking(move || {
            PasswordHash::new(hash.expose())
                .is_ok_and(|hash| Argon2::default().verify_password(token.expose().as_bytes(), &hash).is_ok())
        })
        .await
        .unwrap_or(false);
        if right {
            let mut known = self.known.lock();
            if known.len() >= MOST_KNOWN {
                known.clear();
            }
            known.insert(digest);
        }
        Ok(right)
    }

    fn digest(&self, token: &str, key: &Secret) -> [u8; 32] {
        // A hash holds no zero byte: the two can't run into each other.
        let text = [key.expose().as_bytes(), b"\0", token.as_bytes()].concat();
        let mut digest = [0; 32];
        digest.copy_from_slice(hmac::sign(&self.seal, &text).as_ref());
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hashed_key_opens_with_the_key_and_not_with_the_hash() {
        let hash = Secret::new(hash_key(&Secret::new("correct-horse")).expect("a hash"));
        assert!(is_hash(&hash) && check_hash(&hash).is_ok());
        let checker = KeyChecker::new();
        for round in 0..2 {
            assert!(checker.matches(Some("correct-horse"), &hash).await.expect("not busy"), "round {round}");
            for wrong in [None, Some(""), Some("correct-hors"), Some(hash.expose())] {
                assert!(!checker.matches(wrong, &hash).await.expect("not busy"));
            }
        }
        let other = Secret::new(hash_key(&Secret::new("correct-horse")).expect("a hash"));
        assert_ne!(hash, other, "each has its own salt");
    }

    #[tokio::test]
    async fn a_key_that_was_right_once_costs_no_second_hash_and_a_changed_key_does() {
        let hash = Secret::new(hash_key(&Secret::new("correct-horse")).expect("a hash"));
        let checker = KeyChecker::new();
        assert!(checker.matches(Some("correct-horse"), &hash).await.expect("not busy"));
        let _taken = checker.place.acquire().await.expect("the only place");
        assert!(checker.matches(Some("correct-horse"), &hash).await.expect("known"));
        let changed = Secret::new(hash_key(&Secret::new("another-key")).expect("a hash"));
        tokio::time::pause();
        assert!(checker.matches(Some("correct-horse"), &changed).await.is_err(), "it waits for the place in vain");
    }

    #[test]
    fn a_hash_that_is_none_or_costs_too_much_is_refused() {
        let good = hash_key(&Secret::new("correct-horse")).expect("a hash");
        for bad in [
            "$argon2id$",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0",
            &good.replace("argon2id", "argon2i"),
            &good.replace("m=19456", "m=4194304"),
            &good.replace("t=2", "t=200"),
        ] {
            assert!(check_hash(&Secret::new(bad)).is_err(), "{bad}");
        }
    }
}

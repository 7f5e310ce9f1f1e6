//! Who is signed in. Only digests of the cookies are kept, in memory: a restart signs everybody out.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};

/// Past it the oldest is signed out: a person has some browsers, not a hundred.
const MOST: usize = 64;
/// Nobody looked for so long: signed out, however long the sign-in is good.
const UNUSED: Duration = Duration::from_secs(3600);

type Digest = [u8; 32];

#[derive(Debug)]
struct SignIn {
    since: Instant,
    seen: Instant,
    /// Of the password that it was opened with: another password ends it.
    password: Digest,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SignIns(HashMap<Digest, SignIn>);

fn sha256(text: &str) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    out
}

impl SignIns {
    /// Signs somebody in with a password (or its stored form) and gives the cookie's value: 256 random bits.
    pub(crate) fn open(&mut self, password: &str, now: Instant) -> String {
        if self.0.len() >= MOST
            && let Some(oldest) = self.0.iter().min_by_key(|(_, sign_in)| sign_in.seen).map(|(name, _)| *name)
        {
            self.0.remove(&oldest);
        }
        let cookie = crate::auth::random_hex(32);
        self.0.insert(sha256(&cookie), SignIn { since: now, seen: now, password: sha256(password) });
        cookie
    }

    /// Whether a cookie is good.
    pub(crate) fn is_good(&mut self, cookie: &str, password: &str, lifetime: Duration, now: Instant) -> bool {
        let name = sha256(cookie);
        let good = self.0.get_mut(&name).is_some_and(|sign_in| {
            let age = now.saturating_duration_since(sign_in.since);
            let unused = now.saturating_duration_since(sign_in.seen);
            let good = age < lifetime && unused < UNUSED && sign_in.password == sha256(password);
            if good {
                sign_in.seen = now;
            }
            good
        });
        if !good {
            self.0.remove(&name);
        }
        good
    }

    /// Signs a cookie's owner out.
    pub(crate) fn close(&mut self, cookie: &str) {
        self.0.remove(&sha256(cookie));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(12 * 3600);

    #[test]
    fn a_sign_in_ends_by_its_age_by_disuse_by_another_password_and_by_signing_out() {
        let (mut sign_ins, start) = (SignIns::default(), Instant::now());
        let cookie = sign_ins.open("secret", start);
        assert_eq!(cookie.len(), 64);
        assert!(!sign_ins.is_good("another", "secret", LIFETIME, start));
        for minutes in (0..12 * 60).step_by(30) {
            let now = start + Duration::from_secs(minutes * 60);
            assert!(sign_ins.is_good(&cookie, "secret", LIFETIME, now), "after {minutes} minutes");
        }
        assert!(!sign_ins.is_good(&cookie, "secret", LIFETIME, start + LIFETIME));
        for (password, later) in [("secret", UNUSED), ("changed", Duration::ZERO)] {
            let cookie = sign_ins.open("secret", start);
            assert!(!sign_ins.is_good(&cookie, password, LIFETIME, start + later));
            assert!(!sign_ins.is_good(&cookie, "secret", LIFETIME, start), "it is forgotten");
        }
        let cookie = sign_ins.open("secret", start);
        sign_ins.close(&cookie);
        assert!(!sign_ins.is_good(&cookie, "secret", LIFETIME, start));
    }

    #[test]
    fn the_one_that_was_not_used_longest_makes_room() {
        let (mut sign_ins, start) = (SignIns::default(), Instant::now());
        let first = sign_ins.open("secret", start);
        let rest: Vec<String> =
            (1..=MOST as u64).map(|n| sign_ins.open("secret", start + Duration::from_secs(n))).collect();
        assert!(!sign_ins.is_good(&first, "secret", LIFETIME, start));
        assert!(rest.iter().all(|cookie| sign_ins.is_good(cookie, "secret", LIFETIME, start)));
    }
}

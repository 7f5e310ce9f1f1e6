//! Tokens: good for one connection, or for one run of the engine.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use media::Secret;
use rand::RngCore;
use subtle::ConstantTimeEq;

/// A page fetches its token right before it connects; a minute covers a window that is just starting.
const LIFETIME: Duration = Duration::from_secs(60);
/// Tokens that may be out at once: a page needs one, and a loop that asks for more must not fill memory.
const OUTSTANDING: usize = 16;

/// 256 random bits, in hexadecimal: can't be guessed, needs no escaping in a URL.
pub(super) fn random_token() -> Secret {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Compares without telling by its duration how much was right.
pub(super) fn equal(token: &Secret, given: &str) -> bool {
    token.expose().as_bytes().ct_eq(given.as_bytes()).into()
}

/// The one-time tokens that are out, oldest first.
#[derive(Debug, Default)]
pub(super) struct OneTimeTokens(VecDeque<(Secret, Instant)>);

impl OneTimeTokens {
    /// A new one, good for one use within a minute; the oldest of seventeen is void.
    pub(super) fn issue(&mut self, now: Instant) -> Secret {
        self.forget(now);
        if self.0.len() == OUTSTANDING {
            self.0.pop_front();
        }
        let token = random_token();
        self.0.push_back((token.clone(), now + LIFETIME));
        token
    }

    /// Uses one up; `false` when there is no such token.
    pub(super) fn redeem(&mut self, given: &str, now: Instant) -> bool {
        self.forget(now);
        let mut found = None;
        for (n, (token, _)) in self.0.iter().enumerate() {
            // Every token is looked at, so that the time taken says nothing either.
            if equal(token, given) {
                found = Some(n);
            }
        }
        found.is_some_and(|n| self.0.remove(n).is_some())
    }

    fn forget(&mut self, now: Instant) {
        while self.0.front().is_some_and(|(_, until)| *until <= now) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_once() {
        let mut tokens = OneTimeTokens::default();
        let now = Instant::now();
        let token = tokens.issue(now);
        assert_eq!(token.expose().len(), 64);
        assert!(!tokens.redeem("", now));
        assert!(!tokens.redeem(&token.expose()[1..], now));
        assert!(tokens.redeem(token.expose(), now));
        assert!(!tokens.redeem(token.expose(), now));
    }

    #[test]
    fn a_token_expires_after_a_minute() {
        let mut tokens = OneTimeTokens::default();
        let now = Instant::now();
        let token = tokens.issue(now);
        let late = tokens.issue(now + Duration::from_secs(30));
        assert!(!tokens.redeem(token.expose(), now + LIFETIME));
        assert!(tokens.redeem(late.expose(), now + LIFETIME));
    }

    #[test]
    fn the_seventeenth_voids_the_first() {
        let mut tokens = OneTimeTokens::default();
        let now = Instant::now();
        let issued: Vec<Secret> = (0..=OUTSTANDING).map(|_| tokens.issue(now)).collect();
        assert!(!tokens.redeem(issued[0].expose(), now));
        assert!(issued[1..].iter().all(|token| tokens.redeem(token.expose(), now)));
    }
}

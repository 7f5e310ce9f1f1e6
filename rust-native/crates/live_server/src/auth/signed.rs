//! Signed tokens that expire: JSON Web Tokens (RFC 7519) with HS256, made by a platform or by `sign-token`.
//!
//! One algorithm and one key: what a token's header says about either is checked, never followed.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use media::Secret;
use serde::{Deserialize, Serialize};

/// Larger ones are refused unread.
const LONGEST: usize = 2048;
/// Clocks of two machines may differ by this, seconds.
const LEEWAY: u64 = 5;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenAct {
    /// To watch.
    View,
    /// To publish.
    Publish,
}

/// What stands in a token. Claims that aren't known are nobody's business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) stream: String,
    pub(crate) act: TokenAct,
    /// Unix seconds; a token without it is none.
    pub(crate) exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nbf: Option<u64>,
    /// Whom the platform gave it to; told to the hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sub: Option<String>,
}

/// Why a token opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenProblem {
    /// It isn't ours, or isn't for this.
    Wrong,
    /// It was good.
    Expired,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Extensions that must be understood (RFC 7515 §4.1.11): none are.
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// Makes a token for a stream. `now` is Unix time.
///
/// # Errors
/// Only if the claims can't be written as JSON.
pub fn sign_token(
    secret: &Secret,
    stream: &str,
    act: TokenAct,
    lifetime: Duration,
    now: Duration,
) -> Result<String, serde_json::Error> {
    let exp = now.saturating_add(lifetime).as_secs();
    sign(secret, &Claims { stream: stream.to_owned(), act, exp, nbf: None, sub: None })
}

fn sign(secret: &Secret, claims: &Claims) -> Result<String, serde_json::Error> {
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let text = format!("{header}.{}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes()));
    Ok(format!("{text}.{signature}"))
}

/// What a token says, if it is signed with the secret, is for this stream and act, and its time is now (Unix time).
pub(crate) fn verify_token(
    token: &str,
    secret: &Secret,
    (stream, act): (&str, TokenAct),
    now: Duration,
) -> Result<Claims, TokenProblem> {
    let wrong = TokenProblem::Wrong;
    if token.len() > LONGEST {
        return Err(wrong);
    }
    let (text, signature) = token.rsplit_once('.').ok_or(wrong)?;
    let (header, payload) = text.split_once('.').ok_or(wrong)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| wrong);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    hmac::verify(&key, text.as_bytes(), &decode(signature)?).map_err(|_| wrong)?;
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| wrong)?;
    if header.alg != "HS256" || header.crit.is_some() {
        return Err(wrong);
    }
    let claims: Claims = serde_json::from_slice(&decode(payload)?).map_err(|_| wrong)?;
    let now = now.as_secs();
    if claims.stream != stream || claims.act != act || claims.nbf.is_some_and(|from| from > now + LEEWAY) {
        return Err(wrong);
    }
    if claims.exp.saturating_add(LEEWAY) <= now {
        return Err(TokenProblem::Expired);
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn secret() -> Secret {
        Secret::new("0123456789abcdef0123456789abcdef")
    }

    fn verify(token: &str, stream: &str, act: TokenAct, now: Duration) -> Result<Claims, TokenProblem> {
        verify_token(token, &secret(), (stream, act), now)
    }

    #[test]
    fn a_token_opens_its_stream_and_act_until_its_time_is_over() {
        let token = sign_token(&secret(), "live", TokenAct::View, Duration::from_secs(60), NOW).expect("a token");
        assert!(verify(&token, "live", TokenAct::View, NOW).is_ok());
        assert_eq!(verify(&token, "other", TokenAct::View, NOW), Err(TokenProblem::Wrong));
        assert_eq!(verify(&token, "live", TokenAct::Publish, NOW), Err(TokenProblem::Wrong));
        assert!(verify(&token, "live", TokenAct::View, NOW + Duration::from_secs(64)).is_ok());
        let late = NOW + Duration::from_secs(65);
        assert_eq!(verify(&token, "live", TokenAct::View, late), Err(TokenProblem::Expired));
    }

    #[test]
    fn a_token_of_another_key_algorithm_or_text_opens_nothing() {
        let token = sign_token(&secret(), "live", TokenAct::View, Duration::from_secs(60), NOW).expect("a token");
        let other = Secret::new("another-secret-another-secret-xx");
        assert!(verify_token(&token, &other, ("live", TokenAct::View), NOW).is_err());
        let claims = URL_SAFE_NO_PAD.encode(br#"{"stream":"live","act":"view","exp":9999999999}"#);
        let none = URL_SAFE_NO_PAD.encode(br#"{"alg":"none"}"#);
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret().expose().as_bytes());
        let signed = |header: &str, claims: &str| {
            let text = format!("{header}.{claims}");
            format!("{text}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes())))
        };
        for bad in [format!("{none}.{claims}."), signed(&none, &claims), token.replace('.', ""), "..".to_owned()] {
            assert_eq!(verify(&bad, "live", TokenAct::View, NOW), Err(TokenProblem::Wrong), "{bad}");
        }
        let hs256 = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256"}"#);
        let immortal = URL_SAFE_NO_PAD.encode(br#"{"stream":"live","act":"view"}"#);
        assert!(verify(&signed(&hs256, &claims), "live", TokenAct::View, NOW).is_ok());
        assert!(verify(&signed(&hs256, &immortal), "live", TokenAct::View, NOW).is_err(), "it would never expire");
        let critical = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","crit":["x"]}"#);
        assert!(verify(&signed(&critical, &claims), "live", TokenAct::View, NOW).is_err());
    }

    /// The header in another order, blanks, a claim more.
    #[test]
    fn a_token_that_is_written_differently_is_read() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret().expose().as_bytes());
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let claims = r#"{ "iss":"shop", "exp": 1800000100, "nbf": 1800000003, "sub":"user-7", "act":"publish", "stream":"live"}"#;
        let text = format!("{}.{}", part(r#"{"typ":"JWT","alg":"HS256"}"#), part(claims));
        let token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes())));
        let read = verify(&token, "live", TokenAct::Publish, NOW).expect("within the leeway");
        assert_eq!(read.sub.as_deref(), Some("user-7"));
        assert!(verify(&token, "live", TokenAct::Publish, NOW - Duration::from_secs(10)).is_err(), "too early");
    }
}

//! One HTTP exchange with a WHIP server: whom the key goes to, where a redirect leads, how long to wait.

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use media::Secret;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode};
use tokio::time::timeout;
use url::{Host, Url};

use super::WhipError;

/// For the name, TCP and TLS. A network that comes back within a pause between two attempts is found by the second
/// repetition of a SYN (3 s); waiting for the third (7 s) would only delay the next attempt.
const CONNECT: Duration = Duration::from_secs(5);
/// For each answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// An answer is some 4 KiB; this much leaves room for any number of candidates.
const MAX_BODY: usize = 256 * 1024;
/// Load balancers redirect once; five is a loop.
const MAX_REDIRECTS: usize = 5;
/// A server that asks for a longer pause is asked again after this one.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

/// A request, but for the way it goes.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) headers: &'a [(HeaderName, &'a str)],
    pub(super) body: &'a str,
}

/// Whom the key is for.
#[derive(Debug, Clone)]
pub(super) struct Party {
    pub(super) endpoint: Url,
    pub(super) key: Option<Secret>,
}

impl Party {
    /// The key, where `target` may have it.
    fn key_for(&self, target: &Url) -> Option<&Secret> {
        self.key.as_ref().filter(|key| !key.is_empty() && is_same_party(&self.endpoint, target))
    }

    /// Asks, and follows where it is told to (307, 308: the same request again); also from whom the answer came.
    pub(super) async fn ask(&self, target: &Url, call: Call<'_>) -> Result<(Response, Url), WhipError> {
        let mut target = target.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = client(&target)?.request(call.method.clone(), target.clone());
            for (name, value) in call.headers {
                request = request.header(name, *value);
            }
            if let Some(key) = self.key_for(&target) {
                request = request.bearer_auth(key.expose());
            }
            if !call.body.is_empty() {
                request = request.body(call.body.to_owned());
            }
            let response = match timeout(TIMEOUT + CONNECT, request.send()).await {
                Ok(sent) => sent.map_err(connection_error)?,
                Err(_) => return Err(WhipError::NoAnswer),
            };
            if !matches!(response.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
                return Ok((response, target));
            }
            target = location(response.headers(), &target)
                .ok_or_else(|| WhipError::NotWhip("a redirect that leads nowhere".into()))?;
        }
        Err(WhipError::NotWhip("it redirects in a circle".into()))
    }

    /// What a status that is none of the wanted ones means.
    pub(super) fn refusal(&self, response: &Response, from: &Url) -> WhipError {
        let status = response.status().as_u16();
        let withheld = self.key.as_ref().is_some_and(|key| !key.is_empty()) && self.key_for(from).is_none();
        if let (401 | 403, true, Some(host)) = (status, withheld, from.host_str()) {
            return WhipError::KeyWithheld { status, host: host.to_owned() };
        }
        WhipError::from_status(status, retry_after(response.headers(), SystemTime::now()))
    }
}

/// Whether `target` is whom the user gave the key for: the same host and port, and no less protected.
fn is_same_party(endpoint: &Url, target: &Url) -> bool {
    let upgraded = endpoint.scheme() == "http" && target.scheme() == "https";
    let both_default = endpoint.port().is_none() && target.port().is_none();
    endpoint.host() == target.host() && (endpoint.origin() == target.origin() || upgraded && both_default)
}

/// The body as text, if it has that type and a sane size.
pub(super) async fn text(mut response: Response, wanted: &str) -> Result<String, WhipError> {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted) {
        return Err(WhipError::NotSdp("it is of another content type".into()));
    }
    let mut body = Vec::new();
    loop {
        match timeout(TIMEOUT, response.chunk()).await {
            Ok(Ok(Some(chunk))) if body.len() + chunk.len() <= MAX_BODY => body.extend_from_slice(&chunk),
            Ok(Ok(Some(_))) => return Err(WhipError::NotSdp(format!("it has more than {MAX_BODY} bytes"))),
            Ok(Ok(None)) => break,
            Ok(Err(error)) => return Err(connection_error(error)),
            Err(_) => return Err(WhipError::NoAnswer),
        }
    }
    String::from_utf8(body).map_err(|_| WhipError::NotSdp("it is not text".into()))
}

/// The `Location`, resolved against where it came from.
pub(super) fn location(headers: &HeaderMap, base: &Url) -> Option<Url> {
    let location = base.join(headers.get(LOCATION)?.to_str().ok()?).ok()?;
    (matches!(location.scheme(), "http" | "https") && location.host().is_some()).then_some(location)
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    pause(headers.get(RETRY_AFTER)?.to_str().ok()?, now)
}

/// The value of a `Retry-After`.
pub(crate) fn pause(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let pause = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(pause.min(MAX_RETRY_AFTER))
}

/// Without the URL, which may hold a key.
fn connection_error(error: reqwest::Error) -> WhipError {
    if error.is_timeout() && !error.is_connect() {
        return WhipError::NoAnswer;
    }
    let mut reason = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        reason = error.to_string();
        cause = error.source();
    }
    if reason.is_empty() {
        reason = error.without_url().to_string();
    }
    WhipError::AddressUnreachable(reason)
}

/// One client for what lies outside, which honours the system's proxy, and one for this machine, which does not.
fn client(target: &Url) -> Result<Client, WhipError> {
    static OUTSIDE: OnceLock<Client> = OnceLock::new();
    static HERE: OnceLock<Client> = OnceLock::new();
    let builder = || {
        Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(TIMEOUT)
            // A session asks twice, hours apart: nothing is gained by keeping connections.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("Tidecast/", env!("CARGO_PKG_VERSION")))
    };
    let (slot, builder) = if is_loopback(target) { (&HERE, builder().no_proxy()) } else { (&OUTSIDE, builder()) };
    if let Some(client) = slot.get() {
        return Ok(client.clone());
    }
    let client = builder.build().map_err(connection_error)?;
    Ok(slot.get_or_init(|| client).clone())
}

/// Whether a URL's host is this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.to_canonical().is_loopback() || IpAddr::V6(ip).is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[test]
    fn the_key_stays_with_the_host_it_was_given_for() {
        let same = |a: &str, b: &str| is_same_party(&url(a), &url(b));
        assert!(same("https://a.example/whip", "https://a.example/session/1"));
        assert!(same("http://a.example/whip", "https://a.example/whip"));
        assert!(!same("https://a.example/whip", "http://a.example/whip"));
        assert!(!same("https://a.example/whip", "https://b.example/whip"));
        assert!(!same("https://a.example/whip", "https://a.example.evil/whip"));
        assert!(!same("http://127.0.0.1:8080/whip", "http://127.0.0.1:8081/whip"));
        assert!(!same("http://a.example:8080/whip", "https://a.example/whip"));
    }

    #[test]
    fn a_pause_is_seconds_or_a_date_and_has_an_end() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let pause = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().expect("a value"));
            retry_after(&headers, now)
        };
        assert_eq!(pause("7"), Some(Duration::from_secs(7)));
        assert_eq!(pause("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(pause("Sun, 06 Nov 1994 08:49:27 GMT"), Some(Duration::ZERO));
        assert_eq!(pause("99999999999"), Some(MAX_RETRY_AFTER));
        assert_eq!(pause("soon"), None);
    }

    #[test]
    fn this_machine_has_many_names() {
        for here in ["http://127.0.0.1:1/", "http://[::1]/", "http://localhost/", "http://x.localhost:8/"] {
            assert!(is_loopback(&url(here)), "{here}");
        }
        for there in ["http://192.168.1.1/", "http://localhost.example/", "http://[fe80::1]/"] {
            assert!(!is_loopback(&url(there)), "{there}");
        }
    }
}

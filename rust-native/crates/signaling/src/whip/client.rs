//! The requests themselves.

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use media::Secret;
use reqwest::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, LINK, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use tokio::time::timeout;
use url::{Host, Url};

use super::WhipError;
use super::link::{LinkedIceServer, ice_servers};

/// For the connection, and again for each answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// An answer is some 4 KiB; this much leaves room for any number of candidates.
const MAX_ANSWER: usize = 256 * 1024;
/// Load balancers redirect once; five is a loop.
const MAX_REDIRECTS: usize = 5;
/// A server that asks for a longer pause is asked again after this one.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);
const SDP: &str = "application/sdp";

/// A session on the server.
#[derive(Debug)]
pub struct WhipSession {
    /// The SDP answer.
    pub answer: String,
    /// STUN and TURN servers that the server offers for the next attempt.
    pub ice_servers: Vec<LinkedIceServer>,
    /// The session's own address. Unguessable, so it is not to be logged.
    pub resource: Url,
    /// Of the ICE session, where the server supports restarts.
    pub etag: Option<String>,
    endpoint: Url,
    key: Option<Secret>,
}

/// Offers a stream. The key goes to the host of `url` only, whatever redirects say.
///
/// # Errors
/// [`WhipError`].
pub async fn publish(url: &Url, key: Option<&Secret>, offer: &str) -> Result<WhipSession, WhipError> {
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(WhipError::BadUrl);
    }
    let mut target = url.clone();
    for _ in 0..=MAX_REDIRECTS {
        let request = request(Method::POST, &target, url, key)?
            .header(CONTENT_TYPE, SDP)
            .header(ACCEPT, SDP)
            .body(offer.to_owned());
        let response = match timeout(TIMEOUT * 2, request.send()).await {
            Ok(sent) => sent.map_err(connection_error)?,
            Err(_) => return Err(WhipError::NoAnswer),
        };
        match response.status() {
            StatusCode::CREATED => return session(response, target, url, key).await,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                target = location(response.headers(), &target)
                    .ok_or_else(|| WhipError::NotWhip("a redirect that leads nowhere".into()))?;
            }
            status => {
                let retry_after = retry_after(response.headers(), SystemTime::now());
                return Err(WhipError::from_status(status.as_u16(), retry_after));
            }
        }
    }
    Err(WhipError::NotWhip("it redirects in a circle".into()))
}

impl WhipSession {
    /// Ends the session on the server.
    ///
    /// # Errors
    /// [`WhipError`]; the server finds out by itself then, some seconds later.
    pub async fn delete(self) -> Result<(), WhipError> {
        let request = request(Method::DELETE, &self.resource, &self.endpoint, self.key.as_ref())?;
        let response = match timeout(TIMEOUT, request.send()).await {
            Ok(sent) => sent.map_err(connection_error)?,
            Err(_) => return Err(WhipError::NoAnswer),
        };
        match response.status() {
            // Already gone is as good.
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(()),
            status if status.is_success() => Ok(()),
            status => Err(WhipError::from_status(status.as_u16(), None)),
        }
    }
}

fn request(method: Method, target: &Url, endpoint: &Url, key: Option<&Secret>) -> Result<RequestBuilder, WhipError> {
    let request = client(target)?.request(method, target.clone());
    Ok(match key {
        Some(key) if !key.is_empty() && is_same_party(endpoint, target) => request.bearer_auth(key.expose()),
        _ => request,
    })
}

/// Whether `target` is whom the user gave the key for: the same host and port, and no less protected.
fn is_same_party(endpoint: &Url, target: &Url) -> bool {
    let upgraded = endpoint.scheme() == "http" && target.scheme() == "https";
    let both_default = endpoint.port().is_none() && target.port().is_none();
    endpoint.host() == target.host() && (endpoint.origin() == target.origin() || upgraded && both_default)
}

async fn session(
    mut response: Response,
    target: Url,
    endpoint: &Url,
    key: Option<&Secret>,
) -> Result<WhipSession, WhipError> {
    let headers = response.headers().clone();
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(SDP) {
        return Err(WhipError::NotSdp("it is of another content type".into()));
    }
    let mut body = Vec::new();
    loop {
        match timeout(TIMEOUT, response.chunk()).await {
            Ok(Ok(Some(chunk))) if body.len() + chunk.len() <= MAX_ANSWER => body.extend_from_slice(&chunk),
            Ok(Ok(Some(_))) => return Err(WhipError::NotSdp(format!("it has more than {MAX_ANSWER} bytes"))),
            Ok(Ok(None)) => break,
            Ok(Err(error)) => return Err(connection_error(error)),
            Err(_) => return Err(WhipError::NoAnswer),
        }
    }
    let answer = String::from_utf8(body).map_err(|_| WhipError::NotSdp("it is not text".into()))?;
    if !answer.starts_with("v=0") {
        return Err(WhipError::NotSdp("it does not begin with v=0".into()));
    }
    let resource =
        location(&headers, &target).ok_or_else(|| WhipError::NotWhip("201 without the session's address".into()))?;
    let text = |value: &reqwest::header::HeaderValue| value.to_str().ok().map(str::to_owned);
    let links: Vec<String> = headers.get_all(LINK).iter().filter_map(text).collect();
    Ok(WhipSession {
        answer,
        ice_servers: ice_servers(links.iter().map(String::as_str)),
        resource,
        etag: headers.get(ETAG).and_then(text),
        endpoint: endpoint.clone(),
        key: key.cloned(),
    })
}

/// The `Location`, resolved against where it came from.
fn location(headers: &HeaderMap, base: &Url) -> Option<Url> {
    let location = base.join(headers.get(LOCATION)?.to_str().ok()?).ok()?;
    (matches!(location.scheme(), "http" | "https") && location.host().is_some()).then_some(location)
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
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
            .connect_timeout(TIMEOUT)
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

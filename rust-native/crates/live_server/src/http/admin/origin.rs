//! Whether a request that changes something comes from our own pages.

use axum::http::{HeaderMap, header};

/// Browsers say where a request comes from in `Origin` with all but GET, newer ones in `Sec-Fetch-Site` too. A program
/// that is no browser says neither, and holds no cookie that it wasn't given by its owner. HTTP/2 has the host in
/// `authority` instead of a header (RFC 9113, section 8.3.1).
pub(super) fn is_ours(headers: &HeaderMap, authority: Option<&str>, forwarded_host: Option<&str>) -> bool {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let from_here =
        headers.get("sec-fetch-site").is_none_or(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
    let Some(origin) = text(header::ORIGIN) else { return from_here };
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let hosts = [text(header::HOST), authority, forwarded_host];
    from_here && host.is_some_and(|host| hosts.into_iter().flatten().any(|ours| ours.eq_ignore_ascii_case(host)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn ours(pairs: &[(&'static str, &'static str)], forwarded: Option<&str>) -> bool {
        let headers =
            pairs.iter().map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)));
        is_ours(&headers.collect::<HeaderMap>(), None, forwarded)
    }

    #[test]
    fn only_our_own_pages_and_programs_that_are_no_browser_may_change_something() {
        let host = ("host", "tide.example:8443");
        assert!(ours(&[host], None), "no browser");
        assert!(ours(&[host, ("origin", "https://Tide.example:8443")], None));
        assert!(ours(&[host, ("origin", "https://tide.example:8443"), ("sec-fetch-site", "same-origin")], None));
        for origin in ["https://evil.example", "https://tide.example", "https://tide.example:84", "null", ""] {
            assert!(!ours(&[host, ("origin", origin)], None), "{origin}");
        }
        for site in ["cross-site", "same-site"] {
            assert!(!ours(&[host, ("sec-fetch-site", site)], None), "{site}");
            assert!(!ours(&[host, ("origin", "https://tide.example:8443"), ("sec-fetch-site", site)], None));
        }
        let behind = [("host", "127.0.0.1:8080"), ("origin", "https://tide.example")];
        assert!(!ours(&behind, None));
        assert!(ours(&behind, Some("tide.example")), "what a trusted proxy was asked for");
    }
}

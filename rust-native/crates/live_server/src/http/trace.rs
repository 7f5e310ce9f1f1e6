//! One name per request, in its answer and in every line that is logged while it is served.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

/// The name is ours: one from outside could forge lines or be no name at all.
pub(super) async fn with_request_id(request: Request, next: Next) -> Response {
    let id = crate::auth::random_hex(8);
    let span =
        tracing::info_span!("request", id, method = %request.method(), endpoint = endpoint(request.uri().path()));
    let mut response = next.run(request).instrument(span).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("X-Request-Id", id);
    }
    response
}

/// The first part of a path, if it is one of ours: what follows may be a session's name, which opens things.
fn endpoint(path: &str) -> &'static str {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    ["whip", "whep", "api", "hls", "dash", "live", "metrics", "healthz", "readyz", "assets", "v", "admin"]
        .into_iter()
        .find(|known| *known == first)
        .unwrap_or(if first.is_empty() { "page" } else { "other" })
}

#[cfg(test)]
mod tests {
    use super::endpoint;

    #[test]
    fn a_sessions_name_is_not_part_of_the_endpoint() {
        for (path, name) in [
            ("/whip/live/00112233445566778899aabbccddeeff", "whip"),
            ("/api/v1/streams", "api"),
            ("/", "page"),
            ("/secret-in-a-wrong-place", "other"),
        ] {
            assert_eq!(endpoint(path), name);
        }
    }
}

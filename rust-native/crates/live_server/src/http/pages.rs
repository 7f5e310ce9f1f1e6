//! The viewer page: a handful of files inside the binary. It asks nothing of any other machine.

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::reply::Problem;

const PAGE: &str = include_str!("../page/index.html");
const SCRIPT: &str = include_str!("../page/viewer.js");
const FIGURES: &str = include_str!("../page/figures.js");
const FILES: &str = include_str!("../page/files.js");
/// hls.js, bundled by `npm run build:viewer`.
const HLS: &str = include_str!("../page/hls.js");
const WORDS: &str = include_str!("../page/words.js");
const STYLE: &str = include_str!("../page/viewer.css");

/// Nothing but our own script and style runs; the page can only talk to us and can't be framed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Revalidated each time: a restart of the server may bring a new page.
const CACHE: &str = "no-cache";

pub(super) async fn viewer() -> Response {
    let mut response = file(PAGE, "text/html; charset=utf-8");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert("Permissions-Policy", HeaderValue::from_static("camera=(), microphone=(), geolocation=()"));
    response
}

pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, Problem> {
    match name.as_str() {
        "viewer.js" => Ok(file(SCRIPT, "text/javascript; charset=utf-8")),
        "figures.js" => Ok(file(FIGURES, "text/javascript; charset=utf-8")),
        "files.js" => Ok(file(FILES, "text/javascript; charset=utf-8")),
        "hls.js" => Ok(file(HLS, "text/javascript; charset=utf-8")),
        "words.js" => Ok(file(WORDS, "text/javascript; charset=utf-8")),
        "viewer.css" => Ok(file(STYLE, "text/css; charset=utf-8")),
        _ => Err(Problem::NoSuchPage),
    }
}

fn file(text: &'static str, kind: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, CACHE)], text).into_response()
}

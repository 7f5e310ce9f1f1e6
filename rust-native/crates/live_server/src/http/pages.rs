//! The viewer page and the admin pages: a handful of files inside the binary. They ask nothing of any other machine.

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::reply::Problem;

const PAGE: &str = include_str!("../page/index.html");
const RECORDINGS: &str = include_str!("../page/recordings.html");
const STYLES: [(&str, &str); 2] =
    [("viewer.css", include_str!("../page/viewer.css")), ("admin.css", include_str!("../page/admin.css"))];
const ADMIN: &str = include_str!("../page/admin.html");
const SCRIPTS: [(&str, &str); 13] = [
    ("viewer.js", include_str!("../page/viewer.js")),
    ("words.js", include_str!("../page/words.js")),
    ("log.js", include_str!("../page/log.js")),
    ("controls.js", include_str!("../page/controls.js")),
    ("quality.js", include_str!("../page/quality.js")),
    ("figures.js", include_str!("../page/figures.js")),
    ("steady.js", include_str!("../page/steady.js")),
    ("whep.js", include_str!("../page/whep.js")),
    ("files.js", include_str!("../page/files.js")),
    ("recordings.js", include_str!("../page/recordings.js")),
    ("reports.js", include_str!("../page/reports.js")),
    // Bundled by `npm run build:viewer`.
    ("hls.js", include_str!("../page/hls.js")),
    ("admin.js", include_str!("../page/admin.js")),
];

/// Nothing but our own script and style runs; the page can only talk to us and can't be framed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Revalidated each time: a restart of the server may bring a new page.
const CACHE: &str = "no-cache";

pub(super) async fn viewer() -> Response {
    page(PAGE)
}

pub(super) fn admin() -> Response {
    page(ADMIN)
}

/// What was recorded, to be watched.
pub(super) async fn recordings() -> Response {
    page(RECORDINGS)
}

fn page(text: &'static str) -> Response {
    let mut response = file(text, "text/html; charset=utf-8");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert("Permissions-Policy", HeaderValue::from_static("camera=(), microphone=(), geolocation=()"));
    response
}

pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, Problem> {
    if let Some((_, style)) = STYLES.iter().find(|(known, _)| *known == name) {
        return Ok(file(style, "text/css; charset=utf-8"));
    }
    let (_, script) = SCRIPTS.iter().find(|(known, _)| *known == name).ok_or(Problem::NoSuchPage)?;
    Ok(file(script, "text/javascript; charset=utf-8"))
}

fn file(text: &'static str, kind: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, CACHE)], text).into_response()
}

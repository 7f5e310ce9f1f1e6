//! Figures as JSON. A stream with a view token is shown only to who has it (or its publish key).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::reply::Problem;
use super::{From, Site};
use crate::auth;
use crate::figures::StreamInfo;
use crate::relay::Role;

/// Every stream that the caller may watch.
pub(super) async fn streams(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    headers: HeaderMap,
) -> Result<Json<Vec<StreamInfo>>, Problem> {
    let shown = site.watchable(from.ip(), &headers).await?;
    let mut all = site.figures.all();
    all.retain(|info| shown.contains(&info.name));
    Ok(Json(all))
}

impl Site {
    /// Names of the streams that the caller may watch, or publish.
    pub(super) async fn watchable(&self, from: IpAddr, headers: &HeaderMap) -> Result<BTreeSet<String>, Problem> {
        let (config, token, from) = (self.config(), auth::bearer(headers), self.asker(from, headers));
        let now = Instant::now();
        if token.is_some()
            && let Some(wait) = self.failures.lock().blocked(from, config.limits.failures_per_minute, now)
        {
            return Err(Problem::TooManyFailures { wait });
        }
        let mut shown = BTreeSet::new();
        let mut opened = token.is_none();
        for (name, stream) in &config.streams {
            let mut may = stream.view_token.is_none() && !stream.signed_only;
            for role in [Role::View, Role::Publish] {
                if !may && token.is_some() {
                    may = self.opens(&config, stream, role, name, token).await?.is_ok();
                    opened |= may;
                }
            }
            if may {
                shown.insert(name.clone());
            }
        }
        if !opened && config.streams.values().any(|stream| stream.view_token.is_some() || stream.signed_only) {
            self.failures.lock().count(from, now);
        }
        Ok(shown)
    }
}

/// One stream.
pub(super) async fn stream(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<StreamInfo>, Problem> {
    site.authorize(Role::View, &name, &headers, site.asker(from.ip(), &headers)).await?;
    site.figures.get(&name).map(Json).ok_or(Problem::NoSuchStream)
}

/// What the API is, for programs (OpenAPI 3.1).
pub(super) async fn description() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json")).into_response()
}

/// Whether the server works: its media thread must be there.
pub(super) async fn health(State(site): State<Arc<Site>>) -> Response {
    let (status, word) = if site.relay.is_running() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "media_stopped")
    };
    (status, Json(json!({ "status": word, "version": env!("CARGO_PKG_VERSION") }))).into_response()
}

/// Whether new sessions are taken: not while the server waits for its last viewers to leave.
pub(super) async fn ready(State(site): State<Arc<Site>>) -> Response {
    let (status, word) = match (site.relay.is_running(), site.is_draining()) {
        (true, false) => (StatusCode::OK, "ready"),
        (true, true) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "media_stopped"),
    };
    (status, Json(json!({ "status": word }))).into_response()
}

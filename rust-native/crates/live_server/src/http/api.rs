//! Figures as JSON. A stream with a view token is shown only to who has it (or its publish key).

use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::reply::Problem;
use super::{From, Site};
use crate::auth;
use crate::figures::StreamInfo;
use crate::relay::Role;

/// Every stream that the caller may watch.
pub(super) async fn streams(State(site): State<Arc<Site>>, headers: HeaderMap) -> Json<Vec<StreamInfo>> {
    let token = auth::bearer(&headers);
    let may_watch = |name: &str| {
        site.stream(name).is_some_and(|stream| match &stream.view_token {
            None => true,
            Some(view_token) => auth::matches(token, view_token) || auth::matches(token, &stream.publish_key),
        })
    };
    let mut streams = site.figures.all();
    streams.retain(|info| may_watch(&info.name));
    Json(streams)
}

/// One stream.
pub(super) async fn stream(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<StreamInfo>, Problem> {
    site.authorize(Role::View, &name, &headers, from.ip())?;
    site.figures.get(&name).map(Json).ok_or(Problem::NoSuchStream)
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

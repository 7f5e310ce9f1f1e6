//! Where streams are sent on to, for who runs the server: the same as a publisher may do with its own stream.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::super::reply::Problem;
use super::super::{Site, forwards};
use super::{Admin, LARGEST_BODY};

pub(super) async fn add(
    State(site): State<Arc<Site>>,
    _admin: Admin,
    Path(stream): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = super::super::sessions::text(&parts.headers, body, "application/json", LARGEST_BODY).await?;
    forwards::add_forward(site, stream, body.as_bytes()).await
}

pub(super) async fn remove(
    State(site): State<Arc<Site>>,
    _admin: Admin,
    Path((stream, name)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    forwards::remove_forward(site, stream, name).await
}

pub(super) async fn retry(
    State(site): State<Arc<Site>>,
    _admin: Admin,
    Path((stream, name)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    site.forwards().retry(&stream, &name)?;
    Ok(StatusCode::NO_CONTENT)
}

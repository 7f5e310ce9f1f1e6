//! Keys: made, shown once, revoked.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::super::Site;
use super::super::reply::Problem;
use super::{Admin, json};
use crate::admin::{MadeKey, MadeKeys, Wish};
use crate::relay::Which;

#[derive(Serialize)]
pub(super) struct Listed {
    /// Whether they outlive this run of the server.
    kept: bool,
    keys: Vec<MadeKey>,
}

#[derive(Serialize)]
struct Made {
    key: MadeKey,
    /// Its text, this once.
    secret: String,
}

#[derive(Serialize)]
pub(super) struct Revoked {
    /// Sessions that were opened with it, and are ended.
    ended: usize,
}

pub(super) async fn list(State(site): State<Arc<Site>>, _admin: Admin) -> Json<Listed> {
    let keys = site.admin.keys.lock();
    Json(Listed { kept: keys.are_kept(), keys: keys.all() })
}

pub(super) async fn make(State(site): State<Arc<Site>>, admin: Admin, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let wish: Wish = json(&parts.headers, body).await?;
    if !site.config().streams.contains_key(&wish.stream) {
        return Err(Problem::NoSuchStream);
    }
    // Hashing takes a while, and the disk may: neither on a runtime's thread.
    let keeper = site.clone();
    let made = tokio::task::spawn_blocking(move || {
        let (key, text, hash) = MadeKeys::make(wish, SystemTime::now())?;
        keeper.admin.keys.lock().add(key.clone(), hash)?;
        Ok((key, text))
    });
    let (key, text) =
        made.await.map_err(|_| Problem::Busy)?.map_err(|problem: crate::admin::KeyProblem| Problem::from(problem))?;
    tracing::info!(from = %admin.gate.from, key = key.id, stream = key.stream, act = ?key.act, "a key is made");
    Ok((StatusCode::CREATED, Json(Made { key, secret: text.expose().to_owned() })).into_response())
}

/// Revokes a key; who came in with it is sent away.
pub(super) async fn revoke(
    State(site): State<Arc<Site>>,
    admin: Admin,
    Path(key): Path<String>,
) -> Result<Json<Revoked>, Problem> {
    let keeper = site.clone();
    let revoked = tokio::task::spawn_blocking(move || keeper.admin.keys.lock().revoke(&key));
    let (key, kept) = revoked.await.map_err(|_| Problem::Busy)??;
    tracing::info!(from = %admin.gate.from, key = key.id, stream = key.stream, "a key is revoked");
    let gone = site.send_away(Which::Key(key.id)).await?;
    kept?;
    Ok(Json(Revoked { ended: gone.len() }))
}

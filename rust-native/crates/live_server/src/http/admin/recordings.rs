//! Recordings for who runs the server: listed with their rules, played in the page, taken along as one file, deleted.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::super::reply::Problem;
use super::super::{Site, recordings};
use super::Admin;
use crate::recording::{RecordingInfo, RuleInfo};

/// What a recording's whole is called; its other files are those of its playlists.
const WHOLE: &str = "whole.mp4";

#[derive(Debug, Serialize)]
pub(super) struct Listed {
    rules: Vec<RuleInfo>,
    /// Newest first.
    recordings: Vec<RecordingInfo>,
}

pub(super) async fn list(State(site): State<Arc<Site>>, _admin: Admin) -> Result<Json<Listed>, Problem> {
    let mut all = site.recordings().all();
    all.sort_by(|a, b| (b.meta.began_ms, &a.rule, &a.meta.stream).cmp(&(a.meta.began_ms, &b.rule, &b.meta.stream)));
    // A disk that hangs must not hold up what a runtime's thread has to do besides.
    let rules = tokio::task::spawn_blocking(move || site.recordings().rules()).await.map_err(|_| Problem::Busy)?;
    Ok(Json(Listed { rules, recordings: all }))
}

pub(super) async fn delete(
    State(site): State<Arc<Site>>,
    _admin: Admin,
    Path((rule, stream, id)): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    site.delete_recording((&rule, &stream, &id)).await
}

#[derive(Debug, Deserialize)]
pub(super) struct Part {
    /// Which run of the publisher, counted from 1.
    #[serde(default = "first")]
    part: u16,
}

fn first() -> u16 {
    1
}

/// A playlist, a header, a chunk, or all of a run as one MP4.
pub(super) async fn file(
    State(site): State<Arc<Site>>,
    _admin: Admin,
    Path((rule, stream, id, name)): Path<(String, String, String, String)>,
    asked: Result<Query<Part>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let place = (rule.as_str(), stream.as_str(), id.as_str());
    if name != WHOLE {
        return recordings::give(&site, (place, &name), &headers, ("private", "")).await;
    }
    let Query(Part { part }) = asked.map_err(|_| Problem::BadRequest("part is a number from 1 on"))?;
    let run = usize::from(part).checked_sub(1).ok_or(Problem::BadRequest("part is a number from 1 on"))?;
    site.recordings().get(&rule, &stream, &id).ok_or(Problem::NoSuchRecording)?;
    let body = Body::from_stream(site.recordings().download(place, run).await?);
    let mut response = body.into_response();
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    let part = if part > 1 { format!("-part-{part}") } else { String::new() };
    // Letters, digits, '-' and '_' in all of these.
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{stream}-{id}{part}.mp4\"")) {
        answer.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

//! Marks in a stream's playlists and its manifest: set and listed by who may publish it.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::reply::Problem;
use super::{From, Site};
use crate::chunks::{Mark, MarkProblem, Said};
use crate::relay::Role;

impl std::convert::From<MarkProblem> for Problem {
    fn from(problem: MarkProblem) -> Self {
        match problem {
            MarkProblem::Bad(what) => Self::BadRequest(what),
            MarkProblem::Differs => Self::MarkInTheWay("players have read something else of the mark of this id"),
            MarkProblem::TooMany => Self::MarkInTheWay("there are as many marks as there may be"),
        }
    }
}

/// A stream's marks that are remembered.
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path(stream): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Vec<Mark>>, Problem> {
    site.authorize(Role::Publish, &stream, &headers, site.asker(from.ip(), &headers)).await?;
    Ok(Json(site.marks.of(&stream)))
}

/// One more, or the end of one.
pub(super) async fn set(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path(stream): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    site.authorize(Role::Publish, &stream, &headers, site.asker(from.ip(), &headers)).await?;
    let wrong = "the body must be JSON with id, and perhaps class, start_ms, duration, planned_duration and attributes";
    let said: Said = serde_json::from_slice(&body).map_err(|_| Problem::BadRequest(wrong))?;
    let (mark, new) = site.marks.set(&stream, said, SystemTime::now())?;
    tracing::info!(stream, new, "a mark is set");
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(mark)).into_response())
}

//! Where a stream is sent on to: listed, added and taken away by who may publish it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use media::Secret;
use serde::Deserialize;

use super::admin::AdminProblem;
use super::reply::Problem;
use super::{From, Site};
use crate::config::ForwardSettings;
use crate::forward::{ForwardInfo, ForwardProblem};
use crate::relay::Role;

/// What a new forward is, as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    url: Secret,
    #[serde(default)]
    key: Option<Secret>,
    #[serde(default)]
    passphrase: Option<Secret>,
    #[serde(default, deserialize_with = "crate::admin::whole::optional")]
    latency_ms: Option<u32>,
}

/// SRT's default, doubled, as in the configuration.
const LATENCY_MS: u64 = 250;

impl std::convert::From<ForwardProblem> for Problem {
    fn from(problem: ForwardProblem) -> Self {
        match problem {
            ForwardProblem::Missing => Self::NoSuchForward,
            ForwardProblem::NotKept(error) => {
                tracing::error!(error, "the file of forwards can't be written");
                AdminProblem::Storage.into()
            }
            ForwardProblem::Exists | ForwardProblem::Configured | ForwardProblem::TooMany => {
                Self::ForwardInTheWay(match problem {
                    ForwardProblem::Exists => "the stream has a forward of this name already",
                    ForwardProblem::Configured => "this forward stands in the configuration: take it out there",
                    _ => "the stream has as many forwards as it may",
                })
            }
        }
    }
}

/// A stream's forwards, and how each is doing.
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path(stream): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Vec<ForwardInfo>>, Problem> {
    site.authorize(Role::Publish, &stream, &headers, site.asker(from.ip(), &headers)).await?;
    Ok(Json(site.forwards().of(&stream)))
}

/// One more.
pub(super) async fn add(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path(stream): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    site.authorize(Role::Publish, &stream, &headers, site.asker(from.ip(), &headers)).await?;
    add_forward(site, stream, &body).await
}

/// One less.
pub(super) async fn remove(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path((stream, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    site.authorize(Role::Publish, &stream, &headers, site.asker(from.ip(), &headers)).await?;
    remove_forward(site, stream, name).await
}

/// Not waiting for the next attempt.
pub(super) async fn retry(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path((stream, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    site.authorize(Role::Publish, &stream, &headers, site.asker(from.ip(), &headers)).await?;
    site.forwards().retry(&stream, &name)?;
    Ok(StatusCode::NO_CONTENT)
}

/// For somebody who may.
pub(super) async fn add_forward(site: Arc<Site>, stream: String, body: &[u8]) -> Result<Response, Problem> {
    if !site.config().streams.contains_key(&stream) {
        return Err(Problem::NoSuchStream);
    }
    // No word of the parser's: it may quote a key.
    let wanted: Wanted = serde_json::from_slice(body).map_err(|_| {
        Problem::BadForward(
            "the body must be JSON with name and url, and perhaps key, passphrase and latency_ms".to_owned(),
        )
    })?;
    let Wanted { name, url, key, passphrase, latency_ms } = wanted;
    let latency_ms = latency_ms.map_or(LATENCY_MS, u64::from);
    let settings = ForwardSettings { stream, url, key, passphrase, latency_ms };
    settings.check(&name).map_err(Problem::BadForward)?;
    let stream = settings.stream.clone();
    let (forwards, called) = (site.forwards().clone(), name.clone());
    let added = tokio::task::spawn_blocking(move || forwards.add(&called, settings)).await;
    let info: ForwardInfo = added.map_err(|_| Problem::Busy)??;
    tracing::info!(stream, name, to = info.url, "a forward is added");
    Ok((StatusCode::CREATED, Json(info)).into_response())
}

/// For somebody who may.
pub(super) async fn remove_forward(site: Arc<Site>, stream: String, name: String) -> Result<StatusCode, Problem> {
    let forwards = site.forwards().clone();
    let place = (stream.clone(), name.clone());
    let removed = tokio::task::spawn_blocking(move || forwards.remove(&place.0, &place.1)).await;
    removed.map_err(|_| Problem::Busy)??;
    tracing::info!(stream, name, "a forward is taken away");
    Ok(StatusCode::NO_CONTENT)
}

//! Where a stream is sent on to: listed, added and taken away by who may publish it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use media::Secret;
use serde::Deserialize;

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
    #[serde(default)]
    latency_ms: Option<u64>,
}

/// SRT's default, doubled, as in the configuration.
const LATENCY_MS: u64 = 250;

impl std::convert::From<ForwardProblem> for Problem {
    fn from(problem: ForwardProblem) -> Self {
        match problem {
            ForwardProblem::Missing => Self::NoSuchForward,
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
) -> Result<(StatusCode, Json<ForwardInfo>), Problem> {
    site.authorize(Role::Publish, &stream, &headers, site.asker(from.ip(), &headers)).await?;
    // No word of the parser's: it may quote a key.
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|_| {
        Problem::BadForward(
            "the body must be JSON with name and url, and perhaps key, passphrase and latency_ms".to_owned(),
        )
    })?;
    let Wanted { name, url, key, passphrase, latency_ms } = wanted;
    let settings = ForwardSettings { stream, url, key, passphrase, latency_ms: latency_ms.unwrap_or(LATENCY_MS) };
    settings.check(&name).map_err(Problem::BadForward)?;
    let info = site.forwards().add(&name, settings)?;
    Ok((StatusCode::CREATED, Json(info)))
}

/// One less.
pub(super) async fn remove(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path((stream, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    site.authorize(Role::Publish, &stream, &headers, site.asker(from.ip(), &headers)).await?;
    site.forwards().remove(&stream, &name)?;
    Ok(StatusCode::NO_CONTENT)
}

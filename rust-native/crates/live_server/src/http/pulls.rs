//! Where a stream is fetched from: shown, set and taken away by who may publish it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use media::Secret;
use serde::Deserialize;

use super::reply::Problem;
use super::{From, Site};
use crate::config::{PullSettings, PullWhen, pull_latency};
use crate::ingest::{PullInfo, PullProblem};
use crate::relay::Role;

/// What a source is, as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    url: Secret,
    #[serde(default)]
    key: Option<Secret>,
    #[serde(default)]
    passphrase: Option<Secret>,
    #[serde(default)]
    latency_ms: Option<u64>,
    #[serde(default)]
    when: PullWhen,
}

impl std::convert::From<PullProblem> for Problem {
    fn from(problem: PullProblem) -> Self {
        match problem {
            PullProblem::Missing => Self::NoSuchPull,
            PullProblem::Configured => Self::PullInTheWay,
        }
    }
}

/// A stream's source, and how it is doing.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path(stream): Path<String>,
    headers: HeaderMap,
) -> Result<Json<PullInfo>, Problem> {
    site.authorize(Role::Publish, &stream, &headers, site.asker(from.ip(), &headers)).await?;
    site.pulls().of(&stream).map(Json).ok_or(Problem::NoSuchPull)
}

/// Another one, until the server ends.
pub(super) async fn set(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path(stream): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<PullInfo>, Problem> {
    site.authorize(Role::Publish, &stream, &headers, site.asker(from.ip(), &headers)).await?;
    // No word of the parser's: it may quote a key.
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|_| {
        Problem::BadPull("the body must be JSON with url, and perhaps key, passphrase, latency_ms and when".to_owned())
    })?;
    let Wanted { url, key, passphrase, latency_ms, when } = wanted;
    let settings = PullSettings { url, key, passphrase, latency_ms: latency_ms.unwrap_or(pull_latency()), when };
    settings.check(&stream).map_err(Problem::BadPull)?;
    Ok(Json(site.pulls().set(&stream, settings)?))
}

/// None any more.
pub(super) async fn remove(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path(stream): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    site.authorize(Role::Publish, &stream, &headers, site.asker(from.ip(), &headers)).await?;
    site.pulls().remove(&stream)?;
    Ok(StatusCode::NO_CONTENT)
}

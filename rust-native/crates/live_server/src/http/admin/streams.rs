//! Streams as who runs the server sees them, and sending somebody away.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::super::Site;
use super::super::reply::Problem;
use super::{Admin, AdminProblem, json};
use crate::admin::{Health, ReportSum, Sample, draw, health};
use crate::chunks::keyframe_of;
use crate::figures::StreamInfo;
use crate::relay::{Role, Visitor, Which};

/// Somebody is kept out for an hour at the most: for longer there is `[access]`.
const LONGEST_AWAY: u32 = 3600;

/// One stream.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    info: StreamInfo,
    /// Who watches, by protocol.
    readers: BTreeMap<&'static str, u32>,
    health: Health,
    reports: ReportSum,
}

/// Somebody who publishes or watches.
#[derive(Debug, Serialize)]
pub(super) struct Session {
    id: String,
    stream: String,
    role: &'static str,
    protocol: &'static str,
    address: String,
    since_ms: u64,
    key: Option<String>,
}

impl From<Visitor> for Session {
    fn from(visitor: Visitor) -> Self {
        let since = visitor.since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self {
            id: visitor.id,
            stream: visitor.stream,
            role: if visitor.role == Role::Publish { "publish" } else { "view" },
            protocol: visitor.protocol,
            address: visitor.address.to_string(),
            since_ms: since.as_millis() as u64,
            key: visitor.key,
        }
    }
}

impl Site {
    /// Everybody who is here, publishers first, then in order of their coming.
    pub(super) async fn everybody(&self) -> Result<Vec<Visitor>, Problem> {
        let mut all = self.relay.visitors().await.map_err(Problem::Refused)?;
        all.extend(self.readers.visitors());
        all.extend(self.seats.visitors());
        all.sort_by(|a, b| (a.role == Role::View, a.since, &a.id).cmp(&(b.role == Role::View, b.since, &b.id)));
        Ok(all)
    }

    /// Every stream, as who runs the server sees it.
    pub(super) fn shown(&self, everybody: &[Visitor]) -> Vec<Shown> {
        let now = Instant::now();
        let mut reports = self.admin.reports.lock();
        let show = |info: StreamInfo| {
            let mut readers = BTreeMap::from([("whep", 0), ("hls", 0)]);
            for visitor in everybody.iter().filter(|one| one.role == Role::View && one.stream == info.name) {
                *readers.entry(visitor.protocol).or_insert(0) += 1;
            }
            let reports = reports.sum(&info.name, now);
            Shown { readers, health: health(&info, &reports), reports, info }
        };
        self.figures.all().into_iter().map(show).collect()
    }

    /// Sends some away, wherever they are.
    pub(super) async fn send_away(&self, which: Which) -> Result<Vec<Visitor>, Problem> {
        let mut gone = self.relay.send_away(which.clone()).await.map_err(Problem::Refused)?;
        for (visitor, departed) in self.readers.send_away(&which) {
            tracing::info!(stream = visitor.stream, session = visitor.id, "a reader of files is sent away");
            self.tell_departed(departed);
            gone.push(visitor);
        }
        gone.extend(self.seats.send_away(&which));
        Ok(gone)
    }
}

#[derive(Serialize)]
pub(super) struct HistoryShown {
    /// Seconds between two samples.
    every_s: f32,
    /// Oldest first.
    bitrate_kbps: Vec<Sample>,
}

/// The last five minutes.
pub(super) async fn history(
    State(site): State<Arc<Site>>,
    _admin: Admin,
    Path(stream): Path<String>,
) -> Result<Json<HistoryShown>, Problem> {
    site.figures.get(&stream).ok_or(Problem::NoSuchStream)?;
    let bitrate_kbps = site.admin.history.lock().of(&stream);
    Ok(Json(HistoryShown { every_s: crate::admin::EVERY.as_secs_f32(), bitrate_kbps }))
}

/// The last keyframe, small.
pub(super) async fn thumbnail(
    State(site): State<Arc<Site>>,
    _admin: Admin,
    Path(stream): Path<String>,
) -> Result<Response, Problem> {
    site.figures.get(&stream).ok_or(Problem::NoSuchStream)?;
    let lately = site.admin.thumbnails.lock().get(&stream, Instant::now());
    let jpeg = match lately {
        Some(jpeg) => jpeg,
        None => {
            let packets = site.relay.cached(&stream).await.map_err(Problem::Refused)?;
            // One at a time: many pages must not take both cores from the media.
            let _place = site.drawing.acquire().await.map_err(|_| Problem::Busy)?;
            let drawn = tokio::task::spawn_blocking(move || draw(&keyframe_of(&packets)?)).await.ok().flatten();
            let jpeg = Bytes::from(drawn.ok_or(AdminProblem::NoPicture)?);
            site.admin.thumbnails.lock().keep(&stream, jpeg.clone(), Instant::now());
            jpeg
        }
    };
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"))], jpeg).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Away {
    /// Seconds that the address may not come back to that stream in that role.
    #[serde(deserialize_with = "crate::admin::whole::number")]
    keep_out_seconds: u32,
}

#[derive(Serialize)]
pub(super) struct Gone {
    /// Sessions that were ended.
    ended: usize,
}

/// Ends a session.
pub(super) async fn send_away(
    State(site): State<Arc<Site>>,
    _admin: Admin,
    Path(session): Path<String>,
    request: Request,
) -> Result<Json<Gone>, Problem> {
    let (parts, body) = request.into_parts();
    let away: Away = json(&parts.headers, body).await?;
    if away.keep_out_seconds > LONGEST_AWAY {
        return Err(Problem::BadRequest("keep_out_seconds must lie between 0 and 3600"));
    }
    let gone = site.send_away(Which::Session(session)).await?;
    let lasts = Duration::from_secs(away.keep_out_seconds.into());
    for visitor in &gone {
        site.admin.kept_out.lock().add(&visitor.stream, visitor.role, visitor.address, lasts, Instant::now());
    }
    if gone.is_empty() { Err(AdminProblem::NoSuchSession.into()) } else { Ok(Json(Gone { ended: gone.len() })) }
}

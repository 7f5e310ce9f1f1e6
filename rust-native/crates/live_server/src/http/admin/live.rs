//! What changes by itself: once a second the whole picture as a server-sent event, and the log to search.

use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::sse::{Event, Sse};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::super::Site;
use super::super::reply::Problem;
use super::Admin;
use super::streams::{Session, Shown};
use crate::admin::{Asked, Found};
use crate::alerts::Watched;
use crate::forward::ForwardInfo;

const EVERY: Duration = Duration::from_secs(1);
/// Sessions, forwards and alerts that are listed one by one; the figures count all.
const MOST_LISTED: usize = 300;
/// As many as are kept.
const MOST_LINES: usize = 2000;

/// Everything that moves.
#[derive(Debug, Serialize)]
pub(super) struct Overview {
    /// Unix time, milliseconds.
    at_ms: u64,
    version: &'static str,
    /// No new sessions are taken.
    draining: bool,
    streams: Vec<Shown>,
    /// Publishers first.
    sessions: Vec<Session>,
    sessions_total: usize,
    /// In order of their streams and names.
    forwards: Vec<ForwardInfo>,
    /// What is bad first.
    alerts: Vec<Watched>,
    alerts_total: usize,
    /// Another number when the list of recordings has changed.
    recordings_version: u64,
    /// The newest log line's number.
    log_newest: u64,
}

async fn look(site: &Site) -> Result<Overview, Problem> {
    let everybody = site.everybody().await?;
    let mut alerts = site.alerts().all();
    let alerts_total = alerts.len();
    alerts.truncate(MOST_LISTED);
    let mut forwards = site.forwards().all();
    forwards.truncate(MOST_LISTED);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Ok(Overview {
        at_ms: now.as_millis() as u64,
        version: env!("CARGO_PKG_VERSION"),
        draining: site.is_draining(),
        streams: site.shown(&everybody),
        sessions_total: everybody.len(),
        sessions: everybody.into_iter().take(MOST_LISTED).map(Session::from).collect(),
        forwards,
        alerts,
        alerts_total,
        recordings_version: site.recordings().version(),
        log_newest: site.admin.log.newest(),
    })
}

/// The same as an event holds, once.
pub(super) async fn overview(State(site): State<Arc<Site>>, _admin: Admin) -> Result<Json<Overview>, Problem> {
    look(&site).await.map(Json)
}

struct Watching {
    /// A page that is left open must not keep the server.
    site: Weak<Site>,
    admin: Admin,
    beat: Interval,
}

/// An event each second, until the sign-in ends or the server does.
pub(super) async fn events(
    State(site): State<Arc<Site>>,
    admin: Admin,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut beat = interval(EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watching = Watching { site: Arc::downgrade(&site), admin, beat };
    Sse::new(stream::unfold(watching, |mut watching| async {
        watching.beat.tick().await;
        let site = watching.site.upgrade()?;
        if !watching.admin.is_good(&site).unwrap_or(false) {
            return None;
        }
        let overview = look(&site).await.ok()?;
        let event = Event::default().event("overview").json_data(&overview).ok()?;
        Some((Ok(event), watching))
    }))
}

/// The last lines of the log that fit.
pub(super) async fn log(
    State(site): State<Arc<Site>>,
    _admin: Admin,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Found>, Problem> {
    let Query(asked) = asked.map_err(|_| Problem::BadRequest("level is error, warn, info or debug, limit a number"))?;
    if asked.limit.is_some_and(|limit| !(1..=MOST_LINES).contains(&limit)) {
        return Err(Problem::BadRequest("limit must lie between 1 and 2000"));
    }
    Ok(Json(site.admin.log.search(&asked)))
}

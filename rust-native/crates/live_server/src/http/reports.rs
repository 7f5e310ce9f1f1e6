//! What players tell of their own picture, and the look at each stream once a second: both for the admin pages.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::StatusCode;
use tokio::time::{MissedTickBehavior, interval};

use super::reply::Problem;
use super::{From, Site, admin};
use crate::admin::{EVERY, Report};
use crate::relay::Role;

/// Reports of one address in a minute: some hundred viewers behind it, twice a minute each.
const MOST_OF_ONE: u32 = 600;

/// Takes a report of who may watch.
pub(super) async fn report(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path(stream): Path<String>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let (parts, body) = request.into_parts();
    let from = site.asker(from.ip(), &parts.headers);
    site.authorize(Role::View, &stream, &parts.headers, from).await?;
    let now = Instant::now();
    {
        let mut reporters = site.admin.reporters.lock();
        if let Some(wait) = reporters.blocked(from, MOST_OF_ONE, now) {
            return Err(Problem::TooManySessions { wait });
        }
        reporters.count(from, now);
    }
    let report: Report = admin::json(&parts.headers, body).await?;
    report.check().map_err(Problem::BadRequest)?;
    if let Some(milliseconds) = report.join_ms {
        site.admin.joins.observe(Duration::from_secs_f64(milliseconds / 1000.0));
    }
    site.admin.reports.lock().take(&stream, report, now);
    Ok(StatusCode::NO_CONTENT)
}

/// Looks at each stream as long as the server is there.
pub(crate) async fn sample(site: Weak<Site>) {
    let mut beat = interval(EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        beat.tick().await;
        let Some(site) = site.upgrade() else { return };
        if site.config().admin.is_some() {
            site.admin.history.lock().take(&site.figures.all());
        }
    }
}

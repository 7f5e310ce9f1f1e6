//! Signing in and out.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use media::Secret;
use serde::{Deserialize, Serialize};

use super::super::Site;
use super::super::reply::Problem;
use super::{Admin, AdminProblem, Gate, cookie, json, set_cookie};
use crate::auth;

/// Wrong passwords of one address in a minute. It is a person who types: no setting makes this more.
const MOST_FAILURES: u32 = 10;

#[derive(Serialize)]
pub(super) struct Status {
    signed_in: bool,
    /// A password has been set.
    set_up: bool,
    /// The password may travel the way that this request came.
    private: bool,
}

/// What a page must know before it shows anything.
pub(super) async fn status(
    State(site): State<Arc<Site>>,
    gate: Gate,
    headers: HeaderMap,
) -> Result<Json<Status>, Problem> {
    let (set_up, private) = (gate.password()?.is_some(), gate.private);
    let signed_in = match cookie(&headers) {
        Some(cookie) => Admin { gate, cookie: cookie.to_owned() }.is_good(&site)?,
        None => false,
    };
    Ok(Json(Status { signed_in, set_up, private }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    password: Secret,
}

pub(super) async fn sign_in(State(site): State<Arc<Site>>, gate: Gate, request: Request) -> Result<Response, Problem> {
    if !gate.private {
        return Err(AdminProblem::NeedsTls.into());
    }
    let now = Instant::now();
    if let Some(wait) = site.admin.failures.lock().blocked(gate.from, MOST_FAILURES, now) {
        return Err(Problem::TooManyFailures { wait });
    }
    let (parts, body) = request.into_parts();
    let given: SignIn = json(&parts.headers, body).await?;
    let stored = gate.password()?.ok_or(AdminProblem::NoPassword)?;
    // Counted before it is looked at: a hundred that come at once are a hundred tries.
    {
        let mut failures = site.admin.failures.lock();
        if let Some(wait) = failures.blocked(gate.from, MOST_FAILURES, now) {
            return Err(Problem::TooManyFailures { wait });
        }
        failures.count(gate.from, now);
    }
    let right = site.admin.passwords.matches(Some(given.password.expose()), &stored).await;
    if !right.map_err(|auth::Busy| Problem::Busy)? {
        tracing::warn!(from = %gate.from, "a wrong admin password");
        return Err(AdminProblem::WrongPassword.into());
    }
    site.admin.failures.lock().forgive(gate.from);
    tracing::info!(from = %gate.from, "somebody signs in to the admin pages");
    let value = site.admin.sign_ins.lock().open(stored.expose(), now);
    let seconds = gate.settings.lifetime().as_secs();
    let status = Status { signed_in: true, set_up: true, private: true };
    Ok(([(header::SET_COOKIE, set_cookie(&value, seconds, gate.secure)?)], Json(status)).into_response())
}

pub(super) async fn sign_out(
    State(site): State<Arc<Site>>,
    gate: Gate,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(cookie) = cookie(&headers) {
        site.admin.sign_ins.lock().close(cookie);
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, set_cookie("", 0, gate.secure)?)]).into_response())
}

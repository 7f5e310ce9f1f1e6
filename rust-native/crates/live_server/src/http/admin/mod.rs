//! The admin pages' side of the API, and who may use it: somebody who signed in with the password, from a network that
//! may, over TLS or on this machine.
//!
//! The cookie is for our own pages alone: HttpOnly, SameSite=Strict, and what changes something must come from our own
//! origin. So other origins can neither read nor act here, and these answers carry no leave for them to.

mod forwards;
mod keys;
mod live;
mod origin;
mod problem;
mod recordings;
mod session;
mod settings;
mod streams;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::{delete, get, post};
use media::Secret;
use serde::de::DeserializeOwned;

pub(super) use problem::AdminProblem;

use super::reply::{NotShared, Problem};
use super::{OverTls, Site, pages};
use crate::admin::stored_password;
use crate::config::AdminSettings;

const COOKIE: &str = "tidecast_admin";
/// What is sent here is a line or two.
const LARGEST_BODY: usize = 16 << 10;

pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/admin", get(page))
        .route("/api/v1/admin/session", get(session::status).post(session::sign_in).delete(session::sign_out))
        .route("/api/v1/admin/events", get(live::events))
        .route("/api/v1/admin/overview", get(live::overview))
        .route("/api/v1/admin/streams/{stream}/history", get(streams::history))
        .route("/api/v1/admin/streams/{stream}/thumbnail", get(streams::thumbnail))
        .route("/api/v1/admin/sessions/{session}/send_away", post(streams::send_away))
        .route("/api/v1/admin/keys", get(keys::list).post(keys::make))
        .route("/api/v1/admin/keys/{key}", delete(keys::revoke))
        .route("/api/v1/admin/streams/{stream}/forwards", post(forwards::add))
        .route("/api/v1/admin/streams/{stream}/forwards/{name}", delete(forwards::remove))
        .route("/api/v1/admin/streams/{stream}/forwards/{name}/retry", post(forwards::retry))
        .route("/api/v1/admin/recordings", get(recordings::list))
        .route("/api/v1/admin/recordings/{rule}/{stream}/{id}", delete(recordings::delete))
        .route("/api/v1/admin/recordings/{rule}/{stream}/{id}/{file}", get(recordings::file))
        .route("/api/v1/admin/log", get(live::log))
        .route("/api/v1/admin/settings", get(settings::settings))
        .layer(middleware::map_response(async |mut response: Response| {
            response.extensions_mut().insert(NotShared);
            response
        }))
}

async fn page(_gate: Gate) -> Response {
    pages::admin()
}

/// A request that may reach the admin pages at all; nobody need be signed in.
pub(super) struct Gate {
    settings: AdminSettings,
    from: std::net::IpAddr,
    /// Nobody on the way can read along.
    private: bool,
    secure: bool,
}

impl FromRequestParts<Arc<Site>> for Gate {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        let config = site.config();
        let settings = config.admin.clone().ok_or(Problem::NoSuchPage)?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().ok_or(Problem::NoSuchPage)?.0.ip();
        let from = site.asker(peer, &parts.headers);
        if !settings.allows(from) {
            return Err(Problem::NotFromThere);
        }
        let trusted = config.access.trusts(peer.to_canonical());
        let proxied = |name: &str| parts.headers.get(name).filter(|_| trusted).and_then(|value| value.to_str().ok());
        let secure = parts.extensions.get::<OverTls>().is_some() || proxied("x-forwarded-proto") == Some("https");
        let forwarded = parts.headers.contains_key("x-forwarded-for") || parts.headers.contains_key("forwarded");
        let private = secure || settings.plain_http || (peer.is_loopback() && !forwarded);
        let safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if !safe
            && !origin::is_ours(
                &parts.headers,
                parts.uri.authority().map(Authority::as_str),
                proxied("x-forwarded-host"),
            )
        {
            tracing::warn!(%from, "another origin's request to the admin pages is refused");
            return Err(AdminProblem::ForeignOrigin.into());
        }
        Ok(Self { settings, from, private, secure })
    }
}

impl Gate {
    /// The password or its hash.
    fn password(&self) -> Result<Option<Secret>, Problem> {
        stored_password(&self.settings).map_err(|error| {
            tracing::error!(error, "nobody can sign in");
            AdminProblem::Storage.into()
        })
    }
}

/// Somebody who is signed in.
pub(super) struct Admin {
    gate: Gate,
    cookie: String,
}

impl FromRequestParts<Arc<Site>> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        let gate = Gate::from_request_parts(parts, site).await?;
        let cookie = cookie(&parts.headers).ok_or(AdminProblem::SignInFirst)?.to_owned();
        let admin = Self { gate, cookie };
        if admin.is_good(site)? { Ok(admin) } else { Err(AdminProblem::SignInFirst.into()) }
    }
}

impl Admin {
    /// Whether the sign-in (still) counts.
    fn is_good(&self, site: &Site) -> Result<bool, Problem> {
        let Some(password) = self.gate.password()? else { return Ok(false) };
        let lifetime = self.gate.settings.lifetime();
        Ok(site.admin.sign_ins.lock().is_good(&self.cookie, password.expose(), lifetime, Instant::now()))
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    })
}

/// A JSON body of ours.
pub(super) async fn json<T: DeserializeOwned>(headers: &HeaderMap, body: axum::body::Body) -> Result<T, Problem> {
    let text =
        super::sessions::text(headers, body, "application/json", LARGEST_BODY).await.map_err(
            |problem| match problem {
                Problem::BadBody => Problem::BadRequest("the body is not text or did not come whole"),
                other => other,
            },
        )?;
    serde_json::from_str(&text).map_err(|_| Problem::BadRequest("the body is not the JSON that is expected"))
}

fn set_cookie(value: &str, seconds: u64, secure: bool) -> Result<HeaderValue, Problem> {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    let mut value = HeaderValue::from_str(&text).map_err(|_| Problem::BadRequest("no cookie can be made"))?;
    value.set_sensitive(true);
    Ok(value)
}

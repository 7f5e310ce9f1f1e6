//! The HTTP side: who may do what (WHIP, WHEP), the viewer page, the figures. No media passes here.

mod api;
mod metrics;
mod pages;
mod reply;
mod sessions;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::http::HeaderMap;
use axum::middleware;
use axum::routing::{get, post};
use parking_lot::Mutex;

use crate::auth::{self, Failures};
use crate::config::{Config, StreamSettings};
use crate::figures::Figures;
use crate::relay::{Relay, Role};
use reply::Problem;

/// What every request sees.
pub(crate) struct Site {
    config: Config,
    figures: Figures,
    relay: Relay,
    failures: Mutex<Failures>,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Site {
    pub(crate) fn new(config: Config, figures: Figures, relay: Relay) -> Self {
        Self { config, figures, relay, failures: Mutex::default() }
    }

    pub(crate) fn relay(&self) -> &Relay {
        &self.relay
    }

    fn stream(&self, name: &str) -> Option<&StreamSettings> {
        self.config.streams.get(name)
    }

    /// Whether a request may act on a stream in a role: `Ok`, or the answer that says why not.
    fn authorize(&self, role: Role, name: &str, headers: &HeaderMap, from: IpAddr) -> Result<(), Problem> {
        let now = Instant::now();
        let limit = self.config.limits.failures_per_minute;
        if let Some(wait) = self.failures.lock().blocked(from, limit, now) {
            return Err(Problem::TooManyFailures { wait });
        }
        let stream = self.stream(name).ok_or(Problem::NoSuchStream)?;
        let wanted = match role {
            Role::Publish => Some(&stream.publish_key),
            Role::View => stream.view_token.as_ref(),
        };
        let token = auth::bearer(headers);
        if wanted.is_none_or(|wanted| auth::matches(token, wanted)) {
            return Ok(());
        }
        // Asking without a token is how a page finds out that it needs one: no guess.
        if token.is_some() {
            self.failures.lock().failed(from, now);
            tracing::warn!(stream = name, %from, ?role, "a wrong token");
        }
        Err(Problem::Unauthorized)
    }
}

/// Everything there is.
pub(crate) fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/whip/{stream}", post(sessions::publish).options(sessions::preflight))
        .route("/whep/{stream}", post(sessions::view).options(sessions::preflight))
        .route(
            "/whip/{stream}/{session}",
            axum::routing::patch(sessions::patch_publisher)
                .delete(sessions::delete_publisher)
                .options(sessions::preflight_session),
        )
        .route(
            "/whep/{stream}/{session}",
            axum::routing::patch(sessions::patch_viewer)
                .delete(sessions::delete_viewer)
                .options(sessions::preflight_session),
        )
        .route("/api/v1/streams", get(api::streams))
        .route("/api/v1/streams/{stream}", get(api::stream))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(api::health))
        .route("/", get(pages::viewer))
        .route("/v/{stream}", get(pages::viewer))
        .route("/assets/{file}", get(pages::asset))
        .fallback(async || Problem::NoSuchPage)
        .method_not_allowed_fallback(async || Problem::WrongMethod)
        .layer(middleware::map_response(reply::with_common_headers))
        .with_state(site)
}

/// The address a request came from.
type From = axum::extract::ConnectInfo<SocketAddr>;

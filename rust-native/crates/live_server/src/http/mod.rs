//! The HTTP side: who may do what (WHIP, WHEP, a publisher's WebSocket), the viewer page, the figures. No media passes here.

mod access;
mod admin;
mod api;
mod backend;
mod bodies;
mod chunks;
mod connections;
mod flv;
mod forwards;
mod layers;
mod marks;
mod metrics;
mod pages;
mod patient;
mod pulls;
mod readers;
mod recordings;
mod reply;
mod reports;
mod sessions;
mod trace;

pub(crate) use connections::serve;
pub(crate) use readers::sweep;
pub(crate) use reply::Problem;
pub(crate) use reports::sample;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, mpsc};

use crate::admin::Admin;
use crate::alerts::Standing;
use crate::auth::{Counter, KeyChecker};
use crate::chunks::{Marks, Shelves};
use crate::config::Config;
use crate::figures::{Figures, StreamInfo};
use crate::forward::Forwards;
use crate::hook::Hook;
use crate::ingest::Pulls;
use crate::play::Seats;
use crate::recording::Recordings;
use crate::relay::{Departed, Relay};

/// What every request sees.
pub(crate) struct Site {
    config: RwLock<Arc<Config>>,
    figures: Figures,
    relay: Relay,
    keys: KeyChecker,
    hook: Hook,
    /// Streams that are packed.
    shelves: Shelves,
    marks: Marks,
    readers: readers::Readers,
    /// Players that are sent a stream.
    seats: Seats,
    recordings: Recordings,
    forwards: Forwards,
    alerts: Standing,
    pulls: Pulls,
    /// Wrong tokens.
    failures: Mutex<Counter>,
    /// New sessions.
    openings: Mutex<Counter>,
    draining: AtomicBool,
    admin: Admin,
    /// Places to draw thumbnails.
    drawing: Semaphore,
    departures: mpsc::WeakSender<Departed>,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("config", &self.config()).finish_non_exhaustive()
    }
}

impl Site {
    pub(crate) fn new(
        config: Arc<Config>,
        admin: Admin,
        figures: Figures,
        (relay, hook): (Relay, Hook),
        departures: &mpsc::Sender<Departed>,
    ) -> Self {
        Self {
            config: RwLock::new(config),
            figures,
            relay,
            keys: KeyChecker::new(),
            hook,
            shelves: Shelves::default(),
            marks: Marks::default(),
            readers: readers::Readers::default(),
            seats: Seats::default(),
            recordings: Recordings::default(),
            forwards: Forwards::default(),
            alerts: Standing::default(),
            pulls: Pulls::default(),
            failures: Mutex::default(),
            openings: Mutex::default(),
            draining: AtomicBool::new(false),
            admin,
            drawing: Semaphore::new(1),
            departures: departures.downgrade(),
        }
    }

    pub(crate) fn relay(&self) -> &Relay {
        &self.relay
    }

    pub(crate) fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Tells the hook of an end that the media thread knows nothing of.
    pub(crate) fn tell_departed(&self, departed: Departed) {
        if let Some(departures) = self.departures.upgrade() {
            let _ = departures.try_send(departed);
        }
    }

    pub(crate) fn seats(&self) -> &Seats {
        &self.seats
    }

    pub(crate) fn hook(&self) -> &Hook {
        &self.hook
    }

    pub(crate) fn recordings(&self) -> &Recordings {
        &self.recordings
    }

    pub(crate) fn forwards(&self) -> &Forwards {
        &self.forwards
    }

    pub(crate) fn alerts(&self) -> &Standing {
        &self.alerts
    }

    pub(crate) fn pulls(&self) -> &Pulls {
        &self.pulls
    }

    /// Whether anybody watches a stream, by whatever protocol.
    pub(crate) fn is_watched(&self, stream: &str) -> bool {
        let relayed = self.figures.get(stream).is_some_and(|info| info.viewers > 0);
        relayed || self.readers.of(stream) > 0 || self.seats.of(stream) > 0
    }

    /// A stream's figures.
    pub(crate) fn stream_info(&self, stream: &str) -> Option<StreamInfo> {
        self.figures.get(stream)
    }

    pub(crate) fn all_streams(&self) -> Vec<StreamInfo> {
        self.figures.all()
    }

    pub(crate) fn shelves(&self) -> &Shelves {
        &self.shelves
    }

    /// The configuration as it is now.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.read().clone()
    }

    /// Another one from now on, for whoever asks next.
    pub(crate) fn set_config(&self, config: Arc<Config>) {
        *self.config.write() = config;
    }

    /// No new sessions from now on.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// Everything there is.
pub(crate) fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/whip/{stream}", post(sessions::publish).options(sessions::preflight))
        .route("/ws/{stream}", get(backend::publish))
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
        .route("/whep/{stream}/{session}/layer", get(layers::show).post(layers::choose).options(layers::preflight))
        .route("/hls/{stream}/{file}", get(chunks::hls))
        .route("/dash/{stream}/manifest.mpd", get(chunks::dash))
        .route("/live/{file}", get(flv::play))
        .route("/api/v1/streams", get(api::streams))
        .route("/api/v1/streams/{stream}", get(api::stream))
        .route("/api/v1/streams/{stream}/forwards", get(forwards::list).post(forwards::add))
        .route("/api/v1/streams/{stream}/forwards/{name}", axum::routing::delete(forwards::remove))
        .route("/api/v1/streams/{stream}/forwards/{name}/retry", post(forwards::retry))
        .route("/api/v1/streams/{stream}/marks", get(marks::list).post(marks::set))
        .route("/api/v1/streams/{stream}/pull", get(pulls::show).put(pulls::set).delete(pulls::remove))
        .route("/api/v1/recordings", get(recordings::list))
        .route("/api/v1/recordings/{rule}/{stream}/{id}", get(recordings::one).delete(recordings::delete))
        .route("/recordings/{rule}/{stream}/{id}/{file}", get(recordings::file))
        .route("/recordings", get(pages::recordings))
        .route("/api/v1/streams/{stream}/report", post(reports::report))
        .route("/api/v1/openapi.json", get(api::description))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(api::health))
        .route("/readyz", get(api::ready))
        .route("/", get(pages::viewer))
        .route("/v/{stream}", get(pages::viewer))
        .route("/assets/{file}", get(pages::asset))
        .merge(admin::routes())
        .fallback(async || Problem::NoSuchPage)
        .method_not_allowed_fallback(async || Problem::WrongMethod)
        .layer(middleware::map_response(reply::with_common_headers))
        .layer(middleware::from_fn(trace::with_request_id))
        .with_state(site)
}

/// With a request that came over TLS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OverTls;

/// The address a request came from.
type From = axum::extract::ConnectInfo<SocketAddr>;

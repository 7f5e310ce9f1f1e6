//! The server as one value: start it, ask it, shut it down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::error::ServerError;
use crate::figures::{Figures, StreamInfo};
use crate::http::{self, Site};
use crate::relay::Relay;

/// How long requests that are under way may take at shutdown. Pages keep their connections open: they are cut.
const LAST_REQUESTS: Duration = Duration::from_millis(500);

/// A running server. Dropping it stops it without waiting; [`LiveServer::shutdown`] says goodbye first.
#[derive(Debug)]
pub struct LiveServer {
    address: SocketAddr,
    figures: Figures,
    site: Arc<Site>,
    stop: watch::Sender<bool>,
    pages: JoinHandle<()>,
}

impl LiveServer {
    /// Listens, and serves from then on. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`ServerError::BadConfig`], or one of those about the ports.
    pub async fn start(config: Config) -> Result<Self, ServerError> {
        config.check().map_err(ServerError::BadConfig)?;
        let listener =
            TcpListener::bind(config.http).await.map_err(|error| ServerError::from_bind(config.http, error))?;
        let address = listener.local_addr().map_err(|error| ServerError::from_bind(config.http, error))?;
        let figures = Figures::new(config.streams.keys().cloned());
        let relay = Relay::start(&config, figures.clone())?;
        let site = Arc::new(Site::new(config, figures.clone(), relay));
        let (stop, mut stopped) = watch::channel(false);
        let service = http::router(site.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let pages = tokio::spawn(async move {
            // Answers are small and waited for: none should wait for a full segment.
            let listener = listener.tap_io(|connection| {
                let _ = connection.set_nodelay(true);
            });
            let graceful = axum::serve(listener, service).with_graceful_shutdown(async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            });
            if let Err(error) = graceful.await {
                tracing::error!(%error, "the HTTP server ended");
            }
        });
        tracing::info!(%address, "the live server is listening");
        Ok(Self { address, figures, site, stop, pages })
    }

    /// Where HTTP listens, with the port that was taken.
    pub fn http_addr(&self) -> SocketAddr {
        self.address
    }

    /// Who watches a stream now; 0 for one that doesn't exist.
    pub fn viewers(&self, stream: &str) -> u32 {
        self.figures.get(stream).map_or(0, |info| info.viewers)
    }

    /// Every stream, in order of their names. At most half a second old.
    pub fn streams(&self) -> Vec<StreamInfo> {
        self.figures.all()
    }

    /// Says goodbye to publishers and viewers, and waits until everything has ended.
    pub async fn shutdown(mut self) {
        let _ = self.stop.send(true);
        self.site.relay().stop().await;
        if tokio::time::timeout(LAST_REQUESTS, &mut self.pages).await.is_err() {
            self.pages.abort();
        }
        tracing::info!("the live server has stopped");
    }
}

impl Drop for LiveServer {
    fn drop(&mut self) {
        // The media thread ends when the last way to it is gone: that is the site's, which the pages' task holds.
        self.pages.abort();
    }
}

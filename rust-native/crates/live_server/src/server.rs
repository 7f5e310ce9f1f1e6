//! The server as one value: start it, ask it, shut it down.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::error::ServerError;
use crate::figures::{Figures, StreamInfo};
use crate::hook::{self, Hook};
use crate::http::{self, Site};
use crate::ingest::Ingest;
use crate::relay::Relay;

/// How long requests that are under way may take at shutdown. Pages keep their connections open: they are cut.
const LAST_REQUESTS: Duration = Duration::from_millis(500);

/// How long the hook may take to hear of those who were sent away at shutdown.
const LAST_ENDS: Duration = Duration::from_secs(2);

/// A running server. Dropping it stops it without waiting; [`LiveServer::shutdown`] says goodbye first.
#[derive(Debug)]
pub struct LiveServer {
    address: SocketAddr,
    rtmp: Option<SocketAddr>,
    rtmps: Option<SocketAddr>,
    srt: Option<SocketAddr>,
    figures: Figures,
    site: Arc<Site>,
    stop: watch::Sender<bool>,
    pages: JoinHandle<()>,
    /// Publishers over other protocols than WebRTC.
    ingest: Vec<JoinHandle<()>>,
    /// Tells the hook who has gone.
    ends: JoinHandle<()>,
}

impl LiveServer {
    /// Listens, and serves from then on. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`ServerError::BadConfig`], or one of those about the ports.
    pub async fn start(config: Config) -> Result<Self, ServerError> {
        Self::starting(config).await
    }

    // Boxed, so that the server is compiled here and not once more in each program that awaits it.
    fn starting(config: Config) -> Pin<Box<dyn Future<Output = Result<Self, ServerError>> + Send>> {
        Box::pin(Self::open(config))
    }

    async fn open(config: Config) -> Result<Self, ServerError> {
        config.check().map_err(ServerError::BadConfig)?;
        let listener =
            TcpListener::bind(config.http).await.map_err(|error| ServerError::from_bind(config.http, error))?;
        let address = listener.local_addr().map_err(|error| ServerError::from_bind(config.http, error))?;
        let ingest = Ingest::open(&config).await?;
        let (rtmp, rtmps, srt) = (ingest.rtmp_addr(), ingest.rtmps_addr(), ingest.srt_addr());
        let figures = Figures::new(config.streams.keys().cloned());
        let hook = Hook::new().map_err(|error| ServerError::NoThread(std::io::Error::other(error)))?;
        let (departures, departed) = mpsc::channel(hook::WAITING_ENDS);
        let relay = Relay::start(&config, figures.clone(), departures.clone())?;
        let site = Arc::new(Site::new(Arc::new(config), figures.clone(), relay, hook));
        site.pack_all();
        let (stop, stopped) = watch::channel(false);
        let ingest = ingest.serve(&site, &stopped);
        tokio::spawn(http::sweep(site.clone(), departures, stopped.clone()));
        let router = http::router(site.clone());
        let proxies = site.clone();
        let pages = tokio::spawn(async move {
            http::serve(listener, router, |address| proxies.config().access.trusts(address), stopped).await;
        });
        let ends = site.clone();
        let ends = tokio::spawn(async move { ends.hook().tell_ends(departed, || ends.config().hook.clone()).await });
        tracing::info!(%address, "the live server is listening");
        Ok(Self { address, rtmp, rtmps, srt, figures, site, stop, pages, ingest, ends })
    }

    /// Takes another configuration over; nobody is sent away. Ports stay as they are until the next start.
    ///
    /// # Errors
    /// [`ServerError::BadConfig`]; the old one stays then.
    pub async fn reload(&self, config: Config) -> Result<(), ServerError> {
        config.check().map_err(ServerError::BadConfig)?;
        let old = self.site.config();
        let ports = |config: &Config| {
            (
                config.http,
                config.rtc.port,
                config.rtc.address,
                config.rtmp.listen,
                config.rtmp.tls_listen,
                config.srt.listen,
            )
        };
        if ports(old.as_ref()) != ports(&config) {
            tracing::warn!("another address to listen on counts from the next start on");
        }
        let config = Arc::new(config);
        // First the streams, then who may ask for them: nobody is let in to what isn't there yet.
        self.site.relay().reload(config.clone()).await;
        self.site.set_config(config);
        self.site.pack_all();
        tracing::info!("another configuration is in force");
        Ok(())
    }

    /// Opens no sessions any more, and says so to who asks whether it is ready. Who is here stays.
    pub fn drain(&self) {
        self.site.drain();
        tracing::info!("no new sessions are taken");
    }

    /// Whether nobody publishes and nobody watches.
    pub fn is_idle(&self) -> bool {
        self.figures.all().iter().all(|info| !info.live && info.viewers == 0)
    }

    /// Where HTTP listens, with the port that was taken.
    pub fn http_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where RTMP listens, with the port that was taken; `None` where it is off.
    pub fn rtmp_addr(&self) -> Option<SocketAddr> {
        self.rtmp
    }

    /// Where RTMP over TLS listens; `None` where it is off.
    pub fn rtmps_addr(&self) -> Option<SocketAddr> {
        self.rtmps
    }

    /// Where SRT listens for callers; `None` where it is off.
    pub fn srt_addr(&self) -> Option<SocketAddr> {
        self.srt
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
        let ingest = std::mem::take(&mut self.ingest);
        for mut task in ingest {
            if tokio::time::timeout(LAST_REQUESTS, &mut task).await.is_err() {
                task.abort();
            }
        }
        // The media thread has gone, and with it the sender: what is left to tell is told, or not at all.
        if tokio::time::timeout(LAST_ENDS, &mut self.ends).await.is_err() {
            tracing::warn!("the hook was not told every end");
        }
        tracing::info!("the live server has stopped");
    }
}

impl Drop for LiveServer {
    fn drop(&mut self) {
        // The media thread ends when the last way to it is gone: that is the site's, which the pages' task holds.
        self.pages.abort();
        self.ingest.iter().for_each(JoinHandle::abort);
        self.ends.abort();
    }
}

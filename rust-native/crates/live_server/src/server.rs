//! The server as one value: start it, ask it, shut it down.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::acme;
use crate::admin::{Admin, LogBook, MadeKeys};
use crate::alerts;
use crate::config::Config;
use crate::error::{ConfigProblem, ServerError};
use crate::figures::{Figures, StreamInfo};
use crate::forward;
use crate::hook::{self, Hook};
use crate::http::{self, Site};
use crate::ingest::Ingest;
use crate::recording;
use crate::relay::Relay;
use crate::tls::{Certificate, Certificates};

/// How long requests that are under way may take at shutdown. Pages keep their connections open: they are cut.
const LAST_REQUESTS: Duration = Duration::from_millis(500);

/// How long the hook may take to hear of those who were sent away at shutdown.
const LAST_ENDS: Duration = Duration::from_secs(2);

/// A running server. Dropping it stops it without waiting; [`LiveServer::shutdown`] says goodbye first.
#[derive(Debug)]
pub struct LiveServer {
    address: SocketAddr,
    https: Option<SocketAddr>,
    rtmp: Option<SocketAddr>,
    rtmps: Option<SocketAddr>,
    srt: Option<SocketAddr>,
    figures: Figures,
    site: Arc<Site>,
    stop: watch::Sender<bool>,
    pages: Vec<JoinHandle<()>>,
    certificates: Certificates,
    /// Publishers over other protocols than WebRTC.
    ingest: Vec<JoinHandle<()>>,
    /// Tells the hook who has gone.
    ends: JoinHandle<()>,
    /// Writes recordings.
    recorder: JoinHandle<()>,
    /// Sends streams on.
    forwarder: JoinHandle<()>,
    /// Tells the operator.
    alerts: JoinHandle<()>,
}

impl LiveServer {
    /// Listens, and serves from then on. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`ServerError::BadConfig`], or one of those about the ports.
    pub async fn start(config: Config) -> Result<Self, ServerError> {
        Self::start_logged(config, LogBook::default()).await
    }

    /// The same, with the log that the admin pages search.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_logged(config: Config, log: LogBook) -> Result<Self, ServerError> {
        Self::starting(config, log).await
    }

    // Boxed, so that the server is compiled here and not once more in each program that awaits it.
    fn starting(config: Config, log: LogBook) -> Pin<Box<dyn Future<Output = Result<Self, ServerError>> + Send>> {
        Box::pin(Self::open(config, log))
    }

    async fn open(config: Config, log: LogBook) -> Result<Self, ServerError> {
        config.check().map_err(ServerError::BadConfig)?;
        let admin = Admin::new(log);
        admin.configure(load_keys(&config)?);
        let kept = load_forwards(&config)?;
        let listener =
            TcpListener::bind(config.http).await.map_err(|error| ServerError::from_bind(config.http, error))?;
        let address = listener.local_addr().map_err(|error| ServerError::from_bind(config.http, error))?;
        let secure = match config.https.listen {
            Some(address) => {
                let loaded = match &config.https.acme {
                    Some(acme) => acme::first(acme).map_err(|reason| {
                        ServerError::BadConfig(ConfigProblem { line: None, reason: format!("https.acme: {reason}") })
                    })?,
                    None => Certificates::of_https(&config)?,
                };
                let certificate = Certificate::new(loaded);
                let listener =
                    TcpListener::bind(address).await.map_err(|error| ServerError::from_bind(address, error))?;
                Some((listener, certificate))
            }
            None => None,
        };
        let https = secure.as_ref().and_then(|(listener, _)| listener.local_addr().ok());
        let shown = secure.as_ref().map(|(_, certificate)| certificate.clone());
        let ingest = Ingest::open(&config, shown.as_ref()).await?;
        // What RTMPS shares with HTTPS is read again there.
        let own = ingest.certificate().filter(|_| config.rtmp.certificate.is_some());
        let certificates = Certificates { https: shown, rtmps: own };
        let (rtmp, rtmps, srt) = (ingest.rtmp_addr(), ingest.rtmps_addr(), ingest.srt_addr());
        let acme = config.https.acme.clone();
        let figures = Figures::new(config.streams.keys().cloned());
        let hook = Hook::new().map_err(|error| ServerError::NoThread(std::io::Error::other(error)))?;
        let (departures, departed) = mpsc::channel(hook::WAITING_ENDS);
        let relay = Relay::start(&config, figures.clone(), departures.clone())?;
        let site = Arc::new(Site::new(Arc::new(config), admin, figures.clone(), (relay, hook), &departures));
        site.forwards().keep(kept);
        site.pack_all();
        let (stop, stopped) = watch::channel(false);
        let ingest = ingest.serve(&site, &stopped);
        tokio::spawn(http::sweep(site.clone(), departures, stopped.clone()));
        tokio::spawn(http::sample(Arc::downgrade(&site)));
        let recorder = tokio::spawn(recording::run(site.clone(), stopped.clone()));
        let forwarder = tokio::spawn(forward::run(site.clone(), stopped.clone()));
        let alerts = tokio::spawn(alerts::run(site.clone(), stopped.clone()));
        if let (Some(settings), Some((_, certificate))) = (acme, &secure) {
            tokio::spawn(acme::run(settings, certificate.clone(), stopped.clone()));
        }
        let router = http::router(site.clone());
        let mut doors = vec![(listener, None)];
        if let Some((listener, certificate)) = secure {
            let acceptor = certificate.acceptor(&["h2", "http/1.1"]);
            let bad = |reason| ServerError::BadConfig(ConfigProblem { line: None, reason });
            doors.push((listener, Some(acceptor.map_err(bad)?)));
        }
        let open = |(listener, tls)| {
            let (proxies, router, stopped) = (site.clone(), router.clone(), stopped.clone());
            tokio::spawn(async move {
                let is_proxy = |address| proxies.config().access.trusts(address);
                http::serve((listener, tls), router, is_proxy, stopped).await;
            })
        };
        let pages = doors.into_iter().map(open).collect();
        let ends = site.clone();
        let ends = tokio::spawn(async move { ends.hook().tell_ends(departed, || ends.config().hook.clone()).await });
        tracing::info!(%address, "the live server is listening");
        Ok(Self {
            address,
            https,
            rtmp,
            rtmps,
            srt,
            figures,
            site,
            stop,
            pages,
            certificates,
            ingest,
            ends,
            recorder,
            forwarder,
            alerts,
        })
    }

    /// Takes another configuration over; nobody is sent away. Ports stay as they are until the next start.
    ///
    /// # Errors
    /// [`ServerError::BadConfig`]; the old one stays then.
    pub async fn reload(&self, config: Config) -> Result<(), ServerError> {
        config.check().map_err(ServerError::BadConfig)?;
        let (keys, kept) = (load_keys(&config)?, load_forwards(&config)?);
        let renew = self.certificates.reload(&config)?;
        let old = self.site.config();
        let ports = |config: &Config| {
            (
                config.http,
                config.https.listen,
                config.https.acme.clone(),
                (config.rtc.port, config.rtc.tcp),
                config.rtc.address,
                config.rtmp.listen,
                config.rtmp.tls_listen,
                config.srt.listen,
            )
        };
        if ports(old.as_ref()) != ports(&config) {
            tracing::warn!("another address to listen on, or authority, counts from the next start on");
        }
        let config = Arc::new(config);
        // First the streams, then who may ask for them: nobody is let in to what isn't there yet.
        self.site.relay().reload(config.clone()).await;
        renew();
        self.site.admin().configure(keys);
        self.site.set_config(config);
        self.site.forwards().keep(kept);
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

    /// Where HTTPS listens; `None` where it is off.
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.https
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
        // Their own patience has an end.
        if (&mut self.recorder).await.is_err() || (&mut self.forwarder).await.is_err() {
            tracing::error!("what writes recordings or sends streams on ended with a panic");
        }
        let tasks = std::mem::take(&mut self.pages).into_iter().chain(std::mem::take(&mut self.ingest));
        for mut task in tasks.collect::<Vec<_>>() {
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

fn load_keys(config: &Config) -> Result<MadeKeys, ServerError> {
    Admin::load_keys(config).map_err(bad_folder)
}

fn load_forwards(config: &Config) -> Result<forward::Kept, ServerError> {
    forward::Kept::load(config).map_err(bad_folder)
}

fn bad_folder(reason: String) -> ServerError {
    ServerError::BadConfig(ConfigProblem { line: None, reason: format!("admin.folder: {reason}") })
}

impl Drop for LiveServer {
    fn drop(&mut self) {
        // The media thread ends when the last way to it is gone: that is the site's, which the pages' task holds.
        self.pages.iter().chain(&self.ingest).for_each(JoinHandle::abort);
        self.ends.abort();
        self.recorder.abort();
        self.forwarder.abort();
        self.alerts.abort();
    }
}

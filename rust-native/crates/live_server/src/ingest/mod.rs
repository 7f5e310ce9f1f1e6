//! Publishers that speak other protocols than WebRTC: RTMP and SRT in, RTP into the relay. And the players who come to
//! the same ports.
//!
//! Each has a task that owns its socket and speaks its protocol; what it brings becomes [`unit`]s, and a [`desk`] makes
//! packets of them. H.264 without B-frames and Opus pass through as they are. What WebRTC has no place for is made anew
//! on threads of their own, only while somebody watches: AAC becomes Opus, and pictures that were reordered (B-frames)
//! are encoded once more. Other codecs are left out, and the stream's `notice` says so.
//!
//! What a player is sent comes from `play`; here are only its socket and its protocol.

mod address;
mod avc;
mod desk;
mod door;
mod mpeg_ts;
mod pace;
mod packetize;
mod picture;
mod pictures;
mod pull;
mod rtmp;
mod sound;
mod srt;
mod unit;

pub(crate) use packetize::payloads;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::error::ServerError;
use crate::http::Site;
use crate::tls::{Certificate, Certificates};
pub(crate) use pull::{PullInfo, PullProblem, Pulls};

/// What all publishers here share.
#[derive(Clone)]
pub(crate) struct Hall {
    pub(crate) site: Arc<Site>,
    /// Places to encode pictures anew.
    videos: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
}

/// The open ports.
pub(crate) struct Ingest {
    rtmp: Option<TcpListener>,
    rtmps: Option<(TcpListener, Certificate)>,
    srt: Option<srt::Port>,
    videos: Arc<Semaphore>,
}

impl Ingest {
    /// Opens the configured ports. Without files of its own RTMPS shows what HTTPS does.
    pub(crate) async fn open(config: &Config, https: Option<&Certificate>) -> Result<Self, ServerError> {
        let rtmp = match config.rtmp.listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let rtmps = match config.rtmp.tls_listen {
            Some(address) => {
                let certificate = match https.filter(|_| config.rtmp.certificate.is_none()) {
                    Some(shared) => shared.clone(),
                    None => Certificate::new(Certificates::of_rtmp(config)?),
                };
                Some((listen(address).await?, certificate))
            }
            None => None,
        };
        let srt = match config.srt.listen {
            Some(address) => Some(srt::Port::open(address, &config.srt)?),
            None => None,
        };
        let videos = Arc::new(Semaphore::new(config.transcoding.most_videos as usize));
        Ok(Self { rtmp, rtmps, srt, videos })
    }

    /// Where RTMP listens, with the port that was taken.
    pub(crate) fn rtmp_addr(&self) -> Option<SocketAddr> {
        self.rtmp.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Where RTMP over TLS listens.
    pub(crate) fn rtmps_addr(&self) -> Option<SocketAddr> {
        self.rtmps.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// What RTMPS shows, if it is on.
    pub(crate) fn certificate(&self) -> Option<Certificate> {
        self.rtmps.as_ref().map(|(_, certificate)| certificate.clone())
    }

    /// Where SRT listens.
    pub(crate) fn srt_addr(&self) -> Option<SocketAddr> {
        self.srt.as_ref().map(srt::Port::address)
    }

    /// Serves until `stopped` says so.
    pub(crate) fn serve(self, site: &Arc<Site>, stopped: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
        let hall = Hall { site: site.clone(), videos: self.videos, stopped: stopped.clone() };
        let mut tasks = Vec::new();
        if let Some(listener) = self.rtmp {
            tasks.push(tokio::spawn(rtmp::serve(listener, None, hall.clone())));
        }
        if let Some((listener, certificate)) = self.rtmps {
            match certificate.acceptor(&[]) {
                Ok(acceptor) => tasks.push(tokio::spawn(rtmp::serve(listener, Some(acceptor), hall.clone()))),
                Err(error) => tracing::error!(error, "RTMPS is off"),
            }
        }
        if let Some(port) = self.srt {
            tasks.push(tokio::spawn(srt::serve(port, hall.clone())));
        }
        tasks.push(tokio::spawn(pull::run(hall)));
        tasks
    }
}

/// Until it is told to stop, or nobody is left who could say so.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address).await.map_err(|error| ServerError::from_bind(address, error))
}

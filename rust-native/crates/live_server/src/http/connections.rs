//! The HTTP connections themselves: bounded in number, and none may hold its place by saying nothing, or too slowly.
//! HTTP/1.1, and HTTP/2 for who asks for it over TLS (ALPN).

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use super::OverTls;
use super::bodies::{Busy, Timely};
use super::patient::{PATIENCE, Patient};

/// A request's head that takes longer is no request; a kept connection that is idle for longer is closed, and a player
/// opens another.
const SLOWEST_HEAD: Duration = Duration::from_secs(10);
/// Connections at the same time. A player needs one or two; past it the next waits in the system's queue.
const MOST_CONNECTIONS: usize = 8192;
/// Requests of one HTTP/2 connection at the same time: a player has a playlist and a few parts under way.
const MOST_AT_ONCE: u32 = 64;
/// One request's header fields.
const MOST_HEADERS: u32 = 32 << 10;
/// What may wait in memory for one answer over HTTP/2.
const MOST_UNSENT: usize = 256 << 10;
/// How often an HTTP/2 connection is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Of one address (of one household with IPv6): a proxy is not held to it.
const MOST_OF_ONE: u32 = 512;
/// After "too many open files" and its like.
const BREATH: Duration = Duration::from_millis(50);

/// Who has how many connections.
#[derive(Debug, Default)]
struct Crowd(Mutex<HashMap<IpAddr, u32>>);

impl Crowd {
    fn enter(self: &Arc<Self>, address: IpAddr, unlimited: bool) -> Option<Visit> {
        let mut crowd = self.0.lock();
        let count = crowd.entry(address).or_insert(0);
        if *count >= MOST_OF_ONE && !unlimited {
            return None;
        }
        *count += 1;
        drop(crowd);
        Some(Visit { crowd: self.clone(), address })
    }
}

/// One connection's place in the crowd.
#[derive(Debug)]
struct Visit {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut crowd = self.crowd.0.lock();
        if let Some(count) = crowd.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                crowd.remove(&self.address);
            }
        }
    }
}

/// Serves until `stop` says so, then lets requests that are under way end.
pub(crate) async fn serve(
    (listener, tls): (TcpListener, Option<TlsAcceptor>),
    router: Router,
    is_proxy: impl Fn(IpAddr) -> bool,
    mut stop: watch::Receiver<bool>,
) {
    let (places, crowd) = (Arc::new(Semaphore::new(MOST_CONNECTIONS)), Arc::new(Crowd::default()));
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        let place = tokio::select! {
            () = told(&mut stop) => break,
            place = places.clone().acquire_owned() => place,
        };
        let Ok(place) = place else { return };
        let accepted = tokio::select! {
            () = told(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection can't be accepted");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let Some(visit) = crowd.enter(crate::auth::household(from.ip()), is_proxy(from.ip())) else {
            tracing::debug!(%from, "too many connections of one address");
            continue;
        };
        let (router, tls, stop) = (router.clone(), tls.clone(), stop.clone());
        open.spawn(async move {
            // Answers are small and waited for: none should wait for a full segment.
            let _ = stream.set_nodelay(true);
            match tls {
                None => connection(stream, Guest { from, over_tls: false, router }, stop).await,
                Some(acceptor) => match tokio::time::timeout(SLOWEST_HEAD, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let guest = Guest { from, over_tls: true, router };
                        let second = stream.get_ref().1.alpn_protocol() == Some(b"h2".as_slice());
                        if second {
                            connection_2(stream, guest, stop).await;
                        } else {
                            connection(stream, guest, stop).await;
                        }
                    }
                    Ok(Err(error)) => tracing::debug!(%from, %error, "no TLS"),
                    Err(_) => tracing::debug!(%from, "no TLS in time"),
                },
            }
            drop((place, visit));
        });
    }
    while open.join_next().await.is_some() {}
}

/// Until it is told to stop, or nobody is left who could say so.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Who is at the other end.
#[derive(Clone)]
struct Guest {
    from: SocketAddr,
    over_tls: bool,
    router: Router,
}

impl Guest {
    async fn answer(mut self, request: Request<Incoming>) -> Response<Body> {
        let mut request = request.map(|body| Body::new(Timely::new(body)));
        request.extensions_mut().insert(ConnectInfo(self.from));
        if self.over_tls {
            request.extensions_mut().insert(OverTls);
        }
        match self.router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    guest: Guest,
    mut stop: watch::Receiver<bool>,
) {
    let from = guest.from;
    let service = service_fn(move |request| {
        let guest = guest.clone();
        async move { Ok::<_, Infallible>(guest.answer(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(SLOWEST_HEAD);
    let connection = builder.serve_connection(TokioIo::new(Patient::new(stream, PATIENCE)), service).with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%from, %error, "a connection ended");
    }
}

/// The same with HTTP/2, whose connections have no pause between two heads that could be measured: one without a request
/// is closed as early, and one that does not answer a ping as well.
async fn connection_2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    guest: Guest,
    mut stop: watch::Receiver<bool>,
) {
    let (from, busy) = (guest.from, Busy::default());
    let counted = busy.clone();
    let service = service_fn(move |request| {
        let (guest, underway) = (guest.clone(), counted.begin());
        async move { Ok::<_, Infallible>(underway.with(guest.answer(request).await)) }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(SLOWEST_HEAD)
        .keep_alive_timeout(SLOWEST_HEAD)
        .max_concurrent_streams(MOST_AT_ONCE)
        .max_header_list_size(MOST_HEADERS)
        .max_send_buf_size(MOST_UNSENT);
    let connection = builder.serve_connection(TokioIo::new(Patient::new(stream, PATIENCE)), service);
    tokio::pin!(connection);
    let mut used = Instant::now();
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = told(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                break connection.await;
            }
            () = tokio::time::sleep(LOOK) => {
                if !busy.is_idle() {
                    used = Instant::now();
                } else if used.elapsed() >= SLOWEST_HEAD {
                    connection.as_mut().graceful_shutdown();
                    // A goodbye that is not heard is not waited for.
                    let _ = tokio::time::timeout(SLOWEST_HEAD, connection).await;
                    return;
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%from, %error, "a connection ended");
    }
}

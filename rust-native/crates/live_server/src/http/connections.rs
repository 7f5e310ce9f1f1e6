//! The HTTP connections themselves: bounded in number, and none may hold its place by saying nothing.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use super::OverTls;
use super::patient::{PATIENCE, Patient};

/// A request's head that takes longer is no request; a kept connection that is idle for longer is closed, and a player
/// opens another.
const SLOWEST_HEAD: Duration = Duration::from_secs(10);
/// Connections at the same time. A player needs one or two; past it the next waits in the system's queue.
const MOST_CONNECTIONS: usize = 8192;
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
                None => connection(stream, from, false, router, stop).await,
                Some(acceptor) => match tokio::time::timeout(SLOWEST_HEAD, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => connection(stream, from, true, router, stop).await,
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

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    from: SocketAddr,
    over_tls: bool,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(from));
            if over_tls {
                request.extensions_mut().insert(OverTls);
            }
            Ok::<_, Infallible>(match router.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            })
        }
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

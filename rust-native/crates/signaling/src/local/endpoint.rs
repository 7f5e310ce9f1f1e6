//! The HTTP half: who may come in.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use media::Secret;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::connection::{self, PreviewConnection};
use super::token::{OneTimeTokens, equal, random_token};

/// TCP connections at once: a page opens six for its pictures and one for the preview.
const CONNECTIONS: usize = 32;
/// Previews at once: the window, its successor after a reload, and developer tools.
const PREVIEWS: usize = 8;
/// Thumbnails made at once: each is a grab of a whole screen, and the stream comes first.
const THUMBNAILS: usize = 2;
/// For a request's head to arrive, and for the upgrade after it.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// A request line with an id and a token, and a browser's headers, fit into it.
const MAX_HEAD: usize = 16 * 1024;

/// Makes the JPEG of a source.
pub type Thumbnailer = Arc<dyn Fn(&str) -> Result<Vec<u8>, ThumbnailError> + Send + Sync>;

/// What the endpoint needs to know.
pub struct EndpointOptions {
    /// Origins of our own page, as its browser writes them: `app://tidecast`; a page loaded from a file says
    /// `file://` in Chromium 83 and `null` in 156. Any sandboxed frame says `null` too: the token still stands.
    pub allowed_origins: Vec<String>,
    /// Called on the blocking pool, by at most two threads at once.
    pub thumbnail: Thumbnailer,
}

impl std::fmt::Debug for EndpointOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointOptions").field("allowed_origins", &self.allowed_origins).finish_non_exhaustive()
    }
}

/// Why there is no thumbnail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThumbnailError {
    /// No such source, or no longer.
    #[error("there is no such source")]
    NotFound,
    /// It exists, but no picture can be had now.
    #[error("no picture can be had of it now: {0}")]
    Unavailable(String),
}

impl ThumbnailError {
    /// Stable, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "no_such_source",
            Self::Unavailable(_) => "no_picture",
        }
    }

    /// One sentence: what to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotFound => "List the sources again.",
            Self::Unavailable(_) => "Bring the window back to the screen.",
        }
    }
}

/// Why the endpoint could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalingError {
    /// No port on 127.0.0.1.
    #[error("no port on 127.0.0.1 could be opened: {0}")]
    Listen(#[source] io::Error),
}

impl SignalingError {
    /// Stable, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Listen(_) => "local_port",
        }
    }

    /// One sentence: what to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Listen(_) => "Check that a firewall or a sandbox lets the program listen on 127.0.0.1.",
        }
    }
}

/// The running endpoint. Dropping it closes the port and every connection.
#[derive(Debug)]
pub struct LocalEndpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
    _running: watch::Sender<()>,
}

struct Shared {
    address: SocketAddr,
    options: EndpointOptions,
    page_token: Secret,
    tokens: Mutex<OneTimeTokens>,
    previews: Arc<Semaphore>,
    thumbnails: Arc<Semaphore>,
    connections: mpsc::Sender<PreviewConnection>,
    stopped: watch::Receiver<()>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("options", &self.options).finish_non_exhaustive()
    }
}

impl LocalEndpoint {
    /// Listens on a free port of 127.0.0.1. Must be called in a tokio context.
    ///
    /// # Errors
    /// [`SignalingError::Listen`].
    pub async fn start(options: EndpointOptions) -> Result<(Self, mpsc::Receiver<PreviewConnection>), SignalingError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(SignalingError::Listen)?;
        let address = listener.local_addr().map_err(SignalingError::Listen)?;
        let (connections, receiver) = mpsc::channel(PREVIEWS);
        let (running, stopped) = watch::channel(());
        let shared = Arc::new(Shared {
            address,
            options,
            page_token: random_token(),
            tokens: Mutex::default(),
            previews: Arc::new(Semaphore::new(PREVIEWS)),
            thumbnails: Arc::new(Semaphore::new(THUMBNAILS)),
            connections,
            stopped,
        });
        listen(listener, Arc::clone(&shared));
        Ok((Self { address, shared, _running: running }, receiver))
    }

    /// `ws://127.0.0.1:PORT/preview`, to which the page adds `?token=`.
    pub fn preview_url(&self) -> String {
        format!("ws://{}/preview", self.address)
    }

    /// Good for one connection within a minute; sixteen may be out at once.
    pub fn issue_token(&self) -> Secret {
        self.shared.tokens.lock().issue(Instant::now())
    }

    /// Where the JPEG of a source is; holds the page's token, valid while the endpoint runs.
    pub fn thumbnail_url(&self, id: &str) -> String {
        let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        // Form encoding writes a blank as `+`, which in a path is a plus.
        let id = id.replace('+', "%20");
        format!("http://{}/thumbnails/{id}?token={}", self.address, self.shared.page_token.expose())
    }
}

// Apart from `start`, so that it is compiled here and not once more in each program that awaits that.
fn listen(listener: TcpListener, shared: Arc<Shared>) {
    tokio::spawn(accept(listener, shared));
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut stopped = shared.stopped.clone();
    loop {
        // Beyond the limit the system's queue holds them.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = tokio::select! {
            _ = stopped.changed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a local connection was not accepted");
                    // Out of file descriptors: wait for some to come back rather than spin.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            serve(stream, shared).await;
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut stopped = shared.stopped.clone();
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(route(request, shared).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        _ = stopped.changed() => {}
        served = connection => {
            if let Err(error) = served {
                tracing::debug!(%error, "a local connection broke");
            }
        }
    }
}

type Reply = Response<Full<Bytes>>;

async fn route(request: Request<Incoming>, shared: Arc<Shared>) -> Reply {
    // A name that an attacker's DNS points to 127.0.0.1 makes his page "same origin": only our address will do.
    let host = request.headers().get(header::HOST).map(HeaderValue::as_bytes);
    if host != Some(shared.address.to_string().as_bytes()) {
        return problem(StatusCode::FORBIDDEN, "foreign_host", "this endpoint is reached by its address only");
    }
    let path = request.uri().path().to_owned();
    if request.method() != Method::GET {
        return problem(StatusCode::NOT_FOUND, "not_found", "there is nothing here");
    }
    if path == "/preview" {
        preview(request, shared)
    } else if let Some(id) = path.strip_prefix("/thumbnails/") {
        let token = token_of(&request);
        thumbnail(id, &token, shared).await
    } else {
        problem(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
    }
}

fn preview(mut request: Request<Incoming>, shared: Arc<Shared>) -> Reply {
    let headers = request.headers();
    // The Origin comes first: a foreign page must not use up our token.
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    if !origin.is_some_and(|origin| shared.options.allowed_origins.iter().any(|allowed| allowed == origin)) {
        return problem(StatusCode::FORBIDDEN, "foreign_origin", "this page may not see the preview");
    }
    let Some(key) = websocket_key(headers) else {
        return problem(StatusCode::BAD_REQUEST, "not_websocket", "this address speaks WebSocket, version 13");
    };
    let accept = derive_accept_key(key.as_bytes());
    let token = token_of(&request);
    if !shared.tokens.lock().redeem(&token, Instant::now()) {
        return problem(StatusCode::UNAUTHORIZED, "bad_token", "the token is missing, was used before, or has expired");
    }
    let Ok(place) = Arc::clone(&shared.previews).try_acquire_owned() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "too_many_connections", "too many previews are open");
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let _place = place;
        let Ok(Ok(upgraded)) = timeout(HANDSHAKE, upgrade).await else { return };
        let limits = Some(connection::limits());
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, limits).await;
        let (pump, connection) = connection::pair();
        let mut stopped = shared.stopped.clone();
        if shared.connections.send(connection).await.is_err() {
            tracing::warn!("nobody takes preview connections");
            return;
        }
        tokio::select! {
            _ = stopped.changed() => {}
            () = pump.run(socket) => {}
        }
    });
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = reply.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    reply
}

/// The key of a WebSocket handshake (RFC 6455, section 4.2.1), `None` where it is none.
fn websocket_key(headers: &HeaderMap) -> Option<&HeaderValue> {
    let holds = |name, token: &str| {
        let value = headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
        value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    let version = headers.get(header::SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes);
    if !holds(header::CONNECTION, "upgrade") || !holds(header::UPGRADE, "websocket") || version != Some(b"13") {
        return None;
    }
    headers.get(header::SEC_WEBSOCKET_KEY)
}

fn token_of(request: &Request<Incoming>) -> String {
    let query = request.uri().query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "token")
        .map(|(_, token)| token.into_owned())
        .unwrap_or_default()
}

async fn thumbnail(id: &str, token: &str, shared: Arc<Shared>) -> Reply {
    if !equal(&shared.page_token, token) {
        return problem(StatusCode::UNAUTHORIZED, "bad_token", "the token is missing or wrong");
    }
    // In a path these two mean themselves, which the form's decoder does not know.
    let query = format!("id={}", id.replace('+', "%2B").replace('&', "%26"));
    let id = url::form_urlencoded::parse(query.as_bytes()).next().map(|(_, id)| id.into_owned()).unwrap_or_default();
    let Ok(place) = Arc::clone(&shared.thumbnails).acquire_owned().await else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the program is closing");
    };
    let thumbnailer = Arc::clone(&shared.options.thumbnail);
    let made = tokio::task::spawn_blocking(move || {
        let made = thumbnailer(&id);
        drop(place);
        made
    });
    match made.await {
        Ok(Ok(jpeg)) => {
            let mut reply = Response::new(Full::new(Bytes::from(jpeg)));
            let headers = reply.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            reply
        }
        Ok(Err(error)) => {
            let status = match error {
                ThumbnailError::NotFound => StatusCode::NOT_FOUND,
                ThumbnailError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            problem(status, error.code(), &error.to_string())
        }
        Err(error) => {
            tracing::error!(%error, "a thumbnail failed");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "no_picture", "the thumbnail could not be made")
        }
    }
}

fn problem(status: StatusCode, code: &str, message: &str) -> Reply {
    let body = serde_json::json!({ "code": code, "message": message }).to_string();
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

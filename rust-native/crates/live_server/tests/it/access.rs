//! Who gets in: hashed keys, signed tokens, networks, a platform's word, and floods of those who don't.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post as route;
use live_server::{Config, HookSettings, LiveServer, Network, TokenAct, TokenSettings, WhenUnreachable};
use media::Secret;
use reqwest::Client;
use str0m::media::Direction;

use crate::common::*;

const SIGNING: &str = "0123456789abcdef0123456789abcdef";

async fn start(change: impl FnOnce(&mut Config)) -> LiveServer {
    let mut config = config();
    change(&mut config);
    LiveServer::start(config).await.expect("the server starts")
}

/// The status of an attempt with a body that is no offer. Who is let in gets as far as 400 (the body) as a publisher and
/// 409 (nothing is live) as a viewer.
async fn knock(server: &LiveServer, path: &str, token: Option<&str>) -> u16 {
    post(server, path, token, SDP, "v=0").await.status().as_u16()
}

fn signed(act: TokenAct, lifetime: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time");
    let (lifetime, now) = match u64::try_from(lifetime) {
        Ok(lifetime) => (Duration::from_secs(lifetime), now),
        Err(_) => (Duration::ZERO, now - Duration::from_secs(lifetime.unsigned_abs())),
    };
    live_server::sign_token(&Secret::new(SIGNING), "live", act, lifetime, now).expect("a token")
}

#[tokio::test]
async fn hashed_keys_open_what_plain_ones_do() {
    let hash = |key: &str| Secret::new(live_server::hash_key(&Secret::new(key)).expect("a hash"));
    let server = start(|config| {
        let stream = config.streams.get_mut("live").expect("the stream");
        (stream.publish_key, stream.view_token) = (hash(KEY), Some(hash(TOKEN)));
    })
    .await;
    assert_eq!(knock(&server, "/whip/live", Some(KEY)).await, 400);
    assert_eq!(knock(&server, "/whip/live", Some(TOKEN)).await, 401);
    assert_eq!(knock(&server, "/whep/live", Some(TOKEN)).await, 409);
    let list = |token: &'static str| {
        let request = Client::new().get(url(&server, "/api/v1/streams")).bearer_auth(token);
        async move { request.send().await.expect("an answer").text().await.expect("a list") }
    };
    assert!(list(KEY).await.contains("\"live\""));
    assert!(!list("another-key").await.contains("\"live\""));
    server.shutdown().await;
}

#[tokio::test]
async fn a_signed_token_opens_until_it_expires_and_only_what_it_says() {
    let server = start(|config| {
        config.tokens = Some(TokenSettings { secret: Secret::new(SIGNING) });
        let stream = config.streams.get_mut("live").expect("the stream");
        (stream.view_token, stream.signed_only) = (None, true);
    })
    .await;
    let (view, publish) = (signed(TokenAct::View, 60), signed(TokenAct::Publish, 60));
    assert_eq!(knock(&server, "/whep/live", Some(&view)).await, 409);
    assert_eq!(knock(&server, "/whip/live", Some(&publish)).await, 400);
    assert_eq!(knock(&server, "/whip/live", Some(KEY)).await, 400, "the key goes on to open");
    for (path, token) in [("/whip/live", Some(&view)), ("/whep/live", Some(&publish)), ("/whep/live", None)] {
        assert_eq!(knock(&server, path, token.map(String::as_str)).await, 401, "{path}");
    }
    let late = post(&server, "/whep/live", Some(&signed(TokenAct::View, -600)), SDP, "v=0").await;
    assert_eq!(late.status(), 401);
    assert!(late.text().await.expect("a body").contains("token_expired"));
    server.shutdown().await;
}

#[tokio::test]
async fn networks_are_let_in_or_not() {
    let network = |text: &str| Network::try_from(text.to_owned()).expect("a network");
    let server = start(|config| {
        config.access.publish_allow = vec![network("10.0.0.0/8")];
        config.access.trusted_proxies = vec![network("127.0.0.1")];
    })
    .await;
    let from = async |address: &str, path: &str, token: &str| {
        let request = Client::new().post(url(&server, path)).bearer_auth(token).header("Content-Type", SDP);
        request.header("X-Forwarded-For", address).body("v=0").send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(knock(&server, "/whip/live", Some(KEY)).await, 403);
    assert_eq!(from("10.3.4.5", "/whip/live", KEY).await, 400);
    assert_eq!(from("10.3.4.5, 192.0.2.8", "/whip/live", KEY).await, 403, "the proxy saw another address");
    assert_eq!(from("192.0.2.8", "/whep/live", TOKEN).await, 409, "watching has no list");
    let metrics = Client::new().get(url(&server, "/metrics")).header("X-Forwarded-For", "192.0.2.8").send().await;
    assert_eq!(metrics.expect("an answer").status(), 403, "what a proxy passes on is not this machine");
    server.shutdown().await;
}

/// A platform: answers what it is told to, and remembers.
pub(crate) struct Platform {
    url: String,
    heard: Arc<Mutex<Vec<(String, HeaderMap)>>>,
    answer: Arc<Mutex<StatusCode>>,
}

impl Platform {
    pub(crate) async fn start() -> Self {
        let heard = Arc::<Mutex<Vec<(String, HeaderMap)>>>::default();
        let answer = Arc::new(Mutex::new(StatusCode::OK));
        let (hears, answers) = (heard.clone(), answer.clone());
        let router = Router::new().route(
            "/hook",
            route(async move |headers: HeaderMap, body: String| {
                hears.lock().expect("a lock").push((body, headers));
                *answers.lock().expect("a lock")
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("its address"));
        tokio::spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self { url, heard, answer }
    }

    pub(crate) fn settings(&self) -> HookSettings {
        let secret = Some(Secret::new("hook-secret"));
        HookSettings { url: self.url.clone(), secret, timeout_ms: 5000, when_unreachable: WhenUnreachable::Refuse }
    }

    pub(crate) fn bodies(&self) -> Vec<serde_json::Value> {
        let heard = self.heard.lock().expect("a lock");
        heard.iter().map(|(body, _)| serde_json::from_str(body).expect("JSON")).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_platform_is_asked_before_and_told_after_and_never_gets_a_key() {
    let platform = Platform::start().await;
    let server = start(|config| config.hook = Some(platform.settings())).await;
    assert_eq!(knock(&server, "/whip/live", Some("wrong-key")).await, 401);
    assert!(platform.bodies().is_empty(), "who has no key isn't asked about");
    let publisher = Peer::publisher(&server).await;
    let first = platform.bodies();
    assert_eq!((&first[0]["event"], &first[0]["stream"]), (&"publish".into(), &"live".into()));
    assert_eq!(first[0]["address"], "127.0.0.1");
    let ended = Client::new().delete(url(&server, &publisher.session)).bearer_auth(KEY).send().await;
    assert_eq!(ended.expect("an answer").status(), 200);
    let start = Instant::now();
    while platform.bodies().len() < 2 {
        assert!(start.elapsed() < PATIENCE, "the end is told");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let second = platform.bodies().remove(1);
    assert_eq!((&second["event"], &second["kind"]), (&"end".into(), &"publish".into()));
    assert_eq!(second["session"], first[0]["session"]);

    *platform.answer.lock().expect("a lock") = StatusCode::FORBIDDEN;
    let (_peer, offer) = Peer::new(Direction::SendOnly);
    let refused = post(&server, "/whip/live", Some(KEY), SDP, offer.text).await;
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.expect("a body").contains("refused_by_platform"));
    let name = publisher.session.rsplit('/').next().expect("a session").to_owned();
    for (body, headers) in platform.heard.lock().expect("a lock").iter() {
        assert!(!body.contains(KEY) && !body.contains(&name), "no key, no session's own name: {body}");
        let signature = headers["x-tidecast-signature"].to_str().expect("text");
        assert!(signature.starts_with("sha256=") && headers.contains_key("x-tidecast-timestamp"));
        assert!(!format!("{headers:?}").contains(KEY));
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_platform_that_does_not_answer_refuses_or_allows_as_configured() {
    for (when_unreachable, status) in [(WhenUnreachable::Refuse, 503), (WhenUnreachable::Allow, 201)] {
        // A port where nobody listens.
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
        let server = start(|config| {
            let url = format!("http://{free}/hook");
            config.hook = Some(HookSettings { url, secret: None, timeout_ms: 500, when_unreachable });
        })
        .await;
        let (_peer, offer) = Peer::new(Direction::SendOnly);
        let response = post(&server, "/whip/live", Some(KEY), SDP, offer.text).await;
        assert_eq!(response.status(), status);
        server.shutdown().await;
    }
}

#[tokio::test]
async fn one_address_opens_sessions_at_a_pace() {
    let server = start(|config| config.limits.sessions_per_minute = 2).await;
    for status in [201, 201, 429] {
        let (_peer, offer) = Peer::new(Direction::SendOnly);
        let response = post(&server, "/whip/live", Some(KEY), SDP, offer.text).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers().contains_key("retry-after"), status == 429);
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_bad_keys_against_a_hash_is_shut_out_and_the_page_still_answers() {
    let server = Arc::new(
        start(|config| {
            let hash = live_server::hash_key(&Secret::new(KEY)).expect("a hash");
            config.limits.failures_per_minute = 5;
            config.streams.get_mut("live").expect("the stream").publish_key = Secret::new(hash);
        })
        .await,
    );
    let client = Client::new();
    let flood: Vec<_> = (0..200)
        .map(|n| {
            let request = client.post(url(&server, "/whip/live")).bearer_auth(format!("guess-number-{n}"));
            tokio::spawn(async move { request.header("Content-Type", SDP).body("v=0").send().await })
        })
        .collect();
    let start = Instant::now();
    let health = client.get(url(&server, "/healthz")).send().await.expect("an answer");
    assert_eq!(health.status(), 200);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let mut statuses = Vec::new();
    for knock in flood {
        statuses.push(knock.await.expect("no panic").expect("an answer").status().as_u16());
    }
    assert!(statuses.iter().all(|status| [401, 429, 503].contains(status)), "{statuses:?}");
    assert_eq!(knock(&server, "/whip/live", Some("one-more-guess")).await, 429);
    Arc::into_inner(server).expect("nobody else").shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_nothing_or_too_slowly_are_closed_and_block_nobody() {
    let server = start(|_| {}).await;
    let address: SocketAddr = server.http_addr();
    let mut open: Vec<TcpStream> = (0..300)
        .map(|n| {
            let mut stream = TcpStream::connect(address).expect("a connection");
            if n % 2 == 0 {
                stream.write_all(b"POST /whip/live HTTP/1.1\r\nHost: x\r\nX-Slow: ").expect("written");
            }
            stream
        })
        .collect();
    let start = Instant::now();
    assert_eq!(Client::new().get(url(&server, "/healthz")).send().await.expect("an answer").status(), 200);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let closed = tokio::task::spawn_blocking(move || {
        let start = Instant::now();
        for (n, stream) in open.iter_mut().enumerate() {
            stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
            // A byte now and then does not help.
            let _ = if n % 2 == 0 { stream.write_all(b"y") } else { Ok(()) };
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).or_else(|error| match error.kind() {
                std::io::ErrorKind::ConnectionReset => Ok(0),
                _ => Err(error),
            })?;
        }
        Ok::<_, std::io::Error>(start.elapsed())
    });
    let elapsed = closed.await.expect("no panic").expect("all are closed");
    assert!(elapsed < Duration::from_secs(30), "{elapsed:?}");
    server.shutdown().await;
}

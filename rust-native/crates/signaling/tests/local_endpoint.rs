//! The local endpoint against real WebSocket and HTTP clients, well-behaved and not.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use signaling::{
    ClientMessage, EndpointOptions, InputLevel, LocalEndpoint, LoudnessLevels, PreviewConnection, ServerMessage,
    ThumbnailError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const ORIGIN: &str = "app://tidecast";
const PATIENCE: Duration = Duration::from_secs(30);

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn endpoint() -> (LocalEndpoint, mpsc::Receiver<PreviewConnection>) {
    let thumbnail = Arc::new(|id: &str| match id {
        "monitor:Ä 1/2+3&4" => Ok(vec![0xff, 0xd8, 1, 2, 3]),
        "hidden" => Err(ThumbnailError::Unavailable("it is minimised".into())),
        _ => Err(ThumbnailError::NotFound),
    });
    let options = EndpointOptions { allowed_origins: vec![ORIGIN.into(), "file://".into()], thumbnail };
    LocalEndpoint::start(options).await.expect("a port")
}

/// Connects; on refusal the HTTP status and the problem's code.
async fn connect(url: &str, origin: Option<&str>) -> Result<Client, (u16, String)> {
    let mut request = url.into_client_request().expect("a request");
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().expect("a header"));
    }
    match connect_async(request).await {
        Ok((client, _)) => Ok(client),
        Err(Error::Http(response)) => {
            let body: Value = serde_json::from_slice(response.body().as_deref().unwrap_or_default()).expect("JSON");
            assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
            Err((response.status().as_u16(), body["code"].as_str().expect("a code").to_owned()))
        }
        Err(error) => panic!("{error}"),
    }
}

fn with_token(endpoint: &LocalEndpoint, token: &str) -> String {
    format!("{}?token={token}", endpoint.preview_url())
}

async fn open(endpoint: &LocalEndpoint) -> Client {
    let token = endpoint.issue_token();
    connect(&with_token(endpoint, token.expose()), Some(ORIGIN)).await.expect("a connection")
}

async fn next(client: &mut Client) -> Message {
    timeout(PATIENCE, client.next()).await.expect("in time").expect("a message").expect("a good one")
}

async fn next_json(client: &mut Client) -> Value {
    serde_json::from_str(next(client).await.to_text().expect("text")).expect("JSON")
}

#[tokio::test]
async fn a_page_with_a_token_talks_to_the_engine() {
    let (endpoint, mut connections) = endpoint().await;
    let mut client = open(&endpoint).await;
    let mut connection = timeout(PATIENCE, connections.recv()).await.expect("in time").expect("a connection");
    assert_eq!(next_json(&mut client).await, json!({"type": "hello", "version": 1}));

    let sender = connection.sender();
    assert!(sender.send(ServerMessage::Offer { sdp: "v=0".into() }).await);
    let level = InputLevel { input: "microphone".into(), peak_db: -3.0, rms_db: -9.0 };
    let loudness = LoudnessLevels { momentary: -14.0, short_term: -15.0, integrated: -16.0 };
    assert!(sender.try_send(ServerMessage::Levels { inputs: vec![level], loudness }));
    assert_eq!(next_json(&mut client).await, json!({"type": "offer", "sdp": "v=0"}));
    assert_eq!(next_json(&mut client).await["inputs"][0]["peak_db"], json!(-3.0));

    client.send(Message::text(r#"{"type":"answer","sdp":"v=0 back"}"#)).await.expect("sent");
    client.send(Message::text(r#"{"type":"candidate","candidate":null}"#)).await.expect("sent");
    client.send(Message::text(r#"{"type":"restart"}"#)).await.expect("sent");
    assert_eq!(connection.recv().await, Some(ClientMessage::Answer { sdp: "v=0 back".into() }));
    assert_eq!(connection.recv().await, Some(ClientMessage::Candidate { candidate: Value::Null }));
    assert_eq!(connection.recv().await, Some(ClientMessage::Restart));

    client.close(None).await.expect("closed");
    assert_eq!(timeout(PATIENCE, connection.recv()).await.expect("in time"), None);
}

#[tokio::test]
async fn a_connection_that_the_engine_drops_is_closed() {
    let (endpoint, mut connections) = endpoint().await;
    let mut client = open(&endpoint).await;
    drop(connections.recv().await.expect("a connection"));
    next_json(&mut client).await;
    assert!(matches!(next(&mut client).await, Message::Close(Some(frame)) if frame.code == CloseCode::Away));
}

#[tokio::test]
async fn without_a_good_token_nobody_comes_in() {
    let (endpoint, _connections) = endpoint().await;
    let refused = Err((401, "bad_token".to_owned()));
    assert_eq!(connect(&endpoint.preview_url(), Some(ORIGIN)).await.map(drop), refused, "none");
    assert_eq!(connect(&with_token(&endpoint, "0"), Some(ORIGIN)).await.map(drop), refused, "a wrong one");
    let token = endpoint.issue_token();
    let url = with_token(&endpoint, token.expose());
    let _client = connect(&url, Some(ORIGIN)).await.expect("the first use");
    assert_eq!(connect(&url, Some(ORIGIN)).await.map(drop), refused, "used before");
}

#[tokio::test]
async fn a_foreign_page_is_refused_and_does_not_use_up_the_token() {
    let (endpoint, _connections) = endpoint().await;
    let token = endpoint.issue_token();
    let url = with_token(&endpoint, token.expose());
    let refused = Err((403, "foreign_origin".to_owned()));
    for origin in [None, Some("https://evil.example"), Some("app://tidecast.evil"), Some("null")] {
        assert_eq!(connect(&url, origin).await.map(drop), refused, "{origin:?}");
    }
    connect(&url, Some(ORIGIN)).await.expect("our page still can");
}

#[tokio::test]
async fn a_malformed_message_ends_only_its_own_connection() {
    let (endpoint, mut connections) = endpoint().await;
    let mut bystander = open(&endpoint).await;
    next_json(&mut bystander).await;
    let bystanders = connections.recv().await.expect("its connection");
    for malformed in [
        Message::text("{"),
        Message::text(r#"{"type":"shutdown"}"#),
        Message::text(r#"{"type":"answer"}"#),
        Message::binary(vec![1, 2, 3]),
    ] {
        let mut client = open(&endpoint).await;
        let _connection = connections.recv().await.expect("its connection");
        next_json(&mut client).await;
        client.send(malformed).await.expect("sent");
        let error = next_json(&mut client).await;
        assert_eq!((error["type"].as_str(), error["code"].as_str()), (Some("error"), Some("bad_message")));
        assert!(matches!(next(&mut client).await, Message::Close(Some(frame)) if frame.code == CloseCode::Policy));
    }
    assert!(bystanders.sender().send(ServerMessage::Offer { sdp: "still here".into() }).await);
    assert_eq!(next_json(&mut bystander).await["sdp"], "still here");
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused() {
    let (endpoint, mut connections) = endpoint().await;
    let mut client = open(&endpoint).await;
    let mut connection = connections.recv().await.expect("its connection");
    next_json(&mut client).await;
    let long = format!(r#"{{"type":"answer","sdp":"{}"}}"#, "x".repeat(100_000));
    // The other side may hang up before all of it is written.
    let _ = client.send(Message::text(long)).await;
    assert_eq!(timeout(PATIENCE, connection.recv()).await.expect("in time"), None);
    drop(client);
    open(&endpoint).await;
}

#[tokio::test]
async fn the_ninth_preview_has_to_wait() {
    let (endpoint, mut connections) = endpoint().await;
    let mut open_ones = Vec::new();
    for _ in 0..8 {
        open_ones.push((open(&endpoint).await, connections.recv().await.expect("its connection")));
    }
    let token = endpoint.issue_token();
    let refused = connect(&with_token(&endpoint, token.expose()), Some(ORIGIN)).await.map(drop);
    assert_eq!(refused, Err((503, "too_many_connections".to_owned())));
    open_ones.clear();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let token = endpoint.issue_token();
        match connect(&with_token(&endpoint, token.expose()), Some(ORIGIN)).await {
            Ok(_) => break,
            Err((503, _)) if tokio::time::Instant::now() < deadline => tokio::task::yield_now().await,
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_is_hung_up_on() {
    let (endpoint, _connections) = endpoint().await;
    let url = url::Url::parse(&endpoint.preview_url()).expect("a URL");
    let mut silent = TcpStream::connect(("127.0.0.1", url.port().expect("a port"))).await.expect("connected");
    silent.write_all(b"GET /preview HTTP/1.1\r\nHost: ").await.expect("sent");
    let mut rest = Vec::new();
    timeout(PATIENCE, silent.read_to_end(&mut rest)).await.expect("hung up").expect("cleanly");
}

/// The status line, headers and body that a plain GET gets.
async fn get(url: &str, host: Option<&str>) -> (u16, String, Vec<u8>) {
    let url = url::Url::parse(url).expect("a URL");
    let authority = format!("127.0.0.1:{}", url.port().expect("a port"));
    let mut stream = TcpStream::connect(&authority).await.expect("connected");
    let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    let host = host.unwrap_or(&authority);
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut response = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut response)).await.expect("in time").expect("read");
    let end = response.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(response[..end].to_vec()).expect("text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head.to_ascii_lowercase(), response[end + 4..].to_vec())
}

#[tokio::test]
async fn thumbnails_need_the_pages_token_and_are_never_stored() {
    let (endpoint, _connections) = endpoint().await;
    let url = endpoint.thumbnail_url("monitor:Ä 1/2+3&4");
    let (status, head, body) = get(&url, None).await;
    assert_eq!((status, body.as_slice()), (200, [0xff, 0xd8, 1, 2, 3].as_slice()), "{head}");
    assert!(head.contains("content-type: image/jpeg") && head.contains("cache-control: no-store"), "{head}");

    assert_eq!(get(&endpoint.thumbnail_url("gone"), None).await.0, 404);
    let (status, _, body) = get(&endpoint.thumbnail_url("hidden"), None).await;
    let problem: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!((status, problem["code"].as_str()), (503, Some("no_picture")));

    let without = url.split('?').next().expect("a path");
    assert_eq!(get(without, None).await.0, 401);
    let preview = endpoint.issue_token();
    assert_eq!(get(&format!("{without}?token={}", preview.expose()), None).await.0, 401, "another kind of token");
    assert_eq!(get(&url, Some("evil.example")).await.0, 403, "a name that only points here");
    let root = format!("http://{}/", url::Url::parse(&url).expect("a URL").authority());
    assert_eq!(get(&root, None).await.0, 404);
}

#[tokio::test]
async fn a_dropped_endpoint_closes_its_port_and_its_connections() {
    let (endpoint, mut connections) = endpoint().await;
    let mut client = open(&endpoint).await;
    let mut connection = connections.recv().await.expect("its connection");
    next_json(&mut client).await;
    let port = url::Url::parse(&endpoint.preview_url()).expect("a URL").port().expect("a port");
    drop(endpoint);
    assert_eq!(timeout(PATIENCE, connection.recv()).await.expect("in time"), None);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "the port is still open");
        tokio::task::yield_now().await;
    }
}

//! The signalling with a backend, against one that does everything a backend can do wrong.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use media::Secret;
use parking_lot::Mutex;
use signaling::backend::SUBPROTOCOL;
use signaling::{BackendError, BackendEvent, BackendSession};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use url::Url;

const HELLO: &str = r#"{"type":"hello","version":1,"ice_restart":true}"#;

type Heads = Arc<Mutex<Vec<String>>>;

/// Answers the n-th message with the n-th list of messages, and keeps what was said to it.
async fn backend(answers: Vec<Vec<Message>>) -> (TcpStream, Url, Heads, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let (heads, said) = (Heads::default(), Heads::default());
    let (kept_heads, kept_said) = (Arc::clone(&heads), Arc::clone(&said));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        #[allow(clippy::result_large_err, reason = "the callback's type is the crate's")]
        let look = |request: &Request, mut response: Response| {
            for (name, value) in request.headers() {
                kept_heads.lock().push(format!("{name}: {}", value.to_str().unwrap_or("?")));
            }
            response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
            Ok(response)
        };
        let mut socket = accept_hdr_async(stream, look).await.expect("an upgrade");
        let mut answers = answers.into_iter();
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message {
                kept_said.lock().push(text.to_string());
                for answer in answers.next().unwrap_or_default() {
                    let _ = socket.send(answer).await;
                }
            }
        }
    });
    let stream = TcpStream::connect(address).await.expect("a connection");
    let url = Url::parse(&format!("ws://user:secret@{address}/ws/live?x=1#y")).expect("a URL");
    (stream, url, heads, said)
}

fn text(text: &str) -> Message {
    Message::text(text.to_owned())
}

/// What comes of an upgrade that is answered so.
async fn upgrade(answer: &'static str) -> BackendError {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    });
    let stream = TcpStream::connect(address).await.expect("a connection");
    let url = Url::parse(&format!("ws://{address}/ws/secret-path")).expect("a URL");
    BackendSession::open(stream, &url, None).await.expect_err("no session")
}

#[tokio::test]
async fn a_session_says_hello_offers_and_takes_candidates_that_come_early() {
    let candidate = r#"{"type":"candidate","candidate":{"candidate":"candidate:1","sdpMLineIndex":0}}"#;
    let answers = vec![
        vec![text(HELLO)],
        vec![text(candidate), text(r#"{"type":"answer","sdp":"v=0 answer"}"#)],
        vec![text(r#"{"type":"answer","sdp":"v=0 again"}"#)],
        vec![text(r#"{"type":"candidate","candidate":null}"#), text(r#"{"type":"restart"}"#)],
    ];
    let (stream, url, heads, said) = backend(answers).await;
    let mut session = BackendSession::open(stream, &url, Some(&Secret::new("live_abc"))).await.expect("open");
    assert!(session.can_restart && session.ice_servers.is_empty());
    assert_eq!(session.offer("v=0", false).await.expect("an answer"), "v=0 answer");
    assert_eq!(session.offer("v=0", true).await.expect("an answer"), "v=0 again");
    session.candidate(r#"{"candidate":"candidate:9"}"#).await.expect("told");
    let early = BackendEvent::Candidate(r#"{"candidate":"candidate:1","sdpMLineIndex":0}"#.to_owned());
    assert_eq!(session.recv().await, early);
    assert_eq!(session.recv().await, BackendEvent::Candidate("null".to_owned()));
    assert_eq!(session.recv().await, BackendEvent::Over(BackendError::AskedAnew));
    session.close().await;
    let heads = heads.lock().join("\n").to_ascii_lowercase();
    assert!(heads.contains("authorization: bearer live_abc"), "{heads}");
    assert!(heads.contains(&format!("sec-websocket-protocol: {SUBPROTOCOL}")), "{heads}");
    assert!(!heads.contains("secret@") && !heads.contains("basic"), "{heads}");
    let said = said.lock();
    assert_eq!(said[0], r#"{"type":"hello","version":1}"#);
    assert_eq!(said[1], r#"{"type":"offer","sdp":"v=0"}"#);
    assert_eq!(said[2], r#"{"type":"offer","sdp":"v=0","ice_restart":true}"#);
    assert_eq!(said[3], r#"{"type":"candidate","candidate":{"candidate":"candidate:9"}}"#);
}

#[tokio::test]
async fn each_refused_upgrade_means_something() {
    for (answer, code, is_final) in [
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "unauthorized", true),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "not_found", true),
        ("HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n", "conflict", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "not_signaling", true),
        ("HTTP/1.1 301 X\r\nLocation: ws://elsewhere/\r\nContent-Length: 0\r\n\r\n", "not_signaling", true),
        ("SSH-2.0-OpenSSH_9.2\r\n", "not_signaling", true),
        ("", "signaling_closed", false),
    ] {
        let error = upgrade(answer).await;
        assert_eq!((error.code(), error.is_final()), (code, is_final), "{answer:?}: {error}");
        assert!(!error.hint().is_empty() && !error.to_string().contains("secret-path"), "{error}");
    }
    let busy = upgrade("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(busy, BackendError::ServerError { status: 503, retry_after: Some(Duration::from_secs(7)) });
}

#[tokio::test]
async fn each_wrong_beginning_means_something() {
    for (first, code, is_final) in [
        (text(r#"{"type":"hello","version":2}"#), "signaling_version", true),
        (text(r#"{"type":"answer","sdp":"v=0"}"#), "not_signaling", true),
        (text("hello"), "not_signaling", true),
        (Message::binary(vec![1, 2]), "not_signaling", true),
        (text(&format!(r#"{{"type":"hello","version":1,"x":"{}"}}"#, "x".repeat(400_000))), "not_signaling", true),
        (text(r#"{"type":"error","code":"no_room","message":"later","retry_after":3}"#), "backend_refused", false),
        (text(r#"{"type":"error","code":"banned","final":true}"#), "backend_refused", true),
        (Message::Close(None), "signaling_closed", false),
    ] {
        let (stream, url, ..) = backend(vec![vec![first.clone()]]).await;
        let error = BackendSession::open(stream, &url, None).await.expect_err("no session");
        assert_eq!((error.code(), error.is_final()), (code, is_final), "{error}");
    }
}

#[tokio::test]
async fn an_answer_may_be_a_refusal_or_candidates_without_an_end() {
    let refusal = text(r#"{"type":"error","code":"janus","message":"no such room"}"#);
    let (stream, url, ..) = backend(vec![vec![text(HELLO)], vec![refusal]]).await;
    let mut session = BackendSession::open(stream, &url, None).await.expect("open");
    let error = session.offer("v=0", false).await.expect_err("refused");
    assert_eq!(error.to_string(), "the server says: no such room (janus)");
    let flood = vec![text(r#"{"type":"candidate","candidate":{}}"#); 1000];
    let (stream, url, ..) = backend(vec![vec![text(HELLO)], flood]).await;
    let mut session = BackendSession::open(stream, &url, None).await.expect("open");
    assert_eq!(session.offer("v=0", false).await.expect_err("flooded").code(), "not_signaling");
}

#[tokio::test]
async fn a_backend_that_never_answers_is_left_after_ten_seconds() {
    let (stream, url, ..) = backend(vec![vec![]]).await;
    let begun = std::time::Instant::now();
    assert_eq!(BackendSession::open(stream, &url, None).await.expect_err("silence"), BackendError::NoAnswer);
    assert!(begun.elapsed() < Duration::from_secs(15));
}

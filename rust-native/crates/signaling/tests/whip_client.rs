//! The WHIP client against a server that does everything a server can do wrong.

use std::sync::Arc;
use std::time::{Duration, Instant};

use media::Secret;
use parking_lot::Mutex;
use signaling::WhipError;
use signaling::whip::publish;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n";

/// Answers the n-th request with the n-th text (the last one again and again) and keeps what was asked.
struct Hostile {
    url: Url,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Hostile {
    async fn start(replies: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = Url::parse(&format!("http://{}/whip/live", listener.local_addr().expect("its address")));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            for n in 0.. {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let request = read_request(&mut stream).await;
                seen.lock().push(request);
                let reply = &replies[n.min(replies.len() - 1)];
                if reply.is_empty() {
                    // Never answers, never hangs up.
                    tokio::spawn(async move { while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {} });
                    continue;
                }
                let _ = stream.write_all(reply.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { url: url.expect("a URL"), requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let size = stream.read(&mut buffer).await.unwrap_or(0);
        request.extend_from_slice(&buffer[..size]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length:").and_then(|length| length.trim().parse::<usize>().ok())
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        if size == 0 {
            return text;
        }
    }
}

fn reply(status: &str, headers: &[&str], body: &str) -> String {
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for header in headers {
        head += header;
        head += "\r\n";
    }
    head + "\r\n" + body
}

fn created(body: &str) -> String {
    reply("201 Created", &["Content-Type: application/sdp", "Location: /session/7f", "ETag: \"1\""], body)
}

async fn error_of(reply: String) -> WhipError {
    let server = Hostile::start(vec![reply]).await;
    publish(&server.url, None, OFFER).await.expect_err("no session")
}

#[tokio::test]
async fn a_session_is_made_and_deleted_with_the_key() {
    let links = r#"Link: <turn:t.example?transport=udp>; rel="ice-server"; username="u"; credential="c""#;
    let answer = reply(
        "201 Created",
        &["Content-Type: application/sdp; charset=utf-8", "Location: ../session/7f", "ETag: \"1\"", links],
        "v=0\r\nanswer",
    );
    let server = Hostile::start(vec![answer, reply("200 OK", &[], "")]).await;
    let key = Secret::new("live_abc");
    let session = publish(&server.url, Some(&key), OFFER).await.expect("a session");
    assert_eq!(session.answer, "v=0\r\nanswer");
    assert_eq!(session.resource.path(), "/session/7f");
    assert_eq!(session.etag.as_deref(), Some("\"1\""));
    assert_eq!(session.ice_servers[0].url, "turn:t.example?transport=udp");
    assert!(!format!("{session:?}").contains("live_abc"));
    session.delete().await.expect("deleted");
    let requests = server.requests();
    assert!(requests[0].starts_with("POST /whip/live ") && requests[0].ends_with(OFFER), "{}", requests[0]);
    assert!(requests[0].to_ascii_lowercase().contains("content-type: application/sdp"));
    assert!(requests[1].starts_with("DELETE /session/7f "));
    assert!(requests.iter().all(|request| request.contains("Bearer live_abc")));
}

#[tokio::test]
async fn each_refusal_has_its_own_code() {
    for (answer, code, is_final) in [
        (reply("200 OK", &["Content-Type: text/html"], "<html>"), "not_whip", true),
        (reply("302 Found", &["Location: /login"], ""), "not_whip", true),
        (reply("405 Method Not Allowed", &[], ""), "not_whip", true),
        (reply("401 Unauthorized", &[], ""), "unauthorized", true),
        (reply("403 Forbidden", &[], ""), "unauthorized", true),
        (reply("404 Not Found", &["Content-Type: text/html"], "<html>"), "not_found", true),
        (reply("406 Not Acceptable", &[], ""), "offer_refused", true),
        (reply("409 Conflict", &[], ""), "conflict", false),
        (reply("500 Internal Server Error", &[], "boom"), "server_error", false),
        (created("<html>"), "not_sdp", false),
        (created(&"v=0\r\n".repeat(100_000)), "not_sdp", false),
        (reply("201 Created", &["Content-Type: text/html", "Location: /s"], "v=0"), "not_sdp", false),
        (reply("201 Created", &["Content-Type: application/sdp"], "v=0"), "not_whip", true),
        (reply("307 Temporary Redirect", &[], ""), "not_whip", true),
        (reply("307 Temporary Redirect", &["Location: ftp://x/"], ""), "not_whip", true),
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "address_unreachable", false),
    ] {
        let error = error_of(answer.clone()).await;
        let first = answer.lines().next().unwrap_or_default();
        assert_eq!((error.code(), error.is_final()), (code, is_final), "{first}: {error}");
        assert!(!error.hint().is_empty() && !error.to_string().contains("/whip/live"), "{error}");
    }
}

#[tokio::test]
async fn a_server_may_ask_for_a_pause() {
    let error = error_of(reply("503 Service Unavailable", &["Retry-After: 7"], "")).await;
    assert_eq!(error, WhipError::ServerError { status: 503, retry_after: Some(Duration::from_secs(7)) });
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_port_on_which_nobody_listens_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("its address");
    let url = Url::parse(&format!("http://{free}/whip/secret-path")).expect("a URL");
    let error = publish(&url, None, OFFER).await.expect_err("no session");
    assert_eq!((error.code(), error.is_final()), ("address_unreachable", false));
    assert!(!error.to_string().contains("secret-path"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_left_after_ten_seconds() {
    let server = Hostile::start(vec![String::new()]).await;
    let start = Instant::now();
    let error = publish(&server.url, None, OFFER).await.expect_err("no session");
    assert_eq!((error.code(), error.is_final()), ("no_answer", false));
    assert!(start.elapsed() > Duration::from_secs(8), "{:?}", start.elapsed());
}

#[tokio::test]
async fn an_address_of_another_kind_is_not_tried() {
    for address in ["rtmp://example.net/live", "file:///etc/passwd", "data:,x"] {
        let error = publish(&Url::parse(address).expect("a URL"), None, OFFER).await.expect_err("no session");
        assert_eq!(error, WhipError::BadUrl, "{address}");
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_does_not_get_the_key() {
    let other = Hostile::start(vec![created("v=0\r\n"), reply("200 OK", &[], "")]).await;
    let here = Hostile::start(vec![reply("307 Temporary Redirect", &[&format!("Location: {}", other.url)], "")]).await;
    let key = Secret::new("live_abc");
    let session = publish(&here.url, Some(&key), OFFER).await.expect("a session");
    session.delete().await.expect("deleted");
    assert!(here.requests()[0].contains("Bearer live_abc"));
    let requests = other.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].starts_with("POST") && requests[0].ends_with(OFFER), "the offer is sent again, whole");
    assert!(requests.iter().all(|request| !request.contains("live_abc")), "{requests:?}");
}

#[tokio::test]
async fn a_redirect_on_the_same_host_keeps_the_key() {
    let server = Hostile::start(vec![reply("308 Permanent Redirect", &["Location: /b"], ""), created("v=0\r\n")]).await;
    publish(&server.url, Some(&Secret::new("live_abc")), OFFER).await.expect("a session");
    let requests = server.requests();
    assert!(requests[1].starts_with("POST /b ") && requests[1].contains("Bearer live_abc"), "{}", requests[1]);
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let server = Hostile::start(vec![reply("307 Temporary Redirect", &["Location: /again"], "")]).await;
    let error = publish(&server.url, None, OFFER).await.expect_err("no session");
    assert_eq!(error.code(), "not_whip");
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn a_session_that_is_gone_already_counts_as_deleted() {
    let server = Hostile::start(vec![created("v=0\r\n"), reply("404 Not Found", &[], "")]).await;
    let session = publish(&server.url, None, OFFER).await.expect("a session");
    session.delete().await.expect("it is gone");
}

const ICE: &str = "v=0\r\na=group:BUNDLE 0\r\nm=video 9 X 102\r\na=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:efgh\r\n";
const RENEWED: &str = "m=video 9 X 102\r\na=mid:0\r\na=ice-ufrag:new1\r\na=ice-pwd:new2\r\na=candidate:1 1 udp 5 192.0.2.1 7 typ host\r\n";
const FRAGMENT: &str = "Content-Type: application/trickle-ice-sdpfrag";

fn tagged(tag: &str) -> String {
    let tag = format!("ETag: {tag}");
    reply("201 Created", &["Content-Type: application/sdp", "Location: /session/1", &tag], ICE)
}

#[tokio::test]
async fn a_refusal_by_a_host_that_got_no_key_says_so() {
    let other = Hostile::start(vec![reply("401 Unauthorized", &[], "")]).await;
    let here = Hostile::start(vec![reply("308 Permanent Redirect", &[&format!("Location: {}", other.url)], "")]).await;
    let error = publish(&here.url, Some(&Secret::new("live_abc")), OFFER).await.expect_err("no session");
    assert_eq!((error.code(), error.is_final()), ("key_withheld", true));
    assert!(error.to_string().contains("127.0.0.1") && !error.to_string().contains("live_abc"), "{error}");
}

#[tokio::test]
async fn a_busy_server_may_ask_for_a_pause_too() {
    let error = error_of(reply("429 Too Many Requests", &["Retry-After: 9"], "")).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(9)));
    assert!(!error.is_final() && error.is_passing());
}

#[tokio::test]
async fn further_candidates_are_told_under_the_tag() {
    let server = Hostile::start(vec![tagged("\"x1\""), reply("204 No Content", &[], "")]).await;
    let session = publish(&server.url, Some(&Secret::new("live_abc")), ICE).await.expect("a session");
    let more = ["candidate:2 1 udp 4 198.51.100.1 9 typ srflx".to_owned()];
    assert!(session.trickle(ICE, &more, true).await.expect("told"));
    let request = &server.requests()[1];
    let head = request.to_ascii_lowercase();
    assert!(request.starts_with("PATCH /session/1 "), "{request}");
    assert!(head.contains("if-match: \"x1\"\r\n") && head.contains(&FRAGMENT.to_ascii_lowercase()), "{request}");
    assert!(request.contains("Bearer live_abc") && request.contains("a=ice-ufrag:abcd\r\n"), "{request}");
    assert!(request.ends_with("typ srflx\r\na=end-of-candidates\r\n"), "{request}");
}

#[tokio::test]
async fn a_server_that_takes_no_candidates_is_not_asked_again_and_a_busy_one_is() {
    for (status, expected) in [("405 Method Not Allowed", Some(false)), ("422 X", Some(false)), ("412 X", Some(true))] {
        let server = Hostile::start(vec![tagged("\"x1\""), reply(status, &[], "")]).await;
        let session = publish(&server.url, None, ICE).await.expect("a session");
        assert_eq!(session.trickle(ICE, &[], false).await.ok(), expected, "{status}");
    }
    let server = Hostile::start(vec![tagged("\"x1\""), reply("503 X", &[], "")]).await;
    let session = publish(&server.url, None, ICE).await.expect("a session");
    assert!(session.trickle(ICE, &[], false).await.is_err_and(|error| error.is_passing()));
}

#[tokio::test]
async fn a_restart_renews_the_answer_and_the_tag() {
    let restarted = reply("200 OK", &[FRAGMENT, "ETag: \"x2\""], RENEWED);
    let server = Hostile::start(vec![tagged("\"x1\""), restarted, reply("204 No Content", &[], "")]).await;
    let mut session = publish(&server.url, None, ICE).await.expect("a session");
    assert!(session.can_restart());
    session.restart(&ICE.replace("abcd", "mine")).await.expect("restarted");
    assert!(session.answer.contains("a=ice-ufrag:new1\r\n") && session.answer.contains("192.0.2.1"));
    assert!(session.answer.starts_with("v=0\r\na=group:BUNDLE 0\r\n"), "the rest stays: {}", session.answer);
    session.trickle(ICE, &[], false).await.expect("told");
    let requests = server.requests();
    assert!(requests[1].to_ascii_lowercase().contains("if-match: *\r\n"), "{}", requests[1]);
    assert!(requests[1].contains("a=ice-ufrag:mine\r\n"), "{}", requests[1]);
    assert!(requests[2].to_ascii_lowercase().contains("if-match: \"x2\"\r\n"), "{}", requests[2]);
}

#[tokio::test]
async fn a_server_that_wants_the_star_in_quotes_gets_it() {
    let restarted = reply("200 OK", &[FRAGMENT, "ETag: \"x2\""], RENEWED);
    let server = Hostile::start(vec![tagged("\"x1\""), reply("412 X", &[], ""), restarted]).await;
    let mut session = publish(&server.url, None, ICE).await.expect("a session");
    session.restart(ICE).await.expect("restarted");
    assert!(server.requests()[2].to_ascii_lowercase().contains("if-match: \"*\"\r\n"));
}

#[tokio::test]
async fn a_restart_that_fails_says_whether_another_try_helps() {
    for (answer, code, passing) in [
        (reply("404 Not Found", &[], ""), "not_found", false),
        (reply("422 X", &[], ""), "offer_refused", false),
        (reply("405 X", &[], ""), "not_whip", false),
        (reply("412 X", &[], ""), "not_whip", false),
        (reply("503 X", &["Retry-After: 1"], ""), "server_error", true),
        (reply("204 No Content", &[], ""), "not_whip", false),
        (reply("200 OK", &[FRAGMENT], "garbage"), "not_sdp", false),
        (reply("200 OK", &["Content-Type: text/html"], RENEWED), "not_sdp", false),
    ] {
        let server = Hostile::start(vec![tagged("\"x1\""), answer.clone()]).await;
        let mut session = publish(&server.url, None, ICE).await.expect("a session");
        let error = session.restart(ICE).await.expect_err("no restart");
        let first = answer.lines().next().unwrap_or_default();
        assert_eq!((error.code(), error.is_passing()), (code, passing), "{first}: {error}");
        assert!(session.answer.contains("a=ice-ufrag:abcd"), "the session is as it was");
    }
}

#[tokio::test]
async fn a_server_without_a_tag_knows_no_restart() {
    let plain = reply("201 Created", &["Content-Type: application/sdp", "Location: /session/1"], "v=0\r\n");
    let server = Hostile::start(vec![plain]).await;
    assert!(!publish(&server.url, None, OFFER).await.expect("a session").can_restart());
}

//! WHIP and WHEP as RFC 9725 and the draft say, and the pages and figures around them, over real HTTP.

use std::time::{Duration, Instant};

use live_server::{Config, IceServer, LiveServer, ServerError};
use media::Secret;
use reqwest::{Client, Method, Response};
use str0m::media::Direction;

use crate::common::*;

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().expect("a readable header"))
}

async fn request(server: &LiveServer, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let mut request = Client::new().request(method, url(server, path)).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.expect("an answer")
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn a_publisher_gets_an_answer_a_session_and_a_tag() {
    let server = server().await;
    let (_peer, offer) = Peer::new(Direction::SendOnly);
    let response = post(&server, "/whip/live", Some(KEY), "application/sdp; charset=utf-8", offer.text).await;
    assert_eq!(response.status(), 201);
    assert_eq!(header(&response, "content-type"), "application/sdp");
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    let tag = header(&response, "etag");
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 8, "a strong, quoted tag: {tag}");
    let session = header(&response, "location").rsplit('/').next().expect("a session").to_owned();
    assert!(header(&response, "location").starts_with("/whip/live/"));
    assert_eq!(session.len(), 32, "128 bits");
    let length: usize = header(&response, "content-length").parse().expect("Content-Length, not chunks");
    let answer = response.text().await.expect("an answer");
    assert_eq!(answer.len(), length);
    assert_eq!(answer.matches("a=recvonly").count(), 2);
    assert!(answer.contains("a=candidate:") && answer.contains(" 127.0.0.1 "), "all candidates are in it: {answer}");
    assert!(answer.contains("a=group:BUNDLE") && answer.contains("a=rtcp-mux"));
    assert!(answer.contains("stereo=1") && answer.contains("profile-level-id=42e01f"));
    server.shutdown().await;
}

#[tokio::test]
async fn what_is_no_offer_is_refused() {
    let server = server().await;
    for (kind, body, status, code) in [
        ("text/plain", "v=0", 415, "wrong_type"),
        ("", "v=0", 415, "wrong_type"),
        (SDP, "", 400, "bad_sdp"),
        (SDP, "hello", 400, "bad_sdp"),
        (SDP, "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", 400, "bad_sdp"),
    ] {
        let response = post(&server, "/whip/live", Some(KEY), kind, body).await;
        assert_eq!(response.status(), status, "{kind} {body:?}");
        let length = header(&response, "content-length").parse::<usize>().expect("Content-Length");
        let text = response.text().await.expect("a body");
        assert_eq!(text.len(), length);
        assert!(text.contains(&format!("\"code\":\"{code}\"")) && text.contains("\"hint\""), "{text}");
    }
    let (_peer, watching) = Peer::new(Direction::RecvOnly);
    let response = post(&server, "/whip/live", Some(KEY), SDP, watching.text).await;
    assert_eq!(response.status(), 400, "an offer that only receives publishes nothing");
    let huge = post(&server, "/whip/live", Some(KEY), SDP, "x".repeat(100_000)).await;
    assert_eq!(huge.status(), 413);
    server.shutdown().await;
}

#[tokio::test]
async fn a_video_codec_that_nobody_could_watch_is_refused() {
    let server = server().await;
    let (_peer, offer) = Peer::new(Direction::SendOnly);
    let mut text = offer.text.replace("H264/90000", "VP8/90000").replace("opus/48000/2", "PCMU/8000");
    text = text.lines().filter(|line| !line.starts_with("a=fmtp")).map(|line| format!("{line}\r\n")).collect();
    let response = post(&server, "/whip/live", Some(KEY), SDP, text).await;
    assert_eq!(response.status(), 400);
    assert!(response.text().await.expect("a body").contains("H.264"));
    server.shutdown().await;
}

#[tokio::test]
async fn keys_and_tokens_open_their_own_door_only() {
    let server = server().await;
    for (path, token) in [
        ("/whip/live", None),
        ("/whip/live", Some(TOKEN)),
        ("/whip/live", Some("wrong-key")),
        ("/whep/live", Some(KEY)),
        ("/whep/live", None),
    ] {
        let response = post(&server, path, token, SDP, "v=0").await;
        assert_eq!(response.status(), 401, "{path} {token:?}");
        assert_eq!(header(&response, "www-authenticate"), "Bearer");
        let text = response.text().await.expect("a body");
        assert!(!text.contains(KEY) && !text.contains(TOKEN));
    }
    let unknown = post(&server, "/whip/nothing", Some(KEY), SDP, "v=0").await;
    assert_eq!(unknown.status(), 404);
    server.shutdown().await;
}

#[tokio::test]
async fn a_viewer_of_a_stream_that_is_not_live_is_told_when_to_ask_again() {
    let server = server().await;
    let (_peer, offer) = Peer::new(Direction::RecvOnly);
    let response = post(&server, "/whep/live", Some(TOKEN), SDP, offer.text).await;
    assert_eq!(response.status(), 409);
    assert_eq!(header(&response, "retry-after"), "2");
    let unknown = post(&server, "/whep/other", Some(TOKEN), SDP, "v=0").await;
    assert_eq!((unknown.status().as_u16(), header(&unknown, "retry-after")), (404, "2"));
    server.shutdown().await;
}

#[tokio::test]
async fn sessions_take_candidates_restart_and_end() {
    let server = server().await;
    let mut publisher = Peer::publisher(&server).await;
    until(&mut [&mut publisher], "it connects", |peers| peers[0].connected);
    let key = bearer(KEY);
    let (session, tag) = (publisher.session.clone(), publisher.etag.clone());
    let fragment = "a=ice-ufrag:x\r\na=ice-pwd:y\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\na=candidate:2 1 udp 1 f00d.local 9 typ host\r\na=end-of-candidates\r\n";
    let patch = |headers: Vec<(&'static str, String)>, body: &'static str| {
        let (server, session, key) = (&server, session.clone(), key.clone());
        async move {
            let mut all: Vec<(&str, &str)> = vec![("Authorization", &key)];
            all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
            request(server, Method::PATCH, &session, &all, body).await
        }
    };
    let kind = || ("Content-Type", FRAGMENT.to_owned());
    assert_eq!(patch(vec![("If-Match", tag.clone())], fragment).await.status(), 415);
    assert_eq!(patch(vec![kind()], fragment).await.status(), 428);
    assert_eq!(patch(vec![kind(), ("If-Match", "\"other\"".to_owned())], fragment).await.status(), 412);
    let trickled = patch(vec![kind(), ("If-Match", tag.clone())], fragment).await;
    assert_eq!((trickled.status().as_u16(), header(&trickled, "etag")), (204, ""));
    let without =
        request(&server, Method::PATCH, &session, &[("Content-Type", FRAGMENT), ("If-Match", &tag)], fragment).await;
    assert_eq!(without.status(), 401);

    let bad = patch(vec![kind(), ("If-Match", "*".to_owned())], "a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n").await;
    assert_eq!(bad.status(), 400, "a restart without credentials");
    let restart = "a=ice-ufrag:Abcdefgh\r\na=ice-pwd:abcdefghijklmnopqrstuvwxyz\r\n";
    let restarted = patch(vec![kind(), ("If-Match", "*".to_owned())], restart).await;
    assert_eq!(restarted.status(), 200);
    assert_eq!(header(&restarted, "content-type"), FRAGMENT);
    let new_tag = header(&restarted, "etag").to_owned();
    assert_ne!(new_tag, tag);
    let text = restarted.text().await.expect("a fragment");
    assert!(text.contains("a=ice-ufrag:") && text.contains("a=ice-pwd:") && text.contains("a=candidate:"), "{text}");
    assert_eq!(patch(vec![kind(), ("If-Match", tag)], fragment).await.status(), 412, "the old tag is stale now");
    assert_eq!(patch(vec![kind(), ("If-Match", new_tag)], fragment).await.status(), 204);

    assert_eq!(request(&server, Method::DELETE, &session, &[], "").await.status(), 401);
    let other =
        request(&server, Method::DELETE, "/whip/live/00000000000000000000000000000000", &[("Authorization", &key)], "")
            .await;
    assert_eq!(other.status(), 404);
    let as_viewer =
        request(&server, Method::DELETE, &session.replace("whip", "whep"), &[("Authorization", &bearer(TOKEN))], "")
            .await;
    assert_eq!(as_viewer.status(), 404, "a viewer can't end a publisher");
    let ended =
        request(&server, Method::DELETE, &session, &[("Authorization", &key), ("If-Match", "\"whatever\"")], "").await;
    assert_eq!(ended.status(), 200);
    let again = request(&server, Method::DELETE, &session, &[("Authorization", &key)], "").await;
    assert_eq!(again.status(), 404);
    server.shutdown().await;
}

#[tokio::test]
async fn a_restarted_session_goes_on() {
    let server = server().await;
    let mut publisher = Peer::publisher(&server).await;
    until(&mut [&mut publisher], "it connects", |peers| peers[0].connected);
    let mut source = Source::new(1);
    source.run(&mut [&mut publisher], "the stream is live", |_| server.streams()[0].live);
    // str0m's own side of a restart is bound to SDP; its credentials are set by hand, as a browser's would be.
    let credentials = str0m::IceCreds::new();
    let fragment = format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", credentials.ufrag, credentials.pass);
    let headers = [("Authorization", &*bearer(KEY)), ("Content-Type", FRAGMENT), ("If-Match", "*")]
        .map(|(n, v)| (n, v.to_owned()));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let response = request(&server, Method::PATCH, &publisher.session, &headers, &fragment).await;
    let text = response.text().await.expect("a fragment");
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).expect("a credential").trim().to_owned();
    let theirs = str0m::IceCreds { ufrag: value("a=ice-ufrag:"), pass: value("a=ice-pwd:") };
    let mut api = publisher.rtc.direct_api();
    api.set_local_ice_credentials(credentials);
    api.set_remote_ice_credentials(theirs);
    let end = Instant::now() + Duration::from_secs(13);
    source.run(&mut [&mut publisher], "longer than the patience with a silent peer", |_| Instant::now() > end);
    assert!(server.streams()[0].live);
    server.shutdown().await;
}

#[tokio::test]
async fn browsers_of_other_origins_may_ask() {
    let server = server().await;
    let preflight =
        request(&server, Method::OPTIONS, "/whip/live", &[("Origin", "https://elsewhere.example")], "").await;
    assert_eq!(preflight.status(), 204);
    assert_eq!(header(&preflight, "accept-post"), SDP);
    assert_eq!(header(&preflight, "access-control-allow-origin"), "*");
    assert!(header(&preflight, "access-control-allow-methods").contains("POST"));
    for name in ["Authorization", "Content-Type", "If-Match"] {
        assert!(header(&preflight, "access-control-allow-headers").contains(name));
    }
    for name in ["Location", "ETag", "Retry-After", "Link"] {
        assert!(header(&preflight, "access-control-expose-headers").contains(name));
    }
    let session = request(&server, Method::OPTIONS, "/whep/live/abc", &[], "").await;
    assert!(header(&session, "access-control-allow-methods").contains("PATCH"));
    assert_eq!(header(&session, "accept-patch"), FRAGMENT);
    let get = request(&server, Method::GET, "/whip/live", &[], "").await;
    assert_eq!(get.status(), 405);
    server.shutdown().await;
}

#[tokio::test]
async fn an_address_that_guesses_is_shut_out_for_a_while() {
    let mut config = config();
    config.limits.failures_per_minute = 3;
    let server = LiveServer::start(config).await.expect("the server starts");
    for _ in 0..3 {
        assert_eq!(post(&server, "/whip/live", Some("guess-guess"), SDP, "v=0").await.status(), 401);
    }
    let shut = post(&server, "/whip/live", Some(KEY), SDP, "v=0").await;
    assert_eq!(shut.status(), 429);
    let wait: u64 = header(&shut, "retry-after").parse().expect("seconds");
    assert!((1..=61).contains(&wait));
    assert_eq!(request(&server, Method::GET, "/healthz", &[], "").await.status(), 200);
    server.shutdown().await;
}

#[tokio::test]
async fn a_full_server_says_so() {
    let mut config = config();
    config.limits.viewers = 1;
    let server = LiveServer::start(config).await.expect("the server starts");
    let mut publisher = Peer::publisher(&server).await;
    let mut source = Source::new(1);
    until(&mut [&mut publisher], "it connects", |peers| peers[0].connected);
    source.run(&mut [&mut publisher], "the stream is live", |_| server.streams()[0].live);
    let _viewer = Peer::viewer(&server).await;
    let (_second, offer) = Peer::new(Direction::RecvOnly);
    let response = post(&server, "/whep/live", Some(TOKEN), SDP, offer.text).await;
    assert_eq!(response.status(), 503);
    assert!(!header(&response, "retry-after").is_empty());
    server.shutdown().await;
}

#[tokio::test]
async fn figures_are_shown_to_who_may_watch() {
    let anywhere = "127.0.0.1:0".parse().expect("an address");
    let mut config = Config::with_stream(anywhere, "closed", Secret::new(KEY), Some(Secret::new(TOKEN)));
    config.streams.extend(Config::with_stream(anywhere, "open", Secret::new("other-key"), None).streams);
    let server = LiveServer::start(config).await.expect("the server starts");
    let names = |text: String| ["\"closed\"", "\"open\""].map(|name| text.contains(name));
    let all = |headers: Vec<(&'static str, String)>| {
        let server = &server;
        async move {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            request(server, Method::GET, "/api/v1/streams", &headers, "").await.text().await.expect("a list")
        }
    };
    assert_eq!(names(all(vec![]).await), [false, true]);
    assert_eq!(names(all(vec![("Authorization", bearer(TOKEN))]).await), [true, true]);
    assert_eq!(names(all(vec![("Authorization", bearer(KEY))]).await), [true, true]);
    assert_eq!(names(all(vec![("Authorization", bearer("wrong-token"))]).await), [false, true]);
    assert_eq!(request(&server, Method::GET, "/api/v1/streams/closed", &[], "").await.status(), 401);
    assert_eq!(request(&server, Method::GET, "/api/v1/streams/open", &[], "").await.status(), 200);
    assert_eq!(request(&server, Method::GET, "/api/v1/streams/none", &[], "").await.status(), 404);
    let metrics = request(&server, Method::GET, "/metrics", &[], "").await;
    assert!(header(&metrics, "content-type").starts_with("text/plain; version=0.0.4"));
    let text = metrics.text().await.expect("figures");
    assert!(text.contains("tidecast_stream_viewers{stream=\"open\"} 0\n"), "{text}");
    assert!(text.contains("# TYPE tidecast_packets_in_total counter\n"));
    assert!(!text.contains(KEY) && !text.contains(TOKEN));
    server.shutdown().await;
}

#[tokio::test]
async fn metrics_with_a_token_want_it() {
    let mut config = config();
    config.metrics_token = Some(Secret::new("metrics-token"));
    let server = LiveServer::start(config).await.expect("the server starts");
    assert_eq!(request(&server, Method::GET, "/metrics", &[], "").await.status(), 401);
    let headers = [("Authorization", "Bearer metrics-token")];
    assert_eq!(request(&server, Method::GET, "/metrics", &headers, "").await.status(), 200);
    server.shutdown().await;
}

#[tokio::test]
async fn the_page_runs_nothing_but_its_own() {
    let server = server().await;
    for path in ["/", "/?stream=live", "/v/live"] {
        let page = request(&server, Method::GET, path, &[], "").await;
        assert_eq!(page.status(), 200);
        assert!(header(&page, "content-security-policy").starts_with("default-src 'none'; script-src 'self';"));
        assert_eq!(header(&page, "referrer-policy"), "no-referrer");
        let text = page.text().await.expect("a page");
        assert!(!text.contains("http://www.w3.org/1999") && !text.contains("style=\"") && !text.contains("<script>"));
        for attribute in ["src=\"", "href=\""] {
            for target in text.split(attribute).skip(1) {
                assert!(target.starts_with("/assets/") || target.starts_with("data:"), "{}", &target[..30]);
            }
        }
    }
    for name in ["viewer.js", "words.js", "log.js", "controls.js", "figures.js", "whep.js", "files.js", "viewer.css"] {
        let asset = request(&server, Method::GET, &format!("/assets/{name}"), &[], "").await;
        assert_eq!(asset.status(), 200);
        assert!(!asset.text().await.expect("a file").contains("innerHTML"));
    }
    assert_eq!(request(&server, Method::GET, "/assets/secret", &[], "").await.status(), 404);
    server.shutdown().await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let first = server().await;
    let mut config = config();
    config.http = first.http_addr();
    let error = LiveServer::start(config).await.expect_err("the port is taken");
    assert_eq!(error.code(), "port_in_use");
    assert!(matches!(error, ServerError::PortInUse { address } if address == first.http_addr()));
    assert!(!error.hint().is_empty());
    first.shutdown().await;
}

#[tokio::test]
async fn an_embedders_bad_configuration_is_refused() {
    let mut config = config();
    config.streams.clear();
    assert_eq!(LiveServer::start(config).await.expect_err("no streams").code(), "bad_config");
}

#[tokio::test]
async fn every_interface_is_offered_when_the_server_is_open_to_the_network() {
    let mut config = config();
    config.http = "0.0.0.0:0".parse().expect("an address");
    config.rtc.public_address = Some("203.0.113.9".parse().expect("an address"));
    let server = LiveServer::start(config).await.expect("the server starts");
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], server.http_addr().port()));
    let (mut peer, offer) = Peer::new(Direction::SendOnly);
    let request = Client::new().post(format!("http://{local}/whip/live")).bearer_auth(KEY).header("Content-Type", SDP);
    let response = request.body(offer.text.clone()).send().await.expect("an answer");
    let answer = response.text().await.expect("an answer");
    assert!(answer.contains(" 127.0.0.1 ") && answer.contains(" 203.0.113.9 "), "{answer}");
    peer.accept(offer, &answer);
    until(&mut [&mut peer], "it connects over the wildcard socket", |peers| peers[0].connected);
    server.shutdown().await;
}

#[tokio::test]
async fn who_opens_a_session_is_told_the_ice_servers_and_nobody_else() {
    let mut config = config();
    config.rtc.ice_servers = vec![IceServer {
        urls: vec!["stun:stun.example.net".to_owned(), "turn:turn.example.net".to_owned()],
        username: Some("relay".to_owned()),
        credential: Some(Secret::new("relay-password")),
    }];
    let server = LiveServer::start(config).await.expect("the server starts");
    let (_peer, offer) = Peer::new(Direction::SendOnly);
    let response = post(&server, "/whip/live", Some(KEY), SDP, offer.text).await;
    let links: Vec<&str> = response.headers().get_all("link").iter().filter_map(|link| link.to_str().ok()).collect();
    assert_eq!(links.len(), 2);
    assert_eq!(
        links[0],
        "<stun:stun.example.net>; rel=\"ice-server\"; username=\"relay\"; credential=\"relay-password\"; credential-type=\"password\""
    );
    assert!(links[1].starts_with("<turn:turn.example.net>"));
    let refused = post(&server, "/whip/live", Some("wrong-key"), SDP, "v=0").await;
    assert!(refused.headers().get("link").is_none());
    server.shutdown().await;
}

#[tokio::test]
async fn every_answer_says_how_long_it_is() {
    let server = server().await;
    let publisher = Peer::publisher(&server).await;
    let key = bearer(KEY);
    for (method, path, status) in [
        (Method::GET, "/healthz", 200),
        (Method::GET, "/api/v1/streams", 200),
        (Method::GET, "/", 200),
        (Method::GET, "/assets/viewer.js", 200),
        (Method::GET, "/nothing/here", 404),
        (Method::GET, "/whip/live", 405),
        (Method::POST, "/whip/live", 415),
        (Method::DELETE, publisher.session.as_str(), 200),
    ] {
        let response = request(&server, method, path, &[("Authorization", &key)], "").await;
        assert_eq!(response.status(), status, "{path}");
        assert!(response.headers().get("transfer-encoding").is_none(), "{path}");
        let length: usize = header(&response, "content-length").parse().expect("a length");
        assert_eq!(response.bytes().await.expect("a body").len(), length, "{path}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn the_description_of_the_api_says_what_is_there() {
    let server = server().await;
    let fetch = async |path: &str| request(&server, Method::GET, path, &[("Authorization", &bearer(TOKEN))], "").await;
    let text = fetch("/api/v1/openapi.json").await.text().await.expect("a document");
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let read = paths.iter().filter(|(_, methods)| methods.get("get").is_some()).map(|(path, _)| path);
    let (admin, open): (Vec<_>, Vec<_>) = read.partition(|path| path.starts_with("/api/v1/admin/"));
    // A stream's forwards, marks and source are for its publisher, nothing was recorded here, and nobody watches.
    let of_others =
        |path: &&String| ["/forwards", "/marks", "/pull", "{id}", "{session}"].iter().any(|part| path.contains(part));
    let open: Vec<_> = open.into_iter().filter(|path| !of_others(path)).collect();
    assert!(open.len() == 6 && !admin.is_empty(), "{open:?}");
    for path in open {
        assert_eq!(fetch(&path.replace("{stream}", "live")).await.status(), 200, "{path}");
    }
    // There are no admin pages unless they are configured; what they do is asked in the end-to-end tests.
    for path in admin {
        assert_eq!(fetch(&path.replace("{stream}", "live")).await.status(), 404, "{path}");
    }
    let stream: serde_json::Value =
        serde_json::from_str(&fetch("/api/v1/streams/live").await.text().await.expect("a stream")).expect("JSON");
    let said = document["components"]["schemas"]["Stream"]["properties"].as_object().expect("properties");
    let mut given: Vec<&String> = stream.as_object().expect("an object").keys().collect();
    let mut said: Vec<&String> = said.keys().collect();
    given.sort();
    said.sort();
    assert_eq!(given, said);
    server.shutdown().await;
}

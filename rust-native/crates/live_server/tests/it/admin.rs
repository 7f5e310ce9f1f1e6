//! The admin pages' API: who gets in, and what can be done there.

use live_server::{AdminSettings, LiveServer};
use media::Secret;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use str0m::media::Direction;
use testkit::scratch::Folder;

use crate::common::*;

pub(crate) const PASSWORD: &str = "correct horse battery";

async fn start(change: impl FnOnce(&mut AdminSettings)) -> LiveServer {
    let mut admin = AdminSettings { password: Some(Secret::new(PASSWORD)), ..AdminSettings::default() };
    change(&mut admin);
    let mut config = config();
    config.admin = Some(admin);
    LiveServer::start(config).await.expect("the server starts")
}

pub(crate) async fn ask(
    server: &LiveServer,
    method: Method,
    path: &str,
    cookie: Option<&str>,
    body: Option<Value>,
) -> Response {
    let mut request = Client::new().request(method, url(server, &format!("/api/v1/admin/{path}")));
    if let Some(cookie) = cookie {
        request = request.header("Cookie", format!("other=1; {cookie}"));
    }
    if let Some(body) = body {
        request = request.header("Content-Type", "application/json").body(body.to_string());
    }
    request.send().await.expect("an answer")
}

async fn sign_in(server: &LiveServer, password: &str) -> Response {
    ask(server, Method::POST, "session", None, Some(json!({ "password": password }))).await
}

/// Signed in: the cookie as it is sent back.
pub(crate) async fn cookie(server: &LiveServer) -> String {
    let answer = sign_in(server, PASSWORD).await;
    assert_eq!(answer.status(), 200);
    let set = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(set.contains("; HttpOnly") && set.contains("; SameSite=Strict") && set.contains("; Path=/"), "{set}");
    assert!(!set.contains("Secure"), "this is plain HTTP on this machine");
    set.split(';').next().expect("a pair").to_owned()
}

pub(crate) async fn read(answer: Response) -> Value {
    serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON")
}

#[tokio::test]
async fn nobody_gets_in_without_the_password_and_guesses_are_limited() {
    let server = start(|_| {}).await;
    let file = "recordings/disk/live/x/whole.mp4";
    for path in [
        "overview",
        "events",
        "streams/live/history",
        "streams/live/thumbnail",
        "keys",
        "log",
        "settings",
        "recordings",
        file,
    ] {
        for cookie in [None, Some("tidecast_admin=0123"), Some("tidecast_admin=")] {
            let answer = ask(&server, Method::GET, path, cookie, None).await;
            assert_eq!(answer.status(), 401, "{path}");
            assert!(!answer.headers().contains_key("access-control-allow-origin"), "for our own pages only");
        }
    }
    for (method, path) in [
        (Method::POST, "streams/live/forwards"),
        (Method::DELETE, "streams/live/forwards/x"),
        (Method::POST, "streams/live/forwards/x/retry"),
        (Method::DELETE, "recordings/disk/live/x"),
    ] {
        assert_eq!(ask(&server, method, path, None, Some(json!({}))).await.status(), 401, "{path}");
    }
    let cookie = cookie(&server).await;
    let overview = read(ask(&server, Method::GET, "overview", Some(&cookie), None).await).await;
    assert_eq!(overview["streams"][0]["name"], "live");
    let settings = ask(&server, Method::GET, "settings", Some(&cookie), None).await.text().await.expect("a body");
    assert!(!settings.contains(KEY) && !settings.contains(TOKEN) && !settings.contains(PASSWORD));
    assert_eq!(ask(&server, Method::DELETE, "session", Some(&cookie), None).await.status(), 204);
    assert_eq!(ask(&server, Method::GET, "overview", Some(&cookie), None).await.status(), 401, "signed out");
    for _ in 0..10 {
        assert_eq!(sign_in(&server, "a wrong password").await.status(), 401);
    }
    let limited = sign_in(&server, PASSWORD).await;
    assert_eq!((limited.status().as_u16(), limited.headers().contains_key("retry-after")), (429, true));
    // Publishers are not locked out with them.
    assert_eq!(post(&server, "/whip/live", Some(KEY), SDP, "v=0").await.status(), 400);
    server.shutdown().await;
}

#[tokio::test]
async fn another_origin_acts_on_nothing() {
    let server = start(|_| {}).await;
    let cookie = cookie(&server).await;
    let host = server.http_addr().to_string();
    for (name, value, status) in [
        ("Origin", format!("http://{host}"), 201),
        ("Origin", "http://127.0.0.1:1".to_owned(), 403),
        ("Origin", "https://evil.example".to_owned(), 403),
        ("Origin", "null".to_owned(), 403),
        ("Sec-Fetch-Site", "cross-site".to_owned(), 403),
        ("Sec-Fetch-Site", "same-site".to_owned(), 403),
    ] {
        let request = Client::new().post(url(&server, "/api/v1/admin/keys")).header("Cookie", &cookie);
        let request = request.header(name, &value).header("Content-Type", "application/json");
        let answer = request.body(r#"{"stream":"live","act":"view"}"#).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{name}: {value}");
    }
    // What a form of another site can send without asking first is no JSON.
    let request = Client::new().post(url(&server, "/api/v1/admin/session")).header("Content-Type", "text/plain");
    let form = request.body(json!({ "password": PASSWORD }).to_string()).send().await.expect("an answer");
    assert_eq!(form.status(), 415);
    server.shutdown().await;
}

#[tokio::test]
async fn without_the_table_there_are_no_pages_and_from_elsewhere_there_are_none_either() {
    let bare = server().await;
    assert_eq!(ask(&bare, Method::GET, "session", None, None).await.status(), 404);
    assert_eq!(reqwest::get(url(&bare, "/admin")).await.expect("an answer").status(), 404);
    bare.shutdown().await;
    let closed = start(|admin| admin.allow = vec!["192.0.2.0/24".to_owned().try_into().expect("a network")]).await;
    assert_eq!(sign_in(&closed, PASSWORD).await.status(), 403);
    assert_eq!(reqwest::get(url(&closed, "/admin")).await.expect("an answer").status(), 403);
    closed.shutdown().await;
    // What a proxy passes on comes from another machine: without TLS the password is not taken.
    let open = start(|_| {}).await;
    let request = Client::new().post(url(&open, "/api/v1/admin/session")).header("X-Forwarded-For", "192.0.2.7");
    let request = request.header("Content-Type", "application/json").body(json!({ "password": PASSWORD }).to_string());
    assert_eq!(request.send().await.expect("an answer").status(), 403);
    open.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_made_key_opens_its_stream_until_it_is_revoked_and_outlives_the_server() {
    let folder = Folder::new("admin");
    let keep = |admin: &mut AdminSettings| admin.folder = Some(folder.path().to_owned());
    let first = start(keep).await;
    let signed_in = cookie(&first).await;
    let wish = json!({ "stream": "live", "act": "publish", "label": "OBS at home", "days": 7 });
    let answer = ask(&first, Method::POST, "keys", Some(&signed_in), Some(wish)).await;
    assert_eq!(answer.status(), 201);
    let made = read(answer).await;
    let (id, secret) = (made["key"]["id"].as_str().expect("a name"), made["secret"].as_str().expect("a key"));
    first.shutdown().await;

    let server = start(keep).await;
    let cookie = cookie(&server).await;
    let listed = ask(&server, Method::GET, "keys", Some(&cookie), None).await.text().await.expect("a body");
    assert!(listed.contains(id) && listed.contains("OBS at home") && !listed.contains(secret), "{listed}");
    let (_peer, offer) = Peer::new(Direction::SendOnly);
    assert_eq!(post(&server, "/whip/live", Some(secret), SDP, offer.text).await.status(), 201);
    assert_eq!(post(&server, "/whep/live", Some(secret), SDP, "v=0").await.status(), 401, "it is no key to watch");
    let wrong = format!("{}x", &secret[..secret.len() - 1]);
    assert_eq!(post(&server, "/whip/live", Some(&wrong), SDP, "v=0").await.status(), 401);
    let overview = read(ask(&server, Method::GET, "overview", Some(&cookie), None).await).await;
    assert_eq!((&overview["sessions"][0]["key"], &overview["sessions"][0]["role"]), (&id.into(), &"publish".into()));
    let revoked = ask(&server, Method::DELETE, &format!("keys/{id}"), Some(&cookie), None).await;
    assert_eq!(read(revoked).await["ended"], 1, "who came in with it is sent away");
    assert_eq!(post(&server, "/whip/live", Some(secret), SDP, "v=0").await.status(), 401);
    assert_eq!(ask(&server, Method::DELETE, &format!("keys/{id}"), Some(&cookie), None).await.status(), 404);
    assert_eq!(post(&server, "/whip/live", Some(KEY), SDP, "v=0").await.status(), 400, "the file's key counts on");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_to_watch_has_room_for_as_many_as_it_says_and_who_is_sent_away_stays_away() {
    let server = start(|_| {}).await;
    let cookie = cookie(&server).await;
    let mut publisher = Peer::publisher(&server).await;
    until(&mut [&mut publisher], "it connects", |peers| peers[0].connected);
    let mut source = Source::new(1);
    source.run(&mut [&mut publisher], "the stream is live", |_| server.streams()[0].live);
    let wish = json!({ "stream": "live", "act": "view", "most_viewers": 1 });
    let made = read(ask(&server, Method::POST, "keys", Some(&cookie), Some(wish)).await).await;
    let secret = made["secret"].as_str().expect("a key");
    let mut same = config();
    same.admin = Some(AdminSettings { password: Some(Secret::new(PASSWORD)), ..AdminSettings::default() });
    server.reload(same).await.expect("the same again, which keeps what was made");
    for status in [201, 429] {
        let (_peer, offer) = Peer::new(Direction::RecvOnly);
        assert_eq!(post(&server, "/whep/live", Some(secret), SDP, offer.text).await.status(), status);
    }

    let mut viewer = Peer::viewer(&server).await;
    source.run(&mut [&mut publisher, &mut viewer], "a picture", |peers| peers[1].video().len() > 10);
    let overview = read(ask(&server, Method::GET, "overview", Some(&cookie), None).await).await;
    assert_eq!(overview["streams"][0]["readers"]["whep"], 2);
    assert_eq!(overview["streams"][0]["health"]["level"], "good");
    let id = |role: &str| {
        let all = overview["sessions"].as_array().expect("sessions");
        let found = all.iter().rfind(|session| session["role"] == role).expect("one");
        found["id"].as_str().expect("a name").to_owned()
    };
    let send_away = async |id: String| {
        let path = format!("sessions/{id}/send_away");
        ask(&server, Method::POST, &path, Some(&cookie), Some(json!({ "keep_out_seconds": 60 }))).await.status()
    };
    assert_eq!(send_away("0123456789abcdef".to_owned()).await, 404);
    let (watching, publishing) = (id("view"), id("publish"));
    assert_eq!(send_away(watching).await, 200);
    source.run(&mut [&mut publisher, &mut viewer], "the viewer is sent away", |peers| peers[1].closed);
    assert!(!publisher.closed);
    let refused = post(&server, "/whep/live", Some(TOKEN), SDP, Peer::new(Direction::RecvOnly).1.text).await;
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (403, true));
    assert_eq!(send_away(publishing).await, 200);
    until(&mut [&mut publisher], "the publisher is sent away", |peers| peers[0].closed);
    let refused = post(&server, "/whip/live", Some(KEY), SDP, Peer::new(Direction::SendOnly).1.text).await;
    assert_eq!(refused.status(), 403);
    server.shutdown().await;
}

#[tokio::test]
async fn what_players_report_is_summed_for_who_looks_after_the_stream() {
    let server = start(|_| {}).await;
    let cookie = cookie(&server).await;
    let report = async |token: Option<&str>, body: Value| {
        post(&server, "/api/v1/streams/live/report", token, "application/json", body.to_string()).await.status()
    };
    let good = json!({ "viewer": "abc", "join_ms": 240.5, "watched_ms": 30000, "freezes": 1, "frozen_ms": 600, "delay_ms": 90 });
    assert_eq!(report(None, good.clone()).await, 401, "only who may watch");
    assert_eq!(report(Some(TOKEN), good).await, 204);
    assert_eq!(report(Some(TOKEN), json!({ "viewer": "abc", "watched_ms": -1 })).await, 400);
    assert_eq!(report(Some(TOKEN), json!({ "viewer": "abc" })).await, 400);
    let overview = read(ask(&server, Method::GET, "overview", Some(&cookie), None).await).await;
    let sum = &overview["streams"][0]["reports"];
    assert_eq!((&sum["viewers"], &sum["join_ms_p50"], &sum["frozen_share"]), (&1.into(), &240.5.into(), &0.02.into()));
    server.shutdown().await;
}

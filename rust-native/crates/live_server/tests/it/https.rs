//! HTTP over TLS by certificates in files, and their renewal while somebody is connected.

use std::path::Path;

use live_server::{AdminSettings, Config, LiveServer};
use media::Secret;
use reqwest::{Certificate, Client};
use testkit::scratch::Folder;

use crate::common::*;
use crate::rig::certificate;

const PASSWORD: &str = "correct horse battery";

fn config_with(folder: &Folder, name: &str) -> Config {
    let (certificate, key) = certificate(folder, name);
    let mut config = config();
    config.https.listen = Some("127.0.0.1:0".parse().expect("an address"));
    (config.https.certificate, config.https.private_key) = (Some(certificate), Some(key));
    let password = Some(Secret::new(PASSWORD));
    config.admin = Some(AdminSettings { password, ..AdminSettings::default() });
    config
}

/// One that trusts that certificate alone, for its name.
fn client(server: &LiveServer, file: &Path, name: &str) -> Client {
    let pem = std::fs::read(file).expect("a certificate");
    let trusted = Certificate::from_pem(&pem).expect("a certificate");
    let address = server.https_addr().expect("it listens");
    Client::builder().tls_certs_only([trusted]).resolve(name, address).build().expect("a client")
}

fn at(server: &LiveServer, name: &str, path: &str) -> String {
    format!("https://{name}:{}{path}", server.https_addr().expect("it listens").port())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_shown_to_who_comes_next_and_a_bad_one_changes_nothing() {
    let folder = Folder::new("https");
    let config = config_with(&folder, "first.example");
    let file = config.https.certificate.clone().expect("a file");
    let server = LiveServer::start(config.clone()).await.expect("the server starts");
    let first = client(&server, &file, "first.example");
    let health = |name: &str| at(&server, name, "/healthz");
    assert_eq!(first.get(health("first.example")).send().await.expect("an answer").status(), 200);

    let key = config.https.private_key.clone().expect("a file");
    let good = std::fs::read(&key).expect("a key");
    std::fs::write(&key, "no key").expect("written");
    let refused = server.reload(config.clone()).await.expect_err("a bad key").to_string();
    assert!(refused.contains("https.private_key"), "{refused}");
    std::fs::write(&key, good).expect("written");
    let anew = client(&server, &file, "first.example");
    assert_eq!(anew.get(health("first.example")).send().await.expect("an answer").status(), 200, "the old one stays");

    certificate(&folder, "second.example");
    server.reload(config).await.expect("a good configuration");
    let kept = first.get(health("first.example")).send().await.expect("the connection that is open goes on");
    assert_eq!(kept.status(), 200);
    let second = client(&server, &file, "second.example");
    assert_eq!(second.get(health("second.example")).send().await.expect("an answer").status(), 200);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_cookie_is_for_tls_alone_where_it_was_given_over_tls() {
    let folder = Folder::new("https");
    let config = config_with(&folder, "tide.example");
    let file = config.https.certificate.clone().expect("a file");
    let server = LiveServer::start(config).await.expect("the server starts");
    let request = client(&server, &file, "tide.example").post(at(&server, "tide.example", "/api/v1/admin/session"));
    // As a browser would: the origin is the server's own.
    let request = request.header("Origin", at(&server, "tide.example", "")).header("Content-Type", "application/json");
    let body = serde_json::json!({ "password": PASSWORD }).to_string();
    let answer = request.body(body).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let set = answer.headers()["set-cookie"].to_str().expect("text");
    assert!(set.ends_with("; Secure") && set.contains("; HttpOnly; SameSite=Strict"), "{set}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_can_speaks_http_2_and_websockets_open_beside_it() {
    let folder = Folder::new("https");
    let config = config_with(&folder, "tide.example");
    let file = config.https.certificate.clone().expect("a file");
    let server = LiveServer::start(config).await.expect("the server starts");
    let answer = client(&server, &file, "tide.example").get(at(&server, "tide.example", "/readyz")).send().await;
    assert_eq!(answer.expect("an answer").version(), reqwest::Version::HTTP_2);
    // As browsers do: a connection of its own, on which HTTP/2 is not offered.
    let trusted = Certificate::from_pem(&std::fs::read(&file).expect("a certificate")).expect("a certificate");
    let address = server.https_addr().expect("it listens");
    let client = Client::builder().tls_certs_only([trusted]).resolve("tide.example", address).http1_only();
    let request = client.build().expect("a client").get(at(&server, "tide.example", "/ws/live"));
    let request = request.header("Connection", "Upgrade").header("Upgrade", "websocket");
    let request = request.header("Sec-WebSocket-Version", "13").header("Sec-WebSocket-Key", "AAECAwQFBgcICQoLDA0ODw==");
    let answer = request.header("Sec-WebSocket-Protocol", "tidecast-v1").bearer_auth(KEY).send().await;
    assert_eq!(answer.expect("an answer").status(), 101);
    server.shutdown().await;
}

#[tokio::test]
async fn who_says_nothing_instead_of_a_handshake_holds_nobody_up() {
    let folder = Folder::new("https");
    let config = config_with(&folder, "tide.example");
    let file = config.https.certificate.clone().expect("a file");
    let server = LiveServer::start(config).await.expect("the server starts");
    let address = server.https_addr().expect("it listens");
    let silent: Vec<_> = (0..100).map(|_| std::net::TcpStream::connect(address).expect("a connection")).collect();
    let answer = client(&server, &file, "tide.example").get(at(&server, "tide.example", "/readyz")).send().await;
    assert_eq!(answer.expect("an answer").status(), 200);
    drop(silent);
    server.shutdown().await;
}

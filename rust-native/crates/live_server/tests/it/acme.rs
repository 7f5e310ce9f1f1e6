//! A certificate from pebble, the small authority that Let's Encrypt tests its clients with.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use live_server::{AcmeSettings, LiveServer};
use reqwest::{Certificate, Client};
use serde_json::json;
use testkit::scratch::{Folder, Running};

use crate::common::*;
use crate::rig::certificate;

/// Where `npm run setup -- --tests` puts it.
const PEBBLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../electron-app/.setup/go/bin/pebble");

struct Authority {
    _running: Running,
    directory: String,
    management: String,
    /// By which its API is trusted.
    root: PathBuf,
}

impl Authority {
    /// One that looks for its challenges at that port.
    fn start(folder: &Folder, tls_port: u16) -> Self {
        assert!(Path::new(PEBBLE).is_file(), "the test needs pebble (npm run setup -- --tests installs it)");
        let (root, key) = certificate(folder, "localhost");
        let (api, management) = (testkit::port::free(), testkit::port::free());
        let settings = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{api}"), "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": root, "privateKey": key, "httpPort": testkit::port::free(), "tlsPort": tls_port,
        } });
        let file = folder.file("pebble.json");
        std::fs::write(&file, settings.to_string()).expect("written");
        // It refuses one nonce in twenty otherwise, and waits up to fifteen seconds before it looks.
        let mut child = Command::new(PEBBLE)
            .arg("-config")
            .arg(&file)
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("pebble");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let running = Running(child);
        assert!(lines.any(|line| line.is_ok_and(|line| line.contains("ACME directory available"))), "it listens");
        std::thread::spawn(move || lines.for_each(drop));
        let directory = format!("https://localhost:{api}/dir");
        Self { _running: running, directory, management: format!("https://localhost:{management}"), root }
    }

    /// The root of what it signs, as PEM.
    async fn issuer(&self) -> Vec<u8> {
        let trusted = Certificate::from_pem(&std::fs::read(&self.root).expect("a file")).expect("a certificate");
        let client = Client::builder().tls_certs_only([trusted]).build().expect("a client");
        let root = client.get(format!("{}/roots/0", self.management)).send().await.expect("an answer");
        root.bytes().await.expect("a body").to_vec()
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).expect("a file").permissions()) & 0o777
}

/// Whether what listens there has a certificate for `localhost` of that issuer.
fn shows(address: std::net::SocketAddr, issuer: &[u8], folder: &Folder) -> bool {
    let root = folder.file("issuer.pem");
    std::fs::write(&root, issuer).expect("written");
    let mut client = Command::new("openssl");
    client.args(["s_client", "-verify_return_error", "-verify_hostname", "localhost", "-servername", "localhost"]);
    client.args(["-connect", &address.to_string(), "-CAfile"]).arg(root);
    // Its input's end is the connection's.
    let done = client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    done.expect("openssl").success()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_gives_a_certificate_that_lasts_over_a_restart_and_is_the_servers_alone_to_read() {
    let folder = Folder::new("acme");
    let port = testkit::port::free();
    let authority = Authority::start(&folder, port);
    let cache = folder.file("cache");
    let mut config = config();
    config.https.listen = Some(([127, 0, 0, 1], port).into());
    config.rtmp.tls_listen = Some(([127, 0, 0, 1], 0).into());
    config.https.acme = Some(AcmeSettings {
        domains: vec!["localhost".to_owned()],
        contact: Some("somebody@example.org".to_owned()),
        directory: authority.directory.clone(),
        cache: cache.clone(),
        directory_root: Some(authority.root.clone()),
    });
    let server = LiveServer::start(config.clone()).await.expect("the server starts");
    let issuer = authority.issuer().await;
    let ready = format!("https://localhost:{port}/readyz");
    let ask = async || {
        // Each time a new handshake.
        let root = Certificate::from_pem(&issuer).expect("a certificate");
        let client = Client::builder().tls_certs_only([root]).build().expect("a client");
        client.get(&ready).send().await
    };
    let begun = Instant::now();
    while ask().await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "{:?}", ask().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let answer = ask().await.expect("an answer");
    assert_eq!((answer.status(), answer.version()), (reqwest::StatusCode::OK, reqwest::Version::HTTP_2));
    assert!(shows(server.rtmps_addr().expect("it listens"), &issuer, &folder), "RTMPS shows the same");
    let kept: Vec<PathBuf> = std::fs::read_dir(&cache).expect("a folder").flatten().map(|file| file.path()).collect();
    assert_eq!(kept.len(), 2, "the account and the certificate: {kept:?}");
    for file in kept {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    let certificate = std::fs::read(cache.join("certificate.pem")).expect("a file");
    server.reload(config.clone()).await.expect("another configuration");
    assert!(ask().await.is_ok(), "it is still shown");
    server.shutdown().await;
    drop(authority);
    // Without the authority.
    let server = LiveServer::start(config).await.expect("the server starts again");
    assert!(ask().await.is_ok(), "the certificate of the last run");
    assert_eq!(std::fs::read(cache.join("certificate.pem")).expect("a file"), certificate);
    server.shutdown().await;
}

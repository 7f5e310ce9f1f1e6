//! RTMPS: stunnel in front of nginx, with certificates of our own making.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use media::Secret;
use publish::RtmpTarget;

use crate::rig::nginx::Nginx;
use crate::rig::{Feed, Peer, Received, bitrate, frame_rate, free_port, listening};
use testkit::scratch::Folder;

fn openssl(folder: &Folder, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder.file(""))
        .output()
        .unwrap_or_else(|error| panic!("the test needs openssl: {error}"));
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A certificate for localhost, signed by an authority of that name.
fn certificate(folder: &Folder, name: &str) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(
        folder,
        &format!("req -x509 {key} -days 2 -subj /CN=authority-{name} -keyout ca-{name}.key -out ca-{name}.pem"),
    );
    openssl(folder, &format!("req {key} -subj /CN=localhost -keyout {name}.key -out {name}.csr"));
    std::fs::write(folder.file("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1").expect("written");
    openssl(
        folder,
        &format!(
            "x509 -req -days 2 -in {name}.csr -CA ca-{name}.pem -CAkey ca-{name}.key -CAcreateserial -extfile names -out {name}.pem"
        ),
    );
}

async fn stunnel(folder: &Folder, name: &str, to: u16) -> (u16, Peer) {
    let port = free_port();
    let path = |file: String| -> PathBuf { folder.file(&file) };
    let text = format!(
        "foreground = yes\npid =\n[rtmps]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{to}\ncert = {}\nkey = {}\n",
        path(format!("{name}.pem")).display(),
        path(format!("{name}.key")).display()
    );
    let conf = path(format!("{name}.conf"));
    std::fs::write(&conf, text).expect("written");
    let peer = Peer::start("stunnel", &[conf.to_str().expect("UTF-8")]);
    listening(port).await;
    (port, peer)
}

fn target(host: &str, port: u16) -> RtmpTarget {
    RtmpTarget {
        url: format!("rtmps://{host}:{port}/live"),
        key: Some(Secret::new("name")),
        prefer_opus: false,
        target_bitrate: bitrate(),
        frame_rate: frame_rate(),
    }
}

/// What the system trusts is the authority in that file, for this process.
fn trust(authority: &Path) {
    // SAFETY: the process has one test, and no other thread of it reads the environment yet.
    unsafe { std::env::set_var("SSL_CERT_FILE", authority) };
}

/// One test: trust is read once in a process.
#[test]
fn rtmps_reaches_a_trusted_server_whole_and_no_other() {
    let folder = Folder::new("publish");
    certificate(&folder, "known");
    certificate(&folder, "stranger");
    trust(&folder.file("ca-known.pem"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (nginx, feed) = (Nginx::start(free_port()).await, Feed::start());
        let (known, _known) = stunnel(&folder, "known", nginx.port).await;
        let (stranger, _stranger) = stunnel(&folder, "stranger", nginx.port).await;

        let mut refused = feed.publish(target("localhost", stranger));
        assert_eq!(refused.until_broken().await, ("tls_failed", false), "nobody we know signed it");
        drop(refused);
        let mut plain = feed.publish(target("localhost", nginx.port));
        let (code, _) = plain.until_broken().await;
        // A server without TLS may answer our hello with its own words, or wait for the rest of what it takes it for.
        assert!(matches!(code, "tls_failed" | "no_answer"), "no TLS there: {code}");
        drop(plain);

        let mut live = feed.publish(target("localhost", known));
        live.until_live().await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        let health = live.destination.health().expect("connected");
        assert_eq!(health.dropped_units, 0, "{health:?}");
        assert!(health.round_trip.is_some(), "{health:?}");
        live.destination.stop().await;
        let recordings = nginx.recordings();
        drop(nginx.peer);
        assert_eq!(recordings.len(), 1, "only the trusted server was given anything: {recordings:?}");
        Received::read(&recordings[0]).assert_whole(100);
    });
}

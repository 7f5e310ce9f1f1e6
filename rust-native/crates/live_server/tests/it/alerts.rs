//! An alert at a webhook that is not ours, once when it begins and once when it is over.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use live_server::{AdminSettings, AlertKind, AlertRule, AlertSettings, LiveServer};
use media::Secret;
use serde_json::Value;

use crate::admin;
use crate::common::*;
use crate::studio::*;

/// What came, each with whether it was signed; the first is answered 503.
type Heard = Arc<Mutex<Vec<(Value, bool)>>>;

async fn webhook() -> (String, Heard) {
    let heard = Heard::default();
    let kept = heard.clone();
    let take = async move |headers: HeaderMap, body: String| {
        let signed = headers.get("x-tidecast-signature").is_some_and(|text| text.as_bytes().starts_with(b"sha256="));
        let mut heard = kept.lock().expect("no panic");
        heard.push((serde_json::from_str(&body).expect("JSON"), signed));
        if heard.len() == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/alerts", listener.local_addr().expect("its address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/alerts", axum::routing::post(take))).await });
    (url, heard)
}

async fn until_heard(heard: &Heard, count: usize) {
    let begun = Instant::now();
    while heard.lock().expect("no panic").len() < count {
        assert!(begun.elapsed() < PATIENCE, "{count} are waited for: {:?}", heard.lock().expect("no panic"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_down_is_told_once_again_after_a_refusal_and_that_it_is_back_once() {
    let (webhook, heard) = webhook().await;
    let mut config = config();
    let rule = |kind, limit| AlertRule { for_seconds: 1, ..AlertRule::new(kind, limit) };
    let never = AlertRule { folder: Some(std::env::temp_dir()), ..rule(AlertKind::DiskLow, Some(1e-9)) };
    let rules = BTreeMap::from([
        ("gone".to_owned(), rule(AlertKind::StreamDown, None)),
        ("full".to_owned(), never),
        ("elsewhere".to_owned(), AlertRule { streams: vec!["cam-*".to_owned()], ..rule(AlertKind::StreamDown, None) }),
    ]);
    config.alerts = Some(AlertSettings { webhook, secret: Some(Secret::new("between us")), rules });
    let (server, reel) = (LiveServer::start(config).await.expect("the server starts"), Reel::new(30, 30));
    until_heard(&heard, 2).await;
    let _publisher = Publisher::start(&server, &reel).await;
    until_heard(&heard, 3).await;
    // Time for anything that should not be told.
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.shutdown().await;
    let heard = heard.lock().expect("no panic");
    let said: Vec<_> = heard.iter().map(|(told, _)| (told["alert"].as_str(), told["state"].as_str())).collect();
    let (firing, resolved) = ((Some("gone"), Some("firing")), (Some("gone"), Some("resolved")));
    assert_eq!(said, [firing, firing, resolved], "the first was refused and is told again: {heard:?}");
    let (told, signed) = &heard[1];
    assert!(*signed && told["subject"] == "live" && told["kind"] == "stream_down" && told["at_ms"].is_u64(), "{told}");
}

/// What has been told: each alert's name and state, in order.
fn told(heard: &Heard) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let heard = heard.lock().expect("no panic");
    // The first is answered 503, so it comes twice.
    heard.iter().skip(1).map(|(told, _)| (text(&told["alert"]), text(&told["state"]))).collect()
}

/// A publisher that can send less, over a way that can lose packets.
struct Line {
    peer: Peer,
    source: Source,
    /// Between two pictures.
    pause: Duration,
}

impl Line {
    /// Sends until all of these have been told.
    fn until_told(&mut self, heard: &Heard, wanted: &[(&str, &str)]) {
        let end = Instant::now() + PATIENCE;
        let mut next = Instant::now();
        loop {
            let told = told(heard);
            if wanted.iter().all(|(alert, state)| told.iter().any(|(one, its)| one == alert && its == state)) {
                return;
            }
            assert!(Instant::now() < end, "{wanted:?} are waited for: {told:?}");
            self.peer.step();
            if Instant::now() >= next {
                let keyframe = self.source.frames.is_multiple_of(30);
                self.source.frame(&mut self.peer, keyframe);
                next = Instant::now() + self.pause;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn each_rule_fires_once_for_its_real_cause_and_resolves_once() {
    let name = "alerts::each_rule_fires_once_for_its_real_cause_and_resolves_once";
    testkit::small_disk::on_a_small_disk(name, 64 << 10, |disk| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("threads").block_on(every_kind(disk));
    });
}

async fn every_kind(disk: &Path) {
    let (webhook, heard) = webhook().await;
    let mut config = config();
    let rule = |kind, limit| AlertRule { for_seconds: 1, ..AlertRule::new(kind, limit) };
    // Of 67 MB.
    let full = AlertRule { folder: Some(disk.to_owned()), ..rule(AlertKind::DiskLow, Some(0.03)) };
    let rules = BTreeMap::from([
        ("down".to_owned(), rule(AlertKind::StreamDown, None)),
        ("thin".to_owned(), rule(AlertKind::BitrateLow, Some(200.0))),
        ("lossy".to_owned(), rule(AlertKind::LossHigh, Some(5.0))),
        ("full".to_owned(), full),
    ]);
    config.alerts = Some(AlertSettings { webhook, secret: None, rules });
    config.admin = Some(AdminSettings { password: Some(Secret::new(admin::PASSWORD)), ..AdminSettings::default() });
    let big = disk.join("big");
    std::fs::write(&big, vec![0; 50_000_000]).expect("there is room");
    let server = LiveServer::start(config).await.expect("the server starts");
    // Nobody publishes, and the disk is nearly full.
    until_heard(&heard, 3).await;
    let cookie = admin::cookie(&server).await;
    let stands = async || {
        let overview = admin::ask(&server, reqwest::Method::GET, "overview", Some(&cookie), None).await;
        let all = admin::read(overview).await["alerts"].as_array().expect("a list").clone();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        all.iter().map(|one| (text(&one["alert"]), text(&one["state"]))).collect::<BTreeMap<_, _>>()
    };
    let now = stands().await;
    let is = |name: &str| now.get(name).map(String::as_str);
    assert_eq!(
        [is("down"), is("full"), is("thin"), is("lossy")],
        [Some("firing"), Some("firing"), Some("well"), Some("well")]
    );
    std::fs::remove_file(&big).expect("removed");
    let mut peer = Peer::publisher(&server).await;
    peer.repairs = false;
    until(&mut [&mut peer], "it connects", |peers| peers[0].connected);
    let mut line = Line { peer, source: Source::new(60_000), pause: Duration::from_millis(33) };
    tokio::task::block_in_place(|| {
        line.until_told(&heard, &[("down", "resolved"), ("full", "resolved")]);
        // Few pictures, and of their packets every fifth is lost.
        (line.pause, line.peer.lose) = (Duration::from_millis(250), Some(5));
        line.until_told(&heard, &[("thin", "firing"), ("lossy", "firing")]);
        (line.pause, line.peer.lose) = (Duration::from_millis(33), None);
        line.until_told(&heard, &[("thin", "resolved"), ("lossy", "resolved")]);
    });
    server.shutdown().await;
    let mut told = told(&heard);
    told.sort();
    let wanted = ["down", "full", "lossy", "thin"].map(|alert| ["firing", "resolved"].map(|state| (alert, state)));
    let told: Vec<(&str, &str)> = told.iter().map(|(alert, state)| (alert.as_str(), state.as_str())).collect();
    assert_eq!(told, wanted.concat(), "each once");
    let heard = heard.lock().expect("no panic");
    let lossy = heard.iter().find(|(told, _)| told["alert"] == "lossy").expect("it was told");
    assert!(lossy.0["value"].as_f64().is_some_and(|percent| percent > 5.0) && lossy.0["limit"] == 5.0, "{lossy:?}");
}

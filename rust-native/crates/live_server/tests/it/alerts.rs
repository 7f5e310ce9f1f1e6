//! An alert at a webhook that is not ours, once when it begins and once when it is over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use live_server::{AlertKind, AlertRule, AlertSettings, LiveServer};
use media::Secret;
use serde_json::Value;

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

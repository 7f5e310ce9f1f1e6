//! `/metrics`, read by the library that Prometheus' own authors wrote for it.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use live_server::{AdminSettings, AlertKind, AlertRule, AlertSettings, ForwardSettings, LiveServer, RecordingSettings};
use media::Secret;
use testkit::scratch::Folder;

use crate::common::*;
use crate::s3::PACKAGES;
use crate::studio::*;

/// Reads a page strictly: what is no sample, a family without its help or kind, a series that is there twice, a counter
/// that is not called one and a histogram that does not add up are errors.
const READER: &str = r#"
import json, sys
from prometheus_client.parser import text_string_to_metric_families as read
seen, names, out = set(), set(), []
for family in read(sys.stdin.read()):
    assert family.name not in names, f"{family.name} is there twice"
    names.add(family.name)
    assert family.documentation and family.type in ("gauge", "counter", "histogram"), f"{family.name}: {family.type}"
    buckets = []
    for sample in family.samples:
        key = (sample.name, tuple(sorted(sample.labels.items())))
        assert key not in seen, f"{key} is there twice"
        seen.add(key)
        assert sample.value == sample.value and sample.value >= 0, f"{key}: {sample.value}"
        if family.type == "counter":
            assert sample.name == family.name + "_total", sample.name
        if sample.name.endswith("_bucket"):
            buckets.append((float(sample.labels["le"]), sample.value))
        out.append([sample.name, sample.labels, sample.value])
    if family.type == "histogram":
        assert buckets == sorted(buckets) and [v for _, v in buckets] == sorted(v for _, v in buckets), buckets
        count = [s.value for s in family.samples if s.name == family.name + "_count"]
        assert buckets[-1][0] == float("inf") and [buckets[-1][1]] == count, buckets
json.dump(out, sys.stdout)
"#;

/// Every series, by name and labels.
pub(crate) async fn read(server: &LiveServer) -> BTreeMap<(String, String), f64> {
    let answer = reqwest::get(url(server, "/metrics")).await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let page = answer.text().await.expect("text");
    assert!(!page.contains(KEY) && !page.contains(TOKEN) && !page.contains("hunter2"), "{page}");
    assert!(std::path::Path::new(PACKAGES).join("prometheus_client").is_dir(), "npm run setup -- --tests installs it");
    let mut reader = Command::new("python3");
    reader.args(["-c", READER]).env("PYTHONPATH", PACKAGES).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut reader = reader.spawn().expect("python3");
    reader.stdin.take().expect("piped").write_all(page.as_bytes()).expect("written");
    let output = reader.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{page}");
    let samples: Vec<(String, BTreeMap<String, String>, f64)> = serde_json::from_slice(&output.stdout).expect("JSON");
    let labels = |labels: BTreeMap<String, String>| {
        labels.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
    };
    samples.into_iter().map(|(name, all, value)| ((name, labels(all)), value)).collect()
}

async fn watch(server: &LiveServer) -> Peer {
    let mut viewer = Peer::viewer(server).await;
    tokio::task::block_in_place(|| until(&mut [&mut viewer], "a picture", |peers| !peers[0].video().is_empty()));
    viewer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_reads_every_line_and_viewers_who_come_and_go_add_none() {
    let folder = Folder::new("metrics \"quoted\"");
    let mut config = config();
    config.admin =
        Some(AdminSettings { password: Some(Secret::new(crate::admin::PASSWORD)), ..AdminSettings::default() });
    config.recording.insert("disk".to_owned(), RecordingSettings::into_folder(folder.path()));
    let dead = ForwardSettings {
        stream: "live".to_owned(),
        url: Secret::new("rtmp://127.0.0.1:1/app/hunter2"),
        key: Some(Secret::new("hunter2")),
        passphrase: None,
        latency_ms: 250,
    };
    config.forward.insert("dead".to_owned(), dead);
    let rule = |kind, limit| AlertRule { for_seconds: 1, ..AlertRule::new(kind, limit) };
    let rules = BTreeMap::from([
        ("thin".to_owned(), rule(AlertKind::BitrateLow, Some(1.0))),
        ("full".to_owned(), rule(AlertKind::DiskLow, Some(1e8))),
    ]);
    let webhook = "http://127.0.0.1:1/hunter2".to_owned();
    config.alerts = Some(AlertSettings { webhook, secret: None, rules });
    let server = LiveServer::start(config).await.expect("the server starts");
    let mut publisher = Publisher::start(&server, &Reel::new(60, 30)).await;
    let mut viewer = watch(&server).await;
    let report = serde_json::json!({ "viewer": "abc", "join_ms": 240.0, "watched_ms": 30_000 });
    let sent = post(&server, "/api/v1/streams/live/report", Some(TOKEN), "application/json", report.to_string()).await;
    assert_eq!(sent.status(), 204);
    let (disk, dead) = ("rule=disk", "forward=dead,stream=live");
    let full = format!("alert=full,subject={}", folder.path().display());
    let wanted: Vec<(&str, &str, f64)> = vec![
        ("tidecast_stream_live", "stream=live", 1.0),
        ("tidecast_recordings", disk, 1.0),
        ("tidecast_recordings_open", disk, 1.0),
        ("tidecast_recordings_failing", disk, 0.0),
        ("tidecast_recordings_failures_total", disk, 0.0),
        ("tidecast_alert_firing", full.as_str(), 1.0),
        ("tidecast_alert_firing", "alert=thin,subject=live", 0.0),
        ("tidecast_join_seconds_count", "", 1.0),
        ("tidecast_player_join_seconds_count", "", 1.0),
        ("tidecast_player_join_seconds_sum", "", 0.24),
        ("tidecast_player_join_seconds_bucket", "le=0.2", 0.0),
        ("tidecast_player_join_seconds_bucket", "le=0.3", 1.0),
    ];
    let begun = Instant::now();
    let series = loop {
        let series = read(&server).await;
        let of = |name: &str, labels: &str| series.get(&(name.to_owned(), labels.to_owned())).copied();
        let missing = wanted.iter().find(|(name, labels, value)| of(name, labels) != Some(*value));
        let states: f64 = ["waiting", "connecting", "live", "reconnecting", "failed"]
            .iter()
            .filter_map(|state| of("tidecast_forward_state", &format!("forward=dead,state={state},stream=live")))
            .sum();
        let more = [("tidecast_recordings_bytes", disk), ("tidecast_recordings_written_bytes_total", disk)];
        let more = more.into_iter().chain([("tidecast_recordings_room_bytes", disk)]);
        let mut more = more.chain([("tidecast_forward_reconnects_total", dead)]);
        let all = more.all(|(name, labels)| of(name, labels).is_some_and(|value| value > 0.0));
        if missing.is_none() && all && states == 1.0 {
            break series;
        }
        assert!(begun.elapsed() < PATIENCE, "{missing:?}, {all}, {states}: {series:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(watch(&server).await);
    }
    let again = read(&server).await;
    assert!(again.keys().eq(series.keys()), "the same series as before");
    assert_eq!(again[&("tidecast_join_seconds_count".to_owned(), String::new())], 4.0);
    viewer.close();
    tokio::task::block_in_place(|| publisher.stop());
    server.shutdown().await;
}

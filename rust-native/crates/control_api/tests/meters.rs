//! The meters on their way to the page: thirty readings a second over the local WebSocket, none among the events.
#![cfg(target_os = "linux")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use control_api::{Command, Engine, EngineOptions, Reply};
use futures_util::StreamExt;
use serde_json::Value;
use testkit::sound::{SoundRig, Target};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const ORIGIN: &str = "tidecast://app";
/// Of the rig's tone, and what a busy machine's sound server may change about one reading.
const TONE_DB: f64 = -12.04;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn levels_come_thirty_times_a_second_beside_the_events() {
    let rig = SoundRig::start().unwrap_or_else(|error| panic!("the sound rig does not start: {error}"));
    rig.enter();
    let _whistle = rig.play_tone(Target::Microphone, 440.0, 300.0).expect("pacat");
    let events = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&events);
    let options = EngineOptions { allowed_origins: vec![ORIGIN.into()], ..EngineOptions::default() };
    let engine =
        Engine::start(options, move |_| drop(counter.fetch_add(1, Ordering::Relaxed))).await.expect("an engine");
    let select = Command::SelectAudio { microphone: Some("default".into()), system_sound: true };
    engine.dispatch(select).await.expect("two inputs");
    let Ok(Reply::Preview(preview)) = engine.dispatch(Command::OpenPreview).await else { panic!("no preview") };
    let url = format!("{}?token={}", preview.url, preview.token);
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert("origin", ORIGIN.parse().expect("a header"));
    let (mut page, _) = connect_async(request).await.expect("a connection");

    let mut readings: Vec<(Instant, Value)> = Vec::new();
    let mut events_before = 0;
    while readings.len() < 120 {
        let message = tokio::time::timeout(Duration::from_secs(20), page.next()).await.expect("in time");
        let message = message.expect("open").expect("a message");
        let Ok(message) = serde_json::from_str::<Value>(message.to_text().expect("text")) else { continue };
        if message["type"] == "levels" {
            if readings.is_empty() {
                events_before = events.load(Ordering::Relaxed);
            }
            readings.push((Instant::now(), message));
        }
    }
    let seconds = readings[119].0.duration_since(readings[0].0).as_secs_f64();
    let rate = 119.0 / seconds;
    println!("{rate:.1} readings a second");
    // A busy machine is late at times and never early.
    assert!((15.0..31.0).contains(&rate), "{rate:.1} readings a second");
    let told = events.load(Ordering::Relaxed) - events_before;
    assert!(told as f64 <= 3.0 + 2.0 * seconds, "{told} events in {seconds:.1} s");
    let level = |name: &str, what: &str| {
        let of = |(_, message): &(Instant, Value)| {
            let inputs = message["inputs"].as_array()?.clone();
            inputs.iter().find(|input| input["input"] == name)?[what].as_f64()
        };
        let mut all: Vec<f64> = readings.iter().filter_map(of).collect();
        assert_eq!(all.len(), 120, "each reading tells of {name}");
        all.sort_by(f64::total_cmp);
        all[60]
    };
    for (name, what, wanted) in [
        ("microphone", "peak_db", TONE_DB),
        ("microphone", "rms_db", TONE_DB - 3.01),
        ("master", "peak_db", TONE_DB),
        ("system_sound", "peak_db", -120.0),
    ] {
        let found = level(name, what);
        assert!((found - wanted).abs() < 1.0, "{what} of {name} is {found:.1}, not {wanted:.1}");
    }
    engine.shutdown().await;
}

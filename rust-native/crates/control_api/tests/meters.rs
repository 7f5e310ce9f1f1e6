//! The meters as the window gets them: by the preview's WebSocket, from real devices, thirty times a second.
//!
//! Counted over seconds and judged by the best of a few rounds: a machine that builds something else besides may hold
//! a reader up, but no load makes a flood of inputs' own messages into one each tick.
#![cfg(target_os = "linux")]
// What was measured belongs to the test's output.
#![allow(clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use control_api::{AudioInputChange, AudioSource, Command, Engine, EngineOptions, Event, Reply};
use futures_util::StreamExt;
use testkit::sound::{SoundRig, Target};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const ORIGIN: &str = "app://meters";
/// Far above what anything here takes, on a machine that builds something else besides.
const DEADLINE: Duration = Duration::from_secs(20);
/// Of the tones that the rig plays.
const TONE_DB: f64 = -12.04;
/// Of one round.
const COUNTED: Duration = Duration::from_secs(4);
const ROUNDS: usize = 4;

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One sound server for all tests of this process, held by one after the other.
async fn sound() -> tokio::sync::MutexGuard<'static, SoundRig> {
    static SOUND: OnceLock<tokio::sync::Mutex<SoundRig>> = OnceLock::new();
    let sound = SOUND.get_or_init(|| {
        let rig = SoundRig::start().unwrap_or_else(|error| panic!("the sound rig does not start: {error}"));
        rig.enter();
        tokio::sync::Mutex::new(rig)
    });
    sound.lock().await
}

struct Rig {
    engine: Engine,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Rig {
    async fn start() -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&events);
        let options = EngineOptions { allowed_origins: vec![ORIGIN.into()], ..EngineOptions::default() };
        let engine = Engine::start(options, move |event| kept.lock().expect("a list").push(event));
        Self { engine: engine.await.expect("engine"), events }
    }

    async fn dispatch(&self, command: Command) -> Reply {
        self.engine.dispatch(command).await.expect("done")
    }

    /// Opens the preview as the window's page does.
    async fn preview(&self) -> Client {
        let Reply::Preview(preview) = self.dispatch(Command::OpenPreview).await else { panic!("no preview") };
        let url = format!("{}?token={}", preview.url, preview.token);
        let mut request = url.into_client_request().expect("a request");
        request.headers_mut().insert("origin", ORIGIN.parse().expect("a header"));
        connect_async(request).await.expect("a connection").0
    }

    /// Of each input, as the last state tells it.
    fn monitor_problems(&self) -> BTreeMap<String, Option<&'static str>> {
        let events = self.events.lock().expect("a list");
        let state = events.iter().rev().find_map(|event| match event {
            Event::State(state) => Some(state),
            _ => None,
        });
        let inputs = &state.expect("a state").audio;
        inputs.iter().map(|input| (input.input.clone(), input.monitor_problem)).collect()
    }

    fn events(&self) -> usize {
        self.events.lock().expect("a list").len()
    }
}

#[derive(Debug, Clone, serde::Deserialize)]
struct Level {
    input: String,
    peak_db: f64,
    rms_db: f64,
}

/// The levels that a message tells; `None` of another message.
fn levels(message: &Message) -> Option<Vec<Level>> {
    let Message::Text(text) = message else { return None };
    let mut message: serde_json::Value = serde_json::from_str(text.as_str()).expect("JSON");
    (message["type"] == "levels").then(|| serde_json::from_value(message["inputs"].take()).expect("levels"))
}

async fn next_levels(client: &mut Client, what: &str) -> Vec<Level> {
    let search = async {
        loop {
            let message = client.next().await.expect("a message").expect("a good one");
            if let Some(levels) = levels(&message) {
                return levels;
            }
        }
    };
    timeout(DEADLINE, search).await.unwrap_or_else(|_| panic!("never: {what}"))
}

/// What came in so long.
struct Counted {
    seconds: f64,
    readings: Vec<Vec<Level>>,
    others: usize,
}

async fn count(client: &mut Client, length: Duration) -> Counted {
    let started = Instant::now();
    let (mut readings, mut others) = (Vec::new(), 0);
    while let Some(left) = length.checked_sub(started.elapsed()) {
        match timeout(left, client.next()).await {
            Ok(message) => match levels(&message.expect("a message").expect("a good one")) {
                Some(levels) => readings.push(levels),
                None => others += 1,
            },
            Err(_) => break,
        }
    }
    Counted { seconds: started.elapsed().as_secs_f64(), readings, others }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_inputs_are_told_in_one_message_thirty_times_a_second() {
    let sound = sound().await;
    let rig = Rig::start().await;
    rig.dispatch(Command::SelectAudio { microphone: Some("default".into()), system_sound: true }).await;
    for (id, device) in [("second", "microphone"), ("third", "microphone")] {
        let source = AudioSource::Microphone { device: device.into() };
        rig.dispatch(Command::AddAudioInput { id: id.into(), source }).await;
    }
    let _whistle = sound.play_tone(Target::Microphone, 440.0, 120.0).expect("pacat");

    let mut client = rig.preview().await;
    // Nothing is captured and no command follows: the page's coming alone must wake the meters.
    next_levels(&mut client, "the first reading of a window that came after the inputs").await;
    let wanted = BTreeSet::from(["master", "microphone", "second", "system_sound", "third"].map(str::to_owned));
    let mut found = Vec::new();
    for _ in 0..ROUNDS {
        let events = rig.events();
        let counted = count(&mut client, COUNTED).await;
        for reading in &counted.readings {
            let inputs: BTreeSet<_> = reading.iter().map(|level| level.input.clone()).collect();
            assert_eq!((inputs, reading.len()), (wanted.clone(), wanted.len()), "each input, once, in each message");
        }
        let of = |pick: fn(&Level) -> f64| {
            let whistled = counted.readings.iter().flatten().filter(|level| level.input == "microphone");
            median(whistled.map(pick).collect())
        };
        let rate = counted.readings.len() as f64 / counted.seconds;
        let (peak, rms) = (of(|level| level.peak_db), of(|level| level.rms_db));
        println!("{rate:.1} readings a second, {} other messages, peak {peak:.1} dB, RMS {rms:.1} dB", counted.others);
        assert!(rig.events() - events <= 8, "{} events while nothing but levels changed", rig.events() - events);
        // Offer and candidates of a peer that nobody answered yet, once.
        assert!(counted.others <= 40, "{} other messages", counted.others);
        found.push((rate, peak, rms));
        if (20.0..=40.0).contains(&rate) && (peak - TONE_DB).abs() < 1.0 && (rms - TONE_DB + 3.01).abs() < 1.0 {
            let _ = client.close(None).await;
            rig.engine.shutdown().await;
            return;
        }
    }
    panic!("in no round 20 to 40 readings a second of a tone at {TONE_DB} dB: {found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_meters_fall_with_the_last_input_and_rest() {
    let _sound = sound().await;
    let rig = Rig::start().await;
    let mut client = rig.preview().await;
    rig.dispatch(Command::SelectAudio { microphone: Some("default".into()), system_sound: false }).await;
    next_levels(&mut client, "a reading of the input that was opened while the window looked").await;
    rig.dispatch(Command::SelectAudio { microphone: None, system_sound: false }).await;
    // What was on its way is read off; then one says that there is nothing, and it was the last.
    let silent = async {
        loop {
            let reading = next_levels(&mut client, "a reading without inputs").await;
            if let [Level { input, peak_db, rms_db }] = reading.as_slice() {
                assert_eq!((input.as_str(), *peak_db, *rms_db), ("master", -120.0, -120.0));
                return;
            }
        }
    };
    timeout(DEADLINE, silent).await.expect("never: silence");
    let counted = count(&mut client, Duration::from_secs(2)).await;
    assert_eq!(counted.readings.len(), 0, "nothing is measured where nothing is open");
    rig.dispatch(Command::SelectAudio { microphone: Some("default".into()), system_sound: false }).await;
    next_levels(&mut client, "a reading of the input that was opened again").await;
    rig.engine.shutdown().await;
}

/// The peak of an input in each reading of so long.
async fn peaks(client: &mut Client, input: &str, length: Duration) -> Vec<f64> {
    let readings = count(client, length).await.readings;
    readings.iter().flatten().filter(|level| level.input == input).map(|level| level.peak_db).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_captured_speaker_is_not_played_back_into_itself() {
    let sound = sound().await;
    let rig = Rig::start().await;
    let mut client = rig.preview().await;
    rig.dispatch(Command::SelectAudio { microphone: Some("default".into()), system_sound: true }).await;
    for id in ["system_sound", "microphone"] {
        let change = AudioInputChange { monitored: Some(true), ..AudioInputChange::default() };
        rig.dispatch(Command::SetAudioInput { id: id.into(), change }).await;
    }
    // The speaker by its own name: the very one that the system has chosen, too.
    for headphones in ["default", "speaker"] {
        rig.dispatch(Command::ListenAudio { device: Some(headphones.into()) }).await;
        let problems = rig.monitor_problems();
        assert_eq!(problems["system_sound"], Some("comes_back"), "{headphones}");
        assert_eq!(problems["microphone"], Some("heard_twice"), "{headphones}");

        let beep = sound.play_tone(Target::Speaker, 1000.0, 1.0).expect("pacat");
        let heard = async {
            while next_levels(&mut client, "a reading").await.iter().all(|level| level.peak_db < TONE_DB - 1.0) {}
        };
        timeout(DEADLINE, heard).await.expect("never: the beep");
        beep.stop();
        // What is played back would be captured for ever.
        let silent =
            async { while peaks(&mut client, "system_sound", COUNTED / 8).await.iter().any(|db| *db > -60.0) {} };
        timeout(DEADLINE, silent).await.unwrap_or_else(|_| panic!("the beep goes round and round by {headphones}"));
    }
    rig.dispatch(Command::ListenAudio { device: None }).await;
    assert!(rig.monitor_problems().values().all(Option::is_none), "nobody listens");
    rig.engine.shutdown().await;
}

//! The engine as its users drive it, on a real X server: one screen, one painted window.
#![cfg(target_os = "linux")]

use control_api::{
    CanvasSettings, CaptureState, Command, Destination, Engine, EngineOptions, Event, PublishState, Reach, Reply,
    State, VideoSettings,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

mod rig;

use rig::{DEADLINE, SETTINGS, screen};

struct Rig {
    engine: Engine,
    events: UnboundedReceiver<Event>,
}

impl Rig {
    async fn start() -> Self {
        screen();
        let (send, events) = unbounded_channel();
        let engine = Engine::start(EngineOptions::default(), move |event| {
            let _ = send.send(event);
        });
        Self { engine: engine.await.expect("engine"), events }
    }

    async fn capture_monitor(&self) {
        let Ok(Reply::Sources(sources)) = self.engine.dispatch(Command::ListSources).await else {
            panic!("no sources");
        };
        let monitor = sources.video.iter().find(|source| source.kind == "monitor").expect("a monitor");
        let start = Command::StartCapture { source_id: monitor.id.clone(), settings: SETTINGS, cursor: false };
        self.engine.dispatch(start).await.expect("captured");
    }

    async fn code_of(&self, command: Command) -> String {
        self.engine.dispatch(command).await.expect_err("refused").code
    }

    async fn wait_for<T>(&mut self, what: &str, mut found: impl FnMut(Event) -> Option<T>) -> T {
        let search = async {
            loop {
                let event = self.events.recv().await.expect("the engine lives");
                if let Some(found) = found(event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(DEADLINE, search).await.unwrap_or_else(|_| panic!("never: {what}"))
    }

    async fn wait_for_state(&mut self, what: &str, test: impl Fn(&State) -> bool) -> State {
        self.wait_for(what, |event| match event {
            Event::State(state) if test(&state) => Some(state),
            _ => None,
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_is_encoded_and_names_its_encoder() {
    let mut rig = Rig::start().await;
    rig.capture_monitor().await;
    let state = rig.wait_for_state("an encoder", |state| state.encoder.is_some()).await;
    assert_eq!(state.capture, CaptureState::Capturing);
    assert_eq!(state.settings, SETTINGS);
    let refused: Vec<_> = state.refused_encoders.iter().map(|refused| refused.name.as_str()).collect();
    for name in ["h264_nvenc", "h264_qsv", "h264_vaapi"] {
        assert!(refused.contains(&name), "{name} is not among {refused:?}");
    }
    let stats = rig.wait_for("an encoded picture in the figures", |event| match event {
        Event::Stats(stats) if stats.fps_encoded > 0.0 => Some(stats),
        _ => None,
    });
    assert_eq!(Some(stats.await.encoder), state.encoder);
    rig.engine.dispatch(Command::StopCapture).await.expect("stopped");
    rig.wait_for_state("idle", |state| state.capture == CaptureState::Idle).await;
    rig.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_live_to_the_local_server_and_ends_in_order() {
    let mut rig = Rig::start().await;
    rig.capture_monitor().await;
    let server = Command::StartLocalServer { reach: Reach::Loopback, port: 0, view_token: None };
    let Ok(Reply::LocalServer(server)) = rig.engine.dispatch(server).await else { panic!("no server") };
    assert!(server.view_url.contains(&server.view_token));
    rig.engine.dispatch(Command::StartPublish { destination: Destination::LocalServer }).await.expect("published");
    rig.wait_for_state("live", |state| matches!(state.publish, PublishState::Live { .. })).await;
    let stats = rig.wait_for("sent bytes", |event| match event {
        Event::Stats(stats) if stats.sent_kbps > 0.0 => Some(stats),
        _ => None,
    });
    stats.await;
    rig.engine.dispatch(Command::StopPublish).await.expect("ended");
    let state = rig.wait_for_state("not live", |state| state.publish == PublishState::Idle).await;
    assert_eq!(state.capture, CaptureState::Capturing, "the capture goes on");
    rig.engine.shutdown().await;
    rig.wait_for_state("everything ended", |state| state.capture == CaptureState::Idle && state.local_server.is_none())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_value_is_named_and_what_runs_goes_on() {
    let mut rig = Rig::start().await;
    let publish = Command::StartPublish { destination: Destination::LocalServer };
    assert_eq!(rig.code_of(publish).await, "not_now");
    rig.capture_monitor().await;
    for command in [
        Command::ChangeResolution { width: 641, height: 360 },
        Command::SetFrameRate { fps: 0 },
        Command::SetBitrate { kbps: 1 },
        Command::SetGop { seconds: -1.0 },
        Command::SetVolume { input: control_api::AudioInput::All, volume: f64::NAN },
    ] {
        assert_eq!(rig.code_of(command).await, "bad_value");
    }
    let elsewhere = Command::StartCapture { source_id: "x11:window:0x1".to_owned(), settings: SETTINGS, cursor: true };
    assert_eq!(rig.code_of(elsewhere).await, "source_not_found");
    rig.wait_for("figures of the capture that goes on", |event| match event {
        Event::Stats(stats) if stats.fps_encoded > 0.0 => Some(()),
        _ => None,
    })
    .await;
    rig.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_named() {
    let rig = Rig::start().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("address").port();
    let server = Command::StartLocalServer { reach: Reach::Loopback, port, view_token: None };
    assert_eq!(rig.code_of(server).await, "port_in_use");
    rig.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_keeps_its_link() {
    let rig = Rig::start().await;
    let start = |port, view_token| Command::StartLocalServer { reach: Reach::Loopback, port, view_token };
    let Ok(Reply::LocalServer(first)) = rig.engine.dispatch(start(0, None)).await else { panic!("no server") };
    rig.engine.dispatch(Command::StopLocalServer).await.expect("stopped");
    let again = start(first.port, Some(media::Secret::new(first.view_token.clone())));
    let Ok(Reply::LocalServer(second)) = rig.engine.dispatch(again).await else { panic!("no server") };
    assert_eq!(first.view_url, second.view_url);
    rig.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_canvas_would_cost_is_measured_before_anything_runs_and_too_much_is_refused() {
    let rig = Rig::start().await;
    let canvas = |width, height, fps| {
        let scene = serde_json::json!({ "name": "A", "canvas": { "width": width, "height": height } });
        let settings = VideoSettings { width, height, fps, ..SETTINGS };
        CanvasSettings {
            id: "a".to_owned(),
            name: "A".to_owned(),
            scene: scene.to_string(),
            settings,
            codec: media::VideoCodec::H264,
        }
    };
    let mut costs = Vec::new();
    for (width, height) in [(360, 640), (720, 1280)] {
        let ask = Command::EstimateCanvas { canvas: canvas(width, height, 30) };
        let Ok(Reply::CanvasCost(cost)) = rig.engine.dispatch(ask).await else { panic!("no cost") };
        assert!(cost.ms_per_picture > 0.0 && cost.busy_cores > 0.0 && !cost.measured_live, "{cost:?}");
        assert!((cost.cores - cost.ms_per_picture * 30.0 / 1000.0).abs() < 1e-6, "{cost:?}");
        costs.push(cost.ms_per_picture);
    }
    assert!((costs[1] / costs[0] - 4.0).abs() < 1e-6, "one measurement, four times the pixels: {costs:?}");
    let too_much = Command::SetCanvas { canvas: canvas(4320, 7680, 240), force: false };
    // Its height alone is more than an encoder takes; of what is allowed no machine has room for this.
    assert_eq!(rig.code_of(too_much).await, "bad_value");
    let too_much = Command::SetCanvas { canvas: canvas(7680, 4320, 240), force: false };
    assert_eq!(rig.code_of(too_much).await, "no_room_for_canvas");
    rig.engine.shutdown().await;
}

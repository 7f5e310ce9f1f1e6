//! Scenes as the engine's users drive them, on a real X server: the screen, and a painted window on it.
#![cfg(target_os = "linux")]

use control_api::{CaptureState, Command, Engine, EngineOptions, Event, Problem, Reply, State, Transition};
use testkit::xvfb::{Place, TestWindow};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

mod rig;

use rig::{DEADLINE, SETTINGS, screen};

struct Rig {
    engine: Engine,
    events: UnboundedReceiver<Event>,
    monitor: String,
}

impl Rig {
    async fn start() -> Self {
        screen();
        let (send, events) = unbounded_channel();
        let engine = Engine::start(EngineOptions::default(), move |event| {
            let _ = send.send(event);
        })
        .await
        .expect("engine");
        let Ok(Reply::Sources(sources)) = engine.dispatch(Command::ListSources).await else { panic!("no sources") };
        let monitor = sources.video.iter().find(|source| source.kind == "monitor").expect("a monitor").id.clone();
        Self { engine, events, monitor }
    }

    async fn show(&self, canvas: (u32, u32), sources: &[&str]) -> Result<Reply, Problem> {
        let item = |(index, source): (usize, &&str)| {
            serde_json::json!({ "id": index.to_string(), "source": source, "x": 10 * index, "y": 0,
                "width": canvas.0, "height": canvas.1, "opacity": 0.5 })
        };
        let items: Vec<_> = sources.iter().enumerate().map(item).collect();
        let scene = serde_json::json!({ "name": format!("{} items", items.len()),
            "canvas": { "width": canvas.0, "height": canvas.1 }, "items": items });
        self.send(scene.to_string()).await
    }

    async fn send(&self, scene: String) -> Result<Reply, Problem> {
        let transition = Transition::Fade { ms: 100 };
        self.engine.dispatch(Command::SetScene { scene, transition, settings: SETTINGS, cursor: false }).await
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

    async fn state(&mut self, what: &str, test: impl Fn(&State) -> bool) -> State {
        self.wait_for(what, |event| match event {
            Event::State(state) if test(&state) => Some(state),
            _ => None,
        })
        .await
    }
}

fn window(title: &str) -> (TestWindow, String) {
    let place = Place { x: 50, y: 50, width: 200, height: 150 };
    let window = TestWindow::open(screen().display(), title, place, 0x20_80_c0).expect("a window");
    let id = format!("x11:window:{:#x}", window.id());
    (window, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenes_follow_each_other_live_and_the_canvas_decides_the_aspect() {
    let mut rig = Rig::start().await;
    let (_window, id) = window("follows");
    let monitor = rig.monitor.clone();
    rig.show((1920, 1080), &[&monitor, &monitor]).await.expect("shown");
    let state = rig.state("the first scene", |state| state.scene.is_some()).await;
    assert_eq!(state.sources.len(), 1, "a source in two items is captured once: {:?}", state.sources);
    assert_eq!((state.settings.width, state.settings.height), (640, 360));
    assert_eq!(state.source_id, None);
    rig.show((1080, 1920), &[&monitor, &id, &monitor]).await.expect("shown");
    let state = rig.state("the second scene", |state| state.sources.len() == 2).await;
    assert_eq!((state.settings.width, state.settings.height), (360, 640));
    assert!(state.sources.iter().all(|source| source.capture == CaptureState::Capturing), "{:?}", state.sources);
    // And back to a plain source, as before there were scenes.
    let plain = Command::StartCapture { source_id: monitor.clone(), settings: SETTINGS, cursor: false };
    rig.engine.dispatch(plain).await.expect("captured");
    let state = rig.state("the plain source", |state| state.scene.is_none() && state.source_id.is_some()).await;
    assert_eq!((state.source_id.as_deref(), state.settings), (Some(monitor.as_str()), SETTINGS));
    rig.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_goes_is_told_and_the_scene_goes_on() {
    let mut rig = Rig::start().await;
    let (window, id) = window("goes");
    let monitor = rig.monitor.clone();
    rig.show((1280, 720), &[&monitor, &id]).await.expect("shown");
    window.destroy().expect("destroyed");
    let warning = rig.wait_for("a warning that names it", |event| match event {
        Event::SourceWarning { source_id, problem } if source_id == id => Some(problem),
        _ => None,
    });
    assert_eq!(warning.await.code, "source_closed");
    let state = rig.state("its place in the state", |state| {
        state.sources.iter().any(|source| matches!(source.capture, CaptureState::Lost { .. }))
    });
    assert_eq!(state.await.capture, CaptureState::Capturing, "the screen is still there");
    rig.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_not_there_costs_its_place_alone_and_all_of_them_the_scene() {
    let mut rig = Rig::start().await;
    let monitor = rig.monitor.clone();
    let gone = "x11:window:0x1";
    let refused = rig.show((1280, 720), &[gone]).await.expect_err("nothing to show");
    assert_eq!(refused.code, "source_not_found");
    rig.show((1280, 720), &[&monitor, gone]).await.expect("shown");
    let state = rig.state("the scene", |state| state.scene.is_some()).await;
    assert_eq!(state.sources.len(), 2);
    assert_eq!(state.capture, CaptureState::Capturing);
    // What can't be a scene changes nothing.
    for (text, code) in [
        ("{".to_owned(), "scene_unreadable"),
        (r#"{"name": "", "canvas": {"width": 64, "height": 64}}"#.to_owned(), "scene_without_name"),
        (r#"{"name": "a", "canvas": {"width": 63, "height": 64}}"#.to_owned(), "scene_canvas"),
    ] {
        assert_eq!(rig.send(text).await.expect_err("refused").code, code);
    }
    let stats = rig.wait_for("pictures of the scene that goes on", |event| match event {
        Event::Stats(stats) if stats.fps_encoded > 0.0 => Some(()),
        _ => None,
    });
    stats.await;
    rig.engine.shutdown().await;
}

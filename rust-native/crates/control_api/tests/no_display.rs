//! A process of its own: its environment names no display and no sound server.
#![cfg(target_os = "linux")]

use control_api::{Command, Engine, EngineOptions, Reply, VideoSettings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_display_and_sound_the_engine_says_so_and_serves() {
    let nowhere = std::env::temp_dir().join("tidecast-no-such-folder");
    // SAFETY: the only test of this process, and no engine runs yet.
    unsafe {
        std::env::remove_var("DISPLAY");
        std::env::remove_var("PULSE_SERVER");
        std::env::set_var("XDG_RUNTIME_DIR", nowhere);
    }
    let engine = Engine::start(EngineOptions::default(), |_| {}).await.expect("engine");
    let Ok(Reply::Sources(sources)) = engine.dispatch(Command::ListSources).await else { panic!("no list") };
    let codes: Vec<_> = sources.problems.iter().map(|problem| problem.code.as_str()).collect();
    assert!(codes.contains(&"no_display"), "{codes:?}");
    assert!(codes.contains(&"no_sound_server"), "{codes:?}");
    let settings = VideoSettings { width: 640, height: 360, fps: 30, kbps: 800, gop_seconds: 2.0 };
    let start = Command::StartCapture { source_id: "x11:monitor:screen".to_owned(), settings, cursor: false };
    assert_eq!(engine.dispatch(start).await.expect_err("refused").code, "no_display");
    let sound = Command::SelectAudio { microphone: Some("default".to_owned()), system_sound: true };
    assert_eq!(engine.dispatch(sound).await.expect_err("refused").code, "no_sound_server");
    assert!(engine.dispatch(Command::ProbeEncoders).await.is_ok(), "nothing else stops");
    engine.shutdown().await;
}

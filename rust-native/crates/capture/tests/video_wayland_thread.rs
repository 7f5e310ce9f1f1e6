//! A capture of a shared screen and its threads. Alone in its process: threads are counted.

#![cfg(target_os = "linux")]

use capture::video::{VideoCapture, VideoOptions};
use media::FrameRate;
use stream::{FrameSlot, SlotWait};
use testkit::shared_screen::{Answer, Desktop, Portal};

fn threads() -> Vec<String> {
    testkit::threads::named("capture").into_iter().map(|(name, _)| name).collect()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("descriptors").count()
}

#[test]
fn a_dropped_capture_leaves_no_thread_and_no_descriptor() {
    let desktop = Desktop::start().expect("PipeWire");
    let caps = "format=BGRx,width=320,height=180,framerate=30/1";
    let screen = desktop.screen(caps, &["pattern=smpte"]).expect("a producer");
    let _portal =
        Portal::start(&desktop.bus(), &desktop.pipewire(), screen.node, None, Answer::Share).expect("a portal");
    let run = || {
        let slot = FrameSlot::default();
        let options = VideoOptions {
            source_id: "wayland:portal".to_owned(),
            frame_rate: FrameRate::new(30).expect("rate"),
            cursor: true,
            own_window: None,
            restore_token: None,
        };
        let capture = VideoCapture::start_on(Some(&desktop.bus()), options, slot.clone(), |_| {}).expect("a capture");
        assert!(matches!(slot.take(None), SlotWait::Item(_)));
        // Threads that a library starts have their parent's name until they give themselves their own.
        for ours in ["capture-pw", "capture-video"] {
            assert!(threads().iter().any(|name| name == ours), "{:?}", threads());
        }
        drop(capture);
    };
    // PipeWire keeps a thread and some descriptors of its own from its first use on.
    run();
    assert_eq!(threads(), [] as [String; 0]);
    let before = descriptors();
    for _ in 0..5 {
        run();
    }
    assert_eq!(threads(), [] as [String; 0]);
    assert!(descriptors() <= before, "{} descriptors, {before} before", descriptors());
}

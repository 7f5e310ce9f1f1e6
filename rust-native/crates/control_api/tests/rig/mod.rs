//! The screen and the settings of the engine's tests.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::sync::OnceLock;
use std::time::Duration;

use control_api::VideoSettings;
use media::Size;
use testkit::xvfb::Xvfb;

pub(crate) const SETTINGS: VideoSettings =
    VideoSettings { width: 640, height: 360, fps: 30, kbps: 800, gop_seconds: 2.0 };
/// Far above what anything here takes, on a machine that builds something else besides.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// One screen for all tests of this process, named in its environment before any thread reads it.
pub(crate) fn screen() -> &'static Xvfb {
    static SCREEN: OnceLock<Xvfb> = OnceLock::new();
    SCREEN.get_or_init(|| {
        let screen = Xvfb::start(Size { width: 800, height: 600 }, false).expect("Xvfb");
        // SAFETY: each test calls this first, and the once-lock lets one of them through at a time; what the
        // engine's threads read later is no longer written.
        unsafe { std::env::set_var("DISPLAY", screen.display()) };
        screen
    })
}

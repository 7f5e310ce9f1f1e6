//! Something on the screen that moves all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::time_pattern::window::{Options, PatternWindow};
use testkit::time_pattern::{Content, now};

/// A game on the screen, until it is dropped.
pub(crate) struct Game {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Game {
    pub(crate) fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let options = Options {
                content: Content::Motion,
                width: 800,
                height: 600,
                x: 0,
                y: 0,
                title: "game".to_owned(),
                override_redirect: true,
            };
            let mut window = PatternWindow::open(&options).expect("a window");
            while !stopped.load(Ordering::Relaxed) {
                window.draw(now()).expect("a picture");
                std::thread::sleep(Duration::from_millis(33));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Game {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the game ends well");
        }
    }
}

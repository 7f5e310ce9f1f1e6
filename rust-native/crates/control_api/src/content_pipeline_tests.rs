//! An encoder that is tuned by what the pictures show, in the encode that looks at them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use encoder::{Content, Opened, VideoConfig};
use media::{Alpha, Clock, MonotonicClock, PixelBuffer, Size, VideoFrame};
use parking_lot::Mutex;
use scene::{Canvas, Scene, Transition};
use stream::{Broadcast, LagPolicy};

use super::Pipeline;
use crate::VideoSettings;

const SIZE: Size = Size { width: 640, height: 360 };
const PATIENCE: Duration = Duration::from_secs(60);

fn frame(grey: impl Fn(usize, usize) -> u8) -> VideoFrame {
    let (width, height) = (SIZE.width as usize, SIZE.height as usize);
    let bytes: Vec<u8> = (0..width * height).flat_map(|n| [grey(n % width, n / width); 4]).collect();
    let pixels = PixelBuffer::new(Arc::new(bytes));
    VideoFrame { captured_at: MonotonicClock.now(), size: SIZE, stride: 4 * width, pixels, alpha: Alpha::Opaque }
}

/// White with a line that wanders.
fn page(n: usize) -> VideoFrame {
    frame(|_, y| if y / 4 == n % 80 { 0 } else { 255 })
}

/// Slopes that wander.
fn play(n: usize) -> VideoFrame {
    frame(|x, y| ((3 * x + 17 * n + 2 * y) % 256) as u8)
}

#[test]
fn openh264_is_tuned_for_a_page_once_it_is_one_and_for_a_game_at_once() {
    let opened = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&opened);
    let opener = move |config: &VideoConfig, _: &[&str]| {
        log.lock().push(config.tune.content);
        Ok(Opened { encoder: encoder::open_named("openh264", config)?, refused: Vec::new() })
    };
    let settings = VideoSettings { width: SIZE.width, height: SIZE.height, fps: 30, kbps: 1500, gop_seconds: 20.0 };
    let config = settings.config().expect("valid");
    let hub = Broadcast::default();
    let mut reader = hub.subscribe(4000, LagPolicy::Fail);
    let pipeline = Pipeline::start_with("encode-video", config, hub, Box::new(opener), |_| {}).expect("a thread");
    let control = pipeline.control();
    let feed = ("screen".to_owned(), control.feed());
    let scene = Arc::new(Scene::of_one("screen", Canvas { width: SIZE.width, height: SIZE.height }));
    control.show(config, scene, vec![feed.clone()], Transition::Cut);
    let begun = Instant::now();
    let mut keyframes = 0;
    let mut show_until = |picture: fn(usize) -> VideoFrame, openings: usize| {
        for n in 0.. {
            assert!(begun.elapsed() < PATIENCE, "{:?}", opened.lock());
            feed.1.put(picture(n));
            std::thread::sleep(Duration::from_millis(33));
            while let Some(unit) = reader.try_recv() {
                keyframes += usize::from(unit.expect("the stream goes on").keyframe);
            }
            if opened.lock().len() == openings && keyframes >= openings {
                return begun.elapsed();
            }
        }
        unreachable!("the loop has no end");
    };
    show_until(page, 1);
    let page_known = show_until(page, 2);
    show_until(play, 3);
    assert!(page_known > Duration::from_secs(4), "{page_known:?} is too soon to be sure");
    assert_eq!(*opened.lock(), [Content::Motion, Content::Screen, Content::Motion]);
    drop(pipeline);
}

//! What a scene costs beyond the plain stream, in processor time of this thread. How much is drawn for it, whatever the
//! machine, is counted in `scenes.rs`.

// Helpers of tests are tests: what they can't do without is to fail them.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use compose::{Composer, Stage};
use cpu_time::ThreadTime;
use media::{Alpha, MediaTime, Picture, PixelBuffer, Size, VideoFrame};
use scene::{Canvas, Item, Scene};

const HD: Size = Size { width: 1920, height: 1080 };
const FRAMES: u32 = 120;
/// What screen, camera and overlay may cost over the plain scene, in bare conversions of the screen: a conversion is
/// a fixed amount of work, whatever the machine's speed. It was 1.65 where this was written (1.0 ms, with 0.6 ms for a
/// conversion); the issue asks for 2.0 ms.
const MOST: f64 = 3.5;
/// What a plain scene may cost over the bare conversion: bookkeeping alone.
const MOST_PLAIN: f64 = 0.5;
/// What may be spent on finding that nothing changed.
const MOST_STILL: f64 = 0.005;

fn noise(size: Size, alpha: Alpha, pixel: impl Fn(u32, u32) -> [u8; 4]) -> VideoFrame {
    let bytes: Vec<u8> =
        (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y)).collect();
    let pixels = PixelBuffer::new(Arc::new(bytes));
    VideoFrame { captured_at: MediaTime::from_nanos(1), size, stride: 4 * size.width as usize, pixels, alpha }
}

fn opaque(size: Size, seed: u32) -> VideoFrame {
    noise(size, Alpha::Opaque, |x, y| {
        let value = (x ^ y).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 24;
        [value as u8, (x + seed) as u8, y as u8, 0]
    })
}

/// A full-canvas overlay as streamers have them: a frame, a label and a soft shadow, nothing in the middle.
fn overlay() -> VideoFrame {
    noise(HD, Alpha::Premultiplied, |x, y| {
        let edge = x.min(y).min(HD.width - 1 - x).min(HD.height - 1 - y);
        let cover = match edge {
            0..24 => 255,
            24..56 => (56 - edge) * 8 - 1,
            _ if (100..600).contains(&x) && (900..1000).contains(&y) => 200,
            _ => 0,
        };
        let colour = (cover * 3 / 4) as u8;
        [colour, colour / 2, colour, cover as u8]
    })
}

/// Mean time of one, the best of three rounds: a neighbour on the machine only ever adds to it.
fn cost(mut one: impl FnMut(u32)) -> Duration {
    (0..20).for_each(&mut one);
    let round = |_| {
        let begun = ThreadTime::now();
        (0..FRAMES).for_each(&mut one);
        begun.elapsed() / FRAMES
    };
    (0..3).map(round).min().unwrap()
}

#[test]
#[ignore = "processor time, another ratio on another processor: test:long"]
fn screen_camera_and_overlay_cost_little_more_than_the_screen() {
    let screens = [opaque(HD, 1), opaque(HD, 77)];
    let cameras = [opaque(Size { width: 1280, height: 720 }, 3), opaque(Size { width: 1280, height: 720 }, 99)];
    let mut picture = Picture::black(HD);
    let mut composer = Composer::new(HD);
    let bare = cost(|index| composer.compose(&screens[index as usize % 2], &mut picture).unwrap());

    let mut plain = Stage::new(HD);
    plain.set_scene(&Scene::of_one("screen", Canvas::LANDSCAPE));
    let plain_cost = cost(|index| {
        plain.put("screen", screens[index as usize % 2].clone()).unwrap();
        assert!(plain.compose().unwrap());
    });

    let mut scene = Scene::screen_and_camera("both", "screen", "camera", Canvas::LANDSCAPE);
    scene.items.push(Item::filling("3", "overlay", Canvas::LANDSCAPE));
    let mut stage = Stage::new(HD);
    stage.set_scene(&scene);
    stage.put("overlay", overlay()).unwrap();
    stage.put("screen", screens[0].clone()).unwrap();
    stage.put("camera", cameras[0].clone()).unwrap();
    stage.compose().unwrap();
    let rasters = stage.counts().rasters;
    let full = cost(|index| {
        stage.put("screen", screens[index as usize % 2].clone()).unwrap();
        stage.put("camera", cameras[index as usize % 2].clone()).unwrap();
        assert!(stage.compose().unwrap());
    });
    let made = stage.counts().rasters - rasters;
    assert_eq!(made, u64::from(20 + 3 * FRAMES), "the camera's alone");
    let still = cost(|_| assert!(!stage.compose().unwrap()));
    println!("1080p: bare {bare:?}, plain scene {plain_cost:?}, screen + camera + overlay {full:?}, still {still:?}");
    println!("1080p: {:?} over the plain scene", full.saturating_sub(plain_cost));
    let times = |cost: Duration| cost.as_secs_f64() / bare.as_secs_f64();
    assert!(times(full) - times(plain_cost) <= MOST, "{full:?} against {plain_cost:?}, bare {bare:?}");
    assert!(times(plain_cost) <= 1.0 + MOST_PLAIN, "{plain_cost:?} against {bare:?}");
    assert!(times(still) <= MOST_STILL, "{still:?} against {bare:?}");
}

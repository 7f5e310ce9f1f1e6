//! The composer, by the pixels it makes.

// Helpers of tests are tests: what they can't do without is to fail them.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use compose::{Composer, fit};
use media::{Alpha, MediaTime, Picture, PixelBuffer, Size, VideoFrame};

const AT: MediaTime = MediaTime::from_nanos(123_456_789);

/// Red, green, blue and what they are in BT.709, limited range (ITU-R BT.709-6, 8 bits).
const COLOURS: [([u8; 3], [u8; 3]); 10] = [
    ([191, 191, 191], [180, 128, 128]),
    ([191, 191, 0], [168, 44, 136]),
    ([0, 191, 191], [145, 147, 44]),
    ([0, 191, 0], [133, 63, 52]),
    ([191, 0, 191], [63, 193, 204]),
    ([191, 0, 0], [51, 109, 212]),
    ([0, 0, 191], [28, 212, 120]),
    ([0, 0, 0], [16, 128, 128]),
    ([255, 255, 255], [235, 128, 128]),
    ([255, 0, 0], [63, 102, 240]),
];

/// A frame whose rows lie `padding` bytes apart, drawn pixel by pixel; the padding and the fourth byte are noise.
fn frame(width: u32, height: u32, padding: usize, pixel: impl Fn(u32, u32) -> [u8; 3]) -> VideoFrame {
    let stride = 4 * width as usize + padding;
    let mut bytes = vec![0xa5; stride * height as usize];
    for y in 0..height {
        for x in 0..width {
            let [red, green, blue] = pixel(x, y);
            bytes[y as usize * stride + 4 * x as usize..][..4].copy_from_slice(&[blue, green, red, 77]);
        }
    }
    VideoFrame {
        captured_at: AT,
        size: Size { width, height },
        stride,
        pixels: PixelBuffer::new(Arc::new(bytes)),
        alpha: Alpha::Opaque,
    }
}

/// A picture full of what an earlier frame left.
fn dirty(width: u32, height: u32) -> Picture {
    let mut picture = Picture::black(Size { width, height });
    for plane in &mut picture.planes {
        plane.data.fill(99);
    }
    picture
}

fn composed(frame: &VideoFrame, width: u32, height: u32) -> Picture {
    let mut out = dirty(width, height);
    Composer::new(Size { width, height }).compose(frame, &mut out).unwrap();
    assert_eq!(out.captured_at, AT);
    out
}

/// Y, U and V of a pixel.
fn at(picture: &Picture, x: u32, y: u32) -> [u8; 3] {
    let [luma, u, v] = &picture.planes;
    let chroma = (y as usize / 2) * u.stride + x as usize / 2;
    [luma.data[y as usize * luma.stride + x as usize], u.data[chroma], v.data[chroma]]
}

fn assert_near(got: [u8; 3], expected: [u8; 3], within: u8, what: &str) {
    let off = got.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max().unwrap();
    assert!(off <= within, "{what}: {got:?} for {expected:?}");
}

#[test]
fn colours_are_bt709_in_limited_range() {
    for padding in [0, 4, 52] {
        let bars = frame(640, 64, padding, |x, _| COLOURS[x as usize / 64].0);
        let picture = composed(&bars, 640, 64);
        for (bar, (_, expected)) in COLOURS.iter().enumerate() {
            for x in [64 * bar as u32, 64 * bar as u32 + 33, 64 * bar as u32 + 63] {
                for y in [0, 31, 63] {
                    assert_near(at(&picture, x, y), *expected, 2, &format!("bar {bar} at {x},{y}"));
                }
            }
        }
    }
}

#[test]
fn colours_stay_when_it_is_scaled() {
    let bars = frame(1000, 500, 12, |x, _| COLOURS[x as usize / 100].0);
    for (width, height) in [(640, 320), (320, 160), (1600, 800), (400, 200)] {
        let picture = composed(&bars, width, height);
        for (bar, (_, expected)) in COLOURS.iter().enumerate() {
            let x = (2 * bar as u32 + 1) * width / 20;
            assert_near(at(&picture, x, height / 2), *expected, 2, &format!("bar {bar} at {width}×{height}"));
            assert_near(at(&picture, x, height - 1), *expected, 2, &format!("bar {bar}, last row, {width}×{height}"));
        }
    }
}

#[test]
fn each_pixel_keeps_its_place_where_nothing_is_scaled() {
    let grey = |x: u32, y: u32| [((x * 7 + y * 13) % 219) as u8; 3];
    let picture = composed(&frame(322, 94, 0, grey), 322, 94);
    for y in 0..94 {
        for x in 0..322 {
            let expected = 16.0 + f64::from(grey(x, y)[0]) * 219.0 / 255.0;
            let got = f64::from(at(&picture, x, y)[0]);
            assert!((got - expected).abs() <= 1.1, "{got} for {expected} at {x},{y}");
        }
    }
}

/// Everything outside the frame's place is black, and the frame reaches into each corner of its place.
fn assert_placed(picture: &Picture, source: Size, what: &str) {
    let rect = fit(source, picture.size);
    let inside = |x: u32, y: u32| {
        (rect.x..rect.x + rect.size.width).contains(&x) && (rect.y..rect.y + rect.size.height).contains(&y)
    };
    for y in 0..picture.size.height {
        for x in 0..picture.size.width {
            let expected = if inside(x, y) { [235, 128, 128] } else { [16, 128, 128] };
            assert_near(at(picture, x, y), expected, 1, &format!("{what} at {x},{y}"));
        }
    }
}

#[test]
fn bars_are_black_and_the_aspect_is_kept() {
    for (width, height) in
        [(1280, 960), (2560, 1080), (1080, 1920), (640, 350), (301, 360), (640, 360), (641, 361), (33, 33), (1, 1)]
    {
        let white = frame(width, height, 8, |_, _| [255; 3]);
        assert_placed(&composed(&white, 640, 360), white.size, &format!("{width}×{height}"));
    }
}

#[test]
fn an_odd_source_fills_the_even_picture_without_scaling() {
    let grey = |x: u32, y: u32| [if (x + y).is_multiple_of(2) { 255 } else { 0 }; 3];
    for (width, height) in [(641, 360), (640, 361), (641, 361), (7, 5)] {
        let picture = composed(&frame(width, height, 0, grey), width, height);
        assert_eq!(picture.size, Size { width, height }.even());
        for y in 0..picture.size.height {
            for x in 0..picture.size.width {
                // The checks are as sharp as before: a scaled one would be grey.
                let expected = if grey(x.min(width - 1), y.min(height - 1))[0] == 255 { 235 } else { 16 };
                assert!(at(&picture, x, y)[0].abs_diff(expected) <= 1, "{width}×{height} at {x},{y}");
            }
        }
    }
}

#[test]
fn an_edge_lands_where_it_belongs_when_it_is_scaled() {
    // Left third black, the rest white; upper half grey.
    let split = |x: u32, y: u32| if x < 640 { [0; 3] } else { [if y < 540 { 128 } else { 255 }; 3] };
    let picture = composed(&frame(1920, 1080, 0, split), 1280, 720);
    let row: Vec<u8> = (0..1280).map(|x| at(&picture, x, 700)[0]).collect();
    let edge = row.iter().position(|luma| *luma > 125).unwrap();
    assert!((425..=428).contains(&edge), "{edge}");
    assert!(
        row[..422].iter().all(|luma| luma.abs_diff(16) <= 1) && row[432..].iter().all(|luma| luma.abs_diff(235) <= 1)
    );
    let column: Vec<u8> = (0..720).map(|y| at(&picture, 1000, y)[0]).collect();
    let edge = column.iter().position(|luma| *luma > 180).unwrap();
    assert!((359..=361).contains(&edge), "{edge}");
}

#[test]
fn text_stays_legible_when_it_shrinks_to_720p() {
    // Strokes of two pixels with two between, as a 1080p terminal has them.
    let strokes = |x: u32, _: u32| [if (x / 2).is_multiple_of(2) { 0 } else { 255 }; 3];
    let picture = composed(&frame(1920, 1080, 0, strokes), 1280, 720);
    let row: Vec<u8> = (200..1000).map(|x| at(&picture, x, 300)[0]).collect();
    // Each stroke is still a dark and a bright place of its own.
    let crossings = row.windows(2).filter(|pair| (pair[0] < 126) != (pair[1] < 126)).count();
    let expected = 800.0 * 1.5 / 2.0;
    assert!((crossings as f64 - expected).abs() < 4.0, "{crossings} edges where {expected} are");
    let (dark, bright) = (row.iter().min().unwrap(), row.iter().max().unwrap());
    assert!(*dark < 70 && *bright > 180, "{dark} to {bright}");
}

#[test]
fn sizes_may_change_from_frame_to_frame() {
    let mut composer = Composer::new(Size { width: 640, height: 360 });
    let mut out = dirty(16, 16);
    for (width, height) in [(1280, 720), (300, 900), (640, 360), (1281, 721), (300, 900), (641, 200)] {
        let white = frame(width, height, 0, |_, _| [255; 3]);
        composer.compose(&white, &mut out).unwrap();
        assert_placed(&out, white.size, &format!("{width}×{height}"));
    }
}

#[test]
fn a_frame_that_is_not_what_it_says_is_refused_and_the_picture_is_left_alone() {
    let mut composer = Composer::new(Size { width: 64, height: 64 });
    let mut out = dirty(64, 64);
    let whole = frame(64, 64, 0, |_, _| [255; 3]);
    let cut = VideoFrame { size: Size { width: 64, height: 65 }, ..whole.clone() };
    let narrow = VideoFrame { stride: 255, ..whole.clone() };
    let huge = VideoFrame { stride: usize::MAX / 2, ..whole.clone() };
    let empty = VideoFrame { size: Size { width: 0, height: 64 }, ..whole.clone() };
    for (bad, code) in
        [(cut, "truncated_frame"), (narrow, "truncated_frame"), (huge, "truncated_frame"), (empty, "empty_frame")]
    {
        assert_eq!(composer.compose(&bad, &mut out).unwrap_err().code(), code);
        assert!(out.planes.iter().all(|plane| plane.data.iter().all(|byte| *byte == 99)));
    }
    composer.compose(&whole, &mut out).unwrap();
}

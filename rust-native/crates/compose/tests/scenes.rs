//! Scenes by the pixels they make, compared with what `expected.py` computes without any of our code.

// Helpers of tests are tests: what they can't do without is to fail them.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use compose::{Card, Counts, Stage};
use media::{Alpha, MediaTime, Picture, PixelBuffer, Size, VideoFrame};
use scene::{Canvas, ChromaKey, Colour, Crop, Fit, Item, Rotation, Scene};

const OUTPUT: Size = Size { width: 320, height: 180 };
/// Half of the numbers below land on odd pixels of the output.
const CANVAS: Canvas = Canvas { width: 640, height: 360 };

fn frame(width: u32, height: u32, alpha: Alpha, pixel: impl Fn(u32, u32) -> [u8; 4]) -> VideoFrame {
    let bytes: Vec<u8> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .flat_map(|(x, y)| {
            let [red, green, blue, alpha] = pixel(x, y);
            [blue, green, red, alpha]
        })
        .collect();
    let pixels = PixelBuffer::new(Arc::new(bytes));
    let captured_at = MediaTime::from_nanos(1_000_000);
    VideoFrame { captured_at, size: Size { width, height }, stride: 4 * width as usize, pixels, alpha }
}

/// Slopes in all channels, with an edge in each direction.
fn screen(width: u32, height: u32) -> VideoFrame {
    frame(width, height, Alpha::Opaque, |x, y| {
        let edge = u32::from(x > width / 3) * 60 + u32::from(y > height / 2) * 40;
        let slope = |value: u32, of: u32| (value * 140 / of + edge) as u8;
        [slope(x, width), slope(y, height), slope(width - x, width), 3]
    })
}

/// A dull figure before a green cloth that gets darker to the right, with a soft border between them.
fn cloth(width: u32, height: u32) -> VideoFrame {
    frame(width, height, Alpha::Opaque, |x, y| {
        let (dx, dy) = (f64::from(x) - f64::from(width) / 2.0, f64::from(y) - f64::from(height) / 2.0);
        let figure = ((f64::from(height) / 3.0 - dx.hypot(dy)) / 24.0 + 0.5).clamp(0.0, 1.0);
        let green = 200.0 - 60.0 * f64::from(x) / f64::from(width);
        let mix = |figure_is: f64, cloth_is: f64| (figure_is * figure + cloth_is * (1.0 - figure)) as u8;
        [mix(170.0, 20.0), mix(120.0, green), mix(110.0, 30.0), 0]
    })
}

/// A red disc with a soft edge on nothing, premultiplied.
fn badge(side: u32) -> VideoFrame {
    frame(side, side, Alpha::Premultiplied, |x, y| {
        let half = f64::from(side) / 2.0;
        let distance = (f64::from(x) + 0.5 - half).hypot(f64::from(y) + 0.5 - half);
        let cover = ((half * 0.8 - distance) / (half * 0.3) + 0.5).clamp(0.0, 1.0);
        let of = |value: f64| (value * cover).round() as u8;
        [of(230.0), of(40.0), of(f64::from(x * 200 / side)), (255.0 * cover).round() as u8]
    })
}

fn sources() -> HashMap<&'static str, VideoFrame> {
    HashMap::from([
        ("screen", screen(320, 180)),
        ("large", screen(500, 281)),
        ("odd", screen(101, 75)),
        ("cloth", cloth(160, 120)),
        ("badge", badge(48)),
    ])
}

fn item(id: &str, source: &str, place: [f64; 4]) -> Item {
    let [x, y, width, height] = place;
    Item { x, y, width, height, ..Item::filling(id, source, CANVAS) }
}

fn scene(items: Vec<Item>) -> Scene {
    Scene { name: "test".to_owned(), canvas: CANVAS, items }
}

fn staged(scene: &Scene, output: Size) -> Stage {
    scene.validate().unwrap();
    let mut stage = Stage::new(output);
    stage.set_scene(scene);
    for (name, frame) in sources() {
        stage.put(name, frame).unwrap();
    }
    assert!(stage.compose().unwrap());
    stage
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The independent picture, I420 without gaps.
fn expected(name: &str, scene: &Scene, output: Size) -> Vec<u8> {
    let folder = Folder(std::env::temp_dir().join(format!("tidecast-scenes-{}-{name}", std::process::id())));
    std::fs::create_dir_all(&folder.0).unwrap();
    let mut described = serde_json::Map::new();
    for (name, frame) in sources() {
        let file = folder.0.join(name);
        std::fs::write(&file, frame.pixels.bytes()).unwrap();
        let alpha = frame.alpha == Alpha::Premultiplied;
        let Size { width, height } = frame.size;
        described.insert(
            name.to_owned(),
            serde_json::json!({ "file": file, "width": width, "height": height, "alpha": alpha }),
        );
    }
    let (job, out) = (folder.0.join("job.json"), folder.0.join("out.yuv"));
    let text = serde_json::json!({
        "scene": scene, "sources": described, "output": [output.width, output.height], "out": out,
    });
    std::fs::write(&job, text.to_string()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expected.py");
    let done = Command::new("python3").arg(script).arg(&job).output().expect("python3, which this test needs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::fs::read(&out).unwrap()
}

fn tight(picture: &Picture) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, plane) in picture.planes.iter().enumerate() {
        let shift = usize::from(index > 0);
        let (width, height) = (picture.size.width as usize >> shift, picture.size.height as usize >> shift);
        (0..height).for_each(|row| bytes.extend_from_slice(&plane.data[row * plane.stride..][..width]));
    }
    bytes
}

fn assert_same(got: &[u8], wanted: &[u8], size: Size, what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    let off = |index: usize| got[index].abs_diff(wanted[index]);
    let worst = (0..got.len()).max_by_key(|index| off(*index)).unwrap();
    let luma = (size.width * size.height) as usize;
    let (x, y) = (worst % size.width as usize, worst / size.width as usize);
    let place = if worst < luma { format!("luma {x},{y}") } else { format!("chroma sample {}", worst - luma) };
    assert!(off(worst) <= 2, "{what}: {} for {} at {place}", got[worst], wanted[worst]);
}

fn assert_as_expected(name: &str, scene: &Scene, output: Size) {
    let stage = staged(scene, output);
    assert_same(&tight(stage.picture()), &expected(name, scene, output), output, name);
}

#[test]
fn a_source_alone_fills_the_canvas() {
    for source in ["screen", "large", "odd"] {
        assert_as_expected(&format!("alone-{source}"), &Scene::of_one(source, CANVAS), OUTPUT);
    }
}

#[test]
fn items_lie_over_each_other_where_they_are_placed() {
    let items = vec![
        item("1", "screen", [0.0, 0.0, 640.0, 360.0]),
        item("2", "cloth", [401.0, 199.0, 213.0, 160.0]),
        item("3", "odd", [-60.0, -31.0, 202.0, 150.0]),
        item("4", "large", [610.0, 320.0, 90.0, 90.0]),
    ];
    assert_as_expected("placed", &scene(items), OUTPUT);
}

#[test]
fn each_fit_fills_its_box_in_its_way() {
    for (index, fit) in [Fit::Contain, Fit::Cover, Fit::Stretch].into_iter().enumerate() {
        let items = vec![
            Item { fit, ..item("1", "cloth", [10.0, 20.0, 300.0, 100.0]) },
            Item { fit, ..item("2", "odd", [340.0, 20.0, 90.0, 300.0]) },
            Item { fit, rotation: Rotation::Quarter, ..item("3", "large", [450.0, 40.0, 120.0, 280.0]) },
        ];
        assert_as_expected(&format!("fit-{index}"), &scene(items), OUTPUT);
    }
}

#[test]
fn a_crop_cuts_with_and_without_scaling() {
    let crop = Crop { left: 0.25, top: 0.1, right: 0.3, bottom: 0.2 };
    let items = vec![
        Item { crop, ..item("1", "screen", [0.0, 0.0, 640.0, 360.0]) },
        // 320×180 less 80, 18, 96 and 36: as large in the output as it is.
        Item { crop, ..item("2", "screen", [300.0, 80.0, 288.0, 252.0]) },
        Item { crop: Crop { right: 0.0, bottom: 0.0, ..crop }, ..item("3", "screen", [20.0, 20.0, 480.0, 324.0]) },
    ];
    assert_as_expected("crop", &scene(items), OUTPUT);
}

#[test]
fn each_quarter_turns_clockwise() {
    let rotations = [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters];
    let turned = |index: usize, rotation: Rotation| {
        let (x, source) = (20.0 + 150.0 * index as f64, ["odd", "badge"][index % 2]);
        [
            Item { rotation, ..item(&format!("a{index}"), "odd", [x, 10.0, 140.0, 160.0]) },
            Item { rotation, ..item(&format!("b{index}"), source, [x, 190.0, 130.0, 150.0]) },
        ]
    };
    let items = rotations.into_iter().enumerate().flat_map(|(index, rotation)| turned(index, rotation)).collect();
    assert_as_expected("turned", &scene(items), OUTPUT);
}

#[test]
fn opacity_lets_what_is_below_shine_through() {
    for opacity in [0.0, 0.2, 0.5, 0.97] {
        let items = vec![
            item("1", "screen", [0.0, 0.0, 640.0, 360.0]),
            Item { opacity, ..item("2", "cloth", [100.0, 60.0, 240.0, 180.0]) },
            Item { opacity, ..item("3", "badge", [300.0, 100.0, 200.0, 200.0]) },
        ];
        assert_as_expected(&format!("opacity-{opacity}"), &scene(items), OUTPUT);
    }
}

#[test]
fn transparent_pictures_are_laid_over_at_any_size() {
    for side in [96.0, 60.0, 340.0] {
        let items = vec![item("1", "screen", [0.0, 0.0, 640.0, 360.0]), item("2", "badge", [100.0, 10.0, side, side])];
        assert_as_expected(&format!("badge-{side}"), &scene(items), OUTPUT);
    }
}

fn keyed(similarity: f64, smoothness: f64, spill: f64) -> Option<ChromaKey> {
    Some(ChromaKey { colour: Colour { red: 20, green: 180, blue: 30 }, similarity, smoothness, spill })
}

#[test]
fn a_keyed_cloth_is_seen_through() {
    for (name, chroma_key) in [("soft", keyed(0.12, 0.4, 0.0)), ("spill", keyed(0.1, 0.4, 0.5))] {
        for (size, place) in [("same", [80.0, 30.0, 320.0, 240.0]), ("scaled", [200.0, 40.0, 213.0, 160.0])] {
            let items = vec![
                item("1", "screen", [0.0, 0.0, 640.0, 360.0]),
                Item { chroma_key, ..item("2", "cloth", place) },
                Item {
                    chroma_key,
                    opacity: 0.6,
                    rotation: Rotation::Half,
                    ..item("3", "cloth", [420.0, 180.0, 213.0, 160.0])
                },
            ];
            assert_as_expected(&format!("key-{name}-{size}"), &scene(items), OUTPUT);
        }
    }
}

#[test]
fn other_canvases_are_drawn_and_another_aspect_gets_bars() {
    let portrait = Canvas { width: 360, height: 640 };
    let scene = Scene {
        name: "tall".to_owned(),
        canvas: portrait,
        items: vec![Item::filling("1", "large", portrait), item("2", "cloth", [20.0, 400.0, 320.0, 240.0])],
    };
    for (name, output) in
        [("tall", Size { width: 180, height: 320 }), ("wide", OUTPUT), ("square", Size { width: 200, height: 200 })]
    {
        assert_as_expected(&format!("canvas-{name}"), &scene, output);
    }
}

/// Everything at once: what the tests of damage compare with a picture drawn whole.
fn busy() -> Scene {
    scene(vec![
        item("1", "screen", [0.0, 0.0, 640.0, 360.0]),
        Item { chroma_key: keyed(0.12, 0.2, 0.1), ..item("2", "cloth", [401.0, 199.0, 213.0, 160.0]) },
        Item { opacity: 0.5, ..item("3", "odd", [-60.0, -31.0, 202.0, 150.0]) },
        item("4", "badge", [500.0, 20.0, 96.0, 96.0]),
    ])
}

#[test]
fn what_is_drawn_in_parts_is_what_is_drawn_at_once() {
    let mut stage = staged(&busy(), OUTPUT);
    for name in ["cloth", "odd", "badge", "screen", "cloth"] {
        // Another picture, and back again.
        stage.put(name, screen(90, 90)).unwrap();
        assert!(stage.compose().unwrap());
        stage.put(name, sources().remove(name).unwrap()).unwrap();
        assert!(stage.compose().unwrap());
    }
    let moved = |scene: &Scene, x: f64| {
        let mut scene = scene.clone();
        scene.items[1].x = x;
        scene
    };
    for x in [10.0, 300.0, 555.0, 401.0] {
        stage.set_scene(&moved(&busy(), x));
        assert!(stage.compose().unwrap());
    }
    assert_eq!(tight(stage.picture()), tight(staged(&busy(), OUTPUT).picture()));
}

#[test]
fn nothing_is_composed_when_nothing_changes() {
    let mut stage = staged(&busy(), OUTPUT);
    let before = stage.counts();
    for _ in 0..100 {
        stage.set_scene(&busy());
        stage.put("no such source", screen(10, 10)).unwrap();
        assert!(!stage.compose().unwrap());
    }
    assert_eq!(stage.counts(), before);
}

fn grown(stage: &Stage, before: Counts) -> (u64, u64, u64) {
    let now = stage.counts();
    (now.compositions - before.compositions, now.rasters - before.rasters, now.pixels - before.pixels)
}

#[test]
fn a_camera_alone_costs_its_own_place_and_a_still_overlay_no_raster() {
    let mut stage = staged(&busy(), OUTPUT);
    let before = stage.counts();
    for _ in 0..10 {
        stage.put("cloth", cloth(160, 120)).unwrap();
        stage.compose().unwrap();
    }
    // 213 by 160 of the canvas are 106 by 80 of the output.
    assert_eq!(grown(&stage, before), (10, 10, 10 * 106 * 80));
    let before = stage.counts();
    for _ in 0..10 {
        stage.put("screen", screen(320, 180)).unwrap();
        stage.compose().unwrap();
    }
    assert_eq!(grown(&stage, before), (10, 0, 10 * OUTPUT.area()));
}

#[test]
fn what_is_covered_is_not_drawn() {
    let mut covered = busy();
    covered.items.push(item("5", "large", [0.0, 0.0, 640.0, 360.0]));
    let mut stage = staged(&covered, OUTPUT);
    let before = stage.counts();
    for _ in 0..10 {
        for name in ["screen", "cloth", "odd", "badge"] {
            stage.put(name, sources().remove(name).unwrap()).unwrap();
        }
        assert!(!stage.compose().unwrap());
    }
    assert_eq!(grown(&stage, before), (0, 0, 0));
    // And it is there again, with what came meanwhile.
    stage.put("cloth", screen(160, 120)).unwrap();
    covered.items[4].visible = false;
    stage.set_scene(&covered);
    stage.compose().unwrap();
    let mut fresh = staged(&covered, OUTPUT);
    fresh.put("cloth", screen(160, 120)).unwrap();
    fresh.compose().unwrap();
    assert_eq!(tight(stage.picture()), tight(fresh.picture()));
}

#[test]
fn a_lost_source_gets_a_card_and_comes_back() {
    let mut stage = staged(&busy(), OUTPUT);
    let whole = tight(stage.picture());
    stage.lose("cloth", Card::default());
    assert!(stage.compose().unwrap() && !stage.compose().unwrap());
    let lost = stage.picture();
    let at = |x: usize, y: usize| lost.planes[0].data[y * lost.planes[0].stride + x];
    // The ground of the card, well inside of the box, and some of its letters.
    assert!(at(210, 120).abs_diff(55) < 12, "{}", at(210, 120));
    let letters = (202..300).filter(|x| at(*x, 140) > 180).count();
    assert!(letters > 5, "{letters}");
    stage.put("cloth", cloth(160, 120)).unwrap();
    stage.compose().unwrap();
    assert_eq!(tight(stage.picture()), whole);
}

#[test]
fn a_card_is_painted_once_for_each_place_and_anew_for_another_reason() {
    let painted = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let card = |value: u8| {
        let painted = Arc::clone(&painted);
        Card::new(move |size| {
            painted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            frame(size.width, size.height, Alpha::Opaque, |_, _| [value, value, value, 255])
        })
    };
    let count = || painted.load(std::sync::atomic::Ordering::Relaxed);
    let mut stage = staged(&Scene::of_one("screen", CANVAS), OUTPUT);
    let luma = |stage: &Stage| stage.picture().planes[0].data[5000];
    stage.lose("screen", card(255));
    stage.compose().unwrap();
    assert_eq!((count(), luma(&stage)), (1, 235));
    stage.lose("screen", card(0));
    stage.compose().unwrap();
    assert_eq!((count(), luma(&stage)), (2, 16));
    stage.compose().unwrap();
    assert_eq!(count(), 2);
}

#[test]
fn a_lost_source_alone_is_never_black() {
    let mut stage = Stage::new(OUTPUT);
    stage.set_scene(&Scene::of_one("screen", CANVAS));
    stage.lose("screen", Card::default());
    assert!(stage.compose().unwrap());
    let luma = &stage.picture().planes[0];
    let dark = luma.data.iter().filter(|value| **value <= 17).count();
    assert_eq!(dark, 0);
}

#[test]
fn a_bad_frame_leaves_the_picture_alone() {
    let mut stage = staged(&busy(), OUTPUT);
    let before = tight(stage.picture());
    let bad = VideoFrame { stride: 3, ..screen(320, 180) };
    assert_eq!(stage.put("screen", bad).unwrap_err().code(), "truncated_frame");
    assert!(!stage.compose().unwrap());
    assert_eq!(tight(stage.picture()), before);
}

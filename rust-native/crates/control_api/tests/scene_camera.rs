//! A camera in a scene, by its pixels, on a real V4L2 device: Linux' `vivid` driver in a virtual machine.
//!
//! The test starts the machine and itself inside of it.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use capture::video::{VideoCapture, VideoEvent, VideoOptions, list_cameras};
use compose::{Card, Stage};
use media::{Alpha, FrameRate, MediaTime, Picture, PixelBuffer, Size, VideoFrame};
use scene::{Canvas, Item, Rotation, Scene};
use stream::{FrameSlot, SlotWait};

/// What the inside says at its end.
const DONE: &str = "the camera was seen in its scene";
const OUTPUT: Size = Size { width: 1280, height: 720 };
/// An emulated processor, on a machine that builds something else besides.
const PATIENCE: Duration = Duration::from_secs(60);
/// vivid's first picture: bars of 75 % (ITU-R BT.1729).
const BARS: [[f64; 3]; 8] = [
    [191.0, 191.0, 191.0],
    [191.0, 191.0, 0.0],
    [0.0, 191.0, 191.0],
    [0.0, 191.0, 0.0],
    [191.0, 0.0, 191.0],
    [191.0, 0.0, 0.0],
    [0.0, 0.0, 191.0],
    [0.0, 0.0, 0.0],
];

#[test]
fn a_real_camera_lies_in_its_scene_moves_there_and_leaves_a_card() {
    if std::env::var_os("CAMERA_VM").is_some() {
        inside();
        say(DONE);
        return;
    }
    let rig = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/rigs/camera-vm");
    let program = std::env::current_exe().expect("this test");
    let outcome = Command::new(rig).arg(program).arg("--nocapture").output().expect("the rig");
    let said = String::from_utf8_lossy(&outcome.stdout);
    let complaint = String::from_utf8_lossy(&outcome.stderr);
    assert!(outcome.status.success() && said.contains(DONE), "{}\n{said}\n{complaint}", outcome.status);
}

#[expect(clippy::print_stdout, reason = "what the inside says is read by the outside")]
fn say(line: &str) {
    println!("{line}");
}

fn inside() {
    let begun = Instant::now();
    let device = loop {
        match list_cameras().into_iter().next() {
            Some(camera) => break camera.id,
            None => assert!(begun.elapsed() < PATIENCE, "no camera in the list"),
        }
    };
    let camera = format!("{device}?size=640x480&fps=15&format=yuyv");
    let slot = FrameSlot::default();
    let (sender, events) = mpsc::channel();
    let options = VideoOptions {
        source_id: camera.clone(),
        frame_rate: FrameRate::new(30).expect("rate"),
        cursor: false,
        own_window: None,
        restore_token: None,
    };
    let capture = VideoCapture::start(options, slot.clone(), move |event| drop(sender.send(event))).expect("a camera");

    // The layout that one click makes; and the same camera a second time, turned.
    let mut scene = Scene::screen_and_camera("both", "screen", &camera, Canvas::LANDSCAPE);
    let place = |index: usize, scene: &Scene| {
        let item = &scene.items[index];
        [item.x, item.y, item.width, item.height].map(|side| (side * 2.0 / 3.0).round() as u32)
    };
    let second = Item::filling("3", &camera, Canvas::LANDSCAPE);
    scene.items.push(Item { x: 60.0, y: 60.0, width: 360.0, height: 270.0, rotation: Rotation::Half, ..second });
    scene.validate().expect("a scene");
    let mut stage = Stage::new(OUTPUT);
    stage.set_scene(&scene);
    stage.put("screen", grey()).expect("a frame");
    put_next(&slot, &mut stage, &camera);
    stage.compose().expect("a picture");

    let [x, y, width, height] = place(1, &scene);
    assert_eq!((width, height), (320, 240));
    for (index, bar) in (0..).zip(BARS) {
        // Its lower half: vivid writes into the upper one.
        assert_near(stage.picture(), x + index * 40 + 20, y + height * 3 / 4, bar, "upright");
    }
    // Upside down: the first bar is the last, and the lower half the upper.
    let [x, y, width, height] = place(2, &scene);
    assert_eq!((width, height), (240, 180));
    for (index, bar) in (0..).zip(BARS.into_iter().rev()) {
        assert_near(stage.picture(), x + index * 30 + 15, y + height / 4, bar, "turned");
    }
    assert_near(stage.picture(), 640, 600, [128.0; 3], "the screen beside it");

    // Each of its pictures is drawn, in both places and nowhere else.
    let before = stage.counts();
    for _ in 0..10 {
        put_next(&slot, &mut stage, &camera);
        assert!(stage.compose().expect("a picture"));
    }
    let pixels = stage.counts().pixels - before.pixels;
    assert_eq!(pixels, 10 * (320 * 240 + 240 * 180));

    // Unplugged, it leaves a card in its places.
    press_disconnect();
    let begun = Instant::now();
    let reason = loop {
        let event = events.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())).expect("the pause");
        if let VideoEvent::Paused(reason) = event {
            break reason;
        }
    };
    assert_eq!(reason.code(), "camera_unplugged");
    stage.lose(&camera, Card::new(move |size| capture::video::lost_card(size, &reason)));
    assert!(stage.compose().expect("a picture"));
    let [x, y, ..] = place(1, &scene);
    assert_near(stage.picture(), x + 10, y + 10, [f64::from(0x22), f64::from(0x26), f64::from(0x2e)], "the card");
    drop(capture);
}

/// The camera's next picture, into the stage.
fn put_next(slot: &FrameSlot<VideoFrame>, stage: &mut Stage, camera: &str) {
    match slot.take(Some(Instant::now() + PATIENCE)) {
        SlotWait::Item(frame) => stage.put(camera, frame).expect("a frame"),
        other => panic!("no picture of the camera: {other:?}"),
    }
}

fn grey() -> VideoFrame {
    let pixels = PixelBuffer::new(Arc::new(vec![128; 4 * OUTPUT.area() as usize]));
    let captured_at = MediaTime::from_nanos(1);
    VideoFrame { captured_at, size: OUTPUT, stride: 4 * OUTPUT.width as usize, pixels, alpha: Alpha::Opaque }
}

/// ITU-R BT.709-6, limited range, within what two conversions round.
fn assert_near(picture: &Picture, x: u32, y: u32, [red, green, blue]: [f64; 3], what: &str) {
    let luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    let wanted = [
        16.0 + 219.0 * luma / 255.0,
        128.0 + 224.0 * (blue - luma) / 1.8556 / 255.0,
        128.0 + 224.0 * (red - luma) / 1.5748 / 255.0,
    ];
    for (index, (plane, wanted)) in picture.planes.iter().zip(wanted).enumerate() {
        let shift = u32::from(index > 0);
        let is = plane.data[(y >> shift) as usize * plane.stride + (x >> shift) as usize];
        assert!(
            (f64::from(is) - wanted).abs() <= 10.0,
            "{what} at {x}, {y}, plane {index}: {is} in place of {wanted:.0}"
        );
    }
}

/// vivid's own button that takes the device away under its users.
fn press_disconnect() {
    let device = v4l::Device::with_path("/dev/video0").expect("the device");
    let controls = device.query_controls().expect("its controls");
    let button = controls.iter().find(|control| control.name == "Disconnect").expect("the button");
    let press = v4l::Control { id: button.id, value: v4l::control::Value::None };
    // The device is gone before it can answer well.
    let _ = device.set_control(press);
}

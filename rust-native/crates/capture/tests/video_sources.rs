//! The list of sources and their thumbnails, on a real X server.
#![cfg(target_os = "linux")]

mod video_rig;

use capture::video::{Rect, SourceKind, list_sources_on, thumbnail_on};
use jpeg_decoder::{Decoder, ImageInfo};
use media::Size;
use testkit::xvfb::{Place, TestWindow, Xvfb};
use video_rig::*;

fn titles(display: &Xvfb) -> Vec<(SourceKind, String)> {
    let sources = list_sources_on(Some(display.display())).expect("sources");
    let of_screen = |kind| matches!(kind, SourceKind::Monitor | SourceKind::Window);
    sources.into_iter().filter(|source| of_screen(source.kind)).map(|source| (source.kind, source.title)).collect()
}

#[test]
fn windows_are_listed_from_the_top_down_without_a_window_manager() {
    let display = xvfb(640, 480, false);
    let first = TestWindow::open(display.display(), "first", Place::new(10, 20, 200, 100), RED).expect("window");
    let _second = TestWindow::open(display.display(), "second", Place::new(50, 60, 200, 100), GREEN).expect("window");
    let _unnamed = TestWindow::open(display.display(), "", Place::new(50, 60, 200, 100), GREEN).expect("window");
    let of = |kind, title: &str| (kind, title.to_owned());
    let (screen, window) = (SourceKind::Monitor, SourceKind::Window);
    assert_eq!(titles(&display), [of(screen, "screen"), of(window, "second"), of(window, "first")]);
    first.raise().expect("raise");
    assert_eq!(titles(&display), [of(screen, "screen"), of(window, "first"), of(window, "second")]);

    let sources = list_sources_on(Some(display.display())).expect("sources");
    assert_eq!(sources[0].id, SCREEN);
    assert_eq!(sources[0].area, Rect { x: 0, y: 0, width: 640, height: 480 });
    assert_eq!(sources[1].id, window_id(first.id()));
    assert_eq!(sources[1].program, "TestWindow");
    assert_eq!(sources[1].area, Rect { x: 10, y: 20, width: 200, height: 100 });
}

#[test]
fn a_window_manager_s_list_is_used_and_furniture_left_out() {
    let display = xvfb(640, 480, true);
    let dock = TestWindow::open(display.display(), "dock", Place::new(0, 0, 640, 20), BLUE).expect("window");
    dock.set_atom(b"_NET_WM_WINDOW_TYPE", b"_NET_WM_WINDOW_TYPE_DOCK").expect("type");
    let below = TestWindow::open(display.display(), "below", Place::new(50, 60, 200, 100), RED).expect("window");
    let above = TestWindow::open(display.display(), "Über 窗口", Place::new(90, 60, 200, 100), GREEN).expect("window");
    listed(&display, "below");
    listed(&display, "Über 窗口");
    let windows = |display: &Xvfb| -> Vec<String> {
        titles(display).into_iter().filter(|source| source.0 == SourceKind::Window).map(|source| source.1).collect()
    };
    above.raise().expect("raise");
    until("the order", || (windows(&display) == ["Über 窗口", "below"]).then_some(()));
    below.raise().expect("raise");
    until("the other order", || (windows(&display) == ["below", "Über 窗口"]).then_some(()));
}

#[test]
fn the_primary_monitor_comes_first() {
    let display = xvfb(800, 400, false);
    display.xrandr(&["--setmonitor", "right", "400/100x400/100+400+0", "none"]).expect("right");
    display.xrandr(&["--setmonitor", "*left", "400/100x400/100+0+0", "screen"]).expect("left");
    let sources = list_sources_on(Some(display.display())).expect("sources");
    let monitors: Vec<_> = sources
        .iter()
        .filter(|source| source.kind == SourceKind::Monitor)
        .map(|source| (source.id.as_str(), source.area.x))
        .collect();
    assert_eq!(monitors, [("x11:monitor:left", 0), ("x11:monitor:right", 400)]);
}

fn decode(jpeg: &[u8]) -> (ImageInfo, impl Fn(u32, u32) -> [i32; 3] + use<>) {
    let mut decoder = Decoder::new(jpeg);
    let pixels = decoder.decode().expect("a JPEG");
    let info = decoder.info().expect("its header");
    let at = move |x: u32, y: u32| {
        let at = (y as usize * usize::from(info.width) + x as usize) * 3;
        [0, 1, 2].map(|part| i32::from(pixels[at + part]))
    };
    (info, at)
}

fn assert_near(colour: [i32; 3], expected: u32) {
    let expected = [expected >> 16, expected >> 8 & 0xff, expected & 0xff].map(|part| part as i32);
    let near = colour.iter().zip(expected).all(|(&is, wanted)| (is - wanted).abs() <= 12);
    assert!(near, "{colour:?} is not near {expected:?}");
}

#[test]
fn a_monitor_s_thumbnail_shows_it_in_its_aspect() {
    let display = xvfb(800, 450, false);
    let _left = TestWindow::open(display.display(), "left", Place::new(0, 0, 400, 450), RED).expect("window");
    let _right = TestWindow::open(display.display(), "right", Place::new(400, 0, 400, 450), BLUE).expect("window");
    let jpeg = thumbnail_on(Some(display.display()), SCREEN, Size { width: 320, height: 320 }).expect("thumbnail");
    let (info, at) = decode(&jpeg);
    assert_eq!((info.width, info.height), (320, 180));
    assert_near(at(40, 90), RED);
    assert_near(at(280, 90), BLUE);
}

#[test]
fn a_covered_window_s_thumbnail_shows_the_window() {
    let display = xvfb(640, 480, false);
    let below = TestWindow::open(display.display(), "below", Place::new(50, 50, 200, 400), RED).expect("window");
    let max = Size { width: 160, height: 100 };
    let small = |id: u32| thumbnail_on(Some(display.display()), &window_id(id), max).expect("thumbnail");
    assert_near(decode(&small(below.id())).1(25, 50), RED);
    let above = TestWindow::open(display.display(), "above", Place::new(0, 0, 640, 480), GREEN).expect("window");
    let (info, at) = decode(&small(below.id()));
    assert_eq!((info.width, info.height), (50, 100));
    assert_near(at(25, 50), RED);
    assert_near(decode(&small(above.id())).1(50, 50), GREEN);
}

#[test]
fn a_thumbnail_of_nothing_is_refused_with_its_code() {
    let display = xvfb(320, 240, false);
    let window = TestWindow::open(display.display(), "window", Place::new(0, 0, 50, 50), RED).expect("window");
    let code = |id: &str| {
        let max = Size { width: 100, height: 100 };
        thumbnail_on(Some(display.display()), id, max).expect_err(id).code()
    };
    window.unmap().expect("unmap");
    assert_eq!(code(&window_id(window.id())), "source_minimised");
    window.destroy().expect("destroy");
    assert_eq!(code(&window_id(window.id())), "source_not_found");
    assert_eq!(code("x11:monitor:none"), "source_not_found");
    assert_eq!(code(""), "source_not_found");
}

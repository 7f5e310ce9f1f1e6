//! Windows that are found by what they are, on a real X server with a window manager.
#![cfg(target_os = "linux")]

mod video_rig;

use capture::video::{SourceKind, VideoEvent, describe_on, list_sources_on};
use media::Size;
use testkit::xvfb::{Place, TestWindow, Xvfb};
use video_rig::*;

const GAME: &str = "x11:game";

fn open(display: &Xvfb, title: &str, colour: u32) -> TestWindow {
    TestWindow::open(display.display(), title, Place::new(50, 50, 200, 150), colour).expect("window")
}

fn paused(running: &Running, code: &str) {
    running.event(code, |event| matches!(event, VideoEvent::Paused(error) if error.code() == code));
}

#[test]
fn a_window_is_found_again_by_its_title_and_program() {
    let display = xvfb(640, 480, true);
    let first = open(&display, "My document", RED);
    let _other = open(&display, "Another one", BLUE);
    let lasting = listed(&display, "My document").lasting_id;
    assert_eq!(lasting, "x11:find:TestWindow?title=My document");
    let running = Running::start(&display, &lasting);
    running.frame("red", is_all(RED));
    // Closed, and opened again as another window with another number.
    first.destroy().expect("close");
    paused(&running, "window_not_open");
    let card = running.frame("a card", |frame| pixel(frame, 2, 2) == 0x22_262e);
    assert_eq!(card.size, Size { width: 200, height: 150 });
    let second = open(&display, "My document", GREEN);
    running.event("the resumption", |event| *event == VideoEvent::Resumed);
    running.frame("green", is_all(GREEN));
    assert_ne!(first.id(), second.id());
    second.fill_all(YELLOW).expect("fill");
    running.frame("a live picture", is_all(YELLOW));
}

#[test]
fn a_window_that_is_not_open_yet_is_waited_for() {
    let display = xvfb(640, 480, true);
    let _other = open(&display, "Another one", BLUE);
    let _third = open(&display, "A third one", BLUE);
    listed(&display, "A third one");
    let running = Running::start(&display, "x11:find:TestWindow?title=Late");
    paused(&running, "window_not_open");
    let late = open(&display, "Late", RED);
    running.event("the resumption", |event| *event == VideoEvent::Resumed);
    running.frame("red", is_all(RED));
    // Once captured, it stays, whatever its title says.
    late.rename("Later").expect("rename");
    late.fill_all(GREEN).expect("fill");
    running.frame("green", is_all(GREEN));
    let info = describe_on(Some(display.display()), "x11:find:TestWindow?title=Late").expect("a description");
    assert_eq!((info.kind, info.title.as_str()), (SourceKind::Window, "Late"));
}

#[test]
fn a_minimised_window_that_is_followed_says_so_and_comes_back() {
    let display = xvfb(640, 480, true);
    let window = open(&display, "window", RED);
    let running = Running::start(&display, &listed(&display, "window").lasting_id);
    running.frame("red", is_all(RED));
    window.minimise().expect("minimise");
    paused(&running, "source_minimised");
    window.map().expect("map");
    running.event("the resumption", |event| *event == VideoEvent::Resumed);
    // What a hidden window draws is lost on some servers: it draws when it is seen again, as programs do.
    window.fill_all(GREEN).expect("fill");
    running.frame("green", is_all(GREEN));
}

#[test]
fn the_game_source_follows_what_fills_the_screen() {
    let display = xvfb(640, 480, true);
    let sources = list_sources_on(Some(display.display())).expect("sources");
    assert!(sources.iter().any(|source| source.kind == SourceKind::Game && source.id == GAME));
    let game = open(&display, "game", RED);
    let _other = open(&display, "other", BLUE);
    listed(&display, "game");
    let running = Running::start(&display, GAME);
    paused(&running, "no_full_screen");
    // It starts …
    game.fill_screen(true).expect("full screen");
    running.event("the resumption", |event| *event == VideoEvent::Resumed);
    let whole = Size { width: 640, height: 480 };
    let frame = running.frame("red, as large as the screen", |frame| frame.size == whole && is_all(RED)(frame));
    assert_eq!([pixel(&frame, 0, 0), pixel(&frame, 639, 479)], [RED; 2]);
    // … leaves full screen …
    game.fill_screen(false).expect("a window");
    paused(&running, "no_full_screen");
    // … fills it again …
    game.fill_screen(true).expect("full screen");
    running.event("the second resumption", |event| *event == VideoEvent::Resumed);
    game.fill_all(GREEN).expect("fill");
    running.frame("green", |frame| frame.size == whole && is_all(GREEN)(frame));
    // … another one takes over, and the first is not shown any more …
    let next = open(&display, "next", YELLOW);
    next.fill_screen(true).expect("full screen");
    next.activate().expect("activate");
    running.frame("the next game", |frame| frame.size == whole && is_all(YELLOW)(frame));
    // … and both end.
    next.destroy().expect("close");
    running.frame("the first again", is_all(GREEN));
    game.destroy().expect("close");
    paused(&running, "no_full_screen");
}

#[test]
fn a_game_past_the_window_manager_is_found_and_what_is_smaller_is_not() {
    let display = xvfb(640, 480, true);
    let _desktop = open(&display, "desktop", BLUE);
    listed(&display, "desktop");
    let running = Running::start(&display, GAME);
    paused(&running, "no_full_screen");
    let place = |width, height| Place::new(0, 0, width, height);
    let menu = TestWindow::open_unmanaged(display.display(), "menu", place(640, 40), YELLOW).expect("window");
    let game = TestWindow::open_unmanaged(display.display(), "game", place(640, 480), RED).expect("window");
    running.event("the resumption", |event| *event == VideoEvent::Resumed);
    let whole = Size { width: 640, height: 480 };
    let frame = running.frame("the game", |frame| frame.size == whole && is_all(RED)(frame));
    assert_eq!(pixel(&frame, 5, 5), RED);
    game.unmap().expect("hide");
    paused(&running, "no_full_screen");
    game.map().expect("show");
    running.event("the second resumption", |event| *event == VideoEvent::Resumed);
    game.fill_all(GREEN).expect("fill");
    running.frame("green", is_all(GREEN));
    game.destroy().expect("close");
    paused(&running, "no_full_screen");
    drop(menu);
}

#[test]
fn a_program_that_changes_the_screen_s_size_is_followed() {
    let display = xvfb(800, 600, true);
    let timing = "--newmode 640x480 25 640 656 752 800 480 490 492 525";
    display.xrandr(&timing.split(' ').collect::<Vec<_>>()).expect("another mode");
    display.xrandr(&["--addmode", "screen", "640x480"]).expect("another mode");
    let game = open(&display, "game", RED);
    listed(&display, "game");
    game.fill_screen(true).expect("full screen");
    let running = Running::start(&display, GAME);
    running.frame("the first size", |frame| frame.size == Size { width: 800, height: 600 } && is_all(RED)(frame));
    display.xrandr(&["--output", "screen", "--mode", "640x480"]).expect("mode");
    running.frame("the second size", |frame| frame.size == Size { width: 640, height: 480 } && is_all(RED)(frame));
}

#[test]
fn a_display_that_dies_is_lost_while_nothing_is_followed() {
    let display = xvfb(320, 240, true);
    let running = Running::start(&display, GAME);
    display.crash();
    let lost = running.event("the loss", |event| matches!(event, VideoEvent::Lost(_)));
    assert!(matches!(lost, VideoEvent::Lost(error) if error.code() == "display_lost"));
}

#[test]
fn the_rate_and_the_pointer_can_be_changed_while_it_follows() {
    let display = xvfb(640, 480, true);
    let window = open(&display, "window", BLUE);
    window.set_square_cursor(8, 4, YELLOW).expect("pointer");
    let source = listed(&display, "window");
    let running = Running::start(&display, &source.lasting_id);
    display.move_pointer(source.area.x as i16 + 100, source.area.y as i16 + 75).expect("move");
    running.capture.set_cursor(true);
    running.frame("the pointer", |frame| pixel(frame, 100, 75) == YELLOW);
    running.capture.set_cursor(false);
    running.frame("no pointer", |frame| pixel(frame, 100, 75) == BLUE);
}

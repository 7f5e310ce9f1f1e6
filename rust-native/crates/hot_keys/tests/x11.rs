//! Keys of a real X server, pressed as a keyboard would.

#![cfg(target_os = "linux")]

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use hot_keys::{Binding, Chord, HotKeyError, Key, KeyEvent, Listener};
use testkit::xvfb::{Place, TestWindow, Xvfb};

const SOON: Duration = Duration::from_secs(15);

fn rig() -> Xvfb {
    Xvfb::start(media::Size { width: 320, height: 240 }, false).unwrap_or_else(|error| panic!("no X server: {error}"))
}

fn chord(code: &str) -> Chord {
    Chord { code: code.to_owned(), ..Chord::default() }
}

fn binding(id: &str, chord: Chord) -> Binding {
    Binding { id: id.to_owned(), chord, label: String::new() }
}

fn listen(rig: &Xvfb, chords: &[(&str, Chord)]) -> (Listener, Receiver<KeyEvent>) {
    let binding = |(id, chord): &(&str, Chord)| binding(id, chord.clone());
    let chords: Vec<Binding> = chords.iter().map(binding).collect();
    let (said, heard) = channel();
    let tell = move |event| drop(said.send(event));
    (Listener::start(&chords, Some(rig.display()), tell).expect("a listener"), heard)
}

fn press(rig: &Xvfb, code: &str, down: bool) {
    let key = Key::from_code(code).expect("a key");
    rig.press(key.number(), down).expect("a keyboard");
}

/// The next chord that changes.
fn next(heard: &Receiver<KeyEvent>) -> (String, bool) {
    match heard.recv_timeout(SOON).expect("a change") {
        KeyEvent::Changed(change) => (change.id, change.down),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_seen_down_and_up_wherever_the_focus_is_and_others_are_not() {
    let rig = rig();
    let (listener, heard) = listen(&rig, &[("talk", chord("KeyV")), ("side", chord("MouseBack"))]);
    press(&rig, "KeyV", true);
    assert_eq!(next(&heard), ("talk".to_owned(), true));
    press(&rig, "KeyB", true);
    press(&rig, "KeyB", false);
    press(&rig, "KeyV", false);
    assert_eq!(next(&heard), ("talk".to_owned(), false));
    press(&rig, "MouseBack", true);
    assert_eq!(next(&heard), ("side".to_owned(), true));
    press(&rig, "MouseBack", false);
    assert_eq!(next(&heard), ("side".to_owned(), false));
    drop(listener);
    press(&rig, "KeyV", true);
    assert!(heard.recv_timeout(SOON).is_err(), "nothing is said after the end");
}

#[test]
fn a_game_that_has_grabbed_the_keyboard_gets_the_key_and_so_do_we() {
    let rig = rig();
    let game = TestWindow::open(rig.display(), "game", Place::new(0, 0, 100, 100), 0).expect("a window");
    game.grab_keyboard().expect("a grab");
    let (_listener, heard) = listen(&rig, &[("talk", Chord { ctrl: true, ..chord("F8") })]);
    press(&rig, "F8", true);
    press(&rig, "F8", false);
    press(&rig, "ControlRight", true);
    press(&rig, "F8", true);
    assert_eq!(next(&heard), ("talk".to_owned(), true));
    press(&rig, "ControlRight", false);
    assert_eq!(next(&heard), ("talk".to_owned(), false));
    press(&rig, "F8", false);
    assert_eq!(game.keys_pressed().expect("its events"), 3, "F8, Ctrl, F8");
}

#[test]
fn when_the_display_dies_what_was_held_is_let_go_and_the_loss_is_told() {
    let rig = rig();
    let (_listener, heard) = listen(&rig, &[("talk", chord("Space"))]);
    press(&rig, "Space", true);
    assert_eq!(next(&heard), ("talk".to_owned(), true));
    rig.crash();
    assert_eq!(next(&heard), ("talk".to_owned(), false));
    let KeyEvent::Lost(error) = heard.recv_timeout(SOON).expect("the loss") else { panic!("not the loss") };
    assert_eq!(error.code(), "hot_keys_lost");
}

#[test]
fn a_display_that_is_not_there_is_told_and_so_is_a_key_that_is_none() {
    let start = |code: &str, display: &str| {
        Listener::start(&[binding("talk", chord(code))], Some(display), |_| ()).expect_err("no display")
    };
    assert_eq!(start("KeyV", ":4711").code(), "hot_keys_no_display");
    assert_eq!(start("Escape", ":4711"), HotKeyError::UnknownKey("Escape".to_owned()));
}

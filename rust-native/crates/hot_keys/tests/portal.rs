//! Keys of a Wayland session: asked for by its portal on a real bus, whose user is the test.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use hot_keys::{Binding, Chord, HotKeyError, KeyEvent, Listener};
use testkit::shared_screen::{Answer, Desktop, Portal};

/// Long enough for any machine; nothing waits for it to pass.
const SOON: Duration = Duration::from_secs(30);

fn desktop() -> Desktop {
    Desktop::start().unwrap_or_else(|error| panic!("no bus: {error}"))
}

fn portal(desktop: &Desktop, answer: Answer) -> Portal {
    Portal::start(&desktop.bus(), &desktop.pipewire(), 0, None, answer).expect("a portal")
}

fn bindings() -> Vec<Binding> {
    let talk = Chord { code: "KeyV".to_owned(), ctrl: true, ..Chord::default() };
    let quiet = Chord { code: "MouseBack".to_owned(), ..Chord::default() };
    let binding = |id: &str, label: &str, chord| Binding { id: id.to_owned(), label: label.to_owned(), chord };
    vec![binding("talk:microphone", "麦克风 – Push to talk", talk), binding("quiet:microphone", "", quiet)]
}

fn listen(desktop: &Desktop) -> (Listener, Receiver<KeyEvent>) {
    let (said, heard) = channel();
    let tell = move |event| drop(said.send(event));
    let listener = Listener::start_on(&bindings(), &desktop.bus(), tell).expect("a listener");
    assert_eq!(next(&heard), KeyEvent::Unseen(HotKeyError::Asking), "until there is an answer");
    (listener, heard)
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < SOON, "{what}: never");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn next(heard: &Receiver<KeyEvent>) -> KeyEvent {
    heard.recv_timeout(SOON).expect("an event")
}

fn seen(missing: &[&str]) -> KeyEvent {
    KeyEvent::Seen { missing: missing.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<String>>() }
}

fn change(heard: &Receiver<KeyEvent>) -> (String, bool) {
    match next(heard) {
        KeyEvent::Changed(change) => (change.id, change.down),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_desktop_is_asked_by_name_and_its_keys_are_told_down_and_up() {
    let desktop = desktop();
    let portal = portal(&desktop, Answer::Share);
    let (listener, heard) = listen(&desktop);
    assert_eq!(next(&heard), seen(&[]));
    let asked = portal.shortcuts().expect("a portal");
    assert_eq!(asked.app.as_deref(), Some("tidecast"));
    let wish = |id: &str, label: &str, key: Option<&str>| (id.to_owned(), label.to_owned(), key.map(str::to_owned));
    let wanted = [
        wish("talk:microphone", "麦克风 – Push to talk", Some("CTRL+v")),
        // No portal knows buttons of a mouse: the desktop's user chooses.
        wish("quiet:microphone", "quiet:microphone", None),
    ];
    assert_eq!(asked.bound, wanted);

    for (id, down) in [("talk:microphone", true), ("quiet:microphone", true), ("talk:microphone", false)] {
        portal.press(id, down).expect("a listener");
        assert_eq!(change(&heard), (id.to_owned(), down));
    }
    // What repeats, what was up, and what was never asked for is no news.
    portal.press("quiet:microphone", true).expect("a listener");
    portal.press("talk:microphone", false).expect("a listener");
    portal.press("another", true).expect("a listener");
    portal.press("quiet:microphone", false).expect("a listener");
    assert_eq!(change(&heard), ("quiet:microphone".to_owned(), false));

    drop(listener);
    assert!(heard.recv().is_err(), "nothing is said after the end");
    // The portal hears of it on its own time; the rig counts what was closed by who opened it.
    until("it is closed", || portal.asked().expect("a portal").closed == 1);
    assert!(portal.press("talk:microphone", true).is_err(), "nobody listens any more");
}

#[test]
fn what_the_desktop_gives_no_key_is_named_and_so_is_the_change() {
    let desktop = desktop();
    let portal = portal(&desktop, Answer::Share);
    portal.give(&["talk:microphone"]).expect("a portal");
    let (_listener, heard) = listen(&desktop);
    assert_eq!(next(&heard), seen(&["quiet:microphone"]));
    portal.give(&["quiet:microphone"]).expect("a portal");
    assert_eq!(next(&heard), seen(&["talk:microphone"]));
    portal.give(&["quiet:microphone", "talk:microphone"]).expect("a portal");
    assert_eq!(next(&heard), seen(&[]));
}

#[test]
fn a_refusal_a_failure_and_a_desktop_without_such_a_portal_are_told_apart() {
    let desktop = desktop();
    let code = |heard: &Receiver<KeyEvent>| match next(heard) {
        KeyEvent::Unseen(error) => error.code(),
        other => panic!("{other:?}"),
    };
    assert_eq!(code(&listen(&desktop).1), "hot_keys_not_here", "a bus without a portal");
    let portal = portal(&desktop, Answer::Refuse);
    assert_eq!(code(&listen(&desktop).1), "hot_keys_refused");
    portal.set_answer(Answer::Fail).expect("a portal");
    assert_eq!(code(&listen(&desktop).1), "hot_keys_desktop");
    portal.lack_shortcuts().expect("a portal");
    assert_eq!(code(&listen(&desktop).1), "hot_keys_not_here", "an older portal");
}

#[test]
fn a_user_may_think_about_it_and_the_app_may_give_up_meanwhile() {
    let desktop = desktop();
    let portal = portal(&desktop, Answer::Think);
    let stands = || portal.asked().expect("a portal").asking;
    let (listener, heard) = listen(&desktop);
    until("the question", stands);
    drop(listener);
    assert!(heard.recv().is_err(), "it ended without a word");
    portal.decide(true).expect("it had been asked");
    let (_listener, heard) = listen(&desktop);
    until("the question", stands);
    portal.decide(true).expect("a question");
    assert_eq!(next(&heard), seen(&[]));
}

#[test]
fn a_session_that_ends_while_the_user_thinks_is_told() {
    let desktop = desktop();
    let portal = portal(&desktop, Answer::Think);
    let (_listener, heard) = listen(&desktop);
    until("the question", || portal.asked().expect("a portal").asking);
    portal.close_keys().expect("a session");
    assert!(matches!(next(&heard), KeyEvent::Unseen(HotKeyError::Desktop(_))));
}

#[test]
fn when_the_desktop_takes_the_keys_away_what_was_held_is_let_go_and_the_loss_is_told() {
    let desktop = desktop();
    let portal = portal(&desktop, Answer::Share);
    let lost = |heard: &Receiver<KeyEvent>| {
        assert_eq!(change(heard), ("talk:microphone".to_owned(), false));
        assert!(matches!(next(heard), KeyEvent::Lost(HotKeyError::Desktop(_))));
    };
    let held = || {
        let (listener, heard) = listen(&desktop);
        assert_eq!(next(&heard), seen(&[]));
        portal.press("talk:microphone", true).expect("a listener");
        assert_eq!(change(&heard), ("talk:microphone".to_owned(), true));
        (listener, heard)
    };
    let (_listener, heard) = held();
    portal.close_keys().expect("a listener");
    lost(&heard);
    // A portal that crashes takes them away as well.
    let (_listener, heard) = held();
    drop(portal);
    lost(&heard);
}

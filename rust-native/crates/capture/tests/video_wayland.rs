//! What a desktop shares: asked for by its portal, carried by a real PipeWire, produced by GStreamer, compared by
//! pixel and by frame count; and each way in which a desktop can say no. The portal's user is the test itself. A real
//! compositor and its own portal: see the long tests.

#![cfg(target_os = "linux")]

use std::os::unix::net::UnixListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use capture::video::{SourceKind, VideoCapture, VideoError, VideoEvent, VideoOptions, list_sources_on, thumbnail_on};
use media::{FrameRate, Secret, Size, VideoFrame};
use stream::FrameSlot;
use testkit::shared_screen::{Answer, Asked, Desktop, Portal, Screen};

mod video_rig;
use video_rig::{Running, pixel, until};

const ID: &str = "wayland:portal";
const CAPS: &str = "format=BGRx,width=640,height=360,framerate=30/1";
const ORANGE: [&str; 2] = ["pattern=solid-color", "foreground-color=0xffe06820"];
const IS_ORANGE: u32 = 0xe0_6820;
/// Of a card, see `card.rs`.
const CARD_GROUND: u32 = 0x22_262e;
const AREA: (i32, i32, u32, u32) = (100, 50, 640, 360);

fn rate(fps: u32) -> FrameRate {
    FrameRate::new(fps).expect("rate")
}

fn options() -> VideoOptions {
    VideoOptions { source_id: ID.to_owned(), frame_rate: rate(60), cursor: true, own_window: None, restore_token: None }
}

fn start(bus: &str, options: VideoOptions) -> Result<Running, VideoError> {
    let slot = FrameSlot::default();
    let (sender, events) = mpsc::channel();
    let on_event = move |event| drop(sender.send(event));
    let capture = VideoCapture::start_on(Some(bus), options, slot.clone(), on_event)?;
    Ok(Running { capture, slot, events })
}

fn refusal(bus: &str) -> VideoError {
    start(bus, options()).err().expect("no capture")
}

fn desktop() -> Desktop {
    Desktop::start().expect("PipeWire")
}

fn portal(desktop: &Desktop, screen: &Screen<'_>, answer: Answer) -> Portal {
    Portal::start(&desktop.bus(), &desktop.pipewire(), screen.node, Some(AREA), answer).expect("a portal")
}

fn asked(portal: &Portal) -> Asked {
    portal.asked().expect("a portal")
}

fn is_orange(frame: &VideoFrame) -> bool {
    let Size { width, height } = frame.size;
    let corners = [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1), (width / 2, height / 2)];
    corners.iter().all(|&(x, y)| pixel(frame, x, y) == IS_ORANGE)
}

fn is_card(frame: &VideoFrame) -> bool {
    pixel(frame, 0, 0) == CARD_GROUND
}

fn token(running: &Running) -> Secret {
    let is_token = |event: &VideoEvent| matches!(event, VideoEvent::Remember(_));
    match running.event("a token", is_token) {
        VideoEvent::Remember(token) => token,
        other => panic!("{other:?}"),
    }
}

fn lost(running: &Running) -> VideoError {
    match running.event("the end", |event| matches!(event, VideoEvent::Lost(_))) {
        VideoEvent::Lost(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_shared_comes_pixel_by_pixel_with_its_place_on_the_desktop() {
    let desktop = desktop();
    let screen = desktop.screen(CAPS, &ORANGE).expect("a producer");
    let portal = portal(&desktop, &screen, Answer::Share);
    let running = start(&desktop.bus(), options()).expect("a capture");
    let frame = running.frame("an orange picture", is_orange);
    assert_eq!((frame.size, frame.stride), (Size { width: 640, height: 360 }, 640 * 4));
    let area = match running.event("the area", |event| matches!(event, VideoEvent::Area(_))) {
        VideoEvent::Area(area) => area.expect("an area"),
        other => panic!("{other:?}"),
    };
    assert_eq!((area.x, area.y, area.width, area.height), AREA);
    let first = asked(&portal);
    assert_eq!((first.types, first.persist_mode, first.questions), (Some(3), Some(2), 1));
    // The sharing's sign on the desktop must not stay on.
    drop(running);
    until("a session that was closed", || (asked(&portal).closed == 1).then_some(()));
}

#[test]
fn the_producer_s_order_of_colours_does_not_matter() {
    let desktop = desktop();
    for format in ["BGRA", "RGBx", "RGBA"] {
        let caps = format!("format={format},width=322,height=180,framerate=30/1");
        let screen = desktop.screen(&caps, &ORANGE).expect("a producer");
        let _portal = portal(&desktop, &screen, Answer::Share);
        let running = start(&desktop.bus(), options()).expect(format);
        let frame = running.frame(format, is_orange);
        assert_eq!(frame.size, Size { width: 322, height: 180 });
        assert_eq!(frame.pixels.bytes().len(), 322 * 180 * 4, "no padding");
    }
}

#[test]
fn frames_come_as_often_as_they_are_made_and_no_more_often_than_wanted() {
    let desktop = desktop();
    let screen = desktop.screen(CAPS, &["pattern=ball"]).expect("a producer");
    let _portal = portal(&desktop, &screen, Answer::Share);
    let running = start(&desktop.bus(), options()).expect("a capture");
    let per_second = |seconds: f64| {
        let (before, begun) = (running.capture.captured(), Instant::now());
        std::thread::sleep(Duration::from_secs_f64(seconds));
        (running.capture.captured() - before) as f64 / begun.elapsed().as_secs_f64()
    };
    let made = per_second(4.0);
    // A live test source leaves pictures out by itself where the machine is busy.
    assert!((20.0..31.5).contains(&made), "{made} of 30 frames a second");
    running.capture.set_frame_rate(rate(10));
    per_second(0.5);
    let wanted = per_second(4.0);
    assert!((9.0..10.7).contains(&wanted), "{wanted} of 10 frames a second");
}

#[test]
fn frames_are_stamped_with_the_time_at_which_they_were_made() {
    let desktop = desktop();
    let screen = desktop.screen(CAPS, &["pattern=ball"]).expect("a producer");
    let _portal = portal(&desktop, &screen, Answer::Share);
    let running = start(&desktop.bus(), options()).expect("a capture");
    let mut last = running.frame("a first frame", |_| true).captured_at;
    for _ in 0..60 {
        let at = running.frame("a frame", |_| true).captured_at;
        assert!(at > last, "{at:?} after {last:?}");
        last = at;
    }
}

#[test]
fn the_user_is_asked_once_and_a_token_answers_from_then_on() {
    let desktop = desktop();
    let screen = desktop.screen(CAPS, &ORANGE).expect("a producer");
    let portal = portal(&desktop, &screen, Answer::Share);
    let first = start(&desktop.bus(), options()).expect("a capture");
    let given = token(&first);
    assert_eq!(given.expose(), "restore-me-1");
    drop(first);
    // Whoever asks without the token gets no answer at all now.
    portal.set_answer(Answer::Think).expect("a portal");
    let again = VideoOptions { restore_token: Some(given), ..options() };
    let second = start(&desktop.bus(), again).expect("a capture");
    second.frame("an orange picture", is_orange);
    assert_eq!(asked(&portal).restore_token.as_deref(), Some("restore-me-1"));
    assert_eq!(asked(&portal).questions, 1);
    assert_eq!(token(&second).expose(), "restore-me-2", "each is good once");
}

#[test]
fn a_token_is_in_no_log() {
    let event = VideoEvent::Remember(Secret::new("restore-me-1"));
    let options = VideoOptions { restore_token: Some(Secret::new("restore-me-1")), ..options() };
    assert!(!format!("{event:?} {options:?}").contains("restore-me"));
}

#[test]
fn the_pointer_is_asked_for_or_not() {
    let desktop = desktop();
    let screen = desktop.screen(CAPS, &ORANGE).expect("a producer");
    let portal = portal(&desktop, &screen, Answer::Share);
    for (cursor, mode) in [(true, 2), (false, 1)] {
        let running = start(&desktop.bus(), VideoOptions { cursor, ..options() }).expect("a capture");
        running.frame("an orange picture", is_orange);
        assert_eq!(asked(&portal).cursor_mode, Some(mode));
    }
}

#[test]
fn a_refusal_and_a_failure_are_told_apart_and_at_once() {
    let desktop = desktop();
    let screen = desktop.screen(CAPS, &ORANGE).expect("a producer");
    let portal = portal(&desktop, &screen, Answer::Refuse);
    assert_eq!(refusal(&desktop.bus()), VideoError::PortalRefused);
    portal.set_answer(Answer::Fail).expect("a portal");
    assert_eq!(refusal(&desktop.bus()).code(), "sharing_failed");
    // A node that is not there.
    portal.set_answer(Answer::Share).expect("a portal");
    portal.set_node(999_999).expect("a portal");
    let error = refusal(&desktop.bus());
    assert!(["sharing_failed", "display_silent"].contains(&error.code()), "{error}");
}

#[test]
fn a_desktop_without_a_portal_says_so() {
    let desktop = desktop();
    let error = refusal(&desktop.bus());
    assert_eq!(error.code(), "portal_missing");
    assert!(error.hint().contains("xdg-desktop-portal"));
    let error = refusal("unix:path=/nonexistent/bus");
    assert_eq!(error.code(), "portal_missing");
}

#[test]
fn a_pipewire_that_hangs_up_is_explained() {
    let desktop = desktop();
    // Takes the connection and closes it.
    let path = desktop.pipewire().with_file_name("dead-pipewire");
    let listener = UnixListener::bind(&path).expect("a socket");
    let closing = std::thread::spawn(move || drop(listener.accept()));
    let _portal = Portal::start(&desktop.bus(), &path, 7, None, Answer::Share).expect("a portal");
    let error = refusal(&desktop.bus());
    assert!(["sharing_failed", "sharing_ended", "pipewire_missing"].contains(&error.code()), "{error}");
    closing.join().expect("the listener");
}

#[test]
fn while_the_user_is_asked_a_card_says_so_and_nobody_waits() {
    let desktop = desktop();
    let screen = desktop.screen(CAPS, &ORANGE).expect("a producer");
    let portal = portal(&desktop, &screen, Answer::Think);
    let begun = Instant::now();
    let running = start(&desktop.bus(), options()).expect("a capture that waits");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    running.event("the question", |event| *event == VideoEvent::Paused(VideoError::PortalAsking));
    running.frame("a card", is_card);
    portal.decide(true).expect("a question");
    running.frame("an orange picture", is_orange);
    running.event("the end of the pause", |event| *event == VideoEvent::Resumed);
}

#[test]
fn a_user_who_says_no_after_a_while_ends_the_capture() {
    let desktop = desktop();
    let screen = desktop.screen(CAPS, &ORANGE).expect("a producer");
    let portal = portal(&desktop, &screen, Answer::Think);
    let running = start(&desktop.bus(), options()).expect("a capture that waits");
    portal.decide(false).expect("a question");
    assert_eq!(lost(&running), VideoError::PortalRefused);
}

#[test]
fn a_capture_that_is_given_up_while_the_user_is_asked_ends_at_once() {
    let desktop = desktop();
    let screen = desktop.screen(CAPS, &ORANGE).expect("a producer");
    let portal = portal(&desktop, &screen, Answer::Think);
    let running = start(&desktop.bus(), options()).expect("a capture that waits");
    assert!(asked(&portal).asking);
    let begun = Instant::now();
    drop(running);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_producer_that_goes_leaves_a_card_and_the_reason() {
    let desktop = desktop();
    let screen = desktop.screen(CAPS, &ORANGE).expect("a producer");
    let _portal = portal(&desktop, &screen, Answer::Share);
    let running = start(&desktop.bus(), options()).expect("a capture");
    running.frame("an orange picture", is_orange);
    screen.end();
    let error = lost(&running);
    assert_eq!(error, VideoError::SharingEnded);
    let card = running.frame("a card", is_card);
    assert_eq!(card.size, Size { width: 640, height: 360 }, "of the last picture's size");
}

#[test]
fn a_sharing_that_the_desktop_ends_leaves_a_card_and_the_reason() {
    let desktop = desktop();
    let screen = desktop.screen(CAPS, &ORANGE).expect("a producer");
    let portal = portal(&desktop, &screen, Answer::Share);
    let running = start(&desktop.bus(), options()).expect("a capture");
    running.frame("an orange picture", is_orange);
    portal.close().expect("a session");
    assert_eq!(lost(&running), VideoError::SharingEnded);
    running.frame("a card", is_card);
}

#[test]
fn a_crash_of_pipewire_ends_the_capture_and_not_the_program() {
    let mut desktop = desktop();
    let screen = desktop.screen(CAPS, &ORANGE).expect("a producer");
    let node = screen.node;
    std::mem::forget(screen);
    let _portal = Portal::start(&desktop.bus(), &desktop.pipewire(), node, None, Answer::Share).expect("a portal");
    let running = start(&desktop.bus(), options()).expect("a capture");
    running.frame("an orange picture", is_orange);
    desktop.stop_server();
    assert_eq!(lost(&running), VideoError::SharingEnded);
    running.frame("a card", is_card);
}

#[test]
fn a_list_offers_what_the_system_asks_about_and_no_picture_of_it() {
    let listed = list_sources_on(Some("unix:path=/nonexistent/bus")).expect("a list");
    assert_eq!(
        listed.iter().map(|source| (source.id.as_str(), source.kind)).collect::<Vec<_>>(),
        [(ID, SourceKind::Portal)]
    );
    let most = Size { width: 160, height: 90 };
    assert_eq!(thumbnail_on(None, ID, most).expect_err("it would ask").code(), "thumbnail_failed");
}

/// A machine without PipeWire must be able to start the program: the library is opened when it is needed.
#[test]
fn the_program_does_not_link_pipewire() {
    let program = std::env::current_exe().expect("a path");
    let output = std::process::Command::new("readelf").arg("-d").arg(program).output().expect("readelf of binutils");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("(NEEDED)") && text.contains("libc.so"), "{text}");
    assert!(!text.contains("pipewire"), "{text}");
}

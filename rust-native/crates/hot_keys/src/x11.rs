//! Watching keys on X11: raw events of XInput 2, which every client may have beside whoever has the focus, and which
//! tell when a key is released. A passive grab (`XGrabKey`) would take the key away from the game.

use std::io::ErrorKind;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::Event;
use x11rb::protocol::xinput::{self, ConnectionExt as _, EventMask, XIEventMask};
use x11rb::protocol::xproto::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use crate::{Binding, Chords, HotKeyError, Key, KeyEvent};

/// X11's key codes begin above those that it once kept for itself.
const FIRST_KEYCODE: u32 = 8;
/// XIAllMasterDevices: each key once, not once more for the keyboard that it is on.
const ALL_MASTER_DEVICES: u16 = 1;
/// The middle button of the mouse and the two at its side, by X11's numbers and by Linux's.
const BUTTONS: [(u32, u16); 3] = [(2, 0x112), (8, 0x113), (9, 0x114)];

/// Watches until it is dropped; then nothing more is said.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Its end wakes the thread.
    wake: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Watches the keys of `display`, or of `$DISPLAY`. `on_event` runs on the listener's thread.
    ///
    /// # Errors
    /// Any [`HotKeyError`].
    pub(crate) fn start(
        bindings: &[Binding],
        display: Option<&str>,
        on_event: impl FnMut(KeyEvent) + Send + 'static,
    ) -> Result<Self, HotKeyError> {
        let chords = Chords::new(bindings)?;
        let connection = connect(display)?;
        let (wake, woken) = UnixStream::pair().map_err(no_display)?;
        let run = move || watch(&connection, &woken, chords, on_event);
        let thread = std::thread::Builder::new().name("hot-keys".into()).spawn(run).map_err(no_display)?;
        Ok(Self { wake: Some(wake), thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.wake = None;
        // What it said last may have ended its owner: then it is this very thread, on its way out.
        let join = |thread: &JoinHandle<()>| thread.thread().id() != std::thread::current().id();
        if let Some(thread) = self.thread.take().filter(join)
            && thread.join().is_err()
        {
            tracing::error!("the thread that watches the keys panicked");
        }
    }
}

fn no_display(error: impl std::fmt::Display) -> HotKeyError {
    HotKeyError::NoDisplay(error.to_string())
}

fn connect(display: Option<&str>) -> Result<RustConnection, HotKeyError> {
    let (connection, screen) = RustConnection::connect(display).map_err(no_display)?;
    // An X server inside a Wayland session sees the keys of X programs only, and only while one has the focus.
    let inside_wayland = connection.query_extension(b"XWAYLAND").map_err(no_display)?;
    if inside_wayland.reply().map_err(no_display)?.present {
        return Err(HotKeyError::NotHere("a Wayland session shows a program no keys but its own"));
    }
    if connection.extension_information(xinput::X11_EXTENSION_NAME).map_err(no_display)?.is_none() {
        return Err(HotKeyError::NotHere("this X server has no XInput"));
    }
    // From version 2.1 on raw events come while another client has grabbed the keyboard, as games do.
    let version = connection.xinput_xi_query_version(2, 2).map_err(no_display)?.reply().map_err(no_display)?;
    if (version.major_version, version.minor_version) < (2, 1) {
        return Err(HotKeyError::NotHere("this X server's XInput is older than 2.1"));
    }
    let mask = XIEventMask::RAW_KEY_PRESS
        | XIEventMask::RAW_KEY_RELEASE
        | XIEventMask::RAW_BUTTON_PRESS
        | XIEventMask::RAW_BUTTON_RELEASE;
    let root = connection.setup().roots[screen].root;
    let masks = [EventMask { deviceid: ALL_MASTER_DEVICES, mask: vec![mask] }];
    connection.xinput_xi_select_events(root, &masks).map_err(no_display)?.check().map_err(no_display)?;
    Ok(connection)
}

fn watch(
    connection: &RustConnection,
    woken: &UnixStream,
    mut chords: Chords,
    mut on_event: impl FnMut(KeyEvent) + Send + 'static,
) {
    let lost = loop {
        match connection.poll_for_event() {
            Ok(Some(event)) => {
                let Some((key, down)) = meaning(&event) else { continue };
                chords.key(key, down).into_iter().for_each(|change| on_event(KeyEvent::Changed(change)));
            }
            Ok(None) => match sleep(woken.as_raw_fd(), connection.stream().as_raw_fd()) {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => break error.to_string(),
            },
            Err(error) => break error.to_string(),
        }
    };
    chords.release_all().into_iter().for_each(|change| on_event(KeyEvent::Changed(change)));
    on_event(KeyEvent::Lost(HotKeyError::Lost(lost)));
}

fn meaning(event: &Event) -> Option<(Key, bool)> {
    let key = |code: u32| u16::try_from(code.checked_sub(FIRST_KEYCODE)?).ok().map(Key::from_number);
    let button = |number: u32| BUTTONS.iter().find(|(x, _)| *x == number).map(|(_, key)| Key::from_number(*key));
    match event {
        Event::XinputRawKeyPress(event) => Some((key(event.detail)?, true)),
        Event::XinputRawKeyRelease(event) => Some((key(event.detail)?, false)),
        Event::XinputRawButtonPress(event) => Some((button(event.detail)?, true)),
        Event::XinputRawButtonRelease(event) => Some((button(event.detail)?, false)),
        _ => None,
    }
}

/// Sleeps until one of them can be read; true: the first, which is the end.
fn sleep(woken: RawFd, socket: RawFd) -> std::io::Result<bool> {
    let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut entries = [entry(woken), entry(socket)];
    // SAFETY: two valid entries, whose descriptors their owners keep open meanwhile.
    if unsafe { libc::poll(entries.as_mut_ptr(), 2, -1) } < 0 {
        let error = std::io::Error::last_os_error();
        return if error.kind() == ErrorKind::Interrupted { Ok(false) } else { Err(error) };
    }
    Ok(entries[0].revents != 0)
}

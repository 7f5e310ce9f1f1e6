//! Watching keys on Windows: the keys that were set are asked for a hundred times a second. A low-level hook would be
//! told of every key, would hold up each of them for the whole system when this process is busy, and is what virus
//! scanners look for.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use windows::Win32::UI::Input::KeyboardAndMouse::{GetAsyncKeyState, MAPVK_VSC_TO_VK_EX, MapVirtualKeyW};

use crate::key::WindowsNumber;
use crate::{Binding, Chords, HotKeyError, Key, KeyEvent};

/// Half of what a hand can do: a tap lasts 30 ms and longer.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Watches until it is dropped; then nothing more is said.
#[derive(Debug)]
pub struct Listener {
    /// Its end ends the thread's sleep.
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Watches the keyboard and the mouse. `on_event` runs on the listener's thread.
    ///
    /// # Errors
    /// Any [`HotKeyError`].
    pub fn start(
        bindings: &[Binding],
        _display: Option<&str>,
        mut on_event: impl FnMut(KeyEvent) + Send + 'static,
    ) -> Result<Self, HotKeyError> {
        let mut chords = Chords::new(bindings)?;
        let mut watched: Vec<Watched> = chords.keys().into_iter().filter_map(Watched::new).collect();
        let (stop, stopped) = sync_channel(1);
        let watch = move || {
            while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                // Modifiers come first in the list: a chord that goes down within one look is seen in its order.
                for each in &mut watched {
                    let down = is_down(each.virtual_key);
                    if down != each.down {
                        each.down = down;
                        let changes = chords.key(each.key, down);
                        changes.into_iter().for_each(|change| on_event(KeyEvent::Changed(change)));
                    }
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("hot-keys".into())
            .spawn(watch)
            .map_err(|error| HotKeyError::NoDisplay(error.to_string()))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop = None;
        // What it said last may have ended its owner: then it is this very thread, on its way out.
        let join = |thread: &JoinHandle<()>| thread.thread().id() != std::thread::current().id();
        if let Some(thread) = self.thread.take().filter(join)
            && thread.join().is_err()
        {
            tracing::error!("the thread that watches the keys panicked");
        }
    }
}

struct Watched {
    key: Key,
    virtual_key: i32,
    down: bool,
}

impl Watched {
    /// A key that this keyboard has not is not watched.
    fn new(key: Key) -> Option<Self> {
        let virtual_key = virtual_key(key)?;
        Some(Self { key, virtual_key, down: false })
    }
}

fn is_down(virtual_key: i32) -> bool {
    // SAFETY: a plain call with a number. The highest bit says "down now", so that the sign does.
    unsafe { GetAsyncKeyState(virtual_key) < 0 }
}

/// Windows asks by what a key means in the user's layout: found by its place.
fn virtual_key(key: Key) -> Option<i32> {
    match key.windows_number() {
        WindowsNumber::Virtual(number) => Some(i32::from(number)),
        WindowsNumber::Scan(code) => {
            // SAFETY: a plain call with two numbers.
            let found = unsafe { MapVirtualKeyW(u32::from(code), MAPVK_VSC_TO_VK_EX) };
            i32::try_from(found).ok().filter(|found| *found != 0)
        }
    }
}

//! Which of Linux's two ways to a key: an X server's, or a Wayland session's, where the desktop hands them out.

use crate::{Binding, HotKeyError, KeyEvent, portal, x11};

/// Watches until it is dropped; then nothing more is said.
#[derive(Debug)]
pub struct Listener {
    _way: Way,
}

#[derive(Debug)]
enum Way {
    /// Held for what its drop ends.
    X11(#[expect(dead_code, reason = "its drop ends it")] x11::Listener),
    Portal(#[expect(dead_code, reason = "its drop ends it")] portal::Listener),
}

impl Listener {
    /// Watches the keys of that X display; without one, those of the user's session. `on_event` runs on the listener's
    /// thread.
    ///
    /// # Errors
    /// Any [`HotKeyError`].
    pub fn start(
        bindings: &[Binding],
        display: Option<&str>,
        on_event: impl FnMut(KeyEvent) + Send + 'static,
    ) -> Result<Self, HotKeyError> {
        // An X server inside of a Wayland session sees the keys of X programs only, while one of them has the focus.
        let way = if display.is_none() && session_bus::is_wayland(|name| std::env::var(name).ok()) {
            Way::Portal(portal::Listener::start(None, bindings, on_event)?)
        } else {
            Way::X11(x11::Listener::start(bindings, display, on_event)?)
        };
        Ok(Self { _way: way })
    }

    /// Asks the desktop's portal on the bus of that address.
    ///
    /// # Errors
    /// Any [`HotKeyError`].
    pub fn start_on(
        bindings: &[Binding],
        bus: &str,
        on_event: impl FnMut(KeyEvent) + Send + 'static,
    ) -> Result<Self, HotKeyError> {
        Ok(Self { _way: Way::Portal(portal::Listener::start(Some(bus), bindings, on_event)?) })
    }
}

//! Systems on which nothing watches the keyboard yet.

use crate::{Binding, Chords, HotKeyError, KeyEvent};

/// See the module: it can't be had.
#[derive(Debug)]
pub struct Listener(std::convert::Infallible);

impl Listener {
    /// Refuses.
    ///
    /// # Errors
    /// Always [`HotKeyError::NotHere`], or what is wrong with a chord.
    pub fn start(
        bindings: &[Binding],
        _display: Option<&str>,
        _on_event: impl FnMut(KeyEvent) + Send + 'static,
    ) -> Result<Self, HotKeyError> {
        Chords::new(bindings)?;
        Err(HotKeyError::NotHere("it is written for X11 and Windows only"))
    }
}

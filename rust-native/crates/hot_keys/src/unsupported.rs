//! Systems on which nothing watches the keyboard yet.

use crate::{Chord, Chords, HotKeyError, KeyEvent};

/// See the module: it can't be had.
#[derive(Debug)]
pub struct Listener(std::convert::Infallible);

impl Listener {
    /// Refuses.
    ///
    /// # Errors
    /// Always [`HotKeyError::NotHere`], or what is wrong with a chord.
    pub fn start(
        chords: &[(String, Chord)],
        _display: Option<&str>,
        _on_event: impl FnMut(KeyEvent) + Send + 'static,
    ) -> Result<Self, HotKeyError> {
        Chords::new(chords)?;
        Err(HotKeyError::NotHere("it is written for X11 and Windows only"))
    }
}

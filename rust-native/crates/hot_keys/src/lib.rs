//! Keys that act wherever the user is: pressed *and* released, which no browser's global shortcut tells.
//!
//! [`Chords`] is the policy, pure: which of the keys that were set is down now. [`Listener`] feeds it with every key
//! of the desktop, where the system lets a program see them. A key is watched and never taken: the game that has the
//! focus gets it too. Nothing here keeps, logs or hands on a key that was not set by the user. A Wayland session shows
//! a program no keys; there the desktop is asked for those that were set, and tells of them.

mod chords;
mod error;
mod key;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod imp;
#[cfg(target_os = "windows")]
#[path = "windows.rs"]
mod imp;
#[cfg(not(any(target_os = "linux", target_os = "windows")))]
#[path = "unsupported.rs"]
mod imp;
#[cfg(target_os = "linux")]
mod portal;
#[cfg(target_os = "linux")]
mod trigger;
#[cfg(target_os = "linux")]
mod x11;

use std::collections::BTreeSet;

pub use chords::{Binding, Change, Chord, Chords};
pub use error::HotKeyError;
pub use imp::Listener;
pub use key::Key;

/// What a [`Listener`] says, on its own thread.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyEvent {
    /// One of the chords went down or up.
    Changed(Change),
    /// Only where the desktop is asked: it shows none of them, or not yet.
    Unseen(HotKeyError),
    /// Only where the desktop is asked: from now on it tells of them.
    Seen {
        /// The ids of those to which it has given no key.
        missing: BTreeSet<String>,
    },
    /// The keys can't be seen any more; what was down has been said to be up.
    Lost(HotKeyError),
}

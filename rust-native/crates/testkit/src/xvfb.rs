//! A private X server and window manager.

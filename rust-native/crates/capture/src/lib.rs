//! Devices in, frames and sound blocks out: the only crate that talks to screens, microphones and speakers.
//!
//! It opens what it is told to open, stamps what it reads and hands it on. It does not scale, convert, encode,
//! or decide what is captured.

pub mod audio;
mod camera_sound;
pub mod video;

pub use camera_sound::microphones_of;

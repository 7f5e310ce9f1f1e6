//! Sound devices in, one mix out: microphones, what the speakers play and what single programs
//! play, as 10 ms blocks of 48 kHz stereo.
//!
//! Each device stream lives on a thread of its own that opens, owns and drops it; its callback only converts into
//! a lock-free ring. The mixer's thread reads the rings along one timeline of the monotonic clock, corrects each
//! device's drift, sends each input through its strip (the `sound` crate's filters, delay and gain) and limits the
//! sum. It does not encode, and it does not decide what is opened.
//!
//! On Linux devices are reached through the PulseAudio protocol, which PipeWire speaks too; ALSA is never opened
//! (its library writes to stderr and would take the device away from the sound server). On Windows and macOS they
//! are the system's own (WASAPI, Core Audio); on any other system every call answers
//! [`AudioError::NotSupportedHere`].

mod capture_clock;
#[cfg(target_os = "linux")]
mod cards;
#[cfg(target_os = "linux")]
mod connection;
mod device;
mod error;
mod intake;
mod mixer;
mod monitor;
#[cfg(target_os = "linux")]
mod program;
mod resampling;
mod session;
mod source;
mod timeline;
mod track;

pub use device::{
    Microphone, default_speaker, list_applications, list_microphones, list_speakers, microphone_cards,
    system_sound_available,
};
pub use error::AudioError;
pub use intake::Feed;
pub use mixer::{AudioEvent, Input, InputCounters, InputLevel, Mixer, Tap, TapEnd};
pub use source::Source;

/// The id that stands for whatever microphone the system prefers at the time, and follows it.
pub const DEFAULT_DEVICE: &str = "default";

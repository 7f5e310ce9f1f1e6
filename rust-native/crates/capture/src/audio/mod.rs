//! Sound devices in, one mix out: a microphone and what the speakers play, as 10 ms blocks of 48 kHz stereo.
//!
//! Each device stream lives on a thread of its own that opens, owns and drops it; its callback only converts into
//! a lock-free ring. The mixer's thread reads the rings along one timeline of the monotonic clock, corrects each
//! device's drift, applies gains and limits the sum. It does not encode, and it does not decide what is opened.
//!
//! On Linux devices are reached through the PulseAudio protocol, which PipeWire speaks too; ALSA is never opened
//! (its library writes to stderr and would take the device away from the sound server). On Windows and macOS they
//! are the system's own (WASAPI, Core Audio); on any other system every call answers
//! [`AudioError::NotSupportedHere`].

mod capture_clock;
#[cfg(target_os = "linux")]
mod connection;
mod device;
mod error;
mod intake;
mod level;
mod limiter;
mod mixer;
mod resampling;
mod session;
mod timeline;
mod track;

pub use device::{Microphone, list_microphones, system_sound_available};
pub use error::AudioError;
pub use mixer::{AudioEvent, Input, InputCounters, InputLevel, Mixer};

/// The id that stands for whatever microphone the system prefers at the time, and follows it.
pub const DEFAULT_DEVICE: &str = "default";

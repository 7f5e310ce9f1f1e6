//! Finding a sound device and opening its stream, behind one choice of operating system.
//!
//! Every call into a sound server can hang with it: what a user waits for runs on a thread that is given up after
//! a while, and an open device is only ever touched by the session thread that owns it.

#[cfg(any(target_os = "windows", target_os = "macos"))]
mod loopback;
#[cfg(any(target_os = "windows", target_os = "macos"))]
mod native;
#[cfg(any(target_os = "windows", target_os = "macos", test))]
mod policy;
#[cfg(any(target_os = "windows", target_os = "macos"))]
mod program_sound;
#[cfg(any(target_os = "windows", test))]
mod programs;
#[cfg(target_os = "linux")]
mod pulse;
#[cfg(not(any(target_os = "linux", target_os = "windows", target_os = "macos")))]
mod unsupported;

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use super::AudioError;

#[cfg(any(target_os = "windows", target_os = "macos"))]
use native as imp;
#[cfg(target_os = "linux")]
use pulse as imp;
#[cfg(not(any(target_os = "linux", target_os = "windows", target_os = "macos")))]
use unsupported as imp;

pub(super) use imp::open;

/// Whether an open device is still the one to be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Following {
    Same,
    /// The system prefers another one now, or the program plays another stream.
    Moved,
    /// The device was unplugged, or the program plays nothing any more.
    #[cfg_attr(target_os = "macos", allow(dead_code, reason = "a stream ends with its device there"))]
    Gone,
}

/// A microphone, a speaker or a program, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Microphone {
    /// Opens it; [`super::DEFAULT_DEVICE`] follows the system's choice.
    pub id: String,
    /// As the system shows it; for the default entry, the name of the device it stands for now.
    pub name: String,
}

/// A healthy server lists its devices in milliseconds; a window that lists sources should not wait longer.
const LIST_TIMEOUT: Duration = Duration::from_secs(2);

/// Every microphone, the default one first (with the id [`super::DEFAULT_DEVICE`]). What sinks play (their monitors) is
/// left out: that is system sound. Takes up to 2 s.
///
/// # Errors
/// `no_sound_server`, `not_supported_here`.
pub fn list_microphones() -> Result<Vec<Microphone>, AudioError> {
    within(LIST_TIMEOUT, imp::list)
}

/// Everything that sound is played to, the default one first (with the id [`super::DEFAULT_DEVICE`]). Takes up to 2 s.
///
/// # Errors
/// `no_sound_server`, `not_supported_here`.
pub fn list_speakers() -> Result<Vec<Microphone>, AudioError> {
    within(LIST_TIMEOUT, imp::list_speakers)
}

/// What [`super::DEFAULT_DEVICE`] stands for among the speakers now, where there is one. Takes up to 2 s.
pub fn default_speaker() -> Option<String> {
    within(LIST_TIMEOUT, imp::default_speaker).ok()
}

/// Every program that has a stream to a speaker now, by name. Takes up to 2 s.
///
/// # Errors
/// `no_sound_server`, `not_supported_here`.
pub fn list_applications() -> Result<Vec<Microphone>, AudioError> {
    within(LIST_TIMEOUT, imp::list_applications)
}

/// The number of the ALSA card that each microphone is on, by its id; of none where the system has no such numbers.
/// Takes up to 2 s.
pub fn microphone_cards() -> HashMap<String, u32> {
    within(LIST_TIMEOUT, imp::cards).unwrap_or_default()
}

/// Whether the sound of the speakers can be captured now. Takes up to 2 s.
pub fn system_sound_available() -> bool {
    within(LIST_TIMEOUT, imp::system_sound).is_ok()
}

/// Runs a call into the sound server with a time-out; the thread of a call that hangs is left behind.
fn within<T: Send + 'static>(
    limit: Duration,
    call: impl FnOnce() -> Result<T, AudioError> + Send + 'static,
) -> Result<T, AudioError> {
    let (answer, answered) = crossbeam_channel::bounded(1);
    let started = std::thread::Builder::new().name("audio-list".into()).spawn(move || {
        // Nobody waits any more once the time-out has passed.
        let _ = answer.send(call());
    });
    match started {
        Ok(_) => answered
            .recv_timeout(limit)
            .unwrap_or_else(|_| Err(AudioError::NoSoundServer { reason: "it does not answer in time".into() })),
        Err(error) => Err(AudioError::DeviceRefused { reason: error.to_string() }),
    }
}

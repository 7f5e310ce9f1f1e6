//! Systems that nobody has written a sound backend for: every request says so.

use std::collections::HashMap;
use std::thread::Thread;

use crossbeam_channel::Sender;

use super::{Following, Microphone};
use crate::audio::intake::Reader;
use crate::audio::{AudioError, Source};

/// Can't be made here.
pub(in crate::audio) enum OpenDevice {}

impl OpenDevice {
    pub(in crate::audio) fn following(&self) -> Following {
        match *self {}
    }
}

pub(super) fn list() -> Result<Vec<Microphone>, AudioError> {
    Err(AudioError::NotSupportedHere)
}

pub(super) fn list_speakers() -> Result<Vec<Microphone>, AudioError> {
    Err(AudioError::NotSupportedHere)
}

pub(super) fn default_speaker() -> Result<String, AudioError> {
    Err(AudioError::NotSupportedHere)
}

/// There are no such numbers here: a camera's microphone is told by its name.
pub(super) fn cards() -> Result<HashMap<String, u32>, AudioError> {
    Ok(HashMap::new())
}

pub(super) fn list_applications() -> Result<Vec<Microphone>, AudioError> {
    Err(AudioError::NotSupportedHere)
}

pub(super) fn system_sound() -> Result<(), AudioError> {
    Err(AudioError::NotSupportedHere)
}

pub(in crate::audio) fn open(
    _source: &Source,
    _wake: Thread,
    _faults: Sender<AudioError>,
) -> Result<(OpenDevice, Reader), AudioError> {
    Err(AudioError::NotSupportedHere)
}

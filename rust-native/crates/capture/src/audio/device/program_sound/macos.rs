//! macOS: the sound of single programs is left to the system's own sound, which its process taps give.

use std::thread::Thread;

use crossbeam_channel::Sender;

use crate::audio::AudioError;
use crate::audio::device::{Following, Microphone};
use crate::audio::intake::Reader;

/// Can't be made here.
pub(in crate::audio) enum Recording {}

impl Recording {
    pub(in crate::audio::device) fn following(&self) -> Following {
        match *self {}
    }
}

pub(in crate::audio::device) fn list() -> Result<Vec<Microphone>, AudioError> {
    Err(AudioError::ProgramsNotOffered)
}

pub(in crate::audio::device) fn open(
    _program: &str,
    _wake: Thread,
    _faults: Sender<AudioError>,
) -> Result<(Recording, Reader), AudioError> {
    Err(AudioError::ProgramsNotOffered)
}

pub(in crate::audio::device) fn open_others(
    _wake: Thread,
    _faults: Sender<AudioError>,
) -> Result<(Recording, Reader), AudioError> {
    Err(AudioError::ProgramsNotOffered)
}

//! What can go wrong between a sound device and the mix.

use cpal::ErrorKind;

/// Why a sound device can't be listed, opened or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AudioError {
    /// Nothing answers on the sound server's socket.
    #[error("no sound server answers: {reason}")]
    NoSoundServer {
        /// The server library's words.
        reason: String,
    },
    /// No such microphone, or no default one.
    #[error("there is no sound device \"{id}\"")]
    DeviceNotFound {
        /// As it was asked for.
        id: String,
    },
    /// It was open and went away: unplugged, switched off, or its server ended.
    #[error("the sound device is gone: {reason}")]
    DeviceLost {
        /// The server library's words.
        reason: String,
    },
    /// It neither opens nor fails, or has stopped sending sound.
    #[error("the sound device does not answer")]
    DeviceTimeout,
    /// Another program holds it.
    #[error("another program holds the sound device: {reason}")]
    DeviceBusy {
        /// The server library's words.
        reason: String,
    },
    /// The system forbids it.
    #[error("the system forbids capturing this sound: {reason}")]
    PermissionDenied {
        /// The server library's words.
        reason: String,
    },
    /// It answered, but can't give sound in a form we read.
    #[error("the sound device refused: {reason}")]
    DeviceRefused {
        /// The server library's words.
        reason: String,
    },
    /// Loopback needs a newer version of the system.
    #[error("this version of the system can't record what is played")]
    SystemTooOld,
    /// Single programs' sound is not to be had on this system.
    #[error("this system does not hand out what single programs play")]
    ProgramsNotOffered,
    /// No backend for this operating system yet.
    #[error("sound capture is not supported on this system yet")]
    NotSupportedHere,
}

impl AudioError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSoundServer { .. } => "no_sound_server",
            Self::DeviceNotFound { .. } => "device_not_found",
            Self::DeviceLost { .. } => "device_lost",
            Self::DeviceTimeout => "device_timeout",
            Self::DeviceBusy { .. } => "device_busy",
            Self::PermissionDenied { .. } => "permission_denied",
            Self::DeviceRefused { .. } => "device_refused",
            Self::SystemTooOld => "system_too_old",
            Self::ProgramsNotOffered => "programs_not_offered",
            Self::NotSupportedHere => "not_supported_here",
        }
    }

    /// One sentence for people: what to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoSoundServer { .. } => {
                "Start PipeWire (with pipewire-pulse) or PulseAudio, then choose the device again."
            }
            Self::DeviceNotFound { .. } => "Plug the device in, or choose another one from the list.",
            Self::DeviceLost { .. } => "Plug the device in again; it is picked up by itself when it is back.",
            Self::DeviceTimeout => "Unplug the device and plug it in again, or restart the sound server.",
            Self::DeviceBusy { .. } => "Close the other program that uses the device.",
            Self::PermissionDenied { .. } => "Allow this program to record sound in the system's privacy settings.",
            Self::DeviceRefused { .. } => "Choose another device, or 48 kHz stereo in the system's sound settings.",
            Self::SystemTooOld => {
                "Update to macOS 14.6 or newer (on Windows, for a program's sound: Windows 10 version 2004), or leave it out."
            }
            Self::ProgramsNotOffered => "Add the system's sound instead, and let nothing else play.",
            Self::NotSupportedHere => "Stream without sound, or run on Linux for now.",
        }
    }

    /// From cpal, when the device had not delivered anything yet. `id` is what was asked for.
    pub(super) fn on_open(error: &cpal::Error, id: &str) -> Self {
        let reason = error.to_string();
        match error.kind() {
            // While connecting, an I/O error is an absent or dying server, not a broken stream.
            ErrorKind::HostUnavailable | ErrorKind::StreamInvalidated => Self::NoSoundServer { reason },
            ErrorKind::DeviceNotAvailable => Self::DeviceNotFound { id: id.to_owned() },
            ErrorKind::DeviceBusy => Self::DeviceBusy { reason },
            ErrorKind::PermissionDenied => Self::PermissionDenied { reason },
            _ => Self::DeviceRefused { reason },
        }
    }

    /// From a running stream's error callback; `None` when the stream goes on by itself.
    pub(super) fn while_running(error: &cpal::Error) -> Option<Self> {
        match error.kind() {
            ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied | ErrorKind::Xrun => None,
            ErrorKind::PermissionDenied => Some(Self::PermissionDenied { reason: error.to_string() }),
            _ => Some(Self::DeviceLost { reason: error.to_string() }),
        }
    }
}

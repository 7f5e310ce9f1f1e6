//! What an input is made of.

use super::DEFAULT_DEVICE;

/// What an input records.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A microphone or line input by its id; `None` or `"default"` follow the system's choice.
    Microphone(Option<String>),
    /// What a speaker plays, named by its sink; `None` or `"default"` follow the system's choice.
    SystemSound(Option<String>),
    /// What one program plays, by the id that [`super::list_applications`] gives it.
    Application(String),
}

impl Source {
    /// The device that is asked for, where one is.
    pub(super) fn device(&self) -> Option<&str> {
        match self {
            Self::Microphone(device) | Self::SystemSound(device) => {
                device.as_deref().filter(|device| *device != DEFAULT_DEVICE)
            }
            Self::Application(program) => Some(program),
        }
    }

    /// For the name of the thread that owns its device.
    pub(super) fn thread_name(&self) -> &'static str {
        match self {
            Self::Microphone(_) => "audio-mic",
            Self::SystemSound(_) => "audio-system",
            Self::Application(_) => "audio-program",
        }
    }
}

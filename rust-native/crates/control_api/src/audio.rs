//! The inputs of the mix as commands and states speak of them.

use ::sound::Filter;
use serde::{Deserialize, Serialize};

/// What an input records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum AudioSource {
    /// A microphone or line input.
    Microphone {
        /// An id of `microphones` in [`crate::Sources`]; `"default"` follows the system's choice.
        device: String,
    },
    /// What the speakers play.
    SystemSound {
        /// An id of `speakers` in [`crate::Sources`]; `"default"` follows the system's choice.
        device: String,
    },
    /// What one program plays.
    Application {
        /// An id of `applications` in [`crate::Sources`]; the input waits for the program while it plays nothing.
        program: String,
    },
}

/// What is to be different about an input; `None` leaves it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AudioInputChange {
    /// −120 (silence) to 24 dB.
    pub gain_db: Option<f64>,
    /// Not heard in the stream.
    pub muted: Option<bool>,
    /// While any open input is soloed, only soloed ones are heard in the stream.
    pub solo: Option<bool>,
    /// Heard in the headphones, see `listen_audio`.
    pub monitored: Option<bool>,
    /// How much later it is heard than it was captured, ms, 0 to 2000.
    pub delay_ms: Option<u32>,
    /// As people call it: the name of its track in a recording from the next file on. Empty for its id.
    pub name: Option<String>,
    /// Its filters, in their order; at most 16.
    pub filters: Option<Vec<Filter>>,
}

/// One input of the mix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AudioInputState {
    /// Its id: `"microphone"` and `"system_sound"` are always there.
    pub input: String,
    /// What it records; `None` while it is closed.
    pub source: Option<AudioSource>,
    /// Whether it is open and its device there.
    pub active: bool,
    /// Not heard in the stream.
    pub muted: bool,
    /// Not heard in the stream now, because of a hot key: the one to talk is up, or the one to mute is down.
    pub hushed: bool,
    /// Linear gain.
    pub volume: f64,
    /// While any open input is soloed, only soloed ones are heard in the stream.
    pub solo: bool,
    /// To be heard in the headphones.
    pub monitored: bool,
    /// What the headphones do to the stream: `"comes_back"` (it is not heard there, as they are the very speaker that it
    /// captures) or `"heard_twice"` (they are a speaker that is captured, and so play it to viewers once more).
    pub monitor_problem: Option<&'static str>,
    /// ms.
    pub delay_ms: u32,
    /// In their order.
    pub filters: Vec<Filter>,
}

//! The inputs of the mix on their way between JavaScript and the engine's own types.

use napi_derive::napi;

/// What an input records.
#[napi(discriminant = "kind", discriminant_case = "snake_case")]
pub enum AudioSource {
    Microphone { device: String },
    SystemSound { device: String },
    Application { program: String },
}

/// What a filter does, with its settings: dB and ms.
#[napi(discriminant = "kind", discriminant_case = "snake_case")]
pub enum Effect {
    NoiseSuppression,
    Gate { threshold_db: f64, attack_ms: f64, hold_ms: f64, release_ms: f64 },
    Compressor { threshold_db: f64, ratio: f64, attack_ms: f64, release_ms: f64, makeup_db: f64 },
    Limiter { ceiling_db: f64, release_ms: f64 },
    Equalizer { low_db: f64, mid_db: f64, high_db: f64 },
}

/// One place in an input's chain.
#[napi(object)]
pub struct Filter {
    /// Whether it is in use; its settings stay while it is not.
    pub enabled: bool,
    /// What it does.
    pub effect: Effect,
}

/// What is to be different about an input.
#[napi(object)]
pub struct AudioInputChange {
    /// −120 (silence) to 24 dB.
    pub gain_db: Option<f64>,
    /// Not heard in the stream.
    pub muted: Option<bool>,
    /// While any open input is soloed, only soloed ones are heard in the stream.
    pub solo: Option<bool>,
    /// Heard in the headphones.
    pub monitored: Option<bool>,
    /// How much later it is heard than it was captured, ms, 0 to 2000.
    pub delay_ms: Option<u32>,
    /// As people call it: the name of its track in a recording. Empty for its id.
    pub name: Option<String>,
    /// Its filters, in their order.
    pub filters: Option<Vec<Filter>>,
}

/// One input of the mix.
#[napi(object)]
pub struct AudioInputState {
    /// Its id: `"microphone"` and `"system_sound"` are always there.
    pub input: String,
    /// What it records, while it is open.
    pub source: Option<AudioSource>,
    /// Whether it is open and its device there.
    pub active: bool,
    /// Not heard in the stream.
    pub muted: bool,
    /// Not heard in the stream now, because of a hot key.
    pub hushed: bool,
    /// Linear gain.
    pub volume: f64,
    /// While any open input is soloed, only soloed ones are heard in the stream.
    pub solo: bool,
    /// To be heard in the headphones.
    pub monitored: bool,
    /// What the headphones do to the stream: `"comes_back"` (it is not heard there, as they are the very speaker that it
    /// captures) or `"heard_twice"` (they are a speaker that is captured, and so play it to viewers once more).
    pub monitor_problem: Option<String>,
    /// ms.
    pub delay_ms: u32,
    /// In their order.
    pub filters: Vec<Filter>,
}

impl From<AudioSource> for control_api::AudioSource {
    fn from(source: AudioSource) -> Self {
        match source {
            AudioSource::Microphone { device } => Self::Microphone { device },
            AudioSource::SystemSound { device } => Self::SystemSound { device },
            AudioSource::Application { program } => Self::Application { program },
        }
    }
}

impl From<control_api::AudioSource> for AudioSource {
    fn from(source: control_api::AudioSource) -> Self {
        match source {
            control_api::AudioSource::Microphone { device } => Self::Microphone { device },
            control_api::AudioSource::SystemSound { device } => Self::SystemSound { device },
            control_api::AudioSource::Application { program } => Self::Application { program },
        }
    }
}

/// Both directions of one conversion, which is field by field in each of them.
macro_rules! effects {
    ($from:ty => $to:ty, $number:ty) => {
        impl From<$from> for $to {
            fn from(effect: $from) -> Self {
                type From = $from;
                match effect {
                    From::NoiseSuppression => Self::NoiseSuppression,
                    From::Gate { threshold_db, attack_ms, hold_ms, release_ms } => Self::Gate {
                        threshold_db: threshold_db as $number,
                        attack_ms: attack_ms as $number,
                        hold_ms: hold_ms as $number,
                        release_ms: release_ms as $number,
                    },
                    From::Compressor { threshold_db, ratio, attack_ms, release_ms, makeup_db } => Self::Compressor {
                        threshold_db: threshold_db as $number,
                        ratio: ratio as $number,
                        attack_ms: attack_ms as $number,
                        release_ms: release_ms as $number,
                        makeup_db: makeup_db as $number,
                    },
                    From::Limiter { ceiling_db, release_ms } => {
                        Self::Limiter { ceiling_db: ceiling_db as $number, release_ms: release_ms as $number }
                    }
                    From::Equalizer { low_db, mid_db, high_db } => Self::Equalizer {
                        low_db: low_db as $number,
                        mid_db: mid_db as $number,
                        high_db: high_db as $number,
                    },
                }
            }
        }
    };
}

effects!(Effect => control_api::Effect, f32);
effects!(control_api::Effect => Effect, f64);

impl From<Filter> for control_api::Filter {
    fn from(filter: Filter) -> Self {
        Self { enabled: filter.enabled, effect: filter.effect.into() }
    }
}

impl From<control_api::Filter> for Filter {
    fn from(filter: control_api::Filter) -> Self {
        Self { enabled: filter.enabled, effect: filter.effect.into() }
    }
}

impl From<AudioInputChange> for control_api::AudioInputChange {
    fn from(change: AudioInputChange) -> Self {
        Self {
            gain_db: change.gain_db,
            muted: change.muted,
            solo: change.solo,
            monitored: change.monitored,
            delay_ms: change.delay_ms,
            name: change.name,
            filters: change.filters.map(|filters| filters.into_iter().map(Into::into).collect()),
        }
    }
}

impl From<control_api::AudioInputState> for AudioInputState {
    fn from(it: control_api::AudioInputState) -> Self {
        Self {
            input: it.input,
            source: it.source.map(Into::into),
            active: it.active,
            muted: it.muted,
            hushed: it.hushed,
            volume: it.volume,
            solo: it.solo,
            monitored: it.monitored,
            monitor_problem: it.monitor_problem.map(str::to_owned),
            delay_ms: it.delay_ms,
            filters: it.filters.into_iter().map(Into::into).collect(),
        }
    }
}

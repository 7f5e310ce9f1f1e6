//! What the engine may change by itself, and what it tells of that: mirrors of the engine's own types.

use napi_derive::napi;

/// The user's leave, and choices of the encode that are not its size or rate.
#[napi(object)]
pub struct Tuning {
    /// The bitrate follows what the primary destination's path carries; size and frame rate too, after a while.
    pub adapt: bool,
    /// Also while a recording runs, which is of the same encode; its size stays in any case.
    pub adapt_recording: bool,
    /// What the processor is used for.
    pub effort: Effort,
    /// Spread fresh blocks over all pictures instead of large keyframes; for WebRTC alone.
    pub intra_refresh: bool,
    /// Leave pictures on the graphics card where its encoder takes them there. Nobody has tried it on one yet.
    pub zero_copy: bool,
}

/// What the processor is used for.
#[napi(string_enum = "snake_case")]
pub enum Effort {
    Least,
    Room,
}

/// Why the encode is less than what was set.
#[napi(string_enum = "snake_case")]
pub enum LimitedBy {
    Nothing,
    Network,
    Machine,
}

/// What is wrong with the primary destination's path.
#[napi(string_enum = "snake_case")]
pub enum PathTrouble {
    None,
    Delay,
    Loss,
}

/// What the encode aims at, and what holds it back.
#[napi(object)]
pub struct Aim {
    /// Video kbit/s as set.
    pub wanted_kbps: u32,
    /// Video kbit/s aimed at now.
    pub target_kbps: u32,
    /// What the primary destination's path is thought to carry, kbit/s, where it is measured.
    pub estimate_kbps: Option<u32>,
    /// Pixels as encoded now.
    pub width: u32,
    /// Pixels as encoded now.
    pub height: u32,
    /// The most pictures a second that are taken now.
    pub fps: u32,
    /// What holds it back.
    pub limited_by: LimitedBy,
    /// What is wrong with the path.
    pub trouble: PathTrouble,
    /// The path carries less than is sent, but a recording that may not be lowered is on the same encode.
    pub held_for_recording: bool,
    /// x264's preset in use; of other encoders it says nothing.
    pub preset: String,
}

impl From<Tuning> for control_api::Tuning {
    fn from(it: Tuning) -> Self {
        let effort = match it.effort {
            Effort::Least => control_api::Effort::Least,
            Effort::Room => control_api::Effort::Room,
        };
        let Tuning { adapt, adapt_recording, intra_refresh, zero_copy, .. } = it;
        Self { adapt, adapt_recording, effort, intra_refresh, zero_copy }
    }
}

impl From<control_api::Tuning> for Tuning {
    fn from(it: control_api::Tuning) -> Self {
        let effort = match it.effort {
            control_api::Effort::Least => Effort::Least,
            control_api::Effort::Room => Effort::Room,
        };
        let control_api::Tuning { adapt, adapt_recording, intra_refresh, zero_copy, .. } = it;
        Self { adapt, adapt_recording, effort, intra_refresh, zero_copy }
    }
}

impl From<control_api::Aim> for Aim {
    fn from(it: control_api::Aim) -> Self {
        Self {
            wanted_kbps: it.wanted_kbps,
            target_kbps: it.target_kbps,
            estimate_kbps: it.estimate_kbps,
            width: it.width,
            height: it.height,
            fps: it.fps,
            limited_by: match it.limited_by {
                control_api::LimitedBy::Nothing => LimitedBy::Nothing,
                control_api::LimitedBy::Network => LimitedBy::Network,
                control_api::LimitedBy::Machine => LimitedBy::Machine,
            },
            trouble: match it.trouble {
                control_api::PathTrouble::None => PathTrouble::None,
                control_api::PathTrouble::Delay => PathTrouble::Delay,
                control_api::PathTrouble::Loss => PathTrouble::Loss,
            },
            held_for_recording: it.held_for_recording,
            preset: it.preset,
        }
    }
}

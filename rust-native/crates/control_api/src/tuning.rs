//! What the user lets the engine change by itself, and what it tells of that.

use serde::{Deserialize, Serialize};

/// The user's leave, and choices of the encode that are not its size or rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    #[serde(default)]
    pub zero_copy: bool,
}

impl Tuning {
    /// What holds until another one is set.
    pub const DEFAULT: Self =
        Self { adapt: true, adapt_recording: false, effort: Effort::Least, intra_refresh: false, zero_copy: false };
}

/// What the processor is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// As little as it takes: the rest belongs to what is shown.
    #[default]
    Least,
    /// A better picture, where there is plenty of room for it.
    Room,
}

/// Why the encode is less than what was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitedBy {
    /// It is not.
    #[default]
    Nothing,
    /// The primary destination's path.
    Network,
    /// The processor.
    Machine,
}

/// What is wrong with the primary destination's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PathTrouble {
    /// Nothing, or nothing that is known.
    #[default]
    None,
    /// What is sent queues.
    Delay,
    /// What is sent is lost.
    Loss,
}

/// What the encode aims at, and what holds it back.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
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
    /// x264's preset in use, `"ultrafast"` at the least; of other encoders it says nothing.
    pub preset: String,
}

//! The engine's one facade: commands in, events out.
//!
//! The addon, the command line and any later remote control call this and nothing below it. What runs is owned by
//! one task ([`Engine`] hands it orders); media flows beside it, on threads of its own.

mod aac;
mod adaptation;
mod audio;
mod canvas;
mod canvas_clock;
mod canvas_cost;
mod canvas_room;
mod canvases;
mod command;
mod commands;
mod constant_rate;
mod content;
mod course;
mod destination_commands;
mod destinations;
mod encode_orders;
mod encode_thread;
mod encoding;
mod engine;
mod event;
mod fade;
mod governor;
mod held;
mod hot_keys;
mod input_tracks;
mod keyframes;
mod listing;
mod live;
mod local_server;
mod lower;
mod meter;
mod monitoring;
mod outlet;
mod pipeline;
mod preview;
mod problem;
mod recording;
mod repeats;
mod replay;
mod scenes;
mod session;
mod settings;
mod sound;
mod steering;
mod tuning;
mod usage;

pub use ::hot_keys::Chord;
pub use ::sound::{Effect, Filter};
pub use audio::{AudioInputChange, AudioInputState, AudioSource};
pub use canvas::{CanvasCost, CanvasRoom, CanvasSettings, CanvasState, CanvasStats};
pub use command::{
    AudioInput, CardText, CodecChoice, Command, Described, Destination, Encoders, LocalServer, MicrophoneInfo, Preview,
    Reach, RefusedEncoder, Reply, SourceProblem, Sources, VideoSettings, VideoSourceInfo,
};
pub use encoder::Preset;
pub use engine::{Engine, EngineOptions};
pub use event::{
    Area, CaptureState, DestinationState, DestinationStats, Event, Problem, PublishState, SourceState, State, Stats,
};
pub use held::Held;
pub use hot_keys::{HotKey, HotKeyAction};
pub use recording::{RecordFormat, Recording, RecordingState, RecordingStats, ReplayStats};
pub use scene::{Scene, SceneError, Transition};
pub use tuning::{Aim, Effort, LimitedBy, PathTrouble, Tuning};

/// The scenes of a scene file's text.
///
/// # Errors
/// A [`Problem`] that says what is wrong with it.
pub fn read_scenes(text: &str) -> Result<Vec<Scene>, Problem> {
    Ok(scene::read(text)?)
}

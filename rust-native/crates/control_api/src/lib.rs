//! The engine's one facade: commands in, events out.
//!
//! The addon, the command line and any later remote control call this and nothing below it. What runs is owned by
//! one task ([`Engine`] hands it orders); media flows beside it, on threads of its own.

mod aac;
mod command;
mod commands;
mod engine;
mod event;
mod keyframes;
mod listing;
mod local_server;
mod meter;
mod pipeline;
mod preview;
mod problem;
mod repeats;
mod session;
mod settings;
mod sound;
mod usage;

pub use command::{
    AudioInput, Command, Described, Destination, Encoders, LocalServer, MicrophoneInfo, Preview, Reach, RefusedEncoder,
    Reply, SourceProblem, Sources, VideoSettings, VideoSourceInfo,
};
pub use engine::{Engine, EngineOptions};
pub use event::{Area, AudioInputState, CaptureState, Event, Problem, PublishState, State, Stats};

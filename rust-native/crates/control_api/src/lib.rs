//! The engine's one facade: commands in, events out.

mod command;
mod event;

pub use command::{
    AudioInput, Command, Destination, Encoders, LocalServer, MicrophoneInfo, Preview, Reach, RefusedEncoder, Reply,
    Sources, VideoSettings, VideoSourceInfo,
};
pub use event::{Area, AudioInputState, CaptureState, Event, Problem, PublishState, State, Stats};

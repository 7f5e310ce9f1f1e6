//! What the engine says of its own accord.

use media::Secret;
use serde::{Serialize, Serializer};

use crate::audio::AudioInputState;
use crate::canvas::{CanvasState, CanvasStats};
use crate::command::{LocalServer, RefusedEncoder, VideoSettings};
use crate::recording::{RecordingState, RecordingStats, ReplayStats};
use crate::tuning::{Aim, Tuning};

/// One message of the engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "a few a second, each passed on at once: a box would only be in the way")]
pub enum Event {
    /// The whole state, after each change of it.
    State(State),
    /// Each second while something runs.
    Stats(Stats),
    /// A recording or a replay is complete on disk.
    Saved {
        /// Its path.
        file: String,
    },
    /// A hot key whose action is to tell was pressed.
    HotKey {
        /// As it was set.
        id: String,
    },
    /// The user let the desktop share a source; kept by whoever keeps secrets, for [`crate::Command::RememberSource`].
    SourceGranted {
        /// Which.
        source_id: String,
        /// Never written out: whoever serialises events writes logs.
        #[serde(serialize_with = "hidden")]
        token: Secret,
    },
    /// One source of a scene was lost, or rests; the others go on.
    SourceWarning {
        /// Which: whoever shows it knows it by a name.
        source_id: String,
        /// Why.
        problem: Problem,
    },
    /// Something the user should know; the stream goes on.
    Warning(Problem),
    /// Something ended or could not be done.
    Error(Problem),
}

fn hidden<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(secret)
}

/// A problem as a user reads it and a program tells it apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable, `snake_case`: a program may depend on it.
    pub code: String,
    /// What happened, one sentence.
    pub message: String,
    /// What to do about it, one sentence.
    pub hint: String,
}

/// All that the engine is doing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct State {
    /// The capture.
    pub capture: CaptureState,
    /// The publication that `start_publish` started.
    pub publish: PublishState,
    /// Every destination, that publication included, in the order in which they were added.
    pub destinations: Vec<DestinationState>,
    /// Every further canvas, in the order in which they were added.
    pub canvases: Vec<CanvasState>,
    /// The recording, where one runs.
    pub recording: Option<RecordingState>,
    /// Whether the last seconds are kept for a replay.
    pub replay: bool,
    /// The embedded server, where it runs.
    pub local_server: Option<LocalServer>,
    /// The settings that are in force.
    pub settings: VideoSettings,
    /// What the engine may change by itself.
    pub tuning: Tuning,
    /// A destination that runs needs a picture in each interval: also a still screen is encoded at the full rate.
    pub constant_rate: bool,
    /// The source that is captured, where it was started as one.
    pub source_id: Option<String>,
    /// The live scene's name, where a scene was started.
    pub scene: Option<String>,
    /// Each source of what is captured, once.
    pub sources: Vec<SourceState>,
    /// The part of the desktop that is captured, pixels; `None` where it is not a part of the desktop.
    pub area: Option<Area>,
    /// The inputs of the mix.
    pub audio: Vec<AudioInputState>,
    /// Where the monitored inputs are played to; `None` is nowhere.
    pub headphones: Option<String>,
    /// Why the hot keys act in the app's own window only; `None` where they act everywhere, or where there are none.
    pub hot_keys_problem: Option<Problem>,
    /// The encoder in use: `"libx264"`, ….
    pub encoder: Option<String>,
    /// The encoders that were refused before it.
    pub refused_encoders: Vec<RefusedEncoder>,
}

/// One source of the live scene.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceState {
    /// As `list_sources` names it.
    pub id: String,
    /// Where its capture stands.
    pub capture: CaptureState,
    /// The main canvas shows it; else only further ones do.
    pub on_main: bool,
}

/// A rectangle of the desktop, pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Area {
    /// From the desktop's left edge.
    pub x: i32,
    /// From the desktop's top edge.
    pub y: i32,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// Where the capture stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CaptureState {
    /// Nothing is captured.
    Idle,
    /// Frames flow, or would if something changed.
    Capturing,
    /// The source gives no picture now (minimised, unplugged); it goes on by itself when it does again.
    Paused { code: String },
    /// The source is gone for good; a card says so in the picture.
    Lost { code: String },
}

/// Where the publication stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PublishState {
    /// Nothing is sent.
    Idle,
    /// The first connection is being made.
    Connecting,
    /// Viewers can see it.
    Live {
        /// Unix time of the first live moment, milliseconds.
        since_ms: u64,
    },
    /// The connection broke; attempt number and pause.
    Reconnecting {
        /// Counts from one.
        attempt: u32,
        /// Milliseconds until the next try.
        retry_in_ms: u64,
        /// Why, as a stable code.
        code: String,
    },
    /// It ended with a reason; `start_publish` tries anew.
    Failed { code: String },
}

/// One destination.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DestinationState {
    /// As `add_destination` named it; `"publish"` for `start_publish`'s.
    pub id: String,
    /// As a person calls it.
    pub name: String,
    /// `"local_server"`, `"whip"`, `"rtmp"`, ….
    pub kind: String,
    /// It owns its canvas's bitrate.
    pub primary: bool,
    /// The further canvas that it takes; `None` is the main one.
    pub canvas: Option<String>,
    /// Where it stands.
    pub state: PublishState,
    /// Why it is not live, where something went wrong.
    pub problem: Option<Problem>,
}

/// The figures of one destination, of one second.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct DestinationStats {
    /// Which.
    pub id: String,
    /// Bits sent in the second, kbit/s.
    pub sent_kbps: f64,
    /// Pictures and sounds left out because it lagged, since it connected.
    pub dropped_units: u64,
    /// How old the newest was when it had left, milliseconds.
    pub queue_ms: f64,
    /// Round trip, milliseconds, where known.
    pub round_trip_ms: Option<f64>,
    /// Share of packets lost or sent again, 0 to 1, where known.
    pub loss: Option<f64>,
    /// From the attempt's start to its first media byte, milliseconds.
    pub first_byte_ms: Option<f64>,
    /// Encodings of the picture that a WebRTC destination is sent: more than one where it takes simulcast; 0 elsewhere.
    pub encodings: u32,
}

/// The figures of one second.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Stats {
    /// What the encode aims at, and what holds it back.
    pub aim: Aim,
    /// Pictures captured in the second.
    pub fps_captured: f64,
    /// Pictures encoded in the second, keep-alive ones included.
    pub fps_encoded: f64,
    /// Pictures lost between capture and encoder in the second.
    pub fps_dropped: f64,
    /// The encoder's name.
    pub encoder: String,
    /// Mean time of one encode, milliseconds.
    pub encode_ms: f64,
    /// Mean time from a picture's capture to when its work began, milliseconds; `None` where none was composed.
    pub queue_ms: Option<f64>,
    /// Mean time of drawing and converting one, milliseconds.
    pub compose_ms: Option<f64>,
    /// How often a raw picture is copied between its one conversion and the encoder.
    pub copies: u32,
    /// Video bits encoded in the second, kbit/s.
    pub video_kbps: f64,
    /// Bits all destinations together sent in the second, kbit/s.
    pub sent_kbps: f64,
    /// Round trip to the primary destination, milliseconds, where known.
    pub round_trip_ms: Option<f64>,
    /// Share of packets the primary destination reported lost, 0 to 1, where known.
    pub loss: Option<f64>,
    /// Each running destination.
    pub destinations: Vec<DestinationStats>,
    /// Each further canvas that is live.
    pub canvases: Vec<CanvasStats>,
    /// The recording, where one runs.
    pub recording: Option<RecordingStats>,
    /// The replay buffer, where it is on.
    pub replay: Option<ReplayStats>,
    /// Who watches on the embedded server.
    pub viewers: u32,
    /// Peak of the mix in the second, dBFS; −120 for silence.
    pub audio_peak_db: f64,
    /// Processor time of the engine in the second, cores, where the system tells.
    pub cpu_cores: Option<f64>,
    /// Resident memory of the engine, MiB, where the system tells.
    pub memory_mib: Option<f64>,
}

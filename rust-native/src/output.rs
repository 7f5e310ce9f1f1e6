//! What the engine says, on its way to JavaScript. Numbers that may pass 2³² are doubles: no BigInt is needed.

mod convert;

use napi_derive::napi;

use crate::audio::AudioInputState;
use crate::canvas::{CanvasCost, CanvasState, CanvasStats};
use crate::codec::CodecChoice;
use crate::input::{Reach, VideoSettings};
use crate::tuning::{Aim, Tuning};

/// How a command ended.
#[allow(clippy::large_enum_variant, reason = "as for the reply in it")]
#[napi(discriminant_case = "snake_case")]
pub enum Outcome {
    Ok { reply: Reply },
    Failed { problem: Problem },
}

/// The answer to one command.
#[allow(clippy::large_enum_variant, reason = "one for each command, passed on at once: a box would only be in the way")]
#[napi(discriminant_case = "snake_case")]
pub enum Reply {
    Done,
    Sources { sources: Sources },
    Described { described: Described },
    Encoders { encoders: Encoders },
    LocalServer { local_server: LocalServer },
    Preview { preview: Preview },
    CanvasCost { cost: CanvasCost },
    Stats { stats: Stats },
}

/// One message of the engine.
#[allow(clippy::large_enum_variant, reason = "a few a second, each passed on at once: a box would only be in the way")]
#[napi(discriminant_case = "snake_case")]
pub enum Event {
    State { state: State },
    Stats { stats: Stats },
    Saved { file: String },
    HotKey { id: String },
    SourceGranted { source_id: String, token: String },
    SourceWarning { source_id: String, problem: Problem },
    Warning { problem: Problem },
    Error { problem: Problem },
}

/// Where the capture stands.
#[napi(discriminant = "kind", discriminant_case = "snake_case")]
pub enum CaptureState {
    Idle,
    Capturing,
    Paused { code: String },
    Lost { code: String },
}

/// One source of the live scene.
#[napi(object)]
pub struct SourceState {
    /// As `list_sources` names it.
    pub id: String,
    /// Where its capture stands.
    pub capture: CaptureState,
    /// The main canvas shows it; else only further ones do.
    pub on_main: bool,
}

/// Where the publication stands.
#[napi(discriminant = "kind", discriminant_case = "snake_case")]
pub enum PublishState {
    Idle,
    Connecting,
    Live { since_ms: f64 },
    Reconnecting { attempt: u32, retry_in_ms: f64, code: String },
    Failed { code: String },
}

/// A problem as a user reads it and a program tells it apart.
#[napi(object)]
pub struct Problem {
    /// Stable, snake_case: a program may depend on it.
    pub code: String,
    /// What happened, one sentence.
    pub message: String,
    /// What to do about it, one sentence.
    pub hint: String,
}

/// Everything that can be captured now.
#[napi(object)]
pub struct Sources {
    /// Monitors first, then windows from the top of the stack down.
    pub video: Vec<VideoSourceInfo>,
    /// Microphones, the default one first.
    pub microphones: Vec<MicrophoneInfo>,
    /// Whether the speakers' sound can be captured.
    pub system_sound: bool,
    /// Where sound is played to, the default one first.
    pub speakers: Vec<MicrophoneInfo>,
    /// Programs that play sound now.
    pub applications: Vec<MicrophoneInfo>,
    /// What could not be listed, and why.
    pub problems: Vec<Problem>,
}

/// What became of some ids.
#[napi(object)]
pub struct Described {
    /// Those that are sources, in the order that was asked.
    pub sources: Vec<VideoSourceInfo>,
    /// The others.
    pub problems: Vec<SourceProblem>,
}

/// An id that is no source now, and why.
#[napi(object)]
pub struct SourceProblem {
    /// As it was asked.
    pub id: String,
    /// Why.
    pub problem: Problem,
}

/// Something that gives a picture.
#[napi(object)]
pub struct VideoSourceInfo {
    /// Names it in `start_capture`; stable while it exists.
    pub id: String,
    /// Names it in `start_capture` also after a restart: a window by its program and title, else the id.
    pub lasting_id: String,
    /// `"monitor"`, `"window"`, `"game"`, `"region"`, `"camera"`, `"image"`, `"text"`, `"color"` or `"pattern"`.
    pub kind: String,
    /// The monitor's output name, the window's title, the camera's name, ….
    pub title: String,
    /// The program that owns the window; else empty.
    pub program: String,
    /// Position on the desktop, pixels.
    pub x: i32,
    /// Position on the desktop, pixels.
    pub y: i32,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// A JPEG of it now, at the local endpoint.
    pub thumbnail_url: String,
    /// A listed camera's own microphone: an id of `microphones`, where one is sure to be that.
    pub microphone: Option<String>,
}

/// One microphone, speaker or program.
#[napi(object)]
pub struct MicrophoneInfo {
    /// Names it in `select_audio`.
    pub id: String,
    /// As the system shows it.
    pub name: String,
}

/// What can encode here.
#[napi(object)]
pub struct Encoders {
    /// The one that will be used.
    pub chosen: String,
    /// Whether that is hardware.
    pub hardware: bool,
    /// Those tried before it, each with its reason.
    pub refused: Vec<RefusedEncoder>,
    /// Milliseconds that one 1080p picture took.
    pub ms_per_1080p_frame: f64,
    /// What suits this machine.
    pub proposal: VideoSettings,
    /// Every codec, whether it can be had here or not.
    pub codecs: Vec<CodecChoice>,
}

/// An encoder that can't be used here.
#[napi(object)]
pub struct RefusedEncoder {
    /// Its name in libavcodec.
    pub name: String,
    /// Why, in words.
    pub reason: String,
}

/// A running embedded server.
#[napi(object)]
pub struct LocalServer {
    /// TCP port of its pages.
    pub port: u32,
    /// The page to give to viewers, the view token in it.
    pub view_url: String,
    /// The same page for a browser on this machine.
    pub loopback_view_url: String,
    /// Who may reach it.
    pub reach: Reach,
    /// To be given back to `start_local_server` after a restart.
    pub view_token: String,
}

/// Where the preview is signalled.
#[napi(object)]
pub struct Preview {
    /// `ws://127.0.0.1:PORT/preview`.
    pub url: String,
    /// Good for one connection: `?token=`.
    pub token: String,
}

/// All that the engine is doing.
#[napi(object)]
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
    /// The part of the desktop that is captured, pixels.
    pub area: Option<Area>,
    /// The inputs of the mix.
    pub audio: Vec<AudioInputState>,
    /// Where the monitored inputs are played to.
    pub headphones: Option<String>,
    /// Why the hot keys act in the app's own window only, where they do.
    pub hot_keys_problem: Option<Problem>,
    /// The encoder in use.
    pub encoder: Option<String>,
    /// The encoders that were refused before it.
    pub refused_encoders: Vec<RefusedEncoder>,
}

/// A rectangle of the desktop, pixels.
#[napi(object)]
pub struct Area {
    pub x: i32,
    pub y: i32,
    pub width: u32,
    pub height: u32,
}

/// One destination.
#[napi(object)]
pub struct DestinationState {
    /// As `add_destination` named it; `"publish"` for `start_publish`'s.
    pub id: String,
    /// As a person calls it.
    pub name: String,
    /// `"local_server"`, `"whip"`, `"rtmp"`, ….
    pub kind: String,
    /// It owns its canvas's bitrate.
    pub primary: bool,
    /// The further canvas that it takes; absent: the main one.
    pub canvas: Option<String>,
    /// Where it stands.
    pub state: PublishState,
    /// Why it is not live, where something went wrong.
    pub problem: Option<Problem>,
}

/// The figures of one destination, of one second.
#[napi(object)]
pub struct DestinationStats {
    /// Which.
    pub id: String,
    /// Bits sent in the second, kbit/s.
    pub sent_kbps: f64,
    /// Pictures and sounds left out because it lagged, since it connected.
    pub dropped_units: f64,
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
#[napi(object)]
pub struct Stats {
    /// What the encode aims at, and what holds it back.
    pub aim: Aim,
    /// Pictures captured.
    pub fps_captured: f64,
    /// Pictures encoded, keep-alive ones included.
    pub fps_encoded: f64,
    /// Pictures lost between capture and encoder.
    pub fps_dropped: f64,
    /// The encoder's name.
    pub encoder: String,
    /// Mean time of one encode, milliseconds.
    pub encode_ms: f64,
    /// Mean time from a picture's capture to when its work began, milliseconds; absent where none was composed.
    pub queue_ms: Option<f64>,
    /// Mean time of drawing and converting one, milliseconds.
    pub compose_ms: Option<f64>,
    /// How often a raw picture is copied between its one conversion and the encoder.
    pub copies: u32,
    /// Video bits encoded, kbit/s.
    pub video_kbps: f64,
    /// Bits all destinations together sent, kbit/s.
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
    /// Peak of the mix, dBFS; −120 for silence.
    pub audio_peak_db: f64,
    /// Processor time of the engine, cores, where the system tells.
    pub cpu_cores: Option<f64>,
    /// Resident memory of the engine, MiB, where the system tells.
    pub memory_mib: Option<f64>,
}

/// Where the recording stands; its figures are in the stats.
#[napi(object)]
pub struct RecordingState {
    /// The file that is written now.
    pub file: String,
    /// Parts begun.
    pub part: u32,
    /// Nothing is taken in now.
    pub paused: bool,
    /// The further canvas that is recorded; absent: the main one.
    pub canvas: Option<String>,
}

/// The recording's figures.
#[napi(object)]
pub struct RecordingStats {
    /// Recorded in all parts, pauses left out, milliseconds.
    pub duration_ms: f64,
    /// Written in all parts.
    pub bytes: f64,
    /// Free on the disk, where the system says.
    pub free_bytes: Option<f64>,
    /// Seconds until the disk is full at the rate so far.
    pub room_s: Option<f64>,
}

/// The replay buffer's figures.
#[napi(object)]
pub struct ReplayStats {
    /// What would be saved now, milliseconds.
    pub duration_ms: f64,
    /// Held in memory.
    pub bytes: f64,
    /// The most that it will hold.
    pub most_bytes: f64,
}

//! What the engine says, on its way to JavaScript. Numbers that may pass 2³² are doubles: no BigInt is needed.

use napi_derive::napi;

use crate::input::{AudioInput, Reach, VideoSettings};

/// How a command ended.
#[napi(discriminant_case = "snake_case")]
pub enum Outcome {
    Ok { reply: Reply },
    Failed { problem: Problem },
}

/// The answer to one command.
#[napi(discriminant_case = "snake_case")]
pub enum Reply {
    Done,
    Sources { sources: Sources },
    Encoders { encoders: Encoders },
    LocalServer { local_server: LocalServer },
    Preview { preview: Preview },
    Stats { stats: Stats },
}

/// One message of the engine.
#[napi(discriminant_case = "snake_case")]
pub enum Event {
    State { state: State },
    Stats { stats: Stats },
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
    /// What could not be listed, and why.
    pub problems: Vec<Problem>,
}

/// One monitor or window.
#[napi(object)]
pub struct VideoSourceInfo {
    /// Names it in `start_capture`; stable while it exists.
    pub id: String,
    /// `"monitor"` or `"window"`.
    pub kind: String,
    /// The monitor's output name or the window's title.
    pub title: String,
    /// The program that owns the window; empty for a monitor.
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
}

/// One microphone.
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
    /// The publication.
    pub publish: PublishState,
    /// The embedded server, where it runs.
    pub local_server: Option<LocalServer>,
    /// The settings that are in force.
    pub settings: VideoSettings,
    /// The source that is captured.
    pub source_id: Option<String>,
    /// The part of the desktop that is captured, pixels.
    pub area: Option<Area>,
    /// The inputs of the mix.
    pub audio: Vec<AudioInputState>,
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

/// One input of the mix.
#[napi(object)]
pub struct AudioInputState {
    /// Which.
    pub input: AudioInput,
    /// Whether it is open.
    pub active: bool,
    /// Not heard in the stream.
    pub muted: bool,
    /// Linear gain.
    pub volume: f64,
}

/// The figures of one second.
#[napi(object)]
pub struct Stats {
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
    /// Video bits encoded, kbit/s.
    pub video_kbps: f64,
    /// Bits the publication sent, kbit/s.
    pub sent_kbps: f64,
    /// Round trip to the destination, milliseconds, where known.
    pub round_trip_ms: Option<f64>,
    /// Share of packets the destination reported lost, 0 to 1, where known.
    pub loss: Option<f64>,
    /// Who watches on the embedded server.
    pub viewers: u32,
    /// Peak of the mix, dBFS; −120 for silence.
    pub audio_peak_db: f64,
    /// Processor time of the engine, cores, where the system tells.
    pub cpu_cores: Option<f64>,
    /// Resident memory of the engine, MiB, where the system tells.
    pub memory_mib: Option<f64>,
}

impl Outcome {
    /// A command whose task panicked; the engine may be damaged, and says so.
    pub(crate) fn panicked(what: &str) -> Self {
        Self::Failed {
            problem: Problem {
                code: "internal".to_owned(),
                message: format!("The media engine hit an error of its own: {what}"),
                hint: "Copy the diagnostics and report it; restarting the app usually helps.".to_owned(),
            },
        }
    }
}

fn all<A: Into<B>, B>(list: Vec<A>) -> Vec<B> {
    list.into_iter().map(Into::into).collect()
}

impl From<Result<control_api::Reply, control_api::Problem>> for Outcome {
    fn from(outcome: Result<control_api::Reply, control_api::Problem>) -> Self {
        match outcome {
            Ok(reply) => Self::Ok { reply: reply.into() },
            Err(problem) => Self::Failed { problem: problem.into() },
        }
    }
}

impl From<control_api::Reply> for Reply {
    fn from(reply: control_api::Reply) -> Self {
        match reply {
            control_api::Reply::Done => Self::Done,
            control_api::Reply::Sources(sources) => Self::Sources { sources: sources.into() },
            control_api::Reply::Encoders(encoders) => Self::Encoders { encoders: encoders.into() },
            control_api::Reply::LocalServer(server) => Self::LocalServer { local_server: server.into() },
            control_api::Reply::Preview(preview) => Self::Preview { preview: preview.into() },
            control_api::Reply::Stats(stats) => Self::Stats { stats: stats.into() },
        }
    }
}

impl From<control_api::Event> for Event {
    fn from(event: control_api::Event) -> Self {
        match event {
            control_api::Event::State(state) => Self::State { state: state.into() },
            control_api::Event::Stats(stats) => Self::Stats { stats: stats.into() },
            control_api::Event::Warning(problem) => Self::Warning { problem: problem.into() },
            control_api::Event::Error(problem) => Self::Error { problem: problem.into() },
        }
    }
}

impl From<control_api::CaptureState> for CaptureState {
    fn from(state: control_api::CaptureState) -> Self {
        match state {
            control_api::CaptureState::Idle => Self::Idle,
            control_api::CaptureState::Capturing => Self::Capturing,
            control_api::CaptureState::Paused { code } => Self::Paused { code },
            control_api::CaptureState::Lost { code } => Self::Lost { code },
        }
    }
}

impl From<control_api::PublishState> for PublishState {
    fn from(state: control_api::PublishState) -> Self {
        match state {
            control_api::PublishState::Idle => Self::Idle,
            control_api::PublishState::Connecting => Self::Connecting,
            control_api::PublishState::Live { since_ms } => Self::Live { since_ms: since_ms as f64 },
            control_api::PublishState::Reconnecting { attempt, retry_in_ms, code } => {
                Self::Reconnecting { attempt, retry_in_ms: retry_in_ms as f64, code }
            }
            control_api::PublishState::Failed { code } => Self::Failed { code },
        }
    }
}

impl From<control_api::VideoSettings> for VideoSettings {
    fn from(s: control_api::VideoSettings) -> Self {
        Self { width: s.width, height: s.height, fps: s.fps, kbps: s.kbps, gop_seconds: s.gop_seconds }
    }
}

impl From<control_api::AudioInput> for AudioInput {
    fn from(input: control_api::AudioInput) -> Self {
        match input {
            control_api::AudioInput::Microphone => Self::Microphone,
            control_api::AudioInput::SystemSound => Self::SystemSound,
            control_api::AudioInput::All => Self::All,
        }
    }
}

impl From<control_api::Reach> for Reach {
    fn from(reach: control_api::Reach) -> Self {
        match reach {
            control_api::Reach::Loopback => Self::Loopback,
            control_api::Reach::Network => Self::Network,
        }
    }
}

impl From<control_api::Problem> for Problem {
    fn from(it: control_api::Problem) -> Self {
        Self { code: it.code, message: it.message, hint: it.hint }
    }
}

impl From<control_api::Sources> for Sources {
    fn from(it: control_api::Sources) -> Self {
        Self {
            video: all(it.video),
            microphones: all(it.microphones),
            system_sound: it.system_sound,
            problems: all(it.problems),
        }
    }
}

impl From<control_api::VideoSourceInfo> for VideoSourceInfo {
    fn from(it: control_api::VideoSourceInfo) -> Self {
        Self {
            id: it.id,
            kind: it.kind,
            title: it.title,
            program: it.program,
            x: it.x,
            y: it.y,
            width: it.width,
            height: it.height,
            thumbnail_url: it.thumbnail_url,
        }
    }
}

impl From<control_api::MicrophoneInfo> for MicrophoneInfo {
    fn from(it: control_api::MicrophoneInfo) -> Self {
        Self { id: it.id, name: it.name }
    }
}

impl From<control_api::Encoders> for Encoders {
    fn from(it: control_api::Encoders) -> Self {
        Self {
            chosen: it.chosen,
            hardware: it.hardware,
            refused: all(it.refused),
            ms_per_1080p_frame: it.ms_per_1080p_frame,
            proposal: it.proposal.into(),
        }
    }
}

impl From<control_api::RefusedEncoder> for RefusedEncoder {
    fn from(it: control_api::RefusedEncoder) -> Self {
        Self { name: it.name, reason: it.reason }
    }
}

impl From<control_api::LocalServer> for LocalServer {
    fn from(it: control_api::LocalServer) -> Self {
        Self {
            port: u32::from(it.port),
            view_url: it.view_url,
            loopback_view_url: it.loopback_view_url,
            reach: it.reach.into(),
            view_token: it.view_token,
        }
    }
}

impl From<control_api::Preview> for Preview {
    fn from(it: control_api::Preview) -> Self {
        Self { url: it.url, token: it.token }
    }
}

impl From<control_api::State> for State {
    fn from(it: control_api::State) -> Self {
        Self {
            capture: it.capture.into(),
            publish: it.publish.into(),
            local_server: it.local_server.map(Into::into),
            settings: it.settings.into(),
            source_id: it.source_id,
            area: it.area.map(Into::into),
            audio: all(it.audio),
            encoder: it.encoder,
            refused_encoders: all(it.refused_encoders),
        }
    }
}

impl From<control_api::Area> for Area {
    fn from(it: control_api::Area) -> Self {
        Self { x: it.x, y: it.y, width: it.width, height: it.height }
    }
}

impl From<control_api::AudioInputState> for AudioInputState {
    fn from(it: control_api::AudioInputState) -> Self {
        Self { input: it.input.into(), active: it.active, muted: it.muted, volume: it.volume }
    }
}

impl From<control_api::Stats> for Stats {
    fn from(it: control_api::Stats) -> Self {
        Self {
            fps_captured: it.fps_captured,
            fps_encoded: it.fps_encoded,
            fps_dropped: it.fps_dropped,
            encoder: it.encoder,
            encode_ms: it.encode_ms,
            video_kbps: it.video_kbps,
            sent_kbps: it.sent_kbps,
            round_trip_ms: it.round_trip_ms,
            loss: it.loss,
            viewers: it.viewers,
            audio_peak_db: it.audio_peak_db,
            cpu_cores: it.cpu_cores,
            memory_mib: it.memory_mib,
        }
    }
}

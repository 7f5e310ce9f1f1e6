//! From the engine's own types into their JavaScript mirrors, field by field.

use super::*;
use crate::input::{Reach, VideoSettings};

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
            control_api::Reply::Described(described) => Self::Described { described: described.into() },
            control_api::Reply::Encoders(encoders) => Self::Encoders { encoders: encoders.into() },
            control_api::Reply::LocalServer(server) => Self::LocalServer { local_server: server.into() },
            control_api::Reply::Preview(preview) => Self::Preview { preview: preview.into() },
            control_api::Reply::CanvasCost(cost) => Self::CanvasCost { cost: cost.into() },
            control_api::Reply::Stats(stats) => Self::Stats { stats: stats.into() },
        }
    }
}

impl From<control_api::Event> for Event {
    fn from(event: control_api::Event) -> Self {
        match event {
            control_api::Event::State(state) => Self::State { state: state.into() },
            control_api::Event::Stats(stats) => Self::Stats { stats: stats.into() },
            control_api::Event::Saved { file } => Self::Saved { file },
            control_api::Event::HotKey { id } => Self::HotKey { id },
            control_api::Event::SourceGranted { source_id, token } => {
                Self::SourceGranted { source_id, token: token.expose().to_owned() }
            }
            control_api::Event::SourceWarning { source_id, problem } => {
                Self::SourceWarning { source_id, problem: problem.into() }
            }
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
            speakers: all(it.speakers),
            applications: all(it.applications),
            problems: all(it.problems),
        }
    }
}

impl From<control_api::Described> for Described {
    fn from(it: control_api::Described) -> Self {
        Self { sources: all(it.sources), problems: all(it.problems) }
    }
}

impl From<control_api::SourceProblem> for SourceProblem {
    fn from(it: control_api::SourceProblem) -> Self {
        Self { id: it.id, problem: it.problem.into() }
    }
}

impl From<control_api::VideoSourceInfo> for VideoSourceInfo {
    fn from(it: control_api::VideoSourceInfo) -> Self {
        Self {
            id: it.id,
            lasting_id: it.lasting_id,
            kind: it.kind,
            title: it.title,
            program: it.program,
            x: it.x,
            y: it.y,
            width: it.width,
            height: it.height,
            thumbnail_url: it.thumbnail_url,
            microphone: it.microphone,
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
            codecs: it.codecs.into_iter().map(Into::into).collect(),
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
            destinations: all(it.destinations),
            canvases: all(it.canvases),
            recording: it.recording.map(Into::into),
            replay: it.replay,
            local_server: it.local_server.map(Into::into),
            settings: it.settings.into(),
            tuning: it.tuning.into(),
            constant_rate: it.constant_rate,
            source_id: it.source_id,
            scene: it.scene,
            sources: it
                .sources
                .into_iter()
                .map(|source| SourceState { id: source.id, capture: source.capture.into(), on_main: source.on_main })
                .collect(),
            area: it.area.map(Into::into),
            audio: all(it.audio),
            headphones: it.headphones,
            hot_keys_problem: it.hot_keys_problem.map(Into::into),
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

impl From<control_api::DestinationState> for DestinationState {
    fn from(it: control_api::DestinationState) -> Self {
        Self {
            id: it.id,
            name: it.name,
            kind: it.kind,
            primary: it.primary,
            canvas: it.canvas,
            state: it.state.into(),
            problem: it.problem.map(Into::into),
        }
    }
}

impl From<control_api::DestinationStats> for DestinationStats {
    fn from(it: control_api::DestinationStats) -> Self {
        Self {
            id: it.id,
            sent_kbps: it.sent_kbps,
            dropped_units: it.dropped_units as f64,
            queue_ms: it.queue_ms,
            round_trip_ms: it.round_trip_ms,
            loss: it.loss,
            first_byte_ms: it.first_byte_ms,
            encodings: it.encodings,
        }
    }
}

impl From<control_api::Stats> for Stats {
    fn from(it: control_api::Stats) -> Self {
        Self {
            aim: it.aim.into(),
            fps_captured: it.fps_captured,
            fps_encoded: it.fps_encoded,
            fps_dropped: it.fps_dropped,
            encoder: it.encoder,
            encode_ms: it.encode_ms,
            queue_ms: it.queue_ms,
            compose_ms: it.compose_ms,
            copies: it.copies,
            video_kbps: it.video_kbps,
            sent_kbps: it.sent_kbps,
            round_trip_ms: it.round_trip_ms,
            loss: it.loss,
            destinations: all(it.destinations),
            canvases: all(it.canvases),
            recording: it.recording.map(Into::into),
            replay: it.replay.map(Into::into),
            viewers: it.viewers,
            audio_peak_db: it.audio_peak_db,
            cpu_cores: it.cpu_cores,
            memory_mib: it.memory_mib,
        }
    }
}

impl From<control_api::RecordingState> for RecordingState {
    fn from(it: control_api::RecordingState) -> Self {
        Self { file: it.file, part: it.part, paused: it.paused, canvas: it.canvas }
    }
}

impl From<control_api::RecordingStats> for RecordingStats {
    fn from(it: control_api::RecordingStats) -> Self {
        Self {
            duration_ms: it.duration_ms as f64,
            bytes: it.bytes as f64,
            free_bytes: it.free_bytes.map(|bytes| bytes as f64),
            room_s: it.room_s.map(|seconds| seconds as f64),
        }
    }
}

impl From<control_api::ReplayStats> for ReplayStats {
    fn from(it: control_api::ReplayStats) -> Self {
        Self { duration_ms: it.duration_ms as f64, bytes: it.bytes as f64, most_bytes: it.most_bytes as f64 }
    }
}

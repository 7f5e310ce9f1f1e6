//! Further canvases: mirrors of the engine's own types.

use napi_derive::napi;

use crate::codec::Codec;
use crate::input::VideoSettings;
use crate::output::Problem;

/// A picture of its own beside the main one: a scene, an encoder, destinations.
#[napi(object)]
pub struct CanvasSettings {
    /// Letters, digits, `_`, `-`, at most 64.
    pub id: String,
    /// As a person calls it.
    pub name: String,
    /// One scene of a scene file, as JSON text. Its canvas decides the aspect.
    pub scene: String,
    /// Size, rate and quality of its own encode; the shorter side holds, the longer one follows the aspect.
    pub settings: VideoSettings,
    /// As what it is encoded: `"h264"`, `"hevc"` or `"av1"`; H.264 where absent.
    pub codec: Option<Codec>,
}

/// One further canvas.
#[napi(object)]
pub struct CanvasState {
    /// As `set_canvas` named it.
    pub id: String,
    /// As a person calls it.
    pub name: String,
    /// Its scene's name.
    pub scene: String,
    /// As encoded while nothing holds it back.
    pub settings: VideoSettings,
    /// As what it is encoded.
    pub codec: Codec,
    /// It is drawn and encoded; else it waits for the capture, or has failed.
    pub live: bool,
    /// The encoder in use.
    pub encoder: Option<String>,
    /// Why it is not encoded, where something went wrong.
    pub problem: Option<Problem>,
}

/// The figures of one further canvas, of one second.
#[napi(object)]
pub struct CanvasStats {
    /// Which.
    pub id: String,
    /// Pictures encoded, keep-alive ones included.
    pub fps_encoded: f64,
    /// Pictures lost between capture and encoder.
    pub fps_dropped: f64,
    /// Mean time of one encode, milliseconds.
    pub encode_ms: f64,
    /// Mean time of drawing and converting one, milliseconds.
    pub compose_ms: Option<f64>,
    /// Video bits encoded, kbit/s.
    pub video_kbps: f64,
    /// Video kbit/s aimed at now.
    pub target_kbps: u32,
    /// The share of the second that its thread worked on pictures.
    pub cores: f64,
}

/// Whether there is room for a canvas, and if not, why.
#[napi(string_enum = "snake_case")]
pub enum CanvasRoom {
    Enough,
    PictureTooSlow,
    MachineFull,
    MachineShort,
}

/// What a canvas would cost, by what was measured on this machine.
#[napi(object)]
pub struct CanvasCost {
    /// What one of its pictures is thought to take, milliseconds.
    pub ms_per_picture: f64,
    /// Processor time beyond what is used now, cores.
    pub cores: f64,
    /// In use now by all programs, cores; where nothing runs yet, what is planned to.
    pub busy_cores: f64,
    /// What the machine has.
    pub machine_cores: f64,
    /// Whether it was measured on pictures of this stream; else on the encoders' own.
    pub measured_live: bool,
    /// The verdict.
    pub room: CanvasRoom,
}

impl From<CanvasSettings> for control_api::CanvasSettings {
    fn from(it: CanvasSettings) -> Self {
        let codec = it.codec.map(Into::into).unwrap_or_default();
        Self { id: it.id, name: it.name, scene: it.scene, settings: it.settings.into(), codec }
    }
}

impl From<control_api::CanvasState> for CanvasState {
    fn from(it: control_api::CanvasState) -> Self {
        Self {
            id: it.id,
            name: it.name,
            scene: it.scene,
            settings: it.settings.into(),
            codec: it.codec.into(),
            live: it.live,
            encoder: it.encoder,
            problem: it.problem.map(Into::into),
        }
    }
}

impl From<control_api::CanvasStats> for CanvasStats {
    fn from(it: control_api::CanvasStats) -> Self {
        Self {
            id: it.id,
            fps_encoded: it.fps_encoded,
            fps_dropped: it.fps_dropped,
            encode_ms: it.encode_ms,
            compose_ms: it.compose_ms,
            video_kbps: it.video_kbps,
            target_kbps: it.target_kbps,
            cores: it.cores,
        }
    }
}

impl From<control_api::CanvasCost> for CanvasCost {
    fn from(it: control_api::CanvasCost) -> Self {
        let room = match it.room {
            control_api::CanvasRoom::Enough => CanvasRoom::Enough,
            control_api::CanvasRoom::PictureTooSlow => CanvasRoom::PictureTooSlow,
            control_api::CanvasRoom::MachineFull => CanvasRoom::MachineFull,
            control_api::CanvasRoom::MachineShort => CanvasRoom::MachineShort,
        };
        Self {
            ms_per_picture: it.ms_per_picture,
            cores: it.cores,
            busy_cores: it.busy_cores,
            machine_cores: it.machine_cores,
            measured_live: it.measured_live,
            room,
        }
    }
}

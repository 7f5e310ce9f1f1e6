//! What is said of further canvases, from outside and to it.

use serde::{Deserialize, Serialize};

use media::VideoCodec;

use crate::{Problem, VideoSettings};

/// A picture of its own beside the main one: a scene, an encoder, destinations.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanvasSettings {
    /// The caller's name for it, used in all that follows: letters, digits, `_`, `-`, at most 64.
    pub id: String,
    /// As a person calls it.
    pub name: String,
    /// One scene of a scene file, as JSON text. Its canvas decides the aspect.
    pub scene: String,
    /// Size, rate and quality of its own encode; the shorter side holds, the longer one follows the aspect.
    pub settings: VideoSettings,
    /// As what it is encoded. Another one than H.264 goes to files and to what [`crate::CodecChoice::taken_by`] names.
    #[serde(default)]
    pub codec: VideoCodec,
}

/// One further canvas.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    pub codec: VideoCodec,
    /// It is drawn and encoded; else it waits for the capture, or has failed.
    pub live: bool,
    /// The encoder in use.
    pub encoder: Option<String>,
    /// Why it is not encoded, where something went wrong.
    pub problem: Option<Problem>,
}

/// The figures of one further canvas, of one second.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct CanvasStats {
    /// Which.
    pub id: String,
    /// Pictures encoded in the second, keep-alive ones included.
    pub fps_encoded: f64,
    /// Pictures lost between capture and encoder in the second.
    pub fps_dropped: f64,
    /// Mean time of one encode, milliseconds.
    pub encode_ms: f64,
    /// Mean time of drawing and converting one, milliseconds; `None` where none was composed.
    pub compose_ms: Option<f64>,
    /// Video bits encoded in the second, kbit/s.
    pub video_kbps: f64,
    /// Video kbit/s aimed at now.
    pub target_kbps: u32,
    /// The share of the second that its thread worked on pictures.
    pub cores: f64,
}

/// Whether there is room for a canvas, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CanvasRoom {
    /// There is.
    Enough,
    /// One of its pictures takes longer than there is time to the next.
    PictureTooSlow,
    /// The machine's processors would be full.
    MachineFull,
    /// Pictures are left out already, as the machine can't do more.
    MachineShort,
}

/// What a canvas would cost, by what was measured on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CanvasCost {
    /// What one of its pictures is thought to take, milliseconds.
    pub ms_per_picture: f64,
    /// Processor time beyond what is used now, cores.
    pub cores: f64,
    /// In use now by all programs that give way to no other, cores; where nothing runs yet, what is planned to.
    pub busy_cores: f64,
    /// What the machine has.
    pub machine_cores: f64,
    /// Whether it was measured on pictures of this stream; else on the encoders' own.
    pub measured_live: bool,
    /// The verdict.
    pub room: CanvasRoom,
}

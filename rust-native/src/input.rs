//! What JavaScript sends, and its way into the engine's own types.

use media::Secret;
use napi_derive::napi;

use crate::audio::{AudioInputChange, AudioSource};
use crate::canvas::CanvasSettings;
use crate::codec::Codec;
use crate::hot_keys::HotKey;
use crate::tuning::Tuning;

/// One request to the engine; what each does is told at the engine's own type of the same name.
#[napi(discriminant_case = "snake_case")]
pub enum Command {
    ListSources,
    DescribeSources { ids: Vec<String> },
    ProbeEncoders,
    SelectAudio { microphone: Option<String>, system_sound: bool },
    StartCapture { source_id: String, settings: VideoSettings, cursor: bool },
    SetScene { scene: String, transition: Transition, settings: VideoSettings, cursor: bool },
    RememberSource { source_id: String, token: Option<String> },
    StopCapture,
    ChangeResolution { width: u32, height: u32 },
    SetFrameRate { fps: u32 },
    SetBitrate { kbps: u32 },
    SetGop { seconds: f64 },
    SetTuning { tuning: Tuning },
    MuteAudio { input: AudioInput, muted: bool },
    SetVolume { input: AudioInput, volume: f64 },
    AddAudioInput { id: String, source: AudioSource },
    RemoveAudioInput { id: String },
    SetAudioInput { id: String, change: AudioInputChange },
    ListenAudio { device: Option<String> },
    SetHotKeys { keys: Vec<HotKey> },
    PressKey { code: String, down: bool },
    ResetLoudness,
    StartPublish { destination: Destination },
    StopPublish,
    AddDestination { id: String, name: String, destination: Destination, canvas: Option<String> },
    RemoveDestination { id: String },
    StartDestination { id: String },
    StopDestination { id: String },
    RetryDestination { id: String },
    TestDestination { destination: Destination, codec: Option<Codec> },
    ChoosePrimary { id: String },
    SetCanvas { canvas: CanvasSettings, force: bool },
    RemoveCanvas { id: String },
    EstimateCanvas { canvas: CanvasSettings },
    EstimateSimulcast { canvas: Option<String> },
    StartRecording { recording: Recording },
    StopRecording,
    PauseRecording { paused: bool },
    AddChapter { title: String },
    StartReplay { seconds: f64 },
    SaveReplay { folder: String, format: RecordFormat },
    StopReplay,
    StartLocalServer { reach: Reach, port: u32, view_token: Option<String> },
    StopLocalServer,
    OpenPreview,
    ExcludeWindow { window: Option<u32> },
    SetCardTexts { texts: Vec<CardText> },
    Stats,
}

/// What the card of a source without a picture says, for the code of the problem that took it.
#[napi(object)]
pub struct CardText {
    pub code: String,
    pub text: String,
}

/// How a scene follows the one before it; a fade takes 1 to 10000 ms.
#[napi(discriminant = "kind", discriminant_case = "snake_case")]
pub enum Transition {
    Cut,
    Fade { ms: u32 },
}

/// The encode's settings.
#[napi(object)]
pub struct VideoSettings {
    /// Pixels, even, 16 to 7680.
    pub width: u32,
    /// Pixels, even, 16 to 4320.
    pub height: u32,
    /// Pictures per second, 1 to 240.
    pub fps: u32,
    /// kbit/s, 50 to 100000.
    pub kbps: u32,
    /// Seconds from one keyframe to the next, 0.25 to 20.
    pub gop_seconds: f64,
}

/// A file format of recordings.
#[napi(string_enum = "snake_case")]
pub enum RecordFormat {
    // The macro's own case would be `mp_4`.
    #[napi(value = "mp4")]
    Mp4,
    Mkv,
}

/// What to record, and where.
#[napi(object)]
pub struct Recording {
    /// An existing folder.
    pub folder: String,
    /// The file's name without extension; `{date}` and `{time}` are filled in.
    pub name: Option<String>,
    /// Of all parts.
    pub format: RecordFormat,
    /// Rewrite a finished MP4 as a plain one.
    pub plain: bool,
    /// Begin a new part after so many minutes.
    pub split_minutes: Option<f64>,
    /// Begin a new part after so many MiB.
    pub split_mib: Option<f64>,
    /// Beside the mix, each input on a track of its own, as it is in the mix. An input that is added later begins a new
    /// part.
    pub input_tracks: bool,
    /// The further canvas that is recorded; absent: the main one.
    pub canvas: Option<String>,
}

/// A sound input of the mix.
#[napi(string_enum = "snake_case")]
pub enum AudioInput {
    Microphone,
    SystemSound,
    All,
}

/// Who may reach the embedded server.
#[napi(string_enum = "snake_case")]
pub enum Reach {
    Loopback,
    Network,
}

/// Where a stream goes.
#[napi(discriminant = "kind", discriminant_case = "snake_case")]
pub enum Destination {
    LocalServer,
    Whip { url: String, key: Option<String>, simulcast: bool },
    Backend { url: String, key: Option<String> },
    Rtmp { url: String, key: Option<String>, prefer_opus: bool },
    Srt { url: String, passphrase: Option<String>, stream_id: Option<String>, latency_ms: Option<u32> },
    MpegTs { url: String },
    Rtp { url: String, sdp_file: Option<String> },
}

impl From<Command> for control_api::Command {
    fn from(command: Command) -> Self {
        match command {
            Command::ListSources => Self::ListSources,
            Command::DescribeSources { ids } => Self::DescribeSources { ids },
            Command::ProbeEncoders => Self::ProbeEncoders,
            Command::SelectAudio { microphone, system_sound } => Self::SelectAudio { microphone, system_sound },
            Command::StartCapture { source_id, settings, cursor } => {
                Self::StartCapture { source_id, settings: settings.into(), cursor }
            }
            Command::SetScene { scene, transition, settings, cursor } => {
                let transition = match transition {
                    Transition::Cut => control_api::Transition::Cut,
                    Transition::Fade { ms } => control_api::Transition::Fade { ms },
                };
                Self::SetScene { scene, transition, settings: settings.into(), cursor }
            }
            Command::RememberSource { source_id, token } => {
                Self::RememberSource { source_id, token: token.map(media::Secret::new) }
            }
            Command::StopCapture => Self::StopCapture,
            Command::ChangeResolution { width, height } => Self::ChangeResolution { width, height },
            Command::SetFrameRate { fps } => Self::SetFrameRate { fps },
            Command::SetBitrate { kbps } => Self::SetBitrate { kbps },
            Command::SetGop { seconds } => Self::SetGop { seconds },
            Command::SetTuning { tuning } => Self::SetTuning { tuning: tuning.into() },
            Command::MuteAudio { input, muted } => Self::MuteAudio { input: input.into(), muted },
            Command::SetVolume { input, volume } => Self::SetVolume { input: input.into(), volume },
            Command::AddAudioInput { id, source } => Self::AddAudioInput { id, source: source.into() },
            Command::RemoveAudioInput { id } => Self::RemoveAudioInput { id },
            Command::SetAudioInput { id, change } => Self::SetAudioInput { id, change: change.into() },
            Command::ListenAudio { device } => Self::ListenAudio { device },
            Command::SetHotKeys { keys } => Self::SetHotKeys { keys: keys.into_iter().map(Into::into).collect() },
            Command::PressKey { code, down } => Self::PressKey { code, down },
            Command::ResetLoudness => Self::ResetLoudness,
            Command::StartPublish { destination } => Self::StartPublish { destination: destination.into() },
            Command::StopPublish => Self::StopPublish,
            Command::AddDestination { id, name, destination, canvas } => {
                Self::AddDestination { id, name, destination: destination.into(), canvas }
            }
            Command::RemoveDestination { id } => Self::RemoveDestination { id },
            Command::StartDestination { id } => Self::StartDestination { id },
            Command::StopDestination { id } => Self::StopDestination { id },
            Command::RetryDestination { id } => Self::RetryDestination { id },
            Command::TestDestination { destination, codec } => Self::TestDestination {
                destination: destination.into(),
                codec: codec.map(Into::into).unwrap_or_default(),
            },
            Command::ChoosePrimary { id } => Self::ChoosePrimary { id },
            Command::SetCanvas { canvas, force } => Self::SetCanvas { canvas: canvas.into(), force },
            Command::RemoveCanvas { id } => Self::RemoveCanvas { id },
            Command::EstimateCanvas { canvas } => Self::EstimateCanvas { canvas: canvas.into() },
            Command::EstimateSimulcast { canvas } => Self::EstimateSimulcast { canvas },
            Command::StartRecording { recording } => Self::StartRecording { recording: recording.into() },
            Command::StopRecording => Self::StopRecording,
            Command::PauseRecording { paused } => Self::PauseRecording { paused },
            Command::AddChapter { title } => Self::AddChapter { title },
            Command::StartReplay { seconds } => Self::StartReplay { seconds },
            Command::SaveReplay { folder, format } => Self::SaveReplay { folder, format: format.into() },
            Command::StopReplay => Self::StopReplay,
            Command::StartLocalServer { reach, port, view_token } => Self::StartLocalServer {
                reach: reach.into(),
                // The engine refuses the port that can't be bound; one that can't exist becomes "any".
                port: u16::try_from(port).unwrap_or(0),
                view_token: view_token.map(Secret::new),
            },
            Command::StopLocalServer => Self::StopLocalServer,
            Command::OpenPreview => Self::OpenPreview,
            Command::ExcludeWindow { window } => Self::ExcludeWindow { window },
            Command::SetCardTexts { texts } => {
                let text = |CardText { code, text }| control_api::CardText { code, text };
                Self::SetCardTexts { texts: texts.into_iter().map(text).collect() }
            }
            Command::Stats => Self::Stats,
        }
    }
}

impl From<VideoSettings> for control_api::VideoSettings {
    fn from(s: VideoSettings) -> Self {
        Self { width: s.width, height: s.height, fps: s.fps, kbps: s.kbps, gop_seconds: s.gop_seconds }
    }
}

impl From<RecordFormat> for control_api::RecordFormat {
    fn from(format: RecordFormat) -> Self {
        match format {
            RecordFormat::Mp4 => Self::Mp4,
            RecordFormat::Mkv => Self::Mkv,
        }
    }
}

impl From<Recording> for control_api::Recording {
    fn from(it: Recording) -> Self {
        Self {
            folder: it.folder,
            name: it.name,
            format: it.format.into(),
            plain: it.plain,
            split_minutes: it.split_minutes,
            split_mib: it.split_mib,
            input_tracks: it.input_tracks,
            canvas: it.canvas,
        }
    }
}

impl From<AudioInput> for control_api::AudioInput {
    fn from(input: AudioInput) -> Self {
        match input {
            AudioInput::Microphone => Self::Microphone,
            AudioInput::SystemSound => Self::SystemSound,
            AudioInput::All => Self::All,
        }
    }
}

impl From<Reach> for control_api::Reach {
    fn from(reach: Reach) -> Self {
        match reach {
            Reach::Loopback => Self::Loopback,
            Reach::Network => Self::Network,
        }
    }
}

impl From<Destination> for control_api::Destination {
    fn from(destination: Destination) -> Self {
        match destination {
            Destination::LocalServer => Self::LocalServer,
            Destination::Whip { url, key, simulcast } => Self::Whip { url, key: key.map(Secret::new), simulcast },
            Destination::Backend { url, key } => Self::Backend { url, key: key.map(Secret::new) },
            Destination::Rtmp { url, key, prefer_opus } => Self::Rtmp { url, key: key.map(Secret::new), prefer_opus },
            Destination::Srt { url, passphrase, stream_id, latency_ms } => Self::Srt {
                url,
                passphrase: passphrase.map(Secret::new),
                stream_id: stream_id.map(Secret::new),
                latency_ms,
            },
            Destination::MpegTs { url } => Self::MpegTs { url },
            Destination::Rtp { url, sdp_file } => Self::Rtp { url, sdp_file },
        }
    }
}

//! What can be asked of the engine, and what it answers. `snake_case` on the wire.

use media::{Secret, VideoCodec};
use serde::{Deserialize, Serialize};

use crate::audio::{AudioInputChange, AudioSource};
use crate::canvas::{CanvasCost, CanvasSettings};
use crate::hot_keys::HotKey;
use crate::recording::{RecordFormat, Recording};
use crate::tuning::Tuning;

/// One request. Each has exactly one [`Reply`] or one error; what follows from it comes as events.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Every monitor, window and sound device that can be captured now. Replies [`Reply::Sources`].
    ListSources,
    /// What the sources of those ids are now, listed or not: regions, texts, windows by their lasting id. Replies
    /// [`Reply::Described`].
    DescribeSources {
        /// Ids as `start_capture` takes them.
        ids: Vec<String>,
    },
    /// Tries every encoder and measures this machine. Replies [`Reply::Encoders`]; takes up to two seconds.
    ProbeEncoders,
    /// Opens (or closes, with `None`/`false`) the sound inputs; their meters run from then on.
    SelectAudio {
        /// A device id of [`Sources::microphones`], `"default"`, or `None` for none.
        microphone: Option<String>,
        /// What the speakers play.
        system_sound: bool,
    },
    /// Starts capturing and encoding; while capturing, changes to another source without a restart.
    StartCapture {
        /// An id of [`Sources::video`].
        source_id: String,
        /// The size, rate and quality to start with.
        settings: VideoSettings,
        /// Draw the mouse pointer into the picture.
        cursor: bool,
    },
    /// Shows a scene, live: starts, or goes over to it without a restart. Viewers stay connected.
    SetScene {
        /// One scene of a scene file, as JSON text.
        scene: String,
        /// How it follows what is live.
        transition: scene::Transition,
        /// As for `start_capture`; the picture gets the canvas's aspect, and the shorter side stays.
        settings: VideoSettings,
        /// Draw the mouse pointer into the picture.
        cursor: bool,
    },
    /// What an earlier [`crate::Event::SourceGranted`] brought: the desktop then shares the same screen or window
    /// again without asking. `None` forgets it.
    RememberSource {
        /// Of that event.
        source_id: String,
        /// Of that event; good once, and followed by another.
        token: Option<Secret>,
    },
    /// Stops capturing; a running publication ends too.
    StopCapture,
    /// Encodes at another size from the next keyframe on; viewers stay connected.
    ChangeResolution {
        /// Pixels, even, 16 to 7680.
        width: u32,
        /// Pixels, even, 16 to 4320.
        height: u32,
    },
    /// Pictures per second, 1 to 240.
    SetFrameRate { fps: u32 },
    /// Video bitrate in kbit/s, 50 to 100000.
    SetBitrate { kbps: u32 },
    /// Seconds from one keyframe to the next, 0.25 to 20.
    SetGop { seconds: f64 },
    /// As what pictures are encoded, from the next capture on: `"h264"` (every destination, and the only one of the
    /// preview and of WebRTC), `"hevc"` or `"av1"`. Refused where no encoder here makes it, with each one's reason.
    SetCodec {
        /// Of the first canvas's encode, whatever reads it; further canvases are H.264.
        codec: VideoCodec,
    },
    /// What the engine may change by itself, and for what.
    SetTuning { tuning: Tuning },
    /// Silences an input (or all of them) in the stream; its meter goes on.
    MuteAudio { input: AudioInput, muted: bool },
    /// Linear gain of an input, 0 to 4; 1 leaves it as it is.
    SetVolume { input: AudioInput, volume: f64 },
    /// Adds an input to the mix, or gives one another source. One whose device is not there is added too: it is
    /// tried again each second, and a warning says why it is silent.
    AddAudioInput {
        /// Chosen by the caller, so that settings and meters can name it: letters, digits, `_`, `-`, at most 64.
        id: String,
        /// What it records.
        source: AudioSource,
    },
    /// Closes an input and forgets it; `"microphone"` and `"system_sound"` are only closed.
    RemoveAudioInput { id: String },
    /// Changes what is set on an input: all of it, or nothing and an error.
    SetAudioInput { id: String, change: AudioInputChange },
    /// Plays the monitored inputs to a device of [`Sources::speakers`], `"default"`, or `None` for nowhere.
    ListenAudio { device: Option<String> },
    /// The keys that act, in place of those of before: everywhere, where the system lets a program see them; see
    /// [`crate::State::hot_keys_problem`].
    SetHotKeys { keys: Vec<HotKey> },
    /// A key went down or up in the app's own window. Heard only while the keys can't be seen everywhere.
    PressKey {
        /// As in [`crate::Chord::code`].
        code: String,
        /// Or up.
        down: bool,
    },
    /// Starts the integrated loudness of the mix over.
    ResetLoudness,
    /// Sends the running stream to a destination.
    StartPublish { destination: Destination },
    /// Ends the publication; the capture and the preview go on.
    StopPublish,
    /// Adds a destination, at rest; one of that id is changed, and connects anew where it ran.
    AddDestination {
        /// The caller's name for it, used in all that follows.
        id: String,
        /// As a person calls it.
        name: String,
        /// Where to.
        destination: Destination,
        /// The further canvas that it takes; absent: the main one.
        #[serde(default)]
        canvas: Option<String>,
    },
    /// Ends and forgets a destination.
    RemoveDestination { id: String },
    /// Sends the running stream there too.
    StartDestination { id: String },
    /// Ends it there; the others go on.
    StopDestination { id: String },
    /// Tries again now: one that waits for its next attempt, or one that has given up.
    RetryDestination { id: String },
    /// Connects as far as the server's "yes" to pictures so coded and leaves again; takes up to 15 seconds.
    TestDestination { destination: Destination, codec: VideoCodec },
    /// Chooses the destination that owns its canvas's bitrate.
    ChoosePrimary { id: String },
    /// Adds a further canvas, or changes the one of that id, live: a scene with an encoder and destinations of its own.
    SetCanvas {
        /// All of it.
        canvas: CanvasSettings,
        /// Also where the machine has no room for it, which is `no_room_for_canvas` otherwise.
        force: bool,
    },
    /// Ends a further canvas and what it sends; the others go on.
    RemoveCanvas { id: String },
    /// What that canvas would cost. Replies [`Reply::CanvasCost`]; takes up to two seconds where nothing was measured yet.
    EstimateCanvas { canvas: CanvasSettings },
    /// What the lower encodings of simulcast would cost for a canvas, the main one where none is named. Replies
    /// [`Reply::CanvasCost`]; takes up to two seconds where nothing was measured yet.
    EstimateSimulcast { canvas: Option<String> },
    /// Records the running stream to disk, live or not. [`crate::Event::Saved`] names each finished file.
    StartRecording { recording: Recording },
    /// Completes the file and closes it.
    StopRecording,
    /// Takes nothing in (or goes on, at the next keyframe); the file's time stands still meanwhile.
    PauseRecording { paused: bool },
    /// A chapter mark at this moment of the recording.
    AddChapter { title: String },
    /// Keeps the last seconds of the stream in memory, 1 to 300.
    StartReplay { seconds: f64 },
    /// Writes what the replay buffer holds, from a keyframe on, to a new file in the folder.
    SaveReplay { folder: String, format: RecordFormat },
    /// Forgets the replay buffer.
    StopReplay,
    /// Starts the embedded live server. Replies [`Reply::LocalServer`].
    StartLocalServer {
        /// Who may reach it.
        reach: Reach,
        /// TCP port of its pages; 0 takes a free one.
        port: u16,
        /// The view token of an earlier server, so that a link given out stays good after a restart.
        view_token: Option<Secret>,
    },
    /// Stops the embedded live server; its viewers are disconnected.
    StopLocalServer,
    /// Where the preview is signalled. Replies [`Reply::Preview`]; the token is good for one connection.
    OpenPreview,
    /// Names the app's own window, whose changes alone are no reason to send a picture.
    ExcludeWindow {
        /// The native handle: on X11 the window's XID.
        window: Option<u32>,
    },
    /// What cards in the picture say, in the user's language; the others stay English.
    SetCardTexts {
        /// At most 200.
        texts: Vec<CardText>,
    },
    /// The figures of the last second. Replies [`Reply::Stats`].
    Stats,
}

/// What the card of a source without a picture says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardText {
    /// Of the problem that took the picture: `"source_closed"`, ….
    pub code: String,
    /// One line, at most 300 characters.
    pub text: String,
}

/// The encode's settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// A sound input of the mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioInput {
    /// The chosen microphone.
    Microphone,
    /// What the speakers play.
    SystemSound,
    /// Every input.
    All,
}

/// Who may reach the embedded server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Programs on this machine.
    Loopback,
    /// Every machine that can reach this one, with the view token.
    Network,
}

/// Where a stream goes.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Destination {
    /// The embedded server, which must run.
    LocalServer,
    /// Any server that speaks WHIP (RFC 9725).
    Whip {
        /// `http://` or `https://`.
        url: String,
        /// The bearer token, if the server wants one.
        key: Option<Secret>,
        /// Offer the picture in half and a quarter of its size beside it (RFC 8853), for SFUs that choose for each
        /// viewer; what the server does not take is not encoded.
        #[serde(default)]
        simulcast: bool,
    },
    /// A backend that speaks our signalling over a WebSocket, for SFUs that have no WHIP.
    Backend {
        /// `ws://` or `wss://`.
        url: String,
        /// The bearer token, if the server wants one.
        key: Option<Secret>,
    },
    /// An RTMP or RTMPS server: H.264 and AAC; HEVC or AV1 where it lists them (Enhanced RTMP).
    Rtmp {
        /// `rtmp://` or `rtmps://`, with the stream's name at its end where there is no key.
        url: String,
        /// The stream key.
        key: Option<Secret>,
        /// Send Opus where the server lists it (Enhanced RTMP).
        #[serde(default)]
        prefer_opus: bool,
    },
    /// MPEG-TS over SRT: H.264 or HEVC, and AAC.
    Srt {
        /// `srt://host:port`, or `srt://:port` to wait for a caller.
        url: String,
        /// 10 to 79 characters; both sides need the same.
        passphrase: Option<Secret>,
        /// Free form or `#!::k=v,…`; often the stream key.
        stream_id: Option<Secret>,
        /// How long the receiver waits for what was lost, milliseconds; 120 where absent.
        latency_ms: Option<u32>,
    },
    /// MPEG-TS over plain UDP or TCP.
    MpegTs {
        /// `udp://host:port` or `tcp://host:port`.
        url: String,
    },
    /// RTP to one address or group: H.264 and Opus.
    Rtp {
        /// `rtp://host:port`: the picture's port; three more above it are used for sound and reports.
        url: String,
        /// Where the description that players open (SDP) is written, if anywhere.
        sdp_file: Option<String>,
    },
}

/// The answer to one [`Command`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "one for each command, passed on at once: a box would only be in the way")]
pub enum Reply {
    /// Taken; its effect comes as events.
    Done,
    /// To `list_sources`.
    Sources(Sources),
    /// To `describe_sources`.
    Described(Described),
    /// To `probe_encoders`.
    Encoders(Encoders),
    /// To `start_local_server`.
    LocalServer(LocalServer),
    /// To `open_preview`.
    Preview(Preview),
    /// To `estimate_canvas` and `estimate_simulcast`.
    CanvasCost(CanvasCost),
    /// To `stats`.
    Stats(crate::Stats),
}

/// Everything that can be captured now.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    /// What could not be listed, and why ("no_display", "no_sound_server", "not_supported_here").
    pub problems: Vec<crate::Problem>,
}

/// What became of some ids.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Described {
    /// Those that are sources, in the order that was asked.
    pub sources: Vec<VideoSourceInfo>,
    /// The others.
    pub problems: Vec<SourceProblem>,
}

/// An id that is no source now, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceProblem {
    /// As it was asked.
    pub id: String,
    /// Why.
    pub problem: crate::Problem,
}

/// Something that gives a picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VideoSourceInfo {
    /// Names it in `start_capture`; stable while it exists.
    pub id: String,
    /// Names it in `start_capture` also after a restart: a window by its program and title, else the id.
    pub lasting_id: String,
    /// `"monitor"`, `"window"`, `"game"`, `"region"`, `"portal"`, `"camera"`, `"image"`, `"text"`, `"color"` or `"pattern"`.
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
    /// A JPEG of it now, at the local endpoint, with the token of that page: valid while the engine runs.
    pub thumbnail_url: String,
    /// A listed camera's own microphone: an id of [`Sources::microphones`], where one is sure to be that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub microphone: Option<String>,
}

/// One microphone, speaker or program.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MicrophoneInfo {
    /// Names it in `select_audio` and in an [`AudioSource`].
    pub id: String,
    /// As the system shows it.
    pub name: String,
}

/// What can encode here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Encoders {
    /// The one that will be used: `"h264_nvenc"`, `"libx264"`, `"openh264"`, ….
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

/// A codec that an encode may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodecChoice {
    /// Which.
    pub codec: VideoCodec,
    /// The encoder that makes it here; `None` where none does.
    pub encoder: Option<String>,
    /// Those that do not, each with its reason.
    pub refused: Vec<RefusedEncoder>,
    /// The kinds of destinations ([`Destination::kind`]) that take it. An RTMP server says so itself when it is asked.
    pub taken_by: Vec<String>,
}

/// An encoder that can't be used here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedEncoder {
    /// Its name in libavcodec.
    pub name: String,
    /// Why, in words.
    pub reason: String,
}

/// A running embedded server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LocalServer {
    /// TCP port of its pages.
    pub port: u16,
    /// The page to give to viewers, the view token in it; by the address other machines reach, where there is one.
    pub view_url: String,
    /// The same page for a browser on this machine.
    pub loopback_view_url: String,
    /// Who may reach it.
    pub reach: Reach,
    /// The view token alone, to be given back to `start_local_server` after a restart.
    pub view_token: String,
}

/// Where the preview is signalled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// `ws://127.0.0.1:PORT/preview`.
    pub url: String,
    /// Good for one connection: `?token=`.
    pub token: String,
}

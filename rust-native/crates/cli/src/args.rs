//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use control_api::{Effort, Held, Preset, Tuning, VideoSettings};
use media::VideoCodec;

/// Tidecast without a window.
#[derive(Debug, Parser)]
#[command(name = "tidecast", version, args_override_self = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List what can be captured
    Sources {
        /// As one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Try every encoder and say which one is used, as one line of JSON
    Encoders,
    /// Capture, encode and send until the time is over or Ctrl-C
    Stream(Box<StreamOptions>),
}

#[derive(Debug, Args)]
pub(crate) struct StreamOptions {
    /// Options from this TOML file, each by its name here without the dashes: `fps = 60`, `no-cursor = true`,
    /// `to = ["…", "…"]`; those of the command line win, lists are added to
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    /// A source's id: one of `tidecast sources`, `region:MONITOR-ID:x,y,w,h`, `x11:find:PROGRAM?title=TITLE`,
    /// `image:/path`, `text:Hello?size=72&color=ffffff`, `color:ff8000`, `pattern:bars`; `wayland:portal[:NAME]` for
    /// what a Wayland desktop asks its user about; or `first-monitor`
    #[arg(long, default_value = "first-monitor")]
    pub(crate) source: String,
    /// Show the first scene of this file instead of one source; its canvas decides the aspect
    #[arg(long, conflicts_with = "source")]
    pub(crate) scene: Option<std::path::PathBuf>,
    /// Let a Wayland desktop ask again which screen or window to share: what it allowed is remembered otherwise
    #[arg(long)]
    pub(crate) ask_again: bool,
    /// Encode at this size, e.g. 1280x720
    #[arg(long, default_value = "1280x720", value_parser = parse_size)]
    pub(crate) size: (u32, u32),
    /// Pictures per second
    #[arg(long, default_value_t = VideoSettings::DEFAULT.fps)]
    pub(crate) fps: u32,
    /// Video bitrate in kbit/s
    #[arg(long, default_value_t = VideoSettings::DEFAULT.kbps)]
    pub(crate) kbps: u32,
    /// h264, which everything takes; hevc (a graphics card) or av1, for files, for RTMP servers that list them, and
    /// hevc for SRT and MPEG-TS
    #[arg(long, default_value = "h264")]
    pub(crate) codec: VideoCodec,
    /// Seconds from one keyframe to the next
    #[arg(long, default_value_t = VideoSettings::DEFAULT.gop_seconds)]
    pub(crate) gop: f64,
    /// Leave the mouse pointer out of the picture
    #[arg(long)]
    pub(crate) no_cursor: bool,
    /// Send what the speakers play
    #[arg(long)]
    pub(crate) system_sound: bool,
    /// Send a microphone: an id of `tidecast sources`, or `default`
    #[arg(long)]
    pub(crate) microphone: Option<String>,
    /// Add an input to the mix, as often as wanted: KIND[:DEVICE][,OPTION]…, such as `microphone:default,gain=-6,noise`,
    /// `system-sound,delay=120` or `program:firefox,compressor=-20:4,limiter=-3`. KIND: microphone, system-sound,
    /// program. OPTION: id=NAME, gain=DB, delay=MS, mute, solo; and filters in their order: noise, gate[=DB],
    /// compressor[=DB[:RATIO]], limiter[=DB], equalizer=LOW:MID:HIGH
    #[arg(long, value_parser = crate::audio::parse)]
    pub(crate) audio: Vec<crate::audio::AudioLine>,
    /// More inputs from a JSON file: a list of {"id", "source", "settings"}, with every setting of a filter
    #[arg(long)]
    pub(crate) audio_file: Option<std::path::PathBuf>,
    /// A further picture with an encoder of its own, as often as wanted:
    /// NAME[,size=WIDTHxHEIGHT][,fps=N][,kbps=N][,codec=NAME],scene=FILE (or ,source=ID), such as
    /// `tall,size=720x1280,scene=tall.json`; what is left out is as on the main one, and
    /// h264
    #[arg(long, value_parser = crate::canvas::parse)]
    pub(crate) canvas: Vec<crate::canvas::CanvasLine>,
    /// Add every --canvas also where the machine has no room for it
    #[arg(long, requires = "canvas")]
    pub(crate) canvas_anyway: bool,
    /// Where to, as often as wanted: `whip:URL`, `ws:URL`, `rtmp:URL` (or `rtmps://…`), `srt:URL`, `udp:URL`, `tcp:URL`,
    /// `rtp:URL`, or `local` for a server inside this process that the network can reach.
    /// `NAME=KIND:URL` sends the --canvas of that name there
    #[arg(long)]
    pub(crate) to: Vec<String>,
    /// Offer each `whip:` destination the picture in half and a quarter of its size, too, for SFUs that choose for each
    /// viewer (simulcast, RFC 8853); what one does not take is not encoded
    #[arg(long)]
    pub(crate) simulcast: bool,
    /// Write the description that players of an RTP destination open (SDP) to this file
    #[arg(long)]
    pub(crate) sdp: Option<std::path::PathBuf>,
    /// Name of the environment variable that holds the stream key (never the key itself: others can read a
    /// command line)
    #[arg(long, default_value = "TIDECAST_KEY")]
    pub(crate) key_env: String,
    /// A file with one key for each --to in its order, one a line; an empty line is "none"
    #[arg(long, conflicts_with = "key_env")]
    pub(crate) key_file: Option<std::path::PathBuf>,
    /// Record to this file (`.mp4` or `.mkv`), with or without a destination; an existing file is kept beside it
    #[arg(long)]
    pub(crate) record: Option<std::path::PathBuf>,
    /// Record the --canvas of this name instead of the main one
    #[arg(long, requires = "record", requires = "canvas")]
    pub(crate) record_canvas: Option<String>,
    /// In the recording, give each input a track of its own beside the mix, named as it is (`id=NAME` of --audio)
    #[arg(long, requires = "record")]
    pub(crate) record_tracks: bool,
    #[command(flatten)]
    pub(crate) tuning: TuningOptions,
    /// Stop after so many seconds
    #[arg(long)]
    pub(crate) duration: Option<f64>,
    /// Print what happens
    #[arg(long, value_enum)]
    pub(crate) stats: Option<StatsFormat>,
}

/// What the engine may change by itself.
#[derive(Debug, Args)]
pub(crate) struct TuningOptions {
    /// Keep the bitrate whatever the network carries: a slow destination skips pictures
    #[arg(long)]
    no_adapt: bool,
    /// Let the network lower the bitrate of a recording too
    #[arg(long, conflicts_with = "no_adapt")]
    adapt_recording: bool,
    /// Spend more work on a picture where the processor has plenty of room
    #[arg(long)]
    use_room: bool,
    /// Spread fresh blocks over all pictures instead of large keyframes; for WHIP alone
    #[arg(long)]
    intra_refresh: bool,
    /// Leave pictures on the graphics card where its encoder takes them there (untested: nobody has tried it on one)
    #[arg(long)]
    zero_copy: bool,
    /// Encode with this one and no other, by its name in `tidecast encoders`
    #[arg(long, value_name = "NAME")]
    encoder: Option<String>,
    /// x264's preset: ultrafast, superfast or veryfast. It stays: pictures that take too long are left out
    #[arg(long, value_parser = parse_preset, conflicts_with = "use_room")]
    preset: Option<Preset>,
}

impl TuningOptions {
    /// What the engine may not choose by itself.
    pub(crate) fn held(&self) -> Held {
        Held { encoder: self.encoder.clone(), preset: self.preset }
    }

    /// As the engine takes it.
    pub(crate) fn tuning(&self) -> Tuning {
        Tuning {
            adapt: !self.no_adapt,
            adapt_recording: self.adapt_recording,
            effort: if self.use_room { Effort::Room } else { Effort::Least },
            intra_refresh: self.intra_refresh,
            zero_copy: self.zero_copy,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatsFormat {
    /// Every event, one JSON object a line
    Json,
}

pub(crate) fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    sides.ok_or_else(|| "write it as WIDTHxHEIGHT, such as 1280x720".to_owned())
}

fn parse_preset(text: &str) -> Result<Preset, String> {
    let known = [Preset::Ultrafast, Preset::Superfast, Preset::Veryfast];
    known
        .into_iter()
        .find(|preset| preset.name() == text)
        .ok_or_else(|| "write ultrafast, superfast or veryfast".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn sizes_are_two_numbers() {
        assert_eq!(parse_size("1920x1080"), Ok((1920, 1080)));
        assert!(parse_size("1080p").is_err() && parse_size("1x").is_err());
    }
}

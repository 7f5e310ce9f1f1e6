//! The table of encoders: per codec, in the order in which they are tried.

use media::VideoCodec;

use crate::av::{Input, Recipe};

/// What carries a candidate out.
pub(crate) enum Backend {
    Libavcodec(Recipe),
    BuiltIn,
    SvtAv1,
}

/// One row.
pub(crate) struct Candidate {
    pub(crate) codec: VideoCodec,
    pub(crate) hardware: bool,
    pub(crate) backend: Backend,
}

const fn hardware(
    codec: VideoCodec,
    name: &'static str,
    input: Input,
    live_bitrate: bool,
    options: &'static [(&'static str, &'static str)],
) -> Candidate {
    let recipe = Recipe { name, input, options, live_bitrate, threads: false, tunable: false, surfaces: true };
    Candidate { codec, hardware: true, backend: Backend::Libavcodec(recipe) }
}

/// Every candidate of this operating system, in the order in which they are tried.
///
/// Options: constant bitrate, no look-ahead and no queue, IDR where a keyframe is asked for.
pub(crate) static CANDIDATES: &[Candidate] = &[
    #[cfg(any(target_os = "linux", target_os = "windows"))]
    hardware(
        VideoCodec::H264,
        "h264_nvenc",
        Input::Planar,
        true,
        &[
            ("preset", "p2"),
            ("tune", "ull"),
            ("rc", "cbr"),
            ("zerolatency", "1"),
            ("delay", "0"),
            ("forced-idr", "1"),
            ("profile", "baseline"),
        ],
    ),
    #[cfg(any(target_os = "linux", target_os = "windows"))]
    hardware(
        VideoCodec::H264,
        "h264_qsv",
        Input::Nv12,
        false,
        &[("preset", "veryfast"), ("async_depth", "1"), ("forced_idr", "1"), ("profile", "baseline")],
    ),
    #[cfg(target_os = "windows")]
    hardware(
        VideoCodec::H264,
        "h264_amf",
        Input::Nv12,
        false,
        &[
            ("usage", "ultralowlatency"),
            ("quality", "speed"),
            ("rc", "cbr"),
            ("forced_idr", "1"),
            ("profile", "constrained_baseline"),
        ],
    ),
    #[cfg(target_os = "linux")]
    hardware(
        VideoCodec::H264,
        "h264_vaapi",
        Input::VaSurface,
        false,
        &[("rc_mode", "CBR"), ("async_depth", "1"), ("profile", "constrained_baseline")],
    ),
    #[cfg(target_os = "windows")]
    hardware(
        VideoCodec::H264,
        "h264_mf",
        Input::Nv12,
        false,
        &[("rate_control", "cbr"), ("scenario", "display_remoting"), ("hw_encoding", "1")],
    ),
    #[cfg(target_os = "macos")]
    hardware(
        VideoCodec::H264,
        "h264_videotoolbox",
        Input::Planar,
        false,
        &[("realtime", "1"), ("allow_sw", "0"), ("profile", "baseline")],
    ),
    Candidate {
        codec: VideoCodec::H264,
        hardware: false,
        backend: Backend::Libavcodec(Recipe {
            name: "libx264",
            input: Input::Lent,
            // Zero latency: it reads a picture and is done with it when the call returns, which `Lent` relies on.
            options: &[
                ("tune", "zerolatency"),
                ("profile", "baseline"),
                ("forced-idr", "1"),
                ("sc_threshold", "0"),
                ("a53cc", "0"),
            ],
            live_bitrate: true,
            threads: true,
            tunable: true,
            surfaces: false,
        }),
    },
    Candidate { codec: VideoCodec::H264, hardware: false, backend: Backend::BuiltIn },
    #[cfg(any(target_os = "linux", target_os = "windows"))]
    hardware(
        VideoCodec::Hevc,
        "hevc_nvenc",
        Input::Planar,
        true,
        &[
            ("preset", "p2"),
            ("tune", "ull"),
            ("rc", "cbr"),
            ("zerolatency", "1"),
            ("delay", "0"),
            ("forced-idr", "1"),
            ("profile", "main"),
        ],
    ),
    #[cfg(any(target_os = "linux", target_os = "windows"))]
    hardware(
        VideoCodec::Hevc,
        "hevc_qsv",
        Input::Nv12,
        false,
        &[("preset", "veryfast"), ("async_depth", "1"), ("forced_idr", "1"), ("profile", "main")],
    ),
    #[cfg(target_os = "windows")]
    hardware(
        VideoCodec::Hevc,
        "hevc_amf",
        Input::Nv12,
        false,
        &[("usage", "ultralowlatency"), ("quality", "speed"), ("rc", "cbr"), ("header_insertion_mode", "idr")],
    ),
    #[cfg(target_os = "linux")]
    hardware(
        VideoCodec::Hevc,
        "hevc_vaapi",
        Input::VaSurface,
        false,
        &[("rc_mode", "CBR"), ("async_depth", "1"), ("profile", "main")],
    ),
    #[cfg(target_os = "windows")]
    hardware(
        VideoCodec::Hevc,
        "hevc_mf",
        Input::Nv12,
        false,
        &[("rate_control", "cbr"), ("scenario", "display_remoting"), ("hw_encoding", "1")],
    ),
    #[cfg(target_os = "macos")]
    hardware(
        VideoCodec::Hevc,
        "hevc_videotoolbox",
        Input::Planar,
        false,
        &[("realtime", "1"), ("allow_sw", "0"), ("profile", "main")],
    ),
    // FFmpeg has these from 6 on (VA-API from 7): the one that is built here refuses them by saying that it has none.
    #[cfg(any(target_os = "linux", target_os = "windows"))]
    hardware(
        VideoCodec::Av1,
        "av1_nvenc",
        Input::Planar,
        true,
        &[("preset", "p2"), ("tune", "ull"), ("rc", "cbr"), ("zerolatency", "1"), ("delay", "0"), ("forced-idr", "1")],
    ),
    #[cfg(any(target_os = "linux", target_os = "windows"))]
    hardware(
        VideoCodec::Av1,
        "av1_qsv",
        Input::Nv12,
        false,
        &[("preset", "veryfast"), ("async_depth", "1"), ("forced_idr", "1")],
    ),
    #[cfg(target_os = "windows")]
    hardware(
        VideoCodec::Av1,
        "av1_amf",
        Input::Nv12,
        false,
        &[("usage", "ultralowlatency"), ("quality", "speed"), ("rc", "cbr"), ("header_insertion_mode", "gop")],
    ),
    #[cfg(target_os = "linux")]
    hardware(VideoCodec::Av1, "av1_vaapi", Input::VaSurface, false, &[("rc_mode", "CBR"), ("async_depth", "1")]),
    Candidate { codec: VideoCodec::Av1, hardware: false, backend: Backend::SvtAv1 },
];

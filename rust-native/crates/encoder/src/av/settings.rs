//! What an encoder of libavcodec is told: its settings, and the options that depend on them.

use std::ffi::c_int;
use std::time::Duration;

use ffmpeg_next::ffi;
use media::VideoCodec;

use super::Recipe;
use super::encoder::TICKS;
use super::raw::Context;
use crate::VideoConfig;
use crate::h264;
use crate::rate::BUFFER_SECONDS;

/// Beyond this, slices cost more bits than threads save time.
const MOST_THREADS: usize = 4;

/// What can't be changed in mid-stream.
pub(super) fn same_options(a: &VideoConfig, b: &VideoConfig) -> bool {
    let refresh = |config: &VideoConfig| config.tune.intra_refresh.then_some(config.gop);
    a.tune.preset == b.tune.preset && a.tune.one_thread == b.tune.one_thread && refresh(a) == refresh(b)
}

/// The recipe's options, and those that the settings choose.
pub(super) fn options(recipe: &Recipe, config: &VideoConfig) -> Vec<(&'static str, &'static str)> {
    let mut options = recipe.options.to_vec();
    if recipe.tunable {
        options.push(("preset", config.tune.preset.name()));
        if config.tune.intra_refresh {
            options.push(("intra-refresh", "1"));
        }
    }
    options
}

pub(super) fn refreshes(recipe: &Recipe, config: &VideoConfig) -> bool {
    recipe.tunable && config.tune.intra_refresh
}

/// From one IDR to the next where nobody asks for one; without end where blocks are refreshed instead.
pub(super) fn idr_distance(recipe: &Recipe, config: &VideoConfig) -> Duration {
    if refreshes(recipe, config) { Duration::MAX } else { config.gop }
}

/// `FF_LEVEL_UNKNOWN`, which FFmpeg 9 calls `AV_LEVEL_UNKNOWN`.
const LEVEL_UNKNOWN: c_int = -99;

/// H.264's is chosen here, low enough for browsers; what an encoder of another codec needs it knows itself.
pub(super) fn level_for(config: &VideoConfig) -> Option<i32> {
    match config.codec {
        VideoCodec::H264 => h264::level(config.size, config.frame_rate.fps(), config.bitrate.as_kbps()),
        VideoCodec::Hevc | VideoCodec::Av1 => Some(LEVEL_UNKNOWN),
    }
}

/// The most threads that a picture is shared among on this machine, where the configuration names no number.
pub fn most_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS)
}

fn threads(config: &VideoConfig) -> c_int {
    match config.threads {
        0 if config.tune.one_thread => 1,
        0 => most_threads() as c_int,
        wanted => wanted.min(64) as c_int,
    }
}

/// The rate control's buffer, in bits: of the wire's time, whatever the pictures' cadence is.
pub(super) fn rate_buffer(config: &VideoConfig) -> i64 {
    (f64::from(config.bitrate.as_bps()) * BUFFER_SECONDS) as i64
}

/// The settings that all of libavcodec's encoders share.
pub(super) fn configure(context: &Context, recipe: &Recipe, config: &VideoConfig, level: i32) {
    let bitrate = i64::from(config.bitrate.as_bps());
    // SAFETY: a fresh context, not opened yet; the fields are plain data.
    unsafe {
        let context = context.as_ptr();
        (*context).width = config.size.width as c_int;
        (*context).height = config.size.height as c_int;
        (*context).pix_fmt = recipe.input.pixel_format();
        (*context).time_base = ffi::AVRational { num: 1, den: TICKS };
        (*context).framerate = ffi::AVRational { num: config.frame_rate.fps() as c_int, den: 1 };
        (*context).sample_aspect_ratio = ffi::AVRational { num: 1, den: 1 };
        (*context).bit_rate = bitrate;
        (*context).rc_max_rate = bitrate;
        (*context).rc_buffer_size = rate_buffer(config) as c_int;
        // IDRs are asked for by time, never made by count. An hour of 240 pictures a second: some drivers take no more.
        (*context).gop_size = if refreshes(recipe, config) {
            (config.gop.as_secs_f64() * f64::from(config.frame_rate.fps())).max(1.0) as c_int
        } else {
            864_000
        };
        (*context).max_b_frames = 0;
        (*context).level = level;
        (*context).color_range = ffi::AVColorRange::AVCOL_RANGE_MPEG;
        (*context).colorspace = ffi::AVColorSpace::AVCOL_SPC_BT709;
        (*context).color_primaries = ffi::AVColorPrimaries::AVCOL_PRI_BT709;
        (*context).color_trc = ffi::AVColorTransferCharacteristic::AVCOL_TRC_BT709;
        (*context).flags |= (ffi::AV_CODEC_FLAG_LOW_DELAY | ffi::AV_CODEC_FLAG_CLOSED_GOP) as c_int;
        if recipe.threads {
            (*context).thread_count = threads(config);
            // Slices: frames in parallel would each wait for the next one.
            (*context).thread_type = ffi::FF_THREAD_SLICE;
        }
    }
}

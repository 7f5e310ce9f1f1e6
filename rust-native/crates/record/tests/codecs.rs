//! Files of HEVC and AV1, read back by ffprobe, ffmpeg and GStreamer.

// Helpers of tests are tests: what they can't do without is to fail them.
#![allow(clippy::unwrap_used)]

mod studio;

use std::path::Path;

use container::{AudioCodec, Format};
use media::VideoCodec;
use record::{RecordOptions, Split};
use studio::{Folder, play, probe, record_seconds_of};
use testkit::scratch::output_of;

const SECONDS: u32 = 8;

fn options(folder: &Folder, format: Format, plain: bool) -> RecordOptions {
    RecordOptions {
        folder: folder.path().to_path_buf(),
        template: "Show".to_owned(),
        format,
        audio: AudioCodec::Aac,
        plain,
        split: Split::default(),
        inputs: None,
    }
}

/// Codec, tag and colours as ffprobe names them.
fn described(file: &Path) -> Vec<String> {
    let fields = "stream=codec_name,codec_tag_string,pix_fmt,color_range,color_space,color_transfer,color_primaries";
    let arguments = ["-v", "warning", "-select_streams", "v", "-show_entries", fields, "-of", "default=nw=1", "FILE"];
    let text = String::from_utf8(output_of("ffprobe", &arguments, file)).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn assert_file(codec: VideoCodec, format: Format, plain: bool) {
    let what = format!("{codec} {format:?} plain={plain}");
    let folder = Folder::new("record");
    let files = record_seconds_of(codec, options(&folder, format, plain), SECONDS);
    assert_eq!(files.len(), 1, "{what}");
    let info = probe(&files[0]);
    assert!((info.duration - f64::from(SECONDS)).abs() < 0.1, "{what}: {info:?}");
    assert_eq!((info.width, info.height), (64, 64), "{what}");
    let lines = described(&files[0]);
    let tag = match (codec, format) {
        (_, Format::Mkv) => "[0][0][0][0]",
        (VideoCodec::Hevc, _) => "hvc1",
        _ => "av01",
    };
    for wanted in [
        &format!("codec_name={}", codec.keyword()),
        &format!("codec_tag_string={tag}"),
        "pix_fmt=yuv420p",
        "color_range=tv",
        "color_space=bt709",
        "color_transfer=bt709",
        "color_primaries=bt709",
    ] {
        assert!(lines.iter().any(|line| line == wanted), "{what}: no {wanted} in {lines:?}");
    }
    // Each second begins white and with a beep: every picture is decoded, and they are in step.
    let played = play(&files[0]);
    assert_eq!((played.flashes.len(), played.beeps.len()), (SECONDS as usize, SECONDS as usize), "{what}: {played:?}");
    for (index, (flash, beep)) in played.flashes.iter().zip(&played.beeps).enumerate() {
        assert!((flash - index as f64).abs() < 0.002, "{what}: picture {index} at {flash}");
        assert!((flash - beep).abs() < 0.0225, "{what}: flash at {flash}, beep at {beep}");
    }
    let seen = studio::gstreamer_of(codec, &files[0], format, AudioCodec::Aac);
    assert_eq!(seen, (10 * SECONDS as usize, SECONDS as usize), "{what}");
}

#[test]
fn av1_of_our_encoder_is_whole_in_each_kind_of_file() {
    for (format, plain) in [(Format::Mp4, false), (Format::Mp4, true), (Format::Mkv, false)] {
        assert_file(VideoCodec::Av1, format, plain);
    }
}

#[test]
fn hevc_of_another_encoder_is_whole_in_each_kind_of_file() {
    for (format, plain) in [(Format::Mp4, false), (Format::Mp4, true), (Format::Mkv, false)] {
        assert_file(VideoCodec::Hevc, format, plain);
    }
}

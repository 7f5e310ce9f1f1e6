//! SVT-AV1 as a live encoder: each picture comes back at once, keyframes where they are asked for, a kept bitrate; and
//! what becomes of codecs that nothing here makes. What its pictures look like is read back from files (`record`).

// Helpers of tests are tests: what they can't do without is to fail them.
#![allow(clippy::unwrap_used)]

#[path = "common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{START, config, draw_hard, draw_smooth, encode, kbps, run_hard};
use encoder::{EncoderError, VideoConfig, VideoEncoder, open, open_named};
use media::av1::{SequenceHeader, without_delimiters};
use media::{Bitrate, Picture, Size, Track, VideoCodec};

fn av1(width: u32, height: u32, fps: u32, kbps: u32) -> VideoConfig {
    VideoConfig { codec: VideoCodec::Av1, ..config(width, height, fps, kbps) }
}

fn svt(config: &VideoConfig) -> Box<dyn VideoEncoder> {
    open_named("svt-av1", config).unwrap_or_else(|error| panic!("ffmpeg/build has it: {error}"))
}

#[test]
fn each_picture_comes_back_at_once_and_a_keyframe_where_it_is_asked_for_or_due() {
    let config = av1(640, 360, 30, 1500);
    let mut encoder = svt(&config);
    let mut picture = Picture::black(config.size);
    for step in 0..130_u32 {
        draw_smooth(&mut picture, step);
        picture.captured_at = START + Duration::from_millis(u64::from(step));
        let pts = START + Duration::from_nanos(1_000_000_000 * u64::from(step) / 30);
        let unit = encode(&mut *encoder, &picture, pts, step == 17);
        assert_eq!((unit.track, unit.pts, unit.captured_at), (Track::Av1, pts, picture.captured_at));
        // The GOP of two seconds counts from the one that was asked for.
        assert_eq!(unit.keyframe, matches!(step, 0 | 17 | 77), "at {step}");
        let header = SequenceHeader::find(&unit.payload);
        assert_eq!(header.is_some(), unit.keyframe, "at {step}");
        assert!(header.is_none_or(|header| header.size() == config.size));
        assert_eq!(without_delimiters(&unit.payload), unit.payload, "no delimiter");
    }
}

#[test]
fn its_bitrate_is_kept_to_within_a_quarter_and_another_one_is_another_encoder() {
    let mut config = av1(640, 360, 30, 2000);
    for wanted in [2000, 700] {
        config.bitrate = Bitrate::from_kbps(wanted);
        let mut encoder = svt(&config);
        let units = run_hard(&mut *encoder, &mut Picture::black(config.size), 30, 0, 180);
        let got = kbps(&units, 2000, 6000);
        println!("svt-av1: {got:.0} of {wanted} kbit/s");
        assert!((got / f64::from(wanted) - 1.0).abs() < 0.25, "{got:.0} kbit/s where {wanted} were asked for");
        let longer = VideoConfig { gop: Duration::from_secs(4), ..config };
        assert!(encoder.reconfigure(&longer).unwrap(), "keyframes are ours to ask for");
        let other = VideoConfig { bitrate: Bitrate::from_kbps(1000), ..config };
        assert!(!encoder.abilities().live_bitrate && !encoder.reconfigure(&other).unwrap());
    }
}

#[test]
fn it_ends_in_mid_stream_on_any_thread() {
    let config = av1(320, 180, 30, 500);
    let mut encoder = svt(&config);
    let mut picture = Picture::black(config.size);
    draw_hard(&mut picture, 0);
    assert!(encode(&mut *encoder, &picture, START, false).keyframe);
    let ended = std::thread::spawn(move || drop(encoder));
    let begun = Instant::now();
    while !ended.is_finished() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    ended.join().unwrap();
}

#[test]
fn what_it_can_not_take_is_a_refusal() {
    let tiny = av1(32, 32, 30, 100);
    assert!(matches!(open_named("svt-av1", &tiny), Err(EncoderError::Refused(refusal)) if refusal.reason.len() > 10));
    let other = config(640, 360, 30, 1000);
    assert_eq!(open_named("svt-av1", &other).err().unwrap().code(), "unknown_encoder", "it makes no H.264");
    let mut encoder = svt(&av1(320, 180, 30, 500));
    let wrong = Picture::black(Size { width: 320, height: 240 });
    assert_eq!(encoder.encode(&wrong, START, false).unwrap_err().code(), "wrong_picture_size");
    assert!(encode(&mut *encoder, &Picture::black(Size { width: 320, height: 180 }), START, false).keyframe);
}

#[test]
#[cfg(target_os = "linux")]
fn hardware_of_each_codec_is_tried_first_and_refused_with_its_reason() {
    // Where a test machine has such a chip, fewer are refused.
    let opened = open(&av1(640, 360, 30, 1000)).unwrap();
    let names = |refused: &[encoder::Refusal]| refused.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
    let tried = ["av1_nvenc", "av1_qsv", "av1_vaapi", "svt-av1"];
    let at = tried.iter().position(|name| *name == opened.encoder.name()).unwrap();
    assert_eq!(names(&opened.refused), tried[..at]);
    match open(&VideoConfig { codec: VideoCodec::Hevc, ..config(640, 360, 30, 1000) }) {
        Ok(opened) => assert!(opened.encoder.hardware()),
        Err(EncoderError::NoEncoder { codec, refused }) => {
            let error = EncoderError::NoEncoder { codec, refused: refused.clone() };
            assert_eq!((error.code(), codec), ("no_encoder_of_codec", VideoCodec::Hevc));
            assert_eq!(names(&refused), ["hevc_nvenc", "hevc_qsv", "hevc_vaapi"]);
            for refusal in &refused {
                println!("{refusal}");
                assert!(refusal.reason.len() > 10 && !refusal.reason.contains("not compiled"), "{refusal}");
                assert!(error.to_string().contains(&refusal.to_string()), "{error}");
            }
        }
        Err(other) => panic!("{other}"),
    }
}

/// Processor time of the whole process (its threads are the encoder's) for a moving 720p picture.
#[test]
#[ignore = "a measurement: run it alone, with --nocapture"]
fn a_720p30_picture_costs() {
    let config = av1(1280, 720, 30, 3000);
    let (mut encoder, mut picture) = (svt(&config), Picture::black(config.size));
    let spent = || {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the call fills the struct that it is given.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
            usage.assume_init()
        };
        let of = |time: libc::timeval| time.tv_sec as f64 * 1e3 + time.tv_usec as f64 / 1e3;
        of(usage.ru_utime) + of(usage.ru_stime)
    };
    for (what, draw) in [("film", draw_smooth as fn(&mut Picture, u32)), ("game", draw_hard)] {
        let (mut cpu, mut wall) = (0.0, Duration::ZERO);
        for step in 0..240_u32 {
            draw(&mut picture, step);
            let (before, begun) = (spent(), Instant::now());
            encode(&mut *encoder, &picture, START + Duration::from_millis(33 * u64::from(step) + 60_000), false);
            cpu += spent() - before;
            wall += begun.elapsed();
        }
        println!(
            "{what}: {:.1} ms of processor, {:.1} ms until it is there",
            cpu / 240.0,
            wall.as_secs_f64() * 1e3 / 240.0
        );
    }
}

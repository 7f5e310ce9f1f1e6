//! What the tests share: moving pictures, a decoder that no one here wrote, and a measure of likeness.

// Each test file uses a part of it; what a test can't do without is to fail it.
#![allow(dead_code, clippy::unwrap_used)]

use std::time::Duration;

use encoder::{VideoConfig, VideoEncoder};
use ffmpeg_next as ffmpeg;
use media::{AccessUnit, Bitrate, FrameRate, MediaTime, Picture, Size};

pub(crate) const START: MediaTime = MediaTime::from_nanos(7_000_000_000_123);

pub(crate) fn config(width: u32, height: u32, fps: u32, kbps: u32) -> VideoConfig {
    VideoConfig {
        codec: media::VideoCodec::H264,
        size: Size { width, height },
        frame_rate: FrameRate::new(fps).unwrap(),
        bitrate: Bitrate::from_kbps(kbps),
        gop: Duration::from_secs(2),
        threads: 0,
        tune: encoder::Tune::default(),
    }
}

/// A smooth moving picture: decodes to nearly the same where enough bits are spent.
pub(crate) fn draw_smooth(picture: &mut Picture, step: u32) {
    let width = picture.size.width as usize;
    for (index, plane) in picture.planes.iter_mut().enumerate() {
        let width = if index == 0 { width } else { width / 2 };
        for (y, row) in plane.data.chunks_exact_mut(plane.stride).enumerate() {
            for (x, sample) in row[..width].iter_mut().enumerate() {
                let phase = (x + y * (index + 1) + 2 * step as usize) % 256;
                let wave = if phase < 128 { phase } else { 255 - phase };
                *sample = (64 + wave) as u8;
            }
        }
    }
}

/// As hard as a game: grain that no prediction finds over a texture that moves.
pub(crate) fn draw_hard(picture: &mut Picture, step: u32) {
    let (width, stride) = (picture.size.width as usize, picture.planes[0].stride);
    let mut grain = 0x9e37_79b9_u32 ^ step.wrapping_mul(0x85eb_ca6b);
    for (y, row) in picture.planes[0].data.chunks_exact_mut(stride).enumerate() {
        for (x, sample) in row[..width].iter_mut().enumerate() {
            grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let texture = (((x + 5 * step as usize) / 8) ^ ((y + 3 * step as usize) / 8)) as u8 & 0x7f;
            *sample = 32 + texture + (grain >> 27) as u8;
        }
    }
}

/// `nal_unit_type` of each NAL unit in an Annex B stream.
pub(crate) fn nal_types(payload: &[u8]) -> Vec<u8> {
    payload.windows(4).filter(|window| window[..3] == [0, 0, 1]).map(|window| window[3] & 0x1f).collect()
}

/// The first unit of that type, from its header byte on.
pub(crate) fn find_nal(payload: &[u8], kind: u8) -> &[u8] {
    let at = payload.windows(4).position(|window| window[..3] == [0, 0, 1] && window[3] & 0x1f == kind).unwrap();
    &payload[at + 3..]
}

pub(crate) fn is_whole_idr(unit: &AccessUnit) -> bool {
    let types = nal_types(&unit.payload);
    let first_slice = types.iter().position(|kind| (1..=5).contains(kind));
    unit.keyframe
        && first_slice.is_some_and(|at| types[at] == 5 && types[..at].contains(&7) && types[..at].contains(&8))
}

/// Encodes one picture and expects a unit.
pub(crate) fn encode(encoder: &mut dyn VideoEncoder, picture: &Picture, pts: MediaTime, force: bool) -> AccessUnit {
    encoder.encode(picture, pts, force).unwrap().expect("a unit for each picture")
}

/// libavcodec's H.264 decoder.
pub(crate) struct Decoder(ffmpeg::decoder::Video);

impl Decoder {
    pub(crate) fn new() -> Self {
        let codec = ffmpeg::decoder::find(ffmpeg::codec::Id::H264).expect("FFmpeg is built with the h264 decoder");
        let mut context = ffmpeg::codec::Context::new_with_codec(codec);
        // One thread: each packet gives its picture at once.
        context.set_threading(ffmpeg::codec::threading::Config::count(1));
        Self(context.decoder().video().unwrap())
    }

    pub(crate) fn decode(&mut self, unit: &AccessUnit) -> ffmpeg::frame::Video {
        let mut packet = ffmpeg::Packet::copy(&unit.payload);
        packet.set_pts(Some(0));
        packet.set_dts(Some(0));
        self.0.send_packet(&packet).unwrap();
        let mut frame = ffmpeg::frame::Video::empty();
        if self.0.receive_frame(&mut frame).is_err() {
            // A stream without an order restriction in its VUI is delayed; the end of it is not.
            self.0.send_eof().unwrap();
            self.0.receive_frame(&mut frame).unwrap();
            self.0.flush();
        }
        frame
    }
}

/// The sample of a decoded picture.
pub(crate) fn sample(frame: &ffmpeg::frame::Video, plane: usize, x: usize, y: usize) -> u8 {
    frame.data(plane)[y * frame.stride(plane) + x]
}

/// Peak signal-to-noise ratio of the luma, decibels.
pub(crate) fn luma_psnr(picture: &Picture, frame: &ffmpeg::frame::Video) -> f64 {
    let (width, height) = (picture.size.width as usize, picture.size.height as usize);
    assert_eq!((frame.width() as usize, frame.height() as usize), (width, height));
    let mut squares = 0_u64;
    for y in 0..height {
        let ours = &picture.planes[0].data[y * picture.planes[0].stride..][..width];
        let theirs = &frame.data(0)[y * frame.stride(0)..][..width];
        squares += ours.iter().zip(theirs).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum::<u64>();
    }
    let mean = squares as f64 / (width * height) as f64;
    if mean == 0.0 { 99.0 } else { 10.0 * (255.0 * 255.0 / mean).log10() }
}

/// Bits per second of the units whose time lies in `from..to` (milliseconds after [`START`]).
pub(crate) fn kbps(units: &[AccessUnit], from: u64, to: u64) -> f64 {
    let (begin, end) = (START + Duration::from_millis(from), START + Duration::from_millis(to));
    let bytes: usize =
        units.iter().filter(|unit| unit.pts >= begin && unit.pts < end).map(|unit| unit.payload.len()).sum();
    bytes as f64 * 8.0 / (to - from) as f64
}

/// A stream of hard pictures at an even rate, from picture `from` to before picture `to`.
pub(crate) fn run_hard(
    encoder: &mut dyn VideoEncoder,
    picture: &mut Picture,
    fps: u32,
    from: u32,
    to: u32,
) -> Vec<AccessUnit> {
    (from..to)
        .filter_map(|step| {
            draw_hard(picture, step);
            let pts = START + Duration::from_nanos(1_000_000_000 * u64::from(step) / u64::from(fps));
            encoder.encode(picture, pts, false).unwrap()
        })
        .collect()
}

//! What is done for each picture besides the encoder's work, one piece at a time: the same for the clock (criterion)
//! and for the counter of instructions (callgrind). Everything that is not the piece itself is done beforehand.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use compose::Stage;
use container::{Assembler, AudioCodec, Format, Muxer};
use encoder::VideoConfig;
use media::{AccessUnit, Alpha, Bitrate, FrameRate, MediaTime, Picture, PixelBuffer, Size, Track, VideoFrame};
use rtmp::{ChunkWriter, Message, flv};
use scene::{Canvas, Scene};
use stream::{Broadcast, LagPolicy};

const FULL_HD: Size = Size { width: 1920, height: 1080 };
const HD: Size = Size { width: 1280, height: 720 };
const READERS: usize = 8;
const STEP: Duration = Duration::from_nanos(16_666_667);

/// One piece of work, done once per call.
pub type Path = Box<dyn FnMut()>;

/// A piece's name, and what makes it ready.
pub type Named = (&'static str, fn() -> Result<Path, String>);

/// All of them. A name says what is done to how much.
pub const PATHS: [Named; 8] = [
    ("convert-1080p", || composed(FULL_HD, &Scene::of_one("screen", Canvas::LANDSCAPE))),
    ("scale-1080p-to-720p", || composed(HD, &Scene::of_one("screen", Canvas::LANDSCAPE))),
    ("scene-screen-and-camera-1080p", || composed(FULL_HD, &with_camera())),
    ("scene-only-camera-moves-1080p", only_camera_moves),
    ("fan-out-to-8", fan_out),
    ("packetize-picture", packetize_picture),
    ("rtmp-picture", rtmp_picture),
    ("fmp4-second", fmp4_second),
];

/// The piece of that name, ready.
///
/// # Errors
/// In words: there is none, or it can't be made ready.
pub fn named(name: &str) -> Result<Path, String> {
    let (_, make) =
        PATHS.iter().find(|(known, _)| *known == name).ok_or_else(|| format!("no path is called {name}"))?;
    make()
}

/// A picture through libx264 as the app opens it, on one thread; not in [`PATHS`], as it is C's work.
///
/// # Errors
/// In words.
pub fn x264(preset: encoder::Preset) -> Result<Path, String> {
    let config = VideoConfig {
        codec: media::VideoCodec::H264,
        size: HD,
        frame_rate: FrameRate::new(60).ok_or("no such frame rate")?,
        bitrate: Bitrate::from_kbps(6000),
        gop: Duration::from_secs(2),
        threads: 1,
        tune: encoder::Tune { preset, ..encoder::Tune::default() },
    };
    let mut encoder = encoder::open_named("libx264", &config).map_err(|error| error.to_string())?;
    let mut stage = Stage::new(HD);
    stage.set_scene(&Scene::of_one("screen", Canvas::LANDSCAPE));
    let pictures = frames(HD)
        .into_iter()
        .map(|frame| {
            stage.put("screen", frame).map_err(|error| error.to_string())?;
            stage.compose().map_err(|error| error.to_string())?;
            Ok(stage.picture().clone())
        })
        .collect::<Result<Vec<Picture>, String>>()?;
    let mut count = 0_usize;
    Ok(Box::new(move || {
        let pts = MediaTime::from_nanos(1_000_000_000) + STEP * u32::try_from(count).unwrap_or(u32::MAX);
        assert!(encoder.encode(&pictures[count % pictures.len()], pts, false).is_ok(), "the encoder goes on");
        count += 1;
    }))
}

/// Two frames: slopes with some grain, as a game has them.
fn frames(size: Size) -> [VideoFrame; 2] {
    [0, 1].map(|seed: u32| {
        let mut bytes = vec![0; size.area() as usize * 4];
        for (n, pixel) in (0_u32..).zip(bytes.chunks_exact_mut(4)) {
            let (x, y) = (n % size.width, n / size.width);
            let grain = (x ^ y).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 28;
            let colour = [x / 8 + grain, y / 4 + seed * 8 + grain, (x + y) / 16 + grain, 0];
            pixel.copy_from_slice(&colour.map(|value| value as u8));
        }
        VideoFrame {
            captured_at: MediaTime::from_nanos(u64::from(seed) + 1),
            size,
            stride: 4 * size.width as usize,
            pixels: PixelBuffer::new(Arc::new(bytes)),
            alpha: Alpha::Opaque,
        }
    })
}

fn with_camera() -> Scene {
    Scene::screen_and_camera("both", "screen", "camera", Canvas::LANDSCAPE)
}

fn stage(output: Size, scene: &Scene) -> Result<Stage, String> {
    let mut stage = Stage::new(output);
    stage.set_scene(scene);
    for (source, size) in [("screen", FULL_HD), ("camera", HD)] {
        stage.put(source, frames(size)[0].clone()).map_err(|error| error.to_string())?;
    }
    stage.compose().map_err(|error| error.to_string())?;
    Ok(stage)
}

/// A new screen and a new camera picture each time, where the scene has them.
fn composed(output: Size, scene: &Scene) -> Result<Path, String> {
    let (mut stage, screens, cameras) = (stage(output, scene)?, frames(FULL_HD), frames(HD));
    let mut count = 0;
    Ok(Box::new(move || {
        count += 1;
        for (source, frames) in [("screen", &screens), ("camera", &cameras)] {
            assert!(stage.put(source, frames[count % frames.len()].clone()).is_ok(), "a whole frame");
        }
        assert!(matches!(stage.compose(), Ok(true)), "something is drawn");
    }))
}

fn only_camera_moves() -> Result<Path, String> {
    let (mut stage, cameras) = (stage(FULL_HD, &with_camera())?, frames(HD));
    let mut count = 0;
    Ok(Box::new(move || {
        count += 1;
        assert!(stage.put("camera", cameras[count % cameras.len()].clone()).is_ok(), "a whole frame");
        assert!(matches!(stage.compose(), Ok(true)), "something is drawn");
    }))
}

/// One access unit of 12 kB, as 6 Mbit/s has them at 60 pictures a second. The first of a second is an IDR.
fn unit(count: u32) -> AccessUnit {
    /// What x264 writes for 1280×720 in constrained baseline.
    const SETS: &[u8] = &[
        0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x20, 0xda, 0x01, 0x40, 0x16, 0xec, 0x04, 0x40, 0, 0, 0x03, 0, 0x40, 0, 0, 0x1e,
        0x03, 0xc6, 0x0c, 0xa8, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80,
    ];
    let keyframe = count.is_multiple_of(60);
    let mut payload = if keyframe { SETS.to_vec() } else { Vec::new() };
    payload.extend_from_slice(&[0, 0, 0, 1, if keyframe { 0x65 } else { 0x41 }]);
    payload.extend((0..12_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 | 1));
    let pts = MediaTime::from_nanos(1_000_000_000) + STEP * count;
    AccessUnit { track: Track::Video, pts, dts: pts, keyframe, captured_at: pts, payload: Bytes::from(payload) }
}

/// One picture to eight readers, each of which takes it.
fn fan_out() -> Result<Path, String> {
    let hub = Broadcast::default();
    let mut readers: Vec<_> = (0..READERS).map(|_| hub.subscribe(16, LagPolicy::Fail)).collect();
    let unit = unit(0);
    Ok(Box::new(move || {
        hub.push(&unit);
        for reader in &mut readers {
            assert!(matches!(reader.try_recv(), Some(Ok(_))), "everybody gets it");
        }
    }))
}

/// Annex B to the payloads of RTP packets.
fn packetize_picture() -> Result<Path, String> {
    let unit = unit(1);
    let least = unit.payload.len() / webrtc_transport::MAX_PAYLOAD;
    Ok(Box::new(move || {
        let payloads = webrtc_transport::packetize(&unit.payload, webrtc_transport::MAX_PAYLOAD);
        assert!(payloads.len() > least, "all of the picture");
    }))
}

/// Annex B to FLV to chunks of 4 kB.
fn rtmp_picture() -> Result<Path, String> {
    let mut writer = ChunkWriter::default();
    writer.set_chunk_size(4096);
    let unit = unit(1);
    let mut out = BytesMut::with_capacity(64 * 1024);
    Ok(Box::new(move || {
        out.clear();
        let body = flv::avc_picture(&unit.payload, unit.keyframe);
        writer.write(6, &Message { kind: 9, stream: 1, timestamp: 40, body }, &mut out);
        assert!(out.len() > unit.payload.len(), "a picture and its headers");
    }))
}

/// A second of sixty pictures into a fragment of an MP4.
fn fmp4_second() -> Result<Path, String> {
    let mut assembler = Assembler::new(AudioCodec::Opus, Duration::from_secs(1));
    let mut units: Vec<AccessUnit> = (0..60).map(unit).collect();
    let mut muxer: Option<Muxer> = None;
    let mut second = move || -> Result<(), String> {
        for unit in &mut units {
            if let Some(fragment) = assembler.push(unit).map_err(|error| error.to_string())? {
                if muxer.is_none() {
                    let layout = assembler.layout().ok_or("a fragment without a layout")?.clone();
                    muxer = Some(Muxer::new(Format::Mp4, layout).map_err(|error| error.to_string())?.0);
                }
                let muxer = muxer.as_mut().ok_or("no muxer")?;
                let bytes = muxer.fragment(&fragment).map_err(|error| error.to_string())?;
                assert!(bytes.len() > 60 * 12_000, "a second of pictures");
            }
            (unit.pts, unit.dts) = (unit.pts + STEP * 60, unit.dts + STEP * 60);
        }
        Ok(())
    };
    // The first one ends with the second second's first picture.
    second()?;
    Ok(Box::new(move || assert_eq!(second(), Ok(()), "the file goes on")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_does_its_work_more_than_once_and_there_is_no_other() {
        for (name, make) in PATHS {
            let mut path = make().expect(name);
            (0..3).for_each(|_| path());
        }
        let mut encode = x264(encoder::Preset::Ultrafast).expect("libx264");
        (0..3).for_each(|_| encode());
        assert!(named("sing").is_err());
    }
}

//! Lower encodings with real encoders: opened while somebody reads, and closed again.

use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use media::{Clock, FrameRate, MonotonicClock};
use stream::Reader;

use super::*;

/// Far above what anything here takes, on a machine that builds something else besides.
const DEADLINE: Duration = Duration::from_secs(30);
const SIZE: Size = Size { width: 1280, height: 720 };

static OPENED: AtomicU32 = AtomicU32::new(0);

fn counted() -> Opener {
    Box::new(|config, barred| {
        OPENED.fetch_add(1, Ordering::Relaxed);
        encoder::open_except(config, barred)
    })
}

fn config() -> VideoConfig {
    VideoConfig {
        codec: VideoCodec::H264,
        size: SIZE,
        frame_rate: FrameRate::new(30).expect("not zero"),
        bitrate: Bitrate::from_kbps(3000),
        gop: Duration::from_secs(20),
        threads: 1,
        tune: encoder::Tune::default(),
    }
}

/// Gives pictures until that one's reader has a unit; the unit's size by its own parameter sets.
fn next_keyframe(lower: &mut Lower, reader: &mut Reader<AccessUnit>) -> Size {
    let (begun, picture) = (Instant::now(), Picture::black(SIZE));
    loop {
        assert!(begun.elapsed() < DEADLINE, "no keyframe");
        lower.give(&picture, MonotonicClock.now(), &config(), &|event| panic!("{event:?}"));
        std::thread::sleep(Duration::from_millis(10));
        while let Some(unit) = reader.try_recv() {
            let unit = unit.expect("the hub lives");
            if unit.keyframe {
                let sets = media::Parameters::find(VideoCodec::H264, &unit.payload).expect("parameter sets");
                return sets.size().expect("a size");
            }
        }
    }
}

#[test]
fn a_picture_has_as_many_lower_encodings_as_keep_180_lines() {
    let of = |width, height| count(Size { width, height });
    assert_eq!((of(1920, 1080), of(1280, 720), of(720, 1280)), (2, 2, 2));
    assert_eq!((of(854, 480), of(640, 360), of(480, 320), of(2, 2)), (1, 1, 0, 0));
    let all: Vec<_> = sizes(SIZE).map(|size| (size.width, size.height)).collect();
    assert_eq!(all, [(640, 360), (320, 180)]);
}

#[test]
fn an_encoder_is_open_only_while_somebody_reads_what_it_makes() {
    let hubs = LowerHubs::new(FrameSlot::default());
    let mut lower = Lower::new(&hubs, counted);
    let layers = hubs.layers(SIZE);
    let picture = Picture::black(SIZE);
    for _ in 0..5 {
        lower.give(&picture, MonotonicClock.now(), &config(), &|_| {});
    }
    assert!(lower.worker.is_none() && OPENED.load(Ordering::Relaxed) == 0, "offered, and taken by nobody");
    let mut quarter = (layers[1].units)();
    assert_eq!(next_keyframe(&mut lower, &mut quarter), Size { width: 320, height: 180 });
    assert_eq!(OPENED.load(Ordering::Relaxed), 1, "of the one that is read");
    let mut half = (layers[0].units)();
    assert_eq!(next_keyframe(&mut lower, &mut half), Size { width: 640, height: 360 });
    assert_eq!(OPENED.load(Ordering::Relaxed), 2);
    (layers[1].request_keyframe)();
    assert!(lower.waits());
    assert_eq!(next_keyframe(&mut lower, &mut quarter).height, 180, "asked for, long before the group's end");
    assert!(!lower.waits());
    drop((half, quarter));
    lower.give(&picture, MonotonicClock.now(), &config(), &|_| {});
    assert!(lower.worker.is_none());
}

#[test]
fn each_lower_encoding_has_its_share_of_the_bitrate() {
    let kbps = |lower| config_of(lower, SIZE, &config()).bitrate.as_kbps();
    assert_eq!((kbps(0), kbps(1)), (1050, 360));
    let small = VideoConfig { bitrate: Bitrate::from_kbps(100), ..config() };
    assert_eq!(config_of(1, SIZE, &small).bitrate.as_kbps(), LEAST_KBPS);
}

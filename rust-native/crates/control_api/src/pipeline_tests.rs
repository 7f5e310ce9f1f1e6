//! The encode with scenes, without a device: frames are put by hand, a reader sees what comes out.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use encoder::VideoConfig;
use media::{AccessUnit, Alpha, Clock, MonotonicClock, PixelBuffer, Size, VideoFrame};
use scene::{Canvas, Item, Scene, Transition};
use stream::{Broadcast, LagPolicy, Reader};

use super::{EncodeControl, Feed, Pipeline};
use crate::{Held, VideoSettings};

/// Far above what anything here takes, on a machine that builds something else besides.
const DEADLINE: Duration = Duration::from_secs(30);

fn settings(width: u32, height: u32) -> VideoSettings {
    VideoSettings { width, height, fps: 30, kbps: 800, gop_seconds: 20.0 }
}

fn frame(value: u8) -> VideoFrame {
    let size = Size { width: 320, height: 180 };
    let pixels = PixelBuffer::new(Arc::new(vec![value; 4 * size.area() as usize]));
    let captured_at = MonotonicClock.now();
    VideoFrame { captured_at, size, stride: 4 * size.width as usize, pixels, alpha: Alpha::Opaque }
}

fn feed(control: &EncodeControl, name: &str) -> Feed {
    (name.to_owned(), control.feed())
}

struct Rig {
    pipeline: Pipeline,
    reader: Reader<AccessUnit>,
}

impl Rig {
    fn start() -> Self {
        let hub = Broadcast::default();
        let reader = hub.subscribe(1000, LagPolicy::Fail);
        let pipeline =
            Pipeline::start(settings(320, 180).config().expect("config"), hub, Held::default().opener(), |_| {})
                .expect("thread");
        Self { pipeline, reader }
    }

    /// The next unit, which must come.
    fn next(&mut self) -> AccessUnit {
        let begun = Instant::now();
        loop {
            match self.reader.try_recv() {
                Some(unit) => return unit.expect("the reader never lags and is never closed"),
                None => std::thread::sleep(Duration::from_millis(2)),
            }
            assert!(begun.elapsed() < DEADLINE, "no picture came");
        }
    }

    /// The first unit whose parameter sets differ from those.
    fn next_of_another_size(&mut self, sps: &[u8]) -> AccessUnit {
        loop {
            let unit = self.next();
            if unit.keyframe && sps_of(&unit) != sps {
                return unit;
            }
        }
    }
}

/// The sequence parameter set (ITU-T H.264, 7.3.2.1): NAL unit type 7, up to the next start code.
fn sps_of(unit: &AccessUnit) -> Vec<u8> {
    let bytes = &unit.payload;
    let start = bytes.windows(4).position(|four| four[..3] == [0, 0, 1] && four[3] & 0x1f == 7).expect("an SPS");
    let rest = &bytes[start + 3..];
    let end = rest.windows(3).position(|three| three == [0, 0, 1]).unwrap_or(rest.len());
    rest[..end].to_vec()
}

#[test]
fn the_reader_goes_on_through_scenes_and_a_new_size_begins_with_a_keyframe() {
    let mut rig = Rig::start();
    let control = rig.pipeline.control();
    let (screen, camera) = (feed(&control, "screen"), feed(&control, "camera"));
    let wide = Canvas { width: 320, height: 180 };
    let plain = Arc::new(Scene::of_one("screen", wide));
    screen.1.put(frame(40));
    control.show(settings(320, 180).config().expect("config"), plain, vec![screen.clone()], Transition::Cut);
    let first = rig.next();
    assert!(first.keyframe, "the first picture");

    // Another scene of the same size: no new parameter sets, the stream just goes on.
    let both = Arc::new(Scene::screen_and_camera("both", "screen", "camera", wide));
    camera.1.put(frame(200));
    let feeds = vec![screen.clone(), camera.clone()];
    control.show(settings(320, 180).config().expect("config"), both, feeds, Transition::Fade { ms: 200 });
    let begun = Instant::now();
    let mut last = first.pts;
    while begun.elapsed() < Duration::from_millis(600) {
        screen.1.put(frame(60));
        let unit = rig.next();
        assert!(unit.pts > last, "time goes on");
        assert!(!unit.keyframe || sps_of(&unit) == sps_of(&first), "the size stays");
        last = unit.pts;
    }

    // A scene for telephones: the size changes, and the first picture of it is a keyframe with new parameter sets.
    let tall = Canvas { width: 180, height: 320 };
    let scene = Arc::new(Scene::of_one("camera", tall));
    control.show(settings(180, 320).config().expect("config"), scene, vec![camera], Transition::Fade { ms: 200 });
    let unit = rig.next_of_another_size(&sps_of(&first));
    assert!(unit.keyframe && unit.pts > last);
    assert_eq!(rig.reader.stats().dropped, 0);
}

#[test]
fn a_still_scene_is_not_composed_and_a_lost_source_is_shown_as_such() {
    let mut rig = Rig::start();
    let control = rig.pipeline.control();
    let screen = feed(&control, "screen");
    let canvas = Canvas { width: 320, height: 180 };
    let mut scene = Scene::of_one("screen", canvas);
    scene.items.push(Item { x: 0.0, y: 0.0, width: 64.0, height: 64.0, ..Item::filling("2", "gone", canvas) });
    let gone = feed(&control, "gone");
    screen.1.put(frame(40));
    control.show(settings(320, 180).config().expect("config"), Arc::new(scene), vec![screen, gone], Transition::Cut);
    control.lose("gone", compose::Card::default());
    // Complete without the lost one: its card is there from the first picture on.
    assert!(rig.next().keyframe);
    let mut pictures = 0;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1500) {
        pictures += usize::from(rig.reader.try_recv().is_some());
        std::thread::sleep(Duration::from_millis(5));
    }
    // Repeats that sharpen, and one that keeps alive: nothing like 45 pictures.
    assert!(pictures <= 7, "{pictures} pictures of a still scene");
}

#[test]
fn a_destination_that_needs_it_gets_a_still_picture_in_every_interval() {
    let mut rig = Rig::start();
    let control = rig.pipeline.control();
    let screen = feed(&control, "screen");
    let scene = Arc::new(Scene::of_one("screen", Canvas { width: 320, height: 180 }));
    screen.1.put(frame(40));
    control.show(settings(320, 180).config().expect("config"), scene, vec![screen.clone()], Transition::Cut);
    assert!(rig.next().keyframe);
    control.set_constant_rate(true);
    control.request_keyframe();
    // A keyframe comes with the windows, not beside them.
    let first = std::iter::repeat_with(|| rig.next()).find(|unit| unit.keyframe).expect("endless");
    let mut last = first.pts;
    let mut even = 0;
    for number in 0..45_u8 {
        if number.is_multiple_of(4) {
            screen.1.put(frame(40 + number));
        }
        let unit = rig.next();
        let step = unit.pts.since(last);
        // A machine that builds something else besides may miss a window, and then whole ones.
        let windows = step.as_secs_f64() * 30.0;
        assert!((windows - windows.round()).abs() < 0.001 && windows > 0.5, "{step:?}");
        even += u32::from(windows < 1.5);
        last = unit.pts;
    }
    assert!(even >= 30, "{even} of 45 pictures follow the one before at once");
    control.set_constant_rate(false);
    let begun = Instant::now();
    let mut pictures = 0;
    while begun.elapsed() < Duration::from_millis(1500) {
        pictures += usize::from(rig.reader.try_recv().is_some());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(pictures <= 12, "{pictures} pictures after nobody needs them");
}

#[test]
fn who_asks_while_the_encoder_opens_is_served_by_its_first_keyframe() {
    let hub = Broadcast::default();
    let mut reader = hub.subscribe(1000, LagPolicy::Fail);
    let asking: Arc<OnceLock<EncodeControl>> = Arc::default();
    let (asks, mut opener) = (Arc::clone(&asking), Held::default().opener());
    let opener = move |config: &VideoConfig, barred: &[&str]| {
        asks.wait().request_keyframe();
        opener(config, barred)
    };
    let config = settings(320, 180).config().expect("config");
    let pipeline = Pipeline::start_with("encode-video", config, hub, Box::new(opener), |_| {}).expect("thread");
    let control = pipeline.control();
    asking.set(control.clone()).expect("once");
    let screen = feed(&control, "screen");
    let scene = Arc::new(Scene::of_one("screen", Canvas { width: 320, height: 180 }));
    control.show(config, scene, vec![screen.clone()], Transition::Cut);
    let begun = Instant::now();
    let mut keyframes = Vec::new();
    for value in 0..=u8::MAX {
        screen.1.put(frame(value));
        std::thread::sleep(Duration::from_millis(10));
        keyframes
            .extend(std::iter::from_fn(|| reader.try_recv()).map(|unit| unit.expect("the stream goes on").keyframe));
        if keyframes.len() >= 12 {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "no picture came");
    }
    assert!(keyframes[0] && !keyframes[1..].contains(&true), "{keyframes:?}");
}

/// Whatever an encoder gives back at once is judged by a decoder: what is sent again leaves both at the same picture.
#[cfg(feature = "gpl")]
#[test]
fn a_still_pictures_group_is_sent_again_and_a_change_in_the_midst_of_it_is_shown_as_it_is() {
    let hub = Broadcast::default();
    let reader = hub.subscribe(1000, LagPolicy::Fail);
    let config = VideoSettings { gop_seconds: 2.0, ..settings(320, 180) }.config().expect("config");
    let opener = Box::new(|config: &VideoConfig, _: &[&str]| {
        let encoder = encoder::open_named("libx264", config)?;
        Ok(encoder::Opened { encoder, refused: Vec::new() })
    });
    let pipeline = Pipeline::start_with("encode-video", config, hub, opener, |_| {}).expect("thread");
    let mut rig = Rig { pipeline, reader };
    let control = rig.pipeline.control();
    let screen = feed(&control, "screen");
    let plain = Arc::new(Scene::of_one("screen", Canvas { width: 320, height: 180 }));
    screen.1.put(frame(40));
    control.show(config, plain, vec![screen.clone()], Transition::Cut);
    let mut decoder = encoder::H264Decoder::new().expect("a decoder");
    let mut luma = Vec::new();
    let mut units: Vec<AccessUnit> = Vec::new();
    let mut changed = None;
    while changed.is_none_or(|at| units.len() < at + 4) {
        let unit = rig.next();
        assert!(units.last().is_none_or(|last| unit.pts > last.pts && unit.dts == unit.pts));
        decoder.decode(&unit.payload, unit.pts, |picture, _| luma.push(picture.planes[0].data[5])).expect("decodable");
        let again = unit.keyframe && units.iter().any(|earlier| earlier.payload == unit.payload);
        units.push(unit);
        if again && changed.is_none() {
            // The rest of the group is due in a second: the change is not.
            changed = Some(units.len());
            screen.1.put(frame(200));
        }
    }
    let at = changed.expect("it was sent again");
    let (rest, fresh) = (&units[at], &units[at + 1]);
    assert!(!rest.keyframe && units[..at].iter().any(|unit| unit.payload == rest.payload), "what was made after it");
    assert!(!fresh.keyframe && fresh.pts.since(rest.pts) < Duration::from_millis(500), "no keyframe for a change");
    assert_eq!(luma.len(), units.len());
    let near = |value: u8, luma: u8| luma.abs_diff(16 + (u16::from(value) * 219 / 255) as u8) <= 3;
    assert!(luma[..=at].iter().all(|luma| near(40, *luma)), "{luma:?}");
    assert!(luma[at + 1..].iter().all(|luma| near(200, *luma)), "{luma:?}");
}

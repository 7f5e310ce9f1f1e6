//! Frames that lie on a graphics card: they stay there as long as nothing needs the picture itself. No card is here: an
//! encoder stands for one, and the frames' memory counts who reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use encoder::{Abilities, EncoderError, Opened, VideoConfig, VideoEncoder};
use media::{
    AccessUnit, Alpha, Clock, MediaTime, MonotonicClock, Native, Picture, PixelBuffer, Size, Surface, VideoFrame,
};
use parking_lot::Mutex;
use scene::{Canvas, Scene, Transition};
use stream::{Broadcast, LagPolicy, Reader};

use super::{EncodeControl, Feed, Pipeline, PipelineEvent, Wish};
use crate::VideoSettings;

const SIZE: Size = Size { width: 320, height: 180 };
const NAME: &str = "card";

/// Takes frames from the card until it is told not to; what it gives for them is a real encoder's.
struct OnCard {
    inner: Box<dyn VideoEncoder>,
    refuses: Arc<AtomicBool>,
    taken: Arc<AtomicU32>,
}

impl VideoEncoder for OnCard {
    fn name(&self) -> &'static str {
        NAME
    }

    fn hardware(&self) -> bool {
        true
    }

    fn abilities(&self) -> Abilities {
        Abilities { surfaces: true, copies: 2, ..self.inner.abilities() }
    }

    fn encode(&mut self, picture: &Picture, pts: MediaTime, idr: bool) -> Result<Option<AccessUnit>, EncoderError> {
        self.inner.encode(picture, pts, idr)
    }

    fn encode_surface(
        &mut self,
        frame: &VideoFrame,
        pts: MediaTime,
        idr: bool,
    ) -> Result<Option<AccessUnit>, EncoderError> {
        assert!(frame.pixels.surface().is_some());
        if self.refuses.load(Ordering::Relaxed) {
            return Err(EncoderError::SurfaceRefused { name: NAME, reason: "another card".to_owned() });
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        let picture = Picture { captured_at: frame.captured_at, ..Picture::black(SIZE) };
        self.inner.encode(&picture, pts, idr)
    }

    fn reconfigure(&mut self, config: &VideoConfig) -> Result<bool, EncoderError> {
        self.inner.reconfigure(config)
    }
}

/// Memory of a frame on the card: each look at it is a copy through the bus.
struct ReadBack {
    bytes: Vec<u8>,
    reads: Arc<AtomicU32>,
}

impl AsRef<[u8]> for ReadBack {
    fn as_ref(&self) -> &[u8] {
        self.reads.fetch_add(1, Ordering::Relaxed);
        &self.bytes
    }
}

struct Rig {
    pipeline: Pipeline,
    control: EncodeControl,
    reader: Reader<AccessUnit>,
    feed: Feed,
    refuses: Arc<AtomicBool>,
    taken: Arc<AtomicU32>,
    reads: Arc<AtomicU32>,
    events: Arc<Mutex<Vec<PipelineEvent>>>,
}

fn config() -> VideoConfig {
    let settings = VideoSettings { width: 320, height: 180, fps: 30, kbps: 800, gop_seconds: 20.0 };
    settings.config().expect("valid")
}

impl Rig {
    fn start(zero_copy: bool) -> Self {
        let (refuses, taken) = (Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
        let (refusing, taking) = (Arc::clone(&refuses), Arc::clone(&taken));
        let open = move |config: &VideoConfig, _: &[&str]| {
            let Opened { encoder: inner, refused } = encoder::open(config)?;
            let encoder = OnCard { inner, refuses: Arc::clone(&refusing), taken: Arc::clone(&taking) };
            Ok(Opened { encoder: Box::new(encoder), refused })
        };
        let events = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&events);
        let hub = Broadcast::default();
        let reader = hub.subscribe(1000, LagPolicy::Fail);
        let pipeline = Pipeline::start(config(), hub, Box::new(open), move |event| told.lock().push(event));
        let pipeline = pipeline.expect("a thread");
        let control = pipeline.control();
        control.wish(Wish { zero_copy, ..Wish::default() });
        let feed = ("screen".to_owned(), control.feed());
        let scene = Arc::new(Scene::of_one("screen", Canvas { width: 320, height: 180 }));
        control.show(config(), scene, vec![feed.clone()], Transition::Cut);
        Self { pipeline, control, reader, feed, refuses, taken, reads: Arc::default(), events }
    }

    fn frame(&self) -> VideoFrame {
        let bytes = vec![60; 4 * SIZE.area() as usize];
        let length = bytes.len();
        let memory = ReadBack { bytes, reads: Arc::clone(&self.reads) };
        let surface = Surface::new(Native::D3d11Texture(16), Arc::new(()));
        let pixels = PixelBuffer::on_card(surface, length, Arc::new(memory));
        let captured_at = MonotonicClock.now();
        VideoFrame { captured_at, size: SIZE, stride: 4 * SIZE.width as usize, pixels, alpha: Alpha::Opaque }
    }

    /// Puts a frame and waits for a unit of it.
    fn show(&mut self) -> AccessUnit {
        let frame = self.frame();
        let captured_at = frame.captured_at;
        self.feed.1.put(frame);
        self.unit(|unit| unit.captured_at == captured_at)
    }

    fn unit(&mut self, is_it: impl Fn(&AccessUnit) -> bool) -> AccessUnit {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < Duration::from_secs(30), "no such unit came");
            match self.reader.try_recv() {
                Some(unit) => {
                    let unit = unit.expect("the stream goes on");
                    if is_it(&unit) {
                        return unit;
                    }
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    fn counts(&self) -> (u32, u32) {
        (self.taken.load(Ordering::Relaxed), self.reads.load(Ordering::Relaxed))
    }

    /// What the capture was told last.
    fn surfaces(&self) -> Option<bool> {
        self.events.lock().iter().rev().find_map(|event| match event {
            PipelineEvent::Surfaces(surfaces) => Some(*surfaces),
            _ => None,
        })
    }
}

#[test]
fn a_frame_that_is_all_of_the_picture_never_comes_into_memory() {
    let mut rig = Rig::start(true);
    // The encoder is opened for the first picture, which is drawn.
    rig.show();
    let (_, first) = rig.counts();
    for _ in 0..5 {
        rig.show();
    }
    let (taken, reads) = rig.counts();
    assert!(taken >= 5 && reads == first, "{taken} taken, {reads} reads of which {first} for the first");
    assert_eq!(rig.surfaces(), Some(true));
    assert_eq!(rig.pipeline.counters().copies.load(Ordering::Relaxed), 0);
    // A keyframe on a still screen is of the frame that lies there.
    rig.control.request_keyframe();
    assert!(rig.unit(|unit| unit.keyframe).keyframe);
    assert_eq!(rig.counts().1, first);
}

#[test]
fn without_the_users_wish_frames_come_into_memory() {
    let mut rig = Rig::start(false);
    for _ in 0..3 {
        rig.show();
    }
    assert_eq!(rig.counts().0, 0);
    assert!(rig.counts().1 >= 3);
    assert_eq!((rig.surfaces(), rig.pipeline.counters().copies.load(Ordering::Relaxed)), (None, 2));
}

#[test]
fn an_encoder_that_refuses_a_frame_gets_the_picture_and_is_not_asked_again() {
    let mut rig = Rig::start(true);
    rig.show();
    rig.show();
    assert_eq!(rig.surfaces(), Some(true));
    rig.refuses.store(true, Ordering::Relaxed);
    // None is lost: this very frame is drawn.
    rig.show();
    rig.show();
    rig.refuses.store(false, Ordering::Relaxed);
    let (taken, _) = rig.counts();
    rig.show();
    assert_eq!(rig.counts().0, taken);
    assert_eq!(rig.surfaces(), Some(false));
    let refusals = rig.events.lock().iter().filter(|event| matches!(event, PipelineEvent::Failing(_))).count();
    assert_eq!(refusals, 1, "{:?}", rig.events.lock());
}

#[test]
fn a_second_item_and_a_fade_have_the_picture_drawn() {
    let mut rig = Rig::start(true);
    rig.show();
    rig.show();
    let canvas = Canvas { width: 320, height: 180 };
    let camera = ("camera".to_owned(), rig.control.feed());
    camera.1.put(rig.frame());
    let both = Arc::new(Scene::screen_and_camera("both", "screen", "camera", canvas));
    let (taken, reads) = rig.counts();
    let feeds = vec![rig.feed.clone(), camera];
    rig.control.show(config(), both, feeds, Transition::Fade { ms: 100 });
    for _ in 0..5 {
        rig.show();
    }
    assert_eq!(rig.counts().0, taken, "none was taken from the card");
    assert!(rig.counts().1 > reads);
    assert_eq!(rig.surfaces(), Some(false));
    // And back, when it is alone again.
    let alone = Arc::new(Scene::of_one("screen", canvas));
    rig.control.show(config(), alone, vec![rig.feed.clone()], Transition::Cut);
    rig.show();
    rig.show();
    assert!(rig.counts().0 > taken);
    assert_eq!(rig.surfaces(), Some(true));
}

//! The one encode: newest frames → the live scene's picture → access unit → every reader.
//!
//! Composer and encoder are built, driven and dropped on one named thread. It sleeps while nothing changes.
//! Devices, destinations and the user only leave orders here; nobody waits for an encode.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use compose::Stage;
use encoder::{EncoderError, Refusal, VideoConfig, VideoEncoder};
use media::{AccessUnit, Clock, MediaTime, MonotonicClock, Picture, Size, VideoFrame};
use parking_lot::Mutex;
use scene::{Scene, Transition};
use stream::{Broadcast, FrameSlot, SlotWait};

use crate::canvas_clock::CanvasClock;
use crate::fade::Fade;
use crate::keyframes::KeyframeRequests;
use crate::repeats::Repeats;

/// What the encode's thread has to tell.
#[derive(Debug)]
pub(crate) enum PipelineEvent {
    /// An encoder was opened, after these had been refused.
    Opened { name: &'static str, refused: Vec<Refusal> },
    /// The encoder failed in mid-stream; another one is opened.
    Failing(EncoderError),
    /// None could be opened: the encode is at rest.
    Dead(EncoderError),
}

/// Sums since the start; a reader takes differences.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Pictures encoded.
    pub(crate) encoded: AtomicU64,
    /// Nanoseconds spent in the encoder.
    pub(crate) encode_nanos: AtomicU64,
    /// Bytes that came out.
    pub(crate) bytes: AtomicU64,
}

/// A source of the live scene: its id and where its newest frame lies.
pub(crate) type Feed = (String, FrameSlot<VideoFrame>);

/// A scene that is to be shown.
#[derive(Debug)]
struct Show {
    scene: Arc<Scene>,
    feeds: Vec<Feed>,
    transition: Transition,
}

#[derive(Debug)]
struct Orders {
    config: VideoConfig,
    config_changed: bool,
    keyframe: bool,
    show: Option<Show>,
    /// Sources that are gone: a card is drawn in their place.
    lost: Vec<String>,
    /// Frames are encoded; otherwise they are dropped and no encoder is held.
    running: bool,
    stop: bool,
}

/// Orders to the encode from anywhere.
#[derive(Debug, Clone)]
pub(crate) struct EncodeControl {
    orders: Arc<Mutex<Orders>>,
    /// Rung for every frame and order.
    bell: FrameSlot<()>,
}

impl EncodeControl {
    /// A reader needs a keyframe; requests are coalesced.
    pub(crate) fn request_keyframe(&self) {
        self.orders.lock().keyframe = true;
        self.bell.wake();
    }

    /// Encodes this scene from now on, of the frames in these feeds, each from [`EncodeControl::feed`].
    pub(crate) fn show(&self, config: VideoConfig, scene: Arc<Scene>, feeds: Vec<Feed>, transition: Transition) {
        let mut orders = self.orders.lock();
        orders.running = true;
        orders.show = Some(Show { scene, feeds, transition });
        orders.lost.clear();
        drop(orders);
        self.configure(config);
    }

    /// A slot whose frames wake the encode.
    pub(crate) fn feed(&self) -> FrameSlot<VideoFrame> {
        let bell = self.bell.clone();
        FrameSlot::ringing(move || bell.wake())
    }

    /// Draws a card in a source's place until its next frame.
    pub(crate) fn lose(&self, source: &str) {
        self.orders.lock().lost.push(source.to_owned());
        self.bell.wake();
    }

    /// Encodes nothing until the next start, and forgets the last frame.
    pub(crate) fn rest(&self) {
        let mut orders = self.orders.lock();
        orders.running = false;
        orders.show = None;
        drop(orders);
        self.bell.wake();
    }

    /// Other settings from the next picture on.
    pub(crate) fn configure(&self, config: VideoConfig) {
        let mut orders = self.orders.lock();
        orders.config = config;
        orders.config_changed = true;
        drop(orders);
        self.bell.wake();
    }
}

/// The encode's thread, at rest or running; dropping it stops and joins it.
#[derive(Debug)]
pub(crate) struct Pipeline {
    control: EncodeControl,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
}

impl Pipeline {
    /// Starts the thread, at rest; an encoder is opened there at the first frame after [`EncodeControl::show`].
    pub(crate) fn start(
        config: VideoConfig,
        hub: Broadcast<AccessUnit>,
        on_event: impl Fn(PipelineEvent) + Send + 'static,
    ) -> std::io::Result<Self> {
        let orders = Orders {
            config,
            config_changed: false,
            keyframe: false,
            show: None,
            lost: Vec::new(),
            running: false,
            stop: false,
        };
        let control = EncodeControl { orders: Arc::new(Mutex::new(orders)), bell: FrameSlot::default() };
        let counters = Arc::new(Counters::default());
        let worker_control = control.clone();
        let worker_counters = Arc::clone(&counters);
        let thread = std::thread::Builder::new().name("encode-video".to_owned()).spawn(move || {
            let encode = Encode::new(worker_control, worker_counters, hub, on_event);
            encode.run();
        })?;
        Ok(Self { control, counters, thread: Some(thread) })
    }

    /// A handle to leave orders with.
    pub(crate) fn control(&self) -> EncodeControl {
        self.control.clone()
    }

    /// Sums since the start.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.control.orders.lock().stop = true;
        self.control.bell.wake();
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the panic hook; there is nothing left to save.
            let _ = thread.join();
        }
    }
}

struct Encode<F> {
    control: EncodeControl,
    counters: Arc<Counters>,
    hub: Broadcast<AccessUnit>,
    on_event: F,
    config: VideoConfig,
    stage: Stage,
    feeds: Vec<Feed>,
    clock: CanvasClock,
    fade: Option<Fade>,
    /// Something was composed since the encode began: there is a picture to repeat.
    has_picture: bool,
    /// When the newest frame that is not encoded yet was captured.
    newest: Option<MediaTime>,
    encoder: Option<Box<dyn VideoEncoder>>,
    keyframes: KeyframeRequests,
    repeats: Repeats,
    last_pts: MediaTime,
    running: bool,
}

/// An encoder that fails this often in a row is not opened again: the machine can't encode.
const MOST_FAILURES: u32 = 3;
/// Two pictures never share a tick of the 90 kHz clock.
const LEAST_PTS_STEP: Duration = Duration::from_millis(1);

impl<F: Fn(PipelineEvent)> Encode<F> {
    fn new(control: EncodeControl, counters: Arc<Counters>, hub: Broadcast<AccessUnit>, on_event: F) -> Self {
        let config = control.orders.lock().config;
        Self {
            stage: Stage::new(config.size),
            feeds: Vec::new(),
            clock: CanvasClock::default(),
            fade: None,
            has_picture: false,
            newest: None,
            control,
            counters,
            hub,
            on_event,
            config,
            encoder: None,
            keyframes: KeyframeRequests::default(),
            repeats: Repeats::default(),
            last_pts: MediaTime::ZERO,
            running: false,
        }
    }

    fn run(mut self) {
        loop {
            let waited = self.control.bell.take(self.deadline());
            if waited == SlotWait::Closed || !self.take_orders() {
                return;
            }
            if !self.running {
                continue;
            }
            self.take_frames();
            let now = MonotonicClock.now();
            if self.is_changing() {
                if self.due() <= now {
                    self.compose(now);
                }
            } else if self.has_picture && (self.keyframes.is_due(now) || self.repeats.due() <= now) {
                self.repeats.repeated(now);
                self.encode(now);
            }
        }
    }

    /// Whether there is something to compose. The first picture waits until each source has something to show.
    fn is_changing(&self) -> bool {
        (self.stage.is_changed() && (self.has_picture || self.stage.is_complete())) || self.fade.is_some()
    }

    /// When what has changed may be composed. The frames of one source come at their rate already; those of several
    /// are sampled at the canvas's.
    fn due(&self) -> MediaTime {
        let several = self.feeds.len() > 1 || self.fade.is_some();
        if several { self.clock.ready_at(self.config.frame_rate) } else { MediaTime::ZERO }
    }

    fn deadline(&self) -> Option<Instant> {
        if !self.running {
            return None;
        }
        let changed = self.is_changing().then(|| self.due());
        let repeat = self.has_picture.then(|| self.repeats.due());
        let keyframe = self.keyframes.due().filter(|_| self.has_picture);
        let due = [changed, repeat, keyframe].into_iter().flatten().min()?;
        Some(Instant::now() + due.since(MonotonicClock.now()))
    }

    fn take_frames(&mut self) {
        for (source, slot) in &self.feeds {
            let Some(frame) = slot.try_take() else { continue };
            self.newest = self.newest.max(Some(frame.captured_at));
            if let Err(error) = self.stage.put(source, frame) {
                tracing::warn!(%error, "a frame could not be composed");
            }
        }
        let lost = std::mem::take(&mut self.control.orders.lock().lost);
        lost.iter().for_each(|source| self.stage.lose(source));
    }

    /// `false` when the thread is to end.
    fn take_orders(&mut self) -> bool {
        let mut orders = self.control.orders.lock();
        if orders.stop {
            return false;
        }
        if std::mem::take(&mut orders.keyframe) {
            self.keyframes.want();
        }
        self.running = orders.running;
        if !self.running {
            self.encoder = None;
            self.feeds.clear();
            self.stage = Stage::new(self.config.size);
            (self.fade, self.has_picture, self.newest) = (None, false, None);
        }
        let config = std::mem::take(&mut orders.config_changed).then_some(orders.config);
        let show = if self.running { orders.show.take() } else { None };
        drop(orders);
        let size = config.map_or(self.config.size, |config| config.size);
        if let Some(show) = show {
            self.show(show, size);
        }
        if let Some(config) = config {
            self.reconfigure(config);
        }
        true
    }

    fn show(&mut self, show: Show, size: Size) {
        self.fade = match show.transition {
            // Pictures of two sizes can't be mixed: that one is a cut.
            Transition::Fade { ms } if self.has_picture && size == self.config.size => {
                Some(Fade::new(self.shown().clone(), MonotonicClock.now(), ms))
            }
            _ => None,
        };
        self.stage.set_scene(&show.scene);
        self.feeds = show.feeds;
    }

    /// What viewers see.
    fn shown(&self) -> &Picture {
        self.fade.as_ref().map_or(self.stage.picture(), Fade::picture)
    }

    fn reconfigure(&mut self, config: VideoConfig) {
        if config == self.config {
            // A scene that is dragged comes sixty times a second, with the settings it had.
            return;
        }
        let resized = config.size != self.config.size;
        self.config = config;
        if resized {
            self.fade = None;
            self.stage.set_output(self.config.size);
            // A still screen sends no frame: the new size must not wait for one.
            if self.has_picture {
                self.keyframes.want();
            }
        }
        match self.encoder.as_mut().map(|encoder| encoder.reconfigure(&self.config)) {
            Some(Ok(true)) | None => {}
            Some(Ok(false)) => self.encoder = None,
            Some(Err(error)) => {
                (self.on_event)(PipelineEvent::Failing(error));
                self.encoder = None;
            }
        }
    }

    fn compose(&mut self, now: MediaTime) {
        if let Err(error) = self.stage.compose() {
            tracing::warn!(%error, "a frame could not be composed");
            return;
        }
        if self.fade.as_mut().is_some_and(|fade| !fade.advance(self.stage.picture(), now)) {
            self.fade = None;
        }
        self.has_picture = true;
        self.clock.composed(now, self.config.frame_rate);
        self.repeats.changed(now);
        let at = self.newest.take().unwrap_or(now);
        self.encode(at);
    }

    fn encode(&mut self, at: MediaTime) {
        let pts = at.max(self.last_pts + LEAST_PTS_STEP);
        for _ in 0..MOST_FAILURES {
            if !self.open_if_needed() {
                return;
            }
            let Some(encoder) = self.encoder.as_mut() else { return };
            let force = self.keyframes.is_due(MonotonicClock.now());
            let begun = Instant::now();
            let picture = self.fade.as_ref().map_or(self.stage.picture(), Fade::picture);
            match encoder.encode(picture, pts, force) {
                Ok(unit) => {
                    let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    self.last_pts = pts;
                    self.deliver(unit, nanos);
                    return;
                }
                Err(error) => {
                    (self.on_event)(PipelineEvent::Failing(error));
                    self.encoder = None;
                }
            }
        }
    }

    fn deliver(&mut self, unit: Option<AccessUnit>, nanos: u64) {
        self.counters.encoded.fetch_add(1, Ordering::Relaxed);
        self.counters.encode_nanos.fetch_add(nanos, Ordering::Relaxed);
        let Some(unit) = unit else { return };
        self.counters.bytes.fetch_add(unit.payload.len() as u64, Ordering::Relaxed);
        if unit.keyframe {
            self.keyframes.made(MonotonicClock.now());
        }
        if self.hub.push(&unit) {
            self.keyframes.want();
        }
    }

    fn open_if_needed(&mut self) -> bool {
        if self.encoder.is_some() {
            return true;
        }
        match encoder::open(&self.config) {
            Ok(opened) => {
                (self.on_event)(PipelineEvent::Opened { name: opened.encoder.name(), refused: opened.refused });
                self.encoder = Some(opened.encoder);
                true
            }
            Err(error) => {
                (self.on_event)(PipelineEvent::Dead(error));
                self.control.rest();
                false
            }
        }
    }
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;

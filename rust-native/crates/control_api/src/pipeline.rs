//! The one encode: newest frame → picture → access unit → every reader.
//!
//! Composer and encoder are built, driven and dropped on one named thread. It sleeps while nothing changes.
//! Devices, destinations and the user only leave orders here; nobody waits for an encode.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use compose::Composer;
use encoder::{EncoderError, Refusal, VideoConfig, VideoEncoder};
use media::{AccessUnit, Clock, MediaTime, MonotonicClock, Picture, VideoFrame};
use parking_lot::Mutex;
use stream::{Broadcast, FrameSlot, SlotWait};

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

#[derive(Debug)]
struct Orders {
    config: VideoConfig,
    config_changed: bool,
    keyframe: bool,
    /// Frames are encoded; otherwise they are dropped and no encoder is held.
    running: bool,
    stop: bool,
}

/// Orders to the encode from anywhere.
#[derive(Debug, Clone)]
pub(crate) struct EncodeControl {
    orders: Arc<Mutex<Orders>>,
    slot: FrameSlot<VideoFrame>,
}

impl EncodeControl {
    /// A reader needs a keyframe; requests are coalesced.
    pub(crate) fn request_keyframe(&self) {
        self.orders.lock().keyframe = true;
        self.slot.wake();
    }

    /// Encodes whatever frames come from now on.
    pub(crate) fn start(&self, config: VideoConfig) {
        self.orders.lock().running = true;
        self.configure(config);
    }

    /// Encodes nothing until the next start, and forgets the last frame.
    pub(crate) fn rest(&self) {
        self.orders.lock().running = false;
        self.slot.wake();
    }

    /// Other settings from the next picture on.
    pub(crate) fn configure(&self, config: VideoConfig) {
        let mut orders = self.orders.lock();
        orders.config = config;
        orders.config_changed = true;
        drop(orders);
        self.slot.wake();
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
    /// Starts the thread, at rest; an encoder is opened there at the first frame after [`EncodeControl::start`].
    pub(crate) fn start(
        config: VideoConfig,
        slot: FrameSlot<VideoFrame>,
        hub: Broadcast<AccessUnit>,
        on_event: impl Fn(PipelineEvent) + Send + 'static,
    ) -> std::io::Result<Self> {
        let orders = Orders { config, config_changed: false, keyframe: false, running: false, stop: false };
        let control = EncodeControl { orders: Arc::new(Mutex::new(orders)), slot };
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
        self.control.slot.wake();
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
    composer: Composer,
    picture: Picture,
    frame: Option<VideoFrame>,
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
            composer: Composer::new(config.size),
            picture: Picture::black(config.size),
            control,
            counters,
            hub,
            on_event,
            config,
            frame: None,
            encoder: None,
            keyframes: KeyframeRequests::default(),
            repeats: Repeats::default(),
            last_pts: MediaTime::ZERO,
            running: false,
        }
    }

    fn run(mut self) {
        loop {
            let waited = self.control.slot.take(self.deadline());
            if !self.take_orders() {
                return;
            }
            let now = MonotonicClock.now();
            match waited {
                SlotWait::Item(_) if !self.running => {}
                SlotWait::Item(frame) => {
                    let captured_at = frame.captured_at;
                    self.frame = Some(frame);
                    if self.compose() {
                        self.repeats.changed(now);
                        self.encode(captured_at);
                    }
                }
                SlotWait::TimedOut | SlotWait::Woken if self.frame.is_some() => {
                    if self.keyframes.is_due(now) || self.repeats.due() <= now {
                        self.repeats.repeated(now);
                        self.encode(now);
                    }
                }
                SlotWait::TimedOut | SlotWait::Woken => {}
                SlotWait::Closed => return,
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.frame.as_ref()?;
        let due = self.keyframes.due().map_or(self.repeats.due(), |keyframe| keyframe.min(self.repeats.due()));
        Some(Instant::now() + due.since(MonotonicClock.now()))
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
            (self.frame, self.encoder) = (None, None);
        }
        if !std::mem::take(&mut orders.config_changed) {
            return true;
        }
        let config = orders.config;
        drop(orders);
        self.reconfigure(config);
        true
    }

    fn reconfigure(&mut self, config: VideoConfig) {
        let resized = config.size != self.config.size;
        self.config = config;
        if resized {
            self.composer = Composer::new(self.config.size);
            if self.frame.is_some() && !self.compose() {
                return;
            }
            // A still screen sends no frame: the new size must not wait for one.
            self.keyframes.want();
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

    fn compose(&mut self) -> bool {
        let Some(frame) = &self.frame else { return false };
        match self.composer.compose(frame, &mut self.picture) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "a frame could not be composed");
                false
            }
        }
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
            match encoder.encode(&self.picture, pts, force) {
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

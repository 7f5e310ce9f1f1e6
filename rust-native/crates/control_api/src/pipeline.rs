//! The one encode: newest frames → the live scene's picture → access unit → every reader.
//!
//! Composer and encoder are built, driven and dropped on one named thread. It sleeps while nothing changes.
//! Devices, destinations and the user only leave orders here; nobody waits for an encode.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use compose::Stage;
use encoder::{EncoderError, Opened, Refusal, VideoConfig, VideoEncoder};
use media::{AccessUnit, Clock, FrameRate, MediaTime, MonotonicClock, Size};
use scene::Transition;
use stream::{Broadcast, SlotWait};

use crate::adaptation::Rendition;
use crate::canvas_clock::CanvasClock;
use crate::constant_rate::ConstantRate;
use crate::content::{Eye, Judge};
use crate::encode_orders::Show;
pub(crate) use crate::encode_orders::{EncodeControl, Feed, Wish};
use crate::fade::Fade;
use crate::governor::Governor;
use crate::keyframes::KeyframeRequests;
use crate::repeats::Repeats;

/// What the encode's thread has to tell.
#[derive(Debug)]
pub(crate) enum PipelineEvent {
    /// An encoder was opened, after these had been refused.
    Opened { name: &'static str, refused: Vec<Refusal> },
    /// The encoder failed in mid-stream, and another one went on with the very picture.
    TookOver { failed: EncoderError, name: &'static str },
    /// Settings that the encoder can't take.
    Failing(EncoderError),
    /// So many pictures a second are taken from now on.
    Pace(FrameRate),
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
    /// Pictures composed, and nanoseconds from their capture to when that began, and that it took.
    pub(crate) composed: AtomicU64,
    pub(crate) wait_nanos: AtomicU64,
    pub(crate) compose_nanos: AtomicU64,
    /// One picture of so many is taken, as the machine can't do more; 0 before the first.
    pub(crate) every: AtomicU32,
    /// How often a raw picture is copied between its one conversion and the encoder.
    pub(crate) copies: AtomicU32,
    /// x264's preset in use, as an index; see [`encoder::Preset`].
    pub(crate) preset: AtomicU32,
}

/// Opens an encoder for these settings, none of those names.
pub(crate) type Opener = Box<dyn FnMut(&VideoConfig, &[&str]) -> Result<Opened, EncoderError> + Send>;

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
        Self::start_with(config, hub, Box::new(encoder::open_except), on_event)
    }

    /// As [`Self::start`], with encoders from elsewhere: the seam at which a test lets one fail.
    pub(crate) fn start_with(
        config: VideoConfig,
        hub: Broadcast<AccessUnit>,
        opener: Opener,
        on_event: impl Fn(PipelineEvent) + Send + 'static,
    ) -> std::io::Result<Self> {
        let control = EncodeControl::new(config);
        let counters = Arc::new(Counters::default());
        let worker_control = control.clone();
        let worker_counters = Arc::clone(&counters);
        let thread = std::thread::Builder::new().name("encode-video".to_owned()).spawn(move || {
            let encode = Encode::new(worker_control, worker_counters, hub, opener, on_event);
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
    opener: Opener,
    /// As the user set it.
    wanted: VideoConfig,
    /// As it is encoded.
    config: VideoConfig,
    /// The most pictures a second that the network leaves.
    cap: FrameRate,
    allowed: Option<Rendition>,
    wish: Wish,
    governor: Governor,
    /// What the pictures show, while an encoder cares.
    eye: Eye,
    judge: Judge,
    /// The pace that was told last.
    pace: Option<FrameRate>,
    /// When the bitrate changed last: each change of an encoder that can't change it is a new one, and an IDR.
    rate_changed: MediaTime,
    /// Encoders that failed, and when.
    failed: Vec<(&'static str, MediaTime)>,
    /// Pictures in a row that nothing came out for.
    silent: u32,
    stage: Stage,
    feeds: Vec<Feed>,
    clock: CanvasClock,
    /// While a destination needs it.
    constant: Option<ConstantRate>,
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
/// So many pictures in without one out: the encoder hangs.
const MOST_SILENT: u32 = 15;
/// An encoder that failed in mid-stream is not opened for so long, and then only where one is opened anyway.
const BARRED: Duration = Duration::from_secs(60);
/// Another bitrate for an encoder that has to be opened anew for it: no smaller step, and not sooner than that.
const COSTLY_STEP: f64 = 0.15;
const COSTLY_PAUSE: Duration = Duration::from_secs(2);
/// Two pictures never share a tick of the 90 kHz clock.
const LEAST_PTS_STEP: Duration = Duration::from_millis(1);

impl<F: Fn(PipelineEvent)> Encode<F> {
    fn new(
        control: EncodeControl,
        counters: Arc<Counters>,
        hub: Broadcast<AccessUnit>,
        opener: Opener,
        on_event: F,
    ) -> Self {
        let config = control.orders.lock().config;
        Self {
            stage: Stage::new(config.size),
            feeds: Vec::new(),
            clock: CanvasClock::default(),
            constant: None,
            fade: None,
            has_picture: false,
            newest: None,
            control,
            counters,
            hub,
            on_event,
            opener,
            wanted: config,
            config,
            cap: config.frame_rate,
            allowed: None,
            wish: Wish::default(),
            governor: Governor::default(),
            eye: Eye::default(),
            judge: Judge::default(),
            pace: None,
            rate_changed: MediaTime::ZERO,
            failed: Vec::new(),
            silent: 0,
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
            } else if self.has_picture && self.repeat_due() <= now {
                self.repeats.repeated(now);
                let at = self.constant.as_mut().map_or(now, |constant| constant.fill(now));
                self.encode(at);
            }
        }
    }

    /// Whether there is something to compose. The first picture waits until each source has something to show.
    fn is_changing(&self) -> bool {
        (self.stage.is_changed() && (self.has_picture || self.stage.is_complete())) || self.fade.is_some()
    }

    /// When what has changed may be composed. The frames of one source come at their rate already; those of several
    /// are sampled at the canvas's. Where fewer are taken, the others are left out here, before they cost anything.
    fn due(&self) -> MediaTime {
        if let Some(constant) = &self.constant {
            return constant.fresh_at();
        }
        let several = self.feeds.len() > 1 || self.fade.is_some();
        let rate = self.rate();
        if several || rate < self.config.frame_rate { self.clock.ready_at(rate) } else { MediaTime::ZERO }
    }

    /// The most pictures a second that the network and the machine leave.
    fn rate(&self) -> FrameRate {
        let machine = self.config.frame_rate.fps().div_ceil(self.governor.every());
        FrameRate::new(machine.min(self.cap.fps())).unwrap_or(self.config.frame_rate)
    }

    fn deadline(&self) -> Option<Instant> {
        if !self.running {
            return None;
        }
        let changed = self.is_changing().then(|| self.due());
        let repeat = self.has_picture.then(|| self.repeat_due());
        let due = [changed, repeat].into_iter().flatten().min()?;
        Some(Instant::now() + due.since(MonotonicClock.now()))
    }

    /// When the same picture is encoded again.
    fn repeat_due(&self) -> MediaTime {
        match &self.constant {
            Some(constant) => constant.repeat_at(),
            None => self.keyframes.due().map_or(self.repeats.due(), |due| due.min(self.repeats.due())),
        }
    }

    fn take_frames(&mut self) {
        for (source, slot) in &self.feeds {
            let Some(frame) = slot.try_take() else { continue };
            self.newest = self.newest.max(Some(frame.captured_at));
            if let Some(fade) = &mut self.fade {
                fade.put(source, &frame);
            }
            if let Err(error) = self.stage.put(source, frame) {
                tracing::warn!(%error, "a frame could not be composed");
            }
        }
        let lost = std::mem::take(&mut self.control.orders.lock().lost);
        if let Some(fade) = &mut self.fade {
            fade.take_frames();
            lost.iter().for_each(|(source, card)| fade.lose(source, card));
        }
        lost.into_iter().for_each(|(source, card)| self.stage.lose(&source, card));
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
        let constant = orders.constant_rate && self.running;
        if !self.running {
            self.encoder = None;
            self.feeds.clear();
            self.stage = Stage::new(self.config.size);
            (self.fade, self.has_picture, self.newest) = (None, false, None);
            self.governor.start_over();
            (self.eye, self.judge) = (Eye::default(), Judge::default());
        }
        (self.wanted, self.allowed, self.wish) = (orders.config, orders.allowed, orders.wish);
        let show = if self.running { orders.show.take() } else { None };
        drop(orders);
        self.governor.set_ceiling(self.wish.ceiling);
        let (config, cap) = self.effective();
        self.cap = cap;
        if let Some(show) = show {
            self.show(show, config.size);
        }
        self.reconfigure(config);
        self.tell_pace();
        let interval = self.rate().interval();
        if self.constant.as_ref().map(ConstantRate::interval) != constant.then_some(interval) {
            self.constant = constant.then(|| ConstantRate::new(MonotonicClock.now(), interval));
        }
        true
    }

    /// What is to be encoded: the settings, what a network leaves of them, and what the machine has room for.
    fn effective(&self) -> (VideoConfig, FrameRate) {
        let whole = (self.wanted, self.wanted.frame_rate);
        let (mut config, cap) = self.allowed.map_or(whole, |rendition| rendition.apply(&self.wanted));
        config.tune.preset = self.governor.preset();
        config.tune.intra_refresh = self.wish.intra_refresh;
        config.tune.content = self.judge.content();
        if self.encoder.as_ref().is_some_and(|encoder| !encoder.abilities().live_bitrate)
            && config.size == self.config.size
        {
            let (old, new) = (f64::from(self.config.bitrate.as_bps()), f64::from(config.bitrate.as_bps()));
            let set = self.allowed.is_none() || config.bitrate == self.wanted.bitrate;
            let soon = MonotonicClock.now().since(self.rate_changed) < COSTLY_PAUSE;
            if !set && (soon || (new / old - 1.0).abs() < COSTLY_STEP) {
                config.bitrate = self.config.bitrate;
            }
        }
        (config, cap)
    }

    /// The capture need not give more than is taken.
    fn tell_pace(&mut self) {
        let rate = self.rate();
        if self.running && self.pace.is_some_and(|pace| pace != rate) {
            (self.on_event)(PipelineEvent::Pace(rate));
        }
        self.pace = self.running.then_some(rate);
    }

    fn show(&mut self, show: Show, size: Size) {
        let running = self.fade.take();
        // Pictures of two sizes can't be mixed: that one is a cut.
        let mixable = self.has_picture && size == self.config.size;
        if let Transition::Fade { ms } = show.transition
            && mixable
        {
            let now = MonotonicClock.now();
            self.fade = Some(match running {
                Some(fade) => fade.interrupted(now, ms),
                None => {
                    let next = self.stage.successor();
                    let stage = std::mem::replace(&mut self.stage, next);
                    let mut feeds = std::mem::take(&mut self.feeds);
                    feeds.retain(|(source, _)| show.feeds.iter().all(|(next, _)| next != source));
                    Fade::from_scene(stage, feeds, now, ms)
                }
            });
        }
        self.stage.set_scene(&show.scene);
        self.feeds = show.feeds;
    }

    fn reconfigure(&mut self, config: VideoConfig) {
        if config == self.config {
            // A scene that is dragged comes sixty times a second, with the settings it had.
            return;
        }
        let resized = config.size != self.config.size;
        if resized || config.frame_rate != self.config.frame_rate {
            self.governor.start_over();
        }
        if config.bitrate != self.config.bitrate {
            self.rate_changed = MonotonicClock.now();
        }
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
        let begun = Instant::now();
        if let Err(error) = self.stage.compose() {
            tracing::warn!(%error, "a frame could not be composed");
            return;
        }
        if self.fade.as_mut().is_some_and(|fade| !fade.advance(self.stage.picture(), now)) {
            self.fade = None;
        }
        self.has_picture = true;
        self.clock.composed(now, self.rate());
        self.repeats.changed(now);
        let captured = self.newest.take().unwrap_or(now);
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counters.composed.fetch_add(1, Ordering::Relaxed);
        self.counters.wait_nanos.fetch_add(nanos(now.since(captured)), Ordering::Relaxed);
        self.counters.compose_nanos.fetch_add(nanos(begun.elapsed()), Ordering::Relaxed);
        let at = self.constant.as_mut().map_or(captured, |constant| constant.fill(now));
        self.encode(at);
        self.govern(begun.elapsed());
        self.look(now);
    }

    /// Looks at what was composed, where that matters.
    fn look(&mut self, now: MediaTime) {
        if self.encoder.as_ref().is_some_and(|encoder| encoder.abilities().content)
            && let Some(look) = self.eye.look(self.stage.picture())
            && self.judge.saw(now, look)
        {
            tracing::info!(content = ?self.judge.content(), "the pictures show something else");
        }
    }

    /// Lets the governor see what a picture took.
    fn govern(&mut self, work: Duration) {
        let presets = self.encoder.as_ref().is_some_and(|encoder| encoder.abilities().presets);
        let rate = self.config.frame_rate.fps().min(self.cap.fps());
        let interval = FrameRate::new(rate).unwrap_or(self.config.frame_rate).interval();
        if self.governor.picture(MonotonicClock.now(), work, interval, presets) {
            tracing::info!(preset = self.governor.preset().name(), every = self.governor.every(), "work per picture");
        }
        self.counters.every.store(self.governor.every(), Ordering::Relaxed);
        self.counters.preset.store(self.governor.preset() as u32, Ordering::Relaxed);
    }

    fn encode(&mut self, at: MediaTime) {
        let pts = at.max(self.last_pts + LEAST_PTS_STEP);
        let mut failure = None;
        for _ in 0..MOST_FAILURES {
            if !self.open_if_needed() {
                return;
            }
            let Some(encoder) = self.encoder.as_mut() else { return };
            let force = self.keyframes.is_due(MonotonicClock.now());
            let begun = Instant::now();
            let picture = self.fade.as_ref().map_or(self.stage.picture(), Fade::picture);
            match encoder.encode(picture, pts, force) {
                Ok(None) if self.silent >= MOST_SILENT => {
                    let reason = format!("it took {MOST_SILENT} pictures and gave nothing back");
                    failure = Some(EncoderError::EncodeFailed { name: encoder.name(), reason });
                    self.give_up();
                }
                Ok(unit) => {
                    let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    if let Some(failed) = failure {
                        (self.on_event)(PipelineEvent::TookOver { failed, name: encoder.name() });
                    }
                    self.silent = if unit.is_none() { self.silent + 1 } else { 0 };
                    self.last_pts = pts;
                    self.deliver(unit, nanos);
                    return;
                }
                Err(error) => {
                    failure = Some(error);
                    self.give_up();
                }
            }
        }
        if let Some(error) = failure {
            // Three different ones in a row: it is tried again with the next picture.
            (self.on_event)(PipelineEvent::Failing(error));
        }
    }

    /// The encoder has failed: another one is to be opened.
    fn give_up(&mut self) {
        self.silent = 0;
        if let Some(encoder) = self.encoder.take() {
            self.failed.push((encoder.name(), MonotonicClock.now()));
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
        let now = MonotonicClock.now();
        self.failed.retain(|(_, at)| now.since(*at) < BARRED);
        let barred: Vec<&str> = self.failed.iter().map(|(name, _)| *name).collect();
        let mut opened = (self.opener)(&self.config, &barred);
        if opened.is_err() && !barred.is_empty() {
            // Nothing else works here: better the one that failed once than none.
            self.failed.clear();
            opened = (self.opener)(&self.config, &[]);
        }
        match opened {
            Ok(opened) => {
                (self.on_event)(PipelineEvent::Opened { name: opened.encoder.name(), refused: opened.refused });
                self.counters.copies.store(opened.encoder.abilities().copies, Ordering::Relaxed);
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

#[cfg(test)]
#[path = "content_pipeline_tests.rs"]
mod content_tests;

#[cfg(test)]
#[path = "failover_tests.rs"]
mod failover_tests;

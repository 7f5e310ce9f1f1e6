//! What the encode's thread does: takes the newest frames, composes the live scene where it changed, and has it encoded;
//! or has the same picture encoded again when its time has come. It sleeps while nothing changes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use compose::Stage;
use encoder::VideoConfig;
use media::{AccessUnit, Clock, FrameRate, MediaTime, MonotonicClock, Size, VideoFrame};
use scene::Transition;
use stream::{Broadcast, SlotWait};

use crate::adaptation::Rendition;
use crate::canvas_clock::CanvasClock;
use crate::constant_rate::ConstantRate;
use crate::content::{Eye, Judge};
use crate::encode_orders::{EncodeControl, Feed, Show, Wish};
use crate::encoding::{Encoded, Encoding, Shown};
use crate::fade::Fade;
use crate::governor::Governor;
use crate::lower::{Lower, LowerHubs};
use crate::pipeline::{Counters, Opener, PipelineEvent};
use crate::repeats::Repeats;

mod on_card;

/// See the module.
pub(crate) struct Encode<F> {
    control: EncodeControl,
    counters: Arc<Counters>,
    on_event: F,
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
    stage: Stage,
    feeds: Vec<Feed>,
    clock: CanvasClock,
    /// A source may come quicker than it is taken here.
    sampled: bool,
    /// While a destination needs it.
    constant: Option<ConstantRate>,
    fade: Option<Fade>,
    /// Something was composed since the encode began: there is a picture to repeat.
    has_picture: bool,
    /// What is shown, while it lies on the graphics card and the encoder takes it there; `stage`'s picture is older then.
    on_card: Option<VideoFrame>,
    /// Whether frames were asked to lie there.
    surfaces: bool,
    /// When the newest frame that is not encoded yet was captured.
    newest: Option<MediaTime>,
    encoding: Encoding,
    lower: Lower,
    repeats: Repeats,
    running: bool,
}

/// Another bitrate for an encoder that has to be opened anew for it: no smaller step, and not sooner than that.
const COSTLY_STEP: f64 = 0.15;
const COSTLY_PAUSE: Duration = Duration::from_secs(2);

fn pixels_per_second(config: &VideoConfig) -> u64 {
    config.size.area() * u64::from(config.frame_rate.fps())
}

impl<F: Fn(PipelineEvent)> Encode<F> {
    pub(crate) fn new(
        control: EncodeControl,
        counters: Arc<Counters>,
        (hub, lower): (Broadcast<AccessUnit>, LowerHubs),
        opener: Opener,
        on_event: F,
    ) -> Self {
        let config = control.orders.lock().config;
        Self {
            stage: Stage::new(config.size),
            feeds: Vec::new(),
            clock: CanvasClock::default(),
            sampled: false,
            constant: None,
            fade: None,
            has_picture: false,
            on_card: None,
            surfaces: false,
            newest: None,
            encoding: Encoding::new(opener, hub, Arc::clone(&counters), Arc::clone(&control.keyframe_wanted)),
            control,
            on_event,
            wanted: config,
            config,
            cap: config.frame_rate,
            allowed: None,
            wish: Wish::default(),
            governor: Governor::new(encoder::most_threads(), pixels_per_second(&config)),
            eye: Eye::default(),
            judge: Judge::default(),
            pace: None,
            rate_changed: MediaTime::ZERO,
            lower: Lower::new(&lower, || Box::new(encoder::open_except)),
            repeats: Repeats::default(),
            counters,
            running: false,
        }
    }

    pub(crate) fn run(mut self) {
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
                // On a grid there is a picture for each interval: what a change would have to wait for is too much.
                self.encode(at, self.constant.is_none());
            } else if self.has_picture && self.lower.waits() {
                self.give_lower(now);
            }
        }
    }

    /// Whether there is something to compose. The first picture waits until each source has something to show.
    fn is_changing(&self) -> bool {
        (self.stage.is_changed() && (self.has_picture || self.stage.is_complete())) || self.fade.is_some()
    }

    /// When what has changed may be composed. The frames of one source come at their rate already; those of several
    /// are sampled at the canvas's, as is one that another canvas takes more of. Where fewer are taken, the others are left out here, before they cost anything.
    fn due(&self) -> MediaTime {
        if let Some(constant) = &self.constant {
            return constant.fresh_at();
        }
        let several = self.feeds.len() > 1 || self.fade.is_some() || self.sampled;
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
            None => self.encoding.keyframes.due().map_or(self.repeats.due(), |due| due.min(self.repeats.due())),
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
        self.running = orders.running;
        let constant = orders.constant_rate && self.running;
        if !self.running {
            self.encoding.close();
            self.lower.rest();
            self.feeds.clear();
            self.stage = Stage::new(self.config.size);
            (self.fade, self.has_picture, self.newest, self.on_card, self.surfaces) = (None, false, None, None, false);
            self.governor.start_over(pixels_per_second(&self.config));
            (self.eye, self.judge) = (Eye::default(), Judge::default());
        }
        (self.allowed, self.wish) = (orders.allowed, orders.wish);
        self.wanted = VideoConfig { codec: orders.codec, ..orders.config };
        self.sampled = orders.sampled;
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
        config.tune.preset = self.wish.preset.unwrap_or_else(|| self.governor.preset());
        config.tune.one_thread = self.governor.one_thread();
        config.tune.intra_refresh = self.wish.intra_refresh;
        config.tune.content = self.judge.content();
        if self.encoding.abilities().is_some_and(|abilities| !abilities.live_bitrate) && config.size == self.config.size
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
            self.bring_into_memory();
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
            self.governor.start_over(pixels_per_second(&config));
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
                self.encoding.keyframes.want();
            }
        }
        self.encoding.reconfigure(&self.config, &self.on_event);
    }

    fn compose(&mut self, now: MediaTime) {
        let begun = Instant::now();
        self.on_card = if self.asks_for_surfaces() { self.stage.pass_on() } else { None };
        if self.on_card.is_none()
            && let Err(error) = self.stage.compose()
        {
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
        self.encode(at, false);
        self.govern(begun.elapsed());
        self.look(now);
    }

    /// Looks at what was composed, where that matters.
    fn look(&mut self, now: MediaTime) {
        if self.on_card.is_none()
            && self.encoding.abilities().is_some_and(|abilities| abilities.content)
            && let Some(look) = self.eye.look(self.stage.picture())
            && self.judge.saw(now, look)
        {
            tracing::info!(content = ?self.judge.content(), "the pictures show something else");
        }
    }

    /// Lets the governor see what a picture took.
    fn govern(&mut self, work: Duration) {
        let presets = self.encoding.abilities().is_some_and(|abilities| abilities.presets);
        let rate = self.config.frame_rate.fps().min(self.cap.fps());
        let interval = FrameRate::new(rate).unwrap_or(self.config.frame_rate).interval();
        if self.governor.picture(MonotonicClock.now(), work, interval, presets) {
            let (one_thread, every) = (self.governor.one_thread(), self.governor.every());
            tracing::info!(preset = self.governor.preset().name(), one_thread, every, "work per picture");
        }
        self.counters.every.store(self.governor.every(), Ordering::Relaxed);
        self.counters.preset.store(self.config.tune.preset as u32, Ordering::Relaxed);
    }

    fn encode(&mut self, at: MediaTime, again: bool) {
        let mut encoded = Ok(Encoded::InMemory);
        if let Some(frame) = &self.on_card {
            encoded = self.encoding.encode(Shown::OnCard(frame), at, &self.config, &self.on_event);
        }
        if let Ok(Encoded::InMemory) = encoded {
            self.bring_into_memory();
            let picture = self.fade.as_ref().map_or(self.stage.picture(), Fade::picture);
            let shown = if again { Shown::Again(picture) } else { Shown::Picture(picture) };
            encoded = self.encoding.encode(shown, at, &self.config, &self.on_event);
        }
        if encoded.is_err() {
            self.control.rest();
            return;
        }
        self.give_lower(at);
    }

    fn give_lower(&mut self, at: MediaTime) {
        if !self.lower.is_read() {
            return self.lower.rest();
        }
        self.bring_into_memory();
        let picture = self.fade.as_ref().map_or(self.stage.picture(), Fade::picture);
        self.lower.give(picture, at, &self.config, &self.on_event);
    }
}

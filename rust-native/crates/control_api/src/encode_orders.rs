//! What is asked of the encode, from anywhere: devices, destinations, the user. Nobody waits for an encode; an order
//! is left, and the encode's thread is woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use compose::Card;
use encoder::{Preset, VideoConfig};
use media::{VideoCodec, VideoFrame};
use parking_lot::Mutex;
use scene::{Scene, Transition};
use stream::FrameSlot;

use crate::adaptation::Rendition;
use crate::governor::Ceiling;

/// What the user wants of the encode besides its size, rate and bitrate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wish {
    pub(crate) ceiling: Ceiling,
    /// Instead of the governor's.
    pub(crate) preset: Option<Preset>,
    pub(crate) intra_refresh: bool,
    /// Frames stay on the graphics card where the encoder takes them there.
    pub(crate) zero_copy: bool,
}

/// A source of the live scene: its id and where its newest frame lies.
pub(crate) type Feed = (String, FrameSlot<VideoFrame>);

/// A scene that is to be shown.
#[derive(Debug)]
pub(crate) struct Show {
    pub(crate) scene: Arc<Scene>,
    pub(crate) feeds: Vec<Feed>,
    pub(crate) transition: Transition,
}

#[derive(Debug)]
pub(crate) struct Orders {
    pub(crate) config: VideoConfig,
    /// Whatever the configuration says.
    pub(crate) codec: VideoCodec,
    /// What a network leaves of it; `None`: all.
    pub(crate) allowed: Option<Rendition>,
    pub(crate) wish: Wish,
    pub(crate) show: Option<Show>,
    /// Sources that are gone: a card is drawn in their place.
    pub(crate) lost: Vec<(String, Card)>,
    /// Frames are encoded; otherwise they are dropped and no encoder is held.
    pub(crate) running: bool,
    /// One picture in each interval.
    pub(crate) constant_rate: bool,
    /// A source may come quicker than it is taken here, as another canvas takes more of it.
    pub(crate) sampled: bool,
    pub(crate) stop: bool,
}

impl Orders {
    /// At rest.
    pub(crate) fn new(config: VideoConfig) -> Self {
        Self {
            config,
            codec: config.codec,
            allowed: None,
            wish: Wish::default(),
            show: None,
            lost: Vec::new(),
            running: false,
            constant_rate: false,
            sampled: false,
            stop: false,
        }
    }
}

/// Orders to the encode from anywhere.
#[derive(Debug, Clone)]
pub(crate) struct EncodeControl {
    pub(crate) orders: Arc<Mutex<Orders>>,
    /// Rung for every frame and order.
    pub(crate) bell: FrameSlot<()>,
    /// See [`Self::request_keyframe`].
    pub(crate) keyframe_wanted: Arc<AtomicBool>,
}

impl EncodeControl {
    /// For an encode that begins at rest.
    pub(crate) fn new(config: VideoConfig) -> Self {
        Self {
            orders: Arc::new(Mutex::new(Orders::new(config))),
            bell: FrameSlot::default(),
            keyframe_wanted: Arc::default(),
        }
    }

    /// A reader needs a keyframe, and is subscribed already; requests are coalesced.
    pub(crate) fn request_keyframe(&self) {
        self.keyframe_wanted.store(true, Ordering::Release);
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
    pub(crate) fn lose(&self, source: &str, card: Card) {
        self.orders.lock().lost.push((source.to_owned(), card));
        self.bell.wake();
    }

    /// Encodes one picture in each interval, changed or not; or only what changes.
    pub(crate) fn set_constant_rate(&self, constant: bool) {
        let before = std::mem::replace(&mut self.orders.lock().constant_rate, constant);
        if before != constant {
            self.bell.wake();
        }
    }

    /// Takes no more of a source than the canvas's rate, however quickly it comes.
    pub(crate) fn set_sampled(&self, sampled: bool) {
        let before = std::mem::replace(&mut self.orders.lock().sampled, sampled);
        if before != sampled {
            self.bell.wake();
        }
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
        self.orders.lock().config = config;
        self.bell.wake();
    }

    /// Another codec from the next picture on.
    pub(crate) fn set_codec(&self, codec: VideoCodec) {
        self.orders.lock().codec = codec;
        self.bell.wake();
    }

    /// What a network leaves of the settings, from the next picture on.
    pub(crate) fn allow(&self, rendition: Rendition) {
        let before = self.orders.lock().allowed.replace(rendition);
        if before != Some(rendition) {
            self.bell.wake();
        }
    }

    /// What the user wants besides, from the next picture on.
    pub(crate) fn wish(&self, wish: Wish) {
        self.orders.lock().wish = wish;
        self.bell.wake();
    }
}

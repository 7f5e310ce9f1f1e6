//! The encoder's life: opened when a picture needs one, barred where it fails or hangs, and replaced by the next one of the
//! table, which encodes the very picture that was failed at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use encoder::{Abilities, EncoderError, VideoConfig, VideoEncoder};
use media::{AccessUnit, Clock, MediaTime, MonotonicClock, Picture, VideoFrame};
use stream::Broadcast;

use crate::keyframes::KeyframeRequests;
use crate::pipeline::{Counters, Opener, PipelineEvent};
use crate::replay::Replay;

/// An encoder that fails this often in a row is not opened again: the machine can't encode.
const MOST_FAILURES: u32 = 3;
/// So many pictures in without one out: the encoder hangs.
const MOST_SILENT: u32 = 15;
/// An encoder that failed in mid-stream is not opened for so long, and then only where one is opened anyway.
const BARRED: Duration = Duration::from_secs(60);
/// Two pictures never share a tick of the 90 kHz clock.
const LEAST_PTS_STEP: Duration = Duration::from_millis(1);

/// What is encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shown<'a> {
    /// As it was composed, in memory.
    Picture(&'a Picture),
    /// The very picture that was encoded last, once more.
    Again(&'a Picture),
    /// A frame where it lies on a graphics card, for [`Encoding::takes_surfaces`].
    OnCard(&'a VideoFrame),
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoded {
    /// It was encoded, or told why not.
    Done,
    /// It can't be taken from the card (any more): it is wanted in memory.
    InMemory,
}

/// None can be opened; it was told.
#[derive(Debug)]
pub(crate) struct Dead;

/// See the module.
pub(crate) struct Encoding {
    opener: Opener,
    encoder: Option<Box<dyn VideoEncoder>>,
    /// Encoders that failed, and when.
    failed: Vec<(&'static str, MediaTime)>,
    /// The encoder that could not take frames from the card.
    memory_only: Option<&'static str>,
    /// Pictures in a row that nothing came out for.
    silent: u32,
    last_pts: MediaTime,
    /// What of a picture that stands still is sent again instead of being encoded.
    replay: Replay,
    /// When the next keyframe may be made, and whether one is wanted.
    pub(crate) keyframes: KeyframeRequests,
    hub: Broadcast<AccessUnit>,
    counters: Arc<Counters>,
}

impl Encoding {
    pub(crate) fn new(
        opener: Opener,
        hub: Broadcast<AccessUnit>,
        counters: Arc<Counters>,
        keyframe_wanted: Arc<AtomicBool>,
    ) -> Self {
        Self {
            opener,
            encoder: None,
            failed: Vec::new(),
            memory_only: None,
            silent: 0,
            last_pts: MediaTime::ZERO,
            replay: Replay::default(),
            keyframes: KeyframeRequests::of(keyframe_wanted),
            hub,
            counters,
        }
    }

    /// What the one that is open can do.
    pub(crate) fn abilities(&self) -> Option<Abilities> {
        self.encoder.as_ref().map(|encoder| encoder.abilities())
    }

    /// Whether the one that is open may take frames where they lie on a graphics card.
    pub(crate) fn takes_surfaces(&self) -> bool {
        let Some(encoder) = &self.encoder else { return false };
        encoder.abilities().surfaces && self.memory_only != Some(encoder.name())
    }

    /// The next picture needs a new one.
    pub(crate) fn close(&mut self) {
        (self.encoder, self.memory_only) = (None, None);
        self.replay.forget();
    }

    /// Other settings: the one that is open takes them, or the next picture needs a new one.
    pub(crate) fn reconfigure(&mut self, config: &VideoConfig, tell: &dyn Fn(PipelineEvent)) {
        match self.encoder.as_mut().map(|encoder| encoder.reconfigure(config)) {
            Some(Ok(true)) => return self.replay.outdated(),
            None => return,
            Some(Ok(false)) => {}
            Some(Err(error)) => tell(PipelineEvent::Failing(error)),
        }
        self.encoder = None;
        self.replay.forget();
    }

    /// Encodes what is shown with whichever encoder takes it, and hands on what comes out.
    ///
    /// # Errors
    /// [`Dead`].
    pub(crate) fn encode(
        &mut self,
        shown: Shown<'_>,
        at: MediaTime,
        config: &VideoConfig,
        tell: &dyn Fn(PipelineEvent),
    ) -> Result<Encoded, Dead> {
        let again = matches!(shown, Shown::Again(_));
        if again && self.send_again(at, config) {
            return Ok(Encoded::Done);
        }
        let restart = self.catch_up(again, at, config);
        let pts = self.pts(at);
        let mut failure = None;
        for _ in 0..MOST_FAILURES {
            if self.encoder.is_none() {
                self.encoder = Some(self.open(config, tell)?);
            }
            let takes_surfaces = self.takes_surfaces();
            let Some(encoder) = self.encoder.as_mut() else { return Ok(Encoded::Done) };
            let force = restart || self.keyframes.is_due(MonotonicClock.now());
            let begun = Instant::now();
            let (result, copies) = match shown {
                Shown::Picture(picture) | Shown::Again(picture) => {
                    (encoder.encode(picture, pts, force), encoder.abilities().copies)
                }
                Shown::OnCard(frame) if takes_surfaces => (encoder.encode_surface(frame, pts, force), 0),
                Shown::OnCard(_) => return Ok(Encoded::InMemory),
            };
            match result {
                Ok(None) if self.silent >= MOST_SILENT => {
                    let reason = format!("it took {MOST_SILENT} pictures and gave nothing back");
                    failure = Some(EncoderError::EncodeFailed { name: encoder.name(), reason });
                    self.give_up();
                }
                Ok(unit) => {
                    let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    if let Some(failed) = failure {
                        tell(PipelineEvent::TookOver { failed, name: encoder.name() });
                    }
                    self.counters.copies.store(copies, Ordering::Relaxed);
                    self.silent = if unit.is_none() { self.silent + 1 } else { 0 };
                    match &unit {
                        Some(unit) => self.replay.encoded(unit, again),
                        None => self.replay.forget(),
                    }
                    self.last_pts = pts;
                    self.deliver(unit, nanos);
                    return Ok(Encoded::Done);
                }
                Err(error @ EncoderError::SurfaceRefused { .. }) => {
                    self.memory_only = Some(encoder.name());
                    tell(PipelineEvent::Failing(error));
                    return Ok(Encoded::InMemory);
                }
                Err(error) => {
                    failure = Some(error);
                    self.give_up();
                }
            }
        }
        if let Some(error) = failure {
            // Three different ones in a row: it is tried again with the next picture.
            tell(PipelineEvent::Failing(error));
        }
        Ok(Encoded::Done)
    }

    fn pts(&self, at: MediaTime) -> MediaTime {
        at.max(self.last_pts + LEAST_PTS_STEP)
    }

    /// A still picture costs no encoding where what was made of it can be sent again. A keyframe that somebody asked for is
    /// made.
    fn send_again(&mut self, at: MediaTime, config: &VideoConfig) -> bool {
        let pts = self.pts(at);
        let Some(encoder) = &mut self.encoder else { return false };
        if self.keyframes.is_due(MonotonicClock.now()) {
            return false;
        }
        let Some(unit) = self.replay.repeat(pts, config.gop) else { return false };
        if unit.keyframe && !encoder.sends_keyframe_again(pts) {
            self.replay.forget();
            return false;
        }
        self.last_pts = pts;
        self.deliver(Some(unit), 0);
        true
    }

    /// Brings the decoders to where the encoder is; `true` where a keyframe is to do that.
    fn catch_up(&mut self, again: bool, at: MediaTime, config: &VideoConfig) -> bool {
        let wanted = again || self.replay.is_due(at, config.gop) || self.keyframes.is_due(MonotonicClock.now());
        if wanted || self.encoder.is_none() {
            return self.replay.is_behind();
        }
        while let Some(unit) = self.replay.rest(self.last_pts + LEAST_PTS_STEP) {
            self.last_pts = unit.pts;
            self.deliver(Some(unit), 0);
        }
        false
    }

    /// The encoder has failed: another one is to be opened.
    fn give_up(&mut self) {
        self.silent = 0;
        self.replay.forget();
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

    fn open(&mut self, config: &VideoConfig, tell: &dyn Fn(PipelineEvent)) -> Result<Box<dyn VideoEncoder>, Dead> {
        let now = MonotonicClock.now();
        self.failed.retain(|(_, at)| now.since(*at) < BARRED);
        let barred: Vec<&str> = self.failed.iter().map(|(name, _)| *name).collect();
        let mut opened = (self.opener)(config, &barred);
        if opened.is_err() && !barred.is_empty() {
            // Nothing else works here: better the one that failed once than none.
            self.failed.clear();
            opened = (self.opener)(config, &[]);
        }
        match opened {
            Ok(opened) => {
                tell(PipelineEvent::Opened { name: opened.encoder.name(), refused: opened.refused });
                Ok(opened.encoder)
            }
            Err(error) => {
                tell(PipelineEvent::Dead(error));
                Err(Dead)
            }
        }
    }
}

//! Lower encodings of the composed picture, for destinations that take several sizes of it at once (simulcast): half and
//! quarter, each with an encoder of its own, on one thread beside the encode's.
//!
//! The encode's thread halves the picture once and goes on; what the other thread is too slow for is left out there.
//! An encoder is open only while somebody reads what it makes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use encoder::{EncoderError, VideoConfig};
use media::{AccessUnit, Bitrate, MediaTime, Picture, Size, VideoCodec};
use parking_lot::Mutex;
use publish::LowerLayer;
use stream::{Broadcast, FrameSlot, LagPolicy, Lanes, SlotWait};

use crate::encoding::{Encoding, Shown};
use crate::pipeline::{Counters, Opener, PipelineEvent};

/// Half and quarter.
pub(crate) const MOST_LOWER: usize = 2;
/// A picture with fewer lines than that on its short side is of no use to anybody.
const LEAST_LINES: u32 = 180;
/// Each one's bitrate as a share of the whole picture's: a quarter of the pixels needs about a third of the bits.
const SHARES: [f64; MOST_LOWER] = [0.35, 0.12];
/// Pictures that may wait for a destination's task: two thirds of a second of 60. More would only arrive too late.
const QUEUE: usize = 40;
/// Below this no picture is worth sending.
const LEAST_KBPS: u32 = 60;

/// How many lower encodings a picture of that size has.
pub(crate) fn count(size: Size) -> usize {
    let short = size.width.min(size.height);
    (1..=MOST_LOWER).take_while(|halvings| short >> halvings >= LEAST_LINES).count()
}

/// The size of each.
pub(crate) fn sizes(size: Size) -> impl Iterator<Item = Size> {
    let half = |size: &Size| Some(compose::half_size(*size));
    std::iter::successors(Some(size), half).skip(1).take(count(size))
}

fn config_of(lower: usize, size: Size, config: &VideoConfig) -> VideoConfig {
    let bitrate = (f64::from(config.bitrate.as_kbps()) * SHARES[lower]) as u32;
    let bitrate = Bitrate::from_kbps(bitrate.max(LEAST_KBPS));
    VideoConfig { codec: VideoCodec::H264, size, bitrate, ..*config }
}

/// What readers and the two threads share.
#[derive(Debug)]
struct Desk {
    hubs: [Broadcast<AccessUnit>; MOST_LOWER],
    keyframes: [AtomicBool; MOST_LOWER],
    /// What went wrong, until the encode's thread tells it.
    problems: Mutex<Vec<EncoderError>>,
    /// Of the encode's thread, which has the picture.
    bell: FrameSlot<()>,
}

impl Desk {
    fn is_wanted(&self, lower: usize) -> bool {
        self.hubs[lower].is_wanted(Lanes::VIDEO)
    }
}

/// The readers' side.
#[derive(Debug, Clone)]
pub(crate) struct LowerHubs(Arc<Desk>);

impl LowerHubs {
    pub(crate) fn new(bell: FrameSlot<()>) -> Self {
        Self(Arc::new(Desk {
            hubs: Default::default(),
            keyframes: Default::default(),
            problems: Mutex::default(),
            bell,
        }))
    }

    /// Those that a picture of that size has, the larger first, as a destination offers them.
    pub(crate) fn layers(&self, size: Size) -> Vec<LowerLayer> {
        let layer = |lower: usize| {
            let (read, asked) = (self.clone(), self.clone());
            LowerLayer {
                units: Arc::new(move || {
                    read.0.hubs[lower].subscribe_to(Lanes::VIDEO, QUEUE, LagPolicy::SkipToKeyframe)
                }),
                request_keyframe: Arc::new(move || asked.request_keyframe(lower)),
                share: SHARES[lower],
            }
        };
        (0..count(size)).map(layer).collect()
    }

    fn request_keyframe(&self, lower: usize) {
        self.0.keyframes[lower].store(true, Ordering::Relaxed);
        self.0.bell.wake();
    }
}

/// A picture at half its size, and how it is to be encoded.
struct Job {
    half: Picture,
    at: MediaTime,
    config: VideoConfig,
}

/// The side of the encode's thread; dropping it ends the other one.
pub(crate) struct Lower {
    desk: Arc<Desk>,
    opener: fn() -> Opener,
    worker: Option<Worker>,
}

struct Worker {
    jobs: FrameSlot<Job>,
    /// The picture that is encoded already: its memory is used again.
    spare: FrameSlot<Picture>,
    thread: Option<JoinHandle<()>>,
}

impl Lower {
    /// `opener` is where encoders come from.
    pub(crate) fn new(hubs: &LowerHubs, opener: fn() -> Opener) -> Self {
        Self { desk: Arc::clone(&hubs.0), opener, worker: None }
    }

    /// Whether somebody waits for a keyframe, which a still picture would not bring.
    pub(crate) fn waits(&self) -> bool {
        (0..MOST_LOWER).any(|lower| self.desk.keyframes[lower].load(Ordering::Relaxed) && self.desk.is_wanted(lower))
    }

    /// Whether anybody reads any of them.
    pub(crate) fn is_read(&self) -> bool {
        (0..MOST_LOWER).any(|lower| self.desk.is_wanted(lower))
    }

    /// Has that picture encoded, where somebody reads it; never waits for it.
    pub(crate) fn give(
        &mut self,
        picture: &Picture,
        at: MediaTime,
        config: &VideoConfig,
        tell: &dyn Fn(PipelineEvent),
    ) {
        if !self.is_read() {
            self.worker = None;
            return;
        }
        self.desk.problems.lock().drain(..).for_each(|error| tell(PipelineEvent::Failing(error)));
        if self.worker.is_none() {
            self.worker = Worker::start(Arc::clone(&self.desk), self.opener);
        }
        let Some(worker) = &self.worker else { return };
        let mut half = worker.spare.try_take().unwrap_or_else(|| Picture::black(compose::half_size(picture.size)));
        compose::halve(picture, &mut half);
        worker.jobs.put(Job { half, at, config: *config });
    }

    /// Nothing is encoded any more.
    pub(crate) fn rest(&mut self) {
        self.worker = None;
    }
}

impl Worker {
    fn start(desk: Arc<Desk>, opener: fn() -> Opener) -> Option<Self> {
        let (jobs, spare) = (FrameSlot::default(), FrameSlot::default());
        let (incoming, back) = (jobs.clone(), spare.clone());
        let run = move || run(&desk, opener, &incoming, &back);
        let thread = std::thread::Builder::new().name("encode-lower".to_owned()).spawn(run);
        match thread {
            Ok(thread) => Some(Self { jobs, spare, thread: Some(thread) }),
            Err(error) => {
                tracing::warn!(%error, "lower encodings have no thread");
                None
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs.close();
        if let Some(thread) = self.thread.take() {
            // At most one small picture is waited for; a panic there was reported by the panic's hook.
            let _ = thread.join();
        }
    }
}

/// One lower encoding on its thread.
struct Layer {
    encoding: Encoding,
    config: Option<VideoConfig>,
    /// No encoder can be opened for it: it rests until nobody reads any of them.
    dead: bool,
}

fn run(desk: &Arc<Desk>, opener: fn() -> Opener, jobs: &FrameSlot<Job>, back: &FrameSlot<Picture>) {
    let layer = |lower: usize| {
        let encoding = Encoding::new(opener(), desk.hubs[lower].clone(), Arc::<Counters>::default(), Arc::default());
        Layer { encoding, config: None, dead: false }
    };
    let mut layers: [Layer; MOST_LOWER] = std::array::from_fn(layer);
    let mut quarter = Picture::black(Size { width: 2, height: 2 });
    loop {
        let job = match jobs.take(None) {
            SlotWait::Item(job) => job,
            SlotWait::Closed => return,
            SlotWait::TimedOut | SlotWait::Woken => continue,
        };
        for (lower, layer) in layers.iter_mut().enumerate() {
            if !desk.is_wanted(lower) {
                layer.encoding.close();
                (layer.config, layer.dead) = (None, false);
                continue;
            }
            if lower > 0 {
                compose::halve(&job.half, &mut quarter);
            }
            layer.encode(if lower > 0 { &quarter } else { &job.half }, &job, lower, desk);
        }
        back.put(job.half);
    }
}

impl Layer {
    fn encode(&mut self, picture: &Picture, job: &Job, lower: usize, desk: &Desk) {
        if self.dead {
            return;
        }
        let tell = |event| match event {
            PipelineEvent::Failing(error) | PipelineEvent::Dead(error) => desk.problems.lock().push(error),
            PipelineEvent::TookOver { failed, name } => {
                tracing::warn!(%failed, name, "another encoder took a lower encoding over");
            }
            PipelineEvent::Opened { name, .. } => tracing::info!(name, lower, "a lower encoding begins"),
            PipelineEvent::Pace(_) | PipelineEvent::Surfaces(_) => {}
        };
        if desk.keyframes[lower].swap(false, Ordering::Relaxed) {
            self.encoding.keyframes.want();
        }
        let config = config_of(lower, picture.size, &job.config);
        if self.config.replace(config) != Some(config) {
            self.encoding.reconfigure(&config, &tell);
        }
        self.dead = self.encoding.encode(Shown::Picture(picture), job.at, &config, &tell).is_err();
    }
}

#[cfg(test)]
#[path = "lower_tests.rs"]
mod tests;

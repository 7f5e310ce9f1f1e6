//! The thread that makes one stream's renditions: packets of the source in, packets of each rendition out.
//!
//! Pictures are decoded once, made smaller from rendition to rendition, and encoded for each. A rendition begins at a
//! keyframe of the source and has its keyframes where the source has them, no others. It never falls behind for good:
//! pictures that come faster than they can be made are decoded and left out, but for keyframes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use compose::Rescaler;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};
use encoder::{H264Decoder, Tune, VideoConfig, VideoEncoder};
use media::h264::{NAL_TYPE, SPS, nal_units};
use media::{FrameRate, MediaTime, Picture};

use super::{Plan, Rung};
use crate::chunks::order::{Next, Order};
use crate::chunks::units::{Pictures, Unit, annex_b};
use crate::ingest::payloads;
use crate::relay::MediaPacket;

/// Packets that may wait: three seconds at 8 Mbit/s, a burst of a whole cached group.
const WAITING: usize = 8192;
/// A gap is given up after a while, whether anything comes or not.
const TICK: Duration = Duration::from_millis(50);
/// A picture that has been waiting for so long is decoded only. A gap in the packets is waited for, too, and shorter.
const BEHIND: Duration = Duration::from_millis(500);
/// Pictures that a decoder may hold back (ITU-T H.264, annex C), and some.
const MOST_HELD: usize = 64;
/// The source says where keyframes are; an encoder's own clock must never.
const NEVER: Duration = Duration::from_secs(6 * 3600);

/// What the thread is told.
enum Task {
    Packet(Arc<MediaPacket>, Instant),
    Begin(Plan, FrameRate),
    End(Rung),
}

/// When a picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// RTP, on the stream's time line: the source's own.
    pub(crate) timestamp: u32,
    pub(crate) wallclock: Instant,
    pub(crate) synced: bool,
}

/// What has come of it.
#[derive(Debug)]
pub(crate) enum Made {
    /// One picture of a rendition, as RTP payloads.
    Picture { moment: Moment, profile: Option<u32>, payloads: Vec<Arc<[u8]>> },
    /// It can't be made.
    Failed { reason: String },
}

/// The thread's owner. It ends when this is dropped, after what it is at.
pub(crate) struct Worker {
    tasks: Sender<Task>,
    keyframe: Arc<AtomicBool>,
}

impl Worker {
    /// Starts it. `give` takes what it made, and says whether anybody still wants it; it may wait.
    pub(crate) fn start(give: impl Fn(Rung, Made) -> bool + Send + 'static) -> io::Result<Self> {
        let (tasks, inbox) = crossbeam_channel::bounded(WAITING);
        let keyframe = Arc::new(AtomicBool::new(false));
        let bench = Bench { keyframe: keyframe.clone(), ..Bench::new(Box::new(give)) };
        std::thread::Builder::new().name("live-ladder".to_owned()).spawn(move || bench.run(&inbox))?;
        Ok(Self { tasks, keyframe })
    }

    /// A packet of the source's picture. One that there is no room for is a loss like others.
    pub(crate) fn packet(&self, packet: &Arc<MediaPacket>) {
        let _ = self.tasks.try_send(Task::Packet(packet.clone(), Instant::now()));
    }

    /// From the next keyframe on that rendition is made, too. `false`: the thread is too far behind, or has gone.
    pub(crate) fn begin(&self, plan: Plan, frame_rate: FrameRate) -> bool {
        self.tasks.try_send(Task::Begin(plan, frame_rate)).is_ok()
    }

    /// It isn't made any more. `false`: it could not be told.
    pub(crate) fn end(&self, rung: Rung) -> bool {
        !matches!(self.tasks.try_send(Task::End(rung)), Err(TrySendError::Full(_)))
    }

    /// Whether nothing can be made before a keyframe comes; said once for each wish.
    pub(crate) fn wants_keyframe(&self) -> bool {
        self.keyframe.swap(false, Ordering::Relaxed)
    }
}

/// One rendition that is being made.
struct Making {
    plan: Plan,
    frame_rate: FrameRate,
    encoder: Option<Box<dyn VideoEncoder>>,
    rescaler: Rescaler,
    picture: Picture,
    failed: bool,
}

impl Making {
    fn new(plan: Plan, frame_rate: FrameRate) -> Self {
        let (rescaler, picture) = (Rescaler::new(plan.size), Picture::black(plan.size));
        Self { plan, frame_rate, encoder: None, rescaler, picture, failed: false }
    }

    /// Draws and encodes a picture; nothing before the first keyframe.
    fn make(
        &mut self,
        source: &Picture,
        at: MediaTime,
        keyframe: bool,
    ) -> Result<Option<media::AccessUnit>, Box<dyn std::error::Error>> {
        if self.encoder.is_none() && !keyframe {
            return Ok(None);
        }
        self.rescaler.rescale(source, &mut self.picture)?;
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => {
                let Plan { size, bitrate, .. } = self.plan;
                let opened = encoder::open(&VideoConfig {
                    codec: media::VideoCodec::H264,
                    size,
                    frame_rate: self.frame_rate,
                    bitrate,
                    gop: NEVER,
                    threads: 0,
                    tune: Tune::default(),
                })?;
                none.insert(opened.encoder)
            }
        };
        Ok(encoder.encode(&self.picture, at, keyframe)?)
    }
}

/// What the thread has before it.
struct Bench {
    give: Box<dyn Fn(Rung, Made) -> bool + Send>,
    order: Order<(Arc<MediaPacket>, Instant)>,
    /// When the newest of the packets that are in order was given to this thread.
    given: Instant,
    pictures: Pictures,
    decoder: Option<H264Decoder>,
    /// Largest first, so that each is made of the one before.
    makings: Vec<Making>,
    /// The newest time stamp, and the same without wrapping.
    last: Option<(u32, i64)>,
    /// Pictures that went into the decoder, and those that an encoder may still hold.
    held: VecDeque<(MediaTime, Moment, bool)>,
    keyframe: Arc<AtomicBool>,
    left_out: u64,
    unwanted: bool,
}

impl Bench {
    fn new(give: Box<dyn Fn(Rung, Made) -> bool + Send>) -> Self {
        Self {
            give,
            order: Order::new(),
            given: Instant::now(),
            pictures: Pictures::new(),
            decoder: None,
            makings: Vec::new(),
            last: None,
            held: VecDeque::new(),
            keyframe: Arc::default(),
            left_out: 0,
            unwanted: false,
        }
    }

    fn run(mut self, inbox: &Receiver<Task>) {
        while !self.unwanted {
            match inbox.recv_timeout(TICK) {
                Ok(task) => self.task(task),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.advance();
        }
        if self.left_out > 0 {
            tracing::warn!(
                code = "rendition_behind",
                left_out = self.left_out,
                "pictures came faster than renditions of them could be made: fewer or smaller ones would keep up"
            );
        }
    }

    fn task(&mut self, task: Task) {
        match task {
            Task::Packet(packet, given) => self.order.push(packet.sequence, (packet, given)),
            Task::Begin(plan, frame_rate) => {
                self.makings.retain(|making| making.plan.rung != plan.rung);
                self.makings.push(Making::new(plan, frame_rate));
                self.makings.sort_by_key(|making| std::cmp::Reverse(making.plan.rung));
            }
            Task::End(rung) => self.makings.retain(|making| making.plan.rung != rung),
        }
    }

    fn advance(&mut self) {
        let mut units = Vec::new();
        while let Some(next) = self.order.pop(Instant::now()) {
            match next {
                Next::Item((packet, given)) => {
                    self.given = given;
                    self.pictures.push(&packet, &mut units);
                }
                Next::Gap => self.pictures.gap(),
            }
            for unit in units.drain(..) {
                if let Err(reason) = self.unit(&unit) {
                    tracing::debug!(reason, "a picture can't be decoded");
                    // What refers to it can't be, either.
                    self.pictures.gap();
                    self.decoder = None;
                }
            }
        }
        if self.pictures.wait_for_keyframe() {
            self.keyframe.store(true, Ordering::Relaxed);
        }
    }

    fn unit(&mut self, unit: &Unit) -> Result<(), String> {
        let at = self.time_of(unit.timestamp);
        let Unit { timestamp, wallclock, synced, keyframe, .. } = *unit;
        self.held.push_back((at, Moment { timestamp, wallclock, synced }, keyframe));
        while self.held.len() > MOST_HELD {
            self.held.pop_front();
        }
        let sets = self.pictures.parameter_sets().filter(|_| keyframe);
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => none.insert(H264Decoder::new().map_err(|error| error.to_string())?),
        };
        let mut shown = Vec::new();
        decoder
            .decode(&annex_b(&unit.data, sets.as_ref()), at, |picture, at| shown.push((picture, at)))
            .map_err(|error| error.to_string())?;
        for (picture, at) in shown {
            self.shown(&picture, at);
        }
        Ok(())
    }

    /// Media time, unwrapped; starts in the middle of nowhere, so that nothing lies below it.
    fn time_of(&mut self, timestamp: u32) -> MediaTime {
        let (last, ticks) = self.last.unwrap_or((timestamp, 1 << 40));
        let ticks = ticks + i64::from(timestamp.wrapping_sub(last) as i32);
        self.last = Some((timestamp, ticks));
        MediaTime::from_nanos((i128::from(ticks) * 1_000_000_000 / 90_000) as u64)
    }

    fn moment(&self, at: MediaTime) -> Option<(Moment, bool)> {
        // Encoders move a time by a microsecond where they must.
        let near =
            |held: &&(MediaTime, Moment, bool)| held.0.since(at).max(at.since(held.0)) < Duration::from_micros(5);
        self.held.iter().rev().find(near).map(|(_, moment, keyframe)| (*moment, *keyframe))
    }

    fn shown(&mut self, picture: &Picture, at: MediaTime) {
        let Some((_, keyframe)) = self.moment(at) else { return };
        if !keyframe && self.given.elapsed() > BEHIND {
            self.left_out += 1;
            return;
        }
        let mut makings = std::mem::take(&mut self.makings);
        let mut source = picture;
        for making in &mut makings {
            if making.failed {
                continue;
            }
            let rung = making.plan.rung;
            let made = match making.make(source, at, keyframe) {
                Ok(None) => None,
                Ok(Some(unit)) => self.moment(unit.pts).map(|(moment, _)| {
                    let units = nal_units(&unit.payload);
                    Made::Picture { moment, profile: profile(&units), payloads: payloads(&[], &units) }
                }),
                Err(error) => {
                    making.failed = true;
                    Some(Made::Failed { reason: error.to_string() })
                }
            };
            if let Some(made) = made {
                self.unwanted |= !(self.give)(rung, made);
            }
            if making.encoder.is_some() && !making.failed {
                source = &making.picture;
            }
        }
        self.makings = makings;
    }
}

/// H.264 profile-level-id, where a parameter set stands in the picture.
fn profile(units: &[Bytes]) -> Option<u32> {
    let sps = units.iter().find(|unit| unit[0] & NAL_TYPE == SPS && unit.len() >= 4)?;
    Some(u32::from_be_bytes([0, sps[1], sps[2], sps[3]]))
}

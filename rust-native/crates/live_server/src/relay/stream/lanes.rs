//! A stream's renditions as they stand: what is planned, what runs, what came of it in this turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{FrameRate, Size};
use tokio::sync::mpsc;

use super::super::fed::Fed;
use super::super::gop::GopCache;
use super::super::packet::MediaPacket;
use crate::config::{RenditionSettings, TranscodingSettings};
use crate::ladder::worker::Worker;
use crate::ladder::{Place, Places, Plan, Quality, Rung};

/// Not offered: as many are made as may be.
pub(super) const NO_ROOM: &str = "no_rendition_room";
/// Not offered: the publisher has stopped to send it, for now.
pub(super) const PAUSED: &str = "layer_paused";
/// Not offered: it could not be made.
pub(super) const FAILED: &str = "rendition_failed";

/// Lines begin here, as [`super::super::timeline`]'s do.
const START: u64 = 1 << 32;
/// After a failure nothing is tried for so long: what an encoder has refused once it refuses again.
const REST: Duration = Duration::from_secs(60);

/// What all streams' renditions share.
#[derive(Clone)]
pub(in crate::relay) struct Workshop {
    pub(in crate::relay) places: Places,
    /// The way back to the media thread.
    pub(in crate::relay) ways: mpsc::Sender<Fed>,
}

/// One rendition.
pub(super) struct Lane {
    pub(super) plan: Plan,
    /// When somebody wanted it last.
    pub(super) wanted: Option<Instant>,
    /// Which of the publisher's encodings it is, if it is not made here.
    pub(super) layer: Option<usize>,
    /// Whether that is sent.
    pub(super) lives: bool,
    /// Its place, while it is made.
    place: Option<Place>,
    pub(super) gop: GopCache,
    pub(super) sequence: u64,
    pub(super) batch: Vec<Arc<MediaPacket>>,
    pub(super) keyframe_in_batch: bool,
    pub(super) profile: Option<u32>,
    pub(super) failed: Option<Instant>,
    /// It was said that there is no room.
    pub(super) said: bool,
}

impl Lane {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            wanted: None,
            layer: None,
            lives: false,
            place: None,
            gop: GopCache::default(),
            sequence: START,
            batch: Vec::new(),
            keyframe_in_batch: false,
            profile: None,
            failed: None,
            said: false,
        }
    }

    /// One that the publisher sends.
    pub(super) fn sent(plan: Plan, layer: usize) -> Self {
        Self { layer: Some(layer), lives: true, ..Self::new(plan) }
    }

    /// Whether it is being made, or sent.
    pub(super) fn is_running(&self) -> bool {
        self.place.is_some() || self.lives
    }

    /// Whether it is being made here.
    pub(super) fn is_made(&self) -> bool {
        self.place.is_some()
    }

    pub(super) fn rests(&self, now: Instant) -> bool {
        self.failed.is_some_and(|at| now.saturating_duration_since(at) < REST)
    }

    /// Why it is not offered, if it isn't.
    pub(super) fn refusal(&self, places: &Places, now: Instant) -> Option<&'static str> {
        match self.is_running() {
            true => None,
            false if self.layer.is_some() => Some(PAUSED),
            false if self.rests(now) => Some(FAILED),
            false => (!places.has_room()).then_some(NO_ROOM),
        }
    }

    pub(super) fn stop(&mut self) {
        self.place = None;
        self.gop = GopCache::default();
        self.batch.clear();
        self.keyframe_in_batch = false;
    }
}

/// All of a stream's.
pub(super) struct Ladder {
    pub(super) settings: Vec<RenditionSettings>,
    pub(super) linger: Duration,
    pub(super) workshop: Workshop,
    /// Tells what a worker made from what its predecessor did.
    pub(super) generation: u64,
    pub(super) source: Option<Size>,
    /// What is sent has changed since it was planned what is made.
    pub(super) stale: bool,
    /// Largest first.
    pub(super) lanes: Vec<Lane>,
    pub(super) worker: Option<Worker>,
    pub(super) due: Instant,
}

impl Ladder {
    pub(super) fn new(stream: &str, settings: &TranscodingSettings, workshop: Workshop, now: Instant) -> Self {
        Self {
            settings: settings.of(stream).to_vec(),
            linger: settings.linger(),
            workshop,
            generation: 0,
            source: None,
            stale: false,
            lanes: Vec::new(),
            worker: None,
            due: now,
        }
    }

    /// Whether the stream may have renditions at all.
    pub(super) fn is_configured(&self) -> bool {
        !self.settings.is_empty()
    }

    pub(super) fn lane(&self, rung: Rung) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.plan.rung == rung)
    }

    /// Those that the publisher sends.
    pub(super) fn sent(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().filter(|lane| lane.layer.is_some())
    }

    /// The one of a publisher's encoding.
    pub(super) fn lane_of_layer(&mut self, layer: usize) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.layer == Some(layer))
    }

    /// What a viewer that has just connected gets, if that is being made.
    pub(super) fn lane_for_joining(&self, quality: Quality) -> Option<(Rung, &Lane)> {
        let Quality::Rung(rung) = quality else { return None };
        let lane = self.lane(rung).filter(|lane| lane.is_running() && lane.gop.frames() > 0)?;
        Some((rung, lane))
    }

    /// A packet of the source's picture.
    pub(super) fn feed(&self, packet: &Arc<MediaPacket>) {
        if let Some(worker) = &self.worker {
            worker.packet(packet);
        }
    }

    /// Nothing was made in this turn.
    pub(super) fn is_quiet(&self) -> bool {
        self.lanes.iter().all(|lane| lane.batch.is_empty())
    }

    /// This turn's packets have gone out.
    pub(super) fn clear_batches(&mut self) {
        for lane in &mut self.lanes {
            lane.batch.clear();
            lane.keyframe_in_batch = false;
        }
    }

    /// Nothing is made any more.
    pub(super) fn stop(&mut self) {
        self.worker = None;
        self.generation += 1;
        self.lanes.iter_mut().filter(|lane| lane.layer.is_none()).for_each(Lane::stop);
    }

    /// Nothing is made or sent any more.
    pub(super) fn forget(&mut self) {
        self.stop();
        // What was not made for the sake of what was sent is planned again.
        let before = self.lanes.len();
        self.lanes.retain(|lane| lane.layer.is_none());
        self.stale |= self.lanes.len() < before;
    }

    /// A running one from which nothing has come yet.
    pub(super) fn waits_for_keyframe(&self) -> bool {
        let unborn = self.lanes.iter().any(|lane| lane.is_made() && lane.gop.frames() == 0);
        unborn || self.worker.as_ref().is_some_and(Worker::wants_keyframe)
    }

    /// Has a lane made from now on; says whether its worker is a new one.
    pub(super) fn start(&mut self, index: usize, stream: &str, fps: f64, place: Place) -> Result<bool, std::io::Error> {
        let fresh = self.worker.is_none();
        if fresh {
            self.generation += 1;
            let (ways, stream, generation) = (self.workshop.ways.clone(), stream.to_owned(), self.generation);
            let give = move |rung, made| {
                ways.blocking_send(Fed::Rendition { stream: stream.clone(), generation, rung, made }).is_ok()
            };
            self.worker = Some(Worker::start(give)?);
        }
        let Some(worker) = &self.worker else { return Ok(false) };
        let measured = (fps >= 5.0).then(|| FrameRate::new(fps.round().min(120.0) as u32)).flatten();
        let Some(frame_rate) = measured.or(FrameRate::new(USUAL_RATE)) else { return Ok(false) };
        let lane = &mut self.lanes[index];
        lane.place = worker.begin(lane.plan, frame_rate).then_some(place);
        tracing::info!(stream, rendition = %lane.plan.rung, size = %lane.plan.size, "a rendition is made from now on");
        Ok(fresh)
    }
}

/// Pictures per second, where nobody knows yet.
pub(crate) const USUAL_RATE: u32 = 30;

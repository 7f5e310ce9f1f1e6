//! The thread that packs one stream: packets in, parts on the shelf. It ends when nobody reads, or nobody sends.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use container::{CmafTrack, ContainerError};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use media::h264::ParameterSets;

use super::clock::TrackClock;
use super::handout::Handout;
use super::order::{Next, Order};
use super::segmenter::{Change, Rules, Segmenter};
use super::units::{Pictures, Unit};
use super::{Feed, Shelf};
use crate::ladder::Rung;
use crate::relay::{MediaPacket, Track};

/// How often time is let pass while nothing comes.
const TICK: Duration = Duration::from_millis(20);
/// Packets that are taken in before the shelf is filled.
const BATCH: usize = 256;
/// A publisher's reports put its tracks on one clock; they come once a second. Without them, by arrival.
const REPORTS_COME: Duration = Duration::from_millis(2500);
/// Units that wait for the reports: more than 2.5 s of both tracks.
const MOST_EARLY: usize = 1024;
/// How often a keyframe is wished for: the relay asks no oftener than that.
const WISH: Duration = Duration::from_millis(500);

/// A rendition on its way.
struct LowerSource {
    order: Order<Arc<MediaPacket>>,
    pictures: Pictures,
    /// Those of which the source's own is not there yet.
    waiting: VecDeque<(Unit, Option<ParameterSets>)>,
}

/// Pictures whose time is remembered: four seconds at 60 a second, more than a rendition is ever behind.
const MOST_TIMES: usize = 256;

/// One publisher's way through the rooms.
struct Source {
    begun: Instant,
    has_video: bool,
    has_audio: bool,
    video: Order<Arc<MediaPacket>>,
    audio: Order<Arc<MediaPacket>>,
    pictures: Pictures,
    video_clock: TrackClock,
    audio_clock: TrackClock,
    /// When the newest pictures are, by their time stamps, for the renditions that are made of them.
    times: VecDeque<(u32, i64)>,
    lower: BTreeMap<Rung, LowerSource>,
    /// Units that came before the publisher's reports; `None` once the tracks are on one clock.
    early: Option<Vec<(Track, Unit, Option<ParameterSets>)>>,
}

impl Source {
    fn new((has_video, has_audio): (bool, bool), now: Instant) -> Self {
        let clock = |track: Track| TrackClock::new(track.clock_rate());
        Self {
            begun: now,
            has_video,
            has_audio,
            video: Order::new(),
            audio: Order::new(),
            pictures: Pictures::new(),
            video_clock: clock(Track::Video),
            audio_clock: clock(Track::Audio),
            times: VecDeque::new(),
            lower: BTreeMap::new(),
            early: Some(Vec::new()),
        }
    }
}

pub(super) struct Packager {
    shelf: Arc<Shelf>,
    segmenter: Segmenter,
    /// Media time zero.
    start: Instant,
    /// Added to every moment, so that no run begins before the last has ended.
    shift: i64,
    source: Option<Source>,
    keyframe: Arc<AtomicBool>,
    wished: Option<Instant>,
    changes: Vec<Change>,
    handout: Handout,
}

impl Packager {
    pub(super) fn new(shelf: Arc<Shelf>, rules: Rules, keyframe: Arc<AtomicBool>, start: Instant) -> Self {
        Self {
            handout: Handout::new(shelf.units(), shelf.joins.clone(), start),
            shelf,
            segmenter: Segmenter::new(rules),
            start,
            shift: 0,
            source: None,
            keyframe,
            wished: None,
            changes: Vec::new(),
        }
    }

    /// Works until `leave` says that nobody needs it, or nobody is left to feed it.
    pub(super) fn run(mut self, feed: &Receiver<Feed>, leave: impl Fn(&Shelf) -> bool) {
        loop {
            match feed.recv_timeout(TICK) {
                Ok(first) => {
                    self.take(first);
                    for next in feed.try_iter().take(BATCH) {
                        self.take(next);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.take(Feed::Over);
                    return;
                }
            }
            let now = Instant::now();
            if let Err(error) = self.advance(now) {
                tracing::warn!(%error, "a stream can't be packed; it begins anew with the next keyframe");
                self.stop();
            }
            self.handout.let_in();
            self.publish();
            if leave(&self.shelf) {
                return;
            }
        }
    }

    fn take(&mut self, feed: Feed) {
        match feed {
            Feed::Begin { video, audio } => {
                self.stop();
                self.source = Some(Source::new((video, audio), Instant::now()));
            }
            Feed::Packet(packet) => {
                let Some(source) = &mut self.source else { return };
                let order = match (packet.rung, packet.track) {
                    (Some(rung), _) => {
                        let fresh =
                            || LowerSource { order: Order::new(), pictures: Pictures::new(), waiting: VecDeque::new() };
                        &mut source.lower.entry(rung).or_insert_with(fresh).order
                    }
                    (None, Track::Video) => &mut source.video,
                    (None, Track::Audio) => &mut source.audio,
                };
                order.push(packet.sequence, packet);
            }
            Feed::RungGone(rung) => {
                if let Some(source) = &mut self.source {
                    source.lower.remove(&rung);
                }
                self.segmenter.lower_gone(rung, &mut self.changes);
            }
            Feed::Gone => {
                self.stop();
                self.source = None;
            }
            Feed::Over => {
                self.stop();
                self.source = None;
                self.publish();
                self.shelf.window.write().over = true;
                self.shelf.version.send_modify(|version| *version += 1);
            }
        }
    }

    /// The run is over; what has come of it is kept.
    fn stop(&mut self) {
        if self.segmenter.is_running() {
            if let Err(error) = self.segmenter.finish(&mut self.changes) {
                tracing::warn!(%error, "the end of a stream can't be packed");
            }
            self.publish();
            self.shelf.window.write().close();
        }
    }

    fn publish(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        let mut window = self.shelf.window.write();
        self.changes.drain(..).for_each(|change| window.apply(change));
        drop(window);
        self.shelf.version.send_modify(|version| *version += 1);
    }

    fn advance(&mut self, now: Instant) -> Result<(), ContainerError> {
        let Some(mut source) = self.source.take() else { return Ok(()) };
        let result = self.units(&mut source, now);
        let waits = source.has_video && source.pictures.wait_for_keyframe();
        self.source = Some(source);
        if (waits || self.segmenter.wants_keyframe())
            && self.wished.is_none_or(|wished| now.saturating_duration_since(wished) >= WISH)
        {
            self.wished = Some(now);
            self.keyframe.store(true, Ordering::Relaxed);
        }
        result?;
        let media_now = self.media_time(now) + self.shift;
        self.segmenter.tick(media_now, &mut self.changes)
    }

    fn units(&mut self, source: &mut Source, now: Instant) -> Result<(), ContainerError> {
        let mut units = Vec::new();
        while let Some(next) = source.video.pop(now) {
            let mut pictures = Vec::new();
            match next {
                Next::Item(packet) => source.pictures.push(&packet, &mut pictures),
                Next::Gap => source.pictures.gap(),
            }
            for picture in pictures {
                let sets = source.pictures.parameter_sets().filter(|_| picture.keyframe);
                units.push((Track::Video, picture, sets));
            }
        }
        while let Some(next) = source.audio.pop(now) {
            if let Next::Item(packet) = next {
                units.extend(Unit::sound(&packet).map(|sound| (Track::Audio, sound, None)));
            }
        }
        if let Some(early) = &mut source.early {
            early.append(&mut units);
            let newest = |track: Track| early.iter().rev().find(|(of, ..)| *of == track).map(|(_, unit, _)| unit);
            let tracks = [(Track::Video, source.has_video), (Track::Audio, source.has_audio)];
            // One that is not there yet would begin by a guess, and break the run when its report comes.
            let synced = tracks.iter().all(|(track, has)| !has || newest(*track).is_some_and(|unit| unit.synced));
            let patience = now.saturating_duration_since(source.begun) >= REPORTS_COME || early.len() >= MOST_EARLY;
            if !synced && !patience {
                return Ok(());
            }
            units = source.early.take().unwrap_or_default();
            // The newest of each track knows best where its line lies.
            for (track, clock) in [(Track::Video, &mut source.video_clock), (Track::Audio, &mut source.audio_clock)] {
                if let Some((_, unit, _)) = units.iter().rev().find(|(of, ..)| *of == track) {
                    let _ = clock.at(unit.timestamp, self.media_time(unit.wallclock), unit.synced);
                }
            }
        }
        for (track, unit, sets) in units {
            self.unit(source, (track, unit, sets), now)?;
        }
        self.lower(source, now)
    }

    /// Pictures of renditions take the time of the source's picture that they were made of.
    fn lower(&mut self, source: &mut Source, now: Instant) -> Result<(), ContainerError> {
        let Source { times, lower, .. } = source;
        for (rung, LowerSource { order, pictures, waiting }) in lower {
            while let Some(next) = order.pop(now) {
                let mut units = Vec::new();
                match next {
                    Next::Item(packet) => pictures.push(&packet, &mut units),
                    Next::Gap => pictures.gap(),
                }
                let sets = |unit: &Unit| pictures.parameter_sets().filter(|_| unit.keyframe);
                waiting.extend(units.into_iter().map(|unit| (sets(&unit), unit)).map(|(sets, unit)| (unit, sets)));
            }
            while let Some((unit, _)) = waiting.front() {
                let known = times.iter().rev().find(|(timestamp, _)| *timestamp == unit.timestamp).map(|(_, at)| *at);
                let newest = times.back().map(|(timestamp, _)| *timestamp);
                let to_come = newest.is_none_or(|newest| unit.timestamp.wrapping_sub(newest) as i32 > 0);
                if known.is_none() && to_come && waiting.len() < MOST_TIMES {
                    break;
                }
                let Some((unit, sets)) = waiting.pop_front() else { break };
                // Without the source's there is no place for it.
                let Some(at) = known else { continue };
                let what = match sets {
                    Some(sets) => {
                        let size = sets.size().ok_or(ContainerError::ParameterSets("an unreadable SPS"))?;
                        Some(CmafTrack::Video { parameter_sets: sets, size })
                    }
                    None => None,
                };
                self.segmenter.lower_at(*rung, (at, unit.keyframe, unit.data), what, &mut self.changes)?;
            }
        }
        Ok(())
    }

    fn unit(
        &mut self,
        source: &mut Source,
        (track, unit, sets): (Track, Unit, Option<ParameterSets>),
        now: Instant,
    ) -> Result<(), ContainerError> {
        let clock = match track {
            Track::Video => &mut source.video_clock,
            Track::Audio => &mut source.audio_clock,
        };
        let wall = nanos_since(self.start, unit.wallclock);
        let Some(at) = clock.at(unit.timestamp, wall, unit.synced) else {
            tracing::info!(?track, "the publisher's clock jumped: another run begins");
            self.stop();
            source.video_clock = TrackClock::new(Track::Video.clock_rate());
            source.audio_clock = TrackClock::new(Track::Audio.clock_rate());
            source.pictures.gap();
            source.times.clear();
            return Ok(());
        };
        match track {
            Track::Video => self.picture(source, at, unit, sets),
            Track::Audio => {
                if !source.has_video && !self.segmenter.is_running() {
                    self.begin(at, None, true)?;
                }
                if self.segmenter.is_running() {
                    self.handout.sound(at + self.shift, &unit.data);
                }
                let now = nanos_since(self.start, now) + self.shift;
                self.segmenter.sound_at(at + self.shift, unit.data, now, &mut self.changes)
            }
        }
    }

    fn picture(
        &mut self,
        source: &mut Source,
        at: i64,
        unit: Unit,
        sets: Option<ParameterSets>,
    ) -> Result<(), ContainerError> {
        if let Some(sets) = sets {
            let size = sets.size().ok_or(ContainerError::ParameterSets("an unreadable SPS"))?;
            let what = CmafTrack::Video { parameter_sets: sets, size };
            if self.segmenter.picture().is_some_and(|present| *present != what) {
                self.stop();
            }
            if !self.segmenter.is_running() {
                self.begin(at, Some(what), source.has_audio)?;
            }
        }
        if self.segmenter.is_running() {
            self.handout.picture(at + self.shift, &unit, source.pictures.parameter_sets());
        }
        source.times.push_back((unit.timestamp, at + self.shift));
        if source.times.len() > MOST_TIMES {
            source.times.pop_front();
        }
        self.segmenter.picture_at(at + self.shift, unit.keyframe, unit.data, &mut self.changes)
    }

    fn begin(&mut self, at: i64, video: Option<CmafTrack>, audio: bool) -> Result<(), ContainerError> {
        // Media time is never negative, and never goes back.
        self.shift = (self.segmenter.end() - at).max(0);
        self.segmenter.begin(at + self.shift, video, audio, &mut self.changes)
    }

    fn media_time(&self, moment: Instant) -> i64 {
        nanos_since(self.start, moment)
    }
}

/// Negative before it.
fn nanos_since(start: Instant, moment: Instant) -> i64 {
    match moment.checked_duration_since(start) {
        Some(after) => after.as_nanos() as i64,
        None => -(start.saturating_duration_since(moment).as_nanos() as i64),
    }
}

//! A stream's renditions as its viewers share them: which are wanted, which are made, and who changes to which.
//!
//! They are made elsewhere (see `crate::ladder`). A viewer gets what it asked for from that rendition's next keyframe on,
//! which is asked of the publisher; until then it goes on with what it has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::rtp::ExtensionValues;

use super::super::gop::Pushed;
use super::super::keyframes::{Join, plan_join};
use super::super::packet::{MediaPacket, Track};
use super::super::viewer::Viewer;
use super::super::{Buffer, LayerState, Refusal, Wish};
use super::lanes::{FAILED, Lane, NO_ROOM, PAUSED};
use super::{PeerId, Stream};
use crate::chunks::Feed;
use crate::config::TranscodingSettings;
use crate::figures::{RenditionInfo, RenditionState};
use crate::ladder::worker::Made;
use crate::ladder::{Places, Plan, Quality, Rung, plans};

/// How often it is looked at who wants what.
const LOOK: Duration = Duration::from_millis(100);
/// Who reads files watches for so long after each question: a player asks once in a target duration (three seconds), and
/// waits for the first segment of what has just been begun.
const READERS_ASK: Duration = Duration::from_secs(10);

impl Stream {
    /// Another configuration: what runs and is still there goes on.
    pub(in crate::relay) fn set_ladder(&mut self, settings: &TranscodingSettings, places: &Places, now: Instant) {
        let renditions = settings.of(&self.name);
        self.ladder.linger = settings.linger();
        self.ladder.workshop.places = places.clone();
        self.ladder.due = now;
        if self.ladder.settings != renditions {
            self.ladder.settings = renditions.to_vec();
            self.ladder.source = None;
        }
    }

    /// Looks who wants what: renditions begin and end, viewers are told what to change to.
    pub(super) fn tend_ladder(&mut self, now: Instant) {
        if now < self.ladder.due {
            return;
        }
        self.ladder.due = now + LOOK;
        self.tend_layers(now);
        self.replan();
        if self.ladder.lanes.is_empty() {
            return;
        }
        self.aim(now);
        let live = self.is_live() && self.has.0;
        for index in 0..self.ladder.lanes.len() {
            if self.ladder.lanes[index].layer.is_some() {
                continue;
            }
            let rung = self.ladder.lanes[index].plan.rung;
            // Who asked for it while there was no room waits for it.
            let wants = |viewer: &Viewer| viewer.wants(rung) || viewer.quality == Quality::Rung(rung);
            let watched = self.viewers.values().any(wants);
            let read = self.outlet.as_ref().and_then(|outlet| outlet.read(rung));
            let reads = read.is_some_and(|at| now.saturating_duration_since(at) < READERS_ASK);
            let lane = &mut self.ladder.lanes[index];
            lane.wanted = lane.wanted.max((watched || reads).then_some(now));
            let lingers = |at: Instant| now.saturating_duration_since(at) < self.ladder.linger;
            let wanted = live && lane.wanted.is_some_and(lingers) && !lane.rests(now);
            match (lane.is_running(), wanted) {
                (false, true) => self.start_lane(index),
                (true, false) => self.stop_lane(rung, "nobody watches it"),
                _ => {}
            }
        }
        if self.ladder.waits_for_keyframe() && self.gate.is_open(now) {
            self.gate.want();
        }
        self.want_for(Viewer::waits_to_switch, now);
    }

    /// Keyframes of what those viewers are to get.
    pub(super) fn want_for(&mut self, who: impl Fn(&Viewer) -> bool, now: Instant) {
        let mut targets: Vec<Option<Rung>> =
            self.viewers.values().filter(|viewer| who(viewer)).map(|viewer| viewer.target).collect();
        targets.sort_unstable();
        targets.dedup();
        targets.into_iter().for_each(|target| self.want_keyframe(target, Some(now)));
    }

    /// When it must be looked at again.
    pub(super) fn ladder_deadline(&self) -> Option<Instant> {
        (self.ladder.is_configured() && self.is_live() || self.layers.is_some()).then_some(self.ladder.due)
    }

    fn replan(&mut self) {
        if self.ladder.source == self.size && !self.ladder.stale {
            return;
        }
        (self.ladder.source, self.ladder.stale) = (self.size, false);
        let mut planned = self.size.map_or_else(Vec::new, |size| plans(&self.ladder.settings, size));
        // What the publisher sends itself need not be made.
        planned.retain(|plan| self.ladder.sent().all(|lane| lane.plan.rung != plan.rung));
        let made = || self.ladder.lanes.iter().filter(|lane| lane.layer.is_none()).map(|lane| lane.plan);
        if made().eq(planned.iter().copied()) {
            return;
        }
        let rungs: Vec<Rung> = made().map(|plan| plan.rung).collect();
        rungs.into_iter().for_each(|rung| self.stop_lane(rung, "the source has changed"));
        self.ladder.lanes.retain(|lane| lane.layer.is_some());
        self.ladder.lanes.extend(planned.into_iter().map(Lane::new));
        self.ladder.lanes.sort_by_key(|lane| std::cmp::Reverse(lane.plan.rung));
        self.changed = true;
    }

    /// What each viewer is to get.
    fn aim(&mut self, now: Instant) {
        let places = &self.ladder.workshop.places;
        let open = |lane: &&Lane| lane.refusal(places, now).is_none();
        let source = self.layers.as_ref().and_then(|layers| layers.source);
        let is_source = |lane: &&Lane| source.is_some() && lane.layer == source;
        let lower = |rung: Rung| {
            // One that its publisher has stopped to send: the next one that lives is nearest to what was asked for.
            let paused = self.ladder.lane(rung).is_some_and(|lane| lane.layer.is_some());
            let next = self.ladder.lanes.iter().filter(open).map(|lane| lane.plan.rung).find(|next| *next < rung);
            next.filter(|_| paused)
        };
        let is_open = |rung: Rung| self.ladder.lane(rung).filter(open).is_some();
        let offered: Vec<(Option<Rung>, f64)> = std::iter::once((None, self.meter.kbps * 1000.0))
            .chain(
                self.ladder
                    .lanes
                    .iter()
                    .filter(|lane| open(lane) && !is_source(lane))
                    .map(|lane| (Some(lane.plan.rung), f64::from(lane.plan.bitrate.as_bps()))),
            )
            .collect();
        let needs: Vec<f64> = offered.iter().map(|(_, needs)| *needs).collect();
        for viewer in self.viewers.values_mut().filter(|viewer| viewer.connection.is_connected()) {
            viewer.measure(now);
            viewer.target = match viewer.quality {
                Quality::Source => None,
                Quality::Rung(rung) if is_open(rung) => Some(rung),
                Quality::Rung(rung) => lower(rung),
                Quality::Auto => offered[viewer.chooser.choose(viewer.line, &needs, now)].0,
            };
        }
    }

    fn start_lane(&mut self, index: usize) {
        let lane = &mut self.ladder.lanes[index];
        let (rung, stream) = (lane.plan.rung, self.name.as_str());
        let Some(place) = self.ladder.workshop.places.take() else {
            if !std::mem::replace(&mut lane.said, true) {
                tracing::warn!(
                    code = NO_ROOM,
                    stream,
                    rendition = %rung,
                    "as many renditions are made as may be (transcoding.max_renditions)"
                );
                self.changed = true;
            }
            return;
        };
        lane.said = false;
        self.changed = true;
        match self.ladder.start(index, stream, self.meter.fps, place) {
            Ok(fresh) => {
                // The group so far is caught up with, where it is short or no other keyframe comes soon.
                let plan = plan_join(self.gop.frames(), self.gop.bytes(), true);
                if fresh && (plan == Join::Replay || self.asks_in_vain()) {
                    self.gop.packets().into_iter().flatten().for_each(|packet| self.ladder.feed(packet));
                } else {
                    self.gate.want();
                }
            }
            Err(error) => self.lane_failed(rung, &error.to_string()),
        }
    }

    pub(super) fn stop_lane(&mut self, rung: Rung, why: &str) {
        let Some(lane) = self.ladder.lanes.iter_mut().find(|lane| lane.plan.rung == rung && lane.is_made()) else {
            return;
        };
        lane.stop();
        tracing::info!(stream = self.name, rendition = %rung, why, "a rendition is not made any more");
        let told = self.ladder.worker.as_ref().is_none_or(|worker| worker.end(rung));
        if !told || self.ladder.lanes.iter().all(|lane| !lane.is_made()) {
            // One that can't be told is started anew for those that go on.
            self.ladder.stop();
        }
        self.tell(Feed::RungGone(rung));
        self.viewers.values_mut().filter(|viewer| viewer.current() == Some(rung)).for_each(Viewer::begin_anew);
        self.changed = true;
    }

    fn lane_failed(&mut self, rung: Rung, reason: &str) {
        tracing::error!(code = FAILED, stream = self.name, rendition = %rung, reason, "a rendition can't be made");
        self.stop_lane(rung, "it can't be made");
        if let Some(lane) = self.ladder.lanes.iter_mut().find(|lane| lane.plan.rung == rung) {
            lane.failed = Some(Instant::now());
        }
    }

    /// Takes in what a worker made.
    pub(in crate::relay) fn rendition(&mut self, generation: u64, rung: Rung, made: Made, now: Instant) {
        if generation != self.ladder.generation {
            return;
        }
        let (moment, profile, payloads) = match made {
            Made::Picture { moment, profile, payloads } => (moment, profile, payloads),
            Made::Failed { reason } => return self.lane_failed(rung, &reason),
        };
        let Some(lane) = self.ladder.lanes.iter_mut().find(|lane| lane.plan.rung == rung && lane.is_made()) else {
            return;
        };
        lane.profile = profile.or(lane.profile);
        let last = payloads.len().saturating_sub(1);
        let mut packets = Vec::with_capacity(payloads.len());
        for (index, payload) in payloads.into_iter().enumerate() {
            let packet = Arc::new(MediaPacket {
                track: Track::Video,
                rung: Some(rung),
                sequence: lane.sequence,
                timestamp: moment.timestamp,
                marker: index == last,
                extensions: ExtensionValues::default(),
                wallclock: moment.wallclock.min(now),
                synced: moment.synced,
                payload,
            });
            lane.sequence += 1;
            lane.keyframe_in_batch |= lane.gop.push(&packet) == Pushed::Keyframe;
            lane.batch.push(packet.clone());
            packets.push(packet);
        }
        packets.iter().for_each(|packet| self.hand_out(packet));
    }

    /// Where a viewer starts or changes with what this turn brought: a rendition, and its profile.
    pub(super) fn starts_at(&self, viewer: &Viewer) -> Option<(Option<Rung>, Option<u32>)> {
        let (waits, switches) = (viewer.waits_for_keyframe(), viewer.waits_to_switch());
        if !waits && !switches {
            return None;
        }
        let source = || self.keyframe_in_batch.then_some((None, self.profile));
        match viewer.target.and_then(|rung| Some((rung, self.ladder.lane(rung)?))) {
            None => source(),
            Some((rung, lane)) if lane.keyframe_in_batch => Some((Some(rung), lane.profile)),
            // Nothing has come of it yet: a picture that is too large is better than none.
            Some((_, lane)) if waits && lane.gop.frames() == 0 => source(),
            Some(_) => None,
        }
    }

    /// What a viewer gets and could get, after it has wished for something.
    pub(in crate::relay) fn layers(
        &mut self,
        peer: PeerId,
        wish: Option<Wish>,
        now: Instant,
    ) -> Result<LayerState, Refusal> {
        self.replan();
        if let Some(Wish { quality: Quality::Rung(rung), .. }) = wish {
            let lane = self.ladder.lane(rung).ok_or(Refusal::NoRendition)?;
            match lane.refusal(&self.ladder.workshop.places, now) {
                Some(NO_ROOM) => return Err(Refusal::NoRenditionRoom),
                // It is given as soon as it is sent again.
                Some(PAUSED) => {}
                Some(_) => return Err(Refusal::RenditionFailed),
                None => {}
            }
        }
        let renditions = self.renditions(now);
        let viewer = self.viewers.get_mut(&peer).ok_or(Refusal::NoSession)?;
        if let Some(wish) = wish {
            viewer.quality = wish.quality;
            viewer.buffer = wish.buffer.or(viewer.buffer);
            self.ladder.due = now;
        }
        let current = viewer.current().map_or(Quality::Source, Quality::Rung);
        let buffer = viewer.buffer.unwrap_or(Buffer::Auto);
        Ok(LayerState { quality: viewer.quality, current, buffer, renditions })
    }

    /// All qualities, as they are shown.
    pub(super) fn renditions(&self, now: Instant) -> Vec<RenditionInfo> {
        let Some(size) = self.size.filter(|_| !self.ladder.lanes.is_empty() && self.is_live()) else {
            return Vec::new();
        };
        let watching = |rung: Option<Rung>| {
            let gets = |viewer: &&Viewer| viewer.connection.is_connected() && viewer.current() == rung;
            self.viewers.values().filter(gets).count() as u32
        };
        let source = RenditionInfo {
            name: Quality::Source.to_string(),
            width: size.width,
            height: size.height,
            bitrate_kbps: self.meter.kbps,
            state: RenditionState::Running,
            code: None,
            viewers: watching(None),
            published: true,
        };
        // The encoding that is the source now is shown as that only.
        let present = self.layers.as_ref().and_then(|layers| layers.source);
        let shown = self.ladder.lanes.iter().filter(|lane| lane.layer.is_none() || lane.layer != present);
        let lower = shown.map(|lane| {
            let code = lane.refusal(&self.ladder.workshop.places, now);
            let state = match (lane.is_running(), code) {
                (true, _) => RenditionState::Running,
                (false, None) => RenditionState::Idle,
                (false, Some(_)) => RenditionState::Unavailable,
            };
            let Plan { rung, size, bitrate } = lane.plan;
            RenditionInfo {
                name: rung.to_string(),
                width: size.width,
                height: size.height,
                bitrate_kbps: f64::from(bitrate.as_kbps()),
                state,
                code,
                viewers: watching(Some(rung)),
                published: lane.layer.is_some(),
            }
        });
        let all: Vec<RenditionInfo> = std::iter::once(source).chain(lower).collect();
        if all.len() > 1 { all } else { Vec::new() }
    }
}

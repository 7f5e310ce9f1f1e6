//! What a stream's viewers get: their first picture, each turn's packets, another rendition.

use std::sync::Arc;
use std::time::Instant;

use str0m::Event;
use str0m::bwe::BweKind;

use super::super::crew::Crew;
use super::super::keyframes::{Join, plan_join};
use super::super::packet::{MediaPacket, Track};
use super::super::socket::Outbox;
use super::super::viewer::Viewer;
use super::{PeerId, Stream};
use crate::ladder::Rung;

impl Stream {
    pub(in crate::relay) fn add_viewer(&mut self, peer: PeerId, mut viewer: Viewer) {
        if let Some(profile) = self.profile {
            viewer.set_profile(profile);
        }
        self.viewers.insert(peer, viewer);
    }

    /// What a viewer's session said.
    pub(in crate::relay) fn viewer_events(&mut self, peer: PeerId, events: &mut Vec<Event>, now: Instant) {
        for event in events.drain(..) {
            let Some(viewer) = self.viewers.get_mut(&peer) else { continue };
            match event {
                Event::Connected => {
                    self.changed = true;
                    tracing::info!(
                        stream = self.name,
                        session = viewer.connection.session.public(),
                        "a viewer is connected"
                    );
                    self.join(peer, now);
                }
                Event::EgressBitrateEstimate(BweKind::Remb { estimate, .. }) => {
                    viewer.line.estimate = Some(estimate.as_f64());
                }
                Event::MediaEgressStats(stats) if stats.loss.is_some() => viewer.line.loss = stats.loss,
                Event::KeyframeRequest(_) if !viewer.waits_for_keyframe() && viewer.budget.spend(now) => {
                    let current = viewer.current();
                    self.want_keyframe(current, None);
                }
                _ => {}
            }
        }
    }

    /// A viewer's first picture: from a cache, or by a keyframe that is asked for.
    fn join(&mut self, peer: PeerId, now: Instant) {
        let (asks_in_vain, open) = (self.asks_in_vain(), self.gate.is_open(now));
        let Some(viewer) = self.viewers.get_mut(&peer) else { return };
        let (rung, gop, profile) = match self.ladder.lane_for_joining(viewer.quality) {
            Some((rung, lane)) => (Some(rung), &lane.gop, lane.profile),
            None => (None, &self.gop, self.profile),
        };
        let plan = match asks_in_vain && gop.frames() > 0 {
            true => Join::Replay,
            false => plan_join(gop.frames(), gop.bytes(), open),
        };
        match plan {
            Join::Replay => {
                viewer.target = rung;
                viewer.start_video(rung, gop, profile, now);
            }
            Join::Ask => self.want_keyframe(rung, None),
        }
        self.ladder.due = now;
    }

    /// The viewers are told the profile by their payload types.
    pub(super) fn set_profile(&mut self, profile: u32) {
        self.profile = Some(profile);
        let of_source = self.viewers.values_mut().filter(|viewer| viewer.current().is_none());
        of_source.for_each(|viewer| viewer.set_profile(profile));
    }

    /// Sends the packets of this turn to everyone.
    pub(in crate::relay) fn fan_out(&mut self, now: Instant, outbox: &mut Outbox<'_>, crew: &mut Crew) {
        if self.batch.is_empty() && self.ladder.is_quiet() {
            return;
        }
        let starts: Vec<_> = self.viewers.values().map(|viewer| self.starts_at(viewer)).collect();
        let mut shares: Vec<Share<'_>> = self
            .viewers
            .iter_mut()
            .zip(starts)
            .map(|((peer, viewer), start)| Share { peer: *peer, viewer, start, events: Vec::new() })
            .collect();
        let (gop, ladder) = (&self.gop, &self.ladder);
        let lower = ladder.lanes.iter().flat_map(|lane| &lane.batch);
        let packets: Vec<&Arc<MediaPacket>> = self.batch.iter().chain(lower).collect();
        // Of several qualities each viewer gets one.
        let longest = ladder.lanes.iter().map(|lane| lane.batch.len()).fold(self.batch.len(), usize::max);
        let written = shares.len() * longest;
        crew.each(written, &mut shares, outbox, |Share { viewer, start, events, .. }, outbox| {
            if let Some((rung, profile)) = *start {
                // The cache holds this turn's video already.
                let gop = rung.and_then(|rung| ladder.lane(rung)).map_or(gop, |lane| &lane.gop);
                viewer.start_video(rung, gop, profile, now);
            }
            for packet in &packets {
                if !(start.is_some() && packet.track == Track::Video) {
                    viewer.take(packet);
                }
            }
            viewer.drive(now, outbox, events);
        });
        let said: Vec<(PeerId, Vec<Event>)> = shares
            .into_iter()
            .filter(|share| !share.events.is_empty())
            .map(|share| (share.peer, share.events))
            .collect();
        for (peer, mut events) in said {
            self.viewer_events(peer, &mut events, now);
        }
        self.batch.clear();
        self.keyframe_in_batch = false;
        self.ladder.clear_batches();
    }
}

/// A viewer's part of a turn.
struct Share<'a> {
    peer: PeerId,
    viewer: &'a mut Viewer,
    /// Where it starts or changes (see [`Stream::starts_at`]).
    start: Option<(Option<Rung>, Option<u32>)>,
    /// What its session said.
    events: Vec<Event>,
}

//! What a stream's viewers get: their first picture, each turn's packets, another rendition.

use std::time::Instant;

use str0m::Event;
use str0m::bwe::BweKind;

use super::super::keyframes::{Join, plan_join};
use super::super::packet::Track;
use super::super::socket::Outbox;
use super::super::viewer::Viewer;
use super::{PeerId, Stream};

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
    pub(in crate::relay) fn fan_out(&mut self, now: Instant, outbox: &mut Outbox<'_>, events: &mut Vec<Event>) {
        if self.batch.is_empty() && self.ladder.is_quiet() {
            return;
        }
        let peers: Vec<PeerId> = self.viewers.keys().copied().collect();
        for peer in peers {
            let start = self.viewers.get(&peer).and_then(|viewer| self.starts_at(viewer));
            let starts = start.is_some();
            // Borrowed from beside the viewers: caches, batches and profiles.
            let Self { viewers, gop, batch, ladder, .. } = self;
            let Some(viewer) = viewers.get_mut(&peer) else { continue };
            if let Some((rung, profile)) = start {
                // The cache holds this turn's video already.
                let gop = rung.and_then(|rung| ladder.lane(rung)).map_or(&*gop, |lane| &lane.gop);
                viewer.start_video(rung, gop, profile, now);
            }
            let lower = ladder.lanes.iter().flat_map(|lane| &lane.batch);
            for packet in batch.iter().chain(lower) {
                if !(starts && packet.track == Track::Video) {
                    viewer.take(packet);
                }
            }
            viewer.drive(now, outbox, events);
            self.viewer_events(peer, events, now);
        }
        self.batch.clear();
        self.keyframe_in_batch = false;
        self.ladder.clear_batches();
    }
}

//! A publisher's own encodings as the stream's qualities (see [`super::super::layers`]): each is a lane beside those that are
//! made, and the best that lives is the source, from a keyframe of it on.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use media::{Bitrate, Size};
use str0m::Event;
use str0m::media::{Rid, SenderFeedback};
use str0m::rtp::RtpPacket;

use super::super::gop::Pushed;
use super::super::h264;
use super::super::keyframes::KeyframeGate;
use super::super::layers::sequence_of;
use super::super::packet::{MediaPacket, Track};
use super::super::publisher::end_to_end;
use super::super::socket::Outbox;
use super::super::viewer::Viewer;
use super::lanes::Lane;
use super::{PeerId, Stream};
use crate::figures::{Figures, Totals};
use crate::ladder::{Plan, Rung};

impl Stream {
    /// A publisher's word on which time stamp was when. Of several encodings each has time stamps of its own: its clock knows
    /// those of the line.
    pub(super) fn sender_report(&mut self, peer: PeerId, report: &SenderFeedback) {
        let Some(publisher) = self.publishers.get_mut(&peer) else { return };
        let Some(track) = publisher.track_of(report.mid) else { return };
        let (timestamp, at) = (report.sender_info.rtp_time.numer() as u32, report.sender_info.ntp_time);
        let timestamp = match (&mut self.layers, report.rid) {
            (Some(layers), Some(rid)) if self.live == Some(peer) => layers.report(rid, timestamp, at),
            _ if publisher.is_one_of_several(track) => None,
            _ => Some(timestamp),
        };
        if let Some(timestamp) = timestamp {
            publisher.clock.report(track, timestamp, at, report.received_at);
        }
    }

    /// A packet of one of the live publisher's encodings.
    pub(super) fn layer_packet(&mut self, peer: PeerId, rid: Rid, packet: RtpPacket, now: Instant) {
        let Some(layers) = &mut self.layers else { return };
        let Some(index) = layers.index_of(rid) else { return };
        if layers.hear(index, packet.header.timestamp, packet.payload.len(), now) {
            tracing::info!(stream = self.name, encoding = &*rid, "an encoding of the picture comes");
            self.changed = true;
            self.ladder.due = now;
        }
        if let Some(size) = h264::picture_size(&packet.payload)
            && layers.all[index].size.replace(size) != Some(size)
        {
            self.ladder.due = now;
            self.lay_lanes();
        }
        let Some(layers) = &mut self.layers else { return };
        let placed = layers.place(index, packet.header.timestamp, now, &self.video).is_some();
        if !placed || layers.all[index].size.is_none() {
            layers.keep(index, packet);
            return;
        }
        for early in layers.take_early(index) {
            self.layer_media(peer, index, early, now);
        }
        self.layer_media(peer, index, packet, now);
    }

    /// One whose place is known: for who watches that encoding, and for the source if it is that one.
    fn layer_media(&mut self, peer: PeerId, index: usize, packet: RtpPacket, now: Instant) {
        let (Some(layers), Some(publisher)) = (&mut self.layers, self.publishers.get_mut(&peer)) else { return };
        // Another has the same size: nobody could choose between them.
        let Some(lane) = self.ladder.lane_of_layer(index) else { return };
        let Some(timestamp) = layers.place(index, packet.header.timestamp, now, &self.video) else { return };
        lane.profile = publisher.profile_of(packet.header.payload_type).or(lane.profile);
        let packet = Arc::new(MediaPacket {
            track: Track::Video,
            rung: Some(lane.plan.rung),
            sequence: sequence_of(&packet),
            timestamp,
            marker: packet.header.marker,
            extensions: end_to_end(packet.header.ext_vals),
            wallclock: publisher.clock.moment(Track::Video, timestamp, now),
            synced: publisher.clock.is_synced(),
            payload: packet.payload,
        });
        let keyframe = lane.gop.push(&packet) == Pushed::Keyframe;
        lane.batch.push(packet.clone());
        if keyframe {
            lane.keyframe_in_batch = true;
            layers.all[index].gate.arrived();
        }
        if layers.source == Some(index) {
            self.source_packet(&packet, now);
        } else if layers.source.is_some() && keyframe && layers.best() == Some(index) {
            self.change_source(index, now);
        }
    }

    /// The source is another encoding from its newest keyframe on.
    fn change_source(&mut self, index: usize, now: Instant) {
        let (Some(layers), Some(lane)) = (&mut self.layers, self.ladder.lane_of_layer(index)) else { return };
        let packets: Vec<Arc<MediaPacket>> = lane.gop.packets().into_iter().flatten().cloned().collect();
        let Some(first) = packets.first() else { return };
        layers.change_source(index, first.sequence);
        let (size, profile, encoding) = (lane.plan.size, lane.profile, layers.all[index].rid);
        tracing::info!(stream = self.name, encoding = &*encoding, %size, "the source is this encoding from now on");
        if let Some(profile) = profile.filter(|profile| self.profile != Some(*profile)) {
            self.set_profile(profile);
        }
        self.size = Some(size);
        self.changed = true;
        packets.iter().for_each(|packet| self.source_packet(packet, now));
    }

    /// A packet of the encoding that is the source.
    fn source_packet(&mut self, packet: &MediaPacket, now: Instant) {
        let Some(layers) = &mut self.layers else { return };
        let Some((sequence, timestamp)) = layers.splice(packet.sequence, packet.timestamp) else { return };
        self.video.reached(sequence, timestamp, now);
        if self.since.is_none() {
            self.since = Some(SystemTime::now());
            self.changed = true;
        }
        self.meter.packet(packet.payload.len());
        if self.last_frame.is_none_or(|last| (timestamp.wrapping_sub(last) as i32) > 0) {
            self.last_frame = Some(timestamp);
            self.meter.frame();
        }
        self.spread(MediaPacket {
            track: Track::Video,
            rung: None,
            sequence,
            timestamp,
            marker: packet.marker,
            extensions: packet.extensions.clone(),
            wallclock: packet.wallclock,
            synced: packet.synced,
            payload: packet.payload.clone(),
        });
    }

    /// An encoding has another size: its lane has another name.
    fn lay_lanes(&mut self) {
        let Some(layers) = &self.layers else { return };
        let short = |size: Size| u16::try_from(size.width.min(size.height)).ok().map(Rung);
        let mut plans: Vec<(usize, Plan)> = Vec::new();
        for (index, layer) in layers.all.iter().enumerate() {
            let Some((size, rung)) = layer.size.and_then(|size| Some((size, short(size)?))) else { continue };
            if plans.iter().any(|(_, plan)| plan.rung == rung) {
                tracing::warn!(stream = self.name, encoding = &*layer.rid, %size, "another encoding has this size: it is left out");
                continue;
            }
            plans.push((index, Plan { rung, size, bitrate: Bitrate::from_kbps(layer.meter.kbps as u32) }));
        }
        if let Some(source) = layers.source {
            self.size = layers.all[source].size;
        }
        let is_planned = |lane: &Lane| {
            let same = |(index, plan): &(usize, Plan)| lane.layer == Some(*index) && plan.size == lane.plan.size;
            plans.iter().any(same)
        };
        let gone: Vec<Rung> = self.ladder.sent().filter(|lane| !is_planned(lane)).map(|lane| lane.plan.rung).collect();
        self.ladder.lanes.retain(|lane| lane.layer.is_none() || is_planned(lane));
        for (index, plan) in plans {
            // What is made in that size isn't needed any more.
            self.stop_lane(plan.rung, "the publisher sends this size itself");
            self.ladder.lanes.retain(|lane| lane.layer.is_some() || lane.plan.rung != plan.rung);
            if self.ladder.lane_of_layer(index).is_none() {
                self.ladder.lanes.push(Lane::sent(plan, index));
            }
        }
        self.ladder.lanes.sort_by_key(|lane| std::cmp::Reverse(lane.plan.rung));
        let left = |viewer: &&mut Viewer| viewer.current().is_some_and(|rung| gone.contains(&rung));
        self.viewers.values_mut().filter(left).for_each(Viewer::begin_anew);
        self.ladder.stale = true;
        self.changed = true;
    }

    /// Looks which encodings live, and whether the stream may begin.
    pub(super) fn tend_layers(&mut self, now: Instant) {
        let Some(layers) = &mut self.layers else { return };
        let stopped = layers.tend(now);
        for lane in &mut self.ladder.lanes {
            let Some(layer) = lane.layer.and_then(|index| layers.all.get(index)) else { continue };
            if lane.lives && !layer.lives {
                tracing::info!(stream = self.name, encoding = &*layer.rid, "an encoding of the picture has stopped");
                // What comes when it is back begins with a keyframe of its own.
                lane.gop.forget();
            }
            lane.lives = layer.lives;
            if layer.lives && layer.meter.kbps > 0.0 {
                lane.plan.bitrate = Bitrate::from_kbps(layer.meter.kbps as u32);
            }
        }
        self.changed |= stopped;
        if layers.source.is_none() && layers.may_begin(now) {
            let best = layers.best();
            best.into_iter().for_each(|index| self.change_source(index, now));
        }
    }

    /// A keyframe of what somebody is to get is wanted: of an encoding itself, else of the source. `again`: it was wanted
    /// before, and is asked for once more only where the answer must have been lost by then.
    pub(super) fn want_keyframe(&mut self, rung: Option<Rung>, again: Option<Instant>) {
        let due = |gate: &KeyframeGate| again.is_none_or(|now| gate.is_open(now));
        let lane = rung.and_then(|rung| self.ladder.lane(rung)).filter(|lane| lane.lives);
        // Of what has not begun there may be none for long: who waits begins with the source.
        let serves = lane.is_some_and(|lane| lane.gop.frames() > 0);
        if let (Some(layers), Some(index)) = (&mut self.layers, lane.and_then(|lane| lane.layer))
            && due(&layers.all[index].gate)
        {
            layers.all[index].gate.want();
        }
        if !serves && due(&self.gate) {
            self.gate.want();
        }
    }

    /// Asks for keyframes of those encodings of which they are wanted, each by its own SSRC.
    pub(super) fn ask_layers(
        &mut self,
        peer: PeerId,
        now: Instant,
        outbox: &mut Outbox<'_>,
        events: &mut Vec<Event>,
        figures: &Figures,
    ) {
        let of_source = self.gate.take(now);
        let (Some(layers), Some(publisher)) = (&mut self.layers, self.publishers.get_mut(&peer)) else { return };
        let best = layers.best();
        let mut asked = 0;
        for index in 0..layers.all.len() {
            let (source, climbs) = (layers.source == Some(index), best == Some(index) && layers.source != best);
            let born = self.ladder.sent().any(|lane| lane.layer == Some(index) && lane.gop.frames() > 0);
            let waits = if layers.source.is_some() { climbs } else { !born };
            let layer = &mut layers.all[index];
            let waits = layer.lives && (waits || layer.size.is_none());
            if (source && of_source) || (waits && layer.gate.is_open(now)) {
                layer.gate.want();
            }
            if layer.gate.take(now) && layer.lives && publisher.request_keyframe(Some(layer.rid)) {
                asked += 1;
            }
        }
        if asked > 0 {
            Totals::add(&figures.totals.keyframe_requests, asked);
            publisher.connection.drive(now, outbox, events);
            self.publisher_events(peer, events, now, figures);
        }
    }
}

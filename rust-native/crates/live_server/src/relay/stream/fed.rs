//! What a stream does with a publisher that is fed (see [`super::super::fed`]).

use std::time::{Instant, SystemTime};

use str0m::rtp::ExtensionValues;

use super::super::fed::{Batch, Facts, FedPublisher};
use super::super::gop::GopCache;
use super::super::packet::{MediaPacket, Track};
use super::{PeerId, Stream};
use crate::figures::{Figures, Totals};

impl Stream {
    pub(in crate::relay) fn add_fed(&mut self, peer: PeerId, publisher: FedPublisher) {
        self.fed.insert(peer, publisher);
    }

    /// Takes a batch in. The first one of a session takes the stream over, or has come too late.
    pub(in crate::relay) fn feed(&mut self, peer: PeerId, batch: Batch, now: Instant, figures: &Figures) {
        let Some(publisher) = self.fed.get_mut(&peer) else { return };
        publisher.hear(now);
        if let Some(facts) = batch.facts {
            publisher.facts = facts;
            self.changed = true;
        }
        if self.live != Some(peer) {
            self.switch_to(peer, now);
            if self.live != Some(peer) {
                self.end_fed(peer);
                return;
            }
        }
        let had = self.has;
        self.take_facts(peer);
        let settles = self.fed.get_mut(&peer).is_some_and(|publisher| publisher.settle(now));
        if settles || (self.announced && self.has != had) {
            self.pack_anew();
        }
        if self.since.is_none() {
            self.since = Some(SystemTime::now());
            self.changed = true;
        }
        if batch.forget_pictures {
            self.gop = GopCache::default();
        }
        Totals::add(&figures.totals.bytes_in, batch.received as u64);
        self.meter.packet(batch.received);
        (0..batch.pictures).for_each(|_| self.meter.frame());
        for packet in batch.packets {
            let Some(publisher) = self.fed.get_mut(&peer) else { return };
            let sequence = publisher.next_sequence(packet.track);
            Totals::add(&figures.totals.packets_in, 1);
            let line = match packet.track {
                Track::Video => &mut self.video,
                Track::Audio => &mut self.audio,
            };
            let Some((sequence, timestamp)) = line.place(sequence, packet.timestamp, now) else { continue };
            self.spread(MediaPacket {
                track: packet.track,
                rung: None,
                sequence,
                timestamp,
                marker: packet.marker,
                extensions: ExtensionValues::default(),
                wallclock: packet.wallclock.min(now),
                synced: true,
                payload: packet.payload,
            });
        }
    }

    /// A publisher that said goodbye.
    pub(in crate::relay) fn fed_has_ended(&mut self, peer: PeerId) {
        if let Some(publisher) = self.fed.get_mut(&peer) {
            publisher.ended = true;
        }
    }

    fn take_facts(&mut self, peer: PeerId) {
        let Some(Facts { video, audio, size, profile, .. }) = self.fed.get(&peer).map(|publisher| &publisher.facts)
        else {
            return;
        };
        let has = (*video, *audio);
        if self.has != has || self.size != *size {
            (self.has, self.size, self.changed) = (has, *size, true);
        }
        if let Some(profile) = *profile
            && self.profile != Some(profile)
        {
            self.set_profile(profile);
        }
    }

    /// Whether the publisher makes no keyframe for anyone.
    pub(super) fn asks_in_vain(&self) -> bool {
        self.live.and_then(|peer| self.fed.get(&peer)).is_some_and(|publisher| !publisher.facts.keyframes_on_request)
    }

    /// Asks the live publisher, if it is one that is fed, for a keyframe; says whether it can make one.
    pub(super) fn ask_fed_for_keyframe(&self) -> bool {
        let Some(publisher) = self.live.and_then(|peer| self.fed.get(&peer)) else { return false };
        publisher.order(|orders| orders.keyframes = orders.keyframes.wrapping_add(1));
        publisher.facts.keyframes_on_request
    }

    /// Tells those that are fed whether somebody watches or reads. A publisher that is not live (yet) works for nobody.
    pub(in crate::relay) fn tell_fed(&self) {
        let wanted = !self.viewers.is_empty() || self.outlet.is_some();
        for (peer, publisher) in &self.fed {
            publisher.order(|orders| orders.wanted = wanted && self.live == Some(*peer));
        }
    }

    pub(super) fn end_fed(&mut self, peer: PeerId) {
        if let Some(publisher) = self.fed.get_mut(&peer) {
            publisher.order(|orders| orders.over = true);
            publisher.ended = true;
        }
    }

    /// Sends those away that another has replaced, takes out those that are over, and says which.
    pub(super) fn reap_fed(&mut self) -> Vec<PeerId> {
        // One that was live and isn't any more has been replaced; one that has not begun yet is left alone.
        let replaced: Vec<PeerId> = self
            .fed
            .iter()
            .filter(|(peer, publisher)| self.live.is_some_and(|live| live != **peer) && publisher.has_begun())
            .map(|(peer, _)| *peer)
            .collect();
        replaced.into_iter().for_each(|peer| self.end_fed(peer));
        let mut ended = Vec::new();
        let name = &self.name;
        self.fed.retain(|peer, publisher| {
            let over = publisher.is_over();
            if over {
                tracing::info!(stream = name, session = publisher.session.public(), "a publisher is gone");
                ended.push(*peer);
            }
            !over
        });
        ended
    }

    /// Ends all, at the end of everything.
    pub(super) fn close_fed(&mut self) {
        let peers: Vec<PeerId> = self.fed.keys().copied().collect();
        peers.into_iter().for_each(|peer| self.end_fed(peer));
    }
}

//! A stream's packets on their way to become files (see `chunks`).

use std::sync::Arc;

use super::super::packet::MediaPacket;
use super::Stream;
use crate::chunks::{Feed, Outlet};

impl Stream {
    /// From now on a packager gets the packets too, first those since the last keyframe.
    pub(in crate::relay) fn pack(&mut self, outlet: Outlet) {
        self.outlet = Some(outlet);
        self.pack_anew();
    }

    /// The packager begins with another run, first with what has come since the last keyframe.
    pub(super) fn pack_anew(&mut self) {
        self.announced = false;
        self.cached().iter().for_each(|packet| self.hand_out(packet));
    }

    /// What has come since the last keyframe; nothing, where that is not kept.
    pub(in crate::relay) fn cached(&self) -> Vec<Arc<MediaPacket>> {
        self.sounds.beside(self.gop.packets().map(|packets| packets.cloned().collect()).unwrap_or_default())
    }

    /// Gives it a packet, once it is known what tracks there are.
    pub(super) fn hand_out(&mut self, packet: &Arc<MediaPacket>) {
        let unsettled = self.live.and_then(|peer| self.fed.get(&peer)).is_some_and(|fed| !fed.is_settled());
        if self.outlet.is_none() || unsettled {
            return;
        }
        if !std::mem::replace(&mut self.announced, true) {
            self.tell(Feed::Begin { video: self.has.0, audio: self.has.1 });
        }
        self.tell(Feed::Packet(packet.clone()));
    }

    /// Tells the packager, if there is one and it still wants to know.
    pub(super) fn tell(&mut self, feed: Feed) {
        if self.outlet.as_ref().is_some_and(|outlet| !outlet.give(feed)) {
            self.outlet = None;
        }
    }

    /// Whether a segment should begin; said once for each wish.
    pub(super) fn is_keyframe_wanted_for_files(&self) -> bool {
        self.outlet.as_ref().is_some_and(Outlet::wants_keyframe)
    }
}

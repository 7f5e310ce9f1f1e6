//! A stream's packets on their way to become files (see `chunks`).

use std::sync::Arc;

use super::super::packet::MediaPacket;
use super::Stream;
use crate::chunks::{Feed, Outlet};

impl Stream {
    /// From now on a packager gets the packets too, first those since the last keyframe.
    pub(in crate::relay) fn pack(&mut self, outlet: Outlet) {
        self.outlet = Some(outlet);
        self.announced = false;
        let cached: Vec<_> = self.gop.packets().map(|packets| packets.cloned().collect()).unwrap_or_default();
        cached.iter().for_each(|packet| self.hand_out(packet));
    }

    /// Gives it a packet. What tracks there are is known when the first one comes.
    pub(super) fn hand_out(&mut self, packet: &Arc<MediaPacket>) {
        if self.outlet.is_none() {
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

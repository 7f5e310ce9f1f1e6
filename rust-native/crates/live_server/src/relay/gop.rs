//! The packets since the last keyframe, so that a viewer who joins can start there.
//!
//! Bounded in packets and bytes: a longer group of pictures is not kept at all, and a join then asks for a keyframe.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::h264;
use super::packet::MediaPacket;

/// 4096 packets are 5 s at 8 Mbit/s; a burst of more would only fill the viewer's socket buffer.
const MOST_PACKETS: usize = 4096;
/// 4 MiB: the same 5 s.
const MOST_BYTES: usize = 4 << 20;

/// What a packet did to the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It belongs to the group that is kept, or to none.
    Kept,
    /// With it a new keyframe was recognised: the cache now starts at that access unit's first packet.
    Keyframe,
}

/// The group of pictures that is being received.
#[derive(Debug, Default)]
pub(super) struct GopCache {
    /// In order of their sequence numbers. Without a keyframe at its head it holds the present access unit only.
    packets: VecDeque<Arc<MediaPacket>>,
    bytes: usize,
    frames: usize,
    /// Timestamp of the keyframe at the head.
    head: Option<u32>,
    /// Timestamp of the newest access unit.
    newest: Option<u32>,
}

impl GopCache {
    /// Takes one packet in.
    pub(super) fn push(&mut self, packet: &Arc<MediaPacket>) -> Pushed {
        let newer = self.newest.is_none_or(|newest| (packet.timestamp.wrapping_sub(newest) as i32) > 0);
        if newer {
            self.newest = Some(packet.timestamp);
            self.frames += 1;
            if self.head.is_none() {
                self.clear_packets();
                self.frames = 1;
            }
        }
        let current = self.newest == Some(packet.timestamp);
        let keyframe = current && self.head != Some(packet.timestamp) && h264::belongs_to_keyframe(&packet.payload);
        if keyframe {
            self.packets.retain(|kept| kept.timestamp == packet.timestamp);
            self.bytes = self.packets.iter().map(|kept| kept.payload.len()).sum();
            self.frames = 1;
            self.head = Some(packet.timestamp);
        }
        if self.packets.len() >= MOST_PACKETS || self.bytes + packet.payload.len() > MOST_BYTES {
            self.forget();
            return Pushed::Kept;
        }
        let belongs = current
            || self.packets.front().is_some_and(|first| packet.sequence > first.sequence)
            || self.head == Some(packet.timestamp);
        if belongs {
            let place = self.packets.partition_point(|kept| kept.sequence < packet.sequence);
            if self.packets.get(place).is_none_or(|kept| kept.sequence != packet.sequence) {
                self.packets.insert(place, packet.clone());
                self.bytes += packet.payload.len();
            }
        }
        if keyframe { Pushed::Keyframe } else { Pushed::Kept }
    }

    /// The packets from the keyframe on, oldest first; `None` while no keyframe is kept.
    pub(super) fn packets(&self) -> Option<impl Iterator<Item = &Arc<MediaPacket>>> {
        self.head.map(|_| self.packets.iter())
    }

    /// Pictures that are kept.
    pub(super) fn frames(&self) -> usize {
        if self.head.is_some() { self.frames } else { 0 }
    }

    /// Payload bytes that are kept.
    pub(super) fn bytes(&self) -> usize {
        if self.head.is_some() { self.bytes } else { 0 }
    }

    /// Drops everything, until the next keyframe.
    pub(super) fn forget(&mut self) {
        self.clear_packets();
        self.head = None;
        self.frames = 0;
    }

    fn clear_packets(&mut self) {
        self.packets.clear();
        self.bytes = 0;
    }
}

/// Packets of sound: ten seconds, and some, of the shortest that are usual.
const MOST_SOUNDS: usize = 1024;
/// The one that is heard when a picture is seen may have begun so long before it.
const PACKET: Duration = Duration::from_millis(20);

/// The sound of late, for who begins with the group.
#[derive(Debug, Default)]
pub(super) struct Sounds(VecDeque<Arc<MediaPacket>>);

impl Sounds {
    /// Takes one packet in.
    pub(super) fn push(&mut self, packet: &Arc<MediaPacket>) {
        if self.0.len() == MOST_SOUNDS {
            self.0.pop_front();
        }
        self.0.push_back(packet.clone());
    }

    /// A group's packets and the sound from its first picture on, in order of their moments.
    pub(super) fn beside(&self, mut group: Vec<Arc<MediaPacket>>) -> Vec<Arc<MediaPacket>> {
        if let Some(first) = group.first().map(|packet| packet.wallclock) {
            group.extend(self.0.iter().filter(|sound| sound.wallclock + PACKET > first).cloned());
            group.sort_by_key(|packet| packet.wallclock);
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = &[0x65, 1];
    const DELTA: &[u8] = &[0x41, 1];
    const AUD: &[u8] = &[0x09, 0x10];

    fn packet(sequence: u64, timestamp: u32, payload: &[u8]) -> Arc<MediaPacket> {
        Arc::new(MediaPacket::for_tests(sequence, timestamp, payload))
    }

    fn kept(cache: &GopCache) -> Vec<u64> {
        cache.packets().map(|packets| packets.map(|p| p.sequence).collect()).unwrap_or_default()
    }

    #[test]
    fn a_groups_sound_begins_with_its_first_picture() {
        let now = std::time::Instant::now();
        let at = |sequence: u64, ms: u64| {
            let packet = MediaPacket::for_tests(sequence, 0, KEY);
            Arc::new(MediaPacket { wallclock: now + Duration::from_millis(ms), ..packet })
        };
        let mut sounds = Sounds::default();
        (0..5).for_each(|number| sounds.push(&at(100 + number, 20 * number)));
        let group = sounds.beside(vec![at(1, 50), at(2, 83)]);
        assert_eq!(group.iter().map(|packet| packet.sequence).collect::<Vec<_>>(), [102, 1, 103, 104, 2]);
        assert!(sounds.beside(Vec::new()).is_empty());
    }

    #[test]
    fn nothing_is_kept_before_the_first_keyframe() {
        let mut cache = GopCache::default();
        assert_eq!(cache.push(&packet(1, 100, DELTA)), Pushed::Kept);
        assert!(cache.packets().is_none());
        assert_eq!(cache.frames(), 0);
    }

    #[test]
    fn the_group_starts_at_the_first_packet_of_the_keyframes_access_unit() {
        let mut cache = GopCache::default();
        cache.push(&packet(1, 100, DELTA));
        cache.push(&packet(2, 200, AUD));
        assert_eq!(cache.push(&packet(3, 200, KEY)), Pushed::Keyframe);
        assert_eq!(cache.push(&packet(4, 200, KEY)), Pushed::Kept);
        cache.push(&packet(5, 300, DELTA));
        assert_eq!(kept(&cache), [2, 3, 4, 5]);
        assert_eq!(cache.frames(), 2);
    }

    #[test]
    fn the_next_keyframe_replaces_the_group() {
        let mut cache = GopCache::default();
        cache.push(&packet(1, 100, KEY));
        cache.push(&packet(2, 200, DELTA));
        cache.push(&packet(3, 300, AUD));
        assert_eq!(cache.push(&packet(4, 300, KEY)), Pushed::Keyframe);
        assert_eq!(kept(&cache), [3, 4]);
        assert_eq!((cache.frames(), cache.bytes()), (1, 4));
    }

    #[test]
    fn a_late_packet_finds_its_place_and_a_repeated_one_is_ignored() {
        let mut cache = GopCache::default();
        cache.push(&packet(1, 100, KEY));
        cache.push(&packet(3, 300, DELTA));
        cache.push(&packet(2, 200, DELTA));
        cache.push(&packet(2, 200, DELTA));
        assert_eq!(kept(&cache), [1, 2, 3]);
    }

    #[test]
    fn a_group_that_grows_too_long_is_given_up_until_the_next_keyframe() {
        let mut cache = GopCache::default();
        cache.push(&packet(0, 0, KEY));
        for n in 1..MOST_PACKETS as u64 + 10 {
            cache.push(&packet(n, n as u32 * 10, DELTA));
        }
        assert!(cache.packets().is_none());
        assert!(cache.packets.len() <= 1);
        assert_eq!(cache.push(&packet(9000, 90_000, KEY)), Pushed::Keyframe);
        assert_eq!(kept(&cache), [9000]);
    }

    #[test]
    fn a_group_that_grows_too_large_is_given_up() {
        let mut cache = GopCache::default();
        cache.push(&packet(0, 0, KEY));
        let big = vec![0x41; 100_000];
        for n in 1..60 {
            cache.push(&packet(n, n as u32 * 10, &big));
        }
        assert!(cache.packets().is_none());
        assert!(cache.bytes <= MOST_BYTES);
    }

    #[test]
    fn timestamps_may_wrap() {
        let mut cache = GopCache::default();
        cache.push(&packet(1, u32::MAX - 50, KEY));
        cache.push(&packet(2, 40, DELTA));
        assert_eq!(kept(&cache), [1, 2]);
        assert_eq!(cache.frames(), 2);
    }
}

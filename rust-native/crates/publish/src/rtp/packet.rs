//! Access units → RTP packets (RFC 3550): H.264 by RFC 6184 in packetization mode 1, Opus by RFC 7587. Pure.

use bytes::{BufMut, Bytes, BytesMut};
use media::h264::{self, NAL_TYPE};
use media::{AccessUnit, MediaTime, Track};

/// RTP payloads stay below this, so that a packet fits any path (IPv6's 1280 less headers, and some tunnel's).
const PAYLOAD: usize = 1200;
/// The fixed header (RFC 3550, section 5.1).
const HEADER: usize = 12;
/// A packet of a picture has no more bytes than that.
pub(super) const LONGEST: usize = HEADER + PAYLOAD;
/// Fragmentation unit (RFC 6184, section 5.8).
const FU_A: u8 = 28;
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;
/// The first byte's `forbidden_zero_bit` and `nal_ref_idc`.
const NAL_IMPORTANCE: u8 = 0xe0;
/// Says where an access unit begins, which RTP's time stamps say already.
const FILLER: u8 = 12;

/// One track of the stream, as RTP sees it.
#[derive(Debug)]
pub(super) struct Packetizer {
    pub(super) ssrc: u32,
    /// Dynamic, named in the description.
    pub(super) payload_type: u8,
    /// Ticks a second.
    pub(super) rate: u32,
    sequence: u16,
    /// What the clock's zero is called: random (section 5.1).
    offset: u32,
    packets: u32,
    octets: u32,
    buffer: BytesMut,
}

impl Packetizer {
    pub(super) fn new(payload_type: u8, rate: u32) -> Self {
        Self {
            ssrc: rand::random(),
            payload_type,
            rate,
            // Random, and far enough from the wrap that a receiver's first look is no surprise.
            sequence: rand::random::<u16>() >> 1,
            offset: rand::random(),
            packets: 0,
            octets: 0,
            buffer: BytesMut::new(),
        }
    }

    /// The packets of one unit, in order.
    pub(super) fn write(&mut self, unit: &AccessUnit, out: &mut Vec<Bytes>) {
        let stamp = self.stamp(unit.pts);
        if unit.track != Track::Video {
            // The marker would begin a talk spurt after silence (RFC 7587, section 4.1); there is no silence here.
            return self.packet(stamp, false, &[], &unit.payload, out);
        }
        let kept = |nal: &Bytes| !matches!(nal[0] & NAL_TYPE, h264::DELIMITER | FILLER);
        let units: Vec<Bytes> = h264::nal_units(&unit.payload).into_iter().filter(kept).collect();
        let last = units.len().saturating_sub(1);
        for (at, nal) in units.iter().enumerate() {
            self.nal(stamp, nal, at == last, out);
        }
    }

    fn nal(&mut self, stamp: u32, nal: &Bytes, ends_picture: bool, out: &mut Vec<Bytes>) {
        if nal.len() <= PAYLOAD {
            return self.packet(stamp, ends_picture, &[], nal, out);
        }
        let (kind, indicator) = (nal[0] & NAL_TYPE, nal[0] & NAL_IMPORTANCE | FU_A);
        let mut pieces = nal[1..].chunks(PAYLOAD - 2).peekable();
        let mut start = FU_START;
        while let Some(piece) = pieces.next() {
            let end = if pieces.peek().is_none() { FU_END } else { 0 };
            self.packet(stamp, ends_picture && end != 0, &[indicator, start | end | kind], piece, out);
            start = 0;
        }
    }

    fn packet(&mut self, stamp: u32, marker: bool, head: &[u8], body: &[u8], out: &mut Vec<Bytes>) {
        let packet = &mut self.buffer;
        packet.reserve(HEADER + head.len() + body.len());
        packet.put_u8(0x80);
        packet.put_u8(u8::from(marker) << 7 | self.payload_type);
        packet.put_u16(self.sequence);
        packet.put_u32(stamp);
        packet.put_u32(self.ssrc);
        packet.put_slice(head);
        packet.put_slice(body);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add((head.len() + body.len()) as u32);
        out.push(packet.split().freeze());
    }

    /// A moment on this track's clock, which wraps as it is meant to.
    pub(super) fn stamp(&self, at: MediaTime) -> u32 {
        (at.ticks(self.rate) as u32).wrapping_add(self.offset)
    }

    /// Packets and payload bytes since the start, modulo 2³² (RFC 3550, section 6.4.1).
    pub(super) fn sent(&self) -> (u32, u32) {
        (self.packets, self.octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(track: Track, payload: Vec<u8>) -> AccessUnit {
        let at = MediaTime::from_nanos(2_000_000_000);
        AccessUnit { track, pts: at, dts: at, keyframe: true, captured_at: at, payload: payload.into() }
    }

    fn written(track: Track, payload: Vec<u8>) -> (Packetizer, Vec<Bytes>) {
        let mut packetizer = Packetizer::new(96, 90_000);
        let mut out = Vec::new();
        packetizer.write(&unit(track, payload), &mut out);
        (packetizer, out)
    }

    #[test]
    fn small_nal_units_travel_alone_and_the_last_packet_of_a_picture_is_marked() {
        let payload = [&[0, 0, 0, 1, 9, 0xf0][..], &[0, 0, 0, 1, 0x67, 1], &[0, 0, 1, 0x68, 2], &[0, 0, 1, 0x65, 3]];
        let (packetizer, packets) = written(Track::Video, payload.concat());
        let bodies: Vec<&[u8]> = packets.iter().map(|packet| &packet[HEADER..]).collect();
        assert_eq!(bodies, [&[0x67, 1][..], &[0x68, 2], &[0x65, 3]], "no delimiter");
        let markers: Vec<u8> = packets.iter().map(|packet| packet[1]).collect();
        assert_eq!(markers, [96, 96, 96 | 0x80]);
        let stamps = packets.iter().map(|packet| u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]));
        assert!(stamps.clone().all(|stamp| stamp == packetizer.offset.wrapping_add(180_000)));
        assert_eq!(packetizer.sent(), (3, 6));
    }

    #[test]
    fn a_large_nal_unit_is_cut_and_can_be_joined_again() {
        let nal: Vec<u8> = std::iter::once(0x65).chain((0..5000_u32).map(|n| (n % 251) as u8 + 1)).collect();
        let (_, packets) = written(Track::Video, [&[0, 0, 1][..], &nal].concat());
        assert_eq!(packets.len(), 5);
        assert!(packets.iter().all(|packet| packet.len() <= HEADER + PAYLOAD));
        let (first, last) = (&packets[0][HEADER..], &packets[4][HEADER..]);
        assert_eq!((first[0], first[1]), (0x60 | FU_A, FU_START | 5));
        assert_eq!(last[1], FU_END | 5);
        let mut joined = vec![first[0] & NAL_IMPORTANCE | first[1] & NAL_TYPE];
        packets.iter().for_each(|packet| joined.extend_from_slice(&packet[HEADER + 2..]));
        assert_eq!(joined, nal);
        let sequence = |packet: &Bytes| u16::from_be_bytes([packet[2], packet[3]]);
        assert!(packets.windows(2).all(|pair| sequence(&pair[1]) == sequence(&pair[0]).wrapping_add(1)));
    }

    #[test]
    fn sound_is_one_packet_without_a_marker() {
        let (_, packets) = written(Track::Audio, vec![0xfc; 300]);
        assert_eq!((packets.len(), packets[0][1], packets[0].len()), (1, 96, HEADER + 300));
    }
}

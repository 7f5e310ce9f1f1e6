//! RTP payloads → access units: H.264 (RFC 6184, packetization mode 1) and Opus (RFC 7587).
//!
//! Payloads come in order (see `order`). A picture of which something is missing is left out, and so is everything
//! that refers to it: the next picture after a gap is a keyframe.

use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use media::h264::{DELIMITER, IDR, NAL_TYPE, PPS, ParameterSets, SPS};

use crate::relay::MediaPacket;

const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// End of sequence, end of stream, filler data: nothing of them belongs into a file.
const NOTHING: [u8; 3] = [10, 11, 12];
/// A picture that is larger is none: a keyframe of 4K at the best quality has 4 MB.
const LARGEST: usize = 16 << 20;

/// A picture or a packet of sound, and when it was.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    /// RTP, on the stream's time line.
    pub(crate) timestamp: u32,
    /// When that was on this machine's clock.
    pub(crate) wallclock: Instant,
    /// Whether that moment is the publisher's word, and so the same for both tracks.
    pub(crate) synced: bool,
    /// A decoder may start here.
    pub(crate) keyframe: bool,
    /// Length-prefixed NAL units without parameter sets (ISO/IEC 14496-15), or one Opus packet.
    pub(crate) data: Bytes,
}

impl Unit {
    fn of(packet: &MediaPacket, keyframe: bool, data: Bytes) -> Self {
        let MediaPacket { timestamp, wallclock, synced, .. } = *packet;
        Self { timestamp, wallclock, synced, keyframe, data }
    }

    /// A packet of sound; `None` for padding.
    pub(crate) fn sound(packet: &MediaPacket) -> Option<Self> {
        opus_frames(&packet.payload)?;
        Some(Self::of(packet, true, Bytes::copy_from_slice(&packet.payload)))
    }
}

/// One publisher's pictures.
#[derive(Debug)]
pub(crate) struct Pictures {
    sps: Option<Bytes>,
    pps: Option<Bytes>,
    /// What the present picture has so far.
    unit: Option<(Unit, BytesMut)>,
    /// The fragmented NAL unit of which the end is still to come.
    fragments: Option<BytesMut>,
    /// Nothing is given out before the next keyframe.
    waits: bool,
    /// The picture's beginning may be missing.
    suspect: bool,
    damaged: bool,
}

impl Pictures {
    pub(crate) fn new() -> Self {
        Self { sps: None, pps: None, unit: None, fragments: None, waits: true, suspect: true, damaged: false }
    }

    /// What a decoder needs beforehand, as it was last sent.
    pub(crate) fn parameter_sets(&self) -> Option<ParameterSets> {
        let sps = self.sps.clone().filter(|sps| sps.len() >= 4)?;
        Some(ParameterSets { sps, pps: self.pps.clone()? })
    }

    /// Whether nothing can be shown before a keyframe comes.
    pub(crate) fn wait_for_keyframe(&self) -> bool {
        self.waits
    }

    /// Something is missing for good.
    pub(crate) fn gap(&mut self) {
        self.unit = None;
        self.fragments = None;
        self.damaged = false;
        self.suspect = true;
        self.waits = true;
    }

    /// Takes the next payload; whole pictures are added to `out`.
    pub(crate) fn push(&mut self, packet: &MediaPacket, out: &mut Vec<Unit>) {
        if self.unit.as_ref().is_some_and(|(unit, _)| unit.timestamp != packet.timestamp) {
            out.extend(self.finish());
        }
        if self.unit.is_none() {
            self.unit = Some((Unit::of(packet, false, Bytes::new()), BytesMut::new()));
        }
        self.payload(&packet.payload);
        if packet.marker {
            out.extend(self.finish());
        }
    }

    fn payload(&mut self, payload: &[u8]) {
        match payload {
            [indicator, header, rest @ ..] if indicator & NAL_TYPE == FU_A => self.fragment(*indicator, *header, rest),
            [first, rest @ ..] if first & NAL_TYPE == STAP_A => {
                let mut rest = rest;
                while let [high, low, tail @ ..] = rest {
                    let length = usize::from(u16::from_be_bytes([*high, *low]));
                    if length == 0 || length > tail.len() {
                        self.damaged |= length > tail.len();
                        return;
                    }
                    self.nal(&tail[..length]);
                    rest = &tail[length..];
                }
            }
            [first, ..] if (1..STAP_A).contains(&(first & NAL_TYPE)) => self.nal(payload),
            // Padding.
            [] => {}
            // Interleaved modes were not agreed on.
            _ => self.damaged = true,
        }
    }

    fn fragment(&mut self, indicator: u8, header: u8, rest: &[u8]) {
        const START: u8 = 0x80;
        const END: u8 = 0x40;
        if header & START != 0 {
            let mut nal = BytesMut::with_capacity(64 << 10);
            nal.put_u8((indicator & !NAL_TYPE) | (header & NAL_TYPE));
            self.fragments = Some(nal);
        }
        let Some(nal) = &mut self.fragments else {
            self.damaged = true;
            return;
        };
        nal.put_slice(rest);
        if nal.len() > LARGEST {
            self.damaged = true;
            self.fragments = None;
        } else if header & END != 0
            && let Some(nal) = self.fragments.take()
        {
            self.nal(&nal);
        }
    }

    fn nal(&mut self, nal: &[u8]) {
        let Some((unit, data)) = &mut self.unit else { return };
        match nal[0] & NAL_TYPE {
            SPS => self.sps = Some(Bytes::copy_from_slice(nal)),
            PPS => self.pps = Some(Bytes::copy_from_slice(nal)),
            DELIMITER => {}
            kind if NOTHING.contains(&kind) => {}
            kind => {
                unit.keyframe |= kind == IDR;
                if (1..=IDR).contains(&kind) && std::mem::take(&mut self.suspect) {
                    // `first_mb_in_slice` is 0 in a picture's first slice: a single bit (ITU-T H.264 section 7.3.3).
                    self.damaged |= nal.get(1).is_none_or(|byte| byte & 0x80 == 0);
                }
                self.damaged |= data.len() + nal.len() > LARGEST;
                if !self.damaged {
                    data.put_u32(nal.len() as u32);
                    data.put_slice(nal);
                }
            }
        }
    }

    fn finish(&mut self) -> Option<Unit> {
        let (mut unit, data) = self.unit.take()?;
        let damaged = std::mem::take(&mut self.damaged) | self.fragments.take().is_some();
        if damaged {
            self.waits = true;
            return None;
        }
        if data.is_empty() || (self.waits && !(unit.keyframe && self.parameter_sets().is_some())) {
            return None;
        }
        self.waits = false;
        unit.data = data.freeze();
        Some(unit)
    }
}

/// Length-prefixed NAL units as a byte stream (ITU-T H.264 annex B), with parameter sets in front.
pub(crate) fn annex_b(data: &[u8], sets: Option<&ParameterSets>) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len() + 128);
    for set in sets.into_iter().flat_map(|sets| [&sets.sps, &sets.pps]) {
        out.put_slice(&START_CODE);
        out.put_slice(set);
    }
    let mut rest = data;
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let Some((unit, next)) = tail.split_at_checked(u32::from_be_bytes(*length) as usize) else { break };
        out.put_slice(&START_CODE);
        out.put_slice(unit);
        rest = next;
    }
    out.freeze()
}

/// How long a packet sounds, in frames of 48 kHz (RFC 6716 section 3.1); `None` for what is no packet.
pub(crate) fn opus_frames(packet: &[u8]) -> Option<u32> {
    let (toc, rest) = packet.split_first()?;
    let config = toc >> 3;
    let frame = match config {
        0..12 => [480, 960, 1920, 2880][usize::from(config % 4)],
        12..16 => [480, 960][usize::from(config % 2)],
        _ => [120, 240, 480, 960][usize::from(config % 4)],
    };
    let count = match toc & 3 {
        0 => 1,
        3 => u32::from(rest.first()? & 0x3f),
        _ => 2,
    };
    // Section 3.2.5: no packet is longer than 120 ms.
    Some(frame * count).filter(|frames| (1..=5760).contains(frames))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0xda];
    const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

    fn sets() -> Vec<u8> {
        [&[0x78, 0, 5][..], SPS, &[0, 4], PPS].concat()
    }

    /// What comes of payloads: timestamp, marker, bytes; an empty one with timestamp 0 is a gap.
    fn run(payloads: &[(u32, bool, &[u8])]) -> (Vec<Unit>, Pictures) {
        let (mut pictures, mut out) = (Pictures::new(), Vec::new());
        for (timestamp, marker, payload) in payloads {
            if *timestamp == 0 {
                pictures.gap();
                continue;
            }
            let mut packet = MediaPacket::for_tests(0, *timestamp, payload);
            packet.marker = *marker;
            pictures.push(&packet, &mut out);
        }
        (out, pictures)
    }

    #[test]
    fn fragments_and_aggregates_become_a_picture_with_its_parameter_sets_aside() {
        let (out, pictures) =
            run(&[(9, false, &sets()), (9, false, &[0x7c, 0x85, 0x81, 2]), (9, true, &[0x7c, 0x45, 3])]);
        assert_eq!(out.len(), 1);
        assert!(out[0].keyframe);
        assert_eq!(out[0].data.as_ref(), [0, 0, 0, 4, 0x65, 0x81, 2, 3]);
        let found = pictures.parameter_sets().expect("both");
        assert_eq!((found.sps.as_ref(), found.pps.as_ref()), (SPS, PPS));
    }

    #[test]
    fn a_picture_ends_with_its_marker_or_where_the_next_begins() {
        let (out, _) =
            run(&[(9, false, &sets()), (9, false, &[0x65, 0x81]), (12, true, &[0x41, 2]), (15, true, &[0x41, 3])]);
        assert_eq!(out.iter().map(|unit| unit.timestamp).collect::<Vec<_>>(), [9, 12, 15]);
        assert_eq!(out.iter().map(|unit| unit.keyframe).collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn nothing_comes_out_before_a_keyframe_with_its_parameter_sets() {
        assert!(run(&[(9, true, &[0x41, 1]), (12, true, &[0x65, 0x81])]).0.is_empty());
    }

    #[test]
    fn after_a_gap_the_next_picture_is_a_keyframe() {
        let (out, pictures) = run(&[
            (9, false, &sets()),
            (9, true, &[0x65, 0x81]),
            (12, false, &[0x7c, 0x81, 1]),
            (0, false, &[]),
            (12, true, &[0x7c, 0x41, 3]),
            (15, true, &[0x41, 4]),
        ]);
        assert_eq!(out.len(), 1);
        assert!(pictures.wait_for_keyframe());
        let (out, _) =
            run(&[(9, false, &sets()), (9, true, &[0x65, 0x81]), (0, false, &[]), (12, true, &[0x65, 0x82])]);
        assert_eq!(out.len(), 2, "a keyframe right behind the gap counts");
    }

    #[test]
    fn an_unfinished_fragment_spoils_its_picture_only_until_the_next_keyframe() {
        let (out, _) = run(&[
            (9, false, &sets()),
            (9, true, &[0x7c, 0x85, 0x81]),
            (12, true, &[0x41, 1]),
            (15, false, &[0x65, 0x81]),
            (15, true, &[]),
        ]);
        assert_eq!(out.iter().map(|unit| unit.timestamp).collect::<Vec<_>>(), [15], "padding does no harm");
    }

    #[test]
    fn garbage_does_no_harm() {
        for seed in 0..3000u32 {
            let bytes: Vec<u8> = (0..30).map(|n| (seed.wrapping_mul(2654435761).rotate_left(n) >> 9) as u8).collect();
            let _ = run(&[(1 + seed % 3, seed % 5 == 0, &bytes), (2, true, &bytes[..(seed % 30) as usize])]);
            let _ = opus_frames(&bytes[..(seed % 4) as usize]);
        }
    }

    #[test]
    fn a_packet_of_sound_says_how_long_it_is() {
        for (packet, frames) in [
            (&[0xfc, 1][..], Some(960)),
            (&[0xf8], Some(960)),
            (&[0xf1, 0], Some(960)),
            (&[0x18, 0], Some(2880)),
            (&[0xff, 6], Some(5760)),
            (&[0xff, 7], None),
            (&[0xff], None),
            (&[], None),
        ] {
            assert_eq!(opus_frames(packet), frames, "{packet:?}");
        }
    }

    fn borne(lasts: std::time::Duration) {
        let corpus: [Vec<u8>; 6] = [
            sets(),
            vec![0x7c, 0x85, 0x81, 2],
            vec![0x7c, 0x45, 3],
            vec![0x65, 0x81, 0x41],
            vec![0x41, 2, 0, 0, 3],
            // Opus: two frames of 20 ms, and three of any size.
            [&[0xfd][..], &[9; 20], &[0xff, 0x83, 4, 4], &[9; 20]].concat(),
        ];
        let (mut pictures, mut out, mut timestamp) = (Pictures::new(), Vec::new(), 1_u32);
        testkit::fuzz::run(&corpus, 37, lasts, |sample, dice| {
            let _ = opus_frames(sample);
            timestamp = timestamp.wrapping_add(dice.below(2) as u32 * 3000);
            let mut packet = MediaPacket::for_tests(0, timestamp, sample);
            packet.marker = dice.below(4) == 0;
            pictures.push(&packet, &mut out);
            if dice.below(50) == 0 {
                pictures.gap();
            }
            let _ = pictures.parameter_sets().map(|sets| (sets.size(), sets.configuration_record()));
            let kept = pictures.unit.as_ref().map_or(0, |(_, unit)| unit.len())
                + pictures.fragments.as_ref().map_or(0, BytesMut::len);
            assert!(kept < 64 << 20, "{kept} bytes kept");
            out.clear();
        });
    }

    #[test]
    fn any_row_of_payloads_is_borne() {
        borne(testkit::fuzz::QUICK);
    }

    #[test]
    #[ignore = "ten minutes: test:long"]
    fn any_row_of_payloads_is_borne_for_long() {
        borne(testkit::fuzz::LONG);
    }
}

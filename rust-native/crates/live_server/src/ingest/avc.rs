//! What is asked of H.264 on its way in: its parameter sets, its NAL units, and whether its pictures are reordered.
//! Pure.

use bytes::{Buf, Bytes};
use media::h264::{NAL_TYPE, PPS, SPS};

/// Sets in one configuration: a stream has one or two of each.
const MOST_SETS: usize = 64;
const SLICE: u8 = 1;
const SLICE_PARTITION_A: u8 = 2;
const IDR_SLICE: u8 = 5;
/// NAL units of one access unit: slices of the smallest pictures, and their extras.
const MOST_UNITS: usize = 512;

/// An `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15, section 5.3.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Configuration {
    /// Bytes in front of each NAL unit that say its length.
    pub(super) length_size: usize,
    /// Sequence parameter sets, then picture parameter sets.
    pub(super) sets: Vec<Bytes>,
}

impl Configuration {
    /// `None` for a damaged one, or one without both kinds of sets.
    pub(super) fn read(record: &Bytes) -> Option<Self> {
        let mut rest = record.clone();
        if rest.len() < 7 || rest[0] != 1 {
            return None;
        }
        let length_size = usize::from(rest[4] & 3) + 1;
        rest.advance(5);
        let mut sets = Vec::new();
        for (mask, kind) in [(0x1f, SPS), (0xff, PPS)] {
            let count = rest.try_get_u8().ok()? & mask;
            for _ in 0..count {
                let length = usize::from(rest.try_get_u16().ok()?);
                if length > rest.len() || sets.len() == MOST_SETS {
                    return None;
                }
                let set = rest.split_to(length);
                if set.first()? & NAL_TYPE == kind {
                    sets.push(set);
                }
            }
        }
        let has = |kind: u8| sets.iter().any(|set| set[0] & NAL_TYPE == kind);
        // Three more bytes name the profile.
        let whole = has(SPS) && has(PPS) && sets.iter().all(|set| set[0] & NAL_TYPE != SPS || set.len() >= 4);
        whole.then_some(Self { length_size, sets })
    }

    /// The NAL units of an access unit; `None` where lengths and bytes don't agree.
    pub(super) fn split(&self, mut access_unit: Bytes) -> Option<Vec<Bytes>> {
        let mut units = Vec::new();
        while !access_unit.is_empty() {
            let length = access_unit.try_get_uint(self.length_size).ok()? as usize;
            if length > access_unit.len() || units.len() == MOST_UNITS {
                return None;
            }
            let unit = access_unit.split_to(length);
            if !unit.is_empty() {
                units.push(unit);
            }
        }
        Some(units)
    }
}

/// Whether a decoder can start here.
pub(super) fn is_keyframe(units: &[Bytes]) -> bool {
    units.iter().any(|unit| unit[0] & NAL_TYPE == IDR_SLICE)
}

/// Whether a picture holds a slice that is predicted from later pictures (ITU-T H.264, table 7-6: B).
pub(super) fn has_b_slice(units: &[Bytes]) -> bool {
    units.iter().any(|unit| {
        matches!(unit[0] & NAL_TYPE, SLICE | SLICE_PARTITION_A) && slice_type(&unit[1..]).is_some_and(|t| t % 5 == 1)
    })
}

/// `first_mb_in_slice` is passed over, `slice_type` read (section 7.3.3). The two fit eight bytes, and no emulation
/// prevention can stand before their first one bit.
fn slice_type(header: &[u8]) -> Option<u32> {
    let mut bits = 0u64;
    for n in 0..8 {
        bits = bits << 8 | u64::from(header.get(n).copied().unwrap_or(0));
    }
    let mut at = 0;
    let mut unsigned = || {
        let zeros = (bits << at).leading_zeros();
        if at + 2 * zeros + 1 > 64 || zeros > 20 {
            return None;
        }
        let value = (bits << (at + zeros)) >> (63 - zeros);
        at += 2 * zeros + 1;
        u32::try_from(value - 1).ok()
    };
    unsigned()?;
    unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::h264::ParameterSets;

    const SPS_480: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xf6, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04];

    fn record() -> Bytes {
        let sets =
            ParameterSets { sps: Bytes::from_static(SPS_480), pps: Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80]) };
        sets.configuration_record()
    }

    #[test]
    fn a_configuration_gives_its_sets_and_splits_pictures() {
        let configuration = Configuration::read(&record()).expect("whole");
        assert_eq!(configuration.length_size, 4);
        assert_eq!(configuration.sets, [Bytes::from_static(SPS_480), Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80])]);
        let unit = Bytes::from_static(&[0, 0, 0, 2, 0x65, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x06]);
        let units = configuration.split(unit.clone()).expect("whole");
        assert_eq!(units, [Bytes::from_static(&[0x65, 1]), Bytes::from_static(&[6])]);
        assert!(is_keyframe(&units));
        assert_eq!(configuration.split(unit.slice(..5)), None);
    }

    #[test]
    fn a_damaged_configuration_is_none() {
        let record = record();
        for length in 0..record.len() {
            let _ = Configuration::read(&record.slice(..length));
        }
        assert_eq!(Configuration::read(&record.slice(..8)), None);
        assert_eq!(Configuration::read(&Bytes::from_static(&[1, 66, 0, 30, 0xff, 0xe0, 0, 0])), None, "no sets");
    }

    #[test]
    fn slices_of_b_pictures_are_known() {
        // first_mb_in_slice 0 ("1"), then slice_type: 0 "1" P, 1 "010" B, 5 "00110" P, 6 "00111" B, 7 "0001000" I.
        let slice = |header: u8| vec![Bytes::copy_from_slice(&[0x01, header, 0xff])];
        assert!(!has_b_slice(&slice(0b1100_0000)));
        assert!(has_b_slice(&slice(0b1010_0000)));
        assert!(!has_b_slice(&slice(0b1001_1000)));
        assert!(has_b_slice(&slice(0b1001_1100)));
        assert!(!has_b_slice(&slice(0b1_0001000)));
        // first_mb_in_slice 5 ("00110").
        assert!(has_b_slice(&slice(0b0011_0010)));
        for garbage in [&[1][..], &[1, 0], &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[1, 0xff]] {
            let _ = has_b_slice(&[Bytes::copy_from_slice(garbage)]);
        }
    }
}

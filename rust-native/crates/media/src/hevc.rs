//! What protocols and containers must know of an HEVC access unit (ITU-T H.265 annex B). Pure, without copies but where
//! the bytes themselves change.

use bytes::{BufMut, Bytes, BytesMut};

use crate::Size;
use crate::bits::{Bits, unescape};
use crate::h264::{length_prefixed_but, nal_units};

/// Video parameter set.
pub const VPS: u8 = 32;
/// Sequence parameter set.
pub const SPS: u8 = 33;
/// Picture parameter set.
pub const PPS: u8 = 34;
/// Access unit delimiter.
pub const DELIMITER: u8 = 35;
/// Filler data.
const FILLER: u8 = 38;
/// `general_profile_space` to `general_level_idc` (section 7.3.3).
const PROFILE_AND_LEVEL: usize = 12;

/// A NAL unit's `nal_unit_type` (section 7.3.1.2).
pub fn nal_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |header| header >> 1 & 0x3f)
}

/// Whether a slice of that type is of a picture where a decoder may start (IDR, CRA or BLA).
pub fn is_random_access(kind: u8) -> bool {
    (16..=23).contains(&kind)
}

/// As [`crate::h264::length_prefixed`].
pub fn length_prefixed(access_unit: &Bytes) -> Bytes {
    length_prefixed_but(access_unit, |unit| matches!(nal_type(unit), VPS | SPS | PPS | DELIMITER | FILLER))
}

/// What a decoder needs before the first picture: without start codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSets {
    /// Video parameter set.
    pub vps: Bytes,
    /// Sequence parameter set.
    pub sps: Bytes,
    /// Picture parameter set.
    pub pps: Bytes,
    format: Format,
}

/// What the record says beside the sets themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Format {
    profile_and_level: [u8; PROFILE_AND_LEVEL],
    temporal_layers: u8,
    temporal_nesting: bool,
    chroma: u8,
    luma_depth: u8,
    chroma_depth: u8,
    size: Size,
}

impl ParameterSets {
    /// The first of each in the access unit; `None` where one is missing or the SPS is damaged.
    pub fn find(access_unit: &Bytes) -> Option<Self> {
        let units = nal_units(access_unit);
        let first = |wanted: u8| units.iter().find(|unit| nal_type(unit) == wanted).cloned();
        let (vps, sps, pps) = (first(VPS)?, first(SPS)?, first(PPS)?);
        let format = format_of(&unescape(sps.get(2..)?))?;
        Some(Self { vps, sps, pps, format })
    }

    /// The picture's size in pixels after cropping.
    pub fn size(&self) -> Size {
        self.format.size
    }

    /// The `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15, section 8.3.3.1), with all sets in it and none in the
    /// samples (`hvc1`).
    pub fn configuration_record(&self) -> Bytes {
        let Format { profile_and_level, temporal_layers, temporal_nesting, chroma, luma_depth, chroma_depth, .. } =
            self.format;
        let mut out = BytesMut::with_capacity(self.vps.len() + self.sps.len() + self.pps.len() + 40);
        out.put_u8(1);
        out.put_slice(&profile_and_level);
        // Reserved ones beside "nothing known of segments and parallel decoding".
        out.put_slice(&[0xf0, 0, 0xfc]);
        out.put_slice(&[0xfc | chroma, 0xf8 | luma_depth, 0xf8 | chroma_depth]);
        // No average frame rate; four-byte lengths.
        out.put_u16(0);
        out.put_u8(temporal_layers << 3 | u8::from(temporal_nesting) << 2 | 3);
        out.put_u8(3);
        for (kind, set) in [(VPS, &self.vps), (SPS, &self.sps), (PPS, &self.pps)] {
            out.put_u8(0x80 | kind);
            out.put_u16(1);
            out.put_u16(set.len() as u16);
            out.put_slice(set);
        }
        out.freeze()
    }
}

/// `seq_parameter_set_rbsp` (section 7.3.2.2.1) as far as the bit depths.
fn format_of(sps: &[u8]) -> Option<Format> {
    let mut bits = Bits::new(sps);
    bits.skip(4)?;
    let sub_layers = bits.bits(3)?;
    let temporal_nesting = bits.flag()?;
    let profile_and_level = sps.get(1..1 + PROFILE_AND_LEVEL)?.try_into().ok()?;
    bits.skip(PROFILE_AND_LEVEL * 8)?;
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((bits.flag()?, bits.flag()?));
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers as usize))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    bits.ue()?;
    let chroma = bits.ue().filter(|chroma| *chroma <= 3)?;
    if chroma == 3 {
        bits.bit()?;
    }
    let (width, height) = (bits.ue()?, bits.ue()?);
    let (mut left, mut right, mut top, mut bottom) = (0, 0, 0, 0);
    if bits.flag()? {
        (left, right, top, bottom) = (bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?);
    }
    let unit_x = if matches!(chroma, 1 | 2) { 2 } else { 1 };
    let unit_y = if chroma == 1 { 2 } else { 1 };
    let width = width.checked_sub(left.checked_add(right)?.checked_mul(unit_x)?)?;
    let height = height.checked_sub(top.checked_add(bottom)?.checked_mul(unit_y)?)?;
    // Containers have 16 bits for each side.
    (1..=0xffff).contains(&width).then_some(())?;
    (1..=0xffff).contains(&height).then_some(())?;
    let depth = |bits: &mut Bits<'_>| bits.ue().filter(|depth| *depth <= 7).map(|depth| depth as u8);
    Some(Format {
        profile_and_level,
        temporal_layers: sub_layers as u8 + 1,
        temporal_nesting,
        chroma: chroma as u8,
        luma_depth: depth(&mut bits)?,
        chroma_depth: depth(&mut bits)?,
        size: Size { width, height },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// libx265's main profile at 854×480, cropped from 856.
    const VPS_480: &[u8] = &[
        0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x01, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x5a, 0x95, 0x98, 0x09,
    ];
    const PPS_480: &[u8] = &[0x44, 0x01, 0xc1, 0x72, 0xb4, 0x62, 0x40];

    /// An SPS written bit by bit: main profile, level 3, one layer, 856×480 with two columns cropped.
    fn sps() -> Vec<u8> {
        let mut bits = String::from("0000" /* VPS */) + "000" + "1";
        bits += "00000001"; // no space, main tier, profile 1
        bits += "01100000000000000000000000000000"; // compatible with 1 and 2
        bits += &("1001".to_owned() + &"0".repeat(44));
        bits += &format!("{:08b}", 90);
        let ue = |value: u32| {
            let coded = format!("{:b}", value + 1);
            "0".repeat(coded.len() - 1) + &coded
        };
        bits +=
            &(ue(0) + &ue(1) + &ue(856) + &ue(480) + "1" + &ue(0) + &ue(1) + &ue(0) + &ue(0) + &ue(0) + &ue(0) + "1");
        let bytes = bits
            .as_bytes()
            .chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |value, (at, bit)| value | (bit - b'0') << (7 - at)));
        // With the emulation prevention that zeros need.
        let (mut out, mut zeros) = (vec![0x42, 1], 0);
        for byte in bytes {
            if zeros == 2 && byte <= 3 {
                out.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            out.push(byte);
        }
        out
    }

    fn unit() -> Bytes {
        let slice: &[u8] = &[0x26, 1, 0xaf, 7];
        [VPS_480, &sps(), PPS_480, slice].iter().flat_map(|unit| [&[0, 0, 0, 1], *unit].concat()).collect()
    }

    #[test]
    fn the_size_and_the_record_are_read_from_the_parameter_sets() {
        let sets = ParameterSets::find(&unit()).expect("all three");
        assert_eq!(sets.size(), Size { width: 854, height: 480 });
        let record = sets.configuration_record();
        assert_eq!(record[..2], [1, 1]);
        assert_eq!(record[12], 90, "the level");
        assert_eq!(record[13..23], [0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, 3]);
        assert_eq!(record[23..28], [0x80 | VPS, 0, 1, 0, VPS_480.len() as u8]);
        assert!(record.ends_with(PPS_480));
    }

    #[test]
    fn containers_get_lengths_and_no_parameter_sets() {
        assert_eq!(length_prefixed(&unit()).as_ref(), [0, 0, 0, 4, 0x26, 1, 0xaf, 7]);
        assert!(is_random_access(nal_type(&[0x26])) && !is_random_access(nal_type(&[0x02])));
    }

    #[test]
    fn damaged_parameter_sets_are_none_and_do_no_harm() {
        let whole = sps();
        for length in 0..whole.len() {
            let _ = format_of(&unescape(&whole[..length]));
        }
        for seed in 0..2000u32 {
            let bytes: Vec<u8> = (0..40u32).map(|i| (seed.wrapping_mul(2_654_435_761) >> (i % 24)) as u8).collect();
            let _ = format_of(&bytes);
        }
        assert_eq!(ParameterSets::find(&Bytes::from_static(&[0, 0, 1, 0x26, 1, 5])), None);
    }

    fn borne(lasts: std::time::Duration) {
        let corpus = [unit().to_vec(), sps(), VPS_480.to_vec(), [&[0, 0, 1][..], PPS_480].concat()];
        testkit::fuzz::run(&corpus, 29, lasts, |sample, _| {
            let _ = format_of(&unescape(sample));
            let sample = Bytes::copy_from_slice(sample);
            let _ = length_prefixed(&sample);
            if let Some(sets) = ParameterSets::find(&sample) {
                let _ = (sets.size(), sets.configuration_record());
            }
        });
    }

    #[test]
    fn any_access_unit_is_borne() {
        borne(testkit::fuzz::QUICK);
    }

    #[test]
    #[ignore = "ten minutes: test:long"]
    fn any_access_unit_is_borne_for_long() {
        borne(testkit::fuzz::LONG);
    }
}

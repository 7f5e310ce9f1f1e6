//! What every protocol and container must know of an H.264 access unit (ITU-T H.264 annex B). Pure, without copies
//! but where the bytes themselves change.

use bytes::{BufMut, Bytes, BytesMut};

use crate::Size;
use crate::bits::{Bits, unescape};

/// The bits of a NAL unit's first byte that name its type.
pub const NAL_TYPE: u8 = 0x1f;
/// A slice of an IDR picture.
pub const IDR: u8 = 5;
/// Sequence parameter set.
pub const SPS: u8 = 7;
/// Picture parameter set.
pub const PPS: u8 = 8;
/// Access unit delimiter.
pub const DELIMITER: u8 = 9;
/// Filler data.
const FILLER: u8 = 12;

/// The NAL units between the start codes, without copies.
pub fn nal_units(access_unit: &Bytes) -> Vec<Bytes> {
    let data = access_unit.as_ref();
    let mut units = Vec::with_capacity(4);
    let mut start = None;
    let mut at = 0;
    while let Some(found) = find_start_code(data, at) {
        push_unit(&mut units, access_unit, start, found);
        start = Some(found + 3);
        at = found + 3;
    }
    push_unit(&mut units, access_unit, start, data.len());
    units
}

fn push_unit(units: &mut Vec<Bytes>, access_unit: &Bytes, start: Option<usize>, end: usize) {
    let Some(start) = start else { return };
    // The zero of a four-byte start code and trailing zeros belong to no unit.
    let end = start + access_unit[start..end].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if end > start {
        units.push(access_unit.slice(start..end));
    }
}

/// The next `00 00 01` from `from` on.
fn find_start_code(data: &[u8], from: usize) -> Option<usize> {
    let mut at = from + 2;
    while at < data.len() {
        match data[at] {
            0 => at += 1,
            1 if data[at - 1] == 0 && data[at - 2] == 0 => return Some(at - 2),
            // Neither this byte nor the two before the next candidate can end a start code.
            _ => at += 3,
        }
    }
    None
}

/// The access unit as containers with out-of-band parameter sets keep it: each NAL unit behind its length in four
/// bytes (ISO/IEC 14496-15), parameter sets, delimiters and filler left out.
pub fn length_prefixed(access_unit: &Bytes) -> Bytes {
    length_prefixed_but(access_unit, |unit| matches!(unit[0] & NAL_TYPE, SPS | PPS | DELIMITER | FILLER))
}

/// The same for whoever knows what to leave out.
pub(crate) fn length_prefixed_but(access_unit: &Bytes, left_out: impl Fn(&Bytes) -> bool) -> Bytes {
    let mut out = BytesMut::with_capacity(access_unit.len() + 16);
    for unit in nal_units(access_unit) {
        if left_out(&unit) {
            continue;
        }
        out.put_u32(u32::try_from(unit.len()).unwrap_or(u32::MAX));
        out.put_slice(&unit);
    }
    out.freeze()
}

/// What a decoder needs before the first picture: without start codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSets {
    /// Sequence parameter set.
    pub sps: Bytes,
    /// Picture parameter set.
    pub pps: Bytes,
}

impl ParameterSets {
    /// The first of each in the access unit; `None` where one is missing or too short to name a profile.
    pub fn find(access_unit: &Bytes) -> Option<Self> {
        let units = nal_units(access_unit);
        let first = |wanted: u8| units.iter().find(|unit| unit[0] & NAL_TYPE == wanted).cloned();
        let (sps, pps) = (first(SPS)?, first(PPS)?);
        (sps.len() >= 4).then_some(Self { sps, pps })
    }

    /// The `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15, section 5.3.3.1), for 4:2:0 with 8 bits.
    pub fn configuration_record(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.sps.len() + self.pps.len() + 16);
        let profile = self.sps[1];
        out.put_slice(&[1, profile, self.sps[2], self.sps[3]]);
        // Reserved ones with "four-byte lengths", and with "one sequence parameter set".
        out.put_slice(&[0xff, 0xe1]);
        out.put_u16(self.sps.len() as u16);
        out.put_slice(&self.sps);
        out.put_u8(1);
        out.put_u16(self.pps.len() as u16);
        out.put_slice(&self.pps);
        if matches!(profile, 100 | 110 | 122 | 144) {
            out.put_slice(&[0xfc | 1, 0xf8, 0xf8, 0]);
        }
        out.freeze()
    }

    /// The picture's size in pixels after cropping; `None` where the SPS is damaged.
    pub fn size(&self) -> Option<Size> {
        size_of_sps(&self.sps)
    }
}

/// The picture's size in pixels after cropping, from a sequence parameter set without its start code; `None` where it
/// is damaged (ITU-T H.264, section 7.3.2.1.1).
pub fn size_of_sps(sps: &[u8]) -> Option<Size> {
    size_of(&mut Bits::new(&unescape(sps.get(1..)?)))
}

/// `seq_parameter_set_data` (section 7.3.2.1.1) as far as the size.
fn size_of(bits: &mut Bits<'_>) -> Option<Size> {
    let profile = bits.bits(8)?;
    bits.bits(16)?;
    bits.ue()?;
    let mut chroma_format = 1;
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        chroma_format = bits.ue()?;
        if chroma_format == 3 {
            bits.bit()?;
        }
        bits.ue()?;
        bits.ue()?;
        bits.bit()?;
        if bits.bit()? == 1 {
            for list in 0..if chroma_format == 3 { 12 } else { 8 } {
                if bits.bit()? == 1 {
                    scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.ue()?;
    match bits.ue()? {
        0 => drop(bits.ue()?),
        1 => {
            bits.bit()?;
            bits.se()?;
            bits.se()?;
            for _ in 0..bits.ue()?.min(255) {
                bits.se()?;
            }
        }
        _ => {}
    }
    bits.ue()?;
    bits.bit()?;
    let (across, down) = (bits.ue()?.checked_add(1)?, bits.ue()?.checked_add(1)?);
    let frames_only = bits.bit()?;
    if frames_only == 0 {
        bits.bit()?;
    }
    bits.bit()?;
    let (mut left, mut right, mut top, mut bottom) = (0, 0, 0, 0);
    if bits.bit()? == 1 {
        (left, right, top, bottom) = (bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?);
    }
    let unit_x = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
    let unit_y = if chroma_format == 1 { 2 } else { 1 } * (2 - frames_only);
    let width = across.checked_mul(16)?.checked_sub(left.checked_add(right)?.checked_mul(unit_x)?)?;
    let height =
        down.checked_mul(16 * (2 - frames_only))?.checked_sub(top.checked_add(bottom)?.checked_mul(unit_y)?)?;
    // Containers have 16 bits for each side.
    (1..=0xffff).contains(&width).then_some(())?;
    (1..=0xffff).contains(&height).then_some(Size { width, height })
}

fn scaling_list(bits: &mut Bits<'_>, entries: u32) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..entries {
        if next != 0 {
            next = (last + bits.se()? + 256) % 256;
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// libx264's constrained baseline at 1280×720, and at 854×480, which needs cropping.
    const SPS_720: &[u8] = &[
        0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xec, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00,
        0x0f, 0x03, 0xc6, 0x0c, 0xa8,
    ];
    /// High profile at 1920×1080, cropped from 1088.
    const SPS_1080: &[u8] = &[
        0x67, 0x64, 0, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0x84, 0, 0, 3, 0, 4, 0, 0, 3, 0, 0xf0, 0x3c,
        0x60, 0xc6, 0x58,
    ];

    fn unit() -> Bytes {
        let mut unit = vec![0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1];
        unit.extend_from_slice(SPS_720);
        unit.extend_from_slice(&[0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65, 1, 2, 3]);
        unit.into()
    }

    #[test]
    fn an_access_unit_falls_into_its_nal_units() {
        let types: Vec<u8> = nal_units(&unit()).iter().map(|unit| unit[0] & NAL_TYPE).collect();
        assert_eq!(types, [DELIMITER, SPS, PPS, IDR]);
        assert!(nal_units(&Bytes::from_static(&[0, 0])).is_empty());
    }

    #[test]
    fn containers_get_lengths_and_no_parameter_sets() {
        assert_eq!(length_prefixed(&unit()).as_ref(), [0, 0, 0, 4, 0x65, 1, 2, 3]);
    }

    #[test]
    fn the_configuration_record_carries_both_parameter_sets() {
        let sets = ParameterSets::find(&unit()).expect("both");
        let record = sets.configuration_record();
        assert_eq!(record[..6], [1, 0x42, 0xc0, 0x1f, 0xff, 0xe1]);
        assert_eq!(record[8..8 + SPS_720.len()], *SPS_720);
        assert_eq!(record[record.len() - 4..], *sets.pps);
        assert_eq!(ParameterSets::find(&Bytes::from_static(&[0, 0, 1, 0x65, 1])), None);
    }

    #[test]
    fn the_size_is_read_from_the_sps() {
        let sets = ParameterSets::find(&unit()).expect("both");
        assert_eq!(sets.size(), Some(Size { width: 1280, height: 720 }));
        assert_eq!(size_of_sps(SPS_1080), Some(Size { width: 1920, height: 1080 }));
    }

    #[test]
    fn a_damaged_sps_has_no_size_and_does_no_harm() {
        for sps in [SPS_720, SPS_1080] {
            for length in 0..sps.len() {
                let _ = size_of_sps(&sps[..length]);
            }
        }
        for seed in 0..2000u32 {
            let bytes: Vec<u8> = (0..24u32).map(|i| (seed.wrapping_mul(2_654_435_761) >> (i % 24)) as u8).collect();
            let _ = size_of_sps(&bytes);
        }
        assert_eq!(size_of_sps(&[0x67, 0x42]), None);
    }
}

//! H.264's two packagings: Annex B (start codes, ITU-T H.264 annex B) as the engine passes it on, and length prefixes
//! with parameter sets apart (ISO/IEC 14496-15) as MP4, Matroska and RTMP want it.

use bytes::{BufMut, Bytes, BytesMut};
use media::Size;

use crate::ContainerError;

/// `nal_unit_type` (ITU-T H.264 table 7-1).
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;
const FILLER: u8 = 12;

/// The NAL units of an Annex B stream, without start codes.
pub fn nal_units(annex_b: &[u8]) -> impl Iterator<Item = &[u8]> {
    let start_code = |bytes: &[u8]| memchr_start(bytes);
    let mut rest = start_code(annex_b).map(|at| &annex_b[at + 3..]);
    std::iter::from_fn(move || {
        let unit = rest?;
        let Some(end) = start_code(unit) else {
            rest = None;
            return Some(unit);
        };
        rest = Some(&unit[end + 3..]);
        Some(&unit[..end])
    })
    .map(|unit| {
        // trailing_zero_8bits, and the first zero of a four-byte start code: no NAL unit ends in a zero.
        let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        &unit[..end]
    })
    .filter(|unit| !unit.is_empty())
}

/// Where the first three-byte start code begins.
fn memchr_start(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    while at < bytes.len() {
        match bytes[at] {
            1 if bytes[at - 1] == 0 && bytes[at - 2] == 0 => return Some(at - 2),
            // Whatever is larger than one can't stand in the last place of a start code, nor in its first two.
            0 | 1 => at += 1,
            _ => at += 3,
        }
    }
    None
}

/// `nal_unit_type` of a NAL unit.
pub fn nal_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |header| header & 0x1f)
}

/// Annex B → four-byte lengths, without parameter sets, delimiters and filler, which have no place in a sample.
pub fn to_length_prefixed(annex_b: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(annex_b.len() + 16);
    for unit in nal_units(annex_b).filter(|unit| !matches!(nal_type(unit), SPS | PPS | DELIMITER | FILLER)) {
        out.put_u32(unit.len() as u32);
        out.put_slice(unit);
    }
    out.freeze()
}

/// Four-byte lengths → Annex B, the parameter sets in front where there are any. `None` for a sample whose lengths
/// don't add up.
pub fn to_annex_b(sample: &[u8], parameter_sets: Option<&ParameterSets>) -> Option<Bytes> {
    let mut out = BytesMut::with_capacity(sample.len() + 64);
    for set in parameter_sets.iter().flat_map(|sets| [&sets.sps, &sets.pps]) {
        out.put_slice(&[0, 0, 0, 1]);
        out.put_slice(set);
    }
    let mut rest = sample;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        out.put_slice(&[0, 0, 0, 1]);
        out.put_slice(after.get(..length)?);
        rest = &after[length..];
    }
    Some(out.freeze())
}

/// One sequence and one picture parameter set, as every encoder here makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSets {
    /// With its NAL header, without start code.
    pub sps: Bytes,
    /// With its NAL header, without start code.
    pub pps: Bytes,
}

impl ParameterSets {
    /// Those in front of a keyframe.
    ///
    /// # Errors
    /// [`ContainerError::ParameterSets`] where one is missing or is too short to be one.
    pub fn of_keyframe(annex_b: &[u8]) -> Result<Self, ContainerError> {
        let find = |wanted| nal_units(annex_b).find(|unit| nal_type(unit) == wanted).map(Bytes::copy_from_slice);
        let sps = find(SPS).filter(|sps| sps.len() >= 4).ok_or(ContainerError::ParameterSets("no SPS"))?;
        let pps = find(PPS).ok_or(ContainerError::ParameterSets("no PPS"))?;
        Ok(Self { sps, pps })
    }

    /// The `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 section 5.3.3.1): what `avcC`, Matroska's `CodecPrivate`
    /// and RTMP's sequence header hold.
    pub fn decoder_configuration(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_slice(&[1, self.sps[1], self.sps[2], self.sps[3], 0xff, 0xe1]);
        out.put_u16(self.sps.len() as u16);
        out.put_slice(&self.sps);
        out.put_u8(1);
        out.put_u16(self.pps.len() as u16);
        out.put_slice(&self.pps);
        if !matches!(self.sps[1], 66 | 77 | 88) {
            // High profiles say their sample format again; all of ours are 4:2:0 with eight bits.
            out.put_slice(&[0xfd, 0xf8, 0xf8, 0]);
        }
        out.freeze()
    }

    /// Width and height in pixels, cropping applied (ITU-T H.264 section 7.4.2.1.1).
    ///
    /// # Errors
    /// [`ContainerError::ParameterSets`] for a set that ends too early or holds impossible numbers.
    pub fn picture_size(&self) -> Result<Size, ContainerError> {
        // Emulation prevention (section 7.4.1): the third byte of 00 00 03 isn't there.
        let mut raw = Vec::with_capacity(self.sps.len());
        for byte in &self.sps {
            if *byte != 3 || !raw.ends_with(&[0, 0]) {
                raw.push(*byte);
            }
        }
        size_of(&mut Bits { bytes: &raw, at: 8 }).ok_or(ContainerError::ParameterSets("an unreadable SPS"))
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<u32> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | self.bit()?))
    }

    /// `ue(v)` (section 9.1).
    fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1_u32 << zeros) - 1 + self.bits(zeros)?)
    }

    fn se(&mut self) -> Option<i64> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 0 { -(code / 2) } else { code / 2 + 1 })
    }
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
    // A `VisualSampleEntry` has 16 bits for each side.
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

    /// Baseline 1280×720 as x264 writes it, and 1920×1080 (cropped from 1088) in High profile.
    const SPS_720: &[u8] = &[
        0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe8, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0c, 0x03, 0xc6, 0x0c,
        0xa8,
    ];
    const SPS_1080: &[u8] = &[
        0x67, 0x64, 0, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0x84, 0, 0, 3, 0, 4, 0, 0, 3, 0, 0xf0, 0x3c,
        0x60, 0xc6, 0x58,
    ];

    fn sets(sps: &'static [u8]) -> ParameterSets {
        ParameterSets { sps: Bytes::from_static(sps), pps: Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80]) }
    }

    #[test]
    fn the_size_is_read_from_the_parameter_set() {
        assert_eq!(sets(SPS_720).picture_size(), Ok(Size { width: 1280, height: 720 }));
        assert_eq!(sets(SPS_1080).picture_size(), Ok(Size { width: 1920, height: 1080 }));
    }

    #[test]
    fn a_torn_parameter_set_is_an_error_and_never_a_panic() {
        for length in 4..SPS_1080.len() {
            let _ = sets(&SPS_1080[..length]).picture_size();
        }
        for seed in 0..2000_u32 {
            let noise: Vec<u8> =
                (0..40).map(|n| (seed.wrapping_mul(2_654_435_761).rotate_left(n) >> 7) as u8).collect();
            let _ = ParameterSets { sps: noise.into(), pps: Bytes::new() }.picture_size();
        }
    }

    #[test]
    fn both_packagings_turn_into_each_other() {
        let annex_b = [
            &[0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1][..],
            SPS_720,
            &[0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65, 1, 2, 0, 0, 3, 1, 9],
            &[0, 0, 1, 0x65, 7, 7],
        ]
        .concat();
        let sets = ParameterSets::of_keyframe(&annex_b).expect("both are there");
        assert_eq!(sets.sps, SPS_720);
        let sample = to_length_prefixed(&annex_b);
        assert_eq!(&sample[..], [0, 0, 0, 8, 0x65, 1, 2, 0, 0, 3, 1, 9, 0, 0, 0, 3, 0x65, 7, 7]);
        let back = to_annex_b(&sample, Some(&sets)).expect("whole");
        assert_eq!(to_length_prefixed(&back), sample);
        assert_eq!(ParameterSets::of_keyframe(&back), Ok(sets));
        assert_eq!(to_annex_b(&sample[..9], None), None);
    }
}

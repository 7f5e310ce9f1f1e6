//! What a relay must know of H.264 inside RTP (RFC 6184): where a keyframe starts and how large the picture is.
//! It reads, it never changes a byte.

const NAL_IDR: u8 = 5;
const NAL_SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

fn nal_type(byte: u8) -> u8 {
    byte & 0x1f
}

/// The NAL units that lie whole in a payload: itself, or those of a STAP-A (RFC 6184 §5.7.1).
fn whole_units(payload: &[u8]) -> Vec<&[u8]> {
    match payload.first().copied().map(nal_type) {
        Some(STAP_A) => {
            let mut units = Vec::new();
            let mut rest = &payload[1..];
            while let [high, low, tail @ ..] = rest {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if length == 0 || length > tail.len() {
                    break;
                }
                units.push(&tail[..length]);
                rest = &tail[length..];
            }
            units
        }
        Some(1..=23) => vec![payload],
        _ => Vec::new(),
    }
}

/// Whether a payload belongs to an access unit that a decoder can start with: it holds (a piece of) an IDR slice or
/// a sequence parameter set, which encoders for real time write right before one.
pub(super) fn belongs_to_keyframe(payload: &[u8]) -> bool {
    match payload {
        [indicator, header, ..] if nal_type(*indicator) == FU_A => nal_type(*header) == NAL_IDR,
        _ => whole_units(payload).iter().any(|unit| matches!(nal_type(unit[0]), NAL_IDR | NAL_SPS)),
    }
}

/// The picture's size, if a payload holds a sequence parameter set.
pub(super) fn picture_size(payload: &[u8]) -> Option<(u32, u32)> {
    let sps = whole_units(payload).into_iter().find(|unit| nal_type(unit[0]) == NAL_SPS)?;
    size_of_sps(sps)
}

/// Reads bits of an RBSP, jumping over emulation prevention bytes.
struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    fn new(nal: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(nal.len());
        let mut zeros = 0;
        for &byte in nal {
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            bytes.push(byte);
        }
        Self { bytes, at: 0 }
    }

    fn bit(&mut self) -> Option<u32> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0u32, |value, _| Some(value << 1 | self.bit()?))
    }

    /// ue(v), ITU-T H.264 §9.1.
    fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1u32 << zeros) - 1 + self.bits(zeros)?)
    }

    /// se(v), ITU-T H.264 §9.1.1.
    fn signed(&mut self) -> Option<i64> {
        let code = i64::from(self.unsigned()?);
        Some(if code % 2 == 0 { -code / 2 } else { (code + 1) / 2 })
    }

    fn skip_scaling_list(&mut self, size: usize) -> Option<()> {
        let (mut last, mut next) = (8i64, 8i64);
        for _ in 0..size {
            if next != 0 {
                next = (last + self.signed()? + 256).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
        Some(())
    }
}

/// seq_parameter_set_data(), ITU-T H.264 §7.3.2.1.1, as far as the cropping rectangle.
fn size_of_sps(sps: &[u8]) -> Option<(u32, u32)> {
    let mut bits = Bits::new(sps.get(1..)?);
    let profile = bits.bits(8)?;
    bits.bits(16)?;
    bits.unsigned()?;
    let mut chroma_format = 1;
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        chroma_format = bits.unsigned()?;
        if chroma_format == 3 {
            bits.bit()?;
        }
        bits.unsigned()?;
        bits.unsigned()?;
        bits.bit()?;
        if bits.bit()? == 1 {
            for list in 0..if chroma_format == 3 { 12 } else { 8 } {
                if bits.bit()? == 1 {
                    bits.skip_scaling_list(if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.unsigned()?;
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.bit()?;
            bits.signed()?;
            bits.signed()?;
            for _ in 0..bits.unsigned()?.min(255) {
                bits.signed()?;
            }
        }
        _ => {}
    }
    bits.unsigned()?;
    bits.bit()?;
    let width_in_macroblocks = bits.unsigned()?.checked_add(1)?;
    let height_in_map_units = bits.unsigned()?.checked_add(1)?;
    let frames_only = bits.bit()?;
    if frames_only == 0 {
        bits.bit()?;
    }
    bits.bit()?;
    let (mut horizontal, mut vertical) = (0, 0);
    if bits.bit()? == 1 {
        let (left, right) = (bits.unsigned()?, bits.unsigned()?);
        let (top, bottom) = (bits.unsigned()?, bits.unsigned()?);
        let unit_x = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
        let unit_y = if chroma_format == 1 { 2 } else { 1 } * (2 - frames_only);
        horizontal = left.checked_add(right)?.checked_mul(unit_x)?;
        vertical = top.checked_add(bottom)?.checked_mul(unit_y)?;
    }
    let width = width_in_macroblocks.checked_mul(16)?.checked_sub(horizontal)?;
    let height = height_in_map_units.checked_mul(16)?.checked_mul(2 - frames_only)?.checked_sub(vertical)?;
    Some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1920×1080, High, written by x264.
    const SPS_1080: &[u8] = &[
        0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00,
        0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc6, 0x58,
    ];
    /// 640×480, constrained baseline.
    const SPS_480: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xf6, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04];

    #[test]
    fn the_size_is_read_from_parameter_sets() {
        assert_eq!(picture_size(SPS_1080), Some((1920, 1080)));
        assert_eq!(picture_size(SPS_480), Some((640, 480)));
    }

    #[test]
    fn the_size_is_found_inside_an_aggregate() {
        let mut payload = vec![STAP_A | 0x60, 0, 2, 0x09, 0x10];
        payload.extend([0, SPS_1080.len() as u8]);
        payload.extend(SPS_1080);
        payload.extend([0, 2, 0x68, 0xee]);
        assert_eq!(picture_size(&payload), Some((1920, 1080)));
        assert!(belongs_to_keyframe(&payload));
    }

    #[test]
    fn keyframes_are_told_from_other_pictures() {
        assert!(belongs_to_keyframe(SPS_480));
        assert!(belongs_to_keyframe(&[0x65, 0x88]));
        assert!(belongs_to_keyframe(&[0x7c, 0x85, 1]), "start of a fragmented IDR slice");
        assert!(belongs_to_keyframe(&[0x7c, 0x05, 1]), "a later fragment of one");
        assert!(!belongs_to_keyframe(&[0x7c, 0x81, 1]), "a fragmented P slice");
        assert!(!belongs_to_keyframe(&[0x41, 0x9a]));
        assert!(!belongs_to_keyframe(&[0x09, 0x10]));
    }

    #[test]
    fn garbage_is_no_keyframe_and_has_no_size() {
        for garbage in [&[][..], &[24], &[24, 0xff], &[24, 0, 9, 7], &[28], &[0x67], &[0x67, 0xff, 0, 0, 0, 0, 0, 0]] {
            assert!(picture_size(garbage).is_none());
        }
        for seed in 0..2000u32 {
            let bytes: Vec<u8> = (0..40).map(|n| (seed.wrapping_mul(2654435761).rotate_left(n) >> 7) as u8).collect();
            let _ = (belongs_to_keyframe(&bytes), picture_size(&bytes));
        }
    }
}

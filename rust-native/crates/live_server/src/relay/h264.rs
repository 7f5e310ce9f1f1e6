//! What a relay must know of H.264 inside RTP (RFC 6184): where a keyframe starts and how large the picture is.
//! It reads, it never changes a byte.

use media::Size;
use media::h264::size_of_sps;

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
pub(super) fn picture_size(payload: &[u8]) -> Option<Size> {
    let sps = whole_units(payload).into_iter().find(|unit| nal_type(unit[0]) == NAL_SPS)?;
    size_of_sps(sps)
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
        assert_eq!(picture_size(SPS_1080), Some(Size { width: 1920, height: 1080 }));
        assert_eq!(picture_size(SPS_480), Some(Size { width: 640, height: 480 }));
    }

    #[test]
    fn the_size_is_found_inside_an_aggregate() {
        let mut payload = vec![STAP_A | 0x60, 0, 2, 0x09, 0x10];
        payload.extend([0, SPS_1080.len() as u8]);
        payload.extend(SPS_1080);
        payload.extend([0, 2, 0x68, 0xee]);
        assert_eq!(picture_size(&payload), Some(Size { width: 1920, height: 1080 }));
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

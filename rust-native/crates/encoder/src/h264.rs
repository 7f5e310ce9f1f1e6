//! The little that is to be known of a stream outside its encoder: NAL units, H.264's levels, when an IDR is due.

use std::time::Duration;

use media::{MediaTime, Size, VideoCodec, hevc};

/// `nal_unit_type` (ITU-T H.264 table 7-1).
pub(crate) const NAL_SPS: u8 = 7;
pub(crate) const NAL_PPS: u8 = 8;

/// The NAL units of an Annex B stream, without start codes.
pub(crate) fn nal_units(annex_b: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = start_code(annex_b).map(|(_, after)| &annex_b[after..]);
    std::iter::from_fn(move || {
        let unit = rest?;
        let Some((end, after)) = start_code(unit) else {
            rest = None;
            return Some(unit);
        };
        rest = Some(&unit[after..]);
        // A four-byte start code is a three-byte one with a zero before it.
        Some(unit[..end].strip_suffix(&[0]).unwrap_or(&unit[..end]))
    })
    .filter(|unit| !unit.is_empty())
}

/// Where the first start code begins and ends.
fn start_code(bytes: &[u8]) -> Option<(usize, usize)> {
    bytes.windows(3).position(|window| window == [0, 0, 1]).map(|at| (at, at + 3))
}

/// `nal_unit_type` of a NAL unit.
pub(crate) fn nal_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |header| header & 0x1f)
}

/// Keeps an encoder's parameter sets, for those that write them only once.
#[derive(Debug, Default)]
pub(crate) struct ParameterSets {
    codec: VideoCodec,
    known: Vec<u8>,
    /// What the newest keyframe brings; kept so that a keyframe takes no memory.
    found: Vec<u8>,
}

impl ParameterSets {
    pub(crate) fn of(codec: VideoCodec) -> Self {
        Self { codec, ..Self::default() }
    }

    /// What is to be put in front of a keyframe: nothing, where its parameter sets are there already, or where the codec
    /// has none in NAL units (AV1's encoders repeat their sequence header).
    pub(crate) fn missing_in(&mut self, keyframe: &[u8]) -> &[u8] {
        self.found.clear();
        if self.codec == VideoCodec::Av1 {
            return &[];
        }
        let codec = self.codec;
        // The sets stand before the first slice: nothing behind it needs to be searched.
        for unit in nal_units(keyframe).take_while(|unit| !is_slice(codec, unit)) {
            if is_parameter_set(codec, unit) {
                self.found.extend_from_slice(&[0, 0, 0, 1]);
                self.found.extend_from_slice(unit);
            }
        }
        if self.found.is_empty() {
            return &self.known;
        }
        std::mem::swap(&mut self.known, &mut self.found);
        &[]
    }
}

fn is_slice(codec: VideoCodec, unit: &[u8]) -> bool {
    match codec {
        VideoCodec::Hevc => hevc::nal_type(unit) < hevc::VPS,
        _ => matches!(nal_type(unit), 1..=5),
    }
}

fn is_parameter_set(codec: VideoCodec, unit: &[u8]) -> bool {
    match codec {
        VideoCodec::Hevc => matches!(hevc::nal_type(unit), hevc::VPS | hevc::SPS | hevc::PPS),
        _ => matches!(nal_type(unit), NAL_SPS | NAL_PPS),
    }
}

/// Whether there is an IDR picture in an access unit (Annex B).
pub(crate) fn has_idr(access_unit: &[u8]) -> bool {
    access_unit.windows(4).any(|bytes| bytes[..3] == [0, 0, 1] && bytes[3] & media::h264::NAL_TYPE == media::h264::IDR)
}

/// When the next IDR is due: by time and not by pictures, as pictures come when something changed.
#[derive(Debug)]
pub(crate) struct Gop {
    period: Duration,
    last: Option<MediaTime>,
}

impl Gop {
    pub(crate) fn new(period: Duration) -> Self {
        Self { period, last: None }
    }

    pub(crate) fn set_period(&mut self, period: Duration) {
        self.period = period;
    }

    /// Whether the picture of that time is to be an IDR.
    pub(crate) fn is_due(&self, pts: MediaTime) -> bool {
        // A stamp that was rounded down must not cost a whole picture's delay.
        const ROUNDING: Duration = Duration::from_millis(1);
        self.last.is_none_or(|last| pts.since(last) + ROUNDING >= self.period)
    }

    /// An IDR was asked of the encoder for that time.
    pub(crate) fn note(&mut self, pts: MediaTime) {
        self.last = Some(pts);
    }
}

/// `level_idc`, MaxMBPS, MaxFS and MaxBR in kbit/s for the baseline profile (ITU-T H.264 table A-1), from the level
/// that browsers offer (3.1) upwards: a lower one gains nothing.
const LEVELS: [(i32, u64, u64, u32); 9] = [
    (31, 108_000, 3_600, 14_000),
    (32, 216_000, 5_120, 20_000),
    (40, 245_760, 8_192, 20_000),
    (41, 245_760, 8_192, 50_000),
    (42, 522_240, 8_704, 50_000),
    (50, 589_824, 22_080, 135_000),
    (51, 983_040, 36_864, 240_000),
    (52, 2_073_600, 36_864, 240_000),
    (62, 16_711_680, 139_264, 800_000),
];

/// The lowest `level_idc` that holds such a stream; `None` where no level does.
pub(crate) fn level(size: Size, fps: u32, kbps: u32) -> Option<i32> {
    let (across, down) = (u64::from(size.width.div_ceil(16)), u64::from(size.height.div_ceil(16)));
    let macroblocks = across * down;
    LEVELS
        .iter()
        .find(|(_, rate, frame, bitrate)| {
            macroblocks <= *frame
                && macroblocks * u64::from(fps) <= *rate
                && kbps <= *bitrate
                // Neither side may be longer than the square root of eight times MaxFS.
                && across.max(down).pow(2) <= 8 * frame
        })
        .map(|(idc, ..)| *idc)
}

/// How players are told of a stream that is going to be encoded so (RFC 6381, section 3.3): constrained baseline at the
/// level that [`crate::open`] gives it. `None` where no level holds it. What an encoder wrote stands in its SPS.
pub fn h264_codecs(size: Size, fps: u32, kbps: u32) -> Option<String> {
    level(size.even(), fps, kbps).map(|level| format!("avc1.42c0{level:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAL_IDR: u8 = 5;
    const HD: Size = Size { width: 1920, height: 1080 };

    #[test]
    fn units_are_split_at_both_kinds_of_start_code() {
        let stream = [0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 3, 0];
        let units: Vec<_> = nal_units(&stream).map(|unit| (nal_type(unit), unit.len())).collect();
        assert_eq!(units, [(NAL_SPS, 2), (NAL_PPS, 2), (NAL_IDR, 3)]);
        assert_eq!(nal_units(&[1, 2, 3]).count(), 0);
    }

    #[test]
    fn parameter_sets_are_put_before_a_keyframe_that_lacks_them() {
        let mut sets = ParameterSets::default();
        let whole = vec![0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 3];
        assert!(sets.missing_in(&whole).is_empty());
        let bare = [0, 0, 0, 1, 0x65, 3];
        assert_eq!([sets.missing_in(&bare), &bare].concat(), whole);
    }

    #[test]
    fn hevcs_three_parameter_sets_are_kept_likewise() {
        let mut sets = ParameterSets::of(VideoCodec::Hevc);
        let whole = [0, 0, 0, 1, 0x40, 1, 7, 0, 0, 0, 1, 0x42, 1, 8, 0, 0, 0, 1, 0x44, 1, 9, 0, 0, 0, 1, 0x26, 1, 3];
        assert!(sets.missing_in(&whole).is_empty());
        let bare = [0, 0, 0, 1, 0x26, 1, 3];
        assert_eq!([sets.missing_in(&bare), &bare].concat(), whole);
    }

    #[test]
    fn an_idr_is_due_by_time() {
        let mut gop = Gop::new(Duration::from_secs(2));
        let start = MediaTime::from_nanos(5_000_000_000);
        assert!(gop.is_due(start));
        gop.note(start);
        assert!(!gop.is_due(start + Duration::from_millis(1990)));
        assert!(gop.is_due(start + Duration::from_millis(2000)));
        gop.set_period(Duration::from_secs(1));
        assert!(gop.is_due(start + Duration::from_millis(1000)));
    }

    #[test]
    fn the_level_follows_size_rate_and_bitrate() {
        assert_eq!(level(Size { width: 1280, height: 720 }, 30, 3_000), Some(31));
        assert_eq!(level(HD, 30, 6_000), Some(40));
        assert_eq!(level(HD, 30, 30_000), Some(41));
        assert_eq!(level(HD, 60, 6_000), Some(42));
        assert_eq!(level(Size { width: 3840, height: 2160 }, 60, 20_000), Some(52));
        assert_eq!(level(Size { width: 7680, height: 4320 }, 60, 100_000), Some(62));
        assert_eq!(level(Size { width: 7680, height: 4320 }, 240, 100_000), None);
        assert_eq!(level(Size { width: 4112, height: 16 }, 30, 1_000), Some(42));
    }
}

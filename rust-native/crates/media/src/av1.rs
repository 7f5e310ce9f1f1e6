//! What protocols and containers must know of an AV1 temporal unit: its open bitstream units (AV1 specification, section
//! 5), each with its size. Pure, without copies but where the bytes themselves change.

use bytes::{BufMut, Bytes, BytesMut};

use crate::Size;
use crate::bits::Bits;

const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const PADDING: u8 = 15;

/// `obu_type` and where the unit and its payload are, of each unit; the walk ends at a damaged one.
fn units(data: &[u8]) -> impl Iterator<Item = (u8, std::ops::Range<usize>, std::ops::Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        let header = *data.get(at)?;
        at += 1 + usize::from(header >> 2 & 1);
        // Without a size it fills the rest (section 5.3.1).
        let size = if header & 2 != 0 { leb128(data, &mut at)? } else { data.len().checked_sub(at)? };
        let payload = at..at.checked_add(size).filter(|end| *end <= data.len())?;
        at = payload.end;
        Some((header >> 3 & 0xf, start..at, payload))
    })
}

/// `leb128()` (section 4.10.5).
fn leb128(data: &[u8], at: &mut usize) -> Option<usize> {
    let mut value = 0_u64;
    for byte in 0..8 {
        let next = *data.get(*at)?;
        *at += 1;
        value |= u64::from(next & 0x7f) << (7 * byte);
        if next & 0x80 == 0 {
            return usize::try_from(value).ok().filter(|value| u32::try_from(*value).is_ok());
        }
    }
    None
}

/// The temporal unit as containers and RTMP keep it (AV1 in ISOBMFF, section 2.4): delimiters and padding left out. No
/// copy where they stand at the front, which is where encoders put them.
pub fn without_delimiters(temporal_unit: &Bytes) -> Bytes {
    let mut kept: Vec<std::ops::Range<usize>> = Vec::new();
    for (kind, whole, _) in units(temporal_unit) {
        if matches!(kind, TEMPORAL_DELIMITER | PADDING) {
            continue;
        }
        match kept.last_mut() {
            Some(last) if last.end == whole.start => last.end = whole.end,
            _ => kept.push(whole),
        }
    }
    if let [one] = kept.as_slice() {
        return temporal_unit.slice(one.clone());
    }
    kept.into_iter()
        .fold(BytesMut::new(), |mut out, range| {
            out.put_slice(&temporal_unit[range]);
            out
        })
        .freeze()
}

/// What a decoder needs before the first picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceHeader {
    /// The whole unit, with its header and size.
    pub unit: Bytes,
    format: Format,
}

/// What the record says beside the header itself (section 5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Format {
    profile: u8,
    level: u8,
    high_tier: bool,
    high_depth: bool,
    twelve_bits: bool,
    monochrome: bool,
    half_width: bool,
    half_height: bool,
    sample_position: u8,
    size: Size,
}

impl SequenceHeader {
    /// The first in the temporal unit; `None` where there is none or it is damaged.
    pub fn find(temporal_unit: &Bytes) -> Option<Self> {
        let (_, whole, payload) = units(temporal_unit).find(|(kind, ..)| *kind == SEQUENCE_HEADER)?;
        let format = sequence_header(&mut Bits::new(&temporal_unit[payload]))?;
        Some(Self { unit: temporal_unit.slice(whole), format })
    }

    /// The largest picture's size in pixels, which is every picture's of our encoders.
    pub fn size(&self) -> Size {
        self.format.size
    }

    /// The `AV1CodecConfigurationRecord` (AV1 in ISOBMFF, section 2.3.3).
    pub fn configuration_record(&self) -> Bytes {
        let format = &self.format;
        let flags = [format.high_tier, format.high_depth, format.twelve_bits, format.monochrome]
            .into_iter()
            .chain([format.half_width, format.half_height])
            .fold(0, |flags, flag| flags << 1 | u8::from(flag));
        let mut out = BytesMut::with_capacity(self.unit.len() + 4);
        out.put_slice(&[0x81, format.profile << 5 | format.level, flags << 2 | format.sample_position, 0]);
        out.put_slice(&self.unit);
        out.freeze()
    }
}

/// `sequence_header_obu` (section 5.5.1).
fn sequence_header(bits: &mut Bits<'_>) -> Option<Format> {
    let profile = bits.bits(3)? as u8;
    bits.bit()?;
    let reduced = bits.flag()?;
    let (level, high_tier) = if reduced { (bits.bits(5)?, false) } else { operating_points(bits)? };
    let (across, down) = (bits.bits(4)? + 1, bits.bits(4)? + 1);
    let (width, height) = (bits.bits(across)?.checked_add(1)?, bits.bits(down)?.checked_add(1)?);
    // Containers have 16 bits for each side.
    (width <= 0xffff && height <= 0xffff).then_some(())?;
    if !reduced && bits.flag()? {
        bits.skip(7)?;
    }
    bits.skip(3)?;
    if !reduced {
        tools(bits)?;
    }
    bits.skip(3)?;
    let mut format = Format {
        profile,
        level: level as u8,
        high_tier,
        high_depth: false,
        twelve_bits: false,
        monochrome: false,
        half_width: true,
        half_height: true,
        sample_position: 0,
        size: Size { width, height },
    };
    colours(bits, &mut format)?;
    Some(format)
}

/// Timing and the operating points; the first one's level and tier.
fn operating_points(bits: &mut Bits<'_>) -> Option<(u32, bool)> {
    let mut delay_bits = None;
    if bits.flag()? {
        bits.skip(64)?;
        if bits.flag()? {
            bits.ue()?;
        }
        if bits.flag()? {
            delay_bits = Some(bits.bits(5)? as usize + 1);
            bits.skip(32 + 10)?;
        }
    }
    let display_delay = bits.flag()?;
    let mut first = None;
    for _ in 0..=bits.bits(5)? {
        bits.skip(12)?;
        let level = bits.bits(5)?;
        let high_tier = level > 7 && bits.flag()?;
        first.get_or_insert((level, high_tier));
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        if display_delay && bits.flag()? {
            bits.skip(4)?;
        }
    }
    first
}

/// The coding tools that a reduced header lacks.
fn tools(bits: &mut Bits<'_>) -> Option<()> {
    bits.skip(4)?;
    let order_hint = bits.flag()?;
    if order_hint {
        bits.skip(2)?;
    }
    // Screen content tools: chosen per picture, or fixed; then the same of whole-pixel motion, where they may be used.
    let screen_content = bits.flag()? || bits.flag()?;
    if screen_content && !bits.flag()? {
        bits.bit()?;
    }
    if order_hint {
        bits.skip(3)?;
    }
    Some(())
}

/// `color_config` (section 5.5.2).
fn colours(bits: &mut Bits<'_>, format: &mut Format) -> Option<()> {
    const BT709: u32 = 1;
    const SRGB: u32 = 13;
    format.high_depth = bits.flag()?;
    format.twelve_bits = format.profile == 2 && format.high_depth && bits.flag()?;
    format.monochrome = format.profile != 1 && bits.flag()?;
    let described = if bits.flag()? { Some([bits.bits(8)?, bits.bits(8)?, bits.bits(8)?]) } else { None };
    if format.monochrome {
        return Some(());
    }
    if described == Some([BT709, SRGB, 0]) {
        (format.half_width, format.half_height) = (false, false);
        return Some(());
    }
    bits.bit()?;
    (format.half_width, format.half_height) = match format.profile {
        0 => (true, true),
        1 => (false, false),
        _ if format.twelve_bits => {
            let across = bits.flag()?;
            (across, across && bits.flag()?)
        }
        _ => (true, false),
    };
    if format.half_width && format.half_height {
        format.sample_position = bits.bits(2)? as u8;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SVT-AV1 2.3 at 1280×720 in low delay, as it stands in front of a keyframe.
    const KEYFRAME: &[u8] =
        &[0x12, 0, 0x0a, 0x0e, 0, 0, 0, 0x2d, 0x4c, 0xff, 0xb3, 0xc4, 0xaf, 0x91, 1, 1, 1, 4, 0x32, 3, 0x10, 0, 0x8b];

    fn keyframe() -> Bytes {
        Bytes::from_static(KEYFRAME)
    }

    #[test]
    fn size_profile_and_colours_are_read_from_the_sequence_header() {
        let header = SequenceHeader::find(&keyframe()).expect("one");
        assert_eq!(header.size(), Size { width: 1280, height: 720 });
        let record = header.configuration_record();
        assert_eq!(record[0], 0x81);
        assert_eq!(record[1] >> 5, 0, "the main profile");
        assert_eq!(record[2] & 0x7c, 0x0c, "eight bits, 4:2:0");
        assert_eq!(record[4..], header.unit);
    }

    #[test]
    fn delimiters_and_padding_are_left_out() {
        let bare = without_delimiters(&keyframe());
        assert_eq!(bare[..], KEYFRAME[2..]);
        let padded: Bytes = [&bare[..], &[0x7a, 1, 0x80], &bare].concat().into();
        assert_eq!(without_delimiters(&padded), [&bare[..], &bare].concat());
    }

    #[test]
    fn what_is_damaged_is_none_and_does_no_harm() {
        for length in 0..KEYFRAME.len() {
            let _ = SequenceHeader::find(&keyframe().slice(..length));
            let _ = without_delimiters(&keyframe().slice(..length));
        }
        for seed in 0..4000u32 {
            let bytes: Vec<u8> = (0..40u32).map(|i| (seed.wrapping_mul(2_654_435_761) >> (i % 24)) as u8).collect();
            let _ = sequence_header(&mut Bits::new(&bytes));
            let _ = without_delimiters(&bytes.into());
        }
        assert_eq!(SequenceHeader::find(&Bytes::from_static(&[0x0a, 0xff, 0xff])), None);
    }

    fn borne(lasts: std::time::Duration) {
        let bare = without_delimiters(&keyframe());
        testkit::fuzz::run(&[KEYFRAME.to_vec(), bare.to_vec(), bare[2..].to_vec()], 31, lasts, |sample, _| {
            let _ = sequence_header(&mut Bits::new(sample));
            let sample = Bytes::copy_from_slice(sample);
            assert!(without_delimiters(&sample).len() <= sample.len());
            if let Some(header) = SequenceHeader::find(&sample) {
                let _ = (header.size(), header.configuration_record());
            }
        });
    }

    #[test]
    fn any_temporal_unit_is_borne() {
        borne(testkit::fuzz::QUICK);
    }

    #[test]
    #[ignore = "ten minutes: test:long"]
    fn any_temporal_unit_is_borne_for_long() {
        borne(testkit::fuzz::LONG);
    }
}

//! What is said to PipeWire about pictures, in its own notation (SPA pods): which formats are taken, from which kind
//! of memory, with which notes beside each picture; and what the other side chose.
//!
//! A pod is its size, its type and its content, filled up to eight bytes (`spa/pod/pod.h`); the numbers are those of
//! `spa/param/*.h`. Only what is said here is written, and only a format is read.

use media::{FrameRate, Size};

use super::pixels::Order;
use super::structures::{Header, META_HEADER, META_VIDEO_CROP, Region};
use crate::video::VideoError;

/// Types of pods.
mod kind {
    pub(super) const ID: u32 = 3;
    pub(super) const INT: u32 = 4;
    pub(super) const RECTANGLE: u32 = 10;
    pub(super) const FRACTION: u32 = 11;
    pub(super) const OBJECT: u32 = 15;
    pub(super) const CHOICE: u32 = 19;
}

/// Kinds of choices; the first value is what the writer likes best.
mod choice {
    pub(super) const RANGE: u32 = 1;
    pub(super) const ENUM: u32 = 3;
    pub(super) const FLAGS: u32 = 4;
}

/// `SPA_TYPE_OBJECT_Format`, `…_ParamBuffers`, `…_ParamMeta`.
const FORMAT_OBJECT: u32 = 0x4_0003;
const BUFFERS_OBJECT: u32 = 0x4_0004;
const META_OBJECT: u32 = 0x4_0005;
/// `SPA_PARAM_EnumFormat`, `…_Format`, `…_Buffers`, `…_Meta`.
const ENUM_FORMAT: u32 = 3;
pub(super) const FORMAT: u32 = 4;
const BUFFERS: u32 = 5;
const META: u32 = 6;
/// `SPA_FORMAT_mediaType`, `…_mediaSubtype`, `…_VIDEO_format`, `…_size`, `…_framerate`, `…_maxFramerate`.
const MEDIA_TYPE: u32 = 1;
const MEDIA_SUBTYPE: u32 = 2;
const VIDEO_FORMAT: u32 = 0x2_0001;
const VIDEO_SIZE: u32 = 0x2_0003;
const VIDEO_RATE: u32 = 0x2_0004;
const VIDEO_MOST_RATE: u32 = 0x2_0005;
/// `SPA_MEDIA_TYPE_video`, `SPA_MEDIA_SUBTYPE_raw`.
const VIDEO: u32 = 2;
const RAW: u32 = 1;
/// `SPA_VIDEO_FORMAT_…`.
const RGBX: u32 = 7;
const BGRX: u32 = 8;
const RGBA: u32 = 11;
const BGRA: u32 = 12;
/// `SPA_PARAM_BUFFERS_buffers`, `…_dataType`; `SPA_PARAM_META_type`, `…_size`.
const COUNT: u32 = 1;
const MEMORY: u32 = 6;
const NOTE_TYPE: u32 = 1;
const NOTE_SIZE: u32 = 2;
/// `SPA_DATA_MemPtr`, `SPA_DATA_MemFd`, as bits.
const READABLE: u32 = 1 << 1 | 1 << 2;

/// Pictures that the other side may have under way: one is kept here until its turn, one is being drawn, and the rest
/// lets a compositor that draws ahead go on. At least two, or it stands still while we hold one.
const PICTURES: [u32; 3] = [4, 2, 16];
/// As large as the encoder takes a source, each way.
const MOST_SIDE: u32 = 16_384;

/// An object's pod, aligned as PipeWire reads it.
#[derive(Debug)]
pub(super) struct Param(Vec<u32>);

impl Param {
    fn new(object: u32, id: u32) -> Self {
        Self(vec![8, kind::OBJECT, object, id])
    }

    /// A property of one value: its words.
    fn with(mut self, key: u32, kind: u32, words: &[u32]) -> Self {
        self.0.extend([key, 0, words.len() as u32 * 4, kind]);
        self.close(words)
    }

    /// A property that leaves the other side a choice between values of `size` words each.
    fn choose(mut self, key: u32, choice: u32, kind: u32, size: u32, words: &[u32]) -> Self {
        self.0.extend([key, 0, 16 + words.len() as u32 * 4, kind::CHOICE, choice, 0, size * 4, kind]);
        self.close(words)
    }

    fn close(mut self, words: &[u32]) -> Self {
        self.0.extend(words);
        if self.0.len() % 2 == 1 {
            self.0.push(0);
        }
        self.0[0] = self.0.len() as u32 * 4 - 8;
        self
    }

    /// As PipeWire takes it: words of eight bytes.
    pub(super) fn into_words(self) -> Vec<u64> {
        let word = |pair: &[u32]| {
            let mut bytes = [0; 8];
            bytes[..4].copy_from_slice(&pair[0].to_ne_bytes());
            bytes[4..].copy_from_slice(&pair[1].to_ne_bytes());
            u64::from_ne_bytes(bytes)
        };
        self.0.chunks_exact(2).map(word).collect()
    }
}

/// The formats that are taken: four bytes a pixel in any usual order, of any size, at up to `rate`.
pub(super) fn formats(rate: FrameRate) -> Param {
    // A rate of nothing stands for "as it changes", which is what portals offer.
    Param::new(FORMAT_OBJECT, ENUM_FORMAT)
        .with(MEDIA_TYPE, kind::ID, &[VIDEO])
        .with(MEDIA_SUBTYPE, kind::ID, &[RAW])
        .choose(VIDEO_FORMAT, choice::ENUM, kind::ID, 1, &[BGRX, BGRX, BGRA, RGBX, RGBA])
        .choose(VIDEO_SIZE, choice::RANGE, kind::RECTANGLE, 2, &[1920, 1080, 1, 1, MOST_SIDE, MOST_SIDE])
        .choose(VIDEO_RATE, choice::RANGE, kind::FRACTION, 2, &[0, 1, 0, 1, 1000, 1])
        .choose(VIDEO_MOST_RATE, choice::RANGE, kind::FRACTION, 2, &[rate.fps(), 1, 1, 1, rate.fps(), 1])
}

/// What each picture comes in, once the format stands: memory that can be read as it is, and notes beside it.
///
/// Memory of the graphics card (DMA-BUF) is not asked for: without a GPU in between it would be read through the bus,
/// uncached, which is slower than what the compositor does to fill shared memory.
pub(super) fn buffers() -> [Param; 3] {
    let note = |kind, size: usize| {
        Param::new(META_OBJECT, META).with(NOTE_TYPE, kind::ID, &[kind]).with(NOTE_SIZE, kind::INT, &[size as u32])
    };
    let memory = Param::new(BUFFERS_OBJECT, BUFFERS).choose(COUNT, choice::RANGE, kind::INT, 1, &PICTURES).choose(
        MEMORY,
        choice::FLAGS,
        kind::INT,
        1,
        &[READABLE, READABLE],
    );
    [memory, note(META_HEADER, size_of::<Header>()), note(META_VIDEO_CROP, size_of::<Region>())]
}

/// The chosen size and order of bytes, of a format's pod.
///
/// # Errors
/// `sharing_failed` where it is none of [`formats`].
pub(super) fn chosen(pod: &[u32]) -> Result<(Size, Order), VideoError> {
    let foreign = |what: &str| VideoError::SharingFailed(format!("pictures came as {what}"));
    let [_, kind::OBJECT, FORMAT_OBJECT, _, properties @ ..] = pod else { return Err(foreign("nothing known")) };
    let value = |wanted: u32, kind: u32| find(properties, wanted, kind);
    if value(MEDIA_TYPE, kind::ID) != Some([VIDEO].as_slice())
        || value(MEDIA_SUBTYPE, kind::ID) != Some([RAW].as_slice())
    {
        return Err(foreign("no plain pictures"));
    }
    let order = match value(VIDEO_FORMAT, kind::ID) {
        Some([BGRX | BGRA]) => Order::Bgr,
        Some([RGBX | RGBA]) => Order::Rgb,
        other => return Err(foreign(&format!("format {other:?}"))),
    };
    match value(VIDEO_SIZE, kind::RECTANGLE) {
        Some(&[width @ 1..=MOST_SIDE, height @ 1..=MOST_SIDE]) => Ok((Size { width, height }, order)),
        other => Err(foreign(&format!("{other:?} pixels"))),
    }
}

/// The first value of that property, as words: also of a choice, of which it is what was chosen.
fn find(mut properties: &[u32], wanted: u32, kind: u32) -> Option<&[u32]> {
    while let [key, _, size, its_kind, rest @ ..] = properties {
        let words = (*size as usize).div_ceil(4);
        let content = rest.get(..words)?;
        if *key == wanted {
            return match content {
                [_, _, size, its_kind, values @ ..] if *its_kind == kind && properties[3] == kind::CHOICE => {
                    values.get(..*size as usize / 4)
                }
                _ => (*its_kind == kind).then_some(content),
            };
        }
        properties = rest.get(words.next_multiple_of(2)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PipeWire's own builder makes of the same.
    #[test]
    fn pods_are_laid_out_as_pipewire_s_own_builder_does() {
        let pod = Param::new(FORMAT_OBJECT, ENUM_FORMAT)
            .with(MEDIA_TYPE, kind::ID, &[VIDEO])
            .choose(VIDEO_FORMAT, choice::ENUM, kind::ID, 1, &[8, 8, 7])
            .choose(VIDEO_SIZE, choice::RANGE, kind::RECTANGLE, 2, &[2, 3, 1, 1, 9, 9]);
        let expected = [
            136, 15, 262_147, 3, 1, 0, 4, 3, 2, 0, 131_073, 0, 28, 19, 3, 0, 4, 3, 8, 8, 7, 0, 131_075, 0, 40, 19, 1,
            0, 8, 10, 2, 3, 1, 1, 9, 9,
        ];
        assert_eq!(pod.0, expected);
        let words = pod.into_words();
        assert_eq!((words.len(), words[0]), (18, u64::from_ne_bytes([136, 0, 0, 0, 15, 0, 0, 0])));
    }

    fn format(format: u32, size: [u32; 2]) -> Param {
        Param::new(FORMAT_OBJECT, FORMAT)
            .with(MEDIA_TYPE, kind::ID, &[VIDEO])
            .with(MEDIA_SUBTYPE, kind::ID, &[RAW])
            .with(VIDEO_RATE, kind::FRACTION, &[0, 1])
            .with(VIDEO_FORMAT, kind::ID, &[format])
            .with(VIDEO_SIZE, kind::RECTANGLE, &size)
    }

    #[test]
    fn a_chosen_format_is_read_plain_or_as_a_choice_of_one() {
        let size = Size { width: 640, height: 360 };
        assert_eq!(chosen(&format(BGRX, [640, 360]).0), Ok((size, Order::Bgr)));
        assert_eq!(chosen(&format(RGBA, [640, 360]).0), Ok((size, Order::Rgb)));
        let offered = chosen(&formats(FrameRate::new(60).expect("rate")).0);
        assert_eq!(offered, Ok((Size { width: 1920, height: 1080 }, Order::Bgr)), "the first of each choice");
    }

    #[test]
    fn other_formats_and_cut_off_pods_are_refused() {
        for pod in [format(5, [640, 360]), format(BGRX, [0, 360]), format(BGRX, [640, MOST_SIDE + 1])] {
            assert_eq!(chosen(&pod.0).expect_err("foreign").code(), "sharing_failed");
        }
        let whole = format(BGRX, [640, 360]).0;
        for length in 0..whole.len() {
            assert!(chosen(&whole[..length]).is_err(), "{length} words");
        }
        let mut bent = whole;
        bent[6] = u32::MAX;
        assert!(chosen(&bent).is_err());
    }
}

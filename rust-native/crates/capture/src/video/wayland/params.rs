//! What is said to PipeWire about pictures, in its own notation (SPA pods): which formats are taken, from which kind
//! of memory, with which notes beside each picture; and what the other side chose.
//!
//! A pod is its size, its type and its content, filled up to eight bytes (`spa/pod/pod.h`); the numbers are those of
//! `spa/param/*.h`. Only what is said here is written, and only a format is read.

use media::{FrameRate, Size};

use super::dma_buf::LINEAR;
use super::pixels::Order;
use super::structures::{DMA_BUF, Header, META_HEADER, META_VIDEO_CROP, Region};
use crate::video::VideoError;

/// Types of pods.
mod kind {
    pub(super) const ID: u32 = 3;
    pub(super) const INT: u32 = 4;
    pub(super) const LONG: u32 = 5;
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
/// `SPA_FORMAT_mediaType`, `…_mediaSubtype`, `…_VIDEO_format`, `…_modifier`, `…_size`, `…_framerate`, `…_maxFramerate`.
const MEDIA_TYPE: u32 = 1;
const MEDIA_SUBTYPE: u32 = 2;
const VIDEO_FORMAT: u32 = 0x2_0001;
const VIDEO_MODIFIER: u32 = 0x2_0002;
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
/// `SPA_POD_PROP_FLAG_MANDATORY`, `…_DONT_FIXATE`.
const MANDATORY: u32 = 1 << 3;
const DONT_FIXATE: u32 = 1 << 4;

/// Pictures that the other side may have under way: one is kept here until its turn, one is being drawn, and the rest
/// lets a compositor that draws ahead go on. At least two, or it stands still while we hold one.
const PICTURES: [u32; 3] = [4, 2, 16];
/// The same on the graphics card, where consumers keep the pictures themselves: one in the slot, one being encoded, one
/// kept for repeats, and those that have to stay in rotation (`loan.rs`). At least three can be lent then.
const PICTURES_ON_CARD: [u32; 3] = [10, 8, 16];
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

    /// How pixels may lie in the memory of a graphics card, of which the other side must take one. It has not chosen
    /// before it has tried whether its card gives such memory: the format comes once more then.
    fn modifiers(mut self, best: u64, all: &[u64]) -> Self {
        let words: Vec<u32> = std::iter::once(best).chain(all.iter().copied()).flat_map(halves).collect();
        let size = 16 + words.len() as u32 * 4;
        let flags = MANDATORY | DONT_FIXATE;
        self.0.extend([VIDEO_MODIFIER, flags, size, kind::CHOICE, choice::ENUM, 0, 8, kind::LONG]);
        self.close(&words)
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

/// As two words, in memory's order.
fn halves(value: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_ne_bytes();
    [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])]
}

/// The formats that are taken, the best one first: four bytes a pixel in any usual order, of any size, at up to `rate`.
///
/// With `surfaces` the best one lies on the graphics card, row by row and no other way: some consumer may still ask for
/// the bytes, and of memory that is tiled or compressed only the card's driver can make sense.
pub(super) fn formats(rate: FrameRate, surfaces: bool) -> Vec<Param> {
    let on_card = surfaces.then(|| format(rate, |param| param.modifiers(LINEAR, &[LINEAR])));
    on_card.into_iter().chain([format(rate, |param| param)]).collect()
}

fn format(rate: FrameRate, place: impl FnOnce(Param) -> Param) -> Param {
    let param = Param::new(FORMAT_OBJECT, ENUM_FORMAT)
        .with(MEDIA_TYPE, kind::ID, &[VIDEO])
        .with(MEDIA_SUBTYPE, kind::ID, &[RAW])
        .choose(VIDEO_FORMAT, choice::ENUM, kind::ID, 1, &[BGRX, BGRX, BGRA, RGBX, RGBA]);
    // A rate of nothing stands for "as it changes", which is what portals offer.
    place(param)
        .choose(VIDEO_SIZE, choice::RANGE, kind::RECTANGLE, 2, &[1920, 1080, 1, 1, MOST_SIDE, MOST_SIDE])
        .choose(VIDEO_RATE, choice::RANGE, kind::FRACTION, 2, &[0, 1, 0, 1, 1000, 1])
        .choose(VIDEO_MOST_RATE, choice::RANGE, kind::FRACTION, 2, &[rate.fps(), 1, 1, 1, rate.fps(), 1])
}

/// What each picture comes in, once the format stands: memory that can be read as it is, or the card's own where the
/// format says so, and notes beside it.
///
/// Memory of the graphics card (DMA-BUF) is asked for only while somebody takes it as it is. To be read by the processor
/// it would come through the bus, uncached, which is slower than what the compositor does to fill shared memory.
pub(super) fn buffers(on_card: bool) -> [Param; 3] {
    let note = |kind, size: usize| {
        Param::new(META_OBJECT, META).with(NOTE_TYPE, kind::ID, &[kind]).with(NOTE_SIZE, kind::INT, &[size as u32])
    };
    let (pictures, places) = if on_card { (PICTURES_ON_CARD, 1 << DMA_BUF) } else { (PICTURES, READABLE) };
    let memory = Param::new(BUFFERS_OBJECT, BUFFERS).choose(COUNT, choice::RANGE, kind::INT, 1, &pictures).choose(
        MEMORY,
        choice::FLAGS,
        kind::INT,
        1,
        &[places, places],
    );
    [memory, note(META_HEADER, size_of::<Header>()), note(META_VIDEO_CROP, size_of::<Region>())]
}

/// What pictures the other side gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) size: Size,
    pub(super) order: Order,
    /// How the pixels lie on the graphics card; `None` for pictures in memory.
    pub(super) modifier: Option<u64>,
}

/// The chosen format, of its pod.
///
/// # Errors
/// `sharing_failed` where it is none of [`formats`].
pub(super) fn chosen(pod: &[u32]) -> Result<Format, VideoError> {
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
    let modifier = value(VIDEO_MODIFIER, kind::LONG);
    if modifier.is_some_and(|modifier| modifier != halves(LINEAR)) {
        return Err(foreign(&format!("modifier {modifier:?}")));
    }
    let modifier = modifier.map(|_| LINEAR);
    match value(VIDEO_SIZE, kind::RECTANGLE) {
        Some(&[width @ 1..=MOST_SIDE, height @ 1..=MOST_SIDE]) => {
            Ok(Format { size: Size { width, height }, order, modifier })
        }
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

    /// As above: a property that the other side must know, of 64 bits, and must not choose from at once.
    #[test]
    fn modifiers_are_laid_out_as_pipewire_s_own_builder_does() {
        let pod = Param::new(FORMAT_OBJECT, ENUM_FORMAT)
            .with(VIDEO_FORMAT, kind::ID, &[BGRX])
            .modifiers(0, &[0, 0x0100_0000_0000_0002])
            .with(VIDEO_SIZE, kind::RECTANGLE, &[2, 3]);
        let expected = [
            112, 15, 262_147, 3, 131_073, 0, 4, 3, 8, 0, 131_074, 24, 40, 19, 3, 0, 8, 5, 0, 0, 0, 0, 2, 16_777_216,
            131_075, 0, 8, 10, 2, 3,
        ];
        assert_eq!(pod.0, expected);
    }

    fn chosen_format(format: u32, size: [u32; 2]) -> Param {
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
        let bgr = Format { size, order: Order::Bgr, modifier: None };
        assert_eq!(chosen(&chosen_format(BGRX, [640, 360]).0), Ok(bgr));
        assert_eq!(chosen(&chosen_format(RGBA, [640, 360]).0), Ok(Format { order: Order::Rgb, ..bgr }));
        let [offered] = &formats(rate(), false)[..] else { panic!("one format") };
        let first = Format { size: Size { width: 1920, height: 1080 }, ..bgr };
        assert_eq!(chosen(&offered.0), Ok(first), "the first of each choice");
    }

    fn rate() -> FrameRate {
        FrameRate::new(60).expect("rate")
    }

    #[test]
    fn a_place_on_the_card_is_offered_first_and_one_in_memory_always() {
        let offered: Vec<_> =
            formats(rate(), true).iter().map(|format| chosen(&format.0).expect("ours").modifier).collect();
        assert_eq!(offered, [Some(LINEAR), None]);
        let asked = |on_card| find(&buffers(on_card)[0].0[4..], MEMORY, kind::INT).expect("a place").to_vec();
        assert_eq!((asked(true), asked(false)), (vec![1 << 3], vec![1 << 1 | 1 << 2]));
    }

    #[test]
    fn a_modifier_is_read_plain_or_as_a_choice_and_must_be_ours() {
        let plain = |modifier: u64| {
            let pod = chosen_format(BGRX, [640, 360]).with(VIDEO_MODIFIER, kind::LONG, &halves(modifier));
            chosen(&pod.0).map(|format| format.modifier)
        };
        assert_eq!(plain(LINEAR), Ok(Some(LINEAR)));
        assert_eq!(plain(0x0100_0000_0000_0002).expect_err("tiles").code(), "sharing_failed");
        let choice = chosen_format(BGRX, [640, 360]).modifiers(LINEAR, &[LINEAR]);
        assert_eq!(chosen(&choice.0).map(|format| format.modifier), Ok(Some(LINEAR)));
    }

    #[test]
    fn other_formats_and_cut_off_pods_are_refused() {
        for pod in
            [chosen_format(5, [640, 360]), chosen_format(BGRX, [0, 360]), chosen_format(BGRX, [640, MOST_SIDE + 1])]
        {
            assert_eq!(chosen(&pod.0).expect_err("foreign").code(), "sharing_failed");
        }
        let whole = chosen_format(BGRX, [640, 360]).0;
        for length in 0..whole.len() {
            assert!(chosen(&whole[..length]).is_err(), "{length} words");
        }
        let mut bent = whole;
        bent[6] = u32::MAX;
        assert!(chosen(&bent).is_err());
    }
}

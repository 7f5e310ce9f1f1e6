//! MP4 (ISO/IEC 14496-12): fragments that survive a cut, and the head of a plain file made of what they hold.

use std::ops::Range;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use media::AAC_CONFIG;
use mp4_atom::esds::{DecoderConfig, DecoderSpecific, EsDescriptor, SLConfig};
use mp4_atom::{
    Audio, Chpl, ChplEntry, Co64, Codec, Dinf, Dops, Dref, DrefEntry, Edts, Elst, ElstEntry, Encode, Esds, FixedPoint,
    FourCC, Ftyp, Hdlr, Mdhd, Mdia, Mehd, Mfhd, Minf, Moof, Moov, Mp4a, Mvex, Mvhd, Opus, Smhd, Stbl, Stsc, StscEntry,
    Stsd, Stss, Stsz, StszSamples, Stts, SttsEntry, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry, Url, Vmhd,
};

use crate::picture::{brand, picture_entry};
use crate::{AUDIO_RATE, AudioCodec, Chapter, ContainerError, Fragment, InputTrack, Layout, Patch, Sample, VIDEO_RATE};

pub(crate) const VIDEO_ID: u32 = 1;
pub(crate) const AUDIO_ID: u32 = 2;
/// The first input beside the mix; the others follow.
const INPUT_ID: u32 = 3;
/// The movie's own clock, for durations and edits.
const MOVIE_RATE: u32 = VIDEO_RATE;
/// Bytes kept in the head for chapter marks: some two hundred of them.
const CHAPTER_ROOM: usize = 8 * 1024;
/// `sample_depends_on = 2`: a keyframe, or sound (section 8.8.3.1).
pub(crate) const FLAGS_KEY: u32 = 0x0200_0000;
/// `sample_depends_on = 1`, `sample_is_non_sync_sample`.
pub(crate) const FLAGS_DELTA: u32 = 0x0101_0000;

/// A fragmented file in the making.
#[derive(Debug)]
pub struct Fmp4 {
    sequence: u32,
    /// Bytes handed out.
    length: u64,
    chapters_at: u64,
    duration_at: u64,
    index: Index,
}

impl Fmp4 {
    /// A file with that layout, and its first bytes: `ftyp` and `moov` (a CMAF header, ISO/IEC 23000-19 section 7.3.1,
    /// with room for chapter marks).
    ///
    /// # Errors
    /// [`ContainerError::Unwritable`] where a box refuses its contents.
    pub fn new(layout: Layout) -> Result<(Self, Bytes), ContainerError> {
        let mut head = encoded(&brands(&[b"iso6", b"cmfc", brand(&layout.parameters), b"mp41"]))?;
        let ids = ids(&layout);
        let tracks: Vec<_> =
            ids.iter().map(|id| track(&layout, *id, Tables::default())).collect::<Result<_, ContainerError>>()?;
        let defaults = |track: &Trak| Trex {
            track_id: track.tkhd.track_id,
            default_sample_description_index: 1,
            default_sample_flags: if track.tkhd.track_id == VIDEO_ID { FLAGS_DELTA } else { FLAGS_KEY },
            ..Default::default()
        };
        let mvex = Mvex { mehd: Some(Mehd::default()), trex: tracks.iter().map(defaults).collect() };
        let moov =
            Moov { mvhd: movie_header(0, ids.len() as u32), trak: tracks, mvex: Some(mvex), ..Default::default() };
        let mut moov = named(&encoded(&moov)?, &layout.inputs)?;
        // Until the duration is known, its box is none: readers take a zero at its word.
        let duration_at = position(&moov, b"mehd")?;
        moov[duration_at..duration_at + 4].copy_from_slice(b"free");
        let chapters_at = head.len() + append_user_data(&mut moov, &[], CHAPTER_ROOM)?;
        let duration_at = (head.len() + duration_at) as u64;
        head.extend_from_slice(&moov);
        let index = Index { layout, runs: vec![Run::default(); ids.len()] };
        let length = head.len() as u64;
        let this = Self { sequence: 0, length, chapters_at: chapters_at as u64, duration_at, index };
        Ok((this, head.freeze()))
    }

    /// One `moof` and its `mdat`; the file can be cut behind it.
    ///
    /// # Errors
    /// [`ContainerError::Unwritable`] for more than 2 GB.
    pub fn fragment(&mut self, fragment: &Fragment) -> Result<Bytes, ContainerError> {
        self.sequence += 1;
        let runs = [(VIDEO_ID, &fragment.video), (AUDIO_ID, &fragment.audio)].into_iter();
        let runs: Vec<_> =
            runs.chain((INPUT_ID..).zip(&fragment.inputs)).filter(|(_, samples)| !samples.is_empty()).collect();
        let moof = |base: usize| {
            let mut at = base;
            let traf = runs.iter().map(|(id, samples)| {
                let run = track_fragment(*id, samples, at);
                at += bytes_of(samples);
                run
            });
            Moof { mfhd: Mfhd { sequence_number: self.sequence }, traf: traf.collect() }
        };
        // The offset's value doesn't change the box's size.
        let head_size = encoded(&moof(0))?.len() + 8;
        let mut out = encoded(&moof(head_size))?;
        let payload: usize = runs.iter().map(|(_, samples)| bytes_of(samples)).sum();
        let size = i32::try_from(payload + head_size)
            .map_err(|_| ContainerError::Unwritable("a fragment of more than 2 GB".to_owned()))?;
        out.reserve(size as usize);
        out.put_u32(payload as u32 + 8);
        out.put_slice(b"mdat");
        for (id, samples) in &runs {
            let at = self.length + out.len() as u64;
            if let Some(run) = self.index.runs.get_mut(place(*id)) {
                run.add(samples, at);
            }
            samples.iter().for_each(|sample| out.put_slice(&sample.data));
        }
        self.length += out.len() as u64;
        Ok(out.freeze())
    }

    pub(crate) fn chapters(&self, chapters: &[Chapter]) -> Result<Patch, ContainerError> {
        Ok(Patch { at: self.chapters_at, bytes: user_data(chapters, CHAPTER_ROOM)?.freeze() })
    }

    /// The whole length, into the box kept for it.
    pub(crate) fn duration(&self, duration: Duration) -> Patch {
        let mut bytes = BytesMut::new();
        bytes.put_slice(b"mehd");
        bytes.put_u32(0x0100_0000);
        bytes.put_u64(movie_ticks(duration));
        Patch { at: self.duration_at, bytes: bytes.freeze() }
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }
}

/// Where each sample of a file is, and when.
#[derive(Debug, Clone)]
pub struct Index {
    layout: Layout,
    /// Of the tracks, in the order of their ids.
    runs: Vec<Run>,
}

/// One track's samples: eight bytes for each, some three megabytes an hour.
#[derive(Debug, Clone, Default)]
struct Run {
    sizes: Vec<u32>,
    durations: Vec<u32>,
    keyframes: Vec<u32>,
    chunks: Vec<Chunk>,
    first: u64,
    last: u64,
}

#[derive(Debug, Clone)]
struct Chunk {
    bytes: Range<u64>,
    samples: u32,
}

impl Run {
    fn add(&mut self, samples: &[Sample], at: u64) {
        for sample in samples {
            match self.durations.last_mut() {
                // A gap between fragments becomes a longer sample: a plain file has no other place for it.
                Some(last) => *last = u32::try_from(sample.time - self.last).unwrap_or(u32::MAX),
                None => self.first = sample.time,
            }
            self.last = sample.time;
            self.sizes.push(sample.data.len() as u32);
            self.durations.push(sample.duration);
            if sample.keyframe {
                self.keyframes.push(self.sizes.len() as u32);
            }
        }
        self.chunks.push(Chunk { bytes: at..at + bytes_of(samples) as u64, samples: samples.len() as u32 });
    }

    fn ticks(&self) -> u64 {
        self.durations.iter().map(|duration| u64::from(*duration)).sum()
    }

    /// `base` is what each chunk's place in the plain file is counted from.
    fn tables(&self, places: &[u64], id: u32) -> Tables {
        let mut stts: Vec<SttsEntry> = Vec::new();
        for duration in &self.durations {
            match stts.last_mut() {
                Some(last) if last.sample_delta == *duration => last.sample_count += 1,
                _ => stts.push(SttsEntry { sample_count: 1, sample_delta: *duration }),
            }
        }
        let mut stsc: Vec<StscEntry> = Vec::new();
        for (number, chunk) in (1..).zip(&self.chunks) {
            if stsc.last().is_none_or(|last| last.samples_per_chunk != chunk.samples) {
                let samples_per_chunk = chunk.samples;
                stsc.push(StscEntry { first_chunk: number, samples_per_chunk, sample_description_index: 1 });
            }
        }
        Tables {
            ticks: self.ticks(),
            first: self.first,
            stts: Stts { entries: stts },
            stsc: Stsc { entries: stsc },
            stsz: Stsz { samples: StszSamples::Different { sizes: self.sizes.clone() } },
            stss: (id == VIDEO_ID).then(|| Stss { entries: self.keyframes.clone() }),
            places: places.to_vec(),
        }
    }
}

/// A plain file: its head, and which ranges of the fragmented one follow it, in order.
#[derive(Debug, Clone)]
pub struct Plain {
    /// `ftyp`, `moov`, and the beginning of the `mdat`.
    pub head: Bytes,
    /// To be copied behind the head.
    pub ranges: Vec<Range<u64>>,
}

/// The head of a plain file (`moov` first) with the samples of a fragmented one.
///
/// # Errors
/// [`ContainerError`] where a box refuses its contents or the marks are too many.
pub fn plain_mp4(index: &Index, chapters: &[Chapter]) -> Result<Plain, ContainerError> {
    let of_tracks = (VIDEO_ID..).zip(&index.runs);
    let mut chunks: Vec<_> = of_tracks.flat_map(|(id, run)| run.chunks.iter().map(move |chunk| (id, chunk))).collect();
    chunks.sort_by_key(|(_, chunk)| chunk.bytes.start);
    let payload: u64 = chunks.iter().map(|(_, chunk)| chunk.bytes.end - chunk.bytes.start).sum();
    let head = |base: u64| -> Result<BytesMut, ContainerError> {
        let mut places = vec![Vec::new(); index.runs.len()];
        let mut at = base;
        for (id, chunk) in &chunks {
            places[place(*id)].push(at);
            at += chunk.bytes.end - chunk.bytes.start;
        }
        let layout = &index.layout;
        let of_tracks = ids(layout).into_iter().zip(index.runs.iter().zip(&places));
        let tracks: Vec<_> = of_tracks
            .map(|(id, (run, places))| track(layout, id, run.tables(places, id)))
            .collect::<Result<_, ContainerError>>()?;
        let duration = tracks.iter().map(|track| track.tkhd.duration).max().unwrap_or(0);
        let moov = Moov { mvhd: movie_header(duration, index.runs.len() as u32), trak: tracks, ..Default::default() };
        let mut moov = named(&encoded(&moov)?, &layout.inputs)?;
        if !chapters.is_empty() {
            append_user_data(&mut moov, chapters, 0)?;
        }
        let mut head = encoded(&brands(&[b"isom", b"iso6", brand(&layout.parameters), b"mp41"]))?;
        head.extend_from_slice(&moov);
        head.put_u32(1);
        head.put_slice(b"mdat");
        head.put_u64(payload + 16);
        Ok(head)
    };
    // Offsets are of 64 bits each, so that the head's size doesn't depend on them.
    let size = head(0)?.len() as u64;
    let ranges = chunks.iter().map(|(_, chunk)| chunk.bytes.clone()).collect();
    Ok(Plain { head: head(size)?.freeze(), ranges })
}

#[derive(Default)]
pub(crate) struct Tables {
    ticks: u64,
    first: u64,
    stts: Stts,
    stsc: Stsc,
    stsz: Stsz,
    stss: Option<Stss>,
    places: Vec<u64>,
}

/// The tracks of a file, from [`VIDEO_ID`] on without a gap.
fn ids(layout: &Layout) -> Vec<u32> {
    let sound = layout.audio.iter().map(|_| AUDIO_ID);
    let inputs = (INPUT_ID..).zip(&layout.inputs).map(|(id, _)| id);
    std::iter::once(VIDEO_ID).chain(sound).chain(inputs).collect()
}

/// Of a track among its file's.
fn place(id: u32) -> usize {
    (id - VIDEO_ID) as usize
}

pub(crate) fn track(layout: &Layout, id: u32, tables: Tables) -> Result<Trak, ContainerError> {
    let video = id == VIDEO_ID;
    let rate = if video { VIDEO_RATE } else { AUDIO_RATE };
    // What a plain file's track lacks before its first sample; a fragmented one's says it in each `tfdt`.
    let late = if tables.stts.entries.is_empty() { 0 } else { to_movie(tables.first, rate) };
    let heard = to_movie(tables.ticks, rate);
    let mut edits = Vec::new();
    if late > 0 {
        edits.push(ElstEntry { segment_duration: late, media_time: None, media_rate: 1.into() });
        edits.push(ElstEntry { segment_duration: heard, media_time: Some(0), media_rate: 1.into() });
    }
    let codec = if video { picture_entry(layout)? } else { sound_entry(layout, id) };
    let handler = if video { b"vide" } else { b"soun" };
    let input = place(id).checked_sub(place(INPUT_ID)).and_then(|input| layout.inputs.get(input));
    let name = input.map_or(if video { "Pictures" } else { "Sound" }, |input| &input.name);
    let stbl = Stbl {
        stsd: Stsd { codecs: vec![codec] },
        stts: tables.stts,
        stss: tables.stss,
        stsc: tables.stsc,
        stsz: tables.stsz,
        co64: Some(Co64 { entries: tables.places }),
        ..Default::default()
    };
    let dinf = Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url { location: String::new() })] } };
    let minf =
        Minf { vmhd: video.then(Vmhd::default), smhd: (!video).then(Smhd::default), dinf, stbl, ..Default::default() };
    Ok(Trak {
        tkhd: Tkhd {
            track_id: id,
            duration: late + heard,
            alternate_group: u16::from(!video),
            // The mix is what players are to play; of an alternate group they take what is enabled.
            enabled: id < INPUT_ID,
            in_movie: true,
            volume: if video { 0.into() } else { 1.into() },
            width: FixedPoint::new(if video { layout.size.width as u16 } else { 0 }, 0),
            height: FixedPoint::new(if video { layout.size.height as u16 } else { 0 }, 0),
            ..Default::default()
        },
        edts: (!edits.is_empty()).then_some(Edts { elst: Some(Elst { entries: edits }) }),
        mdia: Mdia {
            mdhd: Mdhd { timescale: rate, duration: tables.ticks, language: "und".into(), ..Default::default() },
            hdlr: Hdlr { handler: FourCC::new(handler), name: name.into() },
            minf,
        },
        ..Default::default()
    })
}

fn sound_entry(layout: &Layout, id: u32) -> Codec {
    let audio = Audio {
        data_reference_index: 1,
        channel_count: 2,
        sample_size: 16,
        sample_rate: FixedPoint::new(AUDIO_RATE as u16, 0),
    };
    let codec = layout.audio.as_ref().map_or(AudioCodec::Aac, |audio| audio.codec);
    if codec == AudioCodec::Opus && id < INPUT_ID {
        let dops = Dops {
            output_channel_count: 2,
            pre_skip: codec.delay() as u16,
            input_sample_rate: AUDIO_RATE,
            output_gain: 0,
            channel_mapping: None,
        };
        return Codec::Opus(Opus { audio, dops, btrt: None });
    }
    let dec_config = DecoderConfig {
        // MPEG-4 Audio, an audio stream (ISO/IEC 14496-1 tables 5 and 6).
        object_type_indication: 0x40,
        stream_type: 5,
        dec_specific: Some(DecoderSpecific { profile: 2, freq_index: 3, chan_conf: 2, raw: AAC_CONFIG.to_vec() }),
        ..Default::default()
    };
    let es_desc = EsDescriptor { es_id: id as u16, dec_config, sl_config: SLConfig {}, ..Default::default() };
    Codec::Mp4a(Mp4a { audio, esds: Esds { es_desc }, btrt: None, taic: None })
}

pub(crate) fn track_fragment(id: u32, samples: &[Sample], at: usize) -> Traf {
    let entry = |sample: &Sample| TrunEntry {
        duration: Some(sample.duration),
        size: Some(sample.data.len() as u32),
        flags: (id == VIDEO_ID).then_some(if sample.keyframe { FLAGS_KEY } else { FLAGS_DELTA }),
        cts: None,
    };
    let start = samples.first().map_or(0, |sample| sample.time);
    Traf {
        tfhd: Tfhd { track_id: id, default_base_is_moof: true, ..Default::default() },
        tfdt: Some(Tfdt { base_media_decode_time: start }),
        trun: vec![Trun {
            data_offset: Some(i32::try_from(at).unwrap_or(i32::MAX)),
            samples: samples.iter().map(entry).collect::<Vec<_>>().into(),
        }],
        ..Default::default()
    }
}

pub(crate) fn bytes_of(samples: &[Sample]) -> usize {
    samples.iter().map(|sample| sample.data.len()).sum()
}

/// `tracks` are numbered from [`VIDEO_ID`] on.
pub(crate) fn movie_header(duration: u64, tracks: u32) -> Mvhd {
    Mvhd {
        timescale: MOVIE_RATE,
        duration,
        rate: 1.into(),
        volume: 1.into(),
        next_track_id: tracks + VIDEO_ID,
        ..Default::default()
    }
}

pub(crate) fn brands(brands: &[&[u8; 4]]) -> Ftyp {
    let compatible_brands = brands.iter().map(|brand| FourCC::new(brand)).collect::<Vec<_>>();
    Ftyp { major_brand: compatible_brands[0], minor_version: 0, compatible_brands }
}

/// `udta` with the marks and, up to `room` bytes in all, free space.
fn user_data(chapters: &[Chapter], room: usize) -> Result<BytesMut, ContainerError> {
    let entry =
        |chapter: &Chapter| ChplEntry { start: (chapter.at.as_nanos() / 100) as u64, title: shortened(&chapter.title) };
    let mut body = BytesMut::new();
    if !chapters.is_empty() {
        let marks = Chpl { entries: chapters.iter().map(entry).collect() };
        if chapters.len() > 255 {
            return Err(ContainerError::ChaptersFull);
        }
        body = encoded(&marks)?;
    }
    let size = room.max(body.len() + 8);
    // Free space is a box itself, of eight bytes at the least.
    match size - 8 - body.len() {
        0 => {}
        1..8 => return Err(ContainerError::ChaptersFull),
        _ if room > 0 && body.len() + 16 > room => return Err(ContainerError::ChaptersFull),
        free => {
            body.put_u32(free as u32);
            body.put_slice(b"free");
            body.put_bytes(0, free - 8);
        }
    }
    if room > 0 && size > room {
        return Err(ContainerError::ChaptersFull);
    }
    let mut out = BytesMut::new();
    out.put_u32(size as u32);
    out.put_slice(b"udta");
    out.extend_from_slice(&body);
    Ok(out)
}

/// As much of a title as fits into a mark, never half a character.
pub(crate) fn shortened(title: &str) -> String {
    const MOST: usize = 120;
    let end = (0..=title.len().min(MOST)).rev().find(|end| title.is_char_boundary(*end)).unwrap_or(0);
    title[..end].to_owned()
}

/// Appends it as the last box within `moov`; returns where it stands there.
fn append_user_data(moov: &mut BytesMut, chapters: &[Chapter], room: usize) -> Result<usize, ContainerError> {
    let at = moov.len();
    moov.extend_from_slice(&user_data(chapters, room)?);
    let size = u32::try_from(moov.len()).map_err(|_| ContainerError::Unwritable("a moov of 4 GB".to_owned()))?;
    moov[..4].copy_from_slice(&size.to_be_bytes());
    Ok(at)
}

pub(crate) fn encoded(atom: &impl Encode) -> Result<BytesMut, ContainerError> {
    let mut bytes = Vec::new();
    atom.encode(&mut bytes)?;
    Ok(BytesMut::from(bytes.as_slice()))
}

/// The same `moov` with each input's name as its track's title too (`udta/name`, as QuickTime has it): many players
/// show no handler's name.
fn named(moov: &BytesMut, inputs: &[InputTrack]) -> Result<BytesMut, ContainerError> {
    if inputs.is_empty() {
        return Ok(moov.clone());
    }
    let too_large = || ContainerError::Unwritable("a moov that is not one".to_owned());
    let mut out = BytesMut::from(&moov[..8]);
    let (mut rest, mut tracks) = (&moov[8..], 0_usize);
    while let Some(size) = rest.first_chunk::<4>().map(|size| u32::from_be_bytes(*size) as usize) {
        let (one, others) = rest.split_at_checked(size.max(8)).ok_or_else(too_large)?;
        rest = others;
        if one[4..8] != *b"trak" {
            out.extend_from_slice(one);
            continue;
        }
        let name = tracks.checked_sub(place(INPUT_ID)).and_then(|input| inputs.get(input));
        let title = name.map(|input| shortened(&input.name)).unwrap_or_default();
        tracks += 1;
        let more = if title.is_empty() { 0 } else { title.len() + 16 };
        out.put_u32((one.len() + more) as u32);
        out.extend_from_slice(&one[4..]);
        if more > 0 {
            out.put_u32(more as u32);
            out.put_slice(b"udta");
            out.put_u32(more as u32 - 8);
            out.put_slice(b"name");
            out.put_slice(title.as_bytes());
        }
    }
    let size = u32::try_from(out.len()).map_err(|_| too_large())?;
    out[..4].copy_from_slice(&size.to_be_bytes());
    Ok(out)
}

fn position(bytes: &[u8], kind: &[u8; 4]) -> Result<usize, ContainerError> {
    let found = bytes.windows(4).position(|window| window == kind);
    found.ok_or_else(|| ContainerError::Unwritable("a box is missing in what was just written".to_owned()))
}

fn to_movie(ticks: u64, rate: u32) -> u64 {
    ticks * u64::from(MOVIE_RATE) / u64::from(rate)
}

fn movie_ticks(duration: Duration) -> u64 {
    (duration.as_nanos() * u128::from(MOVIE_RATE) / 1_000_000_000) as u64
}

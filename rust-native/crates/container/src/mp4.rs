//! MP4 (ISO/IEC 14496-12): fragments that survive a cut, and the head of a plain file made of what they hold.

use std::ops::Range;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use mp4_atom::{Mehd, Mfhd, Moof, Moov, Mvex, Stsc, StscEntry, Stss, Stsz, StszSamples, Stts, SttsEntry, Trak, Trex};

use crate::picture::brand;
use crate::{Chapter, ContainerError, Fragment, Layout, Patch, Sample};

mod boxes;
mod user_data;

pub(crate) use boxes::{
    AUDIO_ID, FLAGS_DELTA, FLAGS_KEY, Tables, VIDEO_ID, brands, bytes_of, encoded, movie_header, track, track_fragment,
};
use boxes::{INPUT_ID, MOVIE_RATE, ids, place};
pub(crate) use user_data::shortened;
use user_data::{append_user_data, named, user_data};

/// Bytes kept in the head for chapter marks: some two hundred of them.
const CHAPTER_ROOM: usize = 8 * 1024;

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

fn position(bytes: &[u8], kind: &[u8; 4]) -> Result<usize, ContainerError> {
    let found = bytes.windows(4).position(|window| window == kind);
    found.ok_or_else(|| ContainerError::Unwritable("a box is missing in what was just written".to_owned()))
}

fn movie_ticks(duration: Duration) -> u64 {
    (duration.as_nanos() * u128::from(MOVIE_RATE) / 1_000_000_000) as u64
}

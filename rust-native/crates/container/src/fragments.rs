//! Fragmented MP4 (ISO/IEC 14496-12 section 8.8) taken apart: one header, then segments as they come. Pure.
//!
//! What servers send that no one here wrote: whatever in it does not add up is an error, and never a panic.

use bytes::Bytes;
use mp4_atom::{Atom as _, Codec, DecodeMaybe as _, Header, Moof, Moov, Traf, Trak, Trex};

use crate::ContainerError;
use crate::joined::moov_of;

/// A segment of a minute has some thousands.
const MOST_SAMPLES: usize = 200_000;

/// What a track holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FragmentTrack {
    /// H.264 behind lengths (ISO/IEC 14496-15).
    Avc {
        /// Bytes of each length.
        length_size: usize,
        /// Sequence parameter sets, then picture parameter sets.
        sets: Vec<Bytes>,
    },
    /// AAC.
    Aac {
        /// `AudioSpecificConfig` (ISO/IEC 14496-3 section 1.6.2.1).
        config: Bytes,
    },
    /// Opus.
    Opus,
    /// Something else: pictures (`true`) or not, and its sample entry's name.
    Other(bool, String),
}

/// One sample. Times are nanoseconds on a clock that all tracks of the header share, edits applied; a little below zero
/// where an encoder's delay is cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FragmentSample {
    /// Place of its track in [`FragmentReader::tracks`].
    pub track: usize,
    /// When it is decoded.
    pub dts: i64,
    /// When it is shown.
    pub pts: i64,
    /// Its bytes.
    pub data: Bytes,
}

#[derive(Debug)]
struct Track {
    id: u32,
    timescale: u64,
    /// Ticks that its edits move it by.
    shift: i64,
    defaults: Trex,
}

/// Takes segments apart that one header belongs to.
#[derive(Debug)]
pub struct FragmentReader {
    tracks: Vec<Track>,
    kinds: Vec<FragmentTrack>,
}

fn unreadable(what: &str) -> ContainerError {
    ContainerError::Unreadable(what.to_owned())
}

fn damaged(error: mp4_atom::Error) -> ContainerError {
    ContainerError::Unreadable(error.to_string())
}

impl FragmentReader {
    /// Reads a header: `ftyp` and `moov`.
    ///
    /// # Errors
    /// [`ContainerError::Unreadable`] for anything else.
    pub fn new(header: &Bytes) -> Result<Self, ContainerError> {
        let moov = moov_of(header)?;
        let tracks = moov.trak.iter().map(|trak| Track::new(trak, &moov)).collect::<Result<Vec<_>, _>>()?;
        if tracks.is_empty() {
            return Err(unreadable("a header without tracks"));
        }
        Ok(Self { tracks, kinds: moov.trak.iter().map(kind).collect() })
    }

    /// What there is in the segments.
    pub fn tracks(&self) -> &[FragmentTrack] {
        &self.kinds
    }

    /// The samples of whole fragments, in order of decoding.
    ///
    /// # Errors
    /// [`ContainerError::Unreadable`] where sizes and bytes don't agree.
    pub fn read(&self, segment: &Bytes) -> Result<Vec<FragmentSample>, ContainerError> {
        let mut samples = Samples { all: Vec::new(), left: segment.len() };
        let mut rest = &segment[..];
        loop {
            let start = segment.len() - rest.len();
            let Some(head) = Header::decode_maybe(&mut rest).map_err(damaged)? else { break };
            let (mut body, after) = rest
                .split_at_checked(head.size.unwrap_or(rest.len()))
                .ok_or_else(|| unreadable("a box that ends early"))?;
            if head.kind == Moof::KIND {
                let moof = Moof::decode_body(&mut body).map_err(damaged)?;
                for traf in &moof.traf {
                    self.fragment(segment, start, traf, &mut samples)?;
                }
            }
            rest = after;
        }
        let mut samples = samples.all;
        samples.sort_by_key(|sample| sample.dts);
        Ok(samples)
    }

    /// One track's part of a fragment whose `moof` begins at `start` (sections 8.8.7 and 8.8.8).
    fn fragment(&self, segment: &Bytes, start: usize, traf: &Traf, out: &mut Samples) -> Result<(), ContainerError> {
        // A track of which the header knows nothing is none of ours.
        let Some(place) = self.tracks.iter().position(|track| track.id == traf.tfhd.track_id) else { return Ok(()) };
        let (track, head) = (&self.tracks[place], &traf.tfhd);
        if head.base_data_offset.is_some() {
            return Err(unreadable("offsets from the beginning of a file"));
        }
        let mut time =
            traf.tfdt.as_ref().ok_or_else(|| unreadable("a fragment without its time"))?.base_media_decode_time;
        let (mut at, short) = (start, || unreadable("samples that end early"));
        for run in &traf.trun {
            if let Some(offset) = run.data_offset {
                at = start.checked_add_signed(offset as isize).ok_or_else(short)?;
            }
            for entry in run.samples.iter() {
                let usual = head.default_sample_size.unwrap_or(track.defaults.default_sample_size);
                let size = entry.size.unwrap_or(usual) as usize;
                let end = at.checked_add(size).filter(|end| *end <= segment.len()).ok_or_else(short)?;
                let later = entry.cts.unwrap_or(0);
                out.push(FragmentSample {
                    track: place,
                    dts: track.nanos(time, 0)?,
                    pts: track.nanos(time, later)?,
                    data: segment.slice(at..end),
                })?;
                at = end;
                let usual = head.default_sample_duration.unwrap_or(track.defaults.default_sample_duration);
                time = time.saturating_add(entry.duration.unwrap_or(usual).into());
            }
        }
        Ok(())
    }
}

/// What a segment has given so far.
struct Samples {
    all: Vec<FragmentSample>,
    /// Bytes of the segment that no sample has had. Runs may name the same ones again and again, and so make far more work
    /// than was sent.
    left: usize,
}

impl Samples {
    fn push(&mut self, sample: FragmentSample) -> Result<(), ContainerError> {
        if self.all.len() == MOST_SAMPLES {
            return Err(unreadable("more samples than a segment has"));
        }
        self.left =
            self.left.checked_sub(sample.data.len()).ok_or_else(|| unreadable("samples that share their bytes"))?;
        self.all.push(sample);
        Ok(())
    }
}

impl Track {
    fn new(trak: &Trak, moov: &Moov) -> Result<Self, ContainerError> {
        let id = trak.tkhd.track_id;
        let timescale = u64::from(trak.mdia.mdhd.timescale);
        if timescale == 0 {
            return Err(unreadable("a clock that stands still"));
        }
        let defaults = moov.mvex.iter().flat_map(|mvex| &mvex.trex).find(|trex| trex.track_id == id).cloned();
        let edits = trak.edts.iter().filter_map(|edts| edts.elst.as_ref()).flat_map(|list| &list.entries);
        // An empty edit puts the track later, and what a first one leaves out puts it earlier (section 8.6.6).
        let mut shift = 0_i128;
        for edit in edits {
            match edit.media_time {
                None => {
                    let movie = i128::from(moov.mvhd.timescale.max(1));
                    shift += i128::from(edit.segment_duration) * i128::from(timescale) / movie;
                }
                Some(left_out) => {
                    shift -= i128::from(left_out);
                    break;
                }
            }
        }
        let shift = i64::try_from(shift).map_err(|_| unreadable("an edit that lasts for ever"))?;
        Ok(Self { id, timescale, shift, defaults: defaults.unwrap_or_default() })
    }

    /// Nanoseconds of a time and so many ticks.
    fn nanos(&self, time: u64, later: i64) -> Result<i64, ContainerError> {
        let ticks = i128::from(time) + i128::from(later) + i128::from(self.shift);
        i64::try_from(ticks * 1_000_000_000 / i128::from(self.timescale))
            .map_err(|_| unreadable("a time beyond all clocks"))
    }
}

fn kind(trak: &Trak) -> FragmentTrack {
    let avc = |avcc: &mp4_atom::Avcc| FragmentTrack::Avc {
        length_size: usize::from(avcc.length_size),
        sets: avcc
            .sequence_parameter_sets
            .iter()
            .chain(&avcc.picture_parameter_sets)
            .cloned()
            .map(Bytes::from)
            .collect(),
    };
    match trak.mdia.minf.stbl.stsd.codecs.first() {
        Some(Codec::Avc1(entry)) => avc(&entry.avcc),
        Some(Codec::Avc3(entry)) => avc(&entry.avcc),
        Some(Codec::Opus(_)) => FragmentTrack::Opus,
        Some(Codec::Mp4a(entry)) => match &entry.esds.es_desc.dec_config.dec_specific {
            Some(specific) => FragmentTrack::Aac { config: Bytes::from(specific.raw.clone()) },
            None => FragmentTrack::Other(false, "mp4a".to_owned()),
        },
        Some(other) => {
            // The variant's name, without what is in it.
            let name = format!("{other:?}");
            FragmentTrack::Other(is_picture(trak), name.split(['(', ' ']).next().unwrap_or_default().to_lowercase())
        }
        None => FragmentTrack::Other(is_picture(trak), "nothing".to_owned()),
    }
}

fn is_picture(trak: &Trak) -> bool {
    trak.mdia.hdlr.handler == mp4_atom::FourCC::new(b"vide")
}

#[cfg(test)]
mod tests {
    use mp4_atom::{Decode as _, Encode as _};

    use super::*;
    use crate::{AudioCodec, CmafTrack, Sample, cmaf_chunk, cmaf_header};
    use media::Size;
    use media::h264::ParameterSets;

    fn video() -> CmafTrack {
        let sps = Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1f, 0xda]);
        let pps = Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80]);
        CmafTrack::Video { parameter_sets: ParameterSets { sps, pps }, size: Size { width: 1280, height: 720 } }
    }

    fn chunk(what: &CmafTrack, times: &[u64]) -> Bytes {
        let data = Bytes::from_static(&[0, 0, 0, 1, 0x65]);
        let sample = |time: &u64| Sample { time: *time, duration: 3000, keyframe: true, data: data.clone() };
        cmaf_chunk(what, 1, &times.iter().map(sample).collect::<Vec<_>>()).expect("a chunk")
    }

    #[test]
    fn a_header_says_what_there_is_and_chunks_give_their_samples() {
        let what = video();
        let reader = FragmentReader::new(&cmaf_header(&what).expect("a header")).expect("read");
        let [FragmentTrack::Avc { length_size: 4, sets }] = reader.tracks() else { panic!("{:?}", reader.tracks()) };
        assert_eq!(sets.iter().map(|set| set[0]).collect::<Vec<_>>(), [0x67, 0x68]);
        let two = [chunk(&what, &[90_000, 93_000]), chunk(&what, &[96_000])].concat();
        let samples = reader.read(&Bytes::from(two)).expect("samples");
        let times: Vec<_> = samples.iter().map(|sample| (sample.track, sample.dts, sample.pts)).collect();
        let at = |ms: i64| (0, ms * 1_000_000_000 / 90_000, ms * 1_000_000_000 / 90_000);
        assert_eq!(times, [at(90_000), at(93_000), at(96_000)]);
        assert!(samples.iter().all(|sample| sample.data[..] == [0, 0, 0, 1, 0x65]));
        for (codec, kind) in [
            (AudioCodec::Opus, FragmentTrack::Opus),
            (AudioCodec::Aac, FragmentTrack::Aac { config: Bytes::from_static(media::AAC_CONFIG) }),
        ] {
            let header = cmaf_header(&CmafTrack::Audio(codec)).expect("a header");
            assert_eq!(FragmentReader::new(&header).expect("read").tracks(), [kind]);
        }
    }

    #[test]
    fn samples_that_share_bytes_are_refused() {
        let what = video();
        let reader = FragmentReader::new(&cmaf_header(&what).expect("a header")).expect("read");
        let sample = Sample { time: 0, duration: 3000, keyframe: true, data: Bytes::from_static(&[7; 4000]) };
        let whole = cmaf_chunk(&what, 1, &[sample]).expect("a chunk");
        let start = whole.windows(4).position(|name| name == b"moof").expect("a fragment") - 4;
        let mut rest = &whole[start..];
        let mut moof = Moof::decode(&mut rest).expect("a fragment");
        // A run of some twenty bytes could name the same megabytes thousands of times.
        let run = moof.traf[0].trun[0].clone();
        moof.traf[0].trun.extend([run.clone(), run]);
        let mut thrice = whole[..start].to_vec();
        moof.encode(&mut thrice).expect("written");
        thrice.extend_from_slice(rest);
        assert_eq!(reader.read(&whole).expect("samples").len(), 1);
        assert!(reader.read(&thrice.into()).is_err());
    }

    fn borne(lasts: std::time::Duration) {
        let what = [video(), CmafTrack::Audio(AudioCodec::Opus), CmafTrack::Audio(AudioCodec::Aac)];
        let headers = what.each_ref().map(|what| cmaf_header(what).expect("a header"));
        let readers = headers.each_ref().map(|header| FragmentReader::new(header).expect("read"));
        let chunks = what.each_ref().map(|what| chunk(what, &[0, 3000, 6000]).to_vec());
        let late = chunk(&what[0], &[u64::MAX]).to_vec();
        let corpus: Vec<_> = headers.iter().map(|header| header.to_vec()).chain(chunks).chain([late]).collect();
        testkit::fuzz::run(&corpus, 43, lasts, |sample, _| {
            let sample = Bytes::copy_from_slice(sample);
            let own = FragmentReader::new(&sample).ok();
            for reader in readers.iter().chain(&own) {
                let Ok(samples) = reader.read(&sample) else { continue };
                let bytes: usize = samples.iter().map(|sample| sample.data.len()).sum();
                assert!(samples.len() <= MOST_SAMPLES && bytes <= sample.len(), "{bytes} of {}", sample.len());
                assert!(samples.iter().all(|sample| sample.track < reader.tracks().len()));
            }
        });
    }

    #[test]
    fn any_bytes_are_borne() {
        borne(testkit::fuzz::QUICK);
    }

    #[test]
    #[ignore = "ten minutes: test:long"]
    fn any_bytes_are_borne_for_long() {
        borne(testkit::fuzz::LONG);
    }
}

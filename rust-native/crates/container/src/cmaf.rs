//! CMAF (ISO/IEC 23000-19): one track per resource, a header and chunks that can be served as soon as they are whole.
//!
//! Where a chunk ends is the caller's business; so is the timeline, which may begin anywhere.

use bytes::{BufMut, Bytes};
use media::Size;
use media::h264::ParameterSets;
use mp4_atom::{Codec, Mfhd, Moof, Moov, Mvex, Trex};

use crate::mp4::{
    AUDIO_ID, FLAGS_DELTA, FLAGS_KEY, Tables, VIDEO_ID, brands, bytes_of, encoded, movie_header, track, track_fragment,
};
use crate::{AudioCodec, AudioLayout, ContainerError, Layout, Sample};

/// What a resource's one track holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CmafTrack {
    /// H.264, in [`VIDEO_RATE`](crate::VIDEO_RATE) ticks.
    Video {
        /// For the decoder, out of band.
        parameter_sets: ParameterSets,
        /// Pixels.
        size: Size,
    },
    /// 48 kHz stereo, in [`AUDIO_RATE`](crate::AUDIO_RATE) ticks.
    Audio(AudioCodec),
}

impl CmafTrack {
    fn id(&self) -> u32 {
        match self {
            Self::Video { .. } => VIDEO_ID,
            Self::Audio(_) => AUDIO_ID,
        }
    }

    /// As a `codecs` parameter names it (RFC 6381 section 3.3; for Opus, the Opus-in-ISOBMFF mapping section 4.3.3).
    pub fn codecs(&self) -> String {
        match self {
            Self::Video { parameter_sets: ParameterSets { sps, .. }, .. } => {
                let byte = |at: usize| sps.get(at).copied().unwrap_or_default();
                format!("avc1.{:02x}{:02x}{:02x}", byte(1), byte(2), byte(3))
            }
            Self::Audio(AudioCodec::Aac) => "mp4a.40.2".to_owned(),
            Self::Audio(AudioCodec::Opus) => "opus".to_owned(),
        }
    }
}

/// `ftyp` and `moov` of a track (section 7.3.1).
///
/// # Errors
/// [`ContainerError::Unwritable`] where a box refuses its contents.
pub fn cmaf_header(what: &CmafTrack) -> Result<Bytes, ContainerError> {
    let layout = match what.clone() {
        CmafTrack::Video { parameter_sets, size } => {
            Layout { parameters: parameter_sets.into(), size, audio: None, inputs: Vec::new() }
        }
        CmafTrack::Audio(codec) => Layout {
            parameters: ParameterSets { sps: Bytes::new(), pps: Bytes::new() }.into(),
            size: Size { width: 0, height: 0 },
            audio: Some(AudioLayout { codec }),
            inputs: Vec::new(),
        },
    };
    let id = what.id();
    let mut track = track(&layout, id, Tables::default())?;
    for codec in &mut track.mdia.minf.stbl.stsd.codecs {
        match codec {
            // A publisher's colours are what its parameter sets say: nothing here knows better.
            Codec::Avc1(avc) => avc.colr = None,
            // Players join in the middle, where there is no priming to leave out.
            Codec::Opus(opus) => opus.dops.pre_skip = 0,
            _ => {}
        }
    }
    let defaults = Trex {
        track_id: id,
        default_sample_description_index: 1,
        default_sample_flags: if id == VIDEO_ID { FLAGS_DELTA } else { FLAGS_KEY },
        ..Default::default()
    };
    let mvex = Mvex { mehd: None, trex: vec![defaults] };
    let moov = Moov { mvhd: movie_header(0, AUDIO_ID), trak: vec![track], mvex: Some(mvex), ..Default::default() };
    let mut head = encoded(&brands(&[b"iso6", b"cmfc", b"mp41"]))?;
    head.extend_from_slice(&encoded(&moov)?);
    Ok(head.freeze())
}

/// One `moof` and its `mdat` (section 7.3.2.3). `sequence` grows from chunk to chunk.
///
/// # Errors
/// [`ContainerError::Unwritable`] for more than 2 GB.
pub fn cmaf_chunk(what: &CmafTrack, sequence: u32, samples: &[Sample]) -> Result<Bytes, ContainerError> {
    let moof = |at: usize| Moof {
        mfhd: Mfhd { sequence_number: sequence },
        traf: vec![track_fragment(what.id(), samples, at)],
    };
    // The offset's value doesn't change the box's size.
    let head = encoded(&moof(0))?.len() + 8;
    let payload = bytes_of(samples);
    i32::try_from(payload + head).map_err(|_| ContainerError::Unwritable("a fragment of more than 2 GB".to_owned()))?;
    let mut out = encoded(&moof(head))?;
    out.reserve(payload + 8);
    out.put_u32(payload as u32 + 8);
    out.put_slice(b"mdat");
    samples.iter().for_each(|sample| out.put_slice(&sample.data));
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The boxes of a level: name and size.
    fn boxes(mut bytes: &[u8]) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        while bytes.len() >= 8 {
            let size = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
            found.push((String::from_utf8_lossy(&bytes[4..8]).into_owned(), size));
            bytes = &bytes[size..];
        }
        assert!(bytes.is_empty());
        found
    }

    #[test]
    fn a_chunk_is_a_moof_and_its_mdat_and_says_when_it_begins() {
        let sample = |time: u64| Sample { time, duration: 960, keyframe: true, data: Bytes::from_static(b"four") };
        let opus = CmafTrack::Audio(AudioCodec::Opus);
        let chunk = cmaf_chunk(&opus, 7, &[sample(1 << 40), sample((1 << 40) + 960)]).unwrap();
        let found = boxes(&chunk);
        assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["moof", "mdat"]);
        assert_eq!(found[1].1, 8 + 8);
        assert!(chunk.windows(8).any(|window| window == (1_u64 << 40).to_be_bytes()));
        assert!(chunk.ends_with(b"fourfour"));
    }

    #[test]
    fn a_header_holds_one_track_and_no_colours() {
        let sps = Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1f, 0xda]);
        let pps = Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80]);
        let size = Size { width: 1280, height: 720 };
        let video = CmafTrack::Video { parameter_sets: ParameterSets { sps, pps }, size };
        assert_eq!(video.codecs(), "avc1.42c01f");
        let head = cmaf_header(&video).unwrap();
        let names: Vec<_> = boxes(&head).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["ftyp", "moov"]);
        let count = |name: &[u8; 4]| head.windows(4).filter(|window| window == name).count();
        assert_eq!((count(b"trak"), count(b"avc1"), count(b"colr"), count(b"mehd")), (1, 1, 0, 0));
    }
}

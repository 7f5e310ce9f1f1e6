//! CMAF tracks that were written one by one, as one file again: for who takes a recording along.
//!
//! Nothing is decoded and no sample is touched. The headers' tracks stand in one header, and chunks follow in the order of
//! time with their clocks begun at zero, as players show what lies before a file's first sample as a pause.

use bytes::{Bytes, BytesMut};
use mp4_atom::{Atom as _, DecodeMaybe as _, Header, Moov, Mvex};

use crate::ContainerError;
use crate::mp4::{brands, encoded, movie_header};

/// One header that holds the tracks of several, each made by [`cmaf_header`](crate::cmaf_header).
///
/// # Errors
/// [`ContainerError::Unreadable`] for what is no such header.
pub fn joined_header(headers: &[Bytes]) -> Result<Bytes, ContainerError> {
    let mut tracks = Vec::new();
    let mut extends = Vec::new();
    for header in headers {
        let moov = moov_of(header)?;
        tracks.extend(moov.trak);
        extends.extend(moov.mvex.into_iter().flat_map(|mvex| mvex.trex));
    }
    let last = tracks.iter().map(|track| track.tkhd.track_id).max().unwrap_or_default();
    let moov = Moov {
        mvhd: movie_header(0, last),
        trak: tracks,
        mvex: Some(Mvex { mehd: None, trex: extends }),
        ..Default::default()
    };
    let mut out = encoded(&brands(&[b"iso6", b"mp41"]))?;
    out.extend_from_slice(&encoded(&moov)?);
    Ok(out.freeze())
}

pub(crate) fn moov_of(header: &Bytes) -> Result<Moov, ContainerError> {
    let unreadable = |error: mp4_atom::Error| ContainerError::Unreadable(error.to_string());
    let mut rest = &header[..];
    while let Some(head) = Header::decode_maybe(&mut rest).map_err(unreadable)? {
        let size = head.size.unwrap_or(rest.len());
        let Some((mut body, after)) = rest.split_at_checked(size) else { break };
        if head.kind == Moov::KIND {
            return Moov::decode_body(&mut body).map_err(unreadable);
        }
        rest = after;
    }
    Err(ContainerError::Unreadable("a header without moov".to_owned()))
}

/// The places of the clocks (`tfdt`) in chunks that follow each other, and how long each is, bytes (ISO/IEC 14496-12
/// section 8.8.12).
fn clocks(chunks: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut levels = vec![(0, chunks.len())];
    while let Some((mut at, end)) = levels.pop() {
        while end.saturating_sub(at) >= 8 {
            let size = u32::from_be_bytes([chunks[at], chunks[at + 1], chunks[at + 2], chunks[at + 3]]) as usize;
            // Chunks of our own have neither larger boxes nor ones that go on to the end.
            if size < 8 || size > end - at {
                break;
            }
            match &chunks[at + 4..at + 8] {
                b"moof" | b"traf" => levels.push((at + 8, at + size)),
                b"tfdt" if size >= 16 => {
                    let wide = chunks[at + 8] == 1;
                    if !wide || size >= 20 {
                        found.push((at + 12, if wide { 8 } else { 4 }));
                    }
                }
                _ => {}
            }
            at += size;
        }
    }
    found.sort_unstable();
    found
}

fn clock(chunks: &[u8], (at, length): (usize, usize)) -> u64 {
    chunks[at..at + length].iter().fold(0, |time, byte| time << 8 | u64::from(*byte))
}

/// When chunks begin, in their track's ticks.
pub fn begins(chunks: &[u8]) -> Option<u64> {
    clocks(chunks).first().map(|place| clock(chunks, *place))
}

/// The same chunks, so many ticks earlier; what would be before zero is at zero.
pub fn earlier(chunks: &Bytes, ticks: u64) -> Bytes {
    let mut out = BytesMut::from(&chunks[..]);
    for (at, length) in clocks(chunks) {
        let time = clock(chunks, (at, length)).saturating_sub(ticks).to_be_bytes();
        out[at..at + length].copy_from_slice(&time[8 - length..]);
    }
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AudioCodec, CmafTrack, Sample, cmaf_chunk, cmaf_header};
    use media::Size;
    use media::h264::ParameterSets;

    #[test]
    fn two_tracks_stand_in_one_header_under_their_own_numbers() {
        let sps = Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1f, 0xda]);
        let pps = Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80]);
        let size = Size { width: 1280, height: 720 };
        let video = cmaf_header(&CmafTrack::Video { parameter_sets: ParameterSets { sps, pps }, size }).unwrap();
        let audio = cmaf_header(&CmafTrack::Audio(AudioCodec::Opus)).unwrap();
        let moov = moov_of(&joined_header(&[video, audio]).unwrap()).unwrap();
        assert_eq!(moov.trak.iter().map(|track| track.tkhd.track_id).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(moov.mvex.unwrap().trex.iter().map(|trex| trex.track_id).collect::<Vec<_>>(), [1, 2]);
        for nonsense in [&b""[..], b"xxxx", &[0, 0, 0, 9, b'm', b'o', b'o', b'v'], &[0xff; 40]] {
            assert!(joined_header(&[Bytes::copy_from_slice(nonsense)]).is_err());
        }
    }

    #[test]
    fn clocks_begin_earlier_and_nothing_else_changes() {
        let opus = CmafTrack::Audio(AudioCodec::Opus);
        // A payload that looks like a clock must stay as it is.
        let data = Bytes::from_static(b"\0\0\0\x14tfdt\x01\0\0\0\0\0\0\0\0\0\0\x63");
        let chunk = |time: u64| {
            let sample = |time: u64| Sample { time, duration: 960, keyframe: true, data: data.clone() };
            cmaf_chunk(&opus, 7, &[sample(time), sample(time + 960)]).unwrap()
        };
        let both = |time: u64| Bytes::from([chunk(time), chunk(time + 1920)].concat());
        for base in [0, 4800, 1 << 40] {
            assert_eq!(begins(&both(base)), Some(base));
            let moved = earlier(&both(base + 9600), base);
            assert_eq!((begins(&moved), moved.len()), (Some(9600), both(base + 9600).len()));
            assert_eq!(moved.windows(data.len()).filter(|window| *window == data).count(), 4);
        }
        assert_eq!(begins(&earlier(&chunk(5), 100)), Some(0));
        for length in 0..chunk(5).len() {
            let cut = chunk(5).slice(..length);
            assert_eq!(earlier(&cut, 1).len(), length);
        }
    }
}

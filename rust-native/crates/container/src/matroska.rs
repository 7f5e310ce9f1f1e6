//! Matroska (RFC 9559): clusters of known size in a segment that is open until the file is closed.
//!
//! The head keeps room for what is known later: a `SeekHead`, the duration and the chapter marks are written over
//! `Void` elements. No crate was found that writes Matroska in pieces that survive a cut: `webm` wraps libwebm in C++
//! and owns the file, `matroska` only reads.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use media::{AAC_CONFIG, VideoCodec};

use crate::mp4::shortened;
use crate::{AUDIO_RATE, AudioCodec, Chapter, ContainerError, Fragment, Layout, Patch, Sample, VIDEO_RATE};

// Element ids (RFC 9559 section 5.1), their length markers included.
const EBML: u32 = 0x1a45_dfa3;
const SEGMENT: u32 = 0x1853_8067;
const SEEK_HEAD: u32 = 0x114d_9b74;
const INFO: u32 = 0x1549_a966;
const TRACKS: u32 = 0x1654_ae6b;
const CLUSTER: u32 = 0x1f43_b675;
const CUES: u32 = 0x1c53_bb6b;
const CHAPTERS: u32 = 0x1043_a770;
const VOID: u32 = 0xec;
const DURATION: u32 = 0x4489;

const VIDEO: u8 = 1;
const AUDIO: u8 = 2;
/// The first input beside the mix. A number fits its one byte up to 126.
const INPUT: u8 = 3;
/// Bytes for `SeekHead`: four entries and their void.
const SEEK_ROOM: usize = 96;
/// Bytes for chapter marks, as in an MP4.
const CHAPTER_ROOM: usize = 8 * 1024;
/// `Duration` as a 64-bit float.
const DURATION_SIZE: usize = 2 + 1 + 8;

/// A file in the making.
#[derive(Debug)]
pub struct Matroska {
    /// Bytes handed out.
    length: u64,
    segment_at: u64,
    seek_at: u64,
    duration_at: u64,
    chapters_at: u64,
    info_at: u64,
    tracks_at: u64,
    /// Ticks of a block's time that the codec's own delay makes up.
    delay: u64,
    cues: Vec<(u64, u64)>,
}

impl Matroska {
    pub(crate) fn new(layout: Layout) -> (Self, Bytes) {
        let mut out = BytesMut::new();
        let document = [
            uint(0x4286, 1),
            uint(0x42f7, 1),
            uint(0x42f2, 4),
            uint(0x42f3, 8),
            text(0x4282, "matroska"),
            uint(0x4287, 4),
            uint(0x4285, 2),
        ];
        out.put(element(EBML, &document.concat()));
        put_id(&mut out, SEGMENT);
        // Of unknown size until the file is closed (section 4.6).
        out.put_u64(0x01ff_ffff_ffff_ffff);
        let segment_at = out.len() as u64;
        let seek_at = segment_at;
        out.put(void(SEEK_ROOM));
        let info_at = out.len() as u64;
        let mut info = BytesMut::new();
        info.put(uint(0x002a_d7b1, 1_000_000));
        info.put(text(0x4d80, "Tidecast"));
        info.put(text(0x5741, "Tidecast"));
        let duration_in_info = info.len();
        info.put(void(DURATION_SIZE));
        let info = element(INFO, &info);
        let duration_at = info_at + (info.len() - DURATION_SIZE) as u64;
        debug_assert!(duration_in_info < info.len());
        out.put(info);
        let tracks_at = out.len() as u64;
        out.put(tracks(&layout));
        let chapters_at = out.len() as u64;
        out.put(void(CHAPTER_ROOM));
        let audio = layout.audio.as_ref();
        let this = Self {
            length: out.len() as u64,
            segment_at,
            seek_at,
            duration_at,
            chapters_at,
            info_at,
            tracks_at,
            delay: audio.map_or(0, |audio| u64::from(audio.codec.delay())),
            cues: Vec::new(),
        };
        (this, out.freeze())
    }

    pub(crate) fn fragment(&mut self, fragment: &Fragment) -> Bytes {
        let mut blocks: Vec<(u64, u8, &Sample)> = Vec::new();
        blocks.extend(fragment.video.iter().map(|sample| (milliseconds(sample.time, VIDEO_RATE), VIDEO, sample)));
        // The decoder's delay is in the block's time.
        blocks.extend(
            fragment.audio.iter().map(|sample| (milliseconds(sample.time + self.delay, AUDIO_RATE), AUDIO, sample)),
        );
        for (track, samples) in (INPUT..).zip(&fragment.inputs) {
            blocks.extend(samples.iter().map(|sample| (milliseconds(sample.time, AUDIO_RATE), track, sample)));
        }
        blocks.sort_by_key(|(at, track, _)| (*at, *track));
        let mut out = BytesMut::new();
        // A block's time is of 16 bits, signed: a gap in the stream may be longer than that.
        let mut rest = blocks.as_slice();
        while let Some((start, ..)) = rest.first() {
            let end = rest.iter().position(|(at, ..)| at - start > 30_000).unwrap_or(rest.len());
            if rest[..end].iter().any(|(_, track, sample)| *track == VIDEO && sample.keyframe) {
                self.cues.push((*start, self.length + out.len() as u64 - self.segment_at));
            }
            out.put(cluster(*start, &rest[..end]));
            rest = &rest[end..];
        }
        self.length += out.len() as u64;
        out.freeze()
    }

    pub(crate) fn chapters(&self, chapters: &[Chapter]) -> Result<Patch, ContainerError> {
        let mut edition = BytesMut::new();
        edition.put(uint(0x45bc, 1));
        for (number, chapter) in (1..).zip(chapters) {
            let display = element(0x80, &[text(0x85, &shortened(&chapter.title)), text(0x437c, "und")].concat());
            let nanos = u64::try_from(chapter.at.as_nanos()).unwrap_or(u64::MAX);
            edition.put(element(0xb6, &[uint(0x73c4, number), uint(0x91, nanos), display].concat()));
        }
        let mut out = BytesMut::new();
        if !chapters.is_empty() {
            out.put(element(CHAPTERS, &element(0x45b9, &edition)));
        }
        if out.len() + 16 > CHAPTER_ROOM {
            return Err(ContainerError::ChaptersFull);
        }
        out.put(void(CHAPTER_ROOM - out.len()));
        Ok(Patch { at: self.chapters_at, bytes: out.freeze() })
    }

    /// `with_cues` is false where there is no room for them: then the file is whole without.
    pub(crate) fn finish(&self, duration: Duration, length: u64, with_cues: bool) -> (Bytes, Vec<Patch>) {
        let mut points = BytesMut::new();
        for (at, place) in self.cues.iter().filter(|(_, place)| self.segment_at + place < length) {
            let position = element(0xb7, &[uint(0xf7, u64::from(VIDEO)), uint(0xf1, *place)].concat());
            points.put(element(0xbb, &[uint(0xb3, *at), position].concat()));
        }
        let cues = if points.is_empty() || !with_cues { Bytes::new() } else { element(CUES, &points) };
        let mut seek = BytesMut::new();
        let places = [(INFO, self.info_at), (TRACKS, self.tracks_at), (CUES, length)];
        for (id, place) in places.into_iter().take(if cues.is_empty() { 2 } else { 3 }) {
            let id = element(0x53ab, &id.to_be_bytes());
            seek.put(element(0x4dbb, &[id, uint(0x53ac, place - self.segment_at)].concat()));
        }
        let mut seek = BytesMut::from(&element(SEEK_HEAD, &seek)[..]);
        seek.put(void(SEEK_ROOM - seek.len()));
        let mut lasting = BytesMut::new();
        put_id(&mut lasting, DURATION);
        lasting.put_u8(0x88);
        lasting.put_f64(duration.as_secs_f64() * 1000.0);
        let size = length + cues.len() as u64 - self.segment_at;
        let size = Bytes::copy_from_slice(&(size | 1 << 56).to_be_bytes());
        let patches = vec![
            Patch { at: self.seek_at, bytes: seek.freeze() },
            Patch { at: self.duration_at, bytes: lasting.freeze() },
            Patch { at: self.segment_at - 8, bytes: size },
        ];
        (cues, patches)
    }
}

fn tracks(layout: &Layout) -> Bytes {
    let size = [uint(0xb0, u64::from(layout.size.width)), uint(0xba, u64::from(layout.size.height)), colour()];
    let video = [
        uint(0xd7, u64::from(VIDEO)),
        uint(0x73c5, u64::from(VIDEO)),
        uint(0x83, 1),
        uint(0x9c, 0),
        text(0x86, codec_id(layout.parameters.codec())),
        element(0x63a2, &layout.parameters.configuration_record()),
        element(0xe0, &size.concat()),
    ];
    let mut entries = vec![element(0xae, &video.concat())];
    if let Some(audio) = &layout.audio {
        entries.push(sound(AUDIO, audio.codec, None));
    }
    for (number, input) in (INPUT..).zip(&layout.inputs) {
        entries.push(sound(number, AudioCodec::Aac, Some(&input.name)));
    }
    element(TRACKS, &entries.concat())
}

/// As the codec mappings name it (Matroska's codec specifications; "AV1 in Matroska").
fn codec_id(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::H264 => "V_MPEG4/ISO/AVC",
        VideoCodec::Hevc => "V_MPEGH/ISO/HEVC",
        VideoCodec::Av1 => "V_AV1",
    }
}

/// The mix, or an input that has a name: players take the mix by themselves.
fn sound(number: u8, codec: AudioCodec, name: Option<&str>) -> Bytes {
    let mut rate = BytesMut::new();
    put_id(&mut rate, 0xb5);
    rate.put_u8(0x88);
    rate.put_f64(f64::from(AUDIO_RATE));
    let form = element(0xe1, &[rate.freeze(), uint(0x9f, 2)].concat());
    let mut track =
        vec![uint(0xd7, u64::from(number)), uint(0x73c5, u64::from(number)), uint(0x83, 2), uint(0x9c, 0), form];
    if let Some(name) = name {
        track.extend([uint(0x88, 0), text(0x536e, &shortened(name))]);
    }
    match codec {
        AudioCodec::Aac => {
            track.push(text(0x86, "A_AAC"));
            track.push(element(0x63a2, AAC_CONFIG));
        }
        AudioCodec::Opus => {
            let delay = u64::from(codec.delay()) * 1_000_000_000 / u64::from(AUDIO_RATE);
            track.push(text(0x86, "A_OPUS"));
            track.push(element(0x63a2, &opus_head(codec.delay() as u16)));
            track.push(uint(0x56aa, delay));
            // 80 ms, as the codec's mapping asks for.
            track.push(uint(0x56bb, 80_000_000));
        }
    }
    element(0xae, &track.concat())
}

/// BT.709 in limited range (ITU-T H.273).
fn colour() -> Bytes {
    element(0x55b0, &[uint(0x55b1, 1), uint(0x55b9, 1), uint(0x55ba, 1), uint(0x55bb, 1)].concat())
}

/// RFC 7845 section 5.1.
fn opus_head(pre_skip: u16) -> Bytes {
    let mut out = BytesMut::new();
    out.put_slice(b"OpusHead\x01\x02");
    out.put_u16_le(pre_skip);
    out.put_u32_le(AUDIO_RATE);
    out.put_slice(&[0, 0, 0]);
    out.freeze()
}

fn cluster(start: u64, blocks: &[(u64, u8, &Sample)]) -> Bytes {
    let mut body = BytesMut::new();
    body.put(uint(0xe7, start));
    for (at, track, sample) in blocks {
        put_id(&mut body, 0xa3);
        put_size(&mut body, sample.data.len() + 4);
        body.put_u8(0x80 | track);
        body.put_i16((at - start) as i16);
        body.put_u8(if sample.keyframe { 0x80 } else { 0 });
        body.put_slice(&sample.data);
    }
    element(CLUSTER, &body)
}

fn milliseconds(ticks: u64, rate: u32) -> u64 {
    (ticks * 1000 + u64::from(rate) / 2) / u64::from(rate)
}

fn put_id(out: &mut BytesMut, id: u32) {
    let skip = id.leading_zeros() as usize / 8;
    out.put_slice(&id.to_be_bytes()[skip..]);
}

/// A size in eight bytes at the most (RFC 8794 section 6.1); the shortest form.
fn put_size(out: &mut BytesMut, size: usize) {
    let size = size as u64;
    // All ones are kept for "unknown".
    let bytes = (1..=8_u32).find(|bytes| size < (1 << (7 * bytes)) - 1).unwrap_or(8);
    let coded = size | 1 << (7 * bytes);
    out.put_slice(&coded.to_be_bytes()[8 - bytes as usize..]);
}

fn element(id: u32, body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(body.len() + 12);
    put_id(&mut out, id);
    put_size(&mut out, body.len());
    out.put_slice(body);
    out.freeze()
}

fn uint(id: u32, value: u64) -> Bytes {
    let skip = (value.leading_zeros() as usize / 8).min(7);
    element(id, &value.to_be_bytes()[skip..])
}

fn text(id: u32, value: &str) -> Bytes {
    element(id, value.as_bytes())
}

/// A void of exactly so many bytes, ten at the least.
fn void(size: usize) -> Bytes {
    let mut out = BytesMut::with_capacity(size);
    put_id(&mut out, VOID);
    if size < 10 + 8 {
        out.put_u8(0x80 | (size - 2) as u8);
        out.put_bytes(0, size - 2);
    } else {
        out.put_u64((size as u64 - 9) | 1 << 56);
        out.put_bytes(0, size - 9);
    }
    out.freeze()
}

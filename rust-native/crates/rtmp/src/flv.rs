//! The bodies of audio and video messages, and a file around them: classic FLV tags (FLV 10.1, annex E.4) for H.264 and AAC, Enhanced RTMP's
//! (v2) for HEVC, AV1 and Opus.

use bytes::{BufMut, Bytes, BytesMut};
use media::h264::{ParameterSets, length_prefixed};
use media::{Parameters, VideoCodec};

use crate::{Messages, Metadata};

/// AVC.
const CODEC_AVC: u8 = 7;
const KEYFRAME: u8 = 1 << 4;
const INTER_FRAME: u8 = 2 << 4;
/// AAC, 44 kHz, 16 bit, stereo: for AAC these are fixed, the truth stands in the configuration (E.4.2.1).
const AAC: u8 = 0xaf;
/// `ExAudioTagHeader` in the format's place (Enhanced RTMP v2).
const EX_HEADER: u8 = 9 << 4;
const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const OPUS: &[u8; 4] = b"Opus";
/// `IsExVideoHeader`.
const EX_VIDEO: u8 = 0x80;

/// As Enhanced RTMP names it.
pub const fn fourcc(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::H264 => "avc1",
        VideoCodec::Hevc => "hvc1",
        VideoCodec::Av1 => "av01",
    }
}

/// What a decoder needs before the first picture: H.264's as every server knows it, the others' in enhanced packets.
pub fn configuration(parameters: &Parameters) -> Bytes {
    match parameters {
        Parameters::H264(sets) => avc_configuration(sets),
        other => joined(&ex_video(KEYFRAME, SEQUENCE_START, other.codec()), &other.configuration_record()),
    }
}

/// One picture, from an access unit; `composition` is its presentation time less its decoding time in milliseconds.
pub fn picture(codec: VideoCodec, access_unit: &Bytes, keyframe: bool, composition: i32) -> Bytes {
    let kind = if keyframe { KEYFRAME } else { INTER_FRAME };
    let sample = codec.sample(access_unit);
    let head = ex_video(kind, CODED_FRAMES, codec);
    match codec {
        VideoCodec::H264 => avc_picture(access_unit, keyframe),
        VideoCodec::Hevc => {
            let [_, time @ ..] = composition.to_be_bytes();
            joined(&[&head[..], &time].concat(), &sample)
        }
        // AV1 shows pictures in the order in which they come: it has no such time.
        VideoCodec::Av1 => joined(&head, &sample),
    }
}

/// `ExVideoTagHeader`.
fn ex_video(frame: u8, kind: u8, codec: VideoCodec) -> [u8; 5] {
    let [a, b, c, d] = [0, 1, 2, 3].map(|at| fourcc(codec).as_bytes()[at]);
    [EX_VIDEO | frame | kind, a, b, c, d]
}

/// What a decoder needs before the first picture.
pub fn avc_configuration(sets: &ParameterSets) -> Bytes {
    let record = sets.configuration_record();
    let mut out = BytesMut::with_capacity(record.len() + 5);
    out.put_slice(&[KEYFRAME | CODEC_AVC, 0, 0, 0, 0]);
    out.put_slice(&record);
    out.freeze()
}

/// One picture, from Annex B; decoding time is presentation time.
pub fn avc_picture(access_unit: &Bytes, keyframe: bool) -> Bytes {
    let units = length_prefixed(access_unit);
    let mut out = BytesMut::with_capacity(units.len() + 5);
    out.put_slice(&[if keyframe { KEYFRAME } else { INTER_FRAME } | CODEC_AVC, 1, 0, 0, 0]);
    out.put_slice(&units);
    out.freeze()
}

/// The `AudioSpecificConfig` (ISO/IEC 14496-3) before the first sound.
pub fn aac_configuration(config: &[u8]) -> Bytes {
    joined(&[AAC, 0], config)
}

/// One raw AAC frame, without ADTS.
pub fn aac_frame(frame: &[u8]) -> Bytes {
    joined(&[AAC, 1], frame)
}

/// Opus' identification header (RFC 7845, section 5.1) in an enhanced packet, for 48 kHz stereo.
pub fn opus_configuration() -> Bytes {
    let mut out = BytesMut::with_capacity(24);
    out.put_u8(EX_HEADER | SEQUENCE_START);
    out.put_slice(OPUS);
    out.put_slice(b"OpusHead");
    out.put_slice(&[1, 2]);
    // 6.5 ms of libopus' look-ahead are to be left out (section 4.2).
    out.put_u16_le(312);
    out.put_u32_le(48_000);
    out.put_slice(&[0, 0, 0]);
    out.freeze()
}

/// One Opus packet in an enhanced packet.
pub fn opus_frame(packet: &[u8]) -> Bytes {
    let mut head = [EX_HEADER | CODED_FRAMES; 5];
    head[1..].copy_from_slice(OPUS);
    joined(&head, packet)
}

/// A stream of messages as an FLV file (FLV 10.1, annex E.2 and E.3), which may be read while it grows.
#[derive(Debug, Default)]
pub struct File(BytesMut);

const SCRIPT_TAG: u8 = 18;
const VIDEO_TAG: u8 = 9;
const AUDIO_TAG: u8 = 8;

impl File {
    /// An empty one: what it holds is said in its head.
    pub fn new(video: bool, audio: bool) -> Self {
        let mut out = BytesMut::with_capacity(4096);
        out.put_slice(b"FLV");
        out.put_slice(&[1, u8::from(audio) << 2 | u8::from(video)]);
        // The head's own length, and that of the tag before the first.
        out.put_slice(&[0, 0, 0, 9, 0, 0, 0, 0]);
        Self(out)
    }

    /// Bytes that have been written and not taken.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What has been written since the last call.
    pub fn take(&mut self) -> Bytes {
        self.0.split().freeze()
    }

    fn tag(&mut self, kind: u8, timestamp: u32, body: &[u8]) {
        let [_, length @ ..] = (body.len() as u32).to_be_bytes();
        let [high, time @ ..] = timestamp.to_be_bytes();
        self.0.reserve(body.len() + 15);
        self.0.put_u8(kind);
        self.0.put_slice(&length);
        self.0.put_slice(&time);
        self.0.put_slice(&[high, 0, 0, 0]);
        self.0.put_slice(body);
        self.0.put_u32(body.len() as u32 + 11);
    }
}

impl Messages for File {
    fn metadata(&mut self, codec: VideoCodec, metadata: &Metadata) {
        self.tag(SCRIPT_TAG, 0, &metadata.script(codec));
    }

    fn video(&mut self, timestamp: u32, body: Bytes) {
        self.tag(VIDEO_TAG, timestamp, &body);
    }

    fn audio(&mut self, timestamp: u32, body: Bytes) {
        self.tag(AUDIO_TAG, timestamp, &body);
    }
}

fn joined(head: &[u8], body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(head.len() + body.len());
    out.put_slice(head);
    out.put_slice(body);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enhanced_pictures_name_their_codec_and_hevcs_carry_a_composition_time() {
        let hevc = Bytes::from_static(&[0, 0, 1, 0x26, 1, 7]);
        let tag = picture(VideoCodec::Hevc, &hevc, true, -1);
        assert_eq!(tag.as_ref(), [&[0x91][..], b"hvc1", &[0xff, 0xff, 0xff, 0, 0, 0, 3, 0x26, 1, 7]].concat());
        let av1 = Bytes::from_static(&[0x12, 0, 0x32, 1, 9]);
        assert_eq!(picture(VideoCodec::Av1, &av1, false, 0).as_ref(), [&[0xa1][..], b"av01", &[0x32, 1, 9]].concat());
        let avc = Bytes::from_static(&[0, 0, 1, 0x65, 7]);
        assert_eq!(picture(VideoCodec::H264, &avc, true, 0), avc_picture(&avc, true), "as every server knows it");
        let header = [0x0a, 0x0e, 0, 0, 0, 0x2d, 0x4c, 0xff, 0xb3, 0xc4, 0xaf, 0x91, 1, 1, 1, 4];
        let parameters = Parameters::find(VideoCodec::Av1, &Bytes::copy_from_slice(&header)).expect("a header");
        assert_eq!(configuration(&parameters)[..6], [&[0x90][..], b"av01", &[0x81]].concat());
    }

    #[test]
    fn a_file_is_tags_between_their_lengths() {
        let mut file = File::new(true, true);
        assert_eq!(file.take().as_ref(), b"FLV\x01\x05\0\0\0\x09\0\0\0\0");
        file.video(0x0102_0304, Bytes::from_static(&[7, 8]));
        assert_eq!(file.take().as_ref(), [9, 0, 0, 2, 2, 3, 4, 1, 0, 0, 0, 7, 8, 0, 0, 0, 13]);
        assert!(file.take().is_empty());
    }

    #[test]
    fn tags_begin_as_the_specification_says() {
        let unit = Bytes::from_static(&[0, 0, 1, 0x65, 7]);
        assert_eq!(avc_picture(&unit, true).as_ref(), [0x17, 1, 0, 0, 0, 0, 0, 0, 2, 0x65, 7]);
        assert_eq!(avc_picture(&unit, false)[0], 0x27);
        assert_eq!(aac_configuration(&[0x11, 0x90]).as_ref(), [0xaf, 0, 0x11, 0x90]);
        assert_eq!(aac_frame(&[1, 2]).as_ref(), [0xaf, 1, 1, 2]);
        assert_eq!(opus_frame(&[9]).as_ref(), [0x91, b'O', b'p', b'u', b's', 9]);
        assert_eq!(opus_configuration()[..5], [0x90, b'O', b'p', b'u', b's']);
    }
}

//! What a publisher's audio and video messages hold: classic FLV tags (FLV 10.1, annex E.4) and Enhanced RTMP (v2).
//!
//! It reads, it judges nothing: what can't be used comes out by its name, so that somebody can say so.

use bytes::{Buf, Bytes};

/// A video message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Video {
    /// `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15).
    Configuration(Bytes),
    /// One access unit of H.264.
    Picture {
        /// As the publisher says.
        keyframe: bool,
        /// Presentation time minus decoding time, which is the message's: milliseconds.
        composition: i32,
        /// NAL units behind their lengths (ISO/IEC 14496-15).
        units: Bytes,
    },
    /// Pictures that are not H.264: the codec's name.
    OtherCodec(String),
    /// Nothing to be shown: metadata, the end, a command, other tracks than the first, or damaged.
    Nothing,
}

/// An audio message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audio {
    /// `AudioSpecificConfig` (ISO/IEC 14496-3).
    AacConfiguration(Bytes),
    /// One raw AAC frame.
    Aac(Bytes),
    /// Opus' identification header (RFC 7845, section 5.1), or nothing.
    OpusConfiguration(Bytes),
    /// One Opus packet.
    Opus(Bytes),
    /// Sound that is neither: the codec's name.
    OtherCodec(String),
    /// Nothing to be heard.
    Nothing,
}

/// `IsExVideoHeader`.
const EX_VIDEO: u8 = 0x80;
const CODEC_AVC: u8 = 7;
const KEYFRAME: u8 = 1;
/// Info or command frame: one byte that means something to a player on demand.
const COMMAND_FRAME: u8 = 5;
const SOUND_AAC: u8 = 10;
/// `ExAudioTagHeader` in the format's place.
const SOUND_EX: u8 = 9;

// `VideoPacketType` and `AudioPacketType`, where they agree.
const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
/// Coded frames without composition time.
const CODED_FRAMES_X: u8 = 3;
const VIDEO_MULTITRACK: u8 = 6;
const AUDIO_MULTITRACK: u8 = 5;
const MOD_EX: u8 = 7;

/// Reads a video message.
pub fn video(body: &Bytes) -> Video {
    read_video(body.clone()).unwrap_or(Video::Nothing)
}

/// Reads an audio message.
pub fn audio(body: &Bytes) -> Audio {
    read_audio(body.clone()).unwrap_or(Audio::Nothing)
}

/// `None` where it is cut off.
fn read_video(mut body: Bytes) -> Option<Video> {
    let first = body.try_get_u8().ok()?;
    let keyframe = first >> 4 & 7 == KEYFRAME;
    let command = first >> 4 & 7 == COMMAND_FRAME;
    if first & EX_VIDEO == 0 {
        return match first & 0xf {
            _ if command => None,
            CODEC_AVC => {
                let kind = body.try_get_u8().ok()?;
                let composition = signed_24(&mut body)?;
                avc(kind, keyframe, composition, body)
            }
            codec => Some(Video::OtherCodec(classic_video(codec).to_owned())),
        };
    }
    let head = enhanced(first & 0xf, VIDEO_MULTITRACK, body)?;
    if command {
        return None;
    }
    let mut body = head.body;
    if &head.fourcc != b"avc1" {
        return Some(Video::OtherCodec(String::from_utf8_lossy(&head.fourcc).into_owned()));
    }
    let composition = if head.kind == CODED_FRAMES { signed_24(&mut body)? } else { 0 };
    let kind = if head.kind == CODED_FRAMES_X { CODED_FRAMES } else { head.kind };
    avc(kind, keyframe, composition, body)
}

fn avc(kind: u8, keyframe: bool, composition: i32, body: Bytes) -> Option<Video> {
    match kind {
        _ if body.is_empty() => None,
        SEQUENCE_START => Some(Video::Configuration(body)),
        CODED_FRAMES => Some(Video::Picture { keyframe, composition, units: body }),
        _ => None,
    }
}

fn read_audio(mut body: Bytes) -> Option<Audio> {
    let first = body.try_get_u8().ok()?;
    match first >> 4 {
        SOUND_AAC => match body.try_get_u8().ok()? {
            _ if body.is_empty() => None,
            SEQUENCE_START => Some(Audio::AacConfiguration(body)),
            CODED_FRAMES => Some(Audio::Aac(body)),
            _ => None,
        },
        SOUND_EX => {
            let head = enhanced(first & 0xf, AUDIO_MULTITRACK, body)?;
            match (&head.fourcc, head.kind) {
                (b"Opus", SEQUENCE_START) => Some(Audio::OpusConfiguration(head.body)),
                _ if head.body.is_empty() => None,
                (b"mp4a", SEQUENCE_START) => Some(Audio::AacConfiguration(head.body)),
                (b"mp4a", CODED_FRAMES) => Some(Audio::Aac(head.body)),
                (b"Opus", CODED_FRAMES) => Some(Audio::Opus(head.body)),
                (b"mp4a" | b"Opus", _) => None,
                (fourcc, _) => Some(Audio::OtherCodec(String::from_utf8_lossy(fourcc).into_owned())),
            }
        }
        format => Some(Audio::OtherCodec(classic_audio(format).to_owned())),
    }
}

struct Enhanced {
    kind: u8,
    fourcc: [u8; 4],
    body: Bytes,
}

/// The head of an enhanced message, of its first track if it has several.
fn enhanced(mut kind: u8, multitrack: u8, mut body: Bytes) -> Option<Enhanced> {
    while kind == MOD_EX {
        // Modifiers stand in front of the head proper; those that are known (a nanosecond offset) change nothing here.
        let mut size = usize::from(body.try_get_u8().ok()?) + 1;
        if size == 256 {
            size = usize::from(body.try_get_u16().ok()?) + 1;
        }
        if size > body.len() {
            return None;
        }
        body.advance(size);
        kind = body.try_get_u8().ok()? & 0xf;
    }
    if kind != multitrack {
        return Some(Enhanced { kind, fourcc: take_fourcc(&mut body)?, body });
    }
    let head = body.try_get_u8().ok()?;
    let (tracks, kind) = (head >> 4, head & 0xf);
    let fourcc = match tracks {
        // One track, many of one codec: the codec stands in front of all.
        0 | 1 => Some(take_fourcc(&mut body)?),
        2 => None,
        _ => return None,
    };
    loop {
        let fourcc = if let Some(fourcc) = fourcc { fourcc } else { take_fourcc(&mut body)? };
        let track = body.try_get_u8().ok()?;
        let size = if tracks == 0 { body.len() } else { body.try_get_uint(3).ok()? as usize };
        if size > body.len() {
            return None;
        }
        let content = body.split_to(size);
        if track == 0 {
            return Some(Enhanced { kind, fourcc, body: content });
        }
        if body.is_empty() {
            return None;
        }
    }
}

fn take_fourcc(body: &mut Bytes) -> Option<[u8; 4]> {
    let mut fourcc = [0; 4];
    body.try_copy_to_slice(&mut fourcc).ok()?;
    Some(fourcc)
}

fn signed_24(body: &mut Bytes) -> Option<i32> {
    let value = body.try_get_uint(3).ok()? as i32;
    Some(value << 8 >> 8)
}

fn classic_video(codec: u8) -> &'static str {
    match codec {
        2 => "Sorenson H.263",
        3 | 6 => "Screen Video",
        4 | 5 => "VP6",
        // Never standardised, but sent by some.
        12 => "HEVC",
        _ => "an unknown video codec",
    }
}

fn classic_audio(format: u8) -> &'static str {
    match format {
        0 | 3 => "PCM",
        1 => "ADPCM",
        2 | 14 => "MP3",
        4..=6 => "Nellymoser",
        7 | 8 => "G.711",
        11 => "Speex",
        _ => "an unknown audio codec",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flv;

    fn bytes(parts: &[&[u8]]) -> Bytes {
        parts.concat().into()
    }

    #[test]
    fn what_our_client_writes_is_read() {
        let unit = Bytes::from_static(&[0, 0, 1, 0x65, 7]);
        let units = Bytes::from_static(&[0, 0, 0, 2, 0x65, 7]);
        assert_eq!(video(&flv::avc_picture(&unit, true)), Video::Picture { keyframe: true, composition: 0, units });
        assert_eq!(audio(&flv::aac_configuration(&[0x11, 0x90])), Audio::AacConfiguration(bytes(&[&[0x11, 0x90]])));
        assert_eq!(audio(&flv::aac_frame(&[1, 2])), Audio::Aac(bytes(&[&[1, 2]])));
        assert_eq!(audio(&flv::opus_frame(&[9])), Audio::Opus(bytes(&[&[9]])));
        assert!(matches!(audio(&flv::opus_configuration()), Audio::OpusConfiguration(head) if head.len() == 19));
    }

    #[test]
    fn composition_times_may_be_negative() {
        let composition = |bytes: &'static [u8]| match video(&Bytes::from_static(bytes)) {
            Video::Picture { composition, .. } => composition,
            other => panic!("{other:?}"),
        };
        assert_eq!(composition(&[0x27, 1, 0, 0, 66, 1]), 66);
        assert_eq!(composition(&[0x27, 1, 0xff, 0xff, 0xff, 1]), -1);
        assert_eq!(composition(&[0xa1, b'a', b'v', b'c', b'1', 0, 1, 0, 1]), 256);
        assert_eq!(composition(&[0xa3, b'a', b'v', b'c', b'1', 9, 9, 9]), 0, "without one");
    }

    #[test]
    fn of_several_tracks_the_first_is_read() {
        let one = bytes(&[&[0x96, 0x03], b"avc1", &[0, 1, 2]]);
        let many = bytes(&[&[0x96, 0x13], b"avc1", &[1, 0, 0, 1, 9], &[0, 0, 0, 2, 1, 2]]);
        let codecs = bytes(&[&[0x96, 0x23], b"hvc1", &[1, 0, 0, 1, 9], b"avc1", &[0, 0, 0, 2, 1, 2]]);
        for message in [one, many, codecs] {
            let units = Bytes::from_static(&[1, 2]);
            assert_eq!(video(&message), Video::Picture { keyframe: true, composition: 0, units }, "{message:?}");
        }
        assert_eq!(audio(&bytes(&[&[0x95, 0x01], b"Opus", &[0, 7]])), Audio::Opus(bytes(&[&[7]])));
        assert_eq!(audio(&bytes(&[&[0x95, 0x01], b"Opus", &[3, 7]])), Audio::Nothing);
    }

    #[test]
    fn modifiers_in_front_are_passed_over() {
        let message = bytes(&[&[0x97, 2, 0, 0, 9, 0x03], b"avc1", &[5]]);
        let units = Bytes::from_static(&[5]);
        assert_eq!(video(&message), Video::Picture { keyframe: true, composition: 0, units });
    }

    #[test]
    fn other_codecs_are_named_and_what_is_cut_off_is_nothing() {
        assert_eq!(video(&bytes(&[&[0x90], b"hvc1", &[1]])), Video::OtherCodec("hvc1".into()));
        assert_eq!(video(&bytes(&[&[0x12, 0, 0]])), Video::OtherCodec("Sorenson H.263".into()));
        assert_eq!(audio(&bytes(&[&[0x2f, 0, 0]])), Audio::OtherCodec("MP3".into()));
        assert_eq!(audio(&bytes(&[&[0x91], b"fLaC", &[1]])), Audio::OtherCodec("fLaC".into()));
        for whole in [&[0x17, 1, 0, 0, 0, 1][..], &[0x96, 0x13, b'a', b'v', b'c', b'1', 0, 0, 0, 1, 9]] {
            for length in 0..whole.len() {
                assert_eq!(video(&bytes(&[&whole[..length]])), Video::Nothing, "{length}");
            }
        }
        assert_eq!(video(&bytes(&[&[0x57, 0]])), Video::Nothing, "a command frame");
    }
}

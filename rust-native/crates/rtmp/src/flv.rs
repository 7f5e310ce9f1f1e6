//! The bodies of audio and video messages: classic FLV tags (FLV 10.1, annex E.4) and Enhanced RTMP's audio (v2).

use bytes::{BufMut, Bytes, BytesMut};
use media::h264::{ParameterSets, length_prefixed};

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

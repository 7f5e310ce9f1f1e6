//! What a player is told of a stream before it, over RTMP and at the head of an FLV file alike (FLV 10.1, annex E.5).

use bytes::Bytes;
use media::VideoCodec;

use crate::amf0::Value;
use crate::flv;

/// What a player is told of the stream before it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Metadata {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Pictures per second.
    pub fps: u32,
    /// kbit/s.
    pub video_kbps: u32,
    /// kbit/s; 0 for a stream without sound.
    pub audio_kbps: u32,
}

impl Metadata {
    /// The body of a script tag, or of a data message to a player.
    pub fn script(&self, codec: VideoCodec) -> Bytes {
        Value::write_all(&[Value::text("onMetaData"), self.members(codec)])
    }

    /// The body of a publisher's data message.
    pub(crate) fn set_data_frame(&self, codec: VideoCodec) -> Bytes {
        Value::write_all(&[Value::text("@setDataFrame"), Value::text("onMetaData"), self.members(codec)])
    }

    fn members(&self, codec: VideoCodec) -> Value {
        let number = |name: &str, value: u32| (name.to_owned(), Value::Number(f64::from(value)));
        let mut members = vec![
            number("width", self.width),
            number("height", self.height),
            number("framerate", self.fps),
            number("videodatarate", self.video_kbps),
            number("videocodecid", codec_number(codec)),
        ];
        if self.audio_kbps > 0 {
            members.push(number("audiodatarate", self.audio_kbps));
            members.push(number("audiosamplerate", 48_000));
            members.push(number("audiosamplesize", 16));
            members.push(("stereo".into(), Value::Boolean(true)));
            members.push(number("audiocodecid", 10));
        }
        members.push(("encoder".into(), Value::text("Tidecast")));
        Value::Object(members)
    }
}

/// `videocodecid`: the classic number, or the codec's four characters as one (Enhanced RTMP v2, "Metadata Frame").
fn codec_number(codec: VideoCodec) -> u32 {
    match codec {
        VideoCodec::H264 => 7,
        other => flv::fourcc(other).bytes().fold(0, |number, byte| number << 8 | u32::from(byte)),
    }
}

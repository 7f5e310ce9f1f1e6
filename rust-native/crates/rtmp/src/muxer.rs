//! Access units → the messages of a stream: to a server, to a player, or into an FLV file. Pure.

use bytes::Bytes;
use media::{AAC_CONFIG, AccessUnit, MediaTime, Parameters, Track, VideoCodec};

use crate::{Metadata, flv};

/// Where messages go: a connection's other side, or a file.
pub trait Messages {
    /// What players are told of what follows.
    fn metadata(&mut self, codec: VideoCodec, metadata: &Metadata);
    /// One video message, a body of [`crate::flv`]; `timestamp` in milliseconds, wraps.
    fn video(&mut self, timestamp: u32, body: Bytes);
    /// One audio message, the same.
    fn audio(&mut self, timestamp: u32, body: Bytes);
}

/// One stream's way into messages.
#[derive(Debug)]
pub struct Muxer {
    metadata: Metadata,
    opus: bool,
    /// The first picture's time, which is the stream's zero.
    zero: Option<MediaTime>,
    /// Sound waits for the first picture.
    pictures: bool,
    parameters: Option<Parameters>,
    sound_told: bool,
}

impl Muxer {
    /// `metadata` lacks the size, which the pictures tell; `opus` says how the sound is coded (else AAC).
    pub fn new(metadata: Metadata, opus: bool) -> Self {
        Self { metadata, opus, zero: None, pictures: true, parameters: None, sound_told: false }
    }

    /// For a stream of sound alone.
    #[must_use]
    pub fn without_pictures(self) -> Self {
        Self { pictures: false, ..self }
    }

    /// Takes one unit.
    pub fn write(&mut self, unit: &AccessUnit, to: &mut impl Messages) {
        match unit.track {
            Track::Video => self.picture(VideoCodec::H264, unit, to),
            Track::Hevc => self.picture(VideoCodec::Hevc, unit, to),
            Track::Av1 => self.picture(VideoCodec::Av1, unit, to),
            Track::Audio | Track::Aac => self.sound(unit, to),
            // For recordings alone.
            Track::Input(_) => {}
        }
    }

    fn picture(&mut self, codec: VideoCodec, unit: &AccessUnit, to: &mut impl Messages) {
        let zero = *self.zero.get_or_insert(unit.dts);
        let at = milliseconds(unit.dts, zero);
        if unit.keyframe
            && let Some(parameters) = Parameters::find(codec, &unit.payload)
            && self.parameters.as_ref() != Some(&parameters)
        {
            if let Some(size) = parameters.size() {
                (self.metadata.width, self.metadata.height) = (size.width, size.height);
            }
            to.metadata(codec, &self.metadata);
            to.video(at, flv::configuration(&parameters));
            self.parameters = Some(parameters);
        }
        if self.parameters.is_some() {
            let composition = unit.pts.since(unit.dts).as_millis() as i32;
            to.video(at, flv::picture(codec, &unit.payload, unit.keyframe, composition));
        }
    }

    fn sound(&mut self, unit: &AccessUnit, to: &mut impl Messages) {
        if !self.pictures {
            self.zero.get_or_insert(unit.pts);
        }
        // Sound before the first picture has no place on the stream's clock.
        let Some(zero) = self.zero.filter(|zero| unit.pts >= *zero) else { return };
        let at = milliseconds(unit.pts, zero);
        if !std::mem::replace(&mut self.sound_told, true) {
            to.audio(at, if self.opus { flv::opus_configuration() } else { flv::aac_configuration(AAC_CONFIG) });
        }
        to.audio(at, if self.opus { flv::opus_frame(&unit.payload) } else { flv::aac_frame(&unit.payload) });
    }
}

/// RTMP's clock wraps after 49 days, as it is meant to (RTMP 1.0, section 4).
fn milliseconds(at: MediaTime, zero: MediaTime) -> u32 {
    at.since(zero).as_millis() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Taken(Vec<(&'static str, u32, Bytes)>);

    impl Messages for Taken {
        fn metadata(&mut self, codec: VideoCodec, metadata: &Metadata) {
            self.0.push(("metadata", 0, metadata.script(codec)));
        }
        fn video(&mut self, timestamp: u32, body: Bytes) {
            self.0.push(("video", timestamp, body));
        }
        fn audio(&mut self, timestamp: u32, body: Bytes) {
            self.0.push(("audio", timestamp, body));
        }
    }

    fn unit(track: Track, keyframe: bool, ms: u64, payload: &'static [u8]) -> AccessUnit {
        let at = MediaTime::from_nanos(ms * 1_000_000);
        AccessUnit { track, pts: at, dts: at, keyframe, captured_at: at, payload: Bytes::from_static(payload) }
    }

    const KEYFRAME: &[u8] = &[0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x8c, 0, 0, 1, 0x68, 0xce, 0, 0, 1, 0x65, 1];

    fn kinds(taken: &Taken) -> Vec<(&'static str, u32)> {
        taken.0.iter().map(|(kind, at, _)| (*kind, *at)).collect()
    }

    #[test]
    fn the_first_picture_is_the_streams_zero_and_sound_before_it_is_left_out() {
        let (mut muxer, mut taken) = (Muxer::new(Metadata::default(), false), Taken::default());
        muxer.write(&unit(Track::Aac, true, 990, &[1]), &mut taken);
        assert!(taken.0.is_empty());
        muxer.write(&unit(Track::Video, true, 1000, KEYFRAME), &mut taken);
        assert_eq!(kinds(&taken), [("metadata", 0), ("video", 0), ("video", 0)]);
        muxer.write(&unit(Track::Video, true, 3000, KEYFRAME), &mut taken);
        assert_eq!(kinds(&taken)[3..], [("video", 2000)], "parameter sets and metadata are told once");
        muxer.write(&unit(Track::Aac, true, 3010, &[1]), &mut taken);
        assert_eq!(kinds(&taken)[4..], [("audio", 2010), ("audio", 2010)]);
        assert_eq!(taken.0[4].2[..2], [0xaf, 0], "a configuration before the first frame");
    }

    #[test]
    fn sound_without_pictures_begins_by_itself() {
        let (mut muxer, mut taken) = (Muxer::new(Metadata::default(), false).without_pictures(), Taken::default());
        muxer.write(&unit(Track::Aac, true, 990, &[1]), &mut taken);
        muxer.write(&unit(Track::Aac, true, 1011, &[2]), &mut taken);
        assert_eq!(kinds(&taken), [("audio", 0), ("audio", 0), ("audio", 21)]);
    }
}

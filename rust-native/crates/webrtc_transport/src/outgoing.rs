//! Access units → RTP packets of one peer: its own SSRCs, payload types, sequence numbers and header extensions.
//!
//! Each picture carries the wall-clock time of its capture, a 64-bit NTP time stamp in the short form of
//! <http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time>: through any number of servers that pass it on, a
//! receiver whose clock is set can tell how old the picture is.

use bytes::Bytes;
use media::{AccessUnit, Track};
use rtc::rtp;

use crate::h264;
use crate::interceptor::Sources;
use crate::layers::MOST_LAYERS;
use crate::timing::StreamClock;

/// What the answer settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Negotiated {
    /// Payload type of H.264.
    pub(crate) video: u8,
    /// Payload type of Opus; `None` where the other side wants no sound.
    pub(crate) audio: Option<u8>,
    /// Id of the playout-delay extension on the video track.
    pub(crate) playout_delay: Option<u8>,
    /// Id of the absolute-capture-time extension on the video track.
    pub(crate) capture_time: Option<u8>,
    /// The encodings of the picture that the other side takes.
    pub(crate) layers: [bool; MOST_LAYERS],
}

/// "Show it as soon as it is there": minimum and maximum 0, 12 bits each
/// (<http://www.webrtc.org/experiments/rtp-hdrext/playout-delay>).
const NO_DELAY: Bytes = Bytes::from_static(&[0, 0, 0]);

/// Numbers and stamps the packets of one peer.
#[derive(Debug)]
pub(crate) struct Outgoing {
    negotiated: Negotiated,
    sources: Sources,
    clock: StreamClock,
    video_sequences: [u16; MOST_LAYERS],
    audio_sequence: u16,
    has_shown: [bool; MOST_LAYERS],
}

impl Outgoing {
    pub(crate) fn new(negotiated: Negotiated, sources: Sources, clock: StreamClock) -> Self {
        // Random starts (RFC 3550, section 5.1), below the half so that no receiver meets a wrap in its first
        // packets, where some take a number for an old one.
        let start = || rand::random::<u16>() >> 1;
        let video_sequences = [start(), start(), start()];
        Self { negotiated, sources, clock, video_sequences, audio_sequence: start(), has_shown: [false; MOST_LAYERS] }
    }

    /// The packets of one unit of that encoding, in order; none for sound that the other side refused.
    pub(crate) fn packets(&mut self, unit: &AccessUnit, layer: usize) -> Vec<rtp::Packet> {
        match unit.track {
            Track::Video => self.video(unit, layer),
            Track::Audio => self.audio(unit).into_iter().collect(),
            Track::Aac | Track::Input(_) | Track::Hevc | Track::Av1 => Vec::new(),
        }
    }

    /// Whether there was a picture of that encoding: what comes before the first is not missed.
    pub(crate) fn has_shown(&self, layer: usize) -> bool {
        self.has_shown[layer]
    }

    /// The number that the newest packet of that encoding has.
    pub(crate) fn last_video_sequence(&self, layer: usize) -> u16 {
        self.video_sequences[layer].wrapping_sub(1)
    }

    fn video(&mut self, unit: &AccessUnit, layer: usize) -> Vec<rtp::Packet> {
        self.has_shown[layer] = true;
        let payloads = h264::packetize(&unit.payload, h264::MAX_PAYLOAD);
        let timestamp = self.clock.rtp(Track::Video, unit.pts);
        let last = payloads.len().saturating_sub(1);
        let mut packets = Vec::with_capacity(payloads.len());
        for (n, payload) in payloads.into_iter().enumerate() {
            let mut header = rtp::Header {
                version: 2,
                marker: n == last,
                payload_type: self.negotiated.video,
                sequence_number: self.video_sequences[layer],
                timestamp,
                ssrc: self.sources.layers[layer].media,
                ..Default::default()
            };
            if let Some(id) = self.negotiated.playout_delay
                && let Err(error) = header.set_extension(id, NO_DELAY)
            {
                tracing::warn!(%error, "no playout-delay extension");
                self.negotiated.playout_delay = None;
            }
            // Once for each picture: its packets share the time.
            if let Some(id) = self.negotiated.capture_time.filter(|_| n == 0)
                && let Err(error) =
                    header.set_extension(id, Bytes::copy_from_slice(&self.clock.ntp(unit.pts).to_be_bytes()))
            {
                tracing::warn!(%error, "no capture-time extension");
                self.negotiated.capture_time = None;
            }
            self.video_sequences[layer] = self.video_sequences[layer].wrapping_add(1);
            packets.push(rtp::Packet { header, payload });
        }
        packets
    }

    fn audio(&mut self, unit: &AccessUnit) -> Option<rtp::Packet> {
        let header = rtp::Header {
            version: 2,
            // Marks the start of a talkspurt (RFC 3551, section 4.1); without silence suppression it is never set.
            marker: false,
            payload_type: self.negotiated.audio?,
            sequence_number: self.audio_sequence,
            timestamp: self.clock.rtp(Track::Audio, unit.pts),
            ssrc: self.sources.audio,
            ..Default::default()
        };
        self.audio_sequence = self.audio_sequence.wrapping_add(1);
        Some(rtp::Packet { header, payload: unit.payload.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interceptor::Flow;
    use media::MediaTime;
    use std::time::{Duration, UNIX_EPOCH};

    fn unit(track: Track, millis: u64, payload: &[u8]) -> AccessUnit {
        let at = MediaTime::ZERO + Duration::from_millis(millis);
        AccessUnit {
            track,
            pts: at,
            dts: at,
            keyframe: true,
            captured_at: at,
            payload: Bytes::copy_from_slice(payload),
        }
    }

    fn outgoing(audio: Option<u8>) -> Outgoing {
        let clock = StreamClock::new(MediaTime::ZERO, UNIX_EPOCH, 100, 200);
        let layers = [true; MOST_LAYERS];
        let negotiated = Negotiated { video: 96, audio, playout_delay: Some(3), capture_time: Some(4), layers };
        let flow = |media| Flow { media, repair: media + 1 };
        Outgoing::new(negotiated, Sources { layers: [flow(1), flow(3), flow(5)], audio: 7 }, clock)
    }

    #[test]
    fn only_the_last_packet_of_a_picture_is_marked_and_all_share_its_time() {
        let mut outgoing = outgoing(Some(111));
        let mut picture = vec![0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x65];
        picture.resize(4000, 7);
        let packets = outgoing.packets(&unit(Track::Video, 1000, &picture), 0);
        assert_eq!(packets.len(), 5);
        assert!(packets.iter().all(|packet| packet.header.timestamp == 90_100));
        assert!(packets.iter().all(|packet| packet.header.get_extension(3).as_deref() == Some(&[0, 0, 0])));
        let marked: Vec<bool> = packets.iter().map(|packet| packet.header.marker).collect();
        assert_eq!(marked, [false, false, false, false, true]);
        let told: Vec<bool> = packets.iter().map(|packet| packet.header.get_extension(4).is_some()).collect();
        assert_eq!(told, [true, false, false, false, false], "the capture's time, once for each picture");
        let ntp =
            u64::from_be_bytes(packets[0].header.get_extension(4).expect("told")[..].try_into().expect("64 bits"));
        assert_eq!(ntp >> 32, 2_208_988_801, "one second after the Unix epoch, since 1900");
        let lower = outgoing.packets(&unit(Track::Video, 1000, &picture), 1);
        assert!(lower.iter().all(|packet| packet.header.ssrc == 3 && packet.header.timestamp == 90_100));
        let next = outgoing.packets(&unit(Track::Video, 1016, &[0, 0, 1, 0x41, 1]), 0);
        assert_eq!(next[0].header.sequence_number, packets[4].header.sequence_number + 1);
        assert_eq!(outgoing.last_video_sequence(0), next[0].header.sequence_number);
    }

    #[test]
    fn sound_is_sent_only_where_it_is_wanted() {
        let packets = outgoing(Some(111)).packets(&unit(Track::Audio, 20, &[1, 2]), 0);
        assert_eq!((packets[0].header.timestamp, packets[0].header.payload_type), (200 + 960, 111));
        assert!(outgoing(None).packets(&unit(Track::Audio, 20, &[1, 2]), 0).is_empty());
    }
}

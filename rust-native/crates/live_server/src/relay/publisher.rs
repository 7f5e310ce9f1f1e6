//! One publisher: its session, and its packets on the stream's time line.

use std::time::Duration;

use str0m::media::{KeyframeRequestKind, Mid, Pt, Rid};
use str0m::rtp::{ExtensionValues, RtpPacket};

use super::clock::SourceClock;
use super::connection::Connection;
use super::negotiate::Section;
use super::packet::Track;

pub(super) struct Publisher {
    pub(super) connection: Connection,
    pub(super) video: Option<Section>,
    pub(super) audio: Option<Section>,
    /// The picture's encodings, the favourite first; empty for one that has no name.
    pub(super) encodings: Vec<Rid>,
    pub(super) clock: SourceClock,
    pub(super) round_trip: Option<Duration>,
    pub(super) loss: Option<f32>,
}

impl Publisher {
    pub(super) fn new(
        connection: Connection,
        video: Option<Section>,
        audio: Option<Section>,
        encodings: Vec<Rid>,
    ) -> Self {
        let clock = SourceClock::new(video.is_some(), audio.is_some());
        Self { connection, video, audio, encodings, clock, round_trip: None, loss: None }
    }

    /// Which track a section is.
    pub(super) fn track_of(&self, mid: Mid) -> Option<Track> {
        let is = |section: &Option<Section>| section.is_some_and(|section| section.mid == mid);
        if is(&self.video) {
            Some(Track::Video)
        } else if is(&self.audio) {
            Some(Track::Audio)
        } else {
            None
        }
    }

    /// Whether a track comes in several encodings.
    pub(super) fn is_one_of_several(&self, track: Track) -> bool {
        track == Track::Video && self.encodings.len() > 1
    }

    /// Which track a packet belongs to, and which encoding of it, where there are several.
    pub(super) fn track_of_packet(&mut self, packet: &RtpPacket) -> Option<(Track, Option<Rid>)> {
        let mut api = self.connection.rtc().direct_api();
        let stream = api.stream_rx(&packet.header.ssrc)?;
        let (mid, rid) = (stream.mid(), stream.rid());
        Some((self.track_of(mid)?, rid))
    }

    /// The H.264 profile-level-id that a payload type was agreed to mean.
    pub(super) fn profile_of(&mut self, payload_type: Pt) -> Option<u32> {
        let params = self.connection.rtc().codec_config().params().iter();
        params.clone().find(|params| params.pt() == payload_type)?.spec().format.profile_level_id
    }

    /// Asks for a keyframe of one encoding, by its own SSRC; `Connection::drive` sends it. Says whether there is a picture
    /// to ask for.
    pub(super) fn request_keyframe(&mut self, encoding: Option<Rid>) -> bool {
        let Some(video) = self.video else { return false };
        let mut api = self.connection.rtc().direct_api();
        let Some(stream) = api.stream_rx_by_mid(video.mid, encoding) else { return false };
        stream.request_keyframe(KeyframeRequestKind::Pli);
        true
    }
}

/// What of a packet's header extensions means something to the viewer; the rest belongs to one hop.
pub(super) fn end_to_end(mut extensions: ExtensionValues) -> ExtensionValues {
    extensions.mid = None;
    extensions.rid = None;
    extensions.rid_repair = None;
    extensions.transport_cc = None;
    extensions.abs_send_time = None;
    extensions.tx_time_offs = None;
    extensions
}

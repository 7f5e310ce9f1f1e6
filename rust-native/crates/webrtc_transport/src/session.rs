//! The peer connection itself: codecs, interceptors, sockets, and what the answer settled.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::{
    CongestionControlBuilder, NackResponderBuilder, PacerBuilder, Registry, Slot, TwccSenderBuilder,
};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX, MediaEngine};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionCapability, RTCRtpHeaderExtensionParameters, RTCRtpRtxParameters, RTCRtpSendParameters,
    RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfiguration, RTCConfigurationBuilder,
    RTCIceServer, SettingEngineBuilder,
};
use webrtc::rtp_transceiver::{RtpSender, RtpTransceiver};

use crate::congestion::{Estimator, Target};
use crate::interceptor::{Reporter, Sources, WIRE_SLOT, WireCounter};
use crate::layers::{RIDS, Tags, accepted};
use crate::network::Places;
use crate::outgoing::Negotiated;
use crate::stats::Counters;
use crate::timing::{AUDIO_RATE, StreamClock, VIDEO_RATE};
use crate::{IceServer, TransportError};

/// Constrained baseline 3.1: what every WebRTC receiver takes (RFC 7742, section 6.2); decoders accept larger
/// pictures than the level says.
const H264_FORMAT: &str = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
const OPUS_FORMAT: &str = "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1";
const VIDEO_TYPE: u8 = 102;
const REPAIR_TYPE: u8 = 103;
const AUDIO_TYPE: u8 = 111;
const CAPTURE_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";
const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// Packets kept for retransmission: two seconds of 8 Mbit/s. A power of two, as the crate wants.
const REPAIR_PACKETS: u16 = 2048;
/// Packets the pacer holds before it refuses one: two large keyframes. The sender skips pictures long before
/// (`sender.rs`), so this only bounds memory.
const PACER_PACKETS: usize = 2048;

/// No packet for this long is a disconnection: WebRTC receivers report each second or more often.
const DISCONNECTED: Duration = Duration::from_secs(5);
/// And this long after it, a failure.
const FAILED: Duration = Duration::from_secs(10);
const KEEPALIVE: Duration = Duration::from_secs(1);
/// Connectivity checks per pair: the crate's 7 (1.4 s) give up before a busy machine's other side has started.
const CHECKS: u16 = 50;
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// Both tracks of one stream: receivers keep tracks of one stream in step.
const STREAM_ID: &str = "tidecast";

/// What a session is made of.
pub(crate) struct Plan {
    pub(crate) places: Places,
    /// Offer TCP candidates too (RFC 6544).
    pub(crate) tcp: bool,
    pub(crate) ice_servers: Vec<IceServer>,
    /// Congestion control with this target; `None` for none.
    pub(crate) target: Option<Target>,
    /// Ask the receiver for no buffering.
    pub(crate) no_playout_delay: bool,
    /// How many encodings of the picture are offered.
    pub(crate) layers: usize,
    pub(crate) sources: Sources,
    pub(crate) clock: StreamClock,
    pub(crate) counters: Arc<Counters>,
}

/// A connection with its two tracks, before any description.
pub(crate) struct Session {
    pub(crate) connection: Arc<dyn PeerConnection>,
    pub(crate) video: Arc<TrackLocalStaticRTP>,
    pub(crate) audio: Arc<TrackLocalStaticRTP>,
    video_transceiver: Arc<dyn RtpTransceiver>,
    video_sender: Arc<dyn RtpSender>,
    audio_sender: Arc<dyn RtpSender>,
    sources: Sources,
    /// How many encodings of the picture are offered.
    layers: usize,
    tags: Arc<OnceLock<Tags>>,
}

impl Session {
    /// Binds the sockets and adds the tracks.
    pub(crate) async fn new(plan: Plan, handler: Arc<dyn PeerConnectionEventHandler>) -> Result<Self, TransportError> {
        let (sources, layers, tags) = (plan.sources, plan.layers.clamp(1, RIDS.len()), Arc::default());
        let mut engine = media_engine(&plan).map_err(setup)?;
        let registry = interceptors(&plan, &mut engine, Arc::clone(&tags));
        let settings = SettingEngineBuilder::new()
            // As Firefox does: who passes the names over can still tell encodings and their repairs apart.
            .with_write_ssrc_attributes_for_simulcast(true)
            // A browser's obfuscated candidates are not needed: its checks reach us, as ours are plain.
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .with_include_loopback_candidate(plan.places.include_loopback())
            // A restart is asked for when the path is gone: the sockets of what is there now take the old ones' place.
            .with_discard_local_candidates_during_ice_restart(true)
            .with_ice_timeouts(Some(DISCONNECTED), Some(FAILED), Some(KEEPALIVE))
            .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(CHECKS))
            // A browser that hides its addresses is only ever seen by its own checks: waiting a second for a better
            // candidate (the crate's default) would add that second to every join and every restart.
            .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
            .build();
        let configuration = configuration(&plan.ice_servers);
        let connection = PeerConnectionBuilder::new()
            .with_configuration(configuration)
            .with_media_engine(engine)
            .with_setting_engine(settings)
            .with_interceptor_registry(registry)
            .with_handler(handler)
            .with_udp_addrs(vec![plan.places])
            .with_tcp_addrs(if plan.tcp { vec![plan.places] } else { Vec::new() })
            .build()
            .await
            .map_err(setup)?;
        let connection: Arc<dyn PeerConnection> = Arc::new(connection);
        let video = track(RtpCodecKind::Video, pictures(sources, layers));
        let audio = track(RtpCodecKind::Audio, vec![encoding(opus(), "", sources.audio, None)]);
        let (video_transceiver, video_sender) = add(&*connection, &video).await?;
        let (_, audio_sender) = add(&*connection, &audio).await?;
        Ok(Self { connection, video, audio, video_transceiver, video_sender, audio_sender, sources, layers, tags })
    }

    /// The addresses that the connection uses, as ICE's chosen pair tells them: this machine's is among them, beside
    /// what a NAT makes of it.
    pub(crate) async fn path(&self) -> Vec<IpAddr> {
        let Ok(Some(transport)) = self.video_sender.transport().await else { return Vec::new() };
        let Ok(Some(pair)) = transport.ice_transport().get_selected_candidate_pair().await else { return Vec::new() };
        let local = pair.local();
        [&local.address, &local.related_address].into_iter().filter_map(|address| address.parse().ok()).collect()
    }

    /// Reads what the answer (SDP) settled; call after the remote description was set.
    pub(crate) async fn negotiated(&self, answer_sdp: &str) -> Result<Negotiated, TransportError> {
        let answer = |error: rtc::shared::error::Error| TransportError::Answer(error.to_string());
        let video = self.video_sender.get_parameters().await.map_err(answer)?;
        let audio = self.audio_sender.get_parameters().await.map_err(answer)?;
        let id = |uri: &str| {
            let named = |extension: &&RTCRtpHeaderExtensionParameters| extension.uri == uri;
            video.rtp_parameters.header_extensions.iter().find(named).and_then(|found| u8::try_from(found.id).ok())
        };
        let mut layers = accepted(answer_sdp, self.layers);
        if let (true, Some(rid)) = (layers != accepted("", 1), id(RID)) {
            let mid = self.video_transceiver.mid().await.map_err(answer)?;
            let mid = id(MID).zip(mid).map(|(id, mid)| (id, mid.into_bytes().into()));
            let _ = self.tags.set(Tags { sources: self.sources, mid, rid, repaired: id(REPAIRED_RID) });
        } else {
            // Without names nobody could tell them apart.
            layers = accepted("", 1);
        }
        Ok(Negotiated {
            layers,
            video: payload_type(&video, MIME_TYPE_H264).ok_or(TransportError::VideoRefused)?,
            audio: payload_type(&audio, MIME_TYPE_OPUS),
            playout_delay: id(PLAYOUT_DELAY),
            capture_time: id(CAPTURE_TIME),
        })
    }
}

fn setup(error: rtc::shared::error::Error) -> TransportError {
    TransportError::Setup(error.to_string())
}

fn payload_type(parameters: &RTCRtpSendParameters, mime_type: &str) -> Option<u8> {
    let codecs = &parameters.rtp_parameters.codecs;
    codecs
        .iter()
        .find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(mime_type))
        .map(|codec| codec.payload_type)
}

async fn add(
    connection: &dyn PeerConnection,
    track: &Arc<TrackLocalStaticRTP>,
) -> Result<(Arc<dyn RtpTransceiver>, Arc<dyn RtpSender>), TransportError> {
    let init = RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Sendonly, ..Default::default() };
    let track = Arc::clone(track) as Arc<dyn TrackLocal>;
    let transceiver = connection.add_transceiver_from_track(track, Some(init)).await.map_err(setup)?;
    let sender = transceiver.sender().await.map_err(setup)?;
    let sender = sender.ok_or_else(|| TransportError::Setup("the track has no sender".into()))?;
    Ok((transceiver, sender))
}

fn track(kind: RtpCodecKind, encodings: Vec<RTCRtpEncodingParameters>) -> Arc<TrackLocalStaticRTP> {
    let id = format!("{STREAM_ID}-{kind}");
    Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(STREAM_ID.into(), id.clone(), id, kind, encodings)))
}

fn encoding(codec: RTCRtpCodec, rid: &str, ssrc: u32, repair: Option<u32>) -> RTCRtpEncodingParameters {
    let rtx = repair.map(|ssrc| RTCRtpRtxParameters { ssrc });
    let coding = RTCRtpCodingParameters { rid: rid.into(), ssrc: Some(ssrc), rtx, ..Default::default() };
    RTCRtpEncodingParameters { rtp_coding_parameters: coding, active: true, codec, ..Default::default() }
}

/// So many encodings of the picture; one alone has no name.
fn pictures(sources: Sources, layers: usize) -> Vec<RTCRtpEncodingParameters> {
    let named = |rid: &'static str| if layers > 1 { rid } else { "" };
    let each = RIDS.iter().zip(sources.layers).take(layers);
    each.map(|(rid, flow)| encoding(h264(), named(rid), flow.media, Some(flow.repair))).collect()
}

fn feedback(typ: &str, parameter: &str) -> RTCPFeedback {
    RTCPFeedback { typ: typ.into(), parameter: parameter.into() }
}

fn h264() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_H264.into(),
        clock_rate: VIDEO_RATE,
        channels: 0,
        sdp_fmtp_line: H264_FORMAT.into(),
        rtcp_feedback: vec![feedback("nack", ""), feedback("nack", "pli"), feedback("ccm", "fir")],
    }
}

fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.into(),
        clock_rate: AUDIO_RATE,
        channels: 2,
        sdp_fmtp_line: OPUS_FORMAT.into(),
        rtcp_feedback: vec![],
    }
}

/// Exactly what we send: with the crate's default codecs the repair flow binds to another codec's payload type
/// and every repair is thrown away.
fn media_engine(plan: &Plan) -> rtc::shared::error::Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    let rtx = RTCRtpCodec {
        mime_type: MIME_TYPE_RTX.into(),
        clock_rate: VIDEO_RATE,
        channels: 0,
        sdp_fmtp_line: format!("apt={VIDEO_TYPE}"),
        rtcp_feedback: vec![],
    };
    let codec = |rtp_codec, payload_type| RTCRtpCodecParameters { rtp_codec, payload_type };
    engine.register_codec(codec(h264(), VIDEO_TYPE), RtpCodecKind::Video)?;
    engine.register_codec(codec(rtx, REPAIR_TYPE), RtpCodecKind::Video)?;
    engine.register_codec(codec(opus(), AUDIO_TYPE), RtpCodecKind::Audio)?;
    let mut extension = |uri: &str, kind| {
        engine.register_header_extension(RTCRtpHeaderExtensionCapability { uri: uri.into() }, kind, None)
    };
    if plan.target.is_some() {
        extension(TRANSPORT_CC, RtpCodecKind::Video)?;
        extension(TRANSPORT_CC, RtpCodecKind::Audio)?;
    }
    extension(CAPTURE_TIME, RtpCodecKind::Video)?;
    if plan.no_playout_delay {
        extension(PLAYOUT_DELAY, RtpCodecKind::Video)?;
    }
    if plan.layers > 1 {
        for uri in [MID, RID, REPAIRED_RID] {
            extension(uri, RtpCodecKind::Video)?;
        }
    }
    Ok(engine)
}

/// A sender's chain: nothing that only a receiver needs.
fn interceptors(plan: &Plan, engine: &mut MediaEngine, tags: Arc<OnceLock<Tags>>) -> Registry {
    let counters = || Arc::clone(&plan.counters);
    let registry = Registry::new()
        .with(Slot::from(WIRE_SLOT), WireCounter::new(plan.sources, counters(), plan.target.clone(), tags))
        .with(Slot::NackResponder, NackResponderBuilder::new().with_size(REPAIR_PACKETS).build())
        .with(Slot::SenderReport, Reporter::new(plan.sources, plan.clock, STREAM_ID.into(), counters()));
    let Some(target) = plan.target.clone() else { return registry };
    engine.register_feedback(feedback("transport-cc", ""), RtpCodecKind::Video);
    engine.register_feedback(feedback("transport-cc", ""), RtpCodecKind::Audio);
    let estimator = Estimator::new(target, counters());
    let pacer = PacerBuilder::new().with_target_bitrate(estimator.initial()).with_queue_limit(PACER_PACKETS).build();
    registry
        .with(Slot::CongestionControl, CongestionControlBuilder::new(estimator).build())
        .with(Slot::TwccSender, TwccSenderBuilder::new().build())
        .with(Slot::Pacer, pacer)
}

/// What the connection is told of servers that help it.
pub(crate) fn configuration(servers: &[IceServer]) -> RTCConfiguration {
    RTCConfigurationBuilder::new().with_ice_servers(usable_servers(servers)).build()
}

/// The servers that this version can speak to: STUN, and TURN over UDP with credentials.
fn usable_servers(servers: &[IceServer]) -> Vec<RTCIceServer> {
    let mut usable = Vec::new();
    for server in servers {
        for url in &server.urls {
            let candidate = RTCIceServer {
                urls: vec![url.clone()],
                username: server.username.clone().unwrap_or_default(),
                credential: server.credential.as_ref().map(|secret| secret.expose().to_owned()).unwrap_or_default(),
            };
            let tcp = url.starts_with("turns:") || url.starts_with("stuns:") || url.contains("transport=tcp");
            if tcp || candidate.urls().is_err() {
                tracing::warn!(url, "this ICE server is not used: only STUN and TURN over UDP are");
            } else {
                usable.push(candidate);
            }
        }
    }
    usable
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::Secret;

    #[test]
    fn only_ice_servers_that_can_be_used_are() {
        let server = |url: &str, credential: Option<&str>| IceServer {
            urls: vec![url.into()],
            username: credential.map(Into::into),
            credential: credential.map(Secret::new),
        };
        let servers = [
            server("stun:stun.example.net", None),
            server("turn:turn.example.net?transport=udp", Some("x")),
            server("turn:turn.example.net", None),
            server("turn:turn.example.net?transport=tcp", Some("x")),
            server("turns:turn.example.net", Some("x")),
            server("http://example.net", None),
        ];
        let used: Vec<String> = usable_servers(&servers).into_iter().flat_map(|server| server.urls).collect();
        assert_eq!(used, ["stun:stun.example.net", "turn:turn.example.net?transport=udp"]);
    }
}

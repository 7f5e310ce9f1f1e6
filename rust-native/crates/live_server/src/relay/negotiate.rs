//! From an SDP offer to an `Rtc` and its answer.
//!
//! Publishers meet a full ICE agent: its own checks measure the round trip. Viewers meet ICE-lite: they come to us, and
//! no packet is spent on asking each of hundreds whether it is still there (their own checks say so).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::change::SdpOffer;
use str0m::config::DtlsCert;
use str0m::format::{Codec, FormatParams};
use str0m::media::{Direction, Frequency, Mid, Pt, Rid};
use str0m::net::TcpType;
use str0m::rtp::{Extension, ExtensionMap, Ssrc};
use str0m::{Candidate, Rtc, RtcConfig};

use super::Refusal;
use super::sdp::{self, Offered};
use super::simulcast;

/// Reports about once a second keep a player's lip-sync and the round trip fresh at a few bytes per second.
const REPORTS: Duration = Duration::from_secs(1);

/// H.264 profiles that pass through, the one every browser can decode first: payload type, its RTX, profile-level-id.
const H264: [(u8, u8, u32); 4] =
    [(102, 103, 0x42_e0_1f), (104, 105, 0x42_00_1f), (106, 107, 0x4d_00_1f), (108, 109, 0x64_00_1f)];
const OPUS: u8 = 111;

/// One section of the negotiation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    pub(super) mid: Mid,
    /// What a packet of it is marked with.
    pub(super) payload_type: Pt,
}

/// An accepted offer.
pub(super) struct Negotiated {
    pub(super) rtc: Rtc,
    /// The answer, ready to be sent.
    pub(super) answer: String,
    /// The offer as str0m got it, for an ICE restart.
    pub(super) offer: String,
    pub(super) video: Option<Section>,
    pub(super) audio: Option<Section>,
    /// The encodings in which the picture comes, the publisher's favourite first; empty for one that has no name.
    pub(super) encodings: Vec<Rid>,
}

/// What every negotiation of a shard shares.
pub(super) struct Terms {
    /// One certificate for all sessions: making one costs milliseconds.
    pub(super) certificate: DtlsCert,
    /// The public address, if one is configured.
    pub(super) public: Option<SocketAddr>,
    /// Whether the port takes connections, too.
    pub(super) tcp: bool,
}

fn config(direction: Offered, several: bool, terms: &Terms) -> RtcConfig {
    let mut extensions = ExtensionMap::empty();
    extensions.set(1, Extension::AudioLevel);
    extensions.set(4, Extension::RtpMid);
    extensions.set(5, Extension::PlayoutDelay);
    extensions.set(6, Extension::AbsoluteCaptureTime);
    extensions.set(13, Extension::VideoOrientation);
    if direction != Offered::RecvOnly {
        // From it a viewer's player estimates what its line carries, and says so about once a second (REMB,
        // draft-alvestrand-rmcat-remb): what its rendition is chosen by.
        extensions.set(2, Extension::AbsoluteSendTime);
    }
    if direction == Offered::SendOnly {
        // Congestion control is between the publisher and us. Viewers don't get it: nothing here would act on their
        // twenty reports a second.
        extensions.set(3, Extension::TransportSequenceNumber);
    }
    if several {
        // By these a packet says which encoding it belongs to, or repairs (RFC 8852).
        extensions.set(10, Extension::RtpStreamId);
        extensions.set(11, Extension::RepairedRtpStreamId);
    }
    let mut config = RtcConfig::new()
        .set_rtp_mode(true)
        .set_ice_lite(direction != Offered::SendOnly)
        .set_dtls_cert(terms.certificate.clone())
        .set_rtcp_report_interval_audio(REPORTS)
        .set_rtcp_report_interval_video(REPORTS)
        .set_stats_interval((direction != Offered::RecvOnly).then_some(REPORTS))
        .set_extension_map(extensions)
        .clear_codecs();
    let codecs = config.codec_config();
    codecs.add_config(
        OPUS.into(),
        None,
        Codec::Opus,
        Frequency::FORTY_EIGHT_KHZ,
        Some(2),
        FormatParams {
            min_p_time: Some(10),
            use_inband_fec: Some(true),
            stereo: Some(true),
            sprop_stereo: Some(true),
            ..FormatParams::default()
        },
    );
    for (payload_type, repair, profile) in H264 {
        codecs.add_h264(payload_type.into(), Some(repair.into()), true, profile);
    }
    config
}

/// Accepts an offer, or says why not.
pub(super) fn accept(
    direction: Offered,
    offer: &str,
    addresses: &[SocketAddr],
    terms: &Terms,
    now: Instant,
) -> Result<Negotiated, Refusal> {
    let normalized = sdp::normalized_offer(offer, direction);
    let parsed = parse(&normalized)?;
    let several = simulcast::taken(&normalized).filter(|_| direction == Offered::SendOnly);
    let mut rtc = config(direction, several.is_some(), terms).build(now);
    for address in addresses {
        let udp = Candidate::host(*address, "udp");
        let tcp = terms.tcp.then(|| Candidate::builder().tcp().host(*address).tcptype(TcpType::Passive).build());
        for candidate in [Some(udp), tcp].into_iter().flatten().flatten() {
            rtc.add_local_candidate(candidate);
        }
    }
    let answer = rtc.sdp_api().accept_offer(parsed).map_err(|error| Refusal::NotAnOffer(error.to_string()))?;
    if direction == Offered::SendOnly {
        add_candidates(&mut rtc, offer);
    }
    let wanted = match direction {
        Offered::SendOnly => Direction::RecvOnly,
        Offered::RecvOnly | Offered::RecvMeasured => Direction::SendOnly,
    };
    let (video, audio) = sections(&rtc, &normalized, wanted);
    if video.is_none() && audio.is_none() {
        return Err(Refusal::NotAnOffer(match direction {
            Offered::SendOnly => "nothing in it sends H.264 (packetization-mode=1) or Opus".to_owned(),
            Offered::RecvOnly | Offered::RecvMeasured => {
                "nothing in it receives H.264 (packetization-mode=1) or Opus".to_owned()
            }
        }));
    }
    let answer = sdp::finished_answer(&answer.to_sdp_string(), terms.public, terms.tcp);
    let encodings = several.map_or_else(Vec::new, |taken| taken.rids.iter().map(|rid| Rid::from(*rid)).collect());
    Ok(Negotiated { rtc, answer, offer: normalized, video, audio, encodings })
}

/// Reads an offer. What the parser says of bad text is for the log: it quotes positions in memory.
pub(super) fn parse(offer: &str) -> Result<SdpOffer, Refusal> {
    SdpOffer::from_sdp_string(offer).map_err(|error| {
        tracing::debug!(%error, "an offer can't be read");
        Refusal::NotAnOffer("it does not read as SDP (RFC 8866)".to_owned())
    })
}

/// Makes the candidates of an offer or a fragment known; what can't be read is none of ours (names), and over TCP
/// they come to us.
pub(super) fn add_candidates(rtc: &mut Rtc, text: &str) {
    // 32 are more than any machine has; a list without end would only cost time.
    for candidate in sdp::candidates(text).take(32) {
        match Candidate::from_sdp_string(candidate) {
            Ok(candidate) if candidate.proto() == str0m::net::Protocol::Udp => rtc.add_remote_candidate(candidate),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "a candidate is left out"),
        }
    }
}

/// The first picture and the first sound that were agreed on.
fn sections(rtc: &Rtc, offer: &str, wanted: Direction) -> (Option<Section>, Option<Section>) {
    let (mut video, mut audio) = (None, None);
    for mid in sdp::values(offer, "mid") {
        let mid = Mid::from(mid);
        let Some(media) = rtc.media(mid) else { continue };
        if media.direction() != wanted || media.disabled() {
            continue;
        }
        // In our order of preference, among what the other side takes.
        let Some(params) = rtc.codec_config().params().iter().find(|params| {
            params.spec().codec.is_video() == media.kind().is_video() && media.remote_pts().contains(&params.pt())
        }) else {
            continue;
        };
        let section = Section { mid, payload_type: params.pt() };
        let slot = if media.kind().is_video() { &mut video } else { &mut audio };
        slot.get_or_insert(section);
    }
    (video, audio)
}

/// The payload type for a stream of another H.264 profile, where the viewer has one for it.
pub(super) fn payload_type_for(rtc: &Rtc, section: &Section, profile: u32) -> Pt {
    let Some(media) = rtc.media(section.mid) else { return section.payload_type };
    rtc.codec_config()
        .params()
        .iter()
        .filter(|params| params.spec().codec == Codec::H264 && media.remote_pts().contains(&params.pt()))
        // Profile and constraints; the level is the receiver's wish, not a property of the stream.
        .find(|params| params.spec().format.profile_level_id.is_some_and(|id| id >> 8 == profile >> 8))
        .map_or(section.payload_type, |params| params.pt())
}

/// Takes a viewer's outgoing streams away again and says their SSRCs: a stream that exists sends reports, and one that
/// has sent nothing yet would report a timestamp of 0, which bends the player's clock for seconds.
pub(super) fn take_stream(rtc: &mut Rtc, section: &Section) -> Option<(Ssrc, Option<Ssrc>)> {
    let mut api = rtc.direct_api();
    let stream = api.stream_tx_by_mid(section.mid, None)?;
    let (ssrc, repair) = (stream.ssrc(), stream.rtx());
    api.remove_stream_tx(ssrc);
    Some((ssrc, repair))
}

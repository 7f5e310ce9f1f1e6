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

/// What a restart of ICE changes (RFC 9725 section 4.3.2).
pub(super) struct Renewed {
    /// The offer with the other side's new credentials.
    pub(super) offer: String,
    /// The answer to it.
    pub(super) answer: String,
}

/// Restarts ICE by a fragment with credentials (RFC 8840).
pub(super) fn renew(
    rtc: &mut Rtc,
    offer: &str,
    fragment: &str,
    (public, tcp): (Option<SocketAddr>, bool),
) -> Result<Renewed, Refusal> {
    let (Some(ufrag), Some(password)) =
        (sdp::values(fragment, "ice-ufrag").next(), sdp::values(fragment, "ice-pwd").next())
    else {
        return Err(Refusal::NotAnOffer("a restart needs ice-ufrag and ice-pwd".to_owned()));
    };
    let offer = sdp::with_credentials(offer, ufrag, password);
    let parsed = parse(&offer)?;
    let answer = rtc.sdp_api().accept_offer(parsed).map_err(|error| Refusal::NotAnOffer(error.to_string()))?;
    let answer = sdp::finished_answer(&answer.to_sdp_string(), public, tcp);
    Ok(Renewed { offer, answer })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Of Chromium, with fewer codecs.
    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\n\
        a=msid-semantic: WMS s\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
        a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=ice-options:trickle\r\na=fingerprint:sha-256 \
        01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F:20\r\n\
        a=setup:actpass\r\na=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendonly\r\n\
        a=msid:s t0\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
        a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=ssrc:1 cname:c\r\n\
        a=candidate:1 1 udp 2113937151 192.0.2.1 50000 typ host generation 0\r\na=end-of-candidates\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 102 103\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
        a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 \
        01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F:20\r\n\
        a=setup:actpass\r\na=mid:1\r\na=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
        a=sendonly\r\na=msid:s t1\r\na=rtcp-mux\r\na=rtpmap:102 H264/90000\r\na=rtcp-fb:102 nack\r\na=rtcp-fb:102 nack pli\r\n\
        a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\na=rtpmap:103 rtx/90000\r\n\
        a=fmtp:103 apt=102\r\na=rid:h send\r\na=simulcast:send h\r\na=ssrc-group:FID 2 3\r\na=ssrc:2 cname:c\r\na=ssrc:3 cname:c\r\n";
    const FRAGMENT: &str = "a=ice-ufrag:wxyz\r\na=ice-pwd:zyxwvutsrqponmlkjihgfedc\r\nm=audio 9 X 0\r\na=mid:0\r\n\
        a=candidate:2 1 udp 2113937151 2001:db8::1 50001 typ srflx raddr 192.0.2.1 rport 50000\r\n\
        a=candidate:3 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active\r\n";

    fn terms() -> Terms {
        let certificate = str0m::crypto::from_feature_flags().dtls_provider.generate_certificate();
        Terms { certificate: certificate.expect("a certificate"), public: Some(ADDRESS), tcp: true }
    }

    const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8081);

    #[test]
    fn an_offer_is_answered_and_its_ice_restarted() {
        let terms = terms();
        let accepted = accept(Offered::SendOnly, OFFER, &[ADDRESS], &terms, Instant::now());
        let Ok(Negotiated { mut rtc, offer, video: Some(_), audio: Some(_), .. }) = accepted else { panic!("refused") };
        let Ok(Renewed { offer, answer }) = renew(&mut rtc, &offer, FRAGMENT, (None, true)) else { panic!("refused") };
        assert!(offer.contains("a=ice-ufrag:wxyz") && answer.contains("a=ice-ufrag:"), "{offer}{answer}");
    }

    fn borne(lasts: Duration) {
        let terms = terms();
        let viewer = OFFER.replace("sendonly", "recvonly");
        let corpus = [OFFER, viewer.as_str(), FRAGMENT].map(|text| text.as_bytes().to_vec());
        let now = Instant::now();
        testkit::fuzz::run(&corpus, 59, lasts, |sample, dice| {
            let text = String::from_utf8_lossy(sample);
            let direction = [Offered::SendOnly, Offered::RecvOnly, Offered::RecvMeasured][dice.below(3)];
            // A whole offer first, so that what belongs to a session comes to one.
            let offer = if direction == Offered::SendOnly { OFFER } else { viewer.as_str() };
            let Ok(whole) = accept(direction, offer, &[ADDRESS], &terms, now) else { panic!("refused") };
            let (mut rtc, offer) = (whole.rtc, whole.offer);
            add_candidates(&mut rtc, &text);
            if let Ok(renewed) = renew(&mut rtc, &offer, &text, (Some(ADDRESS), true)) {
                let _ = sdp::restart_fragment(&renewed.answer);
            }
            if let Ok(accepted) = accept(direction, &text, &[ADDRESS], &terms, now) {
                assert!(accepted.video.is_some() || accepted.audio.is_some());
            }
        });
    }

    #[test]
    fn any_offer_is_borne() {
        borne(testkit::fuzz::QUICK);
    }

    #[test]
    #[ignore = "ten minutes: test:long"]
    fn any_offer_is_borne_for_long() {
        borne(testkit::fuzz::LONG);
    }
}

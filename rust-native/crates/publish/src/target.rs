//! Where to: one variant for each protocol.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use media::{Bitrate, FrameRate, Secret, VideoCodec};
use url::{Host, Url};

use crate::datagram::Link;
use crate::failure::Failure;
use crate::rtp::RtpLink;
use crate::srt::SrtLink;
use crate::webrtc::{Place, backend_url};

/// One destination's protocol, address and key.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Target {
    /// A WHIP server (RFC 9725).
    Whip(WhipTarget),
    /// A backend with WebSocket signalling.
    Backend(BackendTarget),
    /// An RTMP or RTMPS server.
    Rtmp(RtmpTarget),
    /// MPEG-TS over SRT.
    Srt(SrtTarget),
    /// MPEG-TS over plain UDP or TCP.
    MpegTs(MpegTsTarget),
    /// RTP to one address or group.
    Rtp(RtpTarget),
}

/// A WHIP server (RFC 9725).
#[derive(Debug, Clone)]
pub struct WhipTarget {
    /// `http` or `https`. May hold a key in its path: never shown.
    pub url: String,
    /// The bearer token.
    pub key: Option<Secret>,
    /// What the encoder gives.
    pub target_bitrate: Bitrate,
}

/// A backend that speaks our signalling over a WebSocket (`PROTOCOL.md` of the crate `signaling`).
#[derive(Debug, Clone)]
pub struct BackendTarget {
    /// `ws` or `wss`. May hold a key: never shown.
    pub url: String,
    /// The bearer token.
    pub key: Option<Secret>,
    /// What the encoder gives.
    pub target_bitrate: Bitrate,
}

/// An RTMP or RTMPS server.
#[derive(Debug, Clone)]
pub struct RtmpTarget {
    /// `rtmp` or `rtmps`, with or without the stream's name at its end: never shown.
    pub url: String,
    /// The stream key.
    pub key: Option<Secret>,
    /// Send Opus where the server lists it (Enhanced RTMP), AAC elsewhere.
    pub prefer_opus: bool,
    /// What the encoder gives.
    pub target_bitrate: Bitrate,
    /// What the encoder gives.
    pub frame_rate: FrameRate,
}

/// MPEG-TS over SRT.
#[derive(Debug, Clone)]
pub struct SrtTarget {
    /// `srt://host:port`, or `srt://:port` to listen; `?streamid=` is taken where no stream id is given apart.
    pub url: String,
    /// 10 to 79 characters.
    pub passphrase: Option<Secret>,
    /// The free form or `#!::…`, 512 bytes at the most. Often holds the key: never shown.
    pub stream_id: Option<Secret>,
    /// How long the receiver waits for what was lost.
    pub latency: Duration,
    /// What the encoder gives.
    pub target_bitrate: Bitrate,
}

/// MPEG-TS over plain UDP or TCP.
#[derive(Debug, Clone)]
pub struct MpegTsTarget {
    /// `udp://host:port` or `tcp://host:port`.
    pub url: String,
    /// What the encoder gives.
    pub target_bitrate: Bitrate,
}

/// RTP (RFC 6184, RFC 7587) to one address or group.
#[derive(Debug, Clone)]
pub struct RtpTarget {
    /// `rtp://host:port`: the picture's port; sound goes to the second above it, reports to those between.
    pub url: String,
    /// Where the description for players is written, and written anew when it changes.
    pub sdp_file: Option<PathBuf>,
    /// What the encoder gives.
    pub target_bitrate: Bitrate,
}

impl From<RtpTarget> for Target {
    fn from(target: RtpTarget) -> Self {
        Self::Rtp(target)
    }
}

impl From<SrtTarget> for Target {
    fn from(target: SrtTarget) -> Self {
        Self::Srt(target)
    }
}

impl From<MpegTsTarget> for Target {
    fn from(target: MpegTsTarget) -> Self {
        Self::MpegTs(target)
    }
}

impl From<WhipTarget> for Target {
    fn from(target: WhipTarget) -> Self {
        Self::Whip(target)
    }
}

impl From<BackendTarget> for Target {
    fn from(target: BackendTarget) -> Self {
        Self::Backend(target)
    }
}

impl From<RtmpTarget> for Target {
    fn from(target: RtmpTarget) -> Self {
        Self::Rtmp(target)
    }
}

/// A target whose address has been understood.
#[derive(Debug, Clone)]
pub(crate) enum Parsed {
    WebRtc(Place),
    Rtmp { target: rtmp::Target, options: RtmpTarget },
    Datagrams(Link),
    Rtp(RtpLink),
}

impl Target {
    pub(crate) fn target_bitrate(&self) -> Bitrate {
        match self {
            Self::Whip(target) => target.target_bitrate,
            Self::Backend(target) => target.target_bitrate,
            Self::Rtmp(target) => target.target_bitrate,
            Self::Srt(target) => target.target_bitrate,
            Self::MpegTs(target) => target.target_bitrate,
            Self::Rtp(target) => target.target_bitrate,
        }
    }

    /// What is wrong with the address can be told before any attempt.
    pub(crate) fn parse(&self) -> Result<Parsed, Failure> {
        match self {
            Self::Whip(target) => {
                // Surrounding blanks come with a copied address.
                let url = Url::parse(target.url.trim()).map_err(|_| signaling::WhipError::BadUrl)?;
                Ok(Parsed::WebRtc(Place::Whip { url, key: target.key.clone() }))
            }
            Self::Backend(target) => {
                Ok(Parsed::WebRtc(Place::Backend { url: backend_url(&target.url)?, key: target.key.clone() }))
            }
            Self::Rtmp(options) => {
                let target = rtmp::Target::parse(&options.url, options.key.as_ref())?;
                Ok(Parsed::Rtmp { target, options: options.clone() })
            }
            Self::Srt(target) => target.parse().map(|link| Parsed::Datagrams(Link::Srt(link))),
            Self::MpegTs(target) => target.parse().map(Parsed::Datagrams),
            Self::Rtp(target) => target.parse().map(Parsed::Rtp),
        }
    }
}

/// What pictures travel in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// RTMP and RTMPS, enhanced or not.
    Rtmp,
    /// MPEG-TS, over SRT, UDP or TCP.
    MpegTs,
    /// A peer connection, by whatever signalling.
    WebRtc,
    /// RTP without one.
    Rtp,
}

impl Carrier {
    /// Whether it can hold pictures so coded; an RTMP server says so itself when it is asked.
    pub fn takes(self, codec: VideoCodec) -> bool {
        match self {
            Self::Rtmp => true,
            Self::MpegTs => codec != VideoCodec::Av1,
            Self::WebRtc | Self::Rtp => codec == VideoCodec::H264,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rtmp => "RTMP",
            Self::MpegTs => "MPEG-TS",
            Self::WebRtc => "WebRTC",
            Self::Rtp => "RTP",
        }
    }
}

impl Parsed {
    /// Whether pictures so coded can go there, as far as that is known before it is tried.
    pub(crate) fn takes(&self, codec: VideoCodec) -> Result<(), Failure> {
        let carrier = match self {
            Self::Rtmp { .. } => Carrier::Rtmp,
            Self::Datagrams(_) => Carrier::MpegTs,
            Self::WebRtc(_) => Carrier::WebRtc,
            Self::Rtp(_) => Carrier::Rtp,
        };
        if carrier.takes(codec) { Ok(()) } else { Err(Failure::codec_not_taken(codec, carrier.name())) }
    }

    /// The target is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        match self {
            Self::WebRtc(place) => place.is_loopback(),
            Self::Rtmp { target, .. } => is_loopback_host(&target.host),
            Self::Datagrams(Link::Udp { host, .. } | Link::Tcp { host, .. }) => is_loopback_host(host),
            Self::Rtp(link) => is_loopback_host(&link.host),
            Self::Datagrams(Link::Srt(link)) => link.host.as_deref().is_none_or(is_loopback_host),
        }
    }
}

/// What a receiver keeps in memory at the most.
const MOST_LATENCY: Duration = Duration::from_secs(10);
/// SRT Access Control: the handshake's field is so long.
const MOST_STREAM_ID: usize = 512;

impl SrtTarget {
    fn parse(&self) -> Result<SrtLink, Failure> {
        let wrong = |message: &str, hint| Failure { is_final: true, ..Failure::new("bad_srt_url", message, hint) };
        let bad = || {
            wrong(
                "the address is not a whole SRT address",
                "Enter srt://host:port, or srt://:port to wait for a caller.",
            )
        };
        let text = self.url.trim().strip_prefix("srt://").ok_or_else(bad)?;
        // `srt://:port` is no URL with a host: that is what listening looks like everywhere.
        let listens = text.starts_with(':');
        let url = Url::parse(&format!("srt://{}{text}", if listens { "listener" } else { "" })).map_err(|_| bad())?;
        let port = url.port().ok_or_else(bad)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(bad)?;
        let query = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let given = |secret: &Option<Secret>| secret.clone().filter(|secret| !secret.is_empty());
        let listens = listens || query("mode").as_deref() == Some("listener");
        let passphrase = given(&self.passphrase).or_else(|| query("passphrase").map(Secret::new));
        if passphrase.as_ref().is_some_and(|secret| !(10..=79).contains(&secret.expose().len())) {
            return Err(wrong("a passphrase has 10 to 79 characters", "Enter a passphrase of 10 to 79 characters."));
        }
        let stream_id = given(&self.stream_id).or_else(|| query("streamid").map(Secret::new));
        if stream_id.as_ref().is_some_and(|id| id.expose().len() > MOST_STREAM_ID) {
            return Err(wrong("a stream id has 512 bytes at the most", "Enter a shorter stream id."));
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let latency = self.latency.min(MOST_LATENCY);
        Ok(SrtLink { host: (!listens).then_some(host), port, passphrase, stream_id, latency })
    }
}

impl MpegTsTarget {
    fn parse(&self) -> Result<Link, Failure> {
        let bad = || Failure {
            is_final: true,
            ..Failure::new(
                "bad_ts_url",
                "the address is not udp://host:port or tcp://host:port",
                "Enter the whole address, such as udp://192.168.1.20:5000.",
            )
        };
        let url = Url::parse(self.url.trim()).map_err(|_| bad())?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(bad)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port().ok_or_else(bad)?;
        match url.scheme() {
            "udp" => Ok(Link::Udp { host, port }),
            "tcp" => Ok(Link::Tcp { host, port }),
            _ => Err(bad()),
        }
    }
}

impl RtpTarget {
    fn parse(&self) -> Result<RtpLink, Failure> {
        let bad = || Failure {
            is_final: true,
            ..Failure::new(
                "bad_rtp_url",
                "the address is not rtp://host:port",
                "Enter the whole address, such as rtp://192.168.1.20:5004; three ports above it are used, too.",
            )
        };
        let url = Url::parse(self.url.trim()).ok().filter(|url| url.scheme() == "rtp").ok_or_else(bad)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(bad)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port().filter(|port| *port <= u16::MAX - 3).ok_or_else(bad)?;
        let sdp_file = self.sdp_file.clone().filter(|file| !file.as_os_str().is_empty());
        Ok(RtpLink { host, port, sdp_file, bitrate: self.target_bitrate })
    }
}

/// Whether a name or address without brackets is this machine's own.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => match Host::parse(host) {
            Ok(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srt(url: &str, passphrase: Option<&str>, stream_id: Option<&str>) -> Result<SrtLink, Failure> {
        let target = SrtTarget {
            url: url.to_owned(),
            passphrase: passphrase.map(Secret::new),
            stream_id: stream_id.map(Secret::new),
            latency: Duration::from_millis(120),
            target_bitrate: Bitrate::from_kbps(1),
        };
        target.parse()
    }

    #[test]
    fn srt_addresses_call_or_listen_and_carry_a_stream_id_in_both_forms() {
        let link = srt("srt://host:9000?streamid=%23!::r=live/a,m=publish", None, None).expect("good");
        assert_eq!((link.host.as_deref(), link.port), (Some("host"), 9000));
        assert_eq!(link.stream_id.expect("one").expose(), "#!::r=live/a,m=publish");
        let link = srt("srt://host:9000", None, Some("free form")).expect("good");
        assert_eq!(link.stream_id.expect("one").expose(), "free form");
        assert_eq!(srt("srt://:9000", None, None).expect("good").host, None);
        assert_eq!(srt("srt://0.0.0.0:9000?mode=listener", None, None).expect("good").host, None);
    }

    #[test]
    fn what_srt_would_refuse_or_break_on_is_told_before() {
        for (url, passphrase) in [("srt://host", None), ("udp://host:1", None), ("srt://host:1", Some("short"))] {
            assert!(srt(url, passphrase, None).is_err_and(|failure| failure.is_final), "{url}");
        }
        assert!(srt("srt://host:1", None, Some(&"x".repeat(513))).is_err());
    }

    #[test]
    fn an_rtp_address_leaves_room_for_its_four_ports() {
        let parse = |url: &str| {
            let target = RtpTarget { url: url.to_owned(), sdp_file: None, target_bitrate: Bitrate::from_kbps(1) };
            target.parse().map(|link| (link.host, link.port)).map_err(|failure| failure.code)
        };
        assert_eq!(parse("rtp://[::1]:5004"), Ok(("::1".to_owned(), 5004)));
        assert_eq!(parse(" rtp://239.1.2.3:65532 "), Ok(("239.1.2.3".to_owned(), 65_532)));
        for bad in ["rtp://host", "udp://host:1", "rtp://host:65533", "rtp://:5004", ""] {
            assert_eq!(parse(bad), Err("bad_rtp_url"), "{bad}");
        }
    }

    #[test]
    fn a_target_that_can_not_take_a_codec_says_so_before_it_is_tried() {
        let target_bitrate = Bitrate::from_kbps(1);
        let ts = Target::from(MpegTsTarget { url: "udp://127.0.0.1:9".to_owned(), target_bitrate });
        let rtp = Target::from(RtpTarget { url: "rtp://127.0.0.1:5004".to_owned(), sdp_file: None, target_bitrate });
        let whip = Target::from(WhipTarget { url: "http://127.0.0.1/".to_owned(), key: None, target_bitrate });
        let refused = |target: &Target, codec| {
            let refused = target.parse().expect("good").takes(codec).err();
            refused.map(|failure| (failure.code, failure.is_final))
        };
        let refusal = Some(("codec_not_taken", true));
        for (target, hevc) in [(&ts, None), (&rtp, refusal), (&whip, refusal)] {
            assert_eq!(refused(target, VideoCodec::H264), None);
            assert_eq!(refused(target, VideoCodec::Hevc), hevc);
            assert_eq!(refused(target, VideoCodec::Av1), refusal);
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_number() {
        for (host, here) in [("localhost", true), ("127.8.9.1", true), ("::1", true), ("::ffff:127.0.0.1", true)] {
            assert_eq!(is_loopback_host(host), here, "{host}");
        }
        assert!(!is_loopback_host("example.com") && !is_loopback_host("10.0.0.1"));
    }
}

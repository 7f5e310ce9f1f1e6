//! The description that players open (RFC 8866): what is sent where, and how to decode it. Pure, but for [`save`].

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use media::Bitrate;
use media::h264::ParameterSets;

pub(super) const VIDEO_TYPE: u8 = 96;
pub(super) const AUDIO_TYPE: u8 = 97;
/// Routers pass a group's packets on so often: this network only, as it should be unless somebody decides otherwise.
pub(super) const MULTICAST_HOPS: u32 = 1;

/// What a description says.
#[derive(Debug, Clone)]
pub(super) struct Description<'a> {
    /// The picture's port; sound's is two above, each one's reports one above its own.
    pub(super) to: SocketAddr,
    pub(super) from: IpAddr,
    /// Names this stream among the sender's others.
    pub(super) session: u64,
    /// Grows when the description changes.
    pub(super) version: u64,
    pub(super) bitrate: Bitrate,
    pub(super) sets: &'a ParameterSets,
}

impl Description<'_> {
    pub(super) fn text(&self) -> String {
        let family = |ip: IpAddr| if ip.is_ipv4() { "IP4" } else { "IP6" };
        let (to, from) = (self.to.ip(), self.from);
        // Version 6 has no hops here (RFC 8866, section 5.7).
        let hops = if to.is_multicast() && to.is_ipv4() { format!("/{MULTICAST_HOPS}") } else { String::new() };
        let sps = &self.sets.sps;
        let profile = sps.get(1..4).unwrap_or_default().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        let sets = format!("{},{}", STANDARD.encode(sps), STANDARD.encode(&self.sets.pps));
        let lines = [
            "v=0".to_owned(),
            format!("o=- {} {} IN {} {from}", self.session, self.version, family(from)),
            "s=Tidecast".to_owned(),
            format!("c=IN {} {to}{hops}", family(to)),
            "t=0 0".to_owned(),
            "a=recvonly".to_owned(),
            format!("m=video {} RTP/AVP {VIDEO_TYPE}", self.to.port()),
            format!("b=AS:{}", self.bitrate.as_kbps()),
            format!("a=rtpmap:{VIDEO_TYPE} H264/90000"),
            format!("a=fmtp:{VIDEO_TYPE} packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={sets}"),
            format!("m=audio {} RTP/AVP {AUDIO_TYPE}", self.to.port() + 2),
            // RFC 7587, section 7: always two channels, whatever is coded.
            format!("a=rtpmap:{AUDIO_TYPE} opus/48000/2"),
            format!("a=fmtp:{AUDIO_TYPE} sprop-stereo=1;useinbandfec=1"),
            "a=ptime:20".to_owned(),
        ];
        lines.join("\r\n") + "\r\n"
    }
}

/// Beside the file first, and then over it: whoever opens it finds a whole one.
pub(super) fn save(file: &Path, text: &str) -> io::Result<()> {
    let beside = file.with_extension(format!("sdp.{}.part", std::process::id()));
    std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, file)).inspect_err(|_| {
        let _ = std::fs::remove_file(&beside);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn text(to: &str) -> String {
        let sets =
            ParameterSets { sps: Bytes::from_static(&[0x67, 0x42, 0xe0, 0x1f]), pps: Bytes::from_static(&[0x68]) };
        Description {
            to: to.parse().expect("an address"),
            from: "192.0.2.1".parse().expect("an address"),
            session: 5,
            version: 2,
            bitrate: Bitrate::from_kbps(4000),
            sets: &sets,
        }
        .text()
    }

    #[test]
    fn it_names_ports_codecs_and_parameter_sets() {
        let text = text("192.0.2.7:5004");
        for line in [
            "o=- 5 2 IN IP4 192.0.2.1\r\n",
            "c=IN IP4 192.0.2.7\r\n",
            "m=video 5004 RTP/AVP 96\r\n",
            "m=audio 5006 RTP/AVP 97\r\n",
            "profile-level-id=42e01f;sprop-parameter-sets=Z0LgHw==,aA==\r\n",
            "a=rtpmap:97 opus/48000/2\r\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn a_group_has_hops_and_version_6_has_none() {
        assert!(text("239.1.2.3:5004").contains("c=IN IP4 239.1.2.3/1\r\n"));
        assert!(text("[ff02::1]:5004").contains("c=IN IP6 ff02::1\r\n"));
    }
}

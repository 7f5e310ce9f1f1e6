//! Destinations of each kind on this machine.

use std::time::Duration;

use media::{Bitrate, FrameRate, Secret};
use publish::{MpegTsTarget, RtmpTarget, RtpTarget, SrtTarget, Target, WhipTarget};
use testkit::scratch::Folder;

/// Where a stream of that kind goes on this machine.
pub(crate) fn target(kind: &str, port: u16, folder: &Folder, target_bitrate: Bitrate, frame_rate: FrameRate) -> Target {
    match kind {
        "rtmp" => RtmpTarget {
            url: format!("rtmp://127.0.0.1:{port}/live"),
            key: Some(Secret::new("name")),
            prefer_opus: false,
            target_bitrate,
            frame_rate,
        }
        .into(),
        "srt" => SrtTarget {
            url: format!("srt://127.0.0.1:{port}"),
            passphrase: None,
            stream_id: None,
            latency: Duration::from_millis(120),
            target_bitrate,
        }
        .into(),
        "udp" | "tcp" => MpegTsTarget { url: format!("{kind}://127.0.0.1:{port}"), target_bitrate }.into(),
        "rtp" => {
            let sdp_file = Some(folder.file("live.sdp"));
            RtpTarget { url: format!("rtp://127.0.0.1:{port}"), sdp_file, target_bitrate }.into()
        }
        _ => WhipTarget { url: format!("http://127.0.0.1:{port}/whip/live"), key: None, target_bitrate }.into(),
    }
}

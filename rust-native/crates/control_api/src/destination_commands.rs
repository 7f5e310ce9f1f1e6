//! What the commands about destinations do to the session.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use media::{Bitrate, FrameRate, Size, VideoCodec};
use publish::{
    BackendTarget, Carrier, Destination as Publication, MpegTsTarget, RtmpTarget, RtpTarget, SrtTarget, Target,
    WhipTarget,
};

use crate::destinations::{Entry, PUBLISH};
use crate::outlet::Outlet;
use crate::session::{Order, Session};
use crate::{Destination, Problem, VideoSettings};

/// A test is a person's click: longer than the slowest answer, shorter than patience.
const TEST: Duration = Duration::from_secs(15);
/// SRT's own default (SRTO_LATENCY): four round trips of 30 ms.
const SRT_LATENCY_MS: u32 = 120;
/// Longer names are a mistake.
const MOST_NAME: usize = 200;

impl Session {
    pub(crate) async fn add_destination(
        &mut self,
        id: String,
        name: String,
        destination: Destination,
        canvas: Option<String>,
    ) -> Result<(), Problem> {
        if id.is_empty() || id.len() > MOST_NAME || name.len() > MOST_NAME || id == PUBLISH {
            return Err(Problem::bad_value(format!("“{id}” is not a name for a destination.")));
        }
        if canvas.is_some() && matches!(destination, Destination::LocalServer) {
            return Err(Problem::new(
                "local_server_is_main",
                "The local server shows the main canvas.",
                "Choose another destination for this canvas.",
            ));
        }
        let ran = self.destinations.put(&id, name, destination, canvas);
        if let Some(publication) = ran {
            publication.stop().await;
            self.start_destination(&id)?;
        }
        Ok(())
    }

    pub(crate) async fn remove_destination(&mut self, id: &str) -> Result<(), Problem> {
        let ran = self.destinations.remove(id).ok_or_else(unknown)?;
        if let Some(publication) = ran {
            publication.stop().await;
        }
        Ok(())
    }

    /// Returns at once; how it goes is told as state.
    pub(crate) fn start_destination(&mut self, id: &str) -> Result<(), Problem> {
        let entry = self.destinations.get(id).ok_or_else(unknown)?;
        if entry.running.is_some() {
            return Ok(());
        }
        if self.capture.is_none() {
            return Err(Problem::not_now("Nothing is being captured.", "Choose a screen or a window and start first."));
        }
        let Outlet { encode, hub, lower, settings, codec } = self.outlet(entry.canvas.as_deref())?;
        let server = self.server.as_ref().map(|server| (server.whip_url(), server.publish_key.clone()));
        let target = match (&entry.target, server) {
            (Destination::LocalServer, Some((url, key))) => {
                Target::Whip(WhipTarget { url, key: Some(key), target_bitrate: Bitrate::from_kbps(settings.kbps) })
            }
            (Destination::LocalServer, None) => {
                return Err(Problem::not_now("The local server is not running.", "Start the local server first."));
            }
            (other, _) => other.target(&settings)?,
        };
        let offers_lower =
            matches!(entry.target, Destination::Whip { simulcast: true, .. }) && codec == VideoCodec::H264;
        let number = self.next_id();
        let orders = self.orders.clone();
        let on_status = move |status| {
            let _ = orders.send(Order::Publish(number, status));
        };
        let request_keyframe = Arc::new(move || encode.request_keyframe());
        let publication = if offers_lower {
            let lower = lower.layers(Size { width: settings.width, height: settings.height });
            Publication::start_with_layers(target, hub, lower, request_keyframe, on_status)
        } else {
            Publication::start_with_codec(target, codec, hub, request_keyframe, on_status)
        };
        if let Some(entry) = self.destinations.get_mut(id) {
            entry.begin(number, publication);
        }
        Ok(())
    }

    pub(crate) async fn stop_destination(&mut self, id: &str) -> Result<(), Problem> {
        let ran = self.destinations.get_mut(id).ok_or_else(unknown)?.take();
        if let Some(publication) = ran {
            publication.stop().await;
        }
        Ok(())
    }

    /// Tries again now: one that waits, or one that has given up.
    pub(crate) fn retry_destination(&mut self, id: &str) -> Result<(), Problem> {
        let entry = self.destinations.get(id).ok_or_else(unknown)?;
        match &entry.running {
            Some((_, publication)) => {
                publication.retry_now();
                Ok(())
            }
            None => self.start_destination(id),
        }
    }

    pub(crate) fn choose_primary(&mut self, id: &str) -> Result<(), Problem> {
        if self.destinations.choose_primary(id) { Ok(()) } else { Err(unknown()) }
    }

    /// Stops those that `which` names, all at the same time.
    pub(crate) async fn stop_destinations(&mut self, which: impl Fn(&Entry) -> bool) {
        join_all(self.destinations.take_all(which).into_iter().map(Publication::stop)).await;
    }
}

impl Destination {
    /// Every kind, as [`Self::kind`] names it.
    pub(crate) const KINDS: [&'static str; 7] = ["local_server", "whip", "backend", "rtmp", "srt", "mpeg_ts", "rtp"];

    /// Whether that kind takes pictures so coded, as far as that is known before it is tried.
    pub(crate) fn kind_takes(kind: &str, codec: VideoCodec) -> bool {
        let carrier = match kind {
            "rtmp" => Carrier::Rtmp,
            "srt" | "mpeg_ts" => Carrier::MpegTs,
            "rtp" => Carrier::Rtp,
            _ => Carrier::WebRtc,
        };
        carrier.takes(codec)
    }

    /// What to tell a user of it: `"local_server"`, `"whip"`, `"rtmp"`, ….
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LocalServer => "local_server",
            Self::Whip { .. } => "whip",
            Self::Backend { .. } => "backend",
            Self::Rtmp { .. } => "rtmp",
            Self::Srt { .. } => "srt",
            Self::MpegTs { .. } => "mpeg_ts",
            Self::Rtp { .. } => "rtp",
        }
    }

    /// Whether what listens there takes a rare picture for a dead stream: services that count pictures, and players
    /// that take their clock from them. WebRTC and RTP carry each picture's time, and rest with the screen.
    pub(crate) fn wants_constant_rate(&self) -> bool {
        match self {
            Self::Rtmp { .. } | Self::Srt { .. } | Self::MpegTs { .. } => true,
            Self::LocalServer | Self::Whip { .. } | Self::Backend { .. } | Self::Rtp { .. } => false,
        }
    }

    /// As the publisher takes it; the local server has no address of its own.
    pub(crate) fn target(&self, settings: &VideoSettings) -> Result<Target, Problem> {
        let target_bitrate = Bitrate::from_kbps(settings.kbps);
        let Some(frame_rate) = FrameRate::new(settings.fps) else {
            return Err(Problem::bad_value("0 is not a frame rate."));
        };
        Ok(match self.clone() {
            Self::LocalServer => return Err(Problem::internal("the local server has no target")),
            Self::Whip { url, key, .. } => WhipTarget { url, key, target_bitrate }.into(),
            Self::Backend { url, key } => BackendTarget { url, key, target_bitrate }.into(),
            Self::Rtmp { url, key, prefer_opus } => {
                RtmpTarget { url, key, prefer_opus, target_bitrate, frame_rate }.into()
            }
            Self::Srt { url, passphrase, stream_id, latency_ms } => {
                let latency = Duration::from_millis(u64::from(latency_ms.unwrap_or(SRT_LATENCY_MS)));
                SrtTarget { url, passphrase, stream_id, latency, target_bitrate }.into()
            }
            Self::MpegTs { url } => MpegTsTarget { url, target_bitrate }.into(),
            Self::Rtp { url, sdp_file } => RtpTarget { url, sdp_file: sdp_file.map(Into::into), target_bitrate }.into(),
        })
    }
}

/// Connects as far as the server's "yes", and leaves again.
pub(crate) async fn test_destination(destination: &Destination, codec: VideoCodec) -> Result<(), Problem> {
    let target = destination.target(&VideoSettings::DEFAULT)?;
    let tested = tokio::time::timeout(TEST, publish::test_with_codec(&target, codec)).await;
    let failed = |failure: publish::Failure| Problem::new(failure.code, failure.message, failure.hint);
    match tested {
        Ok(outcome) => outcome.map_err(failed),
        Err(_) => Err(Problem::new(
            "no_answer",
            "The server does not answer.",
            "Check that the server is up and that a firewall lets the connection through.",
        )),
    }
}

fn unknown() -> Problem {
    Problem::new("unknown_destination", "There is no such destination.", "Add the destination first.")
}

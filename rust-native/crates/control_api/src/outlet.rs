//! Where a canvas's units come from, for what takes them, and as what they are coded.

use encoder::VideoConfig;
use media::{AccessUnit, Bitrate, VideoCodec};
use stream::Broadcast;

use crate::canvases::unknown;
use crate::destinations::Entry;
use crate::lower::LowerHubs;
use crate::pipeline::EncodeControl;
use crate::session::Session;
use crate::{Problem, VideoSettings};

/// What a destination or a recording takes.
pub(crate) struct Outlet {
    pub(crate) encode: EncodeControl,
    pub(crate) hub: Broadcast<AccessUnit>,
    /// The same pictures in lower encodings.
    pub(crate) lower: LowerHubs,
    pub(crate) settings: VideoSettings,
    /// As what its pictures are coded.
    pub(crate) codec: VideoCodec,
}

impl Session {
    /// A codec that no encoder here makes is refused with each one's reason; what is being sent or recorded keeps its own.
    pub(crate) async fn check_codec(
        &self,
        id: &str,
        codec: VideoCodec,
        settings: &VideoSettings,
    ) -> Result<(), Problem> {
        let sends = |entry: &Entry| entry.canvas.as_deref() == Some(id) && entry.running.is_some();
        if self.destinations.iter().any(sends) || self.recordings.is_of(Some(id)) {
            return Err(Problem::not_now(
                "The codec can't change while the canvas is sent or recorded.",
                "Switch off what takes this canvas, choose the codec, and switch it on again.",
            ));
        }
        let config = VideoConfig { codec, ..settings.config()? };
        tokio::task::spawn_blocking(move || encoder::open(&config).map(drop)).await.map_err(Problem::internal)??;
        Ok(())
    }

    /// Where that canvas's units come from; `None` is the main one.
    pub(crate) fn outlet(&self, canvas: Option<&str>) -> Result<Outlet, Problem> {
        let Some(id) = canvas else {
            return Ok(Outlet {
                encode: self.pipeline.control(),
                hub: self.hub.clone(),
                lower: self.pipeline.lower().clone(),
                settings: self.settings,
                codec: self.codec,
            });
        };
        let canvas = self.canvases.get(id).ok_or_else(unknown)?;
        if let Some(problem) = &canvas.problem {
            return Err(problem.clone());
        }
        Ok(Outlet {
            encode: canvas.pipeline.control(),
            hub: canvas.hub.clone(),
            lower: canvas.pipeline.lower().clone(),
            settings: canvas.settings,
            codec: canvas.codec,
        })
    }

    /// Another bitrate for what a canvas sends.
    pub(crate) fn retarget(&self, canvas: Option<&str>, kbps: u32) {
        let running = self.destinations.iter().filter(|entry| entry.canvas.as_deref() == canvas);
        for (_, publication) in running.filter_map(|entry| entry.running.as_ref()) {
            publication.set_target_bitrate(Bitrate::from_kbps(kbps));
        }
    }
}

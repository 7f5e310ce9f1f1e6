//! What is known about each stream, as the media threads last said.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use serde::Serialize;

use crate::histogram::Histogram;
use crate::relay::Role;

/// One stream, as `/api/v1/streams` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct StreamInfo {
    /// Its name.
    pub name: String,
    /// Whether media is arriving.
    pub live: bool,
    /// How it comes: `"whip"`, `"rtmp"`, `"srt"`, or from a source `"hls"` or `"whep"` too.
    pub protocol: Option<String>,
    /// What of it viewers don't get, and why: one sentence.
    pub notice: Option<String>,
    /// Unix time at which the present publisher's first packet came, milliseconds.
    pub since_ms: Option<u64>,
    /// Who watches now.
    pub viewers: u32,
    /// `"H264"`, if there is a picture.
    pub video_codec: Option<String>,
    /// `"opus"`, if there is sound.
    pub audio_codec: Option<String>,
    /// Pixels, as the stream's parameter sets say.
    pub width: Option<u32>,
    /// Pixels, as the stream's parameter sets say.
    pub height: Option<u32>,
    /// Payload bits per second that arrive, kbit/s.
    pub bitrate_kbps: f64,
    /// Pictures per second that arrive.
    pub fps: f64,
    /// Round trip to the publisher, milliseconds.
    pub publisher_rtt_ms: Option<f64>,
    /// Share of the publisher's packets that were lost on the way in, 0 to 1.
    pub publisher_loss: Option<f64>,
    /// The qualities that viewers may ask for, `source` first; empty where there is only that one.
    pub renditions: Vec<RenditionInfo>,
}

/// One rendition of a stream, as `/api/v1/streams` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RenditionInfo {
    /// `"source"`, or `"720p"` and so on.
    pub name: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Of the picture: what arrives of what is published, what a rendition is made with, kbit/s.
    pub bitrate_kbps: f64,
    /// Whether it is made now.
    pub state: RenditionState,
    /// Why it is not offered: `no_rendition_room`, `rendition_failed`, or `layer_paused` where the publisher has stopped to
    /// send it for now.
    pub code: Option<&'static str>,
    /// Who watches it now, but for readers of files.
    pub viewers: u32,
    /// The publisher sends it, nothing makes it here. But for the source it is for WebRTC viewers only: its keyframes are its
    /// own, so that no segment of files could begin with them.
    pub published: bool,
}

/// How a rendition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RenditionState {
    /// Nobody watches it: it is made as soon as somebody does.
    Idle,
    /// It is being made.
    Running,
    /// It is not offered; `code` says why.
    Unavailable,
}

/// Running totals, for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) packets_in: AtomicU64,
    pub(crate) packets_out: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    /// Datagrams that the system's send buffer had no room for.
    pub(crate) send_drops: AtomicU64,
    /// Datagrams that belonged to no session.
    pub(crate) strays: AtomicU64,
    /// Keyframes that were asked of publishers.
    pub(crate) keyframe_requests: AtomicU64,
    pub(crate) publishers_accepted: AtomicU64,
    pub(crate) viewers_accepted: AtomicU64,
    /// Wrong keys and tokens.
    pub(crate) publishers_refused: AtomicU64,
    pub(crate) viewers_refused: AtomicU64,
    /// From a viewer's offer to the first packet of its first picture.
    pub(crate) joins: Histogram,
}

impl Totals {
    pub(crate) fn refused(&self, role: Role) {
        Self::add(
            match role {
                Role::Publish => &self.publishers_refused,
                Role::View => &self.viewers_refused,
            },
            1,
        );
    }

    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

/// Shared between the media threads (writers) and HTTP (reader).
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    streams: Arc<RwLock<BTreeMap<String, StreamInfo>>>,
    pub(crate) totals: Arc<Totals>,
}

impl Figures {
    pub(crate) fn new(names: impl Iterator<Item = String>) -> Self {
        let streams = names.map(|name| (name.clone(), StreamInfo { name, ..StreamInfo::default() })).collect();
        Self { streams: Arc::new(RwLock::new(streams)), totals: Arc::default() }
    }

    pub(crate) fn set(&self, info: StreamInfo) {
        self.streams.write().insert(info.name.clone(), info);
    }

    pub(crate) fn remove(&self, name: &str) {
        self.streams.write().remove(name);
    }

    pub(crate) fn get(&self, name: &str) -> Option<StreamInfo> {
        self.streams.read().get(name).cloned()
    }

    pub(crate) fn all(&self) -> Vec<StreamInfo> {
        self.streams.read().values().cloned().collect()
    }
}

//! The one encode: newest frames → the live scene's picture → access unit → every reader.
//!
//! Composer and encoder are built, driven and dropped on one named thread. It sleeps while nothing changes.
//! Devices, destinations and the user only leave orders here; nobody waits for an encode.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;

use encoder::{EncoderError, Opened, Refusal, VideoConfig};
use media::{AccessUnit, FrameRate};
use stream::Broadcast;

pub(crate) use crate::encode_orders::{EncodeControl, Feed, Wish};
use crate::encode_thread::Encode;
use crate::lower::LowerHubs;

/// What the encode's thread has to tell.
#[derive(Debug)]
pub(crate) enum PipelineEvent {
    /// An encoder was opened, after these had been refused.
    Opened { name: &'static str, refused: Vec<Refusal> },
    /// The encoder failed in mid-stream, and another one went on with the very picture.
    TookOver { failed: EncoderError, name: &'static str },
    /// Settings that the encoder can't take.
    Failing(EncoderError),
    /// So many pictures a second are taken from now on.
    Pace(FrameRate),
    /// Frames are to stay on the graphics card from now on, or to come in memory.
    Surfaces(bool),
    /// None could be opened: the encode is at rest.
    Dead(EncoderError),
}

/// Sums since the start; a reader takes differences.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Pictures encoded.
    pub(crate) encoded: AtomicU64,
    /// Nanoseconds spent in the encoder.
    pub(crate) encode_nanos: AtomicU64,
    /// Bytes that came out.
    pub(crate) bytes: AtomicU64,
    /// Pictures composed, and nanoseconds from their capture to when that began, and that it took.
    pub(crate) composed: AtomicU64,
    pub(crate) wait_nanos: AtomicU64,
    pub(crate) compose_nanos: AtomicU64,
    /// One picture of so many is taken, as the machine can't do more; 0 before the first.
    pub(crate) every: AtomicU32,
    /// How often a raw picture is copied between its one conversion and the encoder.
    pub(crate) copies: AtomicU32,
    /// x264's preset in use, as an index; see [`encoder::Preset`].
    pub(crate) preset: AtomicU32,
}

/// Opens an encoder for these settings, none of those names.
pub(crate) type Opener = Box<dyn FnMut(&VideoConfig, &[&str]) -> Result<Opened, EncoderError> + Send>;

/// The encode's thread, at rest or running; dropping it stops and joins it.
#[derive(Debug)]
pub(crate) struct Pipeline {
    control: EncodeControl,
    counters: Arc<Counters>,
    lower: LowerHubs,
    thread: Option<JoinHandle<()>>,
}

impl Pipeline {
    /// Starts the thread, at rest; an encoder is opened there at the first frame after [`EncodeControl::show`].
    pub(crate) fn start(
        config: VideoConfig,
        hub: Broadcast<AccessUnit>,
        opener: Opener,
        on_event: impl Fn(PipelineEvent) + Send + 'static,
    ) -> std::io::Result<Self> {
        Self::start_with("encode-video", config, hub, opener, on_event)
    }

    /// As [`Self::start`], on a thread of that name.
    pub(crate) fn start_with(
        thread: &str,
        config: VideoConfig,
        hub: Broadcast<AccessUnit>,
        opener: Opener,
        on_event: impl Fn(PipelineEvent) + Send + 'static,
    ) -> std::io::Result<Self> {
        let control = EncodeControl::new(config);
        let counters = Arc::new(Counters::default());
        let worker_control = control.clone();
        let worker_counters = Arc::clone(&counters);
        let lower = LowerHubs::new(control.bell.clone());
        let worker_lower = lower.clone();
        let thread = std::thread::Builder::new().name(thread.to_owned()).spawn(move || {
            let encode = Encode::new(worker_control, worker_counters, (hub, worker_lower), opener, on_event);
            encode.run();
        })?;
        Ok(Self { control, counters, lower, thread: Some(thread) })
    }

    /// A handle to leave orders with.
    pub(crate) fn control(&self) -> EncodeControl {
        self.control.clone()
    }

    /// Lower encodings of the same pictures, made while somebody reads them.
    pub(crate) fn lower(&self) -> &LowerHubs {
        &self.lower
    }

    /// Whether pictures are left out, as the machine can't do more.
    pub(crate) fn is_short(&self) -> bool {
        self.counters.every.load(Ordering::Relaxed) > 1
    }

    /// Sums since the start.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.control.orders.lock().stop = true;
        self.control.bell.wake();
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the panic hook; there is nothing left to save.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "content_pipeline_tests.rs"]
mod content_tests;

#[cfg(test)]
#[path = "failover_tests.rs"]
mod failover_tests;

#[cfg(test)]
#[path = "on_card_tests.rs"]
mod on_card_tests;

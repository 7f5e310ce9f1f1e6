//! Destinations: one place that a stream is sent to, from its first attempt to its end.
//!
//! The only room that tries again, by one policy. It knows no codec; what a protocol says lives in a crate or module
//! of its own, which moves no bytes by itself.

mod datagram;
mod destination;
mod failure;
#[cfg(test)]
mod fault_matrix;
mod health;
mod mpeg_ts;
mod net;
mod retry;
mod rtmp;
mod rtp;
mod srt;
mod target;
mod udp;
mod webrtc;

pub use destination::{Destination, PublishStatus, Pulse, test, test_with_codec};
pub use failure::Failure;
pub use health::Health;
pub use mpeg_ts::{Muxer as MpegTsMuxer, PACKET as MPEG_TS_PACKET};
pub use net::{Connection, Stream, connect};
pub use retry::{RetryPolicy, Verdict};
pub use srt::refused as srt_refused;
pub use target::{BackendTarget, Carrier, MpegTsTarget, RtmpTarget, RtpTarget, SrtTarget, Target, WhipTarget};
pub use webrtc_transport::{LowerLayer, PathLimit};

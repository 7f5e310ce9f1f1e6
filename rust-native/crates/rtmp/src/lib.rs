//! RTMP and Enhanced RTMP (v2) as a publisher speaks it: bytes in, bytes and events out.
//!
//! Does no I/O, reads no clock and retries nothing: whoever drives [`Client`] moves the bytes and owns the time-outs.
//! What a server sends is bounded in size and depth before it is kept.

mod amf0;
mod chunk;
mod client;
mod error;
pub mod flv;
mod status;
mod target;

pub use amf0::Value;
pub use chunk::{ChunkReader, ChunkWriter, Message};
pub use client::{Client, Event, Features, Metadata};
pub use error::RtmpError;
pub use status::Refusal;
pub use target::Target;

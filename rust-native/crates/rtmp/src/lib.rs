//! RTMP and Enhanced RTMP (v2) between a server and who publishes or plays there, from either side: bytes in, bytes and
//! events out.
//!
//! Does no I/O, reads no clock and retries nothing: whoever drives [`Client`] or [`Server`] moves the bytes and owns the
//! time-outs. What the other side sends is bounded in size and depth before it is kept.

mod amf0;
mod chunk;
mod client;
mod error;
pub mod flv;
mod metadata;
mod muxer;
mod protocol;
mod server;
mod status;
pub mod tag;
mod target;
mod wire;

pub use amf0::Value;
pub use chunk::{ChunkReader, ChunkWriter, Message};
pub use client::{Client, Event, Features};
pub use error::RtmpError;
pub use metadata::Metadata;
pub use muxer::{Messages, Muxer};
pub use server::{Denial, Request, Server, ServerEvent};
pub use status::Refusal;
pub use target::Target;

//! WebRTC peers that send one H.264 track, in one encoding or several (simulcast), and one Opus track: the preview on loopback and the WHIP publisher.
//!
//! The only room that knows the crate `webrtc`. It takes access units in and gives packets out; it does no
//! signalling (SDP goes in and out as text), decides no bitrate and retries nothing.

mod addresses;
mod congestion;
mod error;
mod h264;
mod interceptor;
mod ladder;
mod layers;
mod network;
mod outgoing;
mod path;
mod peer;
mod restart;
mod sender;
mod session;
mod stats;
mod timing;

pub use error::TransportError;
pub use h264::{MAX_PAYLOAD, packetize};
pub use layers::LowerLayer;
pub use path::PathLimit;
pub use peer::{IceServer, Offered, Peer, PeerEvent, PeerHandle, PeerKind};
pub use stats::PeerStats;

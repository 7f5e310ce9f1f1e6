//! Getting SDP from one side to the other: the window's local WebSocket and WHIP over HTTP.
//!
//! SDP is opaque text here. No media, no retry: whoever publishes owns the one retry policy.

pub mod local;
pub mod whip;

pub use local::{
    ClientMessage, EndpointOptions, InputLevel, LocalEndpoint, LoudnessLevels, PreviewConnection, PreviewSender,
    ServerMessage, SignalingError, ThumbnailError, Thumbnailer,
};
pub use whip::{LinkedIceServer, WhipError, WhipSession};

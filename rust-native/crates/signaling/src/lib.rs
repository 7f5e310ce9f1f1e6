//! Getting SDP from one side to the other: the window's local WebSocket, WHIP over HTTP, a backend's WebSocket.
//!
//! SDP is opaque text here, but for ICE's lines in it, which WHIP sends by themselves. No media, no retry: whoever publishes owns the one retry policy.

pub mod backend;
pub mod local;
pub mod whip;

pub use backend::{BackendError, BackendEvent, BackendIceServer, BackendSession};
pub use local::{
    ClientMessage, EndpointOptions, InputLevel, LocalEndpoint, LoudnessLevels, PreviewConnection, PreviewSender,
    ServerMessage, SignalingError, ThumbnailError, Thumbnailer,
};
pub use whip::{LinkedIceServer, WhipError, WhipSession};

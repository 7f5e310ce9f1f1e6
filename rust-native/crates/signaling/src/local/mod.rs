//! The endpoint on 127.0.0.1 that the window talks to: a WebSocket for the preview, thumbnails as JPEG.
//!
//! Whatever else runs on this machine can reach the port, so each request must prove that it comes from our
//! page: by a token that only the page was given, and by its Origin where a browser sends one.

mod connection;
mod endpoint;
mod message;
mod token;

pub use connection::{PreviewConnection, PreviewSender};
pub use endpoint::{EndpointOptions, LocalEndpoint, SignalingError, ThumbnailError, Thumbnailer};
pub use message::{ClientMessage, InputLevel, LoudnessLevels, ServerMessage};

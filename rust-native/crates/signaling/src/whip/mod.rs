//! The WHIP client (RFC 9725): one POST with the offer, the answer back, PATCHes for what changes about ICE, one DELETE
//! at the end. Trying again is the caller's affair.

mod client;
mod error;
mod fragment;
mod http;
mod link;

pub use client::{WhipSession, publish};
pub use error::WhipError;
pub use http::is_loopback;
pub(crate) use http::pause;
pub use link::LinkedIceServer;

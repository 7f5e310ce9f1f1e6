//! The WHIP client (RFC 9725): one POST with the offer, the answer back, one DELETE at the end.
//!
//! The offer carries all candidates, so there is nothing to trickle. Trying again is the caller's affair.

mod client;
mod error;
mod link;

pub use client::{WhipSession, is_loopback, publish};
pub use error::WhipError;
pub use link::LinkedIceServer;

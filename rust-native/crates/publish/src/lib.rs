//! Destinations: one place that a stream is sent to, from its first attempt to its end.
//!
//! The only room that tries again, by one policy. It knows no codec and opens no socket itself.

mod destination;
mod retry;
mod whip;

pub use destination::{Destination, PublishStatus, WhipTarget};
pub use retry::{RetryPolicy, Verdict};

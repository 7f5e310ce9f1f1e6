//! Signalling over a WebSocket with a backend: for SFUs that have no WHIP. `PROTOCOL.md` describes it.
//!
//! The engine is the client here and offers, as it does on the window's local WebSocket. Connecting (TCP, TLS) and
//! trying again are the caller's affair.

mod error;
mod message;
mod session;

pub use error::BackendError;
pub use message::{AnswererMessage, BackendIceServer, OffererMessage, SUBPROTOCOL, VERSION};
pub use session::{BackendEvent, BackendSession, place};

//! The message bus of a Linux desktop's session, and how its portals are asked: as far as sharing a screen and keys
//! that act in any window need it.
//!
//! What is asked for is the owner's business: here is no interface of any portal but those that all of them share.

#![cfg(target_os = "linux")]

mod bus;
mod error;
mod portal;
mod session;
mod waker;
mod wire;

pub use bus::{Answer, Bus, Patience, Signal, Target};
pub use error::{BusError, RefusedAs};
pub use portal::{Portal, PortalSession, Refusal};
pub use session::is_wayland;
pub use waker::Waker;
pub use wire::Value;

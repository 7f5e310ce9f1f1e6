//! Hand-off between threads: a slot in which the latest wins, one producer's broadcast to many readers, and whose
//! turn comes first.
//!
//! The slow one pays: a producer never waits, a reader that lags loses by its own stated policy, and every loss
//! is counted. Nothing here knows what it carries beyond where a reader may start again.

mod broadcast;
mod fan;
mod slot;
mod urgency;

pub use broadcast::{Broadcast, LagPolicy, Lanes, Reader, ReaderStats, RecvError, Restartable};
pub use fan::Fan;
pub use slot::{FrameSlot, SlotWait};
pub use urgency::{Granted, Urgency, hurry};

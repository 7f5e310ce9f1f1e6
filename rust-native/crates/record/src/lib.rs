//! Units → disk: a recording that survives anything, and the last minutes kept in memory.
//!
//! A recorder is one named thread behind a bounded reader: a disk that stalls fills its own queue and nobody else's.
//! The engine decides when; policies (room, names, splitting, what the ring forgets) are pure functions beside it.

mod error;
mod file;
mod name;
mod recorder;
mod replay;
mod room;

pub use container::{AudioCodec, Format, InputTrack};
pub use error::RecordError;
pub use name::{LocalTime, file_stem};
pub use recorder::{Inputs, RecordEvent, RecordOptions, RecordStatus, Recorder, Split};
pub use replay::{Replay, ReplayStatus, Ring, Snapshot};
pub use room::{RoomWatch, free_bytes};

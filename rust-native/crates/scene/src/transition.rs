//! How one scene follows another.

use serde::{Deserialize, Serialize};

/// From the live scene to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Transition {
    /// At once.
    #[default]
    Cut,
    /// One picture dissolves into the other.
    Fade {
        /// Milliseconds, 1 to 10000.
        ms: u32,
    },
}

//! What happens when a publisher goes, or another comes to a name that is live.

use std::time::Duration;

use serde::Deserialize;

/// `[publishing]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PublishingSettings {
    /// Seconds that viewers are kept when their publisher is gone; they go on when the same stream is published again.
    pub grace_seconds: u32,
    /// Who gets the name when two want it.
    pub second_publisher: SecondPublisher,
}

/// Who gets a stream's name when somebody publishes under it already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondPublisher {
    /// The one who connected last: a program that was killed and started again is back at once.
    TakeOver,
    /// The one who has it; the other is answered 409. One that isn't heard for four seconds has it no longer.
    Refuse,
}

impl Default for PublishingSettings {
    fn default() -> Self {
        // Long enough for a program to restart or a network to come back, short enough that a page doesn't stand still
        // for ever.
        Self { grace_seconds: 15, second_publisher: SecondPublisher::TakeOver }
    }
}

impl PublishingSettings {
    pub(crate) fn grace(&self) -> Duration {
        Duration::from_secs(u64::from(self.grace_seconds))
    }
}

//! Why a call on the bus came to nothing, and whose refusal that was.

use std::io;
use std::time::Duration;

/// As long as D-Bus libraries wait for an answer by default: a service may have to be started first.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(25);

/// Why the bus gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// There is none, or it is gone.
    #[error("the session bus can't be reached: {0}")]
    Gone(String),
    /// The one who was called refused; by the error's name.
    #[error("{name}: {text}")]
    Refused {
        /// `org.freedesktop.DBus.Error.…`
        name: String,
        /// Its own words.
        text: String,
    },
    /// The one who was called does not answer.
    #[error("no answer within {} s", ANSWER_LIMIT.as_secs())]
    Silent,
    /// Whoever waits wants to wait no longer.
    #[error("given up")]
    Stopped,
}

/// What a [`BusError::Refused`] or any other says of who was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedAs {
    /// The user or a rule says no.
    NotAllowed,
    /// Nobody at that name, or nobody who knows that interface.
    Missing,
    /// It tried and failed, or is gone.
    Failed,
}

impl BusError {
    /// Whose refusal it is.
    pub fn refused_as(&self) -> RefusedAs {
        const MISSING: [&str; 6] =
            ["ServiceUnknown", "NameHasNoOwner", "UnknownMethod", "UnknownInterface", "UnknownObject", "InvalidArgs"];
        let Self::Refused { name, .. } = self else { return RefusedAs::Failed };
        match name.rsplit('.').next().unwrap_or_default() {
            "NotAllowed" | "Cancelled" => RefusedAs::NotAllowed,
            kind if MISSING.contains(&kind) || name.contains(".Spawn.") => RefusedAs::Missing,
            _ => RefusedAs::Failed,
        }
    }
}

impl From<io::Error> for BusError {
    fn from(error: io::Error) -> Self {
        Self::Gone(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_whose_it_is() {
        let refused = |name: &str| {
            let name = format!("org.freedesktop.{name}");
            BusError::Refused { name, text: "why".to_owned() }.refused_as()
        };
        assert_eq!(refused("DBus.Error.ServiceUnknown"), RefusedAs::Missing);
        assert_eq!(refused("DBus.Error.Spawn.ExecFailed"), RefusedAs::Missing);
        assert_eq!(refused("DBus.Error.UnknownMethod"), RefusedAs::Missing);
        assert_eq!(refused("portal.Error.NotAllowed"), RefusedAs::NotAllowed);
        assert_eq!(refused("portal.Error.Failed"), RefusedAs::Failed);
        assert_eq!(BusError::Silent.refused_as(), RefusedAs::Failed);
    }
}

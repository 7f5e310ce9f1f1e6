//! What can go wrong when the server starts, in words for whoever started it.

use std::io;
use std::net::SocketAddr;

/// A configuration that can't be used: where and why. Never carries a secret's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Line of the TOML text, counted from one, where it is known.
    pub line: Option<usize>,
    /// What is wrong with it, one sentence.
    pub reason: String,
}

impl std::fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Another program listens there already.
    #[error("{address} is already in use by another program")]
    PortInUse {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The system does not let this program listen there.
    #[error("this program may not listen on {address}")]
    NotAllowed {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The address can't be listened on for another reason.
    #[error("can't listen on {address}: {source}")]
    CantListen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration can't be used.
    #[error("{0}")]
    BadConfig(ConfigProblem),
    /// The system gave no thread or no random numbers.
    #[error("the media thread could not be started: {0}")]
    NoThread(io::Error),
}

impl ServerError {
    /// Stable, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::PortInUse { .. } => "port_in_use",
            Self::NotAllowed { .. } => "port_not_allowed",
            Self::CantListen { .. } => "cant_listen",
            Self::BadConfig(_) => "bad_config",
            Self::NoThread(_) => "no_thread",
        }
    }

    /// What to do about it, one sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::PortInUse { .. } => "Choose another port, or stop the program that uses this one.",
            Self::NotAllowed { .. } => "Choose a port above 1023, or give this program the right to use low ports.",
            Self::CantListen { .. } => "Choose an address of this machine: 127.0.0.1, 0.0.0.0 or one of its own.",
            Self::BadConfig(_) => "Correct the configuration and start again.",
            Self::NoThread(_) => "Close other programs or raise the system's limits, then start again.",
        }
    }

    /// Sorts what a bind said.
    pub(crate) fn from_bind(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::PortInUse { address },
            io::ErrorKind::PermissionDenied => Self::NotAllowed { address },
            _ => Self::CantListen { address, source },
        }
    }
}

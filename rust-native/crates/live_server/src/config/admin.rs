//! `[admin]`: who looks after the server by its pages, and where what they make is kept.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use media::Secret;
use serde::Deserialize;

use super::Network;
use crate::auth;

/// Guessed at ten times a minute, as the limit allows, a word of a dictionary with a digit would fall in weeks.
pub(crate) const SHORTEST_PASSWORD: usize = 10;

/// `[admin]`. Without this table there are no admin pages at all.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSettings {
    /// The password, or better its hash (`tidecast-server hash-key`). Without it the one that
    /// `tidecast-server set-admin-password` wrote into the folder counts.
    pub password: Option<Secret>,
    /// Where keys that are made by the pages, forwards that were added and the password's hash are kept; without it keys
    /// and forwards are gone with the run.
    pub folder: Option<PathBuf>,
    /// Where the pages may be opened from; empty for everywhere.
    pub allow: Vec<Network>,
    /// Lets other machines sign in without TLS: who listens on the way learns the password.
    pub plain_http: bool,
    /// Hours after which a sign-in ends.
    pub session_hours: u32,
}

impl Default for AdminSettings {
    fn default() -> Self {
        // A working day.
        Self { password: None, folder: None, allow: Vec::new(), plain_http: false, session_hours: 12 }
    }
}

impl AdminSettings {
    /// How long a sign-in is good.
    pub(crate) fn lifetime(&self) -> Duration {
        Duration::from_secs(u64::from(self.session_hours) * 3600)
    }

    /// Whether the pages may be opened from an address.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|network| network.contains(address))
    }

    /// The file of the password's hash.
    pub(crate) fn password_file(folder: &Path) -> PathBuf {
        folder.join("admin-password")
    }

    /// The file of the keys that were made.
    pub(crate) fn keys_file(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join("keys.json"))
    }

    /// The file of the forwards that were added.
    pub(crate) fn forwards_file(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join("forwards.json"))
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(password) = &self.password {
            if auth::is_hash(password) {
                auth::check_hash(password).map_err(|what| format!("admin.password {what}"))?;
            } else if password.expose().chars().count() < SHORTEST_PASSWORD {
                return Err(format!("admin.password is shorter than {SHORTEST_PASSWORD} characters"));
            }
        } else if self.folder.is_none() {
            return Err("admin.folder is missing, and so is a password: nobody could sign in".to_owned());
        }
        if !(1..=24 * 30).contains(&self.session_hours) {
            return Err("admin.session_hours must lie between 1 and 720".to_owned());
        }
        Ok(())
    }
}

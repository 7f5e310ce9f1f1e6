//! What the admin pages need to remember: who is signed in, the keys that were made, who is kept out, the last minutes of
//! each stream, what viewers reported, and the last lines of the log.
//!
//! All of it is bounded, and no request is answered here: `http::admin` does that.

mod health;
mod history;
mod kept_out;
mod log_book;
mod made_keys;
mod password;
mod reports;
mod sign_ins;
mod thumbnail;
pub(crate) mod whole;

use std::time::Duration;

use parking_lot::Mutex;

use crate::auth::{Counter, KeyChecker};
use crate::config::{AdminSettings, Config};
use crate::histogram::Histogram;

pub(crate) use health::{Health, health};
pub(crate) use history::{History, Sample};
pub(crate) use kept_out::KeptOut;
pub use log_book::LogBook;
pub(crate) use log_book::{Asked, Found};
pub(crate) use made_keys::{KeyProblem, MadeKey, MadeKeys, Wish};
pub use password::set_admin_password;
pub(crate) use password::{stored as stored_password, write_private};
pub(crate) use reports::{Report, ReportSum, Reports};
pub(crate) use sign_ins::SignIns;
pub(crate) use thumbnail::{Thumbnails, draw};

/// See the module.
#[derive(Default)]
pub(crate) struct Admin {
    pub(crate) sign_ins: Mutex<SignIns>,
    /// Wrong passwords. Publishers' failures are counted elsewhere: neither locks the other out.
    pub(crate) failures: Mutex<Counter>,
    /// Its own place to compute hashes: a flood of passwords must not hold publishers up.
    pub(crate) passwords: KeyChecker,
    pub(crate) keys: Mutex<MadeKeys>,
    pub(crate) kept_out: Mutex<KeptOut>,
    pub(crate) history: Mutex<History>,
    pub(crate) reports: Mutex<Reports>,
    /// Reports of one address.
    pub(crate) reporters: Mutex<Counter>,
    /// How long players say they waited for their first picture.
    pub(crate) joins: Histogram,
    pub(crate) thumbnails: Mutex<Thumbnails>,
    pub(crate) log: LogBook,
}

impl Admin {
    pub(crate) fn new(log: LogBook) -> Self {
        Self { log, ..Self::default() }
    }

    /// Takes a configuration over: the keys come from its folder. Without one, those of this run stay.
    pub(crate) fn configure(&self, keys: MadeKeys) {
        let mut now = self.keys.lock();
        if keys.are_kept() || now.are_kept() {
            *now = keys;
        }
    }

    /// The keys that a configuration's folder holds.
    ///
    /// # Errors
    /// Why the file can't be read.
    pub(crate) fn load_keys(config: &Config) -> Result<MadeKeys, String> {
        MadeKeys::load(config.admin.as_ref().and_then(AdminSettings::keys_file))
    }
}

/// How often streams are looked at for their history.
pub(crate) const EVERY: Duration = Duration::from_secs(1);

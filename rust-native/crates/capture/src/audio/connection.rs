//! The process's one connection to the sound server.
//!
//! cpal's PulseAudio client leaves its reactor thread behind when it is dropped: the thread waits for the server's
//! next word, which never comes. A connection for each question would cost a thread and three descriptors each time,
//! so one is kept and shared. It is replaced when it has died, and a connection that the server closed ends its
//! thread by itself.

use std::sync::{Arc, Mutex, PoisonError};

use cpal::traits::HostTrait;
use cpal::{Host, HostId};

use super::AudioError;

static KEPT: Mutex<Option<Arc<Host>>> = Mutex::new(None);

/// A connection that has answered just now. Blocks as long as the server does.
///
/// # Errors
/// `no_sound_server`.
pub(super) fn connection() -> Result<Arc<Host>, AudioError> {
    let mut dead = None;
    loop {
        // Asked without the lock: a server that hangs must not hold up those who come after it is replaced.
        let host = kept_or_new(dead.as_ref())?;
        if host.devices().is_ok() || dead.is_some() {
            return Ok(host);
        }
        dead = Some(host);
    }
}

/// What is kept, or a new connection where nothing is, or only the dead one.
fn kept_or_new(dead: Option<&Arc<Host>>) -> Result<Arc<Host>, AudioError> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let usable = kept.as_ref().filter(|kept| dead.is_none_or(|dead| !Arc::ptr_eq(kept, dead)));
    if let Some(host) = usable {
        return Ok(host.clone());
    }
    // Forgotten first: where no server is left, nothing holds on to the old one.
    *kept = None;
    let host = cpal::host_from_id(HostId::PulseAudio)
        .map_err(|error| AudioError::NoSoundServer { reason: error.to_string() })?;
    Ok(kept.insert(Arc::new(host)).clone())
}

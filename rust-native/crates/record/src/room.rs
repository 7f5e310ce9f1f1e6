//! How much room a disk has left, and when to say so.

use std::path::Path;
use std::time::Duration;

/// Less than this and the user is warned.
const LOW: Duration = Duration::from_secs(600);
/// Warned again only after there was this much: files come and go.
const ENOUGH: Duration = Duration::from_secs(900);

/// Warns once when room runs low. Pure.
#[derive(Debug, Default)]
pub struct RoomWatch {
    warned: bool,
}

impl RoomWatch {
    /// How long `free` bytes last at that many bytes a second; `None` while nothing is written.
    pub fn lasts(free: u64, bytes_per_second: f64) -> Option<Duration> {
        // A still screen writes next to nothing: a month is as good as for ever.
        const MOST: f64 = 30.0 * 86_400.0;
        (bytes_per_second > 0.0).then(|| Duration::from_secs_f64((free as f64 / bytes_per_second).min(MOST)))
    }

    /// `true` when the user is to be warned now.
    pub fn look(&mut self, lasts: Option<Duration>) -> bool {
        let Some(lasts) = lasts else { return false };
        if lasts >= ENOUGH {
            self.warned = false;
        }
        lasts < LOW && !std::mem::replace(&mut self.warned, true)
    }
}

/// Bytes that this user may still write there; `None` where the system doesn't say.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    imp::free_bytes(folder)
}

#[cfg(unix)]
mod imp {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    #[allow(clippy::unnecessary_cast, reason = "the fields' widths differ between systems")]
    pub(super) fn free_bytes(folder: &Path) -> Option<u64> {
        let path = CString::new(folder.as_os_str().as_bytes()).ok()?;
        // SAFETY: a NUL-terminated path and writable memory; all-zero is a valid `statvfs`.
        let answer = unsafe {
            let mut answer: libc::statvfs = std::mem::zeroed();
            (libc::statvfs(path.as_ptr(), &mut answer) == 0).then_some(answer)
        }?;
        Some(answer.f_bavail as u64 * answer.f_frsize as u64)
    }
}

#[cfg(not(unix))]
mod imp {
    use std::path::Path;

    /// Not asked for here: no warning is given before the disk is full.
    pub(super) fn free_bytes(_folder: &Path) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_warned_once_below_ten_minutes_and_again_after_there_was_room() {
        let mut watch = RoomWatch::default();
        let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
        assert!(!watch.look(minutes(11)) && !watch.look(None));
        assert!(watch.look(minutes(9)));
        assert!(!watch.look(minutes(8)) && !watch.look(minutes(11)) && !watch.look(minutes(9)));
        assert!(!watch.look(minutes(20)));
        assert!(watch.look(minutes(9)));
    }

    #[test]
    fn room_is_bytes_over_rate() {
        assert_eq!(RoomWatch::lasts(6_000_000, 10_000.0), Some(Duration::from_secs(600)));
        assert_eq!(RoomWatch::lasts(1, 0.0), None);
    }

    #[test]
    fn the_system_says_how_much_there_is() {
        assert!(free_bytes(&std::env::temp_dir()).is_none_or(|free| free > 0));
        assert_eq!(free_bytes(Path::new("/no/such/folder")), None);
    }
}

//! Sleeping until a server speaks, the owner calls or a deadline passes, and not a moment less.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Ends a thread's sleep from another one.
#[derive(Debug)]
pub struct Waker(OwnedFd);

impl Waker {
    /// # Errors
    /// The system has no more descriptors.
    pub fn new() -> io::Result<Self> {
        // SAFETY: a plain call; the descriptor it gives belongs to no one else.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as above.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Ends the present or the next sleep.
    pub fn wake(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: writes eight bytes that are there. It can only fail when a wake is already pending.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Sleeps until a wake, until `socket` can be read, or for `limit`.
    pub fn sleep(&self, socket: Option<RawFd>, limit: Option<Duration>) {
        let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // poll skips negative descriptors.
        let mut entries = [entry(self.0.as_raw_fd()), entry(socket.unwrap_or(-1))];
        let limit = limit.map(|limit| libc::timespec {
            tv_sec: limit.as_secs() as libc::time_t,
            tv_nsec: limit.subsec_nanos().into(),
        });
        let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: two valid entries, a valid or null time, no signal mask. An interruption is a sleep that ended.
        let ready = unsafe { libc::ppoll(entries.as_mut_ptr(), 2, limit, std::ptr::null()) };
        if ready > 0 && entries[0].revents != 0 {
            let mut count = [0_u8; 8];
            // SAFETY: reads eight bytes into a buffer of eight.
            unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
        }
    }
}

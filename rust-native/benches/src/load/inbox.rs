//! Datagrams in batches, each with the time at which the kernel had it.

use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use super::Problem;

/// Datagrams of one system call.
const BATCH: usize = 64;
const DATAGRAM: usize = 2048;
/// Holds a time stamp's control message and no other (cmsg(3)).
const CONTROL: usize = 64;
/// The system may give less.
const SOCKET_BUFFER: libc::c_int = 4 << 20;

/// Has the socket's datagrams stamped by the kernel, and room for many.
pub(super) fn prepare(socket: &UdpSocket) -> Result<(), Problem> {
    socket.set_nonblocking(true)?;
    for (option, value) in [(libc::SO_TIMESTAMPNS, 1), (libc::SO_RCVBUF, SOCKET_BUFFER)] {
        let size = std::mem::size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the socket is open, and the value is an int of that size.
        let outcome =
            unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const value).cast(), size) };
        if outcome != 0 {
            return Err(std::io::Error::last_os_error().into());
        }
    }
    Ok(())
}

/// Memory for one batch; used for all sockets in turn.
pub(super) struct Inbox {
    bytes: Vec<[u8; DATAGRAM]>,
    control: Vec<[u64; CONTROL / 8]>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { bytes: vec![[0; DATAGRAM]; BATCH], control: vec![[0; CONTROL / 8]; BATCH] }
    }

    /// Reads one batch without waiting: `each` gets every datagram and its arrival (nanoseconds of the wall clock).
    /// Gives how many there were.
    pub(super) fn read(&mut self, socket: &UdpSocket, mut each: impl FnMut(&[u8], u64)) -> Result<usize, Problem> {
        let mut parts: Vec<libc::iovec> = (self.bytes.iter_mut())
            .map(|bytes| libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: DATAGRAM })
            .collect();
        let mut messages: Vec<libc::mmsghdr> = (parts.iter_mut().zip(&mut self.control))
            .map(|(part, control)| {
                // SAFETY: a header of zeros has no name, no parts and no control: a valid one.
                let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
                message.msg_hdr.msg_iov = part;
                message.msg_hdr.msg_iovlen = 1;
                message.msg_hdr.msg_control = control.as_mut_ptr().cast();
                message.msg_hdr.msg_controllen = CONTROL;
                message
            })
            .collect();
        // SAFETY: each message points to a part and a control buffer of its own, both of the length that is said, and
        // all of them outlive the call.
        let read = unsafe {
            let (first, count) = (messages.as_mut_ptr(), BATCH as u32);
            libc::recvmmsg(socket.as_raw_fd(), first, count, libc::MSG_DONTWAIT, std::ptr::null_mut())
        };
        let Ok(read) = usize::try_from(read) else {
            let error = std::io::Error::last_os_error();
            return if error.kind() == std::io::ErrorKind::WouldBlock { Ok(0) } else { Err(error.into()) };
        };
        for message in &messages[..read] {
            // SAFETY: the kernel has filled so many bytes of the part, which is alive and not borrowed otherwise.
            let bytes = unsafe {
                std::slice::from_raw_parts((*message.msg_hdr.msg_iov).iov_base.cast::<u8>(), message.msg_len as usize)
            };
            each(bytes, arrival(&message.msg_hdr).ok_or("the kernel gave no time stamp")?);
        }
        Ok(read)
    }
}

fn arrival(header: &libc::msghdr) -> Option<u64> {
    // SAFETY: the header is as the kernel left it; its first control message, if there is one, is whole within the
    // control buffer, and the stamp is read from where that message's data begin.
    unsafe {
        let control = libc::CMSG_FIRSTHDR(header);
        if control.is_null() || (*control).cmsg_level != libc::SOL_SOCKET {
            return None;
        }
        if (*control).cmsg_type != libc::SCM_TIMESTAMPNS {
            return None;
        }
        let time: libc::timespec = libc::CMSG_DATA(control).cast::<libc::timespec>().read_unaligned();
        Some(u64::try_from(time.tv_sec).ok()? * 1_000_000_000 + u64::try_from(time.tv_nsec).ok()?)
    }
}

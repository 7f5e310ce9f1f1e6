//! Datagrams in batches, each with the time at which the kernel had it.
//!
//! What is sent over the loopback is received on the sender's processor: without `UDP_GRO` the kernel cuts a run of
//! datagrams (GSO) into pieces there, queues each of them and wakes us for each, all within the server's own `sendmsg`.
//! That work is a network card's and another machine's; counted as the server's it was a quarter of its time, and made
//! later what waited behind it. So runs are read as they were sent, and cut here. A run has one arrival, as before: the
//! kernel stamps it before it would cut it.

use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use super::Problem;

/// Runs of one system call.
const BATCH: usize = 16;
/// No run is longer than a datagram may be.
const RUN: usize = 1 << 16;
/// Holds the control messages of a time stamp and of a run's piece (cmsg(3)), and no other.
const CONTROL: usize = 64;
/// The system may give less.
const SOCKET_BUFFER: libc::c_int = 4 << 20;

/// Has the socket's datagrams stamped by the kernel, left in their runs, and room for many.
pub(super) fn prepare(socket: &UdpSocket) -> Result<(), Problem> {
    socket.set_nonblocking(true)?;
    for (level, option, value) in [
        (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1),
        (libc::SOL_SOCKET, libc::SO_RCVBUF, SOCKET_BUFFER),
        (libc::SOL_UDP, libc::UDP_GRO, 1),
    ] {
        let size = std::mem::size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the socket is open, and the value is an int of that size.
        let outcome = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), size) };
        if outcome != 0 {
            return Err(std::io::Error::last_os_error().into());
        }
    }
    Ok(())
}

/// Memory for one batch; used for all sockets in turn.
pub(super) struct Inbox {
    bytes: Vec<Vec<u8>>,
    control: Vec<[u64; CONTROL / 8]>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { bytes: vec![vec![0; RUN]; BATCH], control: vec![[0; CONTROL / 8]; BATCH] }
    }

    /// Reads one batch without waiting: `each` gets every datagram and its arrival (nanoseconds of the wall clock).
    /// Gives how many there were.
    pub(super) fn read(&mut self, socket: &UdpSocket, mut each: impl FnMut(&[u8], u64)) -> Result<usize, Problem> {
        let mut parts: Vec<libc::iovec> = (self.bytes.iter_mut())
            .map(|bytes| libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: RUN })
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
            let (arrival, piece) = told(&message.msg_hdr);
            let arrival = arrival.ok_or("the kernel gave no time stamp")?;
            bytes.chunks(piece.unwrap_or(RUN)).for_each(|datagram| each(datagram, arrival));
        }
        Ok(read)
    }
}

/// What the control messages say: the arrival, and the length of a run's pieces where it is one.
fn told(header: &libc::msghdr) -> (Option<u64>, Option<usize>) {
    let (mut arrival, mut piece) = (None, None);
    // SAFETY: the header is as the kernel left it; each of its control messages is whole within the control buffer, and
    // what a message holds is read from where its data begin, as the type that its kind has.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while !control.is_null() {
            let data = libc::CMSG_DATA(control);
            match ((*control).cmsg_level, (*control).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let time: libc::timespec = data.cast::<libc::timespec>().read_unaligned();
                    arrival = nanoseconds(&time);
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    let length = data.cast::<libc::c_int>().read_unaligned();
                    piece = usize::try_from(length).ok().filter(|length| *length > 0);
                }
                _ => {}
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
    }
    (arrival, piece)
}

fn nanoseconds(time: &libc::timespec) -> Option<u64> {
    Some(u64::try_from(time.tv_sec).ok()? * 1_000_000_000 + u64::try_from(time.tv_nsec).ok()?)
}

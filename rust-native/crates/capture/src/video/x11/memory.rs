//! Memory that the X server writes pictures into, handed on as frames without a copy.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;

use media::Size;
use x11rb::connection::Connection;
use x11rb::protocol::shm::{ConnectionExt, Seg};
use x11rb::rust_connection::RustConnection;

use crate::video::VideoError;

/// Pictures that may be out at once: one in the slot, one being encoded, one kept for repeats, one being grabbed,
/// and two for consumers that lag.
const MOST_SEGMENTS: usize = 6;

/// One picture's worth of memory shared with the server.
#[derive(Debug)]
pub(super) struct Memory {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping belongs to this value alone; threads read it through `&self` and write it through `&mut self`.
unsafe impl Send for Memory {}
// SAFETY: as above; the server writes only during a grab, when the pool holds the only reference.
unsafe impl Sync for Memory {}

impl Memory {
    fn new(length: usize) -> Result<(Self, OwnedFd), std::io::Error> {
        // SAFETY: the name is a C string.
        let fd = unsafe { libc::memfd_create(c"tidecast-frame".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: `fd` is open and belongs to no one else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let size = libc::off_t::try_from(length).map_err(std::io::Error::other)?;
        // Sealed, as a file that shrinks would turn the next read into SIGBUS.
        // SAFETY: plain calls on an open descriptor.
        let sized = unsafe {
            libc::ftruncate(fd.as_raw_fd(), size) == 0
                && libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK | libc::F_SEAL_GROW) == 0
        };
        if !sized {
            return Err(std::io::Error::last_os_error());
        }
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: maps `length` bytes of a file of that size, at a place that the kernel chooses.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, fd.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| std::io::Error::other("mapped at zero"))?;
        Ok((Self { start, length }, fd))
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `length` bytes are mapped and initialised (a new file reads as zeroes); `&mut self` is unique, and
        // the server writes only while it answers a grab.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: as in `bytes_mut`; the server writes only while the pool holds the only reference.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length and is used by no one any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// Memory together with the server's name for it.
#[derive(Debug)]
struct Segment {
    id: Seg,
    memory: Arc<Memory>,
}

/// Segments of one picture size. A segment is free when nobody but the pool holds its memory.
#[derive(Debug)]
pub(super) struct Pool {
    size: Size,
    segments: Vec<Segment>,
}

impl Pool {
    pub(super) fn new(size: Size) -> Self {
        Self { size, segments: Vec::new() }
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Bytes from one row of a picture to the next.
    pub(super) fn stride(&self) -> usize {
        self.size.width as usize * 4
    }

    /// The number of a segment that may be written; `None` while consumers hold all of them.
    pub(super) fn free(&mut self, connection: &RustConnection) -> Result<Option<usize>, VideoError> {
        let free = self.segments.iter_mut().position(|segment| Arc::get_mut(&mut segment.memory).is_some());
        if free.is_none() && self.segments.len() < MOST_SEGMENTS {
            self.segments.push(self.attach(connection)?);
            return Ok(Some(self.segments.len() - 1));
        }
        Ok(free)
    }

    /// The server's name for a segment.
    pub(super) fn id(&self, segment: usize) -> Seg {
        self.segments[segment].id
    }

    /// Its memory, while nobody else holds it.
    pub(super) fn writable(&mut self, segment: usize) -> Option<&mut Memory> {
        Arc::get_mut(&mut self.segments[segment].memory)
    }

    /// Its memory for a frame: the segment is not free until that is dropped.
    pub(super) fn share(&self, segment: usize) -> Arc<Memory> {
        Arc::clone(&self.segments[segment].memory)
    }

    fn attach(&self, connection: &RustConnection) -> Result<Segment, VideoError> {
        let length = self.stride() * self.size.height as usize;
        let (memory, fd) = Memory::new(length).map_err(|error| VideoError::SharedMemory(error.to_string()))?;
        let id = connection.generate_id()?;
        connection.shm_attach_fd(id, fd, false)?.check().map_err(|error| match VideoError::from(error) {
            VideoError::Refused(detail) => VideoError::SharedMemory(detail),
            other => other,
        })?;
        Ok(Segment { id, memory: Arc::new(memory) })
    }

    /// Lets the server forget the segments; frames that are still out keep their memory.
    pub(super) fn detach(&mut self, connection: &RustConnection) {
        for segment in self.segments.drain(..) {
            // An error here is the display's end, which the next request reports.
            let _ = connection.shm_detach(segment.id);
        }
    }
}

//! What lies in one of PipeWire's buffers: a picture, what is said of it, and the notes beside it.

use std::ffi::c_void;
use std::os::fd::{BorrowedFd, RawFd};
use std::ptr::NonNull;
use std::sync::Arc;

use media::{Alpha, Clock, MediaTime, MonotonicClock, PixelBuffer, Size, VideoFrame};

use super::dma_buf::{Memory, native, pixels};
use super::loan::Loans;
use super::params::Format;
use super::pixels::{Crop, Layout};
use super::structures::{
    Buffer, CHUNK_CORRUPTED, Chunk, DMA_BUF, Data, HEADER_CORRUPTED, Header, META_HEADER, META_VIDEO_CROP, Region,
};
use crate::video::pool::Pool;
use crate::video::stamps::captured_at;

/// Whether there is a whole picture in it: a buffer may carry only a note (the pointer moved), or a damaged picture.
///
/// # Safety
/// A dequeued buffer.
pub(super) unsafe fn holds_picture(buffer: NonNull<Buffer>) -> bool {
    // SAFETY: by the caller; PipeWire fills all of these.
    unsafe {
        let Some((data, chunk)) = memory(buffer) else { return false };
        let header = note(buffer, META_HEADER, size_of::<Header>()).cast::<Header>();
        let is_damaged = header.as_ref().is_some_and(|header| header.flags & HEADER_CORRUPTED != 0);
        // Memory of the card is not mapped, and whoever lends it need not say how large it is (PipeWire's `dma-buf.dox`).
        let is_there = match data.kind {
            DMA_BUF => data.fd >= 0 && (chunk.size > 0 || data.max_size == 0),
            _ => !data.data.is_null() && chunk.size > 0,
        };
        is_there && chunk.flags & CHUNK_CORRUPTED == 0 && !is_damaged
    }
}

/// The first plane and what is said of it.
///
/// # Safety
/// A dequeued buffer; what is given stays until it is given back.
unsafe fn memory<'a>(buffer: NonNull<Buffer>) -> Option<(&'a Data, &'a Chunk)> {
    // SAFETY: by the caller; PipeWire fills all of these.
    unsafe {
        let buffer = buffer.as_ref().buffer.as_ref()?;
        let data = buffer.datas.as_ref().filter(|_| buffer.n_datas > 0)?;
        Some((data, data.chunk.as_ref()?))
    }
}

/// The note of that kind and at least that size beside the picture, or null.
///
/// # Safety
/// A dequeued buffer.
unsafe fn note(buffer: NonNull<Buffer>, kind: u32, least: usize) -> *const c_void {
    // SAFETY: by the caller; PipeWire fills all of these, `n_metas` of them.
    unsafe {
        let Some(buffer) = buffer.as_ref().buffer.as_ref() else { return std::ptr::null() };
        if buffer.metas.is_null() {
            return std::ptr::null();
        }
        let metas = std::slice::from_raw_parts(buffer.metas, buffer.n_metas as usize);
        let found = metas.iter().find(|meta| meta.kind == kind && meta.size as usize >= least);
        found.map_or(std::ptr::null(), |meta| meta.data)
    }
}

/// What became of a buffer's picture.
pub(super) enum Read {
    /// The buffer is not needed any more.
    Copied(VideoFrame),
    /// The picture stays where it is; the buffer comes back by itself.
    Lent(VideoFrame),
    /// Consumers hold all memory.
    Later,
    /// It contradicts itself.
    Damaged,
}

/// What is said of a picture.
struct Notes {
    /// Where it begins, and from row to row: bytes.
    place: (u32, i32),
    crop: Option<Crop>,
    at: MediaTime,
}

impl Notes {
    /// # Safety
    /// A dequeued buffer, and its chunk.
    unsafe fn of(buffer: NonNull<Buffer>, chunk: &Chunk) -> Self {
        let now = MonotonicClock.now();
        // SAFETY: by the caller; notes are as large as is asked for.
        let (crop, header) = unsafe {
            let crop = note(buffer, META_VIDEO_CROP, size_of::<Region>()).cast::<Region>().as_ref();
            (crop, note(buffer, META_HEADER, size_of::<Header>()).cast::<Header>().as_ref())
        };
        let crop = crop.and_then(|crop| {
            let (x, y) = (u32::try_from(crop.x).ok()?, u32::try_from(crop.y).ok()?);
            Some(Crop { x, y, size: Size { width: crop.width, height: crop.height } })
        });
        // Portals stamp by the same clock as we do; what is stamped otherwise is new.
        let at = header.map(|header| header.pts).filter(|&stamp| stamp > 0);
        let at = at.map_or(now, |stamp| captured_at(stamp.into(), now.as_nanos().into(), now));
        Self { place: (chunk.offset, chunk.stride), crop, at }
    }

    fn frame(&self, size: Size, stride: usize, pixels: PixelBuffer) -> VideoFrame {
        VideoFrame { captured_at: self.at, size, stride, pixels, alpha: Alpha::Opaque }
    }
}

/// # Safety
/// A dequeued buffer that holds a picture of that format.
pub(super) unsafe fn frame_of(buffer: NonNull<Buffer>, format: Format, pool: &mut Pool, loans: &Arc<Loans>) -> Read {
    // SAFETY: by the caller.
    unsafe {
        let Some((data, chunk)) = memory(buffer) else { return Read::Damaged };
        let notes = Notes::of(buffer, chunk);
        match data.kind {
            DMA_BUF => lent(buffer, data, &notes, format, loans).unwrap_or(Read::Damaged),
            _ => copied(data, &notes, format, pool),
        }
    }
}

/// # Safety
/// Of a dequeued buffer that holds a picture of that format in memory.
unsafe fn copied(data: &Data, notes: &Notes, format: Format, pool: &mut Pool) -> Read {
    // SAFETY: by the caller; the memory is mapped, `maxsize` bytes of it, until the buffer is given back.
    let bytes = unsafe { std::slice::from_raw_parts(data.data, data.max_size as usize) };
    let layout = Layout::new(format.size, format.order, bytes.len(), notes.place, notes.crop);
    let Some(layout) = layout else { return Read::Damaged };
    pool.resize(layout.picture());
    let write = |to: &mut [u8]| {
        layout.copy(bytes, to);
        Ok::<(), std::convert::Infallible>(())
    };
    let Ok(Some(pixels)) = pool.fill(write) else { return Read::Later };
    Read::Copied(notes.frame(layout.picture(), pool.stride(), pixels))
}

/// `None` for a picture that contradicts itself, or that there is no descriptor left for.
///
/// # Safety
/// A dequeued buffer that holds a picture of that format on the graphics card.
unsafe fn lent(
    buffer: NonNull<Buffer>,
    data: &Data,
    notes: &Notes,
    format: Format,
    loans: &Arc<Loans>,
) -> Option<Read> {
    let fd = RawFd::try_from(data.fd).ok()?;
    // SAFETY: by the caller; it is open until the buffer is given back.
    let memory = Memory::of(unsafe { BorrowedFd::borrow_raw(fd) });
    let memory = memory.inspect_err(|error| tracing::debug!(%error, "a picture on the graphics card is lost")).ok()?;
    let (offset, stride) = notes.place;
    let place = (data.map_offset.checked_add(offset)?, stride);
    let layout = Layout::new(format.size, format.order, memory.bytes(), place, notes.crop)?;
    let native = native(&memory, &layout, format.modifier?)?;
    // Last: what failed before gives the buffer back otherwise.
    let Some(loan) = loans.lend(buffer) else { return Some(Read::Later) };
    let size = layout.picture();
    Some(Read::Lent(notes.frame(size, size.width as usize * 4, pixels(memory, layout, native, loan))))
}

//! What lies in one of PipeWire's buffers: a picture, what is said of it, and the notes beside it.

use std::ffi::c_void;
use std::ptr::NonNull;

use media::{Alpha, Clock, MonotonicClock, Size, VideoFrame};

use super::pixels::{Crop, Layout, Order};
use super::structures::{
    Buffer, CHUNK_CORRUPTED, Chunk, Data, HEADER_CORRUPTED, Header, META_HEADER, META_VIDEO_CROP, Region,
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
        !data.data.is_null() && chunk.size > 0 && chunk.flags & CHUNK_CORRUPTED == 0 && !is_damaged
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
    Frame(VideoFrame),
    /// Consumers hold all memory.
    Later,
    /// It contradicts itself.
    Damaged,
}

/// # Safety
/// A dequeued buffer that holds a picture of that format.
pub(super) unsafe fn frame_of(buffer: NonNull<Buffer>, size: Size, order: Order, pool: &mut Pool) -> Read {
    let now = MonotonicClock.now();
    // SAFETY: by the caller; the memory is mapped, `maxsize` bytes of it, until the buffer is given back.
    let (bytes, place, crop, stamp) = unsafe {
        let Some((data, chunk)) = memory(buffer) else { return Read::Damaged };
        let bytes = std::slice::from_raw_parts(data.data, data.max_size as usize);
        let crop = note(buffer, META_VIDEO_CROP, size_of::<Region>()).cast::<Region>().as_ref();
        let crop = crop.and_then(|crop| {
            let (x, y) = (u32::try_from(crop.x).ok()?, u32::try_from(crop.y).ok()?);
            Some(Crop { x, y, size: Size { width: crop.width, height: crop.height } })
        });
        let header = note(buffer, META_HEADER, size_of::<Header>()).cast::<Header>().as_ref();
        (bytes, (chunk.offset, chunk.stride), crop, header.map(|header| header.pts))
    };
    let Some(layout) = Layout::new(size, order, bytes.len(), place, crop) else { return Read::Damaged };
    pool.resize(layout.picture());
    let write = |to: &mut [u8]| {
        layout.copy(bytes, to);
        Ok::<(), std::convert::Infallible>(())
    };
    let Ok(Some(pixels)) = pool.fill(write) else { return Read::Later };
    // Portals stamp by the same clock as we do; what is stamped otherwise is new.
    let at = stamp.filter(|&stamp| stamp > 0);
    let at = at.map_or(now, |stamp| captured_at(stamp.into(), now.as_nanos().into(), now));
    let (size, stride) = (layout.picture(), pool.stride());
    Read::Frame(VideoFrame { captured_at: at, size, stride, pixels, alpha: Alpha::Opaque })
}

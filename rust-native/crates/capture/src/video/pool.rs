//! Plain memory for pictures that a graphics API lends only for a moment.
//!
//! A buffer is free again when nobody but the pool holds it, so a steady capture allocates nothing.

use std::sync::Arc;

use media::{PixelBuffer, Size};

/// Pictures that may be out at once: one in the slot, one being encoded, one kept for repeats, one being written, and
/// two for consumers that lag.
const MOST_BUFFERS: usize = 6;

/// What pictures are lent out in, at most [`MOST_BUFFERS`] of it.
#[derive(Debug)]
pub(super) struct Shelf<T>(Vec<Arc<T>>);

impl<T> Shelf<T> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// One that nobody but the shelf holds, made by `make` where there is none; `None` while consumers hold all.
    pub(super) fn free<E>(&mut self, make: impl FnOnce() -> Result<T, E>) -> Result<Option<&mut Arc<T>>, E> {
        let free = self.0.iter_mut().position(|each| Arc::get_mut(each).is_some());
        let index = match free {
            Some(index) => index,
            None if self.0.len() < MOST_BUFFERS => {
                self.0.push(Arc::new(make()?));
                self.0.len() - 1
            }
            None => return Ok(None),
        };
        Ok(self.0.get_mut(index))
    }
}

/// Buffers of one picture size, BGRA without padding.
#[derive(Debug)]
pub(super) struct Pool {
    size: Size,
    buffers: Shelf<Vec<u8>>,
}

impl Pool {
    pub(super) fn new(size: Size) -> Self {
        Self { size, buffers: Shelf::new() }
    }

    /// Bytes from one row of a picture to the next.
    pub(super) fn stride(&self) -> usize {
        self.size.width as usize * 4
    }

    /// Takes pictures of another size from now on; those that are out keep their memory.
    pub(super) fn resize(&mut self, size: Size) {
        if size != self.size {
            *self = Self::new(size);
        }
    }

    /// A picture that `write` filled (it is given the bytes, `stride * height`); `None` while consumers hold all.
    pub(super) fn fill<E>(&mut self, write: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Option<PixelBuffer>, E> {
        let length = self.stride() * self.size.height as usize;
        let Some(buffer) = self.buffers.free(|| Ok(vec![0; length]))? else { return Ok(None) };
        let Some(bytes) = Arc::get_mut(buffer) else { return Ok(None) };
        write(bytes)?;
        Ok(Some(PixelBuffer::new(Arc::clone(buffer) as Arc<dyn AsRef<[u8]> + Send + Sync>)))
    }
}

/// Copies `rows` rows of `width` bytes each, from memory whose rows are padded to memory whose rows are not.
pub(super) fn copy_rows(from: &[u8], from_stride: usize, to: &mut [u8], width: usize) {
    if width == 0 {
        return;
    }
    if from_stride == width {
        let length = to.len().min(from.len());
        to[..length].copy_from_slice(&from[..length]);
        return;
    }
    for (from, to) in from.chunks(from_stride).zip(to.chunks_exact_mut(width)) {
        // The last row of lent memory may end without its padding.
        if let Some(from) = from.get(..width) {
            to.copy_from_slice(from);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    const SMALL: Size = Size { width: 2, height: 3 };

    fn picture(pool: &mut Pool, value: u8) -> Option<PixelBuffer> {
        let write = |bytes: &mut [u8]| {
            bytes.fill(value);
            Ok::<(), Infallible>(())
        };
        pool.fill(write).expect("nothing to fail")
    }

    #[test]
    fn a_picture_that_is_out_is_never_written_again() {
        let mut pool = Pool::new(SMALL);
        let first = picture(&mut pool, 1).expect("a buffer");
        let second = picture(&mut pool, 2).expect("a buffer");
        assert_eq!((first.bytes()[0], second.bytes()[0]), (1, 2));
        assert_eq!(first.bytes().len(), 24);
    }

    #[test]
    fn memory_comes_back_when_the_picture_is_dropped() {
        let mut pool = Pool::new(SMALL);
        let address = picture(&mut pool, 1).expect("a buffer").bytes().as_ptr() as usize;
        assert_eq!(picture(&mut pool, 2).expect("a buffer").bytes().as_ptr() as usize, address);
    }

    #[test]
    fn consumers_that_hold_everything_get_no_more() {
        let mut pool = Pool::new(SMALL);
        let mut held: Vec<_> = (0..MOST_BUFFERS).map(|_| picture(&mut pool, 0).expect("a buffer")).collect();
        assert!(picture(&mut pool, 0).is_none());
        held.pop();
        assert!(picture(&mut pool, 0).is_some());
    }

    #[test]
    fn another_size_leaves_pictures_that_are_out_alone() {
        let mut pool = Pool::new(SMALL);
        let old = picture(&mut pool, 7).expect("a buffer");
        pool.resize(Size { width: 4, height: 1 });
        assert_eq!(picture(&mut pool, 8).expect("a buffer").bytes().len(), 16);
        assert!(old.bytes().iter().all(|&byte| byte == 7));
    }

    #[test]
    fn padding_is_left_behind_even_where_the_last_row_has_none() {
        let padded = [1, 2, 0, 0, 3, 4, 0, 0, 5, 6];
        let mut plain = [0; 6];
        copy_rows(&padded, 4, &mut plain, 2);
        assert_eq!(plain, [1, 2, 3, 4, 5, 6]);
        copy_rows(&[9; 6], 2, &mut plain, 2);
        assert_eq!(plain, [9; 6]);
    }
}

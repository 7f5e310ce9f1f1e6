//! Pictures as they lie in lent memory, and their way into ours: pure.

use media::Size;

use crate::video::pool::copy_rows;

/// Which colour comes first; the fourth byte means nothing on a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// As it is wanted.
    Bgr,
    Rgb,
}

/// A part of the picture, pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crop {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) size: Size,
}

/// How a picture lies in its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) size: Size,
    pub(super) order: Order,
    /// From the start of the memory, bytes.
    offset: usize,
    /// From row to row, bytes.
    stride: usize,
    /// What of it is the picture.
    crop: Crop,
}

impl Layout {
    /// `None` where the notes beside the picture contradict each other: such a picture is left out.
    ///
    /// A stride of 0 means rows without padding; one below 0 (upside down) is not written by any portal. A crop of
    /// nothing means all.
    pub(super) fn new(
        size: Size,
        order: Order,
        memory: usize,
        (offset, stride): (u32, i32),
        crop: Option<Crop>,
    ) -> Option<Self> {
        let row = size.width as usize * 4;
        let stride = if stride == 0 { row } else { usize::try_from(stride).ok()? };
        let offset = offset as usize;
        // The last row may end without its padding.
        let end = offset.checked_add(stride.checked_mul(size.height as usize - 1)?)?.checked_add(row)?;
        if stride < row || end > memory {
            return None;
        }
        let all = Crop { x: 0, y: 0, size };
        let crop = crop.filter(|crop| crop.size.width > 0 && crop.size.height > 0).unwrap_or(all);
        let fits = |at: u32, length: u32, side: u32| at.checked_add(length).is_some_and(|end| end <= side);
        let inside = fits(crop.x, crop.size.width, size.width) && fits(crop.y, crop.size.height, size.height);
        inside.then_some(Self { size, order, offset, stride, crop })
    }

    /// The size of what [`Layout::copy`] writes.
    pub(super) fn picture(&self) -> Size {
        self.crop.size
    }

    /// Bytes of the memory before the picture's first row.
    pub(super) fn start(&self) -> usize {
        self.offset + self.crop.y as usize * self.stride + self.crop.x as usize * 4
    }

    /// Bytes from one row to the next.
    pub(super) fn pitch(&self) -> usize {
        self.stride
    }

    /// Writes the picture as BGRA without padding. `memory` and `to` are as large as was told, and as they must be.
    pub(super) fn copy(&self, memory: &[u8], to: &mut [u8]) {
        let start = self.start();
        let width = self.crop.size.width as usize * 4;
        let length = self.stride * (self.crop.size.height as usize - 1) + width;
        let Some(from) = memory.get(start..start + length) else { return };
        copy_rows(from, self.stride, to, width);
        if self.order == Order::Rgb {
            to.chunks_exact_mut(4).for_each(|pixel| pixel.swap(0, 2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 2, height: 2 };
    /// Two rows of two pixels with four bytes of padding, after four other bytes; the padding of the last one is cut.
    const MEMORY: [u8; 24] = [9, 9, 9, 9, 1, 2, 3, 0, 4, 5, 6, 0, 9, 9, 9, 9, 7, 8, 9, 0, 10, 11, 12, 0];

    fn copied(order: Order, crop: Option<Crop>) -> Vec<u8> {
        let layout = Layout::new(SIZE, order, MEMORY.len(), (4, 12), crop).expect("a layout");
        let mut to = vec![0; layout.picture().area() as usize * 4];
        layout.copy(&MEMORY, &mut to);
        to
    }

    #[test]
    fn rows_lose_their_padding_and_colours_get_their_order() {
        assert_eq!(copied(Order::Bgr, None), [1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 10, 11, 12, 0]);
        assert_eq!(copied(Order::Rgb, None), [3, 2, 1, 0, 6, 5, 4, 0, 9, 8, 7, 0, 12, 11, 10, 0]);
    }

    #[test]
    fn what_is_cropped_away_is_left_behind() {
        let right = Crop { x: 1, y: 0, size: Size { width: 1, height: 2 } };
        assert_eq!(copied(Order::Bgr, Some(right)), [4, 5, 6, 0, 10, 11, 12, 0]);
        let last = Crop { x: 1, y: 1, size: Size { width: 1, height: 1 } };
        assert_eq!(copied(Order::Rgb, Some(last)), [12, 11, 10, 0]);
        let nothing = Crop { x: 0, y: 0, size: Size { width: 0, height: 0 } };
        assert_eq!(copied(Order::Bgr, Some(nothing)).len(), 16);
    }

    #[test]
    fn notes_that_reach_beyond_the_memory_are_refused() {
        let layout = |memory, place, crop| Layout::new(SIZE, Order::Bgr, memory, place, crop);
        assert!(layout(16, (0, 0), None).is_some());
        for (memory, place) in
            [(15, (0, 0)), (16, (1, 0)), (16, (0, 9)), (64, (0, 4)), (64, (0, -8)), (64, (u32::MAX, 8))]
        {
            assert_eq!(layout(memory, place, None), None, "{memory} bytes, {place:?}");
        }
        let outside = Crop { x: 1, y: 0, size: SIZE };
        assert_eq!(layout(16, (0, 0), Some(outside)), None);
        let wrapped = Crop { x: u32::MAX, y: 0, size: SIZE };
        assert_eq!(layout(16, (0, 0), Some(wrapped)), None);
    }
}

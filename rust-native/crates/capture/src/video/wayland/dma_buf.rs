//! Pictures that stay in the memory of the graphics card where the compositor drew them (DMA-BUF), and their way into
//! ordinary memory where somebody asks for their bytes after all.

use std::any::Any;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, Once, OnceLock};

use media::{Native, PixelBuffer, Surface};

use super::loan::Loan;
use super::pixels::{Layout, Order};

/// `DRM_FORMAT_MOD_LINEAR`: row by row.
pub(super) const LINEAR: u64 = 0;
/// `DRM_FORMAT_XRGB8888`: blue first in memory.
const XRGB8888: u32 = u32::from_le_bytes(*b"XR24");
/// `DRM_FORMAT_XBGR8888`: red first in memory.
const XBGR8888: u32 = u32::from_le_bytes(*b"XB24");

/// `DMA_BUF_IOCTL_SYNC` of `linux/dma-buf.h`: the processor's reading begins or ends, what the card still writes is
/// waited for.
const SYNC: libc::Ioctl = 0x4008_6200;
const SYNC_READ: u64 = 1;
const SYNC_START: u64 = 0;
const SYNC_END: u64 = 1 << 2;

/// Memory of the card, by a descriptor of our own: it stays when PipeWire takes its buffer away.
#[derive(Debug)]
pub(super) struct Memory {
    fd: OwnedFd,
    /// Of the whole of it. Asked of the kernel: what PipeWire says of it need not be true (its `dma-buf.dox`).
    bytes: usize,
}

impl Memory {
    /// # Errors
    /// There are no more descriptors, or it is no memory.
    pub(super) fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let fd = fd.try_clone_to_owned()?;
        // SAFETY: an open descriptor. A DMA-BUF knows its end and keeps no position that others could miss.
        let bytes = unsafe { libc::lseek(fd.as_raw_fd(), 0, libc::SEEK_END) };
        let bytes = usize::try_from(bytes).map_err(|_| io::Error::last_os_error())?;
        Ok(Self { fd, bytes })
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A picture in such memory; the compositor has its buffer back when this is dropped.
#[derive(Debug)]
struct Picture {
    memory: Memory,
    layout: Layout,
    /// What was asked for, if it was: BGRA without padding.
    read: OnceLock<Vec<u8>>,
    _loan: Loan,
}

/// What the card knows the picture by that lies so in that memory; `None` where it lies further in than can be said.
pub(super) fn native(memory: &Memory, layout: &Layout, modifier: u64) -> Option<Native> {
    Some(Native::DmaBuf {
        fd: memory.fd.as_raw_fd(),
        bytes: memory.bytes as u64,
        offset: u32::try_from(layout.start()).ok()?,
        pitch: u32::try_from(layout.pitch()).ok()?,
        fourcc: match layout.order {
            Order::Bgr => XRGB8888,
            Order::Rgb => XBGR8888,
        },
        modifier,
    })
}

/// That picture, lent until the last clone is dropped.
pub(super) fn pixels(memory: Memory, layout: Layout, native: Native, loan: Loan) -> PixelBuffer {
    let length = layout.picture().area() as usize * 4;
    let picture = Arc::new(Picture { memory, layout, read: OnceLock::new(), _loan: loan });
    let owner = Arc::clone(&picture) as Arc<dyn Any + Send + Sync>;
    PixelBuffer::on_card(Surface::new(native, owner), length, picture)
}

impl AsRef<[u8]> for Picture {
    fn as_ref(&self) -> &[u8] {
        self.read.get_or_init(|| self.read_back())
    }
}

impl Picture {
    /// Black where the card's driver lets nobody read: the fourth byte means nothing on a screen.
    fn read_back(&self) -> Vec<u8> {
        let mut picture = vec![0; self.layout.picture().area() as usize * 4];
        match Mapping::of(&self.memory) {
            Ok(mapping) => self.layout.copy(mapping.bytes(), &mut picture),
            Err(error) => {
                // It will be so for each picture: said once.
                static SAID: Once = Once::new();
                SAID.call_once(
                    || tracing::warn!(%error, "pictures on the graphics card can't be read: they are black"),
                );
            }
        }
        picture
    }
}

/// The memory, readable as long as this lives.
struct Mapping<'a> {
    memory: &'a Memory,
    start: NonNull<u8>,
}

impl<'a> Mapping<'a> {
    fn of(memory: &'a Memory) -> io::Result<Self> {
        let (protection, flags) = (libc::PROT_READ, libc::MAP_SHARED);
        // SAFETY: a new mapping wherever the kernel likes, of an open descriptor.
        let start = unsafe { libc::mmap(null_mut(), memory.bytes, protection, flags, memory.fd.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        sync(memory, SYNC_START | SYNC_READ);
        Ok(Self { memory, start })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: mapped, as many bytes, until the drop. Nobody writes there: the compositor does not have the buffer,
        // and what its card had still to draw was waited for.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.memory.bytes) }
    }
}

impl Drop for Mapping<'_> {
    fn drop(&mut self) {
        sync(self.memory, SYNC_END | SYNC_READ);
        // SAFETY: mapped by `of`, as many bytes, and read no more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.memory.bytes) };
    }
}

/// Begins or ends a reading. Where that can't be said (memory that is none of a card's, as in the tests) there is
/// nothing to wait for.
fn sync(memory: &Memory, flags: u64) {
    loop {
        // SAFETY: an open descriptor and a `struct dma_buf_sync`, which is these eight bytes.
        let failed = unsafe { libc::ioctl(memory.fd.as_raw_fd(), SYNC, &raw const flags) } < 0;
        let again = || {
            let error = io::Error::last_os_error();
            matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
        };
        if !(failed && again()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::{AsFd, FromRawFd};

    use media::Size;
    use session_bus::Waker;

    use super::super::loan::Loans;
    use super::super::pixels::Crop;
    use super::*;

    const SIZE: Size = Size { width: 2, height: 2 };
    /// Four other bytes, then two rows of two pixels and four bytes of padding each.
    const MEMORY: [u8; 28] = [9, 9, 9, 9, 1, 2, 3, 0, 4, 5, 6, 0, 9, 9, 9, 9, 7, 8, 9, 0, 10, 11, 12, 0, 9, 9, 9, 9];

    /// Ordinary memory in place of a card's.
    fn memory(bytes: &[u8]) -> File {
        // SAFETY: a text that ends with a zero byte; the descriptor it gives belongs to no one else.
        let mut file = unsafe { File::from_raw_fd(libc::memfd_create(c"card".as_ptr(), libc::MFD_CLOEXEC)) };
        file.write_all(bytes).expect("memory");
        file
    }

    fn loans() -> Arc<Loans> {
        Arc::new(Loans::new(Arc::new(Waker::new().expect("a waker"))))
    }

    fn picture(file: &File, order: Order, crop: Option<Crop>, loans: &Arc<Loans>) -> PixelBuffer {
        let memory = Memory::of(file.as_fd()).expect("memory");
        let layout = Layout::new(SIZE, order, memory.bytes(), (4, 12), crop).expect("a layout");
        let native = native(&memory, &layout, LINEAR).expect("not far in");
        pixels(memory, layout, native, loans.lend(NonNull::dangling()).expect("a loan"))
    }

    fn surface(pixels: &PixelBuffer) -> Native {
        pixels.surface().expect("on the card").native()
    }

    #[test]
    fn bytes_are_read_back_in_the_usual_order_and_without_padding() {
        let file = memory(&MEMORY);
        let read = |order| picture(&file, order, None, &loans()).bytes().to_vec();
        assert_eq!(read(Order::Bgr), [1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 10, 11, 12, 0]);
        assert_eq!(read(Order::Rgb), [3, 2, 1, 0, 6, 5, 4, 0, 9, 8, 7, 0, 12, 11, 10, 0]);
    }

    #[test]
    fn bytes_are_read_once_and_only_when_somebody_asks() {
        let mut file = memory(&[0; 28]);
        let pixels = picture(&file, Order::Bgr, None, &loans());
        assert_eq!(pixels.length(), 16);
        std::io::Seek::rewind(&mut file).expect("memory");
        file.write_all(&MEMORY).expect("memory");
        assert_eq!(pixels.bytes()[..3], [1, 2, 3], "read after it was drawn");
        std::io::Seek::rewind(&mut file).expect("memory");
        file.write_all(&[0; 28]).expect("memory");
        assert_eq!(pixels.clone().bytes()[..3], [1, 2, 3], "kept");
    }

    #[test]
    fn the_card_is_told_where_the_picture_begins_and_how_it_lies() {
        let file = memory(&MEMORY);
        let told = |order, crop| match surface(&picture(&file, order, crop, &loans())) {
            Native::DmaBuf { bytes, offset, pitch, fourcc, modifier, .. } => {
                (bytes, offset, pitch, fourcc.to_le_bytes(), modifier)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(told(Order::Bgr, None), (28, 4, 12, *b"XR24", 0));
        let last = Crop { x: 1, y: 1, size: Size { width: 1, height: 1 } };
        assert_eq!(told(Order::Rgb, Some(last)), (28, 4 + 12 + 4, 12, *b"XB24", 0));
    }

    #[test]
    fn what_is_cropped_away_is_not_read_back_either() {
        let right = Crop { x: 1, y: 0, size: Size { width: 1, height: 2 } };
        let pixels = picture(&memory(&MEMORY), Order::Bgr, Some(right), &loans());
        assert_eq!((pixels.length(), pixels.bytes()), (8, [4, 5, 6, 0, 10, 11, 12, 0].as_slice()));
    }

    #[test]
    fn the_buffer_goes_back_with_the_last_clone_and_the_memory_stays_till_then() {
        let loans = loans();
        let file = memory(&MEMORY);
        let pixels = picture(&file, Order::Bgr, None, &loans);
        // As PipeWire closes its own.
        drop(file);
        let (clone, surface) = (pixels.clone(), pixels.surface().expect("on the card").clone());
        drop(pixels);
        assert_eq!(clone.bytes()[..3], [1, 2, 3]);
        drop(clone);
        assert!(!loans.has_returned(), "its surface is still in use");
        drop(surface);
        assert_eq!(loans.take_returned().len(), 1);
    }

    #[test]
    fn memory_that_nobody_may_map_is_black() {
        // A folder opens, has an end of some kind, and can't be mapped.
        let folder = File::open("/").expect("a folder");
        let memory = Memory { fd: folder.into(), bytes: 28 };
        let layout = Layout::new(SIZE, Order::Bgr, 28, (4, 12), None).expect("a layout");
        let native = native(&memory, &layout, LINEAR).expect("not far in");
        let pixels = pixels(memory, layout, native, loans().lend(NonNull::dangling()).expect("a loan"));
        assert_eq!(pixels.bytes(), [0; 16]);
    }

    #[test]
    fn what_has_no_end_is_no_memory() {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        assert!(Memory::of(reader.as_fd()).is_err());
    }
}

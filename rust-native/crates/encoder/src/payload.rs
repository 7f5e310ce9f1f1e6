//! Memory of what encoders give out: large blocks that are used again once nobody reads what was in them.

use bytes::{Bytes, BytesMut};

/// A second of a usual stream. A reader that keeps one picture keeps its neighbours' memory too, so that a larger one
/// would cost those that keep a few.
const BLOCK: usize = 1 << 20;
/// Blocks that wait until they are free again: what destinations hold is gone within a second. A replay buffer keeps
/// them for longer; then a new one is taken each second, which is not each picture.
const WAITING: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Payloads {
    block: BytesMut,
    waiting: Vec<BytesMut>,
}

impl Payloads {
    /// Both parts, one behind the other.
    pub(crate) fn hold(&mut self, parts: [&[u8]; 2]) -> Bytes {
        let length = parts[0].len() + parts[1].len();
        if self.block.capacity() < length {
            self.next_block(length);
        }
        parts.iter().for_each(|part| self.block.extend_from_slice(part));
        self.block.split().freeze()
    }

    fn next_block(&mut self, length: usize) {
        let wanted = BLOCK.max(length);
        let full = std::mem::take(&mut self.block);
        if full.capacity() > 0 {
            if self.waiting.len() == WAITING {
                self.waiting.remove(0);
            }
            self.waiting.push(full);
        }
        let free = self.waiting.iter_mut().position(|block| block.try_reclaim(wanted));
        self.block = free.map_or_else(|| BytesMut::with_capacity(wanted), |index| self.waiting.swap_remove(index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_once_nobody_reads_it() {
        let mut payloads = Payloads::default();
        let picture = vec![7; 100_000];
        let mut addresses = Vec::new();
        for _ in 0..200 {
            let held = payloads.hold([&[1, 2], &picture]);
            assert_eq!((held.len(), &held[..3]), (100_002, &[1, 2, 7][..]));
            addresses.push(held.as_ptr() as usize / BLOCK);
        }
        addresses.sort_unstable();
        addresses.dedup();
        assert!(addresses.len() <= 2 * (WAITING + 1), "{} places", addresses.len());
    }

    #[test]
    fn what_is_still_read_is_never_written_again() {
        let mut payloads = Payloads::default();
        let kept: Vec<Bytes> = (0..40_u8).map(|n| payloads.hold([&[n], &vec![n; 90_000]])).collect();
        for _ in 0..40 {
            payloads.hold([&[], &[255; 90_000]]);
        }
        assert!(kept.iter().zip(0..).all(|(held, n)| held.iter().all(|byte| *byte == n)));
    }

    #[test]
    fn a_picture_larger_than_a_block_has_room() {
        let mut payloads = Payloads::default();
        assert_eq!(payloads.hold([&[], &vec![3; 3 * BLOCK]]).len(), 3 * BLOCK);
        assert_eq!(payloads.hold([&[], &[4; 10]]).as_ref(), [4; 10]);
    }
}

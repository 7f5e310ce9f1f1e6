//! Blocks beside the mix: each input's own, for a recording with several tracks.
//!
//! A bounded queue of fixed memory. The mixer never waits for its reader: what finds no room is left out and
//! counted, and the stamps show where.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use media::AudioBlock;

/// The reader's end.
#[derive(Debug)]
pub struct Tap {
    blocks: Receiver<AudioBlock>,
    lost: Arc<AtomicU64>,
}

/// Why there is no further block now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TapEnd {
    /// None came in that time; the mixer makes none while nothing is open.
    Timeout,
    /// The input was removed, or the mixer has ended.
    Closed,
}

impl Tap {
    /// The next block, waiting for it at most so long.
    ///
    /// # Errors
    /// See [`TapEnd`].
    pub fn next(&self, timeout: Duration) -> Result<AudioBlock, TapEnd> {
        self.blocks.recv_timeout(timeout).map_err(|error| match error {
            RecvTimeoutError::Timeout => TapEnd::Timeout,
            RecvTimeoutError::Disconnected => TapEnd::Closed,
        })
    }

    /// Blocks left out so far because the queue was full.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// The mixer's end.
#[derive(Debug)]
pub(super) struct TapWriter {
    blocks: Sender<AudioBlock>,
    lost: Arc<AtomicU64>,
}

impl TapWriter {
    /// `false` when nobody reads any more.
    pub(super) fn push(&self, block: &AudioBlock) -> bool {
        match self.blocks.try_send(block.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

/// Both ends, with room for so many blocks; at least one.
pub(super) fn pair(blocks: usize) -> (TapWriter, Tap) {
    let (sender, receiver) = bounded(blocks.max(1));
    let lost = Arc::new(AtomicU64::new(0));
    (TapWriter { blocks: sender, lost: Arc::clone(&lost) }, Tap { blocks: receiver, lost })
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::MediaTime;

    #[test]
    fn a_slow_reader_loses_the_newest_and_is_told() {
        let (writer, tap) = pair(2);
        for ms in 0..5 {
            assert!(writer.push(&AudioBlock::silence(MediaTime::from_nanos(ms * 1_000_000))));
        }
        assert_eq!(tap.lost(), 3);
        assert_eq!(tap.next(Duration::ZERO).expect("queued").captured_at, MediaTime::ZERO);
        assert!(tap.next(Duration::ZERO).is_ok());
        assert_eq!(tap.next(Duration::ZERO), Err(TapEnd::Timeout));
        drop(writer);
        assert_eq!(tap.next(Duration::ZERO), Err(TapEnd::Closed));
        let (writer, tap) = pair(1);
        drop(tap);
        assert!(!writer.push(&AudioBlock::silence(MediaTime::ZERO)));
    }
}

//! A place for one item: a newer one replaces it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// One producer's newest item, taken by one consumer. Clones share the slot.
#[derive(Debug)]
pub struct FrameSlot<T>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    replaced: AtomicU64,
    bell: Option<Box<dyn Fn() + Send + Sync>>,
    onward: Option<Box<dyn Fn(T) + Send + Sync>>,
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("state", &self.state).field("replaced", &self.replaced).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct State<T> {
    item: Option<T>,
    woken: bool,
    closed: bool,
}

/// How a wait on a [`FrameSlot`] ended.
#[derive(Debug, PartialEq, Eq)]
pub enum SlotWait<T> {
    /// A new item.
    Item(T),
    /// Nothing came by the deadline.
    TimedOut,
    /// [`FrameSlot::wake`] was called.
    Woken,
    /// The producer is gone and the slot is empty.
    Closed,
}

impl<T> Clone for FrameSlot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for FrameSlot<T> {
    fn default() -> Self {
        Self::with(None, None)
    }
}

impl<T> FrameSlot<T> {
    /// A slot that calls `bell` after each item that is put: one consumer can then wait for many slots. It is called
    /// on the producer's thread and must not block.
    pub fn ringing(bell: impl Fn() + Send + Sync + 'static) -> Self {
        Self::with(Some(Box::new(bell)), None)
    }

    /// A slot in which nothing lies: each item goes on to whoever takes it there, on the producer's thread.
    pub(crate) fn handing_on(onward: impl Fn(T) + Send + Sync + 'static) -> Self {
        Self::with(None, Some(Box::new(onward)))
    }

    fn with(bell: Option<Box<dyn Fn() + Send + Sync>>, onward: Option<Box<dyn Fn(T) + Send + Sync>>) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State { item: None, woken: false, closed: false }),
            changed: Condvar::new(),
            replaced: AtomicU64::new(0),
            bell,
            onward,
        }))
    }

    /// Puts an item in; one that nobody took is dropped and counted.
    pub fn put(&self, item: T) {
        if let Some(onward) = &self.0.onward {
            return onward(item);
        }
        let old = self.0.state.lock().item.replace(item);
        self.0.changed.notify_one();
        if old.is_some() {
            self.0.replaced.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(bell) = &self.0.bell {
            bell();
        }
    }

    /// The item, if one lies there now.
    pub fn try_take(&self) -> Option<T> {
        self.0.state.lock().item.take()
    }

    /// Waits for an item until `deadline` (`None`: for as long as it takes).
    pub fn take(&self, deadline: Option<Instant>) -> SlotWait<T> {
        let mut state = self.0.state.lock();
        loop {
            if let Some(item) = state.item.take() {
                return SlotWait::Item(item);
            }
            if std::mem::take(&mut state.woken) {
                return SlotWait::Woken;
            }
            if state.closed {
                return SlotWait::Closed;
            }
            match deadline {
                Some(at) => {
                    if self.0.changed.wait_until(&mut state, at).timed_out() && state.item.is_none() && !state.woken {
                        return if state.closed { SlotWait::Closed } else { SlotWait::TimedOut };
                    }
                }
                None => self.0.changed.wait(&mut state),
            }
        }
    }

    /// Ends the consumer's present or next wait early, so that it looks at something else (a changed setting).
    pub fn wake(&self) {
        self.0.state.lock().woken = true;
        self.0.changed.notify_one();
    }

    /// No item will follow; one that lies there can still be taken.
    pub fn close(&self) {
        self.0.state.lock().closed = true;
        self.0.changed.notify_all();
    }

    /// Whether both are the same slot.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How many items were replaced before anyone took them.
    pub fn replaced(&self) -> u64 {
        self.0.replaced.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_latest_wins_and_the_loss_is_counted() {
        let slot = FrameSlot::default();
        slot.put(1);
        slot.put(2);
        assert_eq!(slot.take(None), SlotWait::Item(2));
        assert_eq!(slot.replaced(), 1);
        assert_eq!(slot.take(Some(Instant::now())), SlotWait::TimedOut);
    }

    #[test]
    fn one_consumer_hears_of_many_slots() {
        let bell: FrameSlot<()> = FrameSlot::default();
        let slots: Vec<FrameSlot<u8>> = (0..3)
            .map(|_| {
                let bell = bell.clone();
                FrameSlot::ringing(move || bell.wake())
            })
            .collect();
        slots[1].put(7);
        assert_eq!(bell.take(Some(Instant::now() + Duration::from_secs(10))), SlotWait::Woken);
        assert_eq!(slots.iter().map(FrameSlot::try_take).collect::<Vec<_>>(), [None, Some(7), None]);
        assert_eq!(slots[1].try_take(), None);
    }

    #[test]
    fn an_item_outlives_the_close() {
        let slot = FrameSlot::default();
        slot.put(1);
        slot.close();
        assert_eq!(slot.take(None), SlotWait::Item(1));
        assert_eq!(slot.take(None), SlotWait::Closed);
    }

    #[test]
    fn a_wake_ends_a_wait_in_another_thread() {
        let slot: FrameSlot<u8> = FrameSlot::default();
        let other = slot.clone();
        let waiter = std::thread::spawn(move || other.take(Some(Instant::now() + Duration::from_secs(10))));
        slot.wake();
        assert_eq!(waiter.join().expect("waiter"), SlotWait::Woken);
    }
}

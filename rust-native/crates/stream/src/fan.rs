//! One producer's newest item for several readers, each with a slot of its own.
//!
//! A device is opened once, however many pictures show it: what it puts into the [`Fan::inlet`] is handed to each
//! reader's slot. No reader waits for another; who comes later gets the newest item at once, as a device that rests
//! gives no other.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::FrameSlot;

/// See the module. Clones share the readers.
pub struct Fan<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    newest: Option<T>,
    readers: Vec<FrameSlot<T>>,
}

impl<T> Clone for Fan<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Fan<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { newest: None, readers: Vec::new() })))
    }
}

impl<T> fmt::Debug for Fan<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fan({} readers)", self.0.lock().readers.len())
    }
}

impl<T: Clone + Send + 'static> Fan<T> {
    /// Where the producer puts its items.
    pub fn inlet(&self) -> FrameSlot<T> {
        let fan = self.clone();
        FrameSlot::handing_on(move |item| fan.put(item))
    }

    fn put(&self, item: T) {
        let mut state = self.0.lock();
        // The lock is held for as long as the slots' own take, and nobody but this thread takes it in a steady stream.
        for reader in &state.readers {
            reader.put(item.clone());
        }
        state.newest = Some(item);
    }

    /// One more reader.
    pub fn add(&self, reader: FrameSlot<T>) {
        let mut state = self.0.lock();
        if let Some(newest) = &state.newest {
            reader.put(newest.clone());
        }
        state.readers.push(reader);
    }

    /// One reader less.
    pub fn remove(&self, reader: &FrameSlot<T>) {
        self.0.lock().readers.retain(|each| !each.is(reader));
    }

    /// The producer is gone: its newest item is nobody's any more.
    pub fn forget(&self) {
        self.0.lock().newest = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SlotWait;

    #[test]
    fn each_reader_has_the_newest_item_and_none_takes_it_from_another() {
        let (fan, first, second) = (Fan::default(), FrameSlot::default(), FrameSlot::default());
        let inlet = fan.inlet();
        fan.add(first.clone());
        fan.add(second.clone());
        inlet.put(1);
        assert_eq!((first.try_take(), inlet.try_take()), (Some(1), None));
        inlet.put(2);
        assert_eq!((first.try_take(), second.try_take()), (Some(2), Some(2)));
        assert_eq!((first.replaced(), second.replaced()), (0, 1), "only who was slow lost one");
    }

    #[test]
    fn who_comes_later_gets_what_a_resting_source_gave_last_unless_it_is_gone() {
        let (fan, late, later) = (Fan::default(), FrameSlot::default(), FrameSlot::default());
        fan.inlet().put(7);
        fan.add(late.clone());
        assert_eq!(late.take(None), SlotWait::Item(7));
        fan.forget();
        fan.add(later.clone());
        assert_eq!(later.try_take(), None);
    }

    #[test]
    fn who_has_left_gets_nothing_more() {
        let (fan, left, stays) = (Fan::default(), FrameSlot::default(), FrameSlot::default());
        fan.add(left.clone());
        fan.add(stays.clone());
        fan.remove(&left);
        fan.inlet().put(1);
        assert_eq!((left.try_take(), stays.try_take()), (None, Some(1)));
    }
}

//! Connections that have not said yet what they want: few may be so at the same time, and the oldest makes room.
//!
//! Who means it needs two round trips for it. Who only opens connections fills these places and is pushed out of them by
//! the next who comes, so that it keeps nobody out.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Places. Each costs a socket and some kilobytes.
const PLACES: usize = 256;

/// The places.
#[derive(Debug, Clone, Default)]
pub(crate) struct HalfOpen(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: VecDeque<(u64, Arc<Notify>)>,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    number: u64,
    pushed_out: Arc<Notify>,
    queue: HalfOpen,
}

impl HalfOpen {
    /// A place; the oldest one is pushed out if there is none left.
    pub(crate) fn enter(&self) -> Place {
        let pushed_out = Arc::new(Notify::new());
        let mut queue = self.0.lock();
        if queue.waiting.len() >= PLACES
            && let Some((_, oldest)) = queue.waiting.pop_front()
        {
            oldest.notify_one();
        }
        let number = queue.next;
        queue.next += 1;
        queue.waiting.push_back((number, pushed_out.clone()));
        drop(queue);
        Place { number, pushed_out, queue: self.clone() }
    }
}

impl Place {
    /// Resolves when another needs the place.
    pub(crate) async fn pushed_out(&self) {
        self.pushed_out.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.0.lock().waiting.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn the_oldest_makes_room_and_who_has_left_needs_none() {
        let places = HalfOpen::default();
        drop(places.enter());
        let all: Vec<Place> = (0..PLACES).map(|_| places.enter()).collect();
        let pushed = |place: usize| tokio::time::timeout(Duration::from_millis(20), all[place].pushed_out());
        assert!(pushed(0).await.is_err(), "there is room for all");
        let _next = places.enter();
        assert!(pushed(0).await.is_ok());
        assert!(pushed(1).await.is_err());
    }
}

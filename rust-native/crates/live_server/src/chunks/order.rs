//! Packets into order: the relay passes them on as they arrive, what was lost and sent again comes late.
//!
//! A gap is waited for, but not for ever: what does not come is given up and said so, for whoever decodes must start
//! anew at a keyframe then. Bounded in number and time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A packet that was lost is asked for within 100 ms and comes a round trip later: longer than this, and the part it
/// belongs to would be late for players that stand 1.5 s behind.
pub(crate) const PATIENCE: Duration = Duration::from_millis(350);
/// Packets that wait behind a gap: 350 ms at 30 Mbit/s.
const MOST: usize = 1200;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<T> {
    Item(T),
    /// Something is missing here for good.
    Gap,
}

/// One track's packets.
#[derive(Debug)]
pub(crate) struct Order<T> {
    next: Option<u64>,
    waiting: BTreeMap<u64, T>,
    blocked: Option<Instant>,
}

impl<T> Order<T> {
    pub(crate) fn new() -> Self {
        Self { next: None, waiting: BTreeMap::new(), blocked: None }
    }

    /// Takes a packet; one that was given up, or came twice, is left out.
    pub(crate) fn push(&mut self, sequence: u64, item: T) {
        if self.next.is_none_or(|next| sequence >= next) {
            self.waiting.entry(sequence).or_insert(item);
        }
    }

    /// The next one in order, if it is there.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Next<T>> {
        let first = *self.waiting.first_key_value()?.0;
        if self.next.is_none_or(|next| next == first) {
            self.next = Some(first + 1);
            self.blocked = None;
            return self.waiting.pop_first().map(|(_, item)| Next::Item(item));
        }
        let since = *self.blocked.get_or_insert(now);
        if now.saturating_duration_since(since) < PATIENCE && self.waiting.len() <= MOST {
            return None;
        }
        self.next = Some(first);
        self.blocked = None;
        Some(Next::Gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(order: &mut Order<u64>, now: Instant) -> Vec<Next<u64>> {
        std::iter::from_fn(|| order.pop(now)).collect()
    }

    fn items(numbers: impl IntoIterator<Item = u64>) -> Vec<Next<u64>> {
        numbers.into_iter().map(Next::Item).collect()
    }

    #[test]
    fn what_comes_late_finds_its_place_and_what_comes_twice_is_left_out() {
        let (mut order, now) = (Order::new(), Instant::now());
        order.push(10, 10);
        assert_eq!(all(&mut order, now), items([10]));
        for number in [12, 13, 13, 10] {
            order.push(number, number);
        }
        assert_eq!(all(&mut order, now), []);
        order.push(11, 11);
        assert_eq!(all(&mut order, now + PATIENCE / 2), items([11, 12, 13]));
    }

    #[test]
    fn a_gap_is_given_up_after_a_while_and_said_once() {
        let (mut order, now) = (Order::new(), Instant::now());
        order.push(1, 1);
        order.push(3, 3);
        assert_eq!(all(&mut order, now), items([1]));
        assert_eq!(all(&mut order, now + PATIENCE), [Next::Gap, Next::Item(3)]);
        order.push(2, 2);
        assert_eq!(all(&mut order, now + PATIENCE), [], "it is too late");
        order.push(5, 5);
        assert_eq!(all(&mut order, now + PATIENCE), [], "each gap has its own patience");
    }

    #[test]
    fn no_more_than_so_many_wait() {
        let (mut order, now) = (Order::new(), Instant::now());
        order.push(0, 0);
        let _ = all(&mut order, now);
        for number in 2..2 + MOST as u64 {
            order.push(number, number);
            assert_eq!(order.pop(now), None);
        }
        order.push(9999, 9999);
        assert_eq!(order.pop(now), Some(Next::Gap));
    }
}

//! Buffers of PipeWire's that consumers still read from. A compositor may draw into a buffer as soon as it is given
//! back, so one is given back when the last consumer is done with it: by the stream, which alone may do that, and not
//! at all where PipeWire took it away meanwhile. Books only, nothing of PipeWire's is called here.

use std::ptr::NonNull;
use std::sync::Arc;

use parking_lot::Mutex;
use session_bus::Waker;

use super::structures::Buffer;

/// Buffers that are never lent: the newest picture, which waits here for its turn; one that is being drawn, one that
/// came and was not looked at yet, and two on their way back, as that takes PipeWire two pictures' time. A compositor
/// that is left without a buffer draws no picture, and it is pictures that bring buffers back: it would stand still
/// for ever.
const IN_ROTATION: usize = 5;

/// Which of a stream's buffers are lent.
#[derive(Debug)]
pub(super) struct Loans {
    books: Mutex<Books>,
    /// Rung when a buffer came back, for a stream that waits for one.
    bell: Arc<Waker>,
}

#[derive(Debug, Default)]
struct Books {
    /// All that the stream has.
    buffers: usize,
    /// By a number of its own each: PipeWire uses the same places for other buffers later.
    lent: Vec<(u64, Place)>,
    /// Came back, and PipeWire doesn't know yet.
    returned: Vec<Place>,
    next: u64,
}

/// Where a buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place(NonNull<Buffer>);

// SAFETY: it is compared here and nothing else; only the stream follows it, under its loop's lock.
unsafe impl Send for Place {}

/// One lent buffer; comes back when this is dropped, on any thread.
#[derive(Debug)]
pub(super) struct Loan {
    loans: Arc<Loans>,
    number: u64,
}

impl Loans {
    pub(super) fn new(bell: Arc<Waker>) -> Self {
        Self { books: Mutex::default(), bell }
    }

    /// The stream has a buffer more.
    pub(super) fn added(&self) {
        self.books.lock().buffers += 1;
    }

    /// PipeWire takes that buffer away: whoever has it keeps the memory, and it never comes back.
    pub(super) fn removed(&self, buffer: *const Buffer) {
        let mut books = self.books.lock();
        books.buffers = books.buffers.saturating_sub(1);
        books.lent.retain(|(_, place)| !std::ptr::eq(place.0.as_ptr(), buffer));
        books.returned.retain(|place| !std::ptr::eq(place.0.as_ptr(), buffer));
    }

    /// Lends a dequeued buffer; `None` while as many are out as may be.
    pub(super) fn lend(self: &Arc<Self>, buffer: NonNull<Buffer>) -> Option<Loan> {
        let mut books = self.books.lock();
        // Those that came back are not in PipeWire's hands yet either.
        if books.lent.len() + books.returned.len() >= books.buffers.saturating_sub(IN_ROTATION).max(1) {
            return None;
        }
        let number = books.next;
        books.next += 1;
        books.lent.push((number, Place(buffer)));
        Some(Loan { loans: Arc::clone(self), number })
    }

    /// Whether there is something to give back to PipeWire.
    pub(super) fn has_returned(&self) -> bool {
        !self.books.lock().returned.is_empty()
    }

    /// The buffers to give back to PipeWire now, each once.
    pub(super) fn take_returned(&self) -> Vec<NonNull<Buffer>> {
        let returned = std::mem::take(&mut self.books.lock().returned);
        returned.into_iter().map(|place| place.0).collect()
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let mut books = self.loans.books.lock();
        let Some(at) = books.lent.iter().position(|(number, _)| *number == self.number) else { return };
        let (_, place) = books.lent.swap_remove(at);
        books.returned.push(place);
        drop(books);
        self.loans.bell.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loans(buffers: usize) -> Arc<Loans> {
        let loans = Arc::new(Loans::new(Arc::new(Waker::new().expect("a waker"))));
        (0..buffers).for_each(|_| loans.added());
        loans
    }

    /// The place of the buffer of that number; nobody follows it.
    fn buffer(number: usize) -> NonNull<Buffer> {
        NonNull::new(std::ptr::without_provenance_mut(number * 64)).expect("an address")
    }

    #[test]
    fn a_lent_buffer_comes_back_once_when_its_loan_ends() {
        let loans = loans(10);
        let loan = loans.lend(buffer(1)).expect("a loan");
        assert!(!loans.has_returned());
        drop(loan);
        assert!(loans.has_returned());
        assert_eq!(loans.take_returned(), [buffer(1)]);
        assert_eq!(loans.take_returned(), []);
    }

    #[test]
    fn a_buffer_that_was_taken_away_never_comes_back() {
        let loans = loans(10);
        let loan = loans.lend(buffer(1)).expect("a loan");
        loans.removed(buffer(1).as_ptr());
        drop(loan);
        assert_eq!(loans.take_returned(), []);
        // Nor one that had come back already.
        drop(loans.lend(buffer(2)));
        loans.removed(buffer(2).as_ptr());
        assert_eq!(loans.take_returned(), []);
    }

    #[test]
    fn an_old_loan_does_not_give_back_the_buffer_that_took_its_place() {
        let loans = loans(10);
        let old = loans.lend(buffer(1)).expect("a loan");
        loans.removed(buffer(1).as_ptr());
        loans.added();
        let new = loans.lend(buffer(1)).expect("a loan");
        drop(old);
        assert_eq!(loans.take_returned(), [], "the new one is still being read");
        drop(new);
        assert_eq!(loans.take_returned(), [buffer(1)]);
    }

    #[test]
    fn enough_buffers_stay_in_rotation() {
        let loans = loans(IN_ROTATION + 2);
        let first = loans.lend(buffer(1)).expect("a loan");
        let _second = loans.lend(buffer(2)).expect("a loan");
        assert!(loans.lend(buffer(3)).is_none());
        drop(first);
        assert!(loans.lend(buffer(3)).is_none(), "PipeWire does not have it yet");
        loans.take_returned();
        assert!(loans.lend(buffer(3)).is_some());
    }

    #[test]
    fn a_stream_that_is_gone_is_no_matter_to_its_loans() {
        let loans = loans(10);
        let loan = loans.lend(buffer(1)).expect("a loan");
        drop(loans);
        drop(loan);
    }
}

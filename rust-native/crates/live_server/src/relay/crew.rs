//! More threads for what one can't do alone: a turn's packets for many viewers, each encrypted with keys of its own.
//!
//! The media thread owns every session. For the length of a turn it lends viewers out, a few at a time to whoever is free,
//! itself among them, and goes on when all are back: so nothing is locked, each viewer's packets stay in order, and everybody
//! sends by the one socket whose port firewalls let through. With few viewers, or one core, there are no such threads.

use std::num::NonZero;
use std::thread::available_parallelism;

use parking_lot::Mutex;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::socket::{Outbox, Run};

/// Packets to write from which it is worth waking anybody: a third of a millisecond of work.
const WORTH: usize = 256;
/// Viewers that are lent out together.
const FEW: usize = 4;
/// Besides the media thread. The socket and the packets are everybody's: more would stand in each other's way.
const MOST: usize = 7;

/// The other threads, from the first turn on that needs them.
pub(super) struct Crew {
    others: usize,
    pool: Option<ThreadPool>,
    runs: Vec<Run>,
}

impl Crew {
    /// As many as there are cores besides the media thread's.
    pub(super) fn new() -> Self {
        Self::of(available_parallelism().map_or(1, NonZero::get) - 1)
    }

    fn of(others: usize) -> Self {
        Self { others: others.min(MOST), pool: None, runs: Vec::new() }
    }

    /// Does `work` on each of them, which is to write about `packets` packets in all.
    pub(super) fn each<T: Send>(
        &mut self,
        packets: usize,
        items: &mut [T],
        outbox: &mut Outbox<'_>,
        work: impl Fn(&mut T, &mut Outbox<'_>) + Sync,
    ) {
        let worth_it = packets >= WORTH && items.len() > FEW;
        let Some((pool, runs)) = worth_it.then(|| self.others()).flatten() else {
            return items.iter_mut().for_each(|item| work(item, outbox));
        };
        let waiting = Mutex::new(items.chunks_mut(FEW));
        let toil = |outbox: &mut Outbox<'_>| {
            loop {
                let Some(few) = waiting.lock().next() else { break };
                few.iter_mut().for_each(|item| work(item, outbox));
            }
        };
        pool.in_place_scope(|scope| {
            for run in runs {
                let (mut outbox, toil) = (outbox.beside(run), &toil);
                scope.spawn(move |_| toil(&mut outbox));
            }
            toil(outbox);
        });
    }

    /// The others, each with what it needs to send. They are started when they are first needed.
    fn others(&mut self) -> Option<(&ThreadPool, &mut [Run])> {
        if self.pool.is_none() && self.others > 0 {
            let named = |index| format!("live-send-{index}");
            match ThreadPoolBuilder::new().num_threads(self.others).thread_name(named).build() {
                Ok(pool) => self.pool = Some(pool),
                Err(error) => {
                    tracing::warn!(%error, "the media thread stays alone");
                    self.others = 0;
                }
            }
            self.runs = (0..self.others).map(|_| Run::new()).collect();
        }
        Some((self.pool.as_ref()?, &mut self.runs))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::UdpSocket;
    use std::thread::ThreadId;
    use std::time::{Duration, Instant};

    use super::super::socket::MediaSocket;
    use super::*;
    use crate::figures::Figures;

    #[tokio::test]
    async fn each_is_served_once_by_whoever_is_free_and_all_that_is_written_leaves() {
        let listen = || UdpSocket::bind("127.0.0.1:0").expect("a port");
        let (ours, theirs) = (listen(), listen());
        let (from, to) = (ours.local_addr().expect("bound"), theirs.local_addr().expect("bound"));
        theirs.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        let socket = MediaSocket::new(ours, Default::default()).expect("a socket");
        let (figures, mut run) = (Figures::default(), Run::new());
        let workers: Mutex<HashSet<ThreadId>> = Mutex::default();
        let mut serve = |crew: &mut Crew, packets: usize| {
            workers.lock().clear();
            let mut items: Vec<(u8, u32)> = (0..100).map(|number| (number, 0)).collect();
            let all = if packets < WORTH { 1 } else { 1 + crew.others };
            crew.each(packets, &mut items, &mut socket.outbox(&mut run, &figures), |(number, served), outbox| {
                *served += 1;
                outbox.push(from, to, &[*number; 40]);
                workers.lock().insert(std::thread::current().id());
                // Until everybody has come, or all who are there would have.
                let end = Instant::now() + Duration::from_secs(5);
                while workers.lock().len() < all && Instant::now() < end {
                    std::thread::yield_now();
                }
            });
            assert!(items.iter().all(|(_, served)| *served == 1), "{items:?}");
            let mut came = [0; 100];
            let mut bytes = [0; 100];
            for _ in 0..100 {
                assert_eq!(theirs.recv(&mut bytes).expect("a datagram"), 40);
                came[usize::from(bytes[0])] += 1;
            }
            assert_eq!(came, [1; 100]);
            workers.lock().len()
        };
        let mut crew = Crew::of(3);
        assert_eq!(serve(&mut crew, WORTH - 1), 1, "it is not worth it");
        assert!(crew.pool.is_none());
        assert_eq!(serve(&mut crew, WORTH), 4);
        assert_eq!(serve(&mut crew, WORTH), 4);
        assert_eq!(serve(&mut Crew::of(0), WORTH), 1, "there is one core");
    }
}

//! Numbers that go on: sequence numbers and timestamps that no viewer sees jump.
//!
//! A publisher that returns starts anew at random numbers. [`Timeline`] moves each of its packets onto one line per
//! stream and track that never breaks. [`Rewriter`] moves that line to each viewer's own random start, and closes the
//! gap where a viewer had to leave packets out until a keyframe (a gap would look like loss and be asked for again).
//! Gaps that the network made stay, so that a packet that comes late finds its place.

use std::time::{Duration, Instant};

/// One track of a stream, over all its publishers.
#[derive(Debug)]
pub(super) struct Timeline {
    clock_rate: u32,
    /// What to add to the present publisher's numbers, once it has sent something.
    offsets: Option<Offsets>,
    /// The newest packet: sequence, timestamp, arrival.
    last: Option<(u64, u32, Instant)>,
}

#[derive(Debug, Clone, Copy)]
struct Offsets {
    /// Added to the publisher's extended sequence number, wrapping.
    sequence: u64,
    timestamp: u32,
    /// The first sequence number on the line of this publisher.
    first: u64,
}

impl Timeline {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self { clock_rate, offsets: None, last: None }
    }

    /// A new publisher begins with its next packet.
    pub(super) fn new_publisher(&mut self) {
        self.offsets = None;
    }

    /// Where a packet lies on the line; `None` for one that was sent before the publisher's first one came.
    pub(super) fn place(&mut self, sequence: u64, timestamp: u32, now: Instant) -> Option<(u64, u32)> {
        let (clock_rate, last) = (self.clock_rate, self.last);
        let offsets = *self.offsets.get_or_insert_with(|| match last {
            // Leaves room below for packets that arrive out of order at the very start.
            None => Offsets { sequence: START, timestamp: 0, first: sequence.wrapping_add(START).saturating_sub(64) },
            Some((last_sequence, last_timestamp, at)) => {
                let pause = ticks(now.saturating_duration_since(at), clock_rate).max(1);
                let first = last_sequence + 1;
                Offsets {
                    sequence: first.wrapping_sub(sequence),
                    timestamp: last_timestamp.wrapping_add(pause).wrapping_sub(timestamp),
                    first,
                }
            }
        });
        let placed = sequence.wrapping_add(offsets.sequence);
        if placed < offsets.first || placed > offsets.first + FURTHEST {
            return None;
        }
        let stamp = timestamp.wrapping_add(offsets.timestamp);
        self.reached(placed, stamp, now);
        Some((placed, stamp))
    }

    /// Where a publisher begins that numbers its packets itself (see [`super::layers`]): the first sequence number that is
    /// free, and the time stamp of a first packet that has `timestamp`.
    pub(super) fn begin(&self, timestamp: u32, now: Instant) -> (u64, u32) {
        self.last.map_or((START, timestamp), |(sequence, stamp, at)| {
            let pause = ticks(now.saturating_duration_since(at), self.clock_rate).max(1);
            (sequence + 1, stamp.wrapping_add(pause))
        })
    }

    /// So far the line has come.
    pub(super) fn reached(&mut self, sequence: u64, stamp: u32, now: Instant) {
        if self.last.is_none_or(|(newest, ..)| sequence > newest) {
            self.last = Some((sequence, stamp, now));
        }
    }
}

/// The line starts here, so that nothing below it can underflow.
pub(super) const START: u64 = 1 << 32;
/// Years of packets: a number past it wrapped below the publisher's first.
const FURTHEST: u64 = 1 << 48;

fn ticks(duration: Duration, clock_rate: u32) -> u32 {
    (duration.as_nanos() * u128::from(clock_rate) / 1_000_000_000) as u32
}

/// One track of one viewer.
#[derive(Debug)]
pub(super) struct Rewriter {
    /// Added to the line's sequence numbers, wrapping; `None` until the viewer starts (again).
    offset: Option<u64>,
    /// The first of the line's sequence numbers that the viewer gets since it started.
    start: u64,
    /// The next sequence number on the wire. The first is below 2^15: the receiver takes the rollover counter to be 0
    /// (RFC 3711 §3.3.1), and so it stays for a packet or two that come out of order.
    next: u64,
    timestamp_offset: u32,
}

impl Rewriter {
    /// Starts at the given numbers, which should be random.
    pub(super) fn new(first_sequence: u16, timestamp_offset: u32) -> Self {
        Self { offset: None, start: 0, next: u64::from(first_sequence & 0x7fff) + 64, timestamp_offset }
    }

    /// The next packet that is sent is this one of the line, whatever was sent last.
    pub(super) fn start_at(&mut self, sequence: u64) {
        self.offset = Some(self.next.wrapping_sub(sequence));
        self.start = sequence;
    }

    /// Sends nothing until it is started again.
    pub(super) fn stop(&mut self) {
        self.offset = None;
    }

    /// Whether packets flow.
    pub(super) fn is_started(&self) -> bool {
        self.offset.is_some()
    }

    /// What stands in the viewer's packet; `None` for one from before the start.
    pub(super) fn rewrite(&mut self, sequence: u64, timestamp: u32) -> Option<(u64, u32)> {
        let offset = self.offset?;
        if sequence < self.start {
            return None;
        }
        let wire = sequence.wrapping_add(offset);
        self.next = self.next.max(wire + 1);
        Some((wire, timestamp.wrapping_add(self.timestamp_offset)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_publishers_numbers_keep_their_distances() {
        let mut line = Timeline::new(90_000);
        let now = Instant::now();
        let (first, stamp) = line.place(70_000, 5_000, now).expect("placed");
        assert_eq!(line.place(70_003, 8_000, now), Some((first + 3, stamp + 3_000)));
        assert_eq!(line.place(70_001, 6_000, now), Some((first + 1, stamp + 1_000)), "a late packet keeps its place");
        assert_eq!(line.place(69_999, 4_000, now), Some((first - 1, stamp.wrapping_sub(1_000))));
    }

    #[test]
    fn a_returning_publisher_goes_on_where_the_last_one_stopped() {
        let mut line = Timeline::new(48_000);
        let start = Instant::now();
        let (_, _) = line.place(100, 1_000, start).expect("placed");
        let (sequence, stamp) = line.place(101, 1_960, start).expect("placed");
        line.new_publisher();
        let later = start + Duration::from_secs(2);
        assert_eq!(line.place(9, 4_000_000_000, later), Some((sequence + 1, stamp + 96_000)));
        assert_eq!(line.place(10, 4_000_000_960, later), Some((sequence + 2, stamp + 96_960)));
        assert_eq!(line.place(8, 3_999_999_040, later), None, "it would take a number of the publisher before");
    }

    #[test]
    fn a_viewer_that_waits_for_a_keyframe_sees_no_gap() {
        let mut viewer = Rewriter::new(500, 7);
        assert_eq!(viewer.rewrite(1_000, 0), None);
        viewer.start_at(1_000);
        let (first, _) = viewer.rewrite(1_000, 0).expect("sent");
        assert_eq!(viewer.rewrite(1_002, 30), Some((first + 2, 37)), "the network's gap stays");
        assert_eq!(viewer.rewrite(999, 0), None, "from before the start");
        viewer.stop();
        assert_eq!(viewer.rewrite(1_003, 60), None);
        viewer.start_at(1_050);
        assert_eq!(viewer.rewrite(1_050, 90), Some((first + 3, 97)), "ours is closed");
    }

    #[test]
    fn the_first_number_on_the_wire_leaves_the_rollover_counter_at_zero() {
        for first in [0, 1, 0x7fff, 0x8000, 0xffff] {
            let mut viewer = Rewriter::new(first, 0);
            viewer.start_at(u64::MAX / 2);
            let (wire, _) = viewer.rewrite(u64::MAX / 2, 0).expect("sent");
            assert!(wire < 0x8080);
        }
    }
}

//! What may pass between an SRT peer and the protocol's crate, and what its packets tell of the path. Pure.
//!
//! srt-protocol 0.4.4 ends with a panic at packets that the standard knows and it does not (congestion warning, peer
//! error, most extensions), and believes every number that it is told. A stranger's packets are therefore looked at
//! before it sees them (draft-sharabayko-srt-01, section 3). It also keeps round trip and loss to itself: they are
//! read here from the acknowledgements and loss reports that pass.

use std::time::Duration;

/// A packet's header.
const HEADER: usize = 16;
/// Sequence numbers have 31 bits.
const SEQUENCE: u32 = 0x7fff_ffff;
const CONTROL: u8 = 0x80;
/// So many packets at once may be reported lost: seconds of the fastest stream. More is made up to keep us busy.
const LONGEST_LOSS: u32 = 100_000;
/// A round trip beyond this is none.
const LONGEST_ROUND_TRIP: u32 = 30_000_000;

const HANDSHAKE: u16 = 0;
const KEEP_ALIVE: u16 = 1;
const ACK: u16 = 2;
const NAK: u16 = 3;
const CONGESTION_WARNING: u16 = 4;
const SHUTDOWN: u16 = 5;
const ACK_ACK: u16 = 6;
const PEER_ERROR: u16 = 8;
const EXTENSION: u16 = 0x7fff;
/// Handshake request and answer, key request and answer.
const KNOWN_EXTENSIONS: std::ops::RangeInclusive<u16> = 1..=4;

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    /// Nothing to us: a receiver sends no data.
    Ignore,
    /// No receiver says that: why.
    Refuse(&'static str),
}

/// Sums since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) round_trip: Option<Duration>,
    /// Packets of data that left, repeated ones included.
    pub(super) sent: u64,
    /// Reported lost.
    pub(super) lost: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// The newest sequence number that left.
    newest: Option<u32>,
    pub(super) path: Path,
}

impl Gate {
    /// A packet of ours leaves.
    pub(super) fn outgoing(&mut self, packet: &[u8]) {
        let Some(first) = word(packet, 0) else { return };
        if packet[0] & CONTROL != 0 {
            return;
        }
        self.path.sent += 1;
        if self.newest.is_none_or(|newest| ahead(first, newest) > 0) {
            self.newest = Some(first & SEQUENCE);
        }
    }

    /// The peer's packet came.
    pub(super) fn incoming(&mut self, packet: &[u8]) -> Verdict {
        let Some((head, body)) = packet.split_at_checked(HEADER) else { return Verdict::Refuse("a torn packet") };
        if head[0] & CONTROL == 0 {
            return Verdict::Ignore;
        }
        let kind = u16::from_be_bytes([head[0] & !CONTROL, head[1]]);
        match kind {
            HANDSHAKE | KEEP_ALIVE | SHUTDOWN | ACK_ACK => Verdict::Pass,
            ACK => self.acknowledged(body),
            NAK => self.lost(body),
            CONGESTION_WARNING => Verdict::Refuse("a congestion warning, which no version sends"),
            PEER_ERROR => Verdict::Refuse("an error of a file transfer"),
            EXTENSION if KNOWN_EXTENSIONS.contains(&u16::from_be_bytes([head[2], head[3]])) => Verdict::Pass,
            EXTENSION => Verdict::Refuse("an extension out of place"),
            _ => Verdict::Ignore,
        }
    }

    fn acknowledged(&mut self, body: &[u8]) -> Verdict {
        let Some(next) = word(body, 0) else { return Verdict::Refuse("an empty acknowledgement") };
        if self.newest.is_some_and(|newest| ahead(next, newest) > 1) {
            return Verdict::Refuse("an acknowledgement of what was never sent");
        }
        // A light acknowledgement ends here.
        if let Some(round_trip) = word(body, 4).filter(|micros| (1..LONGEST_ROUND_TRIP).contains(micros)) {
            self.path.round_trip = Some(Duration::from_micros(round_trip.into()));
        }
        Verdict::Pass
    }

    fn lost(&mut self, body: &[u8]) -> Verdict {
        const WRONG: Verdict = Verdict::Refuse("a loss report of what was never sent");
        let words: Vec<u32> = body.chunks_exact(4).map(|w| u32::from_be_bytes([w[0], w[1], w[2], w[3]])).collect();
        if words.is_empty() || !body.len().is_multiple_of(4) {
            return Verdict::Refuse("a torn loss report");
        }
        let Some(newest) = self.newest else { return WRONG };
        let mut sum = 0;
        let mut rest = words.iter();
        while let Some(first) = rest.next() {
            let last = if first & !SEQUENCE == 0 {
                first
            } else {
                let Some(last) = rest.next() else { return Verdict::Refuse("a torn loss report") };
                last
            };
            let more = ahead(*last, *first);
            if last & !SEQUENCE != 0 || more < 0 || ahead(*last, newest) > 0 {
                return WRONG;
            }
            sum += more.unsigned_abs() + 1;
            if sum > LONGEST_LOSS {
                return WRONG;
            }
        }
        self.path.lost += u64::from(sum);
        Verdict::Pass
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).map(|w| u32::from_be_bytes([w[0], w[1], w[2], w[3]]))
}

/// How far `a` is ahead of `b` on the circle of sequence numbers.
fn ahead(a: u32, b: u32) -> i32 {
    ((a.wrapping_sub(b) << 1) as i32) >> 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(kind: u16, sub: u16, body: &[u32]) -> Vec<u8> {
        let mut packet = (0x8000 | kind).to_be_bytes().to_vec();
        packet.extend(sub.to_be_bytes());
        packet.extend([0; 12]);
        body.iter().for_each(|word| packet.extend(word.to_be_bytes()));
        packet
    }

    fn data(sequence: u32) -> Vec<u8> {
        [&sequence.to_be_bytes()[..], &[0; 12 + 188]].concat()
    }

    fn after_sending(sequences: impl IntoIterator<Item = u32>) -> Gate {
        let mut gate = Gate::default();
        sequences.into_iter().for_each(|sequence| gate.outgoing(&data(sequence)));
        gate
    }

    #[test]
    fn what_the_crate_would_fall_over_is_refused() {
        let mut gate = after_sending(100..200);
        for (kind, sub) in [(CONGESTION_WARNING, 0), (PEER_ERROR, 0), (EXTENSION, 5), (EXTENSION, 0), (EXTENSION, 9)] {
            assert!(matches!(gate.incoming(&control(kind, sub, &[1, 2])), Verdict::Refuse(_)), "{kind} {sub}");
        }
        assert!(matches!(gate.incoming(&[0x80; 15]), Verdict::Refuse(_)));
        for kind in [HANDSHAKE, KEEP_ALIVE, SHUTDOWN, ACK_ACK] {
            assert_eq!(gate.incoming(&control(kind, 0, &[])), Verdict::Pass);
        }
        assert_eq!(gate.incoming(&control(EXTENSION, 3, &[1])), Verdict::Pass);
        assert_eq!((gate.incoming(&data(5)), gate.incoming(&control(77, 0, &[]))), (Verdict::Ignore, Verdict::Ignore));
    }

    #[test]
    fn acknowledgements_tell_the_round_trip_and_reach_no_further_than_what_was_sent() {
        let mut gate = after_sending([SEQUENCE - 1, SEQUENCE, 0, 1]);
        assert_eq!(gate.incoming(&control(ACK, 0, &[2, 25_000, 1000])), Verdict::Pass, "the next one after all");
        assert_eq!(gate.path.round_trip, Some(Duration::from_millis(25)));
        assert_eq!(gate.incoming(&control(ACK, 0, &[SEQUENCE])), Verdict::Pass, "a light one, across the wrap");
        assert!(matches!(gate.incoming(&control(ACK, 0, &[3])), Verdict::Refuse(_)));
        assert!(matches!(gate.incoming(&control(ACK, 0, &[])), Verdict::Refuse(_)));
    }

    #[test]
    fn losses_are_counted_and_made_up_ones_refused() {
        let mut gate = after_sending(100..200);
        assert_eq!(gate.incoming(&control(NAK, 0, &[150, 0x8000_0000 | 160, 169])), Verdict::Pass);
        assert_eq!((gate.path.lost, gate.path.sent), (11, 100));
        for body in [
            &[][..],
            &[0x8000_0000 | 160],
            &[0x8000_0000 | 160, 150],
            &[200],
            &[0x8000_0000 | 150, 0x4000_0000],
            &[0x8000_0000 | (100_u32.wrapping_sub(200_000) & SEQUENCE), 150],
        ] {
            assert!(matches!(gate.incoming(&control(NAK, 0, body)), Verdict::Refuse(_)), "{body:x?}");
        }
        assert_eq!(gate.path.lost, 11);
        assert!(matches!(Gate::default().incoming(&control(NAK, 0, &[1])), Verdict::Refuse(_)), "nothing was sent");
    }

    fn borne(lasts: Duration) {
        let corpus = vec![
            control(HANDSHAKE, 0, &[5, 0, 77, 1500, 8192, 1, 9, 9, 0, 0, 0, 0]),
            control(ACK, 0, &[150, 25_000, 1000, 8000, 1, 1, 1]),
            control(NAK, 0, &[150, 0x8000_0000 | 160, 169]),
            control(EXTENSION, 3, &[1, 2, 3]),
            data(100),
        ];
        let mut gate = after_sending(100..200);
        testkit::fuzz::run(&corpus, 19, lasts, |sample, _| {
            if let Verdict::Pass = gate.incoming(sample) {
                assert!(sample.len() >= HEADER && sample[0] & CONTROL != 0);
            }
        });
    }

    #[test]
    fn any_packet_is_judged() {
        borne(testkit::fuzz::QUICK);
    }

    #[test]
    #[ignore = "ten minutes: test:long"]
    fn any_packet_is_judged_for_long() {
        borne(testkit::fuzz::LONG);
    }
}

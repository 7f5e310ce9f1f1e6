//! RTCP (RFC 3550, section 6): what the sender tells of its clock, and what receivers tell of the path. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{BufMut, BytesMut};
use media::MediaTime;

use super::packet::Packetizer;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const CNAME: u8 = 1;
/// From 1900, where NTP's time begins, to 1970 (RFC 868).
const NTP_TO_UNIX: u64 = 2_208_988_800;
const REPORT_BLOCK: usize = 24;

/// The wall's clock at a moment of ours: one pair for both tracks, so that a receiver can put them in step.
#[derive(Debug, Clone, Copy)]
pub(super) struct WallClock {
    at: MediaTime,
    unix: Duration,
}

impl WallClock {
    /// The pair of now.
    pub(super) fn read(now: MediaTime) -> Self {
        Self { at: now, unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// NTP's time stamp: seconds, and a fraction in 2⁻³² seconds.
    fn ntp(&self, at: MediaTime) -> u64 {
        let unix = self.unix + at.since(self.at);
        let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
        (unix.as_secs() + NTP_TO_UNIX) << 32 | fraction
    }

    /// Its middle 32 bits, in 2⁻¹⁶ seconds.
    fn middle(&self, at: MediaTime) -> u32 {
        (self.ntp(at) >> 16) as u32
    }
}

/// A sender report with its source's name (a compound packet, section 6.1).
pub(super) fn sender_report(track: &Packetizer, clock: &WallClock, now: MediaTime, name: &str) -> BytesMut {
    let mut out = BytesMut::with_capacity(80);
    let (packets, octets) = track.sent();
    out.put_slice(&[0x80, SENDER_REPORT, 0, 6]);
    out.put_u32(track.ssrc);
    out.put_u64(clock.ntp(now));
    out.put_u32(track.stamp(now));
    out.put_u32(packets);
    out.put_u32(octets);
    describe(track.ssrc, name, &mut out);
    out
}

/// The last report, with the goodbye (section 6.6).
pub(super) fn goodbye(track: &Packetizer, clock: &WallClock, now: MediaTime, name: &str) -> BytesMut {
    let mut out = sender_report(track, clock, now, name);
    out.put_slice(&[0x81, GOODBYE, 0, 1]);
    out.put_u32(track.ssrc);
    out
}

fn describe(ssrc: u32, name: &str, out: &mut BytesMut) {
    let name = &name.as_bytes()[..name.len().min(255)];
    // The chunk's items end with at least one zero, on a word's edge (section 6.5).
    let items = 2 + name.len();
    let padded = (items + 1).next_multiple_of(4);
    out.put_slice(&[0x81, DESCRIPTION]);
    out.put_u16((1 + padded / 4) as u16);
    out.put_u32(ssrc);
    out.put_slice(&[CNAME, name.len() as u8]);
    out.put_slice(name);
    out.put_bytes(0, padded - items);
}

/// What a receiver says of one of our tracks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reception {
    pub(super) ssrc: u32,
    /// Lost since its last report, 0 to 1.
    pub(super) loss: f64,
    /// From a sender report there and back, the time that it lay there taken off.
    pub(super) round_trip: Option<Duration>,
}

/// Every report block of a compound packet; what can't be read ends it, whoever sent it.
pub(super) fn receptions(packet: &[u8], clock: &WallClock, now: MediaTime) -> Vec<Reception> {
    let mut found = Vec::new();
    let mut rest = packet;
    while let Some((head, after)) = rest.split_at_checked(4) {
        let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let Some((body, next)) = after.split_at_checked(words * 4) else { break };
        if head[0] >> 6 != 2 {
            break;
        }
        let skipped = match head[1] {
            SENDER_REPORT => 24,
            RECEIVER_REPORT => 4,
            _ => usize::MAX,
        };
        let blocks = body.get(skipped..).unwrap_or_default().chunks_exact(REPORT_BLOCK);
        found.extend(blocks.take(usize::from(head[0] & 0x1f)).map(|block| reception(block, clock, now)));
        rest = next;
    }
    found
}

fn reception(block: &[u8], clock: &WallClock, now: MediaTime) -> Reception {
    let word = |at: usize| u32::from_be_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    let (last_report, delay) = (word(16), word(20));
    // A receiver that never saw a report of ours says zero. What comes out as more than the clock can tell apart
    // (half its circle) is nonsense.
    let elapsed = clock.middle(now).wrapping_sub(last_report).wrapping_sub(delay);
    let told = last_report != 0 && elapsed < 1 << 31;
    Reception {
        ssrc: word(0),
        loss: f64::from(block[4]) / 256.0,
        round_trip: told.then(|| Duration::from_secs_f64(f64::from(elapsed) / 65_536.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> MediaTime {
        MediaTime::from_nanos(ms * 1_000_000)
    }

    fn clock() -> WallClock {
        WallClock { at: at(1000), unix: Duration::from_millis(1_700_000_000_250) }
    }

    fn report(ssrc: u32, lost: u8, last_report: u32, delay: u32) -> Vec<u8> {
        let mut out = vec![0x81, RECEIVER_REPORT, 0, 7, 0, 0, 0, 9];
        out.extend(ssrc.to_be_bytes());
        out.extend([lost, 0, 0, 3]);
        out.extend([0; 8]);
        out.extend(last_report.to_be_bytes());
        out.extend(delay.to_be_bytes());
        out
    }

    #[test]
    fn a_report_names_the_moment_on_both_clocks_and_the_source() {
        let track = Packetizer::new(96, 90_000);
        let out = sender_report(&track, &clock(), at(1500), "tide");
        assert_eq!(out[..4], [0x80, 200, 0, 6]);
        let seconds = u32::from_be_bytes([out[8], out[9], out[10], out[11]]);
        assert_eq!(u64::from(seconds), 1_700_000_000 + NTP_TO_UNIX);
        let fraction = u32::from_be_bytes([out[12], out[13], out[14], out[15]]);
        assert!((f64::from(fraction) / 2f64.powi(32) - 0.75).abs() < 1e-6);
        assert_eq!(out[16..20], track.stamp(at(1500)).to_be_bytes());
        assert_eq!(out.len(), 28 + 4 + 4 + 8, "whole words");
        assert_eq!(out[36..42], [CNAME, 4, b't', b'i', b'd', b'e']);
        let bye = goodbye(&track, &clock(), at(1500), "tide");
        assert_eq!(bye[bye.len() - 8..bye.len() - 4], [0x81, GOODBYE, 0, 1]);
    }

    #[test]
    fn loss_and_round_trip_are_read_from_a_receivers_report() {
        let sent = clock().middle(at(2000));
        // It lay there for half a second, and the report arrives 540 ms after ours was sent.
        let found = receptions(&report(77, 64, sent, 32_768), &clock(), at(2540));
        assert_eq!((found.len(), found[0].ssrc, found[0].loss), (1, 77, 0.25));
        let round_trip = found[0].round_trip.expect("told");
        assert!((round_trip.as_secs_f64() - 0.04).abs() < 0.001, "{round_trip:?}");
        assert_eq!(receptions(&report(77, 0, 0, 0), &clock(), at(2540))[0].round_trip, None);
    }

    #[test]
    fn whatever_a_stranger_sends_is_read_to_its_first_mistake() {
        let good = report(1, 0, 0, 0);
        for cut in 0..good.len() {
            assert!(receptions(&good[..cut], &clock(), at(2000)).is_empty(), "{cut}");
        }
        let mut many = good.clone();
        many[0] = 0x9f;
        assert_eq!(receptions(&many, &clock(), at(2000)).len(), 1, "it says 31 and holds one");
    }

    fn borne(lasts: Duration) {
        let track = Packetizer::new(96, 90_000);
        let ours = sender_report(&track, &clock(), at(1500), "tide").to_vec();
        let corpus = vec![[&report(1, 2, 3, 4)[..], &ours].concat(), report(77, 64, 9, 9), ours];
        testkit::fuzz::run(&corpus, 23, lasts, |sample, _| {
            let found = receptions(sample, &clock(), at(2000));
            assert!(found.len() * REPORT_BLOCK <= sample.len());
            assert!(found.iter().all(|each| (0.0..1.0).contains(&each.loss)));
        });
    }

    #[test]
    fn any_report_is_borne() {
        borne(testkit::fuzz::QUICK);
    }

    #[test]
    #[ignore = "ten minutes: test:long"]
    fn any_report_is_borne_for_long() {
        borne(testkit::fuzz::LONG);
    }
}

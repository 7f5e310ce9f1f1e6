//! H.264 into RTP payloads (RFC 6184, packetization-mode 1). Pure.

use std::sync::Arc;

use bytes::Bytes;
use media::h264::{DELIMITER, NAL_TYPE};

/// Leaves room for RTP, its extensions, SRTP and any tunnel in 1500 bytes.
const MOST_PAYLOAD: usize = 1200;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;
/// The bits of a NAL unit's first byte that say how much it matters.
const REFERENCE: u8 = 0x60;
const END_OF_SEQUENCE: u8 = 10;
const END_OF_STREAM: u8 = 11;
const FILLER: u8 = 12;
const MORE_THAN_PAYLOADS: u8 = 24;

/// The payloads of one access unit, in order. `sets` stand in front, for a keyframe that has none of its own.
pub(crate) fn payloads(sets: &[Bytes], units: &[Bytes]) -> Vec<Arc<[u8]>> {
    let mut out: Vec<Arc<[u8]>> = Vec::new();
    // Small units that may share a packet with the next one.
    let mut waiting: Vec<&Bytes> = Vec::new();
    let mut size = 1;
    for unit in sets.iter().chain(units) {
        if matches!(unit[0] & NAL_TYPE, 0 | DELIMITER | END_OF_SEQUENCE | END_OF_STREAM | FILLER | MORE_THAN_PAYLOADS..)
        {
            continue;
        }
        if size + 2 + unit.len() > MOST_PAYLOAD {
            flush(&mut waiting, &mut out);
            size = 1;
        }
        if unit.len() > MOST_PAYLOAD {
            fragment(unit, &mut out);
        } else {
            size += 2 + unit.len();
            waiting.push(unit);
        }
    }
    flush(&mut waiting, &mut out);
    out
}

/// One unit goes as it is, several as STAP-A (section 5.7.1).
fn flush(waiting: &mut Vec<&Bytes>, out: &mut Vec<Arc<[u8]>>) {
    match waiting.as_slice() {
        [] => {}
        [one] => out.push(one.as_ref().into()),
        several => {
            let importance = several.iter().map(|unit| unit[0] & REFERENCE).max().unwrap_or(0);
            let mut payload = vec![importance | STAP_A];
            for unit in several {
                payload.extend_from_slice(&(unit.len() as u16).to_be_bytes());
                payload.extend_from_slice(unit);
            }
            out.push(payload.into());
        }
    }
    waiting.clear();
}

/// FU-A (section 5.8): pieces of about the same size, so that none is nearly empty.
fn fragment(unit: &Bytes, out: &mut Vec<Arc<[u8]>>) {
    let (indicator, kind) = (unit[0] & !NAL_TYPE | FU_A, unit[0] & NAL_TYPE);
    let body = &unit[1..];
    let pieces = body.len().div_ceil(MOST_PAYLOAD - 2);
    let size = body.len().div_ceil(pieces);
    for (index, piece) in body.chunks(size).enumerate() {
        let start = if index == 0 { FU_START } else { 0 };
        let end = if (index + 1) * size >= body.len() { FU_END } else { 0 };
        let mut payload = Vec::with_capacity(piece.len() + 2);
        payload.extend_from_slice(&[indicator, start | end | kind]);
        payload.extend_from_slice(piece);
        out.push(payload.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(kind: u8, length: usize) -> Bytes {
        let mut unit = vec![0x60 | kind];
        unit.extend((1..length).map(|n| n as u8));
        unit.into()
    }

    /// What RFC 6184 says a receiver does.
    fn rebuilt(payloads: &[Arc<[u8]>]) -> Vec<Vec<u8>> {
        let mut units: Vec<Vec<u8>> = Vec::new();
        for payload in payloads {
            assert!(payload.len() <= MOST_PAYLOAD);
            match payload[0] & NAL_TYPE {
                STAP_A => {
                    let mut rest = &payload[1..];
                    while let [high, low, tail @ ..] = rest {
                        let (unit, tail) = tail.split_at(usize::from(u16::from_be_bytes([*high, *low])));
                        units.push(unit.to_vec());
                        rest = tail;
                    }
                }
                FU_A => {
                    if payload[1] & FU_START != 0 {
                        units.push(vec![payload[0] & !NAL_TYPE | payload[1] & NAL_TYPE]);
                    }
                    units.last_mut().expect("a start").extend(&payload[2..]);
                }
                _ => units.push(payload.to_vec()),
            }
        }
        units
    }

    #[test]
    fn a_receiver_finds_every_unit_again() {
        for length in [2, 100, 1199, 1200, 1201, 2399, 5000, 100_000] {
            let sets = [unit(7, 20), unit(8, 5)];
            let units = [unit(9, 2), unit(6, 30), unit(5, length), unit(5, 40), unit(12, 900)];
            let payloads = payloads(&sets, &units);
            let expected: Vec<Vec<u8>> =
                [&sets[0], &sets[1], &units[1], &units[2], &units[3]].iter().map(|unit| unit.to_vec()).collect();
            assert_eq!(rebuilt(&payloads), expected, "{length}");
        }
    }

    #[test]
    fn parameter_sets_share_a_packet_with_each_other() {
        let payloads = payloads(&[unit(7, 20), unit(8, 5)], &[unit(5, 5000)]);
        assert_eq!(payloads[0][0] & NAL_TYPE, STAP_A);
        assert_eq!(payloads[1][0] & NAL_TYPE, FU_A);
        assert_eq!(payloads.len(), 6);
    }
}

//! Annex B access units → RTP payloads (RFC 6184, packetization-mode 1). Pure.

use bytes::{BufMut, Bytes, BytesMut};
use media::h264::{DELIMITER, NAL_TYPE, PPS, SPS, nal_units};

/// Bytes of RTP payload in one packet: with RTP header, extensions, SRTP tag, UDP and IPv6 it stays below the
/// 1280 that every IPv6 path carries, with room for a TURN header.
pub const MAX_PAYLOAD: usize = 1200;

const NAL_REF_IDC: u8 = 0x60;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;

/// The payloads of one access unit, in order; the last one's packet carries the marker.
///
/// Parameter sets travel together in one STAP-A, as they are useless apart; delimiters are dropped (RFC 6184
/// does not need them).
pub fn packetize(access_unit: &Bytes, max_payload: usize) -> Vec<Bytes> {
    let mut payloads = Vec::with_capacity(access_unit.len() / max_payload + 3);
    let mut parameter_sets: Vec<Bytes> = Vec::new();
    for unit in nal_units(access_unit) {
        match unit[0] & NAL_TYPE {
            DELIMITER => {}
            SPS | PPS => parameter_sets.push(unit),
            _ => {
                flush_parameter_sets(&mut parameter_sets, max_payload, &mut payloads);
                push_nal(&unit, max_payload, &mut payloads);
            }
        }
    }
    flush_parameter_sets(&mut parameter_sets, max_payload, &mut payloads);
    payloads
}

fn flush_parameter_sets(sets: &mut Vec<Bytes>, max_payload: usize, payloads: &mut Vec<Bytes>) {
    let size = 1 + sets.iter().map(|set| 2 + set.len()).sum::<usize>();
    if sets.len() < 2 || size > max_payload {
        for set in sets.drain(..) {
            push_nal(&set, max_payload, payloads);
        }
        return;
    }
    // The header's importance is the greatest among the units (RFC 6184, section 5.7).
    let importance = sets.iter().map(|set| set[0] & NAL_REF_IDC).max().unwrap_or_default();
    let mut payload = BytesMut::with_capacity(size);
    payload.put_u8(importance | STAP_A);
    for set in sets.drain(..) {
        payload.put_u16(set.len() as u16);
        payload.put_slice(&set);
    }
    payloads.push(payload.freeze());
}

fn push_nal(unit: &Bytes, max_payload: usize, payloads: &mut Vec<Bytes>) {
    if unit.len() <= max_payload {
        payloads.push(unit.clone());
        return;
    }
    let (header, body) = (unit[0], &unit[1..]);
    let mut fragments = body.chunks(max_payload - 2).peekable();
    let mut start = FU_START;
    while let Some(fragment) = fragments.next() {
        let end = if fragments.peek().is_none() { FU_END } else { 0 };
        let mut payload = BytesMut::with_capacity(2 + fragment.len());
        payload.put_u8((header & !NAL_TYPE) | FU_A);
        payload.put_u8((header & NAL_TYPE) | start | end);
        payload.put_slice(fragment);
        payloads.push(payload.freeze());
        start = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyframe(slice: usize) -> Bytes {
        let mut unit = vec![0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0, 0, 1, 0x68, 0xce, 0, 0, 0, 1];
        unit.push(0x65);
        unit.extend((0..slice).map(|n| (n % 251 + 1) as u8));
        unit.into()
    }

    #[test]
    fn units_are_found_behind_short_and_long_start_codes() {
        let units = nal_units(&keyframe(5));
        assert_eq!(units.len(), 4);
        assert_eq!(units[1].as_ref(), [0x67, 0x42, 0xe0, 0x1f]);
        assert_eq!(units[2].as_ref(), [0x68, 0xce]);
        assert_eq!(units[3].as_ref(), [0x65, 1, 2, 3, 4, 5]);
        assert!(nal_units(&Bytes::from_static(&[1, 2, 3])).is_empty());
        assert!(nal_units(&Bytes::from_static(&[0, 0, 1])).is_empty());
        assert!(nal_units(&Bytes::new()).is_empty());
    }

    #[test]
    fn bytes_that_only_resemble_a_start_code_are_left_alone() {
        let unit = Bytes::from_static(&[0, 0, 1, 0x41, 0, 0, 3, 1, 0, 1, 0, 0, 2, 1]);
        assert_eq!(nal_units(&unit), [unit.slice(3..)]);
    }

    #[test]
    fn parameter_sets_travel_together_and_delimiters_not_at_all() {
        let payloads = packetize(&keyframe(100), MAX_PAYLOAD);
        assert_eq!(payloads.len(), 2);
        assert_eq!(payloads[0].as_ref(), [0x78, 0, 4, 0x67, 0x42, 0xe0, 0x1f, 0, 2, 0x68, 0xce]);
        assert_eq!(payloads[1][0], 0x65);
    }

    #[test]
    fn fragments_put_together_give_the_unit_back() {
        for size in [MAX_PAYLOAD - 1, MAX_PAYLOAD, 2 * (MAX_PAYLOAD - 2), 5000] {
            let unit = keyframe(size);
            let slice = nal_units(&unit).pop().expect("the slice");
            let payloads = &packetize(&unit, MAX_PAYLOAD)[1..];
            assert!(payloads.iter().all(|payload| payload.len() <= MAX_PAYLOAD));
            if slice.len() <= MAX_PAYLOAD {
                assert_eq!(payloads, [slice]);
                continue;
            }
            let mut again = vec![(payloads[0][0] & 0xe0) | (payloads[0][1] & NAL_TYPE)];
            for (n, payload) in payloads.iter().enumerate() {
                assert_eq!(payload[0] & NAL_TYPE, FU_A);
                assert_eq!(payload[1] & FU_START != 0, n == 0);
                assert_eq!(payload[1] & FU_END != 0, n + 1 == payloads.len());
                again.extend_from_slice(&payload[2..]);
            }
            assert_eq!(again, slice);
        }
    }
}

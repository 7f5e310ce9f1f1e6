//! RTP packets with H.264 in them → access units (RFC 3550 section 5.1, RFC 6184 in packetization mode 1): what the
//! bench's receiver needs of it, for senders on the same machine. Pure.

/// Collects the packets of one picture.
#[derive(Debug, Default)]
pub struct Depacketizer {
    unit: Vec<u8>,
    timestamp: Option<u32>,
    next: Option<u16>,
    /// Something of the picture at hand is missing.
    torn: bool,
    /// Packets that were missing so far.
    pub lost: u64,
}

const START_CODE: [u8; 4] = [0, 0, 0, 1];
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

impl Depacketizer {
    /// Takes a packet; gives the access unit (Annex B) that it completes: the one that it ends, or the one before where
    /// that had no marker. What is no RTP is left out, and so is a picture that lacks a packet.
    pub fn push(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let [first, second, sequence @ .., _, _, _, _, _, _, _, _] = packet.get(..12)? else { return None };
        if first >> 6 != 2 {
            return None;
        }
        let sequence = u16::from_be_bytes([sequence[0], sequence[1]]);
        let timestamp = u32::from_be_bytes(packet[4..8].try_into().ok()?);
        let mut start = 12 + 4 * usize::from(first & 0xf);
        if first & 0x10 != 0 {
            let words = packet.get(start + 2..start + 4)?;
            start += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
        }
        let padding = if first & 0x20 == 0 { 0 } else { usize::from(*packet.last()?) };
        let payload = packet.get(start..packet.len().checked_sub(padding)?)?;
        // Whose the missing packet was, nobody knows: neither the picture before nor this one is whole then.
        let missing = self.next.map_or(0, |next| sequence.wrapping_sub(next));
        self.lost += u64::from(missing.min(1000));
        self.torn |= missing != 0;
        let before = if self.timestamp.is_some_and(|known| known != timestamp) { self.take() } else { None };
        self.torn |= missing != 0;
        self.next = Some(sequence.wrapping_add(1));
        self.timestamp = Some(timestamp);
        self.payload(payload);
        if second & 0x80 != 0 { self.take() } else { before }
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        self.timestamp = None;
        let unit = std::mem::take(&mut self.unit);
        let torn = std::mem::take(&mut self.torn);
        (!unit.is_empty() && !torn).then_some(unit)
    }

    fn payload(&mut self, payload: &[u8]) {
        match payload.first().map(|first| first & 0x1f) {
            Some(1..=23) => self.nal(payload),
            Some(STAP_A) => {
                let mut rest = &payload[1..];
                while let [high, low, tail @ ..] = rest {
                    let length = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
                    self.nal(&tail[..length]);
                    rest = &tail[length..];
                }
            }
            Some(FU_A) if payload.len() > 2 => {
                if payload[1] & 0x80 != 0 {
                    self.unit.extend(START_CODE);
                    self.unit.push(payload[0] & 0xe0 | payload[1] & 0x1f);
                }
                self.unit.extend(&payload[2..]);
            }
            _ => {}
        }
    }

    fn nal(&mut self, nal: &[u8]) {
        self.unit.extend(START_CODE);
        self.unit.extend(nal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, timestamp: u32, marker: bool, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, u8::from(marker) << 7 | 96];
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend([1, 2, 3, 4]);
        packet.extend(payload);
        packet
    }

    #[test]
    fn pieces_and_bundles_become_the_pictures_they_were() {
        let mut depacketizer = Depacketizer::default();
        let sets = [24, 0, 2, 0x67, 1, 0, 2, 0x68, 2];
        assert_eq!(depacketizer.push(&packet(65_534, 9, false, &sets)), None);
        assert_eq!(depacketizer.push(&packet(65_535, 9, false, &[0x7c, 0x85, 3, 4])), None);
        let whole = depacketizer.push(&packet(0, 9, true, &[0x7c, 0x45, 5]));
        assert_eq!(whole, Some(vec![0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 3, 4, 5]));
        // A sender without markers: the next time stamp ends a picture.
        assert_eq!(depacketizer.push(&packet(1, 10, false, &[0x41, 7])), None);
        assert_eq!(depacketizer.push(&packet(2, 11, false, &[0x41, 8])), Some(vec![0, 0, 0, 1, 0x41, 7]));
    }

    #[test]
    fn a_picture_that_lacks_a_packet_is_left_out_and_counted() {
        let mut depacketizer = Depacketizer::default();
        assert!(depacketizer.push(&packet(5, 1, true, &[0x41, 1])).is_some());
        assert_eq!(depacketizer.push(&packet(7, 2, true, &[0x41, 2])), None);
        assert_eq!(depacketizer.lost, 1);
        assert!(depacketizer.push(&packet(8, 3, true, &[0x41, 3])).is_some());
        assert_eq!(depacketizer.push(&[0x80, 1]), None, "too short");
    }
}

//! A viewer: a session as a browser has it until the first packet is understood, and a counter from then on.

use str0m::Event;
use str0m::media::Direction;

use super::client::Client;
use super::inbox::Inbox;
use super::publisher::Publisher;
use super::{Plan, Problem};

/// What the viewer's numbers are, against the publisher's.
#[derive(Debug, Clone, Copy)]
struct Line {
    /// The payload type of the pictures, as it stands in the clear.
    payload_type: u8,
    /// Sequence number of the packet of index 0, modulo 2¹⁶.
    zero: u16,
}

pub(super) struct Viewer {
    client: Client,
    line: Option<Line>,
    /// Packets are counted from this index of the publisher's on.
    first: Option<u64>,
    /// By index above `first`: the delay in microseconds, `MISSING` where it did not come.
    delays: Vec<u32>,
}

const MISSING: u32 = u32::MAX;

impl Viewer {
    pub(super) fn open(plan: &Plan) -> Result<Self, Problem> {
        let path = format!("/whep/{}", plan.streams[0]);
        let client = Client::open(plan, &path, None, Direction::RecvOnly)?;
        Ok(Self { client, line: None, first: None, delays: Vec::new() })
    }

    /// Whether packets are only counted by now.
    pub(super) fn counts(&self) -> bool {
        self.line.is_some()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.client.ended
    }

    /// Counts from that packet on.
    pub(super) fn begin(&mut self, index: u64) {
        self.first = Some(index);
        self.delays.clear();
    }

    /// The packets that came with an index below that one, each with its delay.
    pub(super) fn received_below(&self, index: u64) -> impl Iterator<Item = (u64, u32)> {
        let first = self.first.unwrap_or(index);
        let delays = (first..index).zip(self.delays.iter().copied());
        delays.filter(|(_, delay)| *delay != MISSING)
    }

    pub(super) fn turn(&mut self, inbox: &mut Inbox, publisher: &Publisher) -> Result<(), Problem> {
        let mut understood = Vec::new();
        loop {
            // What the session has to see: checks, handshakes, reports, and packets until they are understood.
            let mut for_session = Vec::new();
            let (line, first, delays) = (self.line, self.first, &mut self.delays);
            let read = inbox.read(&self.client.socket, |bytes, arrival| match line {
                Some(line) if is_rtp(bytes) => {
                    if let Some(first) = first {
                        count(line, first, delays, publisher, bytes, arrival);
                    }
                }
                _ => for_session.push(bytes.to_vec()),
            })?;
            for bytes in for_session {
                self.client.take(&bytes, |event| {
                    if let Event::RtpPacket(packet) = event
                        && let Some(index) = Publisher::index_in(&packet.payload)
                    {
                        understood.push((*packet.header.payload_type, packet.header.sequence_number, index));
                    }
                })?;
            }
            if read == 0 {
                break;
            }
        }
        self.client.tick(|_| {})?;
        if let Some((payload_type, sequence, index)) = understood.first()
            && self.line.is_none()
        {
            self.line = Some(Line { payload_type: *payload_type, zero: sequence.wrapping_sub(*index as u16) });
        }
        Ok(())
    }
}

/// Version 2, and no RTCP (RFC 5761 section 4).
fn is_rtp(bytes: &[u8]) -> bool {
    bytes.len() > 12 && bytes[0] >> 6 == 2 && !(192..=223).contains(&bytes[1])
}

fn count(line: Line, first: u64, delays: &mut Vec<u32>, publisher: &Publisher, bytes: &[u8], arrival: u64) {
    if bytes[1] & 0x7f != line.payload_type {
        return;
    }
    let low = u16::from_be_bytes([bytes[2], bytes[3]]).wrapping_sub(line.zero);
    let Some(index) = nearest(publisher.next_index(), low) else { return };
    let (Some(place), Some(sent)) = (index.checked_sub(first), publisher.sent_at(index)) else { return };
    let place = place as usize;
    if delays.len() <= place {
        delays.resize(place + 1, MISSING);
    }
    let delay = u32::try_from(arrival.saturating_sub(sent) / 1000).unwrap_or(MISSING - 1);
    delays[place] = delays[place].min(delay);
}

/// The newest index that was sent and ends in those 16 bits.
fn nearest(next: u64, low: u16) -> Option<u64> {
    let newest = next.checked_sub(1)?;
    newest.checked_sub(u64::from((newest as u16).wrapping_sub(low)))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn sixteen_bits_name_the_newest_packet_that_ends_in_them() {
        assert_eq!(nearest(10, 9), Some(9));
        assert_eq!(nearest(10, 3), Some(3));
        assert_eq!(nearest(65_546, 65_530), Some(65_530));
        assert_eq!(nearest(65_546, 5), Some(65_541));
        assert_eq!(nearest(0, 5), None);
        assert_eq!(nearest(10, 11), None, "it was not sent yet");
    }
}

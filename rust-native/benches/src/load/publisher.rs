//! A publisher: numbered packets at a picture's pace, in the size that the bitrate makes of them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use str0m::Event;
use str0m::media::Direction;
use str0m::rtp::RtpWrite;

use super::client::{Client, PAYLOAD_TYPE};
use super::inbox::Inbox;
use super::{Plan, Problem};

/// An IDR is so much larger than a picture that is predicted.
const KEYFRAME_WEIGHT: f64 = 6.0;
/// Two seconds, as the app has it.
const GOP_SECONDS: u32 = 2;
/// Payload of a full packet: what H.264 packetizers leave of an MTU of 1280.
const FULL: usize = 1150;
/// A frame this late is left out rather than sent in a burst with the next.
const LATE: Duration = Duration::from_millis(250);
/// `nal_ref_idc` and FU-A; then start, middle and end of an IDR's or another slice's pieces (RFC 6184 section 5.8).
const FU: u8 = 0x7c;
const IDR: [u8; 3] = [0x85, 0x05, 0x45];
const SLICE: [u8; 3] = [0x81, 0x01, 0x41];
/// Constrained baseline of 1920×1080.
const SPS: [u8; 14] = [0x67, 0x42, 0xc0, 0x28, 0xda, 0x01, 0xe0, 0x08, 0x9f, 0x97, 0x01, 0x6c, 0x80, 0x80];
const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];
const STAP_A: u8 = 24;
/// Where a piece of a slice says its packet's index, eight bytes.
const NUMBER: usize = 2;
/// The first sequence number: below 2^15, as receivers take the rollover counter to be 0 (RFC 3711 section 3.3.1).
const FIRST: u64 = 1000;

pub(super) struct Publisher {
    client: Client,
    fps: u32,
    /// Packets of a keyframe, and of another picture.
    packets: (usize, usize),
    frames: u32,
    next_frame: Option<Instant>,
    /// When each packet was sent, nanoseconds of the wall clock; its index is the packet's.
    sent: Vec<u64>,
    /// Whether it is a piece of a keyframe, by the same index.
    of_keyframe: Vec<bool>,
    wants_keyframe: bool,
}

impl Publisher {
    pub(super) fn open(plan: &Plan, stream: &str) -> Result<Self, Problem> {
        let client = Client::open(plan, &format!("/whip/{stream}"), Some(&plan.key), Direction::SendOnly)?;
        let gop = f64::from(plan.fps * GOP_SECONDS);
        let bytes_of_gop = f64::from(plan.kbps) * 125.0 * f64::from(GOP_SECONDS);
        let plain = bytes_of_gop / (gop - 1.0 + KEYFRAME_WEIGHT);
        let count = |bytes: f64| ((bytes / FULL as f64).round() as usize).max(2);
        let packets = (count(plain * KEYFRAME_WEIGHT), count(plain));
        Ok(Self {
            client,
            fps: plan.fps,
            packets,
            frames: 0,
            next_frame: None,
            sent: Vec::new(),
            of_keyframe: Vec::new(),
            wants_keyframe: true,
        })
    }

    pub(super) fn is_connected(&self) -> bool {
        self.client.connected
    }

    /// The index that the next packet gets.
    pub(super) fn next_index(&self) -> u64 {
        self.sent.len() as u64
    }

    /// The index in a packet's payload, where it has one.
    pub(super) fn index_in(payload: &[u8]) -> Option<u64> {
        let number = payload.get(NUMBER..NUMBER + 8).filter(|_| payload[0] & 0x1f == FU & 0x1f)?;
        Some(u64::from_be_bytes(number.try_into().ok()?))
    }

    /// When that packet was sent.
    pub(super) fn sent_at(&self, index: u64) -> Option<u64> {
        self.sent.get(usize::try_from(index).ok()?).copied()
    }

    /// Whether that packet is a keyframe's.
    pub(super) fn is_of_keyframe(&self, index: u64) -> bool {
        usize::try_from(index).ok().and_then(|index| self.of_keyframe.get(index)).copied().unwrap_or(false)
    }

    /// Takes what came, sends a picture if one is due; gives when the next one is.
    pub(super) fn turn(&mut self, inbox: &mut Inbox) -> Result<Instant, Problem> {
        let mut asked = false;
        let mut on_event = |event: Event| asked |= matches!(event, Event::KeyframeRequest(_));
        let mut came = Vec::new();
        while inbox.read(&self.client.socket, |bytes, _| came.push(bytes.to_vec()))? > 0 {}
        for bytes in came {
            self.client.take(&bytes, &mut on_event)?;
        }
        self.client.tick(&mut on_event)?;
        self.wants_keyframe |= asked;
        if self.client.ended {
            return Err("the server ended a publisher's session".into());
        }
        let now = Instant::now();
        if !self.client.connected {
            return Ok(now + Duration::from_millis(1));
        }
        let due = *self.next_frame.get_or_insert(now);
        if now < due {
            return Ok(due);
        }
        self.frame()?;
        let step = Duration::from_secs(1) / self.fps;
        let next = if now - due > LATE { now + step } else { due + step };
        self.next_frame = Some(next);
        Ok(next)
    }

    fn frame(&mut self) -> Result<(), Problem> {
        let keyframe = std::mem::take(&mut self.wants_keyframe) || self.frames.is_multiple_of(self.fps * GOP_SECONDS);
        let count = if keyframe { self.packets.0 } else { self.packets.1 };
        // 90 kHz, whatever the wall says: the server does not look at it.
        let timestamp = 1_000_000_u32.wrapping_add(self.frames.wrapping_mul(90_000 / self.fps));
        if keyframe {
            let mut sets = vec![STAP_A, 0, SPS.len() as u8];
            sets.extend(SPS);
            sets.extend([0, PPS.len() as u8]);
            sets.extend(PPS);
            self.packet(timestamp, false, sets)?;
        }
        let kinds = if keyframe { IDR } else { SLICE };
        for number in 0..count {
            let last = number + 1 == count;
            let kind = if number == 0 { kinds[0] } else { kinds[1 + usize::from(last)] };
            let mut payload = vec![FU, kind];
            payload.resize(FULL, 0x5a);
            self.packet(timestamp, last, payload)?;
        }
        self.of_keyframe.resize(self.sent.len(), keyframe);
        self.frames += 1;
        Ok(())
    }

    fn packet(&mut self, timestamp: u32, marker: bool, mut payload: Vec<u8>) -> Result<(), Problem> {
        let index = self.sent.len() as u64;
        // The parameter sets are the server's to read, and stay as they are.
        if payload[0] == FU {
            payload[NUMBER..NUMBER + 8].copy_from_slice(&index.to_be_bytes());
        }
        let wall = SystemTime::now().duration_since(UNIX_EPOCH)?;
        self.sent.push(u64::try_from(wall.as_nanos())?);
        let now = Instant::now();
        let mut api = self.client.rtc.direct_api();
        let stream = api.stream_tx_by_mid(self.client.video, None).ok_or("no stream to send on")?;
        let rtp = RtpWrite::new(PAYLOAD_TYPE.into(), (FIRST + index).into(), timestamp, now, payload);
        stream.write_rtp(rtp.marker(marker).nackable(true));
        self.client.rtc.handle_input(str0m::Input::Timeout(now))?;
        let mut asked = false;
        self.client.drain(|event| asked |= matches!(event, Event::KeyframeRequest(_)))?;
        self.wants_keyframe |= asked;
        Ok(())
    }
}

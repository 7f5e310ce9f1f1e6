//! MPEG-TS (ISO/IEC 13818-1) apart: the first program's first picture and first sound. Pure; bounded in what it keeps.
//!
//! A lost packet costs the unit it belonged to. What the tables do not describe is left out.

use bytes::{Bytes, BytesMut};
use media::MediaTime;
use media::h264::nal_units;

use super::pace::Line;
use super::unit::Unit;

/// One packet (section 2.4.3.2).
pub(super) const PACKET: usize = 188;
const SYNC: u8 = 0x47;
const PAT_PID: u16 = 0;
/// Longest section of the tables (section 2.4.4).
const MOST_SECTION: usize = 1024;
/// A keyframe of 4K at the highest quality.
const MOST_VIDEO: usize = 8 << 20;
/// Many frames of sound in one PES packet.
const MOST_AUDIO: usize = 64 << 10;
const CLOCK: u32 = 90_000;
/// ADTS sampling rates by index (ISO/IEC 14496-3, table 1.18).
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    H264,
    Aac,
    Opus,
}

/// One elementary stream: the PES packet that is being received.
#[derive(Debug)]
struct Stream {
    pid: u16,
    kind: Kind,
    counter: Option<u8>,
    /// `None` until a PES packet begins.
    pes: Option<BytesMut>,
}

/// Sections of one PID.
#[derive(Debug, Default)]
struct Sections {
    data: Vec<u8>,
    last: Vec<u8>,
}

/// A line for its stamps.
pub(super) fn line() -> Line {
    Line::new(u64::from(CLOCK), 33)
}

/// Takes a transport stream apart.
#[derive(Debug)]
pub(super) struct Demuxer {
    rest: BytesMut,
    pat: Sections,
    pmt: Sections,
    pmt_pid: Option<u16>,
    streams: Vec<Stream>,
    line: Line,
    config: Option<[u8; 2]>,
}

impl Demuxer {
    pub(super) fn new() -> Self {
        Self {
            rest: BytesMut::new(),
            pat: Sections::default(),
            pmt: Sections::default(),
            pmt_pid: None,
            streams: Vec::new(),
            line: line(),
            config: None,
        }
    }

    /// The same on a line that is not its own: what several transport streams share, or what goes on after one of them.
    pub(super) fn take_on(&mut self, line: &mut Line, data: &[u8], out: &mut Vec<Unit>) {
        std::mem::swap(&mut self.line, line);
        self.take(data, out);
        std::mem::swap(&mut self.line, line);
    }

    /// Takes bytes as they came; units are added to `out`.
    pub(super) fn take(&mut self, data: &[u8], out: &mut Vec<Unit>) {
        self.rest.extend_from_slice(data);
        loop {
            // Where bytes were lost, packets begin somewhere else.
            let Some(start) = self.rest.iter().position(|byte| *byte == SYNC) else {
                self.rest.clear();
                return;
            };
            let _ = self.rest.split_to(start);
            if self.rest.len() < PACKET {
                return;
            }
            if self.rest.get(PACKET).is_some_and(|next| *next != SYNC) {
                let _ = self.rest.split_to(1);
                continue;
            }
            let packet = self.rest.split_to(PACKET);
            self.packet(&packet, out);
        }
    }

    fn packet(&mut self, packet: &[u8], out: &mut Vec<Unit>) {
        let start = packet[1] & 0x40 != 0;
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        let damaged = packet[1] & 0x80 != 0;
        let scrambled = packet[3] & 0xc0 != 0;
        let (adaptation, has_payload) = (packet[3] & 0x20 != 0, packet[3] & 0x10 != 0);
        if damaged || scrambled || !has_payload {
            return;
        }
        let from = if adaptation { 5 + usize::from(packet[4]) } else { 4 };
        let Some(payload) = packet.get(from..) else { return };
        if pid == PAT_PID {
            if let Some(section) = self.pat.take(start, payload) {
                self.pmt_pid = program(&section);
                self.pmt = Sections::default();
            }
        } else if Some(pid) == self.pmt_pid {
            if let Some(section) = self.pmt.take(start, payload) {
                self.describe(&section, out);
            }
        } else {
            self.elementary(pid, start, packet[3] & 0xf, payload, out);
        }
    }

    /// The program's streams (section 2.4.4.8).
    fn describe(&mut self, section: &[u8], out: &mut Vec<Unit>) {
        let Some(info) = section.get(10..12) else { return };
        let mut rest = section.get(12 + length(info)..section.len().saturating_sub(4)).unwrap_or_default();
        let (mut video, mut audio, mut streams) = (false, false, Vec::new());
        while let [kind, p0, p1, l0, l1, tail @ ..] = rest {
            let Some(descriptors) = tail.get(..length(&[*l0, *l1])) else { break };
            rest = &tail[descriptors.len()..];
            let pid = u16::from_be_bytes([p0 & 0x1f, *p1]);
            let known = match kind {
                0x1b => Some(Kind::H264),
                0x0f => Some(Kind::Aac),
                0x06 if is_opus(descriptors) => Some(Kind::Opus),
                _ => None,
            };
            match known {
                Some(kind) => {
                    let first = if kind == Kind::H264 { &mut video } else { &mut audio };
                    if !std::mem::replace(first, true) {
                        streams.push(Stream { pid, kind, counter: None, pes: None });
                    }
                }
                None => out.extend(other(*kind)),
            }
        }
        self.streams = streams;
    }

    fn elementary(&mut self, pid: u16, start: bool, counter: u8, payload: &[u8], out: &mut Vec<Unit>) {
        let Some(index) = self.streams.iter().position(|stream| stream.pid == pid) else { return };
        let stream = &mut self.streams[index];
        let expected = stream.counter.map(|last| (last + 1) & 0xf);
        if stream.counter == Some(counter) {
            // A packet may be sent twice (section 2.4.3.3).
            return;
        }
        stream.counter = Some(counter);
        if expected.is_some_and(|expected| expected != counter) {
            stream.pes = None;
        }
        if start {
            let whole = stream.pes.replace(BytesMut::from(payload));
            let kind = stream.kind;
            if let Some(whole) = whole {
                self.pes(kind, whole.freeze(), out);
            }
        } else if let Some(pes) = &mut stream.pes {
            let most = if stream.kind == Kind::H264 { MOST_VIDEO } else { MOST_AUDIO };
            if pes.len() + payload.len() > most {
                stream.pes = None;
                return;
            }
            pes.extend_from_slice(payload);
        }
        // One that says how long it is needs not wait for the next.
        let stream = &mut self.streams[index];
        if let Some(pes) = stream.pes.as_ref().filter(|pes| pes.len() >= 6) {
            let length = usize::from(u16::from_be_bytes([pes[4], pes[5]]));
            if length > 0
                && pes.len() >= 6 + length
                && let Some(mut whole) = stream.pes.take()
            {
                whole.truncate(6 + length);
                let kind = stream.kind;
                self.pes(kind, whole.freeze(), out);
            }
        }
    }

    /// One whole PES packet (section 2.4.3.6).
    fn pes(&mut self, kind: Kind, pes: Bytes, out: &mut Vec<Unit>) {
        if pes.len() < 9 || pes[..3] != [0, 0, 1] || pes[6] & 0xc0 != 0x80 {
            return;
        }
        let (flags, header) = (pes[7], usize::from(pes[8]));
        let Some(pts) = (flags & 0x80 != 0).then(|| pes.get(9..14).and_then(stamp)).flatten() else { return };
        let dts = (flags & 0x40 != 0).then(|| pes.get(14..19).and_then(stamp)).flatten().unwrap_or(pts);
        if pes.len() <= 9 + header {
            return;
        }
        let payload = pes.slice(9 + header..);
        let at = self.line.place(dts);
        match kind {
            Kind::H264 => {
                let units = nal_units(&payload);
                let span = 1i64 << 33;
                let ahead = (pts as i64 - dts as i64).rem_euclid(span);
                let ahead = if ahead < span / 2 { ahead } else { ahead - span };
                if !units.is_empty() {
                    out.push(Unit::Avc { dts: at, pts: self.line.beside(at, ahead), units });
                }
            }
            Kind::Aac => self.adts(at, &payload, out),
            Kind::Opus => opus(&self.line, at, &payload, out),
        }
    }

    /// ADTS frames (ISO/IEC 14496-3, annex 1.A.3.2).
    fn adts(&mut self, at: MediaTime, payload: &Bytes, out: &mut Vec<Unit>) {
        let (mut from, mut ticks) = (0, 0i64);
        while let Some(head) = payload.get(from..from + 7) {
            let size = usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5]) >> 5;
            let header = if head[1] & 1 == 1 { 7 } else { 9 };
            let (object, rate) = ((head[2] >> 6) + 1, usize::from(head[2] >> 2 & 0xf));
            let channels = (head[2] & 1) << 2 | head[3] >> 6;
            let whole = head[0] == 0xff && head[1] & 0xf6 == 0xf0 && head[6] & 3 == 0;
            let Some(hz) = RATES.get(rate).filter(|_| whole && size > header && from + size <= payload.len()) else {
                return;
            };
            let config = [object << 3 | (rate >> 1) as u8, (rate as u8 & 1) << 7 | channels << 3];
            if self.config != Some(config) {
                self.config = Some(config);
                out.push(Unit::AacConfig(Bytes::copy_from_slice(&config)));
            }
            let pts = self.line.beside(at, ticks);
            out.push(Unit::Aac { pts, frame: payload.slice(from + header..from + size) });
            ticks += i64::from(1024 * CLOCK / hz);
            from += size;
        }
    }
}

impl Sections {
    /// A section that has become whole, is undamaged, and is not the same as before.
    fn take(&mut self, start: bool, payload: &[u8]) -> Option<Vec<u8>> {
        let payload = if start {
            // The pointer says where the section begins; what lies before ends the one before.
            let from = 1 + usize::from(*payload.first()?);
            self.data.clear();
            payload.get(from..)?
        } else if self.data.is_empty() {
            return None;
        } else {
            payload
        };
        self.data.extend_from_slice(payload);
        let whole = 3 + length(self.data.get(1..3)?);
        if whole > MOST_SECTION {
            self.data.clear();
            return None;
        }
        if self.data.len() < whole {
            return None;
        }
        let mut section = std::mem::take(&mut self.data);
        section.truncate(whole);
        // A checksum over what it ends with itself gives nothing.
        if section.len() < 12 || crc(&section) != 0 || section == self.last {
            return None;
        }
        self.last.clone_from(&section);
        Some(section)
    }
}

/// The PID of the first program's map.
fn program(pat: &[u8]) -> Option<u16> {
    let programs = pat.get(8..pat.len() - 4)?;
    let first = programs.chunks_exact(4).find(|program| program[..2] != [0, 0])?;
    Some(u16::from_be_bytes([first[2] & 0x1f, first[3]]))
}

/// Twelve bits.
fn length(bytes: &[u8]) -> usize {
    usize::from(bytes[0] & 0xf) << 8 | usize::from(bytes[1])
}

/// Registered as "Opus".
fn is_opus(mut descriptors: &[u8]) -> bool {
    while let [tag, size, rest @ ..] = descriptors {
        let Some(content) = rest.get(..usize::from(*size)) else { return false };
        if *tag == 5 && content.starts_with(b"Opus") {
            return true;
        }
        descriptors = &rest[content.len()..];
    }
    false
}

/// Opus packets behind their control headers (ETSI TS 103 491's predecessor "Opus in MPEG-TS", section 4).
fn opus(line: &Line, at: MediaTime, payload: &Bytes, out: &mut Vec<Unit>) {
    let (mut from, mut count) = (0usize, 0i64);
    while let Some(head) = payload.get(from..from + 2) {
        if head[0] != 0x7f || head[1] & 0xe0 != 0xe0 {
            return;
        }
        let flags = head[1];
        from += 2;
        let mut size = 0;
        loop {
            let Some(byte) = payload.get(from) else { return };
            (size, from) = (size + usize::from(*byte), from + 1);
            if *byte != 0xff {
                break;
            }
        }
        from += if flags & 0x10 != 0 { 2 } else { 0 } + if flags & 0x08 != 0 { 2 } else { 0 };
        if flags & 0x04 != 0 {
            let Some(extension) = payload.get(from) else { return };
            from += 1 + usize::from(*extension);
        }
        if size == 0 || from + size > payload.len() {
            return;
        }
        let pts = line.beside(at, count * i64::from(CLOCK) / 50);
        out.push(Unit::Opus { pts, packet: payload.slice(from..from + size) });
        (from, count) = (from + size, count + 1);
    }
}

/// Streams that nobody here can use, by their type (table 2-34).
fn other(kind: u8) -> Option<Unit> {
    Some(match kind {
        0x01 | 0x02 => Unit::OtherVideo("MPEG-2".to_owned()),
        0x10 => Unit::OtherVideo("MPEG-4 Visual".to_owned()),
        0x24 => Unit::OtherVideo("HEVC".to_owned()),
        0x33 => Unit::OtherVideo("VVC".to_owned()),
        0x03 | 0x04 => Unit::OtherAudio("MPEG audio".to_owned()),
        0x11 => Unit::OtherAudio("AAC in LATM".to_owned()),
        0x81 => Unit::OtherAudio("AC-3".to_owned()),
        0x87 => Unit::OtherAudio("E-AC-3".to_owned()),
        _ => return None,
    })
}

/// 33 bits in five bytes.
fn stamp(bytes: &[u8]) -> Option<u64> {
    let [a, b, c, d, e] = *<&[u8; 5]>::try_from(bytes).ok()?;
    let part = |high: u8, low: u8| u64::from(high) << 7 | u64::from(low >> 1);
    Some(u64::from(a >> 1 & 7) << 30 | part(b, c) << 15 | part(d, e))
}

/// CRC-32/MPEG-2 (annex A).
fn crc(data: &[u8]) -> u32 {
    data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc & 0x8000_0000 == 0 { crc << 1 } else { crc << 1 ^ 0x04c1_1db7 }
        })
    })
}

#[cfg(test)]
mod tests;

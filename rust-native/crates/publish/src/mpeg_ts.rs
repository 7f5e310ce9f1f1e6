//! MPEG-TS (ISO/IEC 13818-1) with one H.264 or HEVC and one AAC stream. Pure: units in, packets of 188 bytes out.

use std::time::Duration;

use media::{AccessUnit, MediaTime, Track, VideoCodec, h264, hevc};

/// One packet (section 2.4.3.2).
pub const PACKET: usize = 188;
const PAYLOAD: usize = PACKET - 4;
const SYNC: u8 = 0x47;
const PAT_PID: u16 = 0;
const PMT_PID: u16 = 0x1000;
const VIDEO_PID: u16 = 0x100;
const AUDIO_PID: u16 = 0x101;
const H264: u8 = 0x1b;
const HEVC: u8 = 0x24;
const AAC_ADTS: u8 = 0x0f;
const VIDEO_STREAM: u8 = 0xe0;
const AUDIO_STREAM: u8 = 0xc0;
/// A player that joins knows what it gets within this.
const TABLES_EVERY: Duration = Duration::from_millis(500);
/// The standard wants 100 ms (section 2.7.2); some decoders 40.
const CLOCK_EVERY: Duration = Duration::from_millis(40);
/// What the decoder's buffer may hold: units are shown so much after the clock that they came with. Also keeps sound
/// that was encoded before the first picture above zero.
const DELAY: Duration = Duration::from_millis(700);
/// Access unit delimiters, in front of which a decoder finds nothing of the picture (any kind of slice may follow).
const H264_DELIMITER: &[u8] = &[0, 0, 0, 1, h264::DELIMITER, 0xf0];
const HEVC_DELIMITER: &[u8] = &[0, 0, 0, 1, hevc::DELIMITER << 1, 1, 0x50];
const STUFFING: u8 = 0xff;

/// Writes one program.
#[derive(Debug)]
pub struct Muxer {
    codec: VideoCodec,
    zero: Option<MediaTime>,
    tables_at: Option<MediaTime>,
    clock_at: Option<MediaTime>,
    counters: [u8; 4],
}

impl Muxer {
    /// For pictures so coded; MPEG-TS has no agreed way to carry AV1, whose pictures are left out.
    pub fn new(codec: VideoCodec) -> Self {
        Self { codec, zero: None, tables_at: None, clock_at: None, counters: [0; 4] }
    }

    /// Appends the packets of one unit; nothing before the first picture, nor for other sound than AAC.
    pub fn write(&mut self, unit: &AccessUnit, out: &mut Vec<u8>) {
        let picture = self.codec != VideoCodec::Av1 && unit.track == self.codec.track();
        match unit.track {
            _ if picture => {}
            Track::Aac if self.zero.is_some_and(|zero| unit.pts >= zero) => {}
            _ => return,
        }
        let zero = *self.zero.get_or_insert(unit.dts);
        let due = |last: Option<MediaTime>, every| last.is_none_or(|last| unit.dts.since(last) >= every);
        if unit.keyframe && picture || due(self.tables_at, TABLES_EVERY) {
            self.tables(out);
            self.tables_at = Some(unit.dts);
        }
        let since = unit.dts.since(zero);
        let clock = (picture || due(self.clock_at, CLOCK_EVERY)).then(|| ticks(since) * 300);
        if clock.is_some() {
            self.clock_at = Some(unit.dts);
        }
        let stamp = ticks(since + DELAY);
        match unit.track {
            _ if picture => {
                let delimiter = if self.codec == VideoCodec::Hevc { HEVC_DELIMITER } else { H264_DELIMITER };
                // With a start code of four bytes, or of three.
                let starts_well = [&delimiter[..5], &delimiter[1..5]].iter().any(|it| unit.payload.starts_with(it));
                let mut pes = pes_header(VIDEO_STREAM, stamp, None);
                if !starts_well {
                    pes.extend_from_slice(delimiter);
                }
                pes.extend_from_slice(&unit.payload);
                self.packets(VIDEO_PID, &pes, clock, unit.keyframe, out);
            }
            _ => {
                if let Some(clock) = clock {
                    self.clock_only(clock, out);
                }
                let mut pes = pes_header(AUDIO_STREAM, stamp, Some(unit.payload.len() + 7));
                pes.extend_from_slice(&adts_header(unit.payload.len()));
                pes.extend_from_slice(&unit.payload);
                self.packets(AUDIO_PID, &pes, None, true, out);
            }
        }
    }

    fn header(&mut self, pid: u16, start: bool, has_payload: bool, adaptation: bool) -> [u8; 4] {
        let counter = &mut self.counters[match pid {
            PAT_PID => 0,
            PMT_PID => 1,
            VIDEO_PID => 2,
            _ => 3,
        }];
        let continuity = *counter;
        // A packet without payload does not count on: it carries the last payload's number (section 2.4.3.3).
        let continuity = if has_payload { continuity } else { continuity.wrapping_sub(1) & 0xf };
        if has_payload {
            *counter = (*counter + 1) & 0xf;
        }
        let [high, low] = pid.to_be_bytes();
        let control = u8::from(adaptation) << 5 | u8::from(has_payload) << 4;
        [SYNC, high | u8::from(start) << 6, low, control | continuity]
    }

    /// One PES packet over as many packets as it takes.
    fn packets(&mut self, pid: u16, pes: &[u8], mut clock: Option<u64>, random_access: bool, out: &mut Vec<u8>) {
        let mut rest = pes;
        let mut first = true;
        while !rest.is_empty() {
            let flags = u8::from(first && random_access) << 6 | u8::from(clock.is_some()) << 4;
            // Length, flags and clock, where there are any.
            let wanted = if flags == 0 { 0 } else { 2 + if clock.is_some() { 6 } else { 0 } };
            let room = PAYLOAD - wanted;
            let adaptation = if rest.len() < room { PAYLOAD - rest.len() } else { wanted };
            let head = self.header(pid, first, true, adaptation > 0);
            out.extend_from_slice(&head);
            if adaptation > 0 {
                out.push((adaptation - 1) as u8);
                if adaptation > 1 {
                    out.push(flags);
                    let mut written = 2;
                    if let Some(clock) = clock.take() {
                        out.extend_from_slice(&clock_bytes(clock));
                        written += 6;
                    }
                    out.resize(out.len() + adaptation - written, STUFFING);
                }
            }
            let (now, later) = rest.split_at(PAYLOAD - adaptation);
            out.extend_from_slice(now);
            rest = later;
            first = false;
        }
    }

    /// The clock between pictures of a still screen.
    fn clock_only(&mut self, clock: u64, out: &mut Vec<u8>) {
        let head = self.header(VIDEO_PID, false, false, true);
        out.extend_from_slice(&head);
        out.extend_from_slice(&[(PAYLOAD - 1) as u8, 0x10]);
        out.extend_from_slice(&clock_bytes(clock));
        out.resize(out.len() + PAYLOAD - 8, STUFFING);
    }

    fn tables(&mut self, out: &mut Vec<u8>) {
        let [high, low] = PMT_PID.to_be_bytes();
        let pat = section(0, 1, &[0, 1, 0xe0 | high, low]);
        let pid = |pid: u16| [0xe0 | pid.to_be_bytes()[0], pid.to_be_bytes()[1]];
        let ([v0, v1], [a0, a1]) = (pid(VIDEO_PID), pid(AUDIO_PID));
        let video = if self.codec == VideoCodec::Hevc { HEVC } else { H264 };
        let streams = [v0, v1, 0xf0, 0, video, v0, v1, 0xf0, 0, AAC_ADTS, a0, a1, 0xf0, 0];
        let pmt = section(2, 1, &streams);
        for (pid, table) in [(PAT_PID, pat), (PMT_PID, pmt)] {
            let head = self.header(pid, true, true, false);
            out.extend_from_slice(&head);
            // The pointer: the section begins at once.
            out.push(0);
            out.extend_from_slice(&table);
            out.resize(out.len() + PAYLOAD - 1 - table.len(), STUFFING);
        }
    }
}

fn ticks(since: Duration) -> u64 {
    (since.as_nanos() * 90_000 / 1_000_000_000) as u64 & 0x1_ffff_ffff
}

/// 33 bits of 90 kHz, six reserved ones, nine bits of 27 MHz (section 2.4.3.5).
fn clock_bytes(clock: u64) -> [u8; 6] {
    let (base, extension) = ((clock / 300) & 0x1_ffff_ffff, clock % 300);
    let bytes = (base << 15 | 0x3f << 9 | extension).to_be_bytes();
    [bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]]
}

/// With a presentation time alone, as there are no B-frames (section 2.4.3.6). Pictures may be of unbounded length.
fn pes_header(stream: u8, stamp: u64, payload: Option<usize>) -> Vec<u8> {
    let length = payload.map_or(0, |payload| u16::try_from(payload + 8).unwrap_or(0));
    let mut pes = vec![0, 0, 1, stream];
    pes.extend_from_slice(&length.to_be_bytes());
    pes.extend_from_slice(&[0x84, 0x80, 5]);
    pes.extend_from_slice(&[
        0x21 | (stamp >> 29) as u8 & 0x0e,
        (stamp >> 22) as u8,
        (stamp >> 14) as u8 | 1,
        (stamp >> 7) as u8,
        (stamp << 1) as u8 | 1,
    ]);
    pes
}

/// AAC-LC, 48 kHz, stereo, without checksum (ISO/IEC 13818-7, section 6.2).
fn adts_header(frame: usize) -> [u8; 7] {
    let length = frame + 7;
    [
        0xff,
        0xf1,
        1 << 6 | 3 << 2,
        2 << 6 | (length >> 11) as u8 & 3,
        (length >> 3) as u8,
        (length << 5) as u8 | 0x1f,
        0xfc,
    ]
}

/// A table's only section (section 2.4.4).
fn section(table: u8, number: u16, body: &[u8]) -> Vec<u8> {
    let length = (5 + body.len() + 4) as u16;
    let mut out = vec![table];
    out.extend_from_slice(&(0xb000 | length).to_be_bytes());
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&[0xc1, 0, 0]);
    out.extend_from_slice(body);
    out.extend_from_slice(&crc(&out).to_be_bytes());
    out
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
mod tests {
    use super::*;
    use bytes::Bytes;

    fn unit(track: Track, keyframe: bool, ms: u64, length: usize) -> AccessUnit {
        let at = MediaTime::from_nanos(ms * 1_000_000);
        let mut payload = vec![0, 0, 0, 1, if keyframe { 0x65 } else { 0x41 }];
        payload.resize(length.max(5), 7);
        AccessUnit { track, pts: at, dts: at, keyframe, captured_at: at, payload: Bytes::from(payload) }
    }

    #[test]
    fn packets_are_whole_and_counted_without_a_gap_for_every_length() {
        let mut muxer = Muxer::new(VideoCodec::H264);
        let mut out = Vec::new();
        for (n, length) in (5..700).enumerate() {
            muxer.write(&unit(Track::Video, n % 60 == 0, 1000 + 33 * n as u64, length), &mut out);
            muxer.write(&unit(Track::Aac, true, 1010 + 33 * n as u64, length.min(400)), &mut out);
        }
        assert_eq!(out.len() % PACKET, 0);
        let mut next = std::collections::HashMap::new();
        for packet in out.chunks_exact(PACKET) {
            assert_eq!(packet[0], SYNC);
            let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
            if packet[3] & 0x10 != 0 {
                let expected = next.entry(pid).or_insert(packet[3] & 0xf);
                assert_eq!(packet[3] & 0xf, *expected, "PID {pid}");
                *expected = (*expected + 1) & 0xf;
            }
            if packet[3] & 0x20 != 0 {
                assert!(usize::from(packet[4]) < PAYLOAD, "an adaptation field fits");
            }
        }
    }

    #[test]
    fn a_player_finds_the_tables_and_a_clock_at_least_every_hundred_milliseconds_on_a_still_screen() {
        let mut muxer = Muxer::new(VideoCodec::H264);
        let mut out = Vec::new();
        muxer.write(&unit(Track::Video, true, 1000, 500), &mut out);
        let (mut tables, mut clocks) = (0, 0);
        for ms in (1021..3000).step_by(21) {
            muxer.write(&unit(Track::Aac, true, ms, 300), &mut out);
        }
        for packet in out.chunks_exact(PACKET) {
            let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
            tables += u32::from(pid == PAT_PID);
            clocks += u32::from(packet[3] & 0x20 != 0 && packet[4] > 0 && packet[5] & 0x10 != 0);
        }
        assert!(tables >= 4 && clocks >= 30, "{tables} tables, {clocks} clocks");
    }

    #[test]
    fn hevc_is_named_in_the_tables_and_begins_with_its_own_delimiter() {
        let mut muxer = Muxer::new(VideoCodec::Hevc);
        let mut out = Vec::new();
        muxer.write(&unit(Track::Video, true, 900, 50), &mut out);
        assert!(out.is_empty(), "H.264 is not what was agreed on");
        muxer.write(&unit(Track::Hevc, true, 1000, 50), &mut out);
        let table = &out[PACKET..2 * PACKET];
        assert_eq!(table[17..20], [HEVC, 0xe1, 0]);
        assert!(out[2 * PACKET..].windows(HEVC_DELIMITER.len()).any(|bytes| bytes == HEVC_DELIMITER));
    }

    #[test]
    fn sound_before_the_first_picture_is_left_out() {
        let mut out = Vec::new();
        Muxer::new(VideoCodec::H264).write(&unit(Track::Aac, true, 5, 100), &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn the_tables_checksum_is_the_standards() {
        assert_eq!(crc(b"123456789"), 0x0376_e6e7);
    }
}

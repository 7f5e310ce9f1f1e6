//! RTMP's chunk stream (RTMP 1.0, section 5.3): messages cut into chunks and put together again.

use std::collections::HashMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::RtmpError;

/// Chunks before `SetChunkSize` (section 5.4.1).
const FIRST_CHUNK_SIZE: usize = 128;
/// Larger than any message that a server sends to a publisher, or a publisher before it is let in.
const MOST_MESSAGE: usize = 1 << 20;
/// More than any server uses; each may hold a message that is half here.
const MOST_STREAMS: usize = 16;
/// Timestamps from here on travel in a field of their own (section 5.3.1.3).
const EXTENDED: u32 = 0xff_ffff;

/// One whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Message type id.
    pub kind: u8,
    /// Message stream id.
    pub stream: u32,
    /// Milliseconds.
    pub timestamp: u32,
    /// Without headers.
    pub body: Bytes,
}

/// Cuts messages.
#[derive(Debug)]
pub struct ChunkWriter {
    chunk_size: usize,
}

impl Default for ChunkWriter {
    fn default() -> Self {
        Self { chunk_size: FIRST_CHUNK_SIZE }
    }
}

impl ChunkWriter {
    /// From the next message on; the peer must have been told.
    pub fn set_chunk_size(&mut self, size: usize) {
        self.chunk_size = size.max(1);
    }

    /// Appends a message on a chunk stream (2 to 63), always with a full header: eleven bytes for each picture are
    /// nothing, and no server can lose track of deltas.
    pub fn write(&mut self, chunk_stream: u8, message: &Message, out: &mut BytesMut) {
        let extended = message.timestamp >= EXTENDED;
        out.reserve(message.body.len() + message.body.len() / self.chunk_size * 5 + 16);
        out.put_u8(chunk_stream & 0x3f);
        out.put_uint(u64::from(message.timestamp.min(EXTENDED)), 3);
        out.put_uint(message.body.len() as u64, 3);
        out.put_u8(message.kind);
        out.put_u32_le(message.stream);
        let mut first = true;
        let mut rest = message.body.as_ref();
        loop {
            if !first {
                out.put_u8(0xc0 | chunk_stream & 0x3f);
            }
            if extended {
                out.put_u32(message.timestamp);
            }
            let (head, tail) = rest.split_at(rest.len().min(self.chunk_size));
            out.put_slice(head);
            rest = tail;
            first = false;
            if rest.is_empty() {
                return;
            }
        }
    }
}

#[derive(Debug, Default)]
struct Incoming {
    timestamp: u32,
    delta: u32,
    extended: bool,
    length: usize,
    kind: u8,
    stream: u32,
    body: BytesMut,
    seen: bool,
}

/// Puts messages together, however they are interleaved.
#[derive(Debug)]
pub struct ChunkReader {
    chunk_size: usize,
    most_message: usize,
    buffer: BytesMut,
    streams: HashMap<u32, Incoming>,
}

impl Default for ChunkReader {
    fn default() -> Self {
        Self {
            chunk_size: FIRST_CHUNK_SIZE,
            most_message: MOST_MESSAGE,
            buffer: BytesMut::new(),
            streams: HashMap::new(),
        }
    }
}

impl ChunkReader {
    /// Takes bytes as they came. [`Self::message`] is to be called until it gives none.
    pub fn feed(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// Messages of more bytes than this are an error from now on.
    pub fn set_most_message(&mut self, bytes: usize) {
        self.most_message = bytes;
    }

    /// The peer has set its chunks' size (protocol message 1).
    ///
    /// # Errors
    /// [`RtmpError::NotRtmp`] for a size of nothing or with its first bit set.
    pub fn set_chunk_size(&mut self, size: u32) -> Result<(), RtmpError> {
        if size == 0 || size > 0x7fff_ffff {
            return Err(RtmpError::NotRtmp("a chunk size that can't be"));
        }
        // A chunk is never longer than its message, whose length has 24 bits.
        self.chunk_size = (size as usize).min(1 << 24);
        Ok(())
    }

    /// Drops what has come of a message (protocol message 2).
    pub fn abort(&mut self, chunk_stream: u32) {
        if let Some(incoming) = self.streams.get_mut(&chunk_stream) {
            incoming.body.clear();
        }
    }

    /// The next whole message.
    ///
    /// # Errors
    /// [`RtmpError`] for what is no chunk or too large; the reader is of no use afterwards.
    pub fn message(&mut self) -> Result<Option<Message>, RtmpError> {
        loop {
            let mut data = self.buffer.as_ref();
            let Some(header) = Header::read(&mut data) else { return Ok(None) };
            if !self.streams.contains_key(&header.chunk_stream) && self.streams.len() == MOST_STREAMS {
                return Err(RtmpError::TooLarge("too many chunk streams"));
            }
            let known = self.streams.get(&header.chunk_stream);
            if header.format != 0 && !known.is_some_and(|known| known.seen) {
                return Err(RtmpError::NotRtmp("a chunk without its beginning"));
            }
            let extended = match header.time {
                Some(time) => time == EXTENDED,
                None => known.is_some_and(|known| known.extended),
            };
            let mut time = header.time;
            if extended {
                if data.len() < 4 {
                    return Ok(None);
                }
                time = Some(data.get_u32());
            }
            let (length, begun) =
                known.map_or((0, 0), |known| (header.length.unwrap_or(known.length), known.body.len()));
            let length = header.length.unwrap_or(length);
            if length > self.most_message {
                return Err(RtmpError::TooLarge("a message"));
            }
            if begun > 0 && header.format != 3 {
                return Err(RtmpError::NotRtmp("a message inside another"));
            }
            let wanted = (length - begun).min(self.chunk_size);
            if data.len() < wanted {
                return Ok(None);
            }
            let used = self.buffer.len() - data.len();
            self.buffer.advance(used);
            let payload = self.buffer.split_to(wanted);
            let incoming = self.streams.entry(header.chunk_stream).or_default();
            incoming.take_header(&header, time, extended, length, begun == 0);
            incoming.body.extend_from_slice(&payload);
            if incoming.body.len() == length {
                return Ok(Some(Message {
                    kind: incoming.kind,
                    stream: incoming.stream,
                    timestamp: incoming.timestamp,
                    body: std::mem::take(&mut incoming.body).freeze(),
                }));
            }
        }
    }
}

impl Incoming {
    fn take_header(&mut self, header: &Header, time: Option<u32>, extended: bool, length: usize, first: bool) {
        (self.seen, self.extended, self.length) = (true, extended, length);
        match (header.format, time) {
            (0, Some(time)) => (self.timestamp, self.delta) = (time, 0),
            (1 | 2, Some(delta)) => {
                self.delta = delta;
                self.timestamp = self.timestamp.wrapping_add(delta);
            }
            // A chunk without header begins a new message with the delta of the last.
            (3, _) if first => self.timestamp = self.timestamp.wrapping_add(self.delta),
            _ => {}
        }
        self.kind = header.kind.unwrap_or(self.kind);
        self.stream = header.stream.unwrap_or(self.stream);
    }
}

struct Header {
    format: u8,
    chunk_stream: u32,
    time: Option<u32>,
    length: Option<usize>,
    kind: Option<u8>,
    stream: Option<u32>,
}

impl Header {
    /// `None` while bytes are missing.
    fn read(data: &mut &[u8]) -> Option<Self> {
        let first = data.try_get_u8().ok()?;
        let format = first >> 6;
        let chunk_stream = match first & 0x3f {
            0 => 64 + u32::from(data.try_get_u8().ok()?),
            1 => 64 + u32::from(data.try_get_u16_le().ok()?),
            id => u32::from(id),
        };
        let mut header = Self { format, chunk_stream, time: None, length: None, kind: None, stream: None };
        if format <= 2 {
            header.time = Some(data.try_get_uint(3).ok()? as u32);
        }
        if format <= 1 {
            header.length = Some(data.try_get_uint(3).ok()? as usize);
            header.kind = Some(data.try_get_u8().ok()?);
        }
        if format == 0 {
            header.stream = Some(data.try_get_u32_le().ok()?);
        }
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, timestamp: u32, length: usize) -> Message {
        let body = (0..length).map(|n| (n % 251) as u8).collect::<Vec<_>>().into();
        Message { kind, stream: 1, timestamp, body }
    }

    fn read_all(reader: &mut ChunkReader) -> Vec<Message> {
        std::iter::from_fn(|| reader.message().expect("good")).collect()
    }

    #[test]
    fn messages_of_any_size_come_back_byte_by_byte() {
        let sent: Vec<_> =
            [(0, 0), (5, 1), (128, 2), (129, EXTENDED - 1), (5000, EXTENDED), (300, EXTENDED + 7), (77, u32::MAX)]
                .into_iter()
                .map(|(length, at)| message(9, at, length))
                .collect();
        let (mut writer, mut out) = (ChunkWriter::default(), BytesMut::new());
        for message in &sent {
            writer.write(6, message, &mut out);
        }
        let mut reader = ChunkReader::default();
        let mut got = Vec::new();
        for byte in out.iter() {
            reader.feed(&[*byte]);
            got.extend(read_all(&mut reader));
        }
        assert_eq!(got, sent);
    }

    #[test]
    fn interleaved_messages_are_kept_apart() {
        // Two messages of 130 bytes on two chunk streams, their chunks taking turns.
        let (mut one, mut two) = (BytesMut::new(), BytesMut::new());
        let mut writer = ChunkWriter::default();
        writer.write(4, &message(8, 1, 130), &mut one);
        writer.write(6, &message(9, 2, 130), &mut two);
        let cut = 12 + 128;
        let mut reader = ChunkReader::default();
        for part in [&one[..cut], &two[..cut], &one[cut..], &two[cut..]] {
            reader.feed(part);
        }
        assert_eq!(read_all(&mut reader), [message(8, 1, 130), message(9, 2, 130)]);
    }

    #[test]
    fn deltas_are_added_up() {
        let mut reader = ChunkReader::default();
        reader.feed(&[0x03, 0, 0, 10, 0, 0, 1, 8, 1, 0, 0, 0, 0xaa]);
        reader.feed(&[0x43, 0, 0, 5, 0, 0, 1, 8, 0xbb]);
        reader.feed(&[0x83, 0, 0, 7, 0xcc]);
        reader.feed(&[0xc3, 0xdd]);
        let times: Vec<_> = read_all(&mut reader).iter().map(|message| message.timestamp).collect();
        assert_eq!(times, [10, 15, 22, 29]);
    }

    #[test]
    fn what_is_too_large_or_has_no_beginning_is_an_error() {
        let mut reader = ChunkReader::default();
        reader.feed(&[0xc3, 1, 2, 3]);
        assert_eq!(reader.message(), Err(RtmpError::NotRtmp("a chunk without its beginning")));
        let mut reader = ChunkReader::default();
        reader.feed(&[0x03, 0, 0, 0, 0xff, 0xff, 0xff, 8, 1, 0, 0, 0]);
        assert_eq!(reader.message(), Err(RtmpError::TooLarge("a message")));
        let mut reader = ChunkReader::default();
        for id in 3..3 + MOST_STREAMS as u8 + 1 {
            reader.feed(&[id, 0, 0, 0, 0, 0, 1, 8, 1, 0, 0, 0, 0]);
        }
        let outcome = std::iter::repeat_with(|| reader.message()).find(|outcome| !matches!(outcome, Ok(Some(_))));
        assert_eq!(outcome, Some(Err(RtmpError::TooLarge("too many chunk streams"))));
    }
}

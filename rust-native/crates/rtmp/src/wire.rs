//! What both sides of a connection do alike: messages out of bytes and into bytes, and the protocol's own housekeeping
//! (RTMP 1.0, sections 5.3 and 5.4).

use bytes::{Buf, Bytes, BytesMut};

use crate::RtmpError;
use crate::amf0::Value;
use crate::chunk::{ChunkReader, ChunkWriter, Message};
use crate::protocol::*;

/// One connection's bytes, behind the handshake.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) reader: ChunkReader,
    writer: ChunkWriter,
    /// What is to be sent: the driver takes from its front what it has sent.
    pub(crate) out: BytesMut,
    received: u32,
    acknowledged_at: u32,
    /// Bytes after which the other side wants to be told; 0 for never.
    window: u32,
}

impl Wire {
    /// `window` holds until the other side wishes for another; `out` is what is to be sent first.
    pub(crate) fn new(window: u32, out: BytesMut) -> Self {
        let (reader, writer) = (ChunkReader::default(), ChunkWriter::default());
        Self { reader, writer, out, received: 0, acknowledged_at: 0, window }
    }

    /// Takes bytes as they came.
    pub(crate) fn feed(&mut self, data: &[u8]) {
        self.received = self.received.wrapping_add(data.len() as u32);
        self.reader.feed(data);
    }

    /// The next message that is not housekeeping. When there is none left, what has come is acknowledged.
    pub(crate) fn message(&mut self) -> Result<Option<Message>, RtmpError> {
        while let Some(message) = self.reader.message()? {
            if !self.keeps_house(&message)? {
                return Ok(Some(message));
            }
        }
        self.acknowledge();
        Ok(None)
    }

    fn keeps_house(&mut self, message: &Message) -> Result<bool, RtmpError> {
        let mut body = message.body.as_ref();
        match message.kind {
            SET_CHUNK_SIZE => {
                let size = body.try_get_u32().map_err(|_| RtmpError::NotRtmp("a chunk size that is cut off"))?;
                self.reader.set_chunk_size(size)?;
            }
            ABORT => {
                if let Ok(chunk_stream) = body.try_get_u32() {
                    self.reader.abort(chunk_stream);
                }
            }
            WINDOW_SIZE => {
                if let Ok(window) = body.try_get_u32()
                    && window > 0
                {
                    self.window = window;
                }
            }
            USER_CONTROL => {
                if body.try_get_u16() == Ok(PING_REQUEST)
                    && let Ok(stamp) = body.try_get_u32()
                {
                    self.user_control(PING_RESPONSE, stamp);
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Each window's worth of bytes is acknowledged with the sum of all (section 5.4.3).
    fn acknowledge(&mut self) {
        if self.window > 0 && self.received.wrapping_sub(self.acknowledged_at) >= self.window {
            self.acknowledged_at = self.received;
            self.control(ACKNOWLEDGEMENT, &self.received.to_be_bytes());
        }
    }

    /// One message on a chunk stream.
    pub(crate) fn send(&mut self, chunk_stream: u8, kind: u8, stream: u32, timestamp: u32, body: Bytes) {
        self.writer.write(chunk_stream, &Message { kind, stream, timestamp, body }, &mut self.out);
    }

    /// A command, or an answer to one, on a message stream (section 7.1.1).
    pub(crate) fn command(&mut self, stream: u32, values: &[Value]) {
        self.send(COMMAND_CHUNKS, COMMAND, stream, 0, Value::write_all(values));
    }

    /// A protocol control message (section 5.4).
    pub(crate) fn control(&mut self, kind: u8, body: &[u8]) {
        self.send(CONTROL_CHUNKS, kind, 0, 0, Bytes::copy_from_slice(body));
    }

    /// A user control event about a stream, or with a stamp (section 7.1.7).
    pub(crate) fn user_control(&mut self, event: u16, about: u32) {
        let mut body = [0; 6];
        body[..2].copy_from_slice(&event.to_be_bytes());
        body[2..].copy_from_slice(&about.to_be_bytes());
        self.control(USER_CONTROL, &body);
    }

    /// How much of a stream the other side may hold for a player, milliseconds (section 7.1.7).
    pub(crate) fn set_buffer_length(&mut self, stream: u32, milliseconds: u32) {
        let mut body = [0; 10];
        body[..2].copy_from_slice(&SET_BUFFER_LENGTH.to_be_bytes());
        body[2..6].copy_from_slice(&stream.to_be_bytes());
        body[6..].copy_from_slice(&milliseconds.to_be_bytes());
        self.control(USER_CONTROL, &body);
    }

    /// From the next message on, and says so.
    pub(crate) fn set_chunk_size(&mut self, size: u32) {
        self.control(SET_CHUNK_SIZE, &size.to_be_bytes());
        self.writer.set_chunk_size(size as usize);
    }
}

/// The values of a command; `None` for a message of another kind.
pub(crate) fn command_of(message: &Message) -> Result<Option<Vec<Value>>, RtmpError> {
    match message.kind {
        COMMAND => Value::read_all(&message.body).map(Some),
        // Always a zero byte, then AMF0 (section 7.1.1).
        COMMAND_AMF3 => Value::read_all(message.body.get(1..).unwrap_or_default()).map(Some),
        _ => Ok(None),
    }
}

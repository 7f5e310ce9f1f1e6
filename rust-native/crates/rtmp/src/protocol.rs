//! The numbers that both sides of a connection know (RTMP 1.0).

/// C1, S1, C2 and S2 (section 5.2).
pub(crate) const HANDSHAKE: usize = 1536;
pub(crate) const VERSION: u8 = 3;

// Message types (sections 5.4 and 7.1).
pub(crate) const SET_CHUNK_SIZE: u8 = 1;
pub(crate) const ABORT: u8 = 2;
pub(crate) const ACKNOWLEDGEMENT: u8 = 3;
pub(crate) const USER_CONTROL: u8 = 4;
pub(crate) const WINDOW_SIZE: u8 = 5;
pub(crate) const PEER_BANDWIDTH: u8 = 6;
pub(crate) const AUDIO: u8 = 8;
pub(crate) const VIDEO: u8 = 9;
pub(crate) const DATA: u8 = 18;
pub(crate) const COMMAND: u8 = 20;
pub(crate) const COMMAND_AMF3: u8 = 17;

pub(crate) const SET_BUFFER_LENGTH: u16 = 3;
pub(crate) const PING_REQUEST: u16 = 6;
pub(crate) const PING_RESPONSE: u16 = 7;

// Chunk streams that both sides use alike.
pub(crate) const CONTROL_CHUNKS: u8 = 2;
pub(crate) const COMMAND_CHUNKS: u8 = 3;
// By what they carry, as the common servers' own clients use them.
pub(crate) const AUDIO_CHUNKS: u8 = 4;
pub(crate) const DATA_CHUNKS: u8 = 5;
pub(crate) const VIDEO_CHUNKS: u8 = 6;

/// The longest message that is kept where media flows: a keyframe of 4K at the highest quality.
pub(crate) const MOST_MEDIA: usize = 8 << 20;

//! The state machine of a client that publishes a stream, or plays one (RTMP 1.0, sections 5.2 and 7; Enhanced RTMP
//! v2).

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use media::VideoCodec;

use crate::amf0::Value;
use crate::chunk::Message;
use crate::protocol::*;
use crate::status::Refusal;
use crate::wire::{Wire, command_of};
use crate::{Messages, Metadata, RtmpError, Target, flv};

/// One picture in a few chunks; larger ones are refused by some servers.
const CHUNK_SIZE: u32 = 4096;

// Numbers of our own requests.
const CONNECT: f64 = 1.0;
const RELEASE_STREAM: f64 = 2.0;
const FC_PUBLISH: f64 = 3.0;
const CREATE_STREAM: f64 = 4.0;
const PUBLISH: f64 = 5.0;
const FC_UNPUBLISH: f64 = 6.0;
const DELETE_STREAM: f64 = 7.0;
const PLAY: f64 = 8.0;
/// `play` from a live stream only (section 7.2.2.1).
const LIVE_ONLY: f64 = -1000.0;
/// What a player lets the server hold for it (section 7.1.7, SetBufferLength), milliseconds.
const BUFFER_MS: u32 = 1000;

/// We can be told to reconnect (`capsEx`, Enhanced RTMP v2).
const CAPS_RECONNECT: f64 = 1.0;
/// `FourCcInfoMask.CanEncode`.
const CAN_ENCODE: f64 = 2.0;

/// What may be sent.
const VIDEO_CODECS: &[&str] =
    &[flv::fourcc(VideoCodec::H264), flv::fourcc(VideoCodec::Hevc), flv::fourcc(VideoCodec::Av1)];
const AUDIO_CODECS: &[&str] = &["mp4a", "Opus"];

/// What the server said it takes beyond H.264 and AAC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    /// Opus in enhanced packets.
    pub opus: bool,
    /// HEVC in enhanced packets.
    pub hevc: bool,
    /// AV1 in enhanced packets.
    pub av1: bool,
}

impl Features {
    /// Whether pictures so coded are taken; H.264 always is.
    pub fn takes(self, codec: VideoCodec) -> bool {
        match codec {
            VideoCodec::H264 => true,
            VideoCodec::Hevc => self.hevc,
            VideoCodec::Av1 => self.av1,
        }
    }

    fn add(&mut self, name: &str) {
        let any = name == "*";
        self.opus |= any || name == "Opus";
        self.hevc |= any || name == flv::fourcc(VideoCodec::Hevc);
        self.av1 |= any || name == flv::fourcc(VideoCodec::Av1);
    }
}

/// What the server has told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The stream may flow.
    Publishing(Features),
    /// The stream is about to come.
    Playing,
    /// One video message of it: see [`crate::tag`].
    Video {
        /// Milliseconds; wraps.
        timestamp: u32,
        /// Without headers.
        body: Bytes,
    },
    /// One audio message of it.
    Audio {
        /// Milliseconds; wraps.
        timestamp: u32,
        /// Without headers.
        body: Bytes,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Handshake,
    Connecting,
    CreatingStream,
    AwaitingPublish,
    Publishing,
    AwaitingPlay,
    Playing,
}

/// One connection. Created, it has its first bytes to send.
#[derive(Debug)]
pub struct Client {
    target: Target,
    codec: VideoCodec,
    plays: bool,
    state: State,
    handshake: BytesMut,
    wire: Wire,
    events: VecDeque<Event>,
    features: Features,
    stream: u32,
}

impl Client {
    /// A client that wants to publish there.
    pub fn new(target: Target) -> Self {
        let mut out = BytesMut::with_capacity(1 + HANDSHAKE);
        out.extend_from_slice(&[VERSION]);
        // Time and version 0: the plain handshake. The rest may be anything (section 5.2.3).
        out.extend_from_slice(&[0; 8]);
        out.extend((0..HANDSHAKE - 8).map(|n| (n * 31 % 251) as u8));
        Self {
            target,
            codec: VideoCodec::H264,
            plays: false,
            state: State::Handshake,
            handshake: BytesMut::new(),
            wire: Wire::new(0, out),
            events: VecDeque::new(),
            features: Features::default(),
            stream: 0,
        }
    }

    /// The same for pictures so coded: a server that does not list the codec is left before anything is published.
    #[must_use]
    pub fn with_codec(self, codec: VideoCodec) -> Self {
        Self { codec, ..self }
    }

    /// A client that wants to play what is live there.
    pub fn player(target: Target) -> Self {
        let mut client = Self::new(target);
        client.plays = true;
        // A keyframe of 4K at the highest quality.
        client.wire.reader.set_most_message(MOST_MEDIA);
        client
    }

    /// What is to be sent: the driver takes from its front what it has sent.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.wire.out
    }

    /// What the server has told since the last call.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// How far the connection has come, in a word for a log.
    pub fn step(&self) -> &'static str {
        match self.state {
            State::Handshake => "handshake",
            State::Connecting => "connect",
            State::CreatingStream => "createStream",
            State::AwaitingPublish => "publish",
            State::Publishing => "publishing",
            State::AwaitingPlay => "play",
            State::Playing => "playing",
        }
    }

    /// Takes bytes as they came from the server.
    ///
    /// # Errors
    /// [`RtmpError`]; the connection is of no use afterwards.
    pub fn input(&mut self, mut data: &[u8]) -> Result<(), RtmpError> {
        if self.state == State::Handshake {
            let missing = (1 + 2 * HANDSHAKE).saturating_sub(self.handshake.len()).min(data.len());
            self.handshake.extend_from_slice(&data[..missing]);
            data.advance(missing);
            if self.handshake.first().is_some_and(|version| *version != VERSION) {
                return Err(RtmpError::NotRtmp("no RTMP handshake"));
            }
            if self.handshake.len() < 1 + 2 * HANDSHAKE {
                return Ok(());
            }
            self.after_handshake();
        }
        self.wire.feed(data);
        while let Some(message) = self.wire.message()? {
            self.message(&message)?;
        }
        Ok(())
    }

    fn after_handshake(&mut self) {
        let answer = self.handshake.split_off(1);
        self.wire.out.extend_from_slice(&answer[..HANDSHAKE]);
        self.handshake = BytesMut::new();
        self.wire.set_chunk_size(CHUNK_SIZE);
        let fourcc = |name: &str| (name.to_owned(), Value::Number(CAN_ENCODE));
        let connect = Value::Object(vec![
            ("app".into(), Value::text(&self.target.app)),
            ("type".into(), Value::text("nonprivate")),
            ("flashVer".into(), Value::text("FMLE/3.0 (compatible; Tidecast)")),
            ("tcUrl".into(), Value::text(&self.target.tc_url)),
            (
                "fourCcList".into(),
                Value::Array(VIDEO_CODECS.iter().chain(AUDIO_CODECS).map(|name| Value::text(*name)).collect()),
            ),
            ("videoFourCcInfoMap".into(), Value::Object(VIDEO_CODECS.iter().map(|name| fourcc(name)).collect())),
            ("audioFourCcInfoMap".into(), Value::Object(AUDIO_CODECS.iter().map(|name| fourcc(name)).collect())),
            ("capsEx".into(), Value::Number(CAPS_RECONNECT)),
        ]);
        self.wire.command(0, &[Value::text("connect"), Value::Number(CONNECT), connect]);
        self.state = State::Connecting;
    }

    fn message(&mut self, message: &Message) -> Result<(), RtmpError> {
        // The limit itself is a wish from dial-up days; the answer is what servers wait for (section 5.4.5).
        if message.kind == PEER_BANDWIDTH
            && let Ok(size) = message.body.as_ref().try_get_u32()
        {
            self.wire.control(WINDOW_SIZE, &size.to_be_bytes());
        }
        let timestamp = message.timestamp;
        match message.kind {
            VIDEO if self.state == State::Playing => {
                self.events.push_back(Event::Video { timestamp, body: message.body.clone() });
            }
            AUDIO if self.state == State::Playing => {
                self.events.push_back(Event::Audio { timestamp, body: message.body.clone() });
            }
            _ => {}
        }
        // What else comes are acknowledgements of ours, and whatever a server likes to tell publishers.
        command_of(message)?.map_or(Ok(()), |values| self.answered(&values))
    }

    fn answered(&mut self, values: &[Value]) -> Result<(), RtmpError> {
        let name = values.first().and_then(Value::as_str).unwrap_or_default();
        let number = values.get(1).and_then(Value::as_number).unwrap_or_default();
        match (name, self.state) {
            ("_result", State::Connecting) if number == CONNECT => {
                self.features = features(values);
                if !self.features.takes(self.codec) {
                    return Err(RtmpError::CodecNotTaken(self.codec));
                }
                self.create_stream();
            }
            ("_result", State::CreatingStream) if number == CREATE_STREAM => {
                let stream = values.get(3).and_then(Value::as_number).unwrap_or(-1.0);
                if !(0.0..=f64::from(u32::MAX)).contains(&stream) {
                    return Err(RtmpError::NotRtmp("no stream number"));
                }
                self.stream = stream as u32;
                if self.plays {
                    self.play();
                    return Ok(());
                }
                let name = Value::text(self.target.stream.expose());
                let publish = [Value::text("publish"), Value::Number(PUBLISH), Value::Null, name, Value::text("live")];
                self.wire.command(self.stream, &publish);
                self.state = State::AwaitingPublish;
            }
            // Servers answer `releaseStream` and `FCPublish` with errors where they do not know them.
            ("_error", _) if [CONNECT, CREATE_STREAM, PUBLISH, PLAY].contains(&number) => {
                return Err(self.refused(values.get(3)));
            }
            ("onStatus", _) => self.status(values.get(3).or(values.get(2)))?,
            ("close", _) => return Err(self.refused(None)),
            _ => {}
        }
        Ok(())
    }

    fn status(&mut self, info: Option<&Value>) -> Result<(), RtmpError> {
        let text = |name: &str| info.and_then(|info| info.get(name)).and_then(Value::as_str).unwrap_or_default();
        match text("code") {
            "NetStream.Publish.Start" if self.state == State::AwaitingPublish => {
                self.state = State::Publishing;
                self.events.push_back(Event::Publishing(self.features));
                Ok(())
            }
            "NetStream.Play.Start" if self.state == State::AwaitingPlay => {
                self.state = State::Playing;
                self.events.push_back(Event::Playing);
                Ok(())
            }
            "NetStream.Play.UnpublishNotify" | "NetStream.Play.Stop" if self.plays => Err(RtmpError::Over),
            "NetConnection.Connect.ReconnectRequest" => Err(RtmpError::ReconnectRequested),
            "NetStream.Publish.BadName" => Err(self.refused(info)),
            _ if text("level") == "error" => Err(self.refused(info)),
            _ => Ok(()),
        }
    }

    fn refused(&self, info: Option<&Value>) -> RtmpError {
        let text = |name: &str| info.and_then(|info| info.get(name)).and_then(Value::as_str).unwrap_or_default();
        let code = Some(text("code")).filter(|code| !code.is_empty()).unwrap_or("no reason given");
        RtmpError::Refused(Refusal::new(code, text("description"), self.target.stream.expose()))
    }

    fn play(&mut self) {
        let name = Value::text(self.target.stream.expose());
        let play = [Value::text("play"), Value::Number(PLAY), Value::Null, name, Value::Number(LIVE_ONLY)];
        self.wire.command(self.stream, &play);
        self.wire.set_buffer_length(self.stream, BUFFER_MS);
        self.state = State::AwaitingPlay;
    }

    fn create_stream(&mut self) {
        if self.plays {
            self.wire.command(0, &[Value::text("createStream"), Value::Number(CREATE_STREAM), Value::Null]);
            self.state = State::CreatingStream;
            return;
        }
        let name = || Value::text(self.target.stream.expose());
        let requests = [
            vec![Value::text("releaseStream"), Value::Number(RELEASE_STREAM), Value::Null, name()],
            vec![Value::text("FCPublish"), Value::Number(FC_PUBLISH), Value::Null, name()],
            vec![Value::text("createStream"), Value::Number(CREATE_STREAM), Value::Null],
        ];
        for request in requests {
            self.wire.command(0, &request);
        }
        self.state = State::CreatingStream;
    }

    /// Says goodbye: the last that is to be sent.
    pub fn close(&mut self) {
        if self.state != State::Publishing {
            return;
        }
        let name = Value::text(self.target.stream.expose());
        self.wire.command(0, &[Value::text("FCUnpublish"), Value::Number(FC_UNPUBLISH), Value::Null, name]);
        let stream = Value::Number(f64::from(self.stream));
        self.wire.command(0, &[Value::text("deleteStream"), Value::Number(DELETE_STREAM), Value::Null, stream]);
    }
}

impl Messages for Client {
    /// To be sent before the first picture.
    fn metadata(&mut self, codec: VideoCodec, metadata: &Metadata) {
        self.wire.send(DATA_CHUNKS, DATA, self.stream, 0, metadata.set_data_frame(codec));
    }

    fn video(&mut self, timestamp: u32, body: Bytes) {
        self.wire.send(VIDEO_CHUNKS, VIDEO, self.stream, timestamp, body);
    }

    fn audio(&mut self, timestamp: u32, body: Bytes) {
        self.wire.send(AUDIO_CHUNKS, AUDIO, self.stream, timestamp, body);
    }
}

/// What a `connect` was answered with, wherever the server put it.
fn features(values: &[Value]) -> Features {
    let mut features = Features::default();
    for object in values.iter().skip(2) {
        if let Some(Value::Array(list)) = object.get("fourCcList") {
            list.iter().filter_map(Value::as_str).for_each(|name| features.add(name));
        }
        for (map, names) in [("videoFourCcInfoMap", VIDEO_CODECS), ("audioFourCcInfoMap", AUDIO_CODECS)] {
            let Some(map) = object.get(map) else { continue };
            let listed = |name: &&&str| map.get(name).or(map.get("*")).is_some();
            names.iter().filter(listed).for_each(|name| features.add(name));
        }
    }
    features
}

#[cfg(test)]
mod tests;

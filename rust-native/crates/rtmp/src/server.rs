//! A server's state machine for one publisher or player (RTMP 1.0, sections 5.2 and 7; Enhanced RTMP v2).
//!
//! It asks whoever drives it whether somebody may ([`ServerEvent::Publish`], [`ServerEvent::Play`]); until it is told,
//! and if it is told no, no media is taken or given.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use media::{Secret, VideoCodec};

use crate::amf0::Value;
use crate::chunk::Message;
use crate::protocol::*;
use crate::wire::{Wire, command_of};
use crate::{Messages, Metadata, RtmpError, flv};

/// What we send is small.
const CHUNK_SIZE: u32 = 4096;
/// The publisher acknowledges, and we do, each time so many bytes have come.
const WINDOW: u32 = 2_500_000;
/// Commands before `publish`: the longest holds a token of 2 KiB and the numbers of every codec.
const MOST_COMMAND: usize = 16 << 10;
/// Commands that nobody sends who wants to publish, or plays.
const MOST_COMMANDS: u32 = 64;
/// Longest name of an application or a stream, with its query.
const MOST_NAME: usize = 4096;
/// The one message stream that there is.
const STREAM: u32 = 1;
/// Peer bandwidth's limit type "dynamic" (section 5.4.5).
const DYNAMIC: u8 = 2;
const STREAM_BEGIN: u16 = 0;
const STREAM_EOF: u16 = 1;
/// We can tell a publisher to reconnect (`capsEx`, Enhanced RTMP v2).
const CAPS_RECONNECT: f64 = 1.0;
/// `FourCcInfoMask.CanForward`.
const CAN_FORWARD: f64 = 4.0;

/// What a publisher or a player asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The application: the path of the address, with its query if it has one.
    pub app: Secret,
    /// The stream's name or key, with its query if it has one.
    pub name: Secret,
}

/// What a publisher has done.
#[derive(Debug, Clone)]
pub enum ServerEvent {
    /// It wants to publish: to be answered by [`Server::accept`] or [`Server::refuse`].
    Publish(Request),
    /// It wants to play: answered the same way.
    Play(Request),
    /// One video message: see [`crate::tag`].
    Video {
        /// Milliseconds; wraps.
        timestamp: u32,
        /// Without headers.
        body: Bytes,
    },
    /// One audio message.
    Audio {
        /// Milliseconds; wraps.
        timestamp: u32,
        /// Without headers.
        body: Bytes,
    },
    /// It publishes, or plays, no more.
    End,
}

/// Why a publisher is sent away, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// `NetStream.…` or `NetConnection.…`.
    pub code: &'static str,
    /// One sentence.
    pub description: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// C0 and C1 are awaited.
    Greeting,
    /// C2 is awaited.
    Echo,
    /// Commands flow.
    Commands,
    /// Asked, not answered yet.
    Asked,
    Publishing,
    /// The same for who wants to play.
    AskedToPlay,
    Playing,
    /// What comes now is of no interest.
    Over,
}

/// One connection.
#[derive(Debug)]
pub struct Server {
    state: State,
    /// S0 and S1: nothing is said before the publisher has, so that who only opens connections gets nothing for it.
    greeting: BytesMut,
    handshake: BytesMut,
    wire: Wire,
    events: VecDeque<ServerEvent>,
    app: Option<Secret>,
    commands: u32,
    /// As what pictures are taken.
    video: &'static [VideoCodec],
}

impl Server {
    /// A server that waits for the handshake, and says that it takes H.264. `noise` fills its own half of the handshake
    /// (section 5.2.3: random bytes).
    pub fn new(noise: impl Iterator<Item = u8>) -> Self {
        let mut greeting = BytesMut::with_capacity(1 + 2 * HANDSHAKE);
        greeting.extend_from_slice(&[VERSION]);
        // Time and version 0: the plain handshake, which every publisher falls back to.
        greeting.extend_from_slice(&[0; 8]);
        greeting.extend(noise.take(HANDSHAKE - 8));
        greeting.resize(1 + HANDSHAKE, 0);
        // Who does not say how often is told as often as we ask to be.
        let mut wire = Wire::new(WINDOW, BytesMut::new());
        wire.reader.set_most_message(MOST_COMMAND);
        Self {
            state: State::Greeting,
            greeting,
            handshake: BytesMut::new(),
            wire,
            events: VecDeque::new(),
            app: None,
            commands: 0,
            video: &[VideoCodec::H264],
        }
    }

    /// The same, and it says that it takes pictures so coded.
    #[must_use]
    pub fn taking(self, video: &'static [VideoCodec]) -> Self {
        Self { video, ..self }
    }

    /// What is to be sent: the driver takes from its front what it has sent.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.wire.out
    }

    /// What the publisher has done since the last call.
    pub fn event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// Takes bytes as they came.
    ///
    /// # Errors
    /// [`RtmpError`]; the connection is of no use afterwards.
    pub fn input(&mut self, mut data: &[u8]) -> Result<(), RtmpError> {
        if !self.shake_hands(&mut data)? {
            return Ok(());
        }
        self.wire.feed(data);
        while let Some(message) = self.wire.message()? {
            self.message(message)?;
        }
        Ok(())
    }

    /// Lets the publisher's media in, or tells the player that media follows.
    pub fn accept(&mut self) {
        if self.state == State::AskedToPlay {
            self.state = State::Playing;
            self.wire.user_control(STREAM_BEGIN, STREAM);
            self.status("status", "NetStream.Play.Reset", "the stream is about to begin");
            self.status("status", "NetStream.Play.Start", "the stream begins");
        }
        if self.state != State::Asked {
            return;
        }
        self.state = State::Publishing;
        self.wire.reader.set_most_message(MOST_MEDIA);
        self.wire.user_control(STREAM_BEGIN, STREAM);
        self.status("status", "NetStream.Publish.Start", "the stream is live");
    }

    /// Sends the publisher away: before it published, or in the middle. The driver closes when this is sent.
    pub fn refuse(&mut self, denial: &Denial) {
        if self.state == State::Over {
            return;
        }
        self.state = State::Over;
        self.status("error", denial.code, &denial.description);
    }

    /// Tells a player that the stream is over; the driver closes when this is sent.
    pub fn end_of_stream(&mut self) {
        if self.state == State::Playing {
            self.state = State::Over;
            self.status("status", "NetStream.Play.UnpublishNotify", "the stream is over");
            self.wire.user_control(STREAM_EOF, STREAM);
        }
    }

    /// Says that more was not to be expected: the server goes, and another one may take the stream (Enhanced RTMP v2,
    /// `ReconnectRequest`).
    pub fn ask_to_reconnect(&mut self) {
        self.status("status", "NetConnection.Connect.ReconnectRequest", "the server is about to stop");
    }

    /// Whether the handshake is done; `data` is then what lies behind it.
    fn shake_hands(&mut self, data: &mut &[u8]) -> Result<bool, RtmpError> {
        if !matches!(self.state, State::Greeting | State::Echo) {
            return Ok(true);
        }
        let wanted = if self.state == State::Greeting { 1 + HANDSHAKE } else { HANDSHAKE };
        let missing = (wanted - self.handshake.len()).min(data.len());
        self.handshake.extend_from_slice(&data[..missing]);
        data.advance(missing);
        if self.state == State::Greeting && self.handshake.first().is_some_and(|version| *version != VERSION) {
            return Err(RtmpError::NotRtmp("no RTMP handshake"));
        }
        if self.handshake.len() < wanted {
            return Ok(false);
        }
        if self.state == State::Echo {
            // What stands in C2 proves nothing to anybody.
            self.handshake = BytesMut::new();
            self.state = State::Commands;
            return Ok(true);
        }
        self.wire.out.extend_from_slice(&std::mem::take(&mut self.greeting));
        self.wire.out.extend_from_slice(&self.handshake[1..]);
        self.handshake.clear();
        self.state = State::Echo;
        self.shake_hands(data)
    }

    fn message(&mut self, message: Message) -> Result<(), RtmpError> {
        let Message { kind, timestamp, .. } = message;
        match kind {
            VIDEO if self.state == State::Publishing => {
                self.events.push_back(ServerEvent::Video { timestamp, body: message.body });
            }
            AUDIO if self.state == State::Publishing => {
                self.events.push_back(ServerEvent::Audio { timestamp, body: message.body });
            }
            // What else comes are acknowledgements of ours, metadata (the media itself says what it is), and media
            // nobody asked for.
            _ => return command_of(&message)?.map_or(Ok(()), |values| self.command(&values)),
        }
        Ok(())
    }

    fn command(&mut self, values: &[Value]) -> Result<(), RtmpError> {
        let name = values.first().and_then(Value::as_str).unwrap_or_default();
        let number = values.get(1).and_then(Value::as_number).unwrap_or_default();
        self.commands += 1;
        if self.commands > MOST_COMMANDS && self.state != State::Publishing {
            return Err(RtmpError::TooLarge("too many commands"));
        }
        match (name, self.state) {
            ("connect", State::Commands) if self.app.is_none() => {
                let app = values.get(2).and_then(|object| object.get("app")).and_then(Value::as_str);
                self.app = Some(Secret::new(bounded(app.unwrap_or_default())?));
                self.connected(number);
            }
            ("createStream", State::Commands) if self.app.is_some() => {
                self.result(number, Value::Null, Value::Number(f64::from(STREAM)));
            }
            // Some publishers wait for their answers.
            ("releaseStream" | "FCPublish", _) => self.result(number, Value::Null, Value::Null),
            ("publish", State::Commands) => {
                let Some(app) = self.app.clone() else { return Err(RtmpError::NotRtmp("publish before connect")) };
                let name = bounded(values.get(3).and_then(Value::as_str).unwrap_or_default())?;
                self.state = State::Asked;
                self.events.push_back(ServerEvent::Publish(Request { app, name: Secret::new(name) }));
            }
            ("play", State::Commands) => {
                let Some(app) = self.app.clone() else { return Err(RtmpError::NotRtmp("play before connect")) };
                let name = bounded(values.get(3).and_then(Value::as_str).unwrap_or_default())?;
                self.state = State::AskedToPlay;
                self.events.push_back(ServerEvent::Play(Request { app, name: Secret::new(name) }));
            }
            ("FCUnpublish" | "deleteStream" | "closeStream", State::Publishing | State::Playing) => {
                self.state = State::Over;
                self.events.push_back(ServerEvent::End);
            }
            // What else publishers ask (`_checkbw`, `getStreamLength`) they do not wait for.
            _ => {}
        }
        Ok(())
    }

    /// The answer to `connect`, with what we take (Enhanced RTMP v2, "connect").
    fn connected(&mut self, number: f64) {
        self.wire.control(WINDOW_SIZE, &WINDOW.to_be_bytes());
        let [a, b, c, d] = WINDOW.to_be_bytes();
        self.wire.control(PEER_BANDWIDTH, &[a, b, c, d, DYNAMIC]);
        self.wire.set_chunk_size(CHUNK_SIZE);
        let fourcc = |name: &str| (name.to_owned(), Value::Number(CAN_FORWARD));
        let features = vec![
            (
                "fourCcList".into(),
                Value::Array(
                    self.video
                        .iter()
                        .map(|codec| flv::fourcc(*codec))
                        .chain(["mp4a", "Opus"])
                        .map(Value::text)
                        .collect(),
                ),
            ),
            (
                "videoFourCcInfoMap".into(),
                Value::Object(self.video.iter().map(|codec| fourcc(flv::fourcc(*codec))).collect()),
            ),
            ("audioFourCcInfoMap".into(), Value::Object(vec![fourcc("mp4a"), fourcc("Opus")])),
            ("capsEx".into(), Value::Number(CAPS_RECONNECT)),
        ];
        let mut properties =
            vec![("fmsVer".into(), Value::text("FMS/3,0,1,123")), ("capabilities".into(), Value::Number(31.0))];
        properties.extend(features.clone());
        let mut information = vec![
            ("level".into(), Value::text("status")),
            ("code".into(), Value::text("NetConnection.Connect.Success")),
            ("description".into(), Value::text("Connection succeeded.")),
            ("objectEncoding".into(), Value::Number(0.0)),
        ];
        // Publishers look for these in either object.
        information.extend(features);
        self.result(number, Value::Object(properties), Value::Object(information));
    }

    fn result(&mut self, number: f64, first: Value, second: Value) {
        self.wire.command(0, &[Value::text("_result"), Value::Number(number), first, second]);
    }

    fn status(&mut self, level: &str, code: &str, description: &str) {
        let text = |name: &str, text: &str| (name.to_owned(), Value::text(text));
        let information =
            Value::Object(vec![text("level", level), text("code", code), text("description", description)]);
        self.wire.command(STREAM, &[Value::text("onStatus"), Value::Number(0.0), Value::Null, information]);
    }
}

/// To a player.
impl Messages for Server {
    fn metadata(&mut self, codec: VideoCodec, metadata: &Metadata) {
        self.wire.send(DATA_CHUNKS, DATA, STREAM, 0, metadata.script(codec));
    }

    fn video(&mut self, timestamp: u32, body: Bytes) {
        self.wire.send(VIDEO_CHUNKS, VIDEO, STREAM, timestamp, body);
    }

    fn audio(&mut self, timestamp: u32, body: Bytes) {
        self.wire.send(AUDIO_CHUNKS, AUDIO, STREAM, timestamp, body);
    }
}

fn bounded(text: &str) -> Result<&str, RtmpError> {
    if text.len() > MOST_NAME { Err(RtmpError::TooLarge("a name")) } else { Ok(text) }
}

#[cfg(test)]
mod tests;

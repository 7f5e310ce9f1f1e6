//! What single programs play, over the PulseAudio protocol: listed, and recorded one at a time.
//!
//! cpal knows devices only, so this speaks to the server itself, over a connection of its own that ends with the
//! recording. A program is known by its name: its streams come and go with each song. Of several streams at once
//! the newest that plays is recorded; what the others play is in the system's sound.

use std::io::{BufReader, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, SystemTime};

use crossbeam_channel::Sender;
use media::{AUDIO_CHANNELS, AUDIO_SAMPLE_RATE, BLOCK_FRAMES, Clock, MonotonicClock};
use pulseaudio::protocol::{
    self, AuthParams, AuthReply, Command, CommandReply, CreateRecordStreamReply, LatencyParams, Prop, Props,
    ProtocolError, RecordLatency, RecordStreamParams, SampleFormat, SampleSpec, SetClientNameReply, SinkInputInfo,
};

use super::AudioError;
use super::device::{Following, Microphone};
use super::intake::{self, Feed, Reader, duration};

const FRAME_BYTES: usize = AUDIO_CHANNELS * size_of::<f32>();
/// A server that is asked while it starts or hangs must not hold the caller.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// The delay between a program and us moves slowly; each question is a few bytes.
const ASK_LATENCY_EVERY: u32 = 50;
/// Questions carry numbers; answers to this one come among the sound.
const LATENCY_QUESTION: u32 = 1000;

/// Every program that has a stream to a speaker, playing or paused, but this one. Blocks up to 2 s.
pub(super) fn list() -> Result<Vec<Microphone>, AudioError> {
    let mut programs: Vec<Microphone> = Vec::new();
    for stream in Link::connect()?.streams()? {
        if let Some(name) = name(&stream)
            && !programs.iter().any(|program| program.id == name)
        {
            programs.push(Microphone { id: name.clone(), name });
        }
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(programs)
}

/// Which stream of a program is to be recorded now.
fn best(link: &mut Link, program: &str) -> Result<Option<u32>, AudioError> {
    let streams = link.streams()?;
    let of_program = streams.iter().filter(|stream| name(stream).as_deref() == Some(program));
    Ok(of_program.max_by_key(|stream| (!stream.corked, stream.index)).map(|stream| stream.index))
}

/// A program as people and settings know it; `None` for what is ours or says nothing about itself.
fn name(stream: &SinkInputInfo) -> Option<String> {
    let text = |prop| {
        let bytes: &[u8] = stream.props.get(prop)?;
        let text = String::from_utf8_lossy(bytes).trim_end_matches('\0').trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let ours = text(Prop::ApplicationProcessId).is_some_and(|pid| pid == std::process::id().to_string());
    if ours { None } else { text(Prop::ApplicationName).or_else(|| text(Prop::ApplicationProcessBinary)) }
}

/// A stream that runs, and the thread that reads it; both end when it is dropped.
#[derive(Debug)]
pub(super) struct Recording {
    program: String,
    index: u32,
    socket: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Recording {
    /// Asks the server.
    pub(super) fn following(&self) -> Following {
        match Link::connect().and_then(|mut link| best(&mut link, &self.program)) {
            Ok(Some(index)) if index == self.index => Following::Same,
            Ok(Some(_)) => Following::Moved,
            Ok(None) => Following::Gone,
            // A server that does not answer has its own way of being lost.
            Err(_) => Following::Same,
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that reads a program's sound panicked");
        }
    }
}

/// Starts recording a program; faults of the running stream go to `faults`, `wake` is unparked after each chunk.
pub(super) fn open(program: &str, wake: Thread, faults: Sender<AudioError>) -> Result<(Recording, Reader), AudioError> {
    let mut link = Link::connect()?;
    let not_found = || AudioError::DeviceNotFound { id: program.to_owned() };
    let index = best(&mut link, program)?.ok_or_else(not_found)?;
    let channel = link.record(index)?;
    let socket = link.socket.get_ref().try_clone().map_err(refused)?;
    socket.set_read_timeout(None).map_err(refused)?;
    let (feed, reader) = intake::feed(AUDIO_SAMPLE_RATE, wake);
    let thread = std::thread::Builder::new()
        .name("audio-program-in".into())
        .spawn(move || {
            let fault = read(link, channel, feed);
            let _ = faults.try_send(fault);
        })
        .map_err(refused)?;
    Ok((Recording { program: program.to_owned(), index, socket, thread: Some(thread) }, reader))
}

/// Reads until the stream ends; returns why it did.
fn read(mut link: Link, channel: u32, mut feed: Feed) -> AudioError {
    // A fragment, or several that waited for us; the server's longest is taken once.
    let mut bytes = vec![0; 16 * BLOCK_FRAMES * FRAME_BYTES];
    let mut samples = Vec::with_capacity(16 * BLOCK_FRAMES * AUDIO_CHANNELS);
    let (mut latency, mut chunks) = (Duration::ZERO, 0u32);
    let lost = |reason: &dyn std::fmt::Display| AudioError::DeviceLost { reason: reason.to_string() };
    loop {
        let descriptor = match protocol::read_descriptor(&mut link.socket) {
            Ok(descriptor) => descriptor,
            Err(error) => return lost(&error),
        };
        let length = descriptor.length as usize;
        if length > protocol::MAX_MEMBLOCKQ_LENGTH {
            return lost(&"the server sends what is no sound");
        }
        if bytes.len() < length {
            bytes.resize(length, 0);
        }
        if let Err(error) = link.socket.read_exact(&mut bytes[..length]) {
            return lost(&error);
        }
        if descriptor.channel == u32::MAX {
            match link.understand(&bytes[..length], channel) {
                Word::Latency(now) => latency = now,
                Word::Ended => return lost(&"the program has stopped playing"),
                Word::Other => {}
            }
            continue;
        }
        if descriptor.channel != channel {
            continue;
        }
        let now = MonotonicClock.now();
        samples.clear();
        samples.extend(bytes[..length].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        let frames = (samples.len() / AUDIO_CHANNELS) as u64;
        feed.push(&samples, now - duration(frames, AUDIO_SAMPLE_RATE) - latency);
        if chunks.is_multiple_of(ASK_LATENCY_EVERY) {
            let question = LatencyParams { channel, now: SystemTime::now() };
            if let Err(error) = link.say(LATENCY_QUESTION, &Command::GetRecordLatency(question)) {
                return error;
            }
        }
        chunks = chunks.wrapping_add(1);
    }
}

/// What the server says between two pieces of sound.
enum Word {
    Latency(Duration),
    Ended,
    Other,
}

/// A connection to the server, used by one thread.
pub(super) struct Link {
    socket: BufReader<UnixStream>,
    version: u16,
}

impl Link {
    pub(super) fn connect() -> Result<Self, AudioError> {
        let none = |reason: &dyn std::fmt::Display| AudioError::NoSoundServer { reason: reason.to_string() };
        let path = pulseaudio::socket_path_from_env().ok_or_else(|| none(&"there is no socket of one"))?;
        let socket = UnixStream::connect(path).map_err(|error| none(&error))?;
        for set in [UnixStream::set_read_timeout, UnixStream::set_write_timeout] {
            set(&socket, Some(ANSWER_TIMEOUT)).map_err(|error| none(&error))?;
        }
        let mut link = Self { socket: BufReader::new(socket), version: protocol::MAX_VERSION };
        let cookie = pulseaudio::cookie_path_from_env().and_then(|path| std::fs::read(path).ok());
        let auth = AuthParams {
            version: protocol::MAX_VERSION,
            supports_shm: false,
            supports_memfd: false,
            cookie: cookie.unwrap_or_default(),
        };
        let reply: AuthReply = link.ask(0, &Command::Auth(auth)).map_err(|error| none(&error))?;
        link.version = protocol::MAX_VERSION.min(reply.version);
        let mut props = Props::new();
        props.set(Prop::ApplicationName, c"Tidecast");
        let _: SetClientNameReply = link.ask(1, &Command::SetClientName(props)).map_err(|error| none(&error))?;
        Ok(link)
    }

    fn streams(&mut self) -> Result<Vec<SinkInputInfo>, AudioError> {
        self.ask(2, &Command::GetSinkInputInfoList).map_err(refused)
    }

    /// Starts a record stream on another program's stream; returns its channel.
    fn record(&mut self, stream: u32) -> Result<u32, AudioError> {
        let mut params = RecordStreamParams {
            sample_spec: SampleSpec {
                format: SampleFormat::Float32Le,
                channels: AUDIO_CHANNELS as u8,
                sample_rate: AUDIO_SAMPLE_RATE,
            },
            channel_map: protocol::ChannelMap::stereo(),
            direct_on_input_index: Some(stream),
            cvolume: Some(protocol::ChannelVolume::norm(AUDIO_CHANNELS as u8)),
            ..RecordStreamParams::default()
        };
        params.buffer_attr.max_length = u32::MAX;
        params.buffer_attr.fragment_size = (BLOCK_FRAMES * FRAME_BYTES) as u32;
        params.flags.adjust_latency = true;
        // When the program ends, the server must not offer us a microphone instead.
        params.flags.no_move = true;
        params.props.set(Prop::MediaName, c"program sound");
        let reply: CreateRecordStreamReply = self.ask(3, &Command::CreateRecordStream(params)).map_err(refused)?;
        Ok(reply.channel)
    }

    fn say(&mut self, number: u32, command: &Command) -> Result<(), AudioError> {
        protocol::write_command_message(self.socket.get_mut(), number, command, self.version).map_err(refused)
    }

    /// Says a command and waits for its answer; one question at a time.
    pub(super) fn ask<T: CommandReply>(&mut self, number: u32, command: &Command) -> Result<T, ProtocolError> {
        protocol::write_command_message(self.socket.get_mut(), number, command, self.version)?;
        protocol::read_reply_message(&mut self.socket, self.version).map(|(_, reply)| reply)
    }

    fn understand(&self, mut message: &[u8], channel: u32) -> Word {
        let Ok((number, command)) = Command::read_tag_prefixed(&mut message, self.version) else { return Word::Other };
        match command {
            Command::Reply if number == LATENCY_QUESTION => {
                let mut reader = protocol::TagStructReader::new(&mut message, self.version);
                match <RecordLatency as protocol::TagStructRead>::read(&mut reader, self.version) {
                    // What the device holds; what lies between the server and us is in the moment of arrival.
                    Ok(latency) => Word::Latency(Duration::from_micros(latency.source_usec)),
                    Err(_) => Word::Other,
                }
            }
            Command::RecordStreamKilled(killed) if killed == channel => Word::Ended,
            _ => Word::Other,
        }
    }
}

pub(super) fn refused(error: impl std::fmt::Display) -> AudioError {
    AudioError::DeviceRefused { reason: error.to_string() }
}

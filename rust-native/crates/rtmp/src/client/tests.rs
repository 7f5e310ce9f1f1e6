use super::*;
use crate::chunk::{ChunkReader, ChunkWriter};
use media::Secret;

fn client() -> Client {
    Client::new(Target::parse("rtmp://host/live", Some(&Secret::new("key1"))).expect("good"))
}

fn server_message(kind: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let message = Message { kind, stream, timestamp: 0, body: Bytes::copy_from_slice(body) };
    // Small chunks: the client was told of no other size.
    ChunkWriter::default().write(3, &message, &mut out);
    out.to_vec()
}

fn server_command(values: &[Value]) -> Vec<u8> {
    let mut body = BytesMut::new();
    values.iter().for_each(|value| value.write(&mut body));
    server_message(COMMAND, 0, &body)
}

fn status(code: &str, description: &str, level: &str) -> Vec<u8> {
    let text = |name: &str, text: &str| (name.to_owned(), Value::text(text));
    let info = Value::Object(vec![text("level", level), text("code", code), text("description", description)]);
    server_command(&[Value::text("onStatus"), Value::Number(0.0), Value::Null, info])
}

/// What the client has sent since the last call, as messages.
fn sent(client: &mut Client, reader: &mut ChunkReader) -> Vec<Message> {
    reader.feed(&client.output().split());
    let mut messages = Vec::new();
    while let Some(message) = reader.message().expect("good chunks") {
        if message.kind == SET_CHUNK_SIZE {
            reader.set_chunk_size(message.body.as_ref().get_u32()).expect("a size");
        }
        messages.push(message);
    }
    messages
}

fn names(messages: &[Message]) -> Vec<String> {
    let commands = messages.iter().filter(|message| message.kind == COMMAND);
    commands.map(|m| Value::read_all(&m.body).expect("AMF0")[0].as_str().unwrap_or_default().to_owned()).collect()
}

fn handshake(client: &mut Client) -> ChunkReader {
    let sent = client.output().split();
    assert_eq!((sent.len(), sent[0]), (1537, 3));
    let mut answer = vec![3];
    answer.extend((0..3072).map(|n| (n % 250) as u8));
    client.input(&answer).expect("taken");
    let echo = client.output().split_to(1536);
    assert_eq!(echo.as_ref(), &answer[1..1537]);
    ChunkReader::default()
}

fn connected(client: &mut Client, reader: &mut ChunkReader, info: Value) {
    let result = [Value::text("_result"), Value::Number(1.0), Value::Null, info];
    client.input(&server_command(&result)).expect("taken");
    assert_eq!(names(&sent(client, reader)), ["releaseStream", "FCPublish", "createStream"]);
    let unknown = [Value::text("_error"), Value::Number(3.0), Value::Null, Value::Null];
    client.input(&server_command(&unknown)).expect("FCPublish need not be known");
    let result = [Value::text("_result"), Value::Number(4.0), Value::Null, Value::Number(1.0)];
    client.input(&server_command(&result)).expect("taken");
    let messages = sent(client, reader);
    assert_eq!((names(&messages), messages[0].stream), (vec!["publish".to_owned()], 1));
}

#[test]
fn it_publishes_step_by_step() {
    let mut client = client();
    let mut reader = handshake(&mut client);
    assert_eq!(names(&sent(&mut client, &mut reader)), ["connect"]);
    connected(&mut client, &mut reader, Value::Null);
    assert_eq!(client.event(), None);
    client.input(&status("NetStream.Publish.Start", "", "status")).expect("taken");
    assert_eq!(client.event(), Some(Event::Publishing(Features { opus: false, ..Features::default() })));
    client.metadata(VideoCodec::H264, &Metadata { width: 1280, height: 720, ..Metadata::default() });
    client.video(40, Bytes::from_static(&[0x17, 1, 0, 0, 0]));
    client.audio(41, Bytes::from_static(&[0xaf, 1]));
    client.close();
    let messages = sent(&mut client, &mut reader);
    let kinds: Vec<_> = messages.iter().map(|message| (message.kind, message.timestamp)).collect();
    assert_eq!(kinds, [(DATA, 0), (VIDEO, 40), (AUDIO, 41), (COMMAND, 0), (COMMAND, 0)]);
    assert_eq!(names(&messages), ["FCUnpublish", "deleteStream"]);
}

#[test]
fn opus_is_known_where_the_server_lists_it() {
    let list = Value::Object(vec![("fourCcList".into(), Value::Array(vec![Value::text("*")]))]);
    let map =
        Value::Object(vec![("audioFourCcInfoMap".into(), Value::Object(vec![("Opus".into(), Value::Number(1.0))]))]);
    // A star stands for everything.
    for (info, others) in [(list, true), (map, false)] {
        let mut client = client();
        let mut reader = handshake(&mut client);
        sent(&mut client, &mut reader);
        connected(&mut client, &mut reader, info);
        client.input(&status("NetStream.Publish.Start", "", "status")).expect("taken");
        assert_eq!(client.event(), Some(Event::Publishing(Features { opus: true, hevc: others, av1: others })));
    }
}

#[test]
fn a_refusal_has_its_code_and_never_the_key() {
    let mut client = client();
    let mut reader = handshake(&mut client);
    sent(&mut client, &mut reader);
    connected(&mut client, &mut reader, Value::Null);
    let error = client.input(&status("NetStream.Publish.BadName", "no stream key1", "error")).expect_err("refused");
    assert_eq!((error.code(), error.is_final()), ("bad_key", true));
    assert!(!error.to_string().contains("key1"), "{error}");
}

#[test]
fn pings_windows_and_bandwidths_are_answered() {
    let mut client = client();
    let mut reader = handshake(&mut client);
    sent(&mut client, &mut reader);
    let told = [
        server_message(WINDOW_SIZE, 0, &100u32.to_be_bytes()),
        server_message(USER_CONTROL, 0, &[0, 6, 1, 2, 3, 4]),
        server_message(PEER_BANDWIDTH, 0, &[0, 0, 9, 0, 2]),
        server_message(AUDIO, 1, &[0; 100]),
    ];
    told.iter().for_each(|message| client.input(message).expect("taken"));
    let messages = sent(&mut client, &mut reader);
    let kinds: Vec<_> = messages.iter().map(|message| message.kind).collect();
    assert_eq!(kinds, [USER_CONTROL, WINDOW_SIZE, ACKNOWLEDGEMENT]);
    assert_eq!(messages[0].body.as_ref(), [0, 7, 1, 2, 3, 4]);
    let total = messages[2].body.as_ref().get_u32();
    assert_eq!(total as usize, told.iter().map(|message| message.len()).sum::<usize>(), "the sum of all bytes");
}

#[test]
fn another_protocol_is_told_apart_at_its_first_byte() {
    let mut client = client();
    let error = client.input(b"HTTP/1.1 400 Bad Request\r\n").expect_err("not RTMP");
    assert_eq!(error.code(), "not_rtmp");
}

#[test]
fn a_reconnect_request_is_told() {
    let mut client = client();
    let mut reader = handshake(&mut client);
    sent(&mut client, &mut reader);
    let error = client.input(&status("NetConnection.Connect.ReconnectRequest", "", "status"));
    assert_eq!(error, Err(RtmpError::ReconnectRequested));
}

/// A small generator, so that a failure can be repeated from its seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn hostile_bytes_end_in_an_error_or_silence_and_hold_little_memory() {
    let good: Vec<Vec<u8>> = vec![
        server_message(WINDOW_SIZE, 0, &100u32.to_be_bytes()),
        server_command(&[Value::text("_result"), Value::Number(1.0), Value::Null, Value::Null]),
        server_command(&[Value::text("_result"), Value::Number(4.0), Value::Null, Value::Number(1.0)]),
        status("NetStream.Publish.Start", "", "status"),
        server_message(SET_CHUNK_SIZE, 0, &4096u32.to_be_bytes()),
        server_message(USER_CONTROL, 0, &[0, 6, 1, 2, 3, 4]),
    ];
    let mut errors = 0;
    for seed in 1..4000u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut client = client();
        handshake(&mut client);
        for _ in 0..20 {
            let mut bytes = good[dice.next() as usize % good.len()].clone();
            match dice.next() % 4 {
                0 => bytes.truncate(dice.next() as usize % bytes.len()),
                1 => {
                    let at = dice.next() as usize % bytes.len();
                    bytes[at] ^= 1 << (dice.next() % 8);
                }
                2 => bytes = (0..dice.next() % 300).map(|_| dice.next() as u8).collect(),
                _ => {}
            }
            if client.input(&bytes).is_err() {
                errors += 1;
                break;
            }
        }
        assert!(client.output().len() < 1 << 20, "seed {seed}");
    }
    assert!(errors > 1000, "most of it is refused: {errors}");
}

#[test]
fn a_codec_that_the_server_does_not_list_is_refused_before_anything_is_published() {
    let list = |names: &[&str]| {
        Value::Object(vec![(
            "fourCcList".to_owned(),
            Value::Array(names.iter().map(|name| Value::text(*name)).collect()),
        )])
    };
    let map = |name: &str| {
        let entry = Value::Object(vec![(name.to_owned(), Value::Number(4.0))]);
        Value::Object(vec![("videoFourCcInfoMap".to_owned(), entry)])
    };
    for (info, hevc, av1) in [
        (Value::Null, false, false),
        (list(&["avc1", "av01"]), false, true),
        (list(&["hvc1"]), true, false),
        (list(&["*"]), true, true),
        (map("hvc1"), true, false),
        (map("*"), true, true),
    ] {
        for (codec, taken) in [(VideoCodec::H264, true), (VideoCodec::Hevc, hevc), (VideoCodec::Av1, av1)] {
            let mut client = client().with_codec(codec);
            let mut reader = handshake(&mut client);
            sent(&mut client, &mut reader);
            let result = [Value::text("_result"), Value::Number(1.0), Value::Null, info.clone()];
            let outcome = client.input(&server_command(&result));
            if taken {
                assert!(outcome.is_ok() && !sent(&mut client, &mut reader).is_empty());
            } else {
                let error = outcome.expect_err("refused");
                assert_eq!((error.code(), error.is_final()), ("codec_not_taken", true));
                assert!(client.output().is_empty(), "nothing is published");
            }
        }
    }
}

//! Hostile servers: whatever bytes come, in whatever pieces, the answer is an error with a code, and nothing grows.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use media::Secret;
use media::h264::{self, ParameterSets};
use rtmp::{ChunkReader, ChunkWriter, Client, Message, Target, Value};
use testkit::fuzz;

/// Counts what one thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

fn count(change: isize) {
    // At a thread's end there is nothing to count with.
    let _ = HELD.try_with(|held| {
        let now = held.get().0 + change;
        held.set((now, held.get().1.max(now)));
    });
}

// SAFETY: every call goes to the system's allocator as it came; counting takes no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that this thread held while `work` ran, above what it held before.
fn peak(work: impl FnOnce()) -> isize {
    let before = HELD.with(|held| {
        held.set((held.get().0, held.get().0));
        held.get().0
    });
    work();
    HELD.with(|held| held.get().1 - before)
}

fn message(kind: u8, values: &[Value]) -> Vec<u8> {
    let mut body = BytesMut::new();
    values.iter().for_each(|value| value.write(&mut body));
    raw(kind, body.freeze())
}

fn raw(kind: u8, body: Bytes) -> Vec<u8> {
    let mut out = BytesMut::new();
    ChunkWriter::default().write(3, &Message { kind, stream: 0, timestamp: 0, body }, &mut out);
    out.to_vec()
}

fn object(pairs: &[(&str, Value)]) -> Value {
    Value::Object(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

fn text(text: &str) -> Value {
    Value::text(text)
}

fn number(number: f64) -> Value {
    Value::Number(number)
}

/// What servers say, each thing once.
fn answers() -> Vec<Vec<u8>> {
    let status = |level: &str, code: &str| {
        let info = object(&[("level", text(level)), ("code", text(code)), ("description", text("why not"))]);
        message(20, &[text("onStatus"), number(0.0), Value::Null, info])
    };
    let capabilities = object(&[
        ("fmsVer", text("FMS/3,5,7,7009")),
        ("capsEx", number(15.0)),
        ("videoFourCcInfoMap", object(&[("*", number(7.0)), ("hvc1", number(1.0))])),
        ("audioFourCcInfoMap", object(&[("Opus", number(4.0))])),
        ("fourCcList", Value::Null),
    ]);
    let reconnect = object(&[
        ("code", text("NetConnection.Connect.ReconnectRequest")),
        ("tcUrl", text("rtmp://other.example.com/app")),
        ("level", text("status")),
    ]);
    vec![
        raw(5, Bytes::from_static(&[0, 0x26, 0x25, 0xa0])),
        raw(6, Bytes::from_static(&[0, 0x26, 0x25, 0xa0, 2])),
        raw(1, Bytes::from_static(&[0, 0, 0x10, 0])),
        raw(2, Bytes::from_static(&[0, 0, 0, 3])),
        raw(3, Bytes::from_static(&[0, 1, 0, 0])),
        raw(4, Bytes::from_static(&[0, 6, 0, 0, 0, 9])),
        message(20, &[text("_result"), number(1.0), capabilities, status_object()]),
        message(20, &[text("_result"), number(4.0), Value::Null, number(1.0)]),
        message(20, &[text("_error"), number(1.0), Value::Null, status_object()]),
        message(20, &[text("onBWDone"), number(0.0), Value::Null]),
        message(17, &[Value::Null, text("onStatus"), number(0.0), Value::Null, reconnect]),
        status("status", "NetStream.Publish.Start"),
        status("status", "NetStream.Play.Start"),
        status("status", "NetStream.Play.UnpublishNotify"),
        status("error", "NetStream.Play.StreamNotFound"),
        raw(9, Bytes::from_static(&[0x17, 1, 0, 0, 0, 0, 0, 0, 2, 0x65, 7])),
        raw(8, Bytes::from_static(&[0xaf, 1, 1, 2])),
        status("error", "NetStream.Publish.BadName"),
        status("error", "NetConnection.Connect.Rejected"),
    ]
}

fn status_object() -> Value {
    object(&[("level", Value::text("status")), ("code", Value::text("NetConnection.Connect.Success"))])
}

/// Whole sessions, and each answer alone behind the handshake.
fn corpus() -> Vec<Vec<u8>> {
    let handshake = [&[3][..], &[0; 3072]].concat();
    let answers = answers();
    let whole = answers.concat();
    let mut corpus = vec![[&handshake[..], &whole].concat(), [&handshake[..], &whole, &whole].concat()];
    corpus.extend(answers.iter().map(|answer| [&handshake[..], answer].concat()));
    corpus
}

const KEY: &str = "live_4711_secret";

/// One session with a server that sends those bytes, in pieces.
fn session(bytes: &[u8], dice: &mut fuzz::Dice) {
    let target = Target::parse("rtmp://host/app", Some(&Secret::new(KEY))).expect("good");
    // One that publishes, or one that plays.
    let mut client = if dice.below(2) == 0 { Client::new(target) } else { Client::player(target) };
    let mut rest = bytes;
    let mut produced = 0;
    while !rest.is_empty() {
        let (now, later) = rest.split_at((1 + dice.below(700)).min(rest.len()));
        rest = later;
        produced += client.output().split().len();
        while client.event().is_some() {}
        if let Err(error) = client.input(now) {
            assert!(!error.code().is_empty() && !error.hint().is_empty() && !error.to_string().contains(KEY));
            return;
        }
    }
    client.close();
    produced += client.output().split().len();
    assert!(produced < 64 * 1024 + 4 * bytes.len(), "{produced} bytes in answer to {}", bytes.len());
}

fn clients(lasts: Duration) {
    let corpus = corpus();
    let held = peak(|| {
        let count = fuzz::run(&corpus, 7, lasts, session);
        assert!(count > 1000, "{count} samples");
    });
    assert!(held < 8 << 20, "{held} bytes held");
}

fn values(lasts: Duration) {
    // Message bodies without their chunks.
    let bodies: Vec<Vec<u8>> = answers().into_iter().map(|message| message[12..].to_vec()).collect();
    let held = peak(|| {
        fuzz::run(&bodies, 11, lasts, |sample, _| {
            let mut rest = sample;
            let _ = Value::read(&mut rest);
            let _ = Value::read_all(sample);
        });
    });
    assert!(held < 8 << 20, "{held} bytes held");
}

fn chunks(lasts: Duration) {
    let corpus: Vec<Vec<u8>> = answers();
    let held = peak(|| {
        fuzz::run(&corpus, 13, lasts, |sample, dice| {
            let mut reader = ChunkReader::default();
            let _ = reader.set_chunk_size(1 + dice.below(70_000) as u32);
            for piece in sample.chunks(1 + dice.below(300)) {
                reader.feed(piece);
                while let Ok(Some(message)) = reader.message() {
                    assert!(message.body.len() < 16 << 20);
                }
            }
        });
    });
    // A server may announce one long message in each of its chunk streams, and give all but its last byte.
    assert!(held < 64 << 20, "{held} bytes held");
}

fn pictures(lasts: Duration) {
    let sets = [&[0, 0, 0, 1, 0x67, 0x64, 0, 0x1f, 0xac, 0xd9, 0x40, 0x50, 5, 0xbb][..], &[0, 0, 1, 0x68, 0xeb, 0xe3]];
    let corpus = vec![[&sets.concat()[..], &[0, 0, 1, 0x65, 0x88, 0x84, 0, 0, 3, 0]].concat(), vec![0, 0, 1, 9, 0xf0]];
    fuzz::run(&corpus, 17, lasts, |sample, _| {
        let sample = Bytes::copy_from_slice(sample);
        let units = h264::nal_units(&sample);
        assert!(units.iter().map(Bytes::len).sum::<usize>() <= sample.len());
        let _ = h264::length_prefixed(&sample);
        if let Some(sets) = ParameterSets::find(&sample) {
            let _ = (sets.size(), sets.configuration_record());
        }
    });
}

#[test]
fn any_answer_to_an_rtmp_client_is_borne() {
    clients(fuzz::QUICK);
}

#[test]
fn any_amf_value_is_borne() {
    values(fuzz::QUICK);
}

#[test]
fn any_chunks_are_borne() {
    chunks(fuzz::QUICK);
}

#[test]
fn any_access_unit_is_borne() {
    pictures(fuzz::QUICK);
}

#[test]
#[ignore = "ten minutes each: test:long"]
fn any_answer_to_an_rtmp_client_is_borne_for_long() {
    clients(fuzz::LONG);
}

#[test]
#[ignore = "ten minutes each: test:long"]
fn any_amf_value_is_borne_for_long() {
    values(fuzz::LONG);
}

#[test]
#[ignore = "ten minutes each: test:long"]
fn any_chunks_are_borne_for_long() {
    chunks(fuzz::LONG);
}

#[test]
#[ignore = "ten minutes each: test:long"]
fn any_access_unit_is_borne_for_long() {
    pictures(fuzz::LONG);
}

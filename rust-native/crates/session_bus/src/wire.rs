//! D-Bus messages as bytes (D-Bus Specification 0.43, "Marshaling" and "Message Protocol"): pure.
//!
//! All types are read, as answers hold what they like; written are those that a portal is asked with. Numbers are
//! written little-endian and read in either order.

mod read;
mod value;
mod write;

use read::Reader;
pub use value::Value;
use write::Writer;

/// As large as any message of a portal is by far; the specification's own limit of 128 MiB is a memory bomb.
const MOST_BYTES: usize = 1 << 20;
/// Of the fixed part of a header.
pub(crate) const HEADER: usize = 16;

/// What was read can't be a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bus sent what is no message")]
pub(crate) struct Malformed;

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Call = 1,
    Return = 2,
    Error = 3,
    Signal = 4,
}

/// One message, in either direction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) serial: u32,
    pub(crate) path: String,
    pub(crate) interface: String,
    pub(crate) member: String,
    pub(crate) error: String,
    pub(crate) reply_to: u32,
    pub(crate) destination: String,
    pub(crate) sender: String,
    pub(crate) handles: u32,
    pub(crate) body: Vec<Value>,
}

impl Message {
    pub(crate) fn new(kind: Kind, serial: u32) -> Self {
        let none = String::new;
        Self {
            kind,
            serial,
            path: none(),
            interface: none(),
            member: none(),
            error: none(),
            reply_to: 0,
            destination: none(),
            sender: none(),
            handles: 0,
            body: Vec::new(),
        }
    }

    /// As it is sent; handles can't be.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Writer::default();
        self.body.iter().for_each(|value| body.value(value));
        let signature: String = self.body.iter().map(Value::signature).collect();
        let mut whole = Writer::default();
        whole.0.extend([b'l', self.kind as u8, 0, 1]);
        whole.u32(body.0.len() as u32);
        whole.u32(self.serial);
        whole.array(8, |fields| {
            let mut field = |code: u8, kind: &str, text: &str| {
                if !text.is_empty() {
                    fields.align(8);
                    fields.0.push(code);
                    fields.signature(kind);
                    if kind == "g" { fields.signature(text) } else { fields.text(text) }
                }
            };
            field(1, "o", &self.path);
            field(2, "s", &self.interface);
            field(3, "s", &self.member);
            field(4, "s", &self.error);
            field(6, "s", &self.destination);
            field(7, "s", &self.sender);
            field(8, "g", &signature);
            if self.reply_to != 0 {
                fields.align(8);
                fields.0.push(5);
                fields.signature("u");
                fields.u32(self.reply_to);
            }
        });
        whole.align(8);
        whole.0.extend(body.0);
        whole.0
    }

    /// The length of the message that begins so; `None` while that can't be told yet.
    pub(crate) fn length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let Some(header) = bytes.get(..HEADER) else { return Ok(None) };
        let little = match header[0] {
            b'l' => true,
            b'B' => false,
            _ => return Err(Malformed),
        };
        let reader = Reader::new(header, little);
        let (body, fields) = (reader.u32_at(4)? as usize, reader.u32_at(12)? as usize);
        let length =
            HEADER.checked_add(fields).map(|end| end.next_multiple_of(8)).and_then(|end| end.checked_add(body));
        length.filter(|&length| length <= MOST_BYTES).map(Some).ok_or(Malformed)
    }

    /// Reads exactly one; `None` for one of a kind that this version does not know, which is to be ignored.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let little = *bytes.first().ok_or(Malformed)? == b'l';
        let mut reader = Reader::new(bytes, little);
        let kind = match bytes.get(1) {
            Some(1) => Kind::Call,
            Some(2) => Kind::Return,
            Some(3) => Kind::Error,
            Some(4) => Kind::Signal,
            _ => return Ok(None),
        };
        let mut message = Self::new(kind, reader.u32_at(8)?);
        reader.at = 12;
        let fields = reader.value(&mut "a(yv)".chars().peekable())?;
        let mut signature = String::new();
        for field in fields.list() {
            let [Value::Whole(code), value] = field.list() else { return Err(Malformed) };
            let text = || value.text().map(str::to_owned).ok_or(Malformed);
            let number = || value.number().ok_or(Malformed);
            match code {
                1 => message.path = text()?,
                2 => message.interface = text()?,
                3 => message.member = text()?,
                4 => message.error = text()?,
                5 => message.reply_to = number()?,
                6 => message.destination = text()?,
                7 => message.sender = text()?,
                8 => signature = text()?,
                9 => message.handles = number()?,
                _ => {}
            }
        }
        reader.align(8)?;
        let mut kinds = signature.chars().peekable();
        while kinds.peek().is_some() {
            message.body.push(reader.value(&mut kinds)?);
        }
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn call() -> Message {
        let mut message = Message::new(Kind::Call, 7);
        message.path = "/org/freedesktop/portal/desktop".to_owned();
        message.interface = "org.freedesktop.portal.ScreenCast".to_owned();
        message.member = "SelectSources".to_owned();
        message.destination = ":1.42".to_owned();
        let options = [("multiple", Value::Bool(false)), ("types", Value::U32(3)), ("t", Value::Text("ä".to_owned()))];
        message.body = vec![Value::Path("/session/1".to_owned()), Value::Text(String::new()), Value::options(options)];
        message
    }

    #[test]
    fn a_message_survives_its_way_over_the_wire() {
        let message = call();
        let bytes = message.encode();
        assert_eq!(Message::length(&bytes), Ok(Some(bytes.len())));
        assert_eq!(Message::length(&bytes[..15]), Ok(None));
        assert_eq!(Message::decode(&bytes), Ok(Some(message)));
    }

    #[test]
    fn named_options_are_read_back_as_the_list_they_are() {
        let options = |text: &str| HashMap::from([("description".to_owned(), Value::Text(text.to_owned()))]);
        let mut message = call();
        let all = [("talk", options("Push to talk")), ("quiet", HashMap::new())];
        message.body = vec![
            Value::Named(all.iter().map(|(name, options)| ((*name).to_owned(), options.clone())).collect()),
            Value::U32(9),
        ];
        let read = Message::decode(&message.encode()).expect("a message").expect("of a known kind");
        let item = |(name, options): &(&str, HashMap<String, Value>)| {
            Value::List(vec![Value::Text((*name).to_owned()), Value::Options(options.clone())])
        };
        assert_eq!(read.body, [Value::List(all.iter().map(item).collect()), Value::U32(9)]);
        message.body = vec![Value::Named(Vec::new()), Value::U32(9)];
        let read = Message::decode(&message.encode()).expect("a message").expect("of a known kind");
        assert_eq!(read.body, [Value::List(Vec::new()), Value::U32(9)]);
    }

    /// The answer to `Start`, `(ua{sv})` with an array of `(ua{sv})` in it, laid out by hand.
    #[test]
    fn nested_containers_are_read_with_their_padding() {
        let mut body = Vec::new();
        body.extend(0_u32.to_le_bytes());
        body.extend([0; 4]); // the dictionary's length, patched below, at 4
        let start = body.len();
        body.extend(7_u32.to_le_bytes());
        body.extend(b"streams\0");
        body.extend([9]);
        body.extend(b"a(ua{sv})\0");
        while body.len() % 4 != 0 {
            body.push(0);
        }
        let array_at = body.len();
        body.extend([0; 4]);
        while body.len() % 8 != 0 {
            body.push(0);
        }
        let elements = body.len();
        body.extend(57_u32.to_le_bytes());
        let inner_at = body.len();
        body.extend([0; 4]);
        let inner = body.len();
        body.extend(4_u32.to_le_bytes());
        body.extend(b"size\0");
        body.extend([4]);
        body.extend(b"(ii)\0");
        while body.len() % 8 != 0 {
            body.push(0);
        }
        body.extend(640_i32.to_le_bytes());
        body.extend(360_i32.to_le_bytes());
        let end = body.len();
        body[inner_at..inner_at + 4].copy_from_slice(&((end - inner) as u32).to_le_bytes());
        body[array_at..array_at + 4].copy_from_slice(&((end - elements) as u32).to_le_bytes());
        body[4..8].copy_from_slice(&((end - start) as u32).to_le_bytes());
        let mut reader = Reader::new(&body, true);
        let mut kinds = "ua{sv}".chars().peekable();
        assert_eq!(reader.value(&mut kinds), Ok(Value::U32(0)));
        let results = reader.value(&mut kinds).expect("results");
        let stream = &results.option("streams").expect("streams").list()[0];
        assert_eq!(stream.list()[0].number(), Some(57));
        let size = stream.list()[1].option("size").expect("a size");
        assert_eq!(size.list(), [Value::Whole(640), Value::Whole(360)]);
        assert_eq!(kinds.next(), None);
    }

    #[test]
    fn both_byte_orders_are_read() {
        let mut reader = Reader::new(&[0, 0, 1, 2], false);
        assert_eq!(reader.value(&mut "u".chars().peekable()), Ok(Value::U32(0x102)));
    }

    #[test]
    fn nothing_that_is_cut_off_or_bent_is_read_beyond_its_end() {
        let whole = call().encode();
        for length in 0..whole.len() {
            let _ = Message::decode(&whole[..length]);
            assert_ne!(Message::decode(&whole[..length]), Ok(Some(call())), "{length} bytes");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff, b'(', b'a', b'{', b'v'] {
                let mut bent = whole.clone();
                bent[at] = value;
                let _ = Message::length(&bent);
                let _ = Message::decode(&bent);
            }
        }
        // An array that says it is longer than all there is, and types without an end.
        let mut huge = whole;
        huge[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Message::length(&huge), Err(Malformed));
        let nested = "a".repeat(200) + "y";
        let mut reader = Reader::new(&[0; 64], true);
        assert!(reader.value(&mut nested.chars().peekable()).is_ok(), "empty, however deep its type");
        let mut reader = Reader::new(&[1; 64], true);
        assert_eq!(reader.value(&mut "(".repeat(100).chars().peekable()), Err(Malformed));
    }
}

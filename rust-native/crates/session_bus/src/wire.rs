//! D-Bus messages as bytes (D-Bus Specification 0.43, "Marshaling" and "Message Protocol"): pure.
//!
//! All types are read, as answers hold what they like; written are those that a portal is asked with. Numbers are
//! written little-endian and read in either order.

use std::collections::HashMap;

/// As large as any message of a portal is by far; the specification's own limit of 128 MiB is a memory bomb.
const MOST_BYTES: usize = 1 << 20;
/// Containers within containers: the specification allows 32 arrays in 32 structs.
const MOST_DEPTH: u32 = 64;
/// Of the fixed part of a header.
pub(crate) const HEADER: usize = 16;

/// What was read can't be a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bus sent what is no message")]
pub(crate) struct Malformed;

/// A value with its type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// Any whole number but a `u32`, which portals use for everything.
    Whole(i64),
    /// What portals use for every number.
    U32(u32),
    /// A number with a fraction.
    Double(f64),
    /// UTF-8.
    Text(String),
    /// Of an object.
    Path(String),
    /// The place of a descriptor among those that came with the message.
    Handle(u32),
    /// Of a type that comes with it.
    Variant(Box<Self>),
    /// A struct, an array, or the key and value of a dictionary's entry.
    List(Vec<Self>),
    /// `a{sv}`: names and values, without their variants.
    Options(HashMap<String, Self>),
    /// `a(sa{sv})`, in its order: only ever sent; read, it is a [`Self::List`].
    Named(Vec<(String, HashMap<String, Self>)>),
}

impl Value {
    /// What it means, without the variants around it.
    pub fn plain(&self) -> &Self {
        match self {
            Self::Variant(inner) => inner.plain(),
            other => other,
        }
    }

    /// A text or a path.
    pub fn text(&self) -> Option<&str> {
        match self.plain() {
            Self::Text(text) | Self::Path(text) => Some(text),
            _ => None,
        }
    }

    /// Of [`Self::U32`].
    pub fn number(&self) -> Option<u32> {
        match self.plain() {
            Self::U32(number) => Some(*number),
            _ => None,
        }
    }

    /// The members; none where it is no list.
    pub fn list(&self) -> &[Self] {
        match self.plain() {
            Self::List(list) => list,
            _ => &[],
        }
    }

    /// The option of that name.
    pub fn option(&self, name: &str) -> Option<&Self> {
        match self.plain() {
            Self::Options(options) => options.get(name),
            _ => None,
        }
    }

    /// Options to be sent.
    pub fn options<const N: usize>(options: [(&str, Self); N]) -> Self {
        Self::Options(options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Its type as a signature. Lists are not sent.
    fn signature(&self) -> &'static str {
        match self {
            Self::Bool(_) => "b",
            Self::Whole(_) => "x",
            Self::U32(_) => "u",
            Self::Double(_) => "d",
            Self::Text(_) => "s",
            Self::Path(_) => "o",
            Self::Handle(_) => "h",
            Self::Variant(_) | Self::List(_) => "v",
            Self::Options(_) => "a{sv}",
            Self::Named(_) => "a(sa{sv})",
        }
    }
}

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
        let reader = Reader { bytes: header, at: 0, little, depth: 0 };
        let (body, fields) = (reader.u32_at(4)? as usize, reader.u32_at(12)? as usize);
        let length =
            HEADER.checked_add(fields).map(|end| end.next_multiple_of(8)).and_then(|end| end.checked_add(body));
        length.filter(|&length| length <= MOST_BYTES).map(Some).ok_or(Malformed)
    }

    /// Reads exactly one; `None` for one of a kind that this version does not know, which is to be ignored.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let little = *bytes.first().ok_or(Malformed)? == b'l';
        let mut reader = Reader { bytes, at: 0, little, depth: 0 };
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

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn u32(&mut self, number: u32) {
        self.align(4);
        self.0.extend(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u32(text.len() as u32);
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    /// Ours are short and constant, or a few of them in a row.
    fn signature(&mut self, signature: &str) {
        self.0.push(signature.len() as u8);
        self.0.extend(signature.as_bytes());
        self.0.push(0);
    }

    fn array(&mut self, align: usize, elements: impl FnOnce(&mut Self)) {
        self.u32(0);
        let length_at = self.0.len() - 4;
        self.align(align);
        let start = self.0.len();
        elements(self);
        let length = (self.0.len() - start) as u32;
        self.0[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn options(&mut self, options: &HashMap<String, Value>) {
        self.array(8, |entries| {
            for (name, value) in options {
                entries.align(8);
                entries.text(name);
                entries.signature(value.signature());
                entries.value(value);
            }
        });
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Bool(is) => self.u32(u32::from(*is)),
            Value::U32(number) | Value::Handle(number) => self.u32(*number),
            Value::Whole(number) => {
                self.align(8);
                self.0.extend(number.to_le_bytes());
            }
            Value::Double(number) => {
                self.align(8);
                self.0.extend(number.to_le_bytes());
            }
            Value::Text(text) | Value::Path(text) => self.text(text),
            Value::Variant(inner) => {
                self.signature(inner.signature());
                self.value(inner);
            }
            // Nothing that is sent has one.
            Value::List(_) => {
                self.signature("b");
                self.u32(0);
            }
            Value::Options(options) => self.options(options),
            Value::Named(all) => self.array(8, |entries| {
                for (name, options) in all {
                    entries.align(8);
                    entries.text(name);
                    entries.options(options);
                }
            }),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    little: bool,
    depth: u32,
}

type Kinds<'k> = std::iter::Peekable<std::str::Chars<'k>>;

impl Reader<'_> {
    fn align(&mut self, to: usize) -> Result<(), Malformed> {
        self.at = self.at.next_multiple_of(to);
        if self.at <= self.bytes.len() { Ok(()) } else { Err(Malformed) }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.align(N.min(8))?;
        let bytes = self.bytes.get(self.at..self.at + N).ok_or(Malformed)?;
        self.at += N;
        let mut taken: [u8; N] = bytes.try_into().map_err(|_| Malformed)?;
        if !self.little {
            taken.reverse();
        }
        Ok(taken)
    }

    fn u32_at(&self, at: usize) -> Result<u32, Malformed> {
        Reader { at, ..*self }.take().map(u32::from_le_bytes)
    }

    fn text(&mut self, length: usize) -> Result<String, Malformed> {
        let end = self.at.checked_add(length).ok_or(Malformed)?;
        let bytes = self.bytes.get(self.at..end).ok_or(Malformed)?;
        if self.bytes.get(end) != Some(&0) {
            return Err(Malformed);
        }
        self.at = end + 1;
        String::from_utf8(bytes.to_vec()).map_err(|_| Malformed)
    }

    /// The next value, of the type that `kinds` begins with.
    fn value(&mut self, kinds: &mut Kinds<'_>) -> Result<Value, Malformed> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(Malformed);
        }
        let value = match kinds.next().ok_or(Malformed)? {
            'y' => Value::Whole(self.take::<1>()?[0].into()),
            'b' => Value::Bool(u32::from_le_bytes(self.take()?) != 0),
            'n' => Value::Whole(i16::from_le_bytes(self.take()?).into()),
            'q' => Value::Whole(u16::from_le_bytes(self.take()?).into()),
            'i' => Value::Whole(i32::from_le_bytes(self.take()?).into()),
            'u' => Value::U32(u32::from_le_bytes(self.take()?)),
            'x' => Value::Whole(i64::from_le_bytes(self.take()?)),
            // Nobody asks for one: its last bit may be the sign.
            't' => Value::Whole(u64::from_le_bytes(self.take()?).cast_signed()),
            'd' => Value::Double(f64::from_le_bytes(self.take()?)),
            'h' => Value::Handle(u32::from_le_bytes(self.take()?)),
            kind @ ('s' | 'o') => {
                let length = u32::from_le_bytes(self.take()?) as usize;
                let text = self.text(length)?;
                if kind == 's' { Value::Text(text) } else { Value::Path(text) }
            }
            'g' => {
                let length = self.take::<1>()?[0].into();
                Value::Text(self.text(length)?)
            }
            'v' => {
                let length = self.take::<1>()?[0].into();
                let signature = self.text(length)?;
                let mut inner = signature.chars().peekable();
                let value = self.value(&mut inner)?;
                if inner.next().is_some() {
                    return Err(Malformed);
                }
                Value::Variant(Box::new(value))
            }
            '(' => {
                self.align(8)?;
                Value::List(self.members(kinds, ')')?)
            }
            'a' => self.array(kinds)?,
            _ => return Err(Malformed),
        };
        self.depth -= 1;
        Ok(value)
    }

    fn members(&mut self, kinds: &mut Kinds<'_>, end: char) -> Result<Vec<Value>, Malformed> {
        let mut members = Vec::new();
        while kinds.next_if_eq(&end).is_none() {
            members.push(self.value(kinds)?);
        }
        Ok(members)
    }

    fn array(&mut self, kinds: &mut Kinds<'_>) -> Result<Value, Malformed> {
        let length = u32::from_le_bytes(self.take()?) as usize;
        let is_dictionary = kinds.peek() == Some(&'{');
        let is_wide = matches!(kinds.peek(), Some('(' | '{' | 'x' | 't' | 'd'));
        if is_wide {
            self.align(8)?;
        }
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len()).ok_or(Malformed)?;
        let (mut items, mut options) = (Vec::new(), HashMap::new());
        // Each element is read by the same type, also none: what follows the type is needed in any case.
        let element = kinds.clone();
        let after = skip(kinds)?;
        while self.at < end {
            let before = self.at;
            let mut kinds = element.clone();
            if is_dictionary {
                kinds.next();
                self.align(8)?;
                let entry = self.members(&mut kinds, '}')?;
                match <[Value; 2]>::try_from(entry) {
                    Ok([Value::Text(name), Value::Variant(value)]) => drop(options.insert(name, *value)),
                    Ok(other) => items.push(Value::List(other.into())),
                    Err(_) => return Err(Malformed),
                }
            } else {
                items.push(self.value(&mut kinds)?);
            }
            // A struct of nothing would never reach the end.
            if self.at == before {
                return Err(Malformed);
            }
        }
        *kinds = after;
        if self.at != end {
            return Err(Malformed);
        }
        Ok(if is_dictionary && items.is_empty() { Value::Options(options) } else { Value::List(items) })
    }
}

/// What follows the first whole type.
fn skip<'k>(kinds: &Kinds<'k>) -> Result<Kinds<'k>, Malformed> {
    let mut rest = kinds.clone();
    let mut open = 0_u32;
    loop {
        match rest.next().ok_or(Malformed)? {
            '(' | '{' => open += 1,
            ')' | '}' => open = open.checked_sub(1).ok_or(Malformed)?,
            'a' => continue,
            _ => {}
        }
        if open == 0 {
            return Ok(rest);
        }
    }
}

#[cfg(test)]
mod tests {
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
        let mut reader = Reader { bytes: &body, at: 0, little: true, depth: 0 };
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
        let mut reader = Reader { bytes: &[0, 0, 1, 2], at: 0, little: false, depth: 0 };
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
        let mut reader = Reader { bytes: &[0; 64], at: 0, little: true, depth: 0 };
        assert!(reader.value(&mut nested.chars().peekable()).is_ok(), "empty, however deep its type");
        let mut reader = Reader { bytes: &[1; 64], at: 0, little: true, depth: 0 };
        assert_eq!(reader.value(&mut "(".repeat(100).chars().peekable()), Err(Malformed));
    }
}

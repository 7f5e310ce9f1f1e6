//! AMF0 values (Action Message Format 0), as far as RTMP servers use them. What comes in is bounded.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::RtmpError;

/// Deeper than any server nests, and far from any stack's end.
const MOST_DEPTH: u32 = 8;
/// More members than any server's answer has.
const MOST_MEMBERS: usize = 512;

/// One value. Types that no server sends to a publisher are refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Number(f64),
    Boolean(bool),
    String(String),
    /// Also an ECMA array: members in their order.
    Object(Vec<(String, Self)>),
    Null,
    Array(Vec<Self>),
}

const NUMBER: u8 = 0;
const BOOLEAN: u8 = 1;
const STRING: u8 = 2;
const OBJECT: u8 = 3;
const NULL: u8 = 5;
const UNDEFINED: u8 = 6;
const ECMA_ARRAY: u8 = 8;
const OBJECT_END: u8 = 9;
const STRICT_ARRAY: u8 = 10;
const DATE: u8 = 11;
const LONG_STRING: u8 = 12;

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// The member of that name.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(member, _)| member == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The values one after the other, as commands and data messages carry them.
    pub(crate) fn write_all(values: &[Self]) -> Bytes {
        let mut out = BytesMut::new();
        for value in values {
            value.write(&mut out);
        }
        out.freeze()
    }

    /// Appends the value.
    pub fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Number(number) => {
                out.put_u8(NUMBER);
                out.put_f64(*number);
            }
            Self::Boolean(value) => out.put_slice(&[BOOLEAN, u8::from(*value)]),
            Self::String(text) if text.len() > usize::from(u16::MAX) => {
                out.put_u8(LONG_STRING);
                out.put_u32(text.len() as u32);
                out.put_slice(text.as_bytes());
            }
            Self::String(text) => {
                out.put_u8(STRING);
                write_name(text, out);
            }
            Self::Object(members) => {
                out.put_u8(OBJECT);
                for (name, value) in members {
                    write_name(name, out);
                    value.write(out);
                }
                out.put_slice(&[0, 0, OBJECT_END]);
            }
            Self::Null => out.put_u8(NULL),
            Self::Array(items) => {
                out.put_u8(STRICT_ARRAY);
                out.put_u32(items.len() as u32);
                for item in items {
                    item.write(out);
                }
            }
        }
    }

    /// Takes one value from the front.
    ///
    /// # Errors
    /// [`RtmpError::NotRtmp`] for what is no AMF0, [`RtmpError::TooLarge`] for what is too deep or has too many parts.
    pub fn read(data: &mut &[u8]) -> Result<Self, RtmpError> {
        read(data, MOST_DEPTH)
    }

    /// All values of a message.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_all(mut data: &[u8]) -> Result<Vec<Self>, RtmpError> {
        let mut values = Vec::new();
        while !data.is_empty() {
            if values.len() == MOST_MEMBERS {
                return Err(RtmpError::TooLarge("too many values"));
            }
            values.push(Self::read(&mut data)?);
        }
        Ok(values)
    }
}

fn write_name(text: &str, out: &mut BytesMut) {
    // Names and short texts only: longer ones took the other branch.
    let text = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
    out.put_u16(text.len() as u16);
    out.put_slice(text);
}

const CUT: RtmpError = RtmpError::NotRtmp("a value is cut off");

fn take<'a>(data: &mut &'a [u8], count: usize) -> Result<&'a [u8], RtmpError> {
    let (head, rest) = data.split_at_checked(count).ok_or(CUT)?;
    *data = rest;
    Ok(head)
}

fn read_text(data: &mut &[u8], length: usize) -> Result<String, RtmpError> {
    // Some servers write Latin-1: the words are shown, not compared.
    Ok(String::from_utf8_lossy(take(data, length)?).into_owned())
}

fn read_name(data: &mut &[u8]) -> Result<String, RtmpError> {
    let length = take(data, 2)?.get_u16();
    read_text(data, usize::from(length))
}

fn read(data: &mut &[u8], depth: u32) -> Result<Value, RtmpError> {
    let Some(depth) = depth.checked_sub(1) else { return Err(RtmpError::TooLarge("a value is too deep")) };
    Ok(match take(data, 1)?[0] {
        NUMBER => Value::Number(take(data, 8)?.get_f64()),
        BOOLEAN => Value::Boolean(take(data, 1)?[0] != 0),
        STRING => Value::String(read_name(data)?),
        LONG_STRING => {
            let length = take(data, 4)?.get_u32();
            Value::String(read_text(data, length as usize)?)
        }
        OBJECT => read_members(data, depth)?,
        ECMA_ARRAY => {
            // The count is a hint that servers get wrong: the end mark decides.
            take(data, 4)?;
            read_members(data, depth)?
        }
        NULL | UNDEFINED => Value::Null,
        DATE => {
            let at = take(data, 8)?.get_f64();
            take(data, 2)?;
            Value::Number(at)
        }
        STRICT_ARRAY => {
            let count = take(data, 4)?.get_u32() as usize;
            if count > MOST_MEMBERS {
                return Err(RtmpError::TooLarge("an array is too long"));
            }
            Value::Array((0..count).map(|_| read(data, depth)).collect::<Result<_, _>>()?)
        }
        _ => return Err(RtmpError::NotRtmp("a value of an unknown type")),
    })
}

fn read_members(data: &mut &[u8], depth: u32) -> Result<Value, RtmpError> {
    let mut members = Vec::new();
    loop {
        if data.starts_with(&[0, 0, OBJECT_END]) {
            take(data, 3)?;
            return Ok(Value::Object(members));
        }
        if members.len() == MOST_MEMBERS {
            return Err(RtmpError::TooLarge("an object has too many members"));
        }
        let name = read_name(data)?;
        members.push((name, read(data, depth)?));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_went() {
        let value = Value::Object(vec![
            ("app".into(), Value::text("live")),
            ("list".into(), Value::Array(vec![Value::text("avc1"), Value::Number(2.5), Value::Null])),
            ("yes".into(), Value::Boolean(true)),
            ("long".into(), Value::String("x".repeat(70_000))),
        ]);
        let mut out = BytesMut::new();
        value.write(&mut out);
        assert_eq!(Value::read_all(&out), Ok(vec![value]));
    }

    #[test]
    fn what_is_cut_off_nested_or_counted_wrongly_is_an_error() {
        let mut out = BytesMut::new();
        Value::Object(vec![("a".into(), Value::Array(vec![Value::Number(1.0)]))]).write(&mut out);
        for length in 1..out.len() {
            assert!(Value::read_all(&out[..length]).is_err(), "{length}");
        }
        let deep: Vec<u8> = [STRICT_ARRAY, 0, 0, 0, 1].repeat(5000);
        assert_eq!(Value::read_all(&deep), Err(RtmpError::TooLarge("a value is too deep")));
        assert_eq!(
            Value::read_all(&[STRICT_ARRAY, 255, 255, 255, 255]),
            Err(RtmpError::TooLarge("an array is too long"))
        );
        assert!(Value::read_all(&[LONG_STRING, 255, 255, 255, 255, 1]).is_err());
    }
}

//! Bytes as values.

use std::collections::HashMap;

use super::{Malformed, Value};

/// Containers within containers: the specification allows 32 arrays in 32 structs.
const MOST_DEPTH: u32 = 64;

/// Where a message is read.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    little: bool,
    depth: u32,
}

type Kinds<'k> = std::iter::Peekable<std::str::Chars<'k>>;

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], little: bool) -> Self {
        Self { bytes, at: 0, little, depth: 0 }
    }

    pub(super) fn align(&mut self, to: usize) -> Result<(), Malformed> {
        self.at = self.at.next_multiple_of(to);
        if self.at <= self.bytes.len() { Ok(()) } else { Err(Malformed) }
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.align(N.min(8))?;
        let bytes = self.bytes.get(self.at..self.at + N).ok_or(Malformed)?;
        self.at += N;
        let mut taken: [u8; N] = bytes.try_into().map_err(|_| Malformed)?;
        if !self.little {
            taken.reverse();
        }
        Ok(taken)
    }

    pub(super) fn u32_at(&self, at: usize) -> Result<u32, Malformed> {
        Reader { at, ..*self }.take().map(u32::from_le_bytes)
    }

    pub(super) fn text(&mut self, length: usize) -> Result<String, Malformed> {
        let end = self.at.checked_add(length).ok_or(Malformed)?;
        let bytes = self.bytes.get(self.at..end).ok_or(Malformed)?;
        if self.bytes.get(end) != Some(&0) {
            return Err(Malformed);
        }
        self.at = end + 1;
        String::from_utf8(bytes.to_vec()).map_err(|_| Malformed)
    }

    /// The next value, of the type that `kinds` begins with.
    pub(super) fn value(&mut self, kinds: &mut Kinds<'_>) -> Result<Value, Malformed> {
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

    pub(super) fn members(&mut self, kinds: &mut Kinds<'_>, end: char) -> Result<Vec<Value>, Malformed> {
        let mut members = Vec::new();
        while kinds.next_if_eq(&end).is_none() {
            members.push(self.value(kinds)?);
        }
        Ok(members)
    }

    pub(super) fn array(&mut self, kinds: &mut Kinds<'_>) -> Result<Value, Malformed> {
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

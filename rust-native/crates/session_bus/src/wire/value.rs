//! What a message holds.

use std::collections::HashMap;

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
    pub(super) fn signature(&self) -> &'static str {
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

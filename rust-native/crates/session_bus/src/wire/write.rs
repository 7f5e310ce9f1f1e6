//! Values as bytes.

use std::collections::HashMap;

use super::Value;

/// Bytes of a message so far, little-endian.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.align(4);
        self.0.extend(number.to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.u32(text.len() as u32);
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    /// Ours are short and constant, or a few of them in a row.
    pub(super) fn signature(&mut self, signature: &str) {
        self.0.push(signature.len() as u8);
        self.0.extend(signature.as_bytes());
        self.0.push(0);
    }

    pub(super) fn array(&mut self, align: usize, elements: impl FnOnce(&mut Self)) {
        self.u32(0);
        let length_at = self.0.len() - 4;
        self.align(align);
        let start = self.0.len();
        elements(self);
        let length = (self.0.len() - start) as u32;
        self.0[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }

    pub(super) fn options(&mut self, options: &HashMap<String, Value>) {
        self.array(8, |entries| {
            for (name, value) in options {
                entries.align(8);
                entries.text(name);
                entries.signature(value.signature());
                entries.value(value);
            }
        });
    }

    pub(super) fn value(&mut self, value: &Value) {
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

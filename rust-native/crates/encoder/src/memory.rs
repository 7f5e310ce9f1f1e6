//! Which encoders were refused since the program's start, so that a driver that isn't there is looked for once.
//!
//! Looking for three kinds of hardware takes a tenth of a second where there is none, and an encoder is opened with
//! each change of the picture's size and with each failure, while viewers wait.

use std::sync::OnceLock;

use media::Size;
use parking_lot::Mutex;

use crate::Refusal;

/// Refusals, each with the size of the picture that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Memory(Vec<(Refusal, Size)>);

impl Memory {
    /// Remembers one.
    pub(crate) fn note(&mut self, refusal: Refusal, size: Size) {
        self.0.retain(|(known, _)| known.name != refusal.name);
        self.0.push((refusal, size));
    }

    /// The reason why that encoder would be refused again: a smaller picture than the refused one is tried.
    pub(crate) fn refusal(&self, name: &str, size: Size) -> Option<Refusal> {
        let known = self.0.iter().find(|(refusal, _)| refusal.name == name)?;
        (size.area() >= known.1.area()).then(|| known.0.clone())
    }
}

/// This process's.
pub(crate) fn of_this_start() -> &'static Mutex<Memory> {
    static MEMORY: OnceLock<Mutex<Memory>> = OnceLock::new();
    MEMORY.get_or_init(Mutex::default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_stays_refused_but_for_a_smaller_picture() {
        let size = |width, height| Size { width, height };
        let refusal = |reason: &str| Refusal { name: "h264_nvenc".to_owned(), reason: reason.to_owned() };
        let mut memory = Memory::default();
        assert_eq!(memory.refusal("h264_nvenc", size(640, 360)), None);
        memory.note(refusal("too large"), size(7680, 4320));
        assert_eq!(memory.refusal("h264_nvenc", size(1920, 1080)), None);
        memory.note(refusal("no driver"), size(1920, 1080));
        assert_eq!(memory.refusal("h264_nvenc", size(1920, 1080)), Some(refusal("no driver")));
        assert_eq!(memory.refusal("h264_nvenc", size(3840, 2160)), Some(refusal("no driver")));
        assert_eq!(memory.refusal("h264_qsv", size(1920, 1080)), None);
    }
}

//! Keys by their place on the keyboard, whatever is printed on them.

/// A key or a mouse button, numbered as Linux does (`linux/input-event-codes.h`); X11 adds eight to keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u16);

impl Key {
    /// By the name that browsers give it (UI Events KeyboardEvent code values), or a mouse button's of ours. Escape
    /// is none: it gets people out of things.
    pub fn from_code(code: &str) -> Option<Self> {
        NAMES.iter().find(|(name, _)| *name == code).map(|(_, number)| Self(*number))
    }

    /// By its number in Linux.
    pub fn from_number(number: u16) -> Self {
        Self(number)
    }

    /// Its number in Linux.
    pub fn number(self) -> u16 {
        self.0
    }

    /// Every key that can be held beside another one.
    pub(crate) fn modifiers() -> impl Iterator<Item = Self> {
        [29, 97, 56, 100, 42, 54, 125, 126].into_iter().map(Self)
    }

    /// What Windows calls it.
    #[cfg_attr(not(target_os = "windows"), allow(dead_code, reason = "tested everywhere, used there"))]
    pub(crate) fn windows_number(self) -> WindowsNumber {
        /// Linux numbers the main block of keys as scan codes of set 1, which Windows still uses.
        const LAST_OF_SET_1: u16 = 88;
        /// Keys that came later have a prefix there.
        const PREFIXED: u16 = 0xE000;
        match self.0 {
            // The number pad's digits mean arrows where only their place is asked for.
            71..=73 => WindowsNumber::Virtual(self.0 - 71 + 0x67),
            75..=77 => WindowsNumber::Virtual(self.0 - 75 + 0x64),
            79..=81 => WindowsNumber::Virtual(self.0 - 79 + 0x61),
            82 => WindowsNumber::Virtual(0x60),
            83 => WindowsNumber::Virtual(0x6E),
            69 => WindowsNumber::Virtual(0x90),
            119 => WindowsNumber::Virtual(0x13),
            99 => WindowsNumber::Virtual(0x2C),
            113 => WindowsNumber::Virtual(0xAD),
            163 => WindowsNumber::Virtual(0xB0),
            165 => WindowsNumber::Virtual(0xB1),
            166 => WindowsNumber::Virtual(0xB2),
            164 => WindowsNumber::Virtual(0xB3),
            // F13 to F24.
            183..=194 => WindowsNumber::Virtual(self.0 - 183 + 0x7C),
            0x112 => WindowsNumber::Virtual(0x04),
            0x113 => WindowsNumber::Virtual(0x05),
            0x114 => WindowsNumber::Virtual(0x06),
            96 => WindowsNumber::Scan(PREFIXED | 0x1C),
            97 => WindowsNumber::Scan(PREFIXED | 0x1D),
            98 => WindowsNumber::Scan(PREFIXED | 0x35),
            100 => WindowsNumber::Scan(PREFIXED | 0x38),
            // Home, up, page up; left; right; end, down, page down, insert, delete: with gaps where a pad has digits.
            102..=104 => WindowsNumber::Scan(PREFIXED | (self.0 - 102 + 0x47)),
            105 => WindowsNumber::Scan(PREFIXED | 0x4B),
            106 => WindowsNumber::Scan(PREFIXED | 0x4D),
            107..=111 => WindowsNumber::Scan(PREFIXED | (self.0 - 107 + 0x4F)),
            125..=127 => WindowsNumber::Scan(PREFIXED | (self.0 - 125 + 0x5B)),
            // The keys that only keyboards of Japan and Korea have.
            89 => WindowsNumber::Scan(0x73),
            92 => WindowsNumber::Scan(0x79),
            93 => WindowsNumber::Scan(0x70),
            94 => WindowsNumber::Scan(0x7B),
            122 => WindowsNumber::Scan(0x72),
            123 => WindowsNumber::Scan(0x71),
            124 => WindowsNumber::Scan(0x7D),
            0..=LAST_OF_SET_1 => WindowsNumber::Scan(self.0),
            other => WindowsNumber::Scan(other & 0x7F),
        }
    }

    /// 0 Ctrl, 1 Alt, 2 Shift, 3 Meta.
    pub(crate) fn modifier(self) -> Option<usize> {
        match self.0 {
            29 | 97 => Some(0),
            56 | 100 => Some(1),
            42 | 54 => Some(2),
            125 | 126 => Some(3),
            _ => None,
        }
    }
}

/// How Windows can be asked for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_os = "windows"), allow(dead_code, reason = "tested everywhere, used there"))]
pub(crate) enum WindowsNumber {
    /// By its place.
    Scan(u16),
    /// By its meaning, which is the same in each layout.
    Virtual(u16),
}

#[rustfmt::skip]
const NAMES: [(&str, u16); 131] = [
    ("Digit1", 2), ("Digit2", 3), ("Digit3", 4), ("Digit4", 5), ("Digit5", 6), ("Digit6", 7), ("Digit7", 8),
    ("Digit8", 9), ("Digit9", 10), ("Digit0", 11), ("Minus", 12), ("Equal", 13), ("Backspace", 14), ("Tab", 15),
    ("KeyQ", 16), ("KeyW", 17), ("KeyE", 18), ("KeyR", 19), ("KeyT", 20), ("KeyY", 21), ("KeyU", 22), ("KeyI", 23),
    ("KeyO", 24), ("KeyP", 25), ("BracketLeft", 26), ("BracketRight", 27), ("Enter", 28), ("ControlLeft", 29),
    ("KeyA", 30), ("KeyS", 31), ("KeyD", 32), ("KeyF", 33), ("KeyG", 34), ("KeyH", 35), ("KeyJ", 36), ("KeyK", 37),
    ("KeyL", 38), ("Semicolon", 39), ("Quote", 40), ("Backquote", 41), ("ShiftLeft", 42), ("Backslash", 43),
    ("KeyZ", 44), ("KeyX", 45), ("KeyC", 46), ("KeyV", 47), ("KeyB", 48), ("KeyN", 49), ("KeyM", 50), ("Comma", 51),
    ("Period", 52), ("Slash", 53), ("ShiftRight", 54), ("NumpadMultiply", 55), ("AltLeft", 56), ("Space", 57),
    ("CapsLock", 58), ("F1", 59), ("F2", 60), ("F3", 61), ("F4", 62), ("F5", 63), ("F6", 64), ("F7", 65), ("F8", 66),
    ("F9", 67), ("F10", 68), ("NumLock", 69), ("ScrollLock", 70), ("Numpad7", 71), ("Numpad8", 72), ("Numpad9", 73),
    ("NumpadSubtract", 74), ("Numpad4", 75), ("Numpad5", 76), ("Numpad6", 77), ("NumpadAdd", 78), ("Numpad1", 79),
    ("Numpad2", 80), ("Numpad3", 81), ("Numpad0", 82), ("NumpadDecimal", 83), ("IntlBackslash", 86), ("F11", 87),
    ("F12", 88), ("IntlRo", 89), ("Convert", 92), ("KanaMode", 93), ("NonConvert", 94), ("NumpadEnter", 96),
    ("ControlRight", 97), ("NumpadDivide", 98), ("PrintScreen", 99), ("AltRight", 100), ("Home", 102),
    ("ArrowUp", 103), ("PageUp", 104), ("ArrowLeft", 105), ("ArrowRight", 106), ("End", 107), ("ArrowDown", 108),
    ("PageDown", 109), ("Insert", 110), ("Delete", 111), ("AudioVolumeMute", 113), ("Pause", 119), ("Lang1", 122),
    ("Lang2", 123), ("IntlYen", 124), ("MetaLeft", 125), ("MetaRight", 126), ("ContextMenu", 127),
    ("MediaTrackNext", 163), ("MediaPlayPause", 164), ("MediaTrackPrevious", 165), ("MediaStop", 166), ("F13", 183),
    ("F14", 184), ("F15", 185), ("F16", 186), ("F17", 187), ("F18", 188), ("F19", 189), ("F20", 190), ("F21", 191),
    ("F22", 192), ("F23", 193), ("F24", 194), ("MouseMiddle", 274), ("MouseBack", 275), ("MouseForward", 276),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(code: &str) -> WindowsNumber {
        Key::from_code(code).expect("a key").windows_number()
    }

    #[test]
    fn keys_are_found_on_windows_by_their_place_or_their_meaning() {
        assert_eq!(windows("KeyV"), WindowsNumber::Scan(0x2F));
        assert_eq!(windows("F8"), WindowsNumber::Scan(0x42));
        assert_eq!(windows("ControlRight"), WindowsNumber::Scan(0xE01D));
        assert_eq!(windows("ArrowDown"), WindowsNumber::Scan(0xE050));
        assert_eq!(windows("Delete"), WindowsNumber::Scan(0xE053));
        assert_eq!(windows("ContextMenu"), WindowsNumber::Scan(0xE05D));
        assert_eq!(windows("Numpad7"), WindowsNumber::Virtual(0x67));
        assert_eq!(windows("Numpad0"), WindowsNumber::Virtual(0x60));
        assert_eq!(windows("F24"), WindowsNumber::Virtual(0x87));
        assert_eq!(windows("MouseBack"), WindowsNumber::Virtual(0x05));
    }

    #[test]
    fn no_two_keys_have_one_number() {
        for (at, (name, number)) in NAMES.iter().enumerate() {
            for (other, same) in &NAMES[at + 1..] {
                assert!(name != other && number != same, "{name} and {other}");
                let (a, b) = (Key(*number).windows_number(), Key(*same).windows_number());
                assert_ne!(a, b, "{name} and {other} on Windows");
            }
        }
        assert_eq!(Key::from_code("Escape"), None);
    }
}

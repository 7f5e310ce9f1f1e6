//! Keys as the desktop's portal is asked for them: the Shortcuts specification of freedesktop.org, modifiers and one
//! of xkbcommon's names. Pure.

use crate::Chord;

/// What the portal is asked to prefer; `None` for what no such name says, which the desktop lets its user choose.
///
/// The names are those of an English keyboard: a portal knows keys by what they mean, not by their place.
pub(crate) fn preferred(chord: &Chord) -> Option<String> {
    let key = keysym(&chord.code)?;
    let held = [("CTRL", chord.ctrl), ("ALT", chord.alt), ("SHIFT", chord.shift), ("LOGO", chord.meta)];
    let mut parts: Vec<String> = held.iter().filter(|(_, held)| *held).map(|(name, _)| (*name).to_owned()).collect();
    parts.push(key);
    Some(parts.join("+"))
}

fn keysym(code: &str) -> Option<String> {
    let rest = |prefix: &str| code.strip_prefix(prefix).filter(|rest| !rest.is_empty());
    if let Some(letter) = rest("Key") {
        return Some(letter.to_ascii_lowercase());
    }
    if let Some(digit) = rest("Digit") {
        return Some(digit.to_owned());
    }
    if let Some(digit) = rest("Numpad").filter(|rest| rest.len() == 1) {
        return Some(format!("KP_{digit}"));
    }
    if rest("F").is_some_and(|number| number.parse::<u8>().is_ok()) {
        return Some(code.to_owned());
    }
    NAMES.iter().find(|(name, _)| *name == code).map(|(_, keysym)| (*keysym).to_owned())
}

#[rustfmt::skip]
const NAMES: [(&str, &str); 52] = [
    ("Minus", "minus"), ("Equal", "equal"), ("Backspace", "BackSpace"), ("Tab", "Tab"),
    ("BracketLeft", "bracketleft"), ("BracketRight", "bracketright"), ("Enter", "Return"),
    ("Semicolon", "semicolon"), ("Quote", "apostrophe"), ("Backquote", "grave"), ("Backslash", "backslash"),
    ("Comma", "comma"), ("Period", "period"), ("Slash", "slash"), ("Space", "space"), ("IntlBackslash", "less"),
    ("ControlLeft", "Control_L"), ("ControlRight", "Control_R"), ("AltLeft", "Alt_L"), ("AltRight", "Alt_R"),
    ("ShiftLeft", "Shift_L"), ("ShiftRight", "Shift_R"), ("MetaLeft", "Super_L"), ("MetaRight", "Super_R"),
    ("CapsLock", "Caps_Lock"), ("NumLock", "Num_Lock"), ("ScrollLock", "Scroll_Lock"), ("PrintScreen", "Print"),
    ("Pause", "Pause"), ("ContextMenu", "Menu"), ("Home", "Home"), ("End", "End"), ("PageUp", "Prior"),
    ("PageDown", "Next"), ("Insert", "Insert"), ("Delete", "Delete"), ("ArrowUp", "Up"), ("ArrowDown", "Down"),
    ("ArrowLeft", "Left"), ("ArrowRight", "Right"), ("NumpadMultiply", "KP_Multiply"), ("NumpadAdd", "KP_Add"),
    ("NumpadSubtract", "KP_Subtract"), ("NumpadDivide", "KP_Divide"), ("NumpadDecimal", "KP_Decimal"),
    ("NumpadEnter", "KP_Enter"), ("AudioVolumeMute", "XF86AudioMute"), ("MediaTrackNext", "XF86AudioNext"),
    ("MediaTrackPrevious", "XF86AudioPrev"), ("MediaPlayPause", "XF86AudioPlay"), ("MediaStop", "XF86AudioStop"),
    ("IntlYen", "yen"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    fn chord(code: &str) -> Chord {
        Chord { code: code.to_owned(), ..Chord::default() }
    }

    #[test]
    fn chords_are_named_as_the_portal_names_them() {
        let named = |chord: &Chord| preferred(chord).expect("a name");
        assert_eq!(named(&chord("KeyV")), "v");
        assert_eq!(named(&Chord { ctrl: true, shift: true, ..chord("Digit1") }), "CTRL+SHIFT+1");
        assert_eq!(named(&Chord { alt: true, meta: true, ..chord("F13") }), "ALT+LOGO+F13");
        assert_eq!(named(&chord("Numpad7")), "KP_7");
        assert_eq!(named(&chord("NumpadAdd")), "KP_Add");
        assert_eq!(named(&chord("PageUp")), "Prior");
        assert_eq!(preferred(&chord("MouseBack")), None);
    }

    #[test]
    fn every_name_is_of_a_key_that_can_be_set_and_no_two_are_alike() {
        for (at, (code, keysym)) in NAMES.iter().enumerate() {
            assert!(Key::from_code(code).is_some(), "{code}");
            assert!(NAMES[at + 1..].iter().all(|(other, same)| other != code && same != keysym), "{code}");
        }
    }
}

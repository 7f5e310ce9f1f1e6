//! Which chords are down, from the keys that go down and up. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{HotKeyError, Key};

/// A key, with those that are held beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chord {
    /// The key's place on the keyboard, as browsers name it: `KeyV`, `F8`, `ControlRight` (UI Events
    /// KeyboardEvent code values); or `MouseMiddle`, `MouseBack`, `MouseForward`.
    pub code: String,
    /// With either Ctrl key.
    #[serde(default)]
    pub ctrl: bool,
    /// With either Alt key.
    #[serde(default)]
    pub alt: bool,
    /// With either Shift key.
    #[serde(default)]
    pub shift: bool,
    /// With the Windows or Command key.
    #[serde(default)]
    pub meta: bool,
}

/// A chord with what it is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Binding {
    /// Chosen by the caller; a [`Change`] names it.
    pub id: String,
    /// Which key.
    pub chord: Chord,
    /// What it does, in the user's words: for a desktop that lists its keys. Empty: the id.
    pub label: String,
}

/// A chord went down or up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// As it was set.
    pub id: String,
    /// Or up.
    pub down: bool,
}

#[derive(Debug, Clone)]
struct Set {
    id: String,
    key: Key,
    modifiers: [bool; 4],
    down: bool,
}

impl Set {
    fn weight(&self) -> usize {
        self.modifiers.iter().filter(|modifier| **modifier).count()
    }

    fn is_held(&self, held: [bool; 4]) -> bool {
        self.modifiers.iter().zip(held).all(|(wanted, held)| held || !wanted)
    }
}

/// See the module.
///
/// Other modifiers may be held too, so that a key to talk works while Shift is held to run; but where two chords have
/// the same key, the one that names more of what is held is meant. A chord is up when its key or one of its modifiers
/// is.
#[derive(Debug, Clone, Default)]
pub struct Chords {
    set: Vec<Set>,
    held: BTreeSet<Key>,
}

impl Chords {
    /// Of these.
    ///
    /// # Errors
    /// [`HotKeyError::UnknownKey`].
    pub fn new(bindings: &[Binding]) -> Result<Self, HotKeyError> {
        let set = bindings.iter().map(|Binding { id, chord, .. }| {
            let key = Key::from_code(&chord.code).ok_or_else(|| HotKeyError::UnknownKey(chord.code.clone()))?;
            let modifiers = [chord.ctrl, chord.alt, chord.shift, chord.meta];
            Ok(Set { id: id.clone(), key, modifiers, down: false })
        });
        Ok(Self { set: set.collect::<Result<_, _>>()?, held: BTreeSet::new() })
    }

    /// Every key that matters, once, the modifiers first: for systems on which each has to be asked for.
    pub fn keys(&self) -> Vec<Key> {
        let needed = |modifier: usize| self.set.iter().any(|set| set.modifiers[modifier]);
        let modifiers = Key::modifiers().filter(|key| key.modifier().is_some_and(needed));
        let own = self.set.iter().map(|set| set.key);
        let mut keys: Vec<Key> = Vec::new();
        for key in modifiers.chain(own) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// A key goes down or up; a repeated one changes nothing.
    pub fn key(&mut self, key: Key, down: bool) -> Vec<Change> {
        // Only what a chord is made of is kept in mind.
        let matters = key.modifier().is_some() || self.set.iter().any(|set| set.key == key);
        let new = matters && if down { self.held.insert(key) } else { self.held.remove(&key) };
        if !new {
            return Vec::new();
        }
        let held = self.modifiers(key);
        if down {
            let heaviest = self.set.iter().filter(|set| set.key == key && set.is_held(held)).map(Set::weight).max();
            return self.turn(true, |set| set.key == key && set.is_held(held) && Some(set.weight()) == heaviest);
        }
        self.turn(false, |set| set.key == key || !set.is_held(held))
    }

    /// Everything is up: nobody can say what is held any more.
    pub fn release_all(&mut self) -> Vec<Change> {
        self.held.clear();
        self.turn(false, |_| true)
    }

    fn turn(&mut self, down: bool, which: impl Fn(&Set) -> bool) -> Vec<Change> {
        let turned = self.set.iter_mut().filter(|set| set.down != down && which(set));
        turned
            .map(|set| {
                set.down = down;
                Change { id: set.id.clone(), down }
            })
            .collect()
    }

    /// Ctrl, Alt, Shift, Meta; a key is no modifier of its own chord.
    fn modifiers(&self, but: Key) -> [bool; 4] {
        let mut held = [false; 4];
        for modifier in self.held.iter().filter(|key| **key != but).filter_map(|key| key.modifier()) {
            held[modifier] = true;
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: &str) -> Key {
        Key::from_code(code).expect("a key")
    }

    fn chord(code: &str) -> Chord {
        Chord { code: code.to_owned(), ..Chord::default() }
    }

    fn binding(id: &str, chord: Chord) -> Binding {
        Binding { id: id.to_owned(), chord, label: String::new() }
    }

    fn chords(list: &[(&str, Chord)]) -> Chords {
        let binding = |(id, chord): &(&str, Chord)| binding(id, chord.clone());
        Chords::new(&list.iter().map(binding).collect::<Vec<_>>()).expect("keys")
    }

    fn said(changes: &[Change]) -> Vec<(&str, bool)> {
        changes.iter().map(|change| (change.id.as_str(), change.down)).collect()
    }

    #[test]
    fn a_key_is_told_once_down_and_once_up_however_often_it_repeats() {
        let mut talk = chords(&[("talk", chord("KeyV"))]);
        assert_eq!(said(&talk.key(key("KeyV"), true)), [("talk", true)]);
        assert!(talk.key(key("KeyV"), true).is_empty());
        assert!(talk.key(key("KeyX"), true).is_empty());
        assert_eq!(said(&talk.key(key("KeyV"), false)), [("talk", false)]);
        assert!(talk.key(key("KeyV"), false).is_empty());
    }

    #[test]
    fn a_key_works_while_another_modifier_is_held_unless_that_means_another_chord() {
        let both = [("plain", chord("F8")), ("with_ctrl", Chord { ctrl: true, ..chord("F8") })];
        let mut keys = chords(&both);
        keys.key(key("ShiftLeft"), true);
        assert_eq!(said(&keys.key(key("F8"), true)), [("plain", true)]);
        keys.key(key("F8"), false);
        keys.key(key("ControlRight"), true);
        assert_eq!(said(&keys.key(key("F8"), true)), [("with_ctrl", true)]);
        // Either end of it ends it.
        assert_eq!(said(&keys.key(key("ControlRight"), false)), [("with_ctrl", false)]);
        assert!(keys.key(key("F8"), false).is_empty());
    }

    #[test]
    fn a_modifier_can_be_a_key_by_itself() {
        let mut talk = chords(&[("talk", chord("ControlRight"))]);
        assert!(talk.key(key("ControlLeft"), true).is_empty());
        assert_eq!(said(&talk.key(key("ControlRight"), true)), [("talk", true)]);
        assert_eq!(said(&talk.key(key("ControlRight"), false)), [("talk", false)]);
    }

    #[test]
    fn one_key_may_do_two_things_and_a_loss_ends_both() {
        let mut keys = chords(&[("a", chord("MouseBack")), ("b", chord("MouseBack"))]);
        assert_eq!(said(&keys.key(key("MouseBack"), true)), [("a", true), ("b", true)]);
        assert_eq!(said(&keys.release_all()), [("a", false), ("b", false)]);
        assert!(keys.release_all().is_empty());
    }

    #[test]
    fn the_keys_that_matter_are_those_of_the_chords_and_no_others() {
        let both = [("a", Chord { ctrl: true, ..chord("F8") }), ("b", chord("F8")), ("c", chord("ControlRight"))];
        assert_eq!(chords(&both).keys(), [key("ControlLeft"), key("ControlRight"), key("F8")]);
        assert!(Chords::default().keys().is_empty());
    }

    #[test]
    fn what_is_no_key_is_refused_by_its_name() {
        let refused = Chords::new(&[binding("talk", chord("KeyÄ"))]).expect_err("no such key");
        assert_eq!(refused, HotKeyError::UnknownKey("KeyÄ".to_owned()));
    }
}

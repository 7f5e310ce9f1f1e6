//! Which inputs are silent because of a key. Time is passed in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ::hot_keys::Change;

use super::{HotKey, HotKeyAction};

/// A key is let go with the last sound still in the air, and up to 60 ms of sound wait in the mixer at that moment.
pub(super) const TALK_TAIL: Duration = Duration::from_millis(200);

/// The keys that are down, and when the others were let go.
#[derive(Debug, Default)]
pub(super) struct Held {
    down: BTreeSet<String>,
    released: BTreeMap<String, Instant>,
}

impl Held {
    pub(super) fn change(&mut self, change: Change, now: Instant) {
        if change.down {
            self.released.remove(&change.id);
            self.down.insert(change.id);
        } else if self.down.remove(&change.id) {
            self.released.insert(change.id, now);
        }
    }

    /// The inputs that are silent, and when to look again.
    pub(super) fn hushed(&self, keys: &[HotKey], now: Instant) -> (BTreeSet<String>, Option<Instant>) {
        let (mut needs_talk, mut talks, mut quiet) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut until: Option<Instant> = None;
        for key in keys {
            let down = self.down.contains(&key.id);
            match &key.action {
                HotKeyAction::PushToTalk { input } => {
                    needs_talk.insert(input);
                    let ends = self.released.get(&key.id).map(|released| *released + TALK_TAIL);
                    let tail = ends.filter(|ends| *ends > now);
                    if down || tail.is_some() {
                        talks.insert(input);
                    }
                    if let Some(ends) = tail {
                        until = Some(until.map_or(ends, |until| until.min(ends)));
                    }
                }
                HotKeyAction::PushToMute { input } if down => {
                    quiet.insert(input);
                }
                HotKeyAction::PushToMute { .. } | HotKeyAction::Tell => {}
            }
        }
        (needs_talk.difference(&talks).chain(&quiet).map(|input| (*input).clone()).collect(), until)
    }
}

#[cfg(test)]
mod tests {
    use ::hot_keys::Chord;

    use super::*;

    fn key(id: &str, action: HotKeyAction) -> HotKey {
        HotKey { id: id.to_owned(), chord: Chord::default(), action, label: String::new() }
    }

    fn talk(id: &str, input: &str) -> HotKey {
        key(id, HotKeyAction::PushToTalk { input: input.to_owned() })
    }

    fn press(held: &mut Held, id: &str, down: bool, now: Instant) {
        held.change(Change { id: id.to_owned(), down }, now);
    }

    fn silent(held: &Held, keys: &[HotKey], now: Instant) -> Vec<String> {
        held.hushed(keys, now).0.into_iter().collect()
    }

    #[test]
    fn either_of_two_keys_talks_and_each_input_has_its_own() {
        let keys = [talk("a", "microphone"), talk("b", "microphone"), talk("c", "camera")];
        let (mut held, now) = (Held::default(), Instant::now());
        assert_eq!(silent(&held, &keys, now), ["camera", "microphone"]);
        press(&mut held, "b", true, now);
        assert_eq!(silent(&held, &keys, now), ["camera"]);
        press(&mut held, "a", true, now);
        press(&mut held, "b", false, now);
        assert_eq!(silent(&held, &keys, now + TALK_TAIL), ["camera"]);
    }

    #[test]
    fn a_talk_ends_its_tail_after_the_key_and_not_twice() {
        let keys = [talk("a", "microphone")];
        let (mut held, now) = (Held::default(), Instant::now());
        press(&mut held, "a", true, now);
        assert_eq!(held.hushed(&keys, now), (BTreeSet::new(), None));
        press(&mut held, "a", false, now);
        assert_eq!(held.hushed(&keys, now), (BTreeSet::new(), Some(now + TALK_TAIL)));
        // Pressed again within it: there is no end to wait for.
        press(&mut held, "a", true, now);
        assert_eq!(held.hushed(&keys, now + TALK_TAIL), (BTreeSet::new(), None));
        press(&mut held, "a", false, now);
        assert_eq!(silent(&held, &keys, now + TALK_TAIL), ["microphone"]);
    }

    #[test]
    fn a_key_to_mute_wins_over_one_to_talk_and_has_no_tail() {
        let keys = [talk("a", "microphone"), key("q", HotKeyAction::PushToMute { input: "microphone".into() })];
        let (mut held, now) = (Held::default(), Instant::now());
        press(&mut held, "a", true, now);
        press(&mut held, "q", true, now);
        assert_eq!(silent(&held, &keys, now), ["microphone"]);
        press(&mut held, "q", false, now);
        assert!(silent(&held, &keys, now).is_empty());
    }
}

//! What the keys that the user set do: they hush inputs by themselves, at once; of the others the caller is told.
//!
//! Nothing of it stands in the session's line: a device that is being opened, or a destination that takes its leave,
//! must not keep a microphone open whose key is up.

mod held;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use ::hot_keys::{Binding, Change, Chord, Chords, HotKeyError, Key, KeyEvent, Listener};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{AudioInputState, Problem};
use held::Held;

/// What a key does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum HotKeyAction {
    /// The input is heard only while this key, or another one to talk, is down; and 200 ms longer, so that a last
    /// word is whole.
    PushToTalk {
        /// Its id.
        input: String,
    },
    /// The input is silent while the key is down.
    PushToMute {
        /// Its id.
        input: String,
    },
    /// [`crate::Event::HotKey`], each time the key goes down.
    Tell,
}

/// A key that acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HotKey {
    /// Chosen by the caller.
    pub id: String,
    /// Which key.
    pub chord: Chord,
    /// What it does.
    pub action: HotKeyAction,
    /// What it does, in the user's words: for a desktop that lists its keys. Empty: the id.
    #[serde(default)]
    pub label: String,
}

/// More keys than a person can have in mind are a mistake.
const MOST_KEYS: usize = 64;

/// What the session is told.
#[derive(Debug)]
pub(crate) enum KeyNews {
    /// One whose action is to tell went down.
    Pressed(String),
    /// Another input is hushed or no longer, or the keys act elsewhere than before: it stands in the state.
    Changed,
    /// The keys act in the window only from now on.
    Lost(HotKeyError),
}

/// A handle; all copies are one.
#[derive(Clone)]
pub(crate) struct HotKeys(Arc<Inner>);

/// Takes an input out of the mix, or back.
type Hush = Box<dyn Fn(&str, bool) + Send + Sync>;
type Tell = Box<dyn Fn(KeyNews) + Send + Sync>;

struct Inner {
    set: Mutex<Set>,
    hush: Hush,
    tell: Tell,
}

#[derive(Debug, Default)]
struct Set {
    keys: Vec<HotKey>,
    held: Held,
    /// Inputs that are hushed now.
    hushed: BTreeSet<String>,
    /// Of the keys of the app's own window.
    window: Chords,
    listener: Option<Listener>,
    /// Counts what was set: what an older listener still says is not heard.
    generation: u64,
    /// Why keys act in the app's own window only.
    problem: Option<Problem>,
    /// Which of them do, where the others are seen everywhere; none: all.
    unseen: Option<BTreeSet<String>>,
}

impl HotKeys {
    /// `hush` takes an input out of the mix, or back; both are called from any thread, and must not call back.
    pub(crate) fn new(
        hush: impl Fn(&str, bool) + Send + Sync + 'static,
        tell: impl Fn(KeyNews) + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner { set: Mutex::default(), hush: Box::new(hush), tell: Box::new(tell) }))
    }

    /// These keys, in place of those of before. Where the system shows no keys, [`Self::problem`] says so.
    pub(crate) fn set(&self, keys: Vec<HotKey>) -> Result<(), Problem> {
        if keys.len() > MOST_KEYS {
            return Err(Problem::bad_value(format!("There are at most {MOST_KEYS} hot keys.")));
        }
        let binding = |key: &HotKey| {
            let HotKey { id, chord, label, .. } = key.clone();
            Binding { id, chord, label }
        };
        let bindings: Vec<Binding> = keys.iter().map(binding).collect();
        let window = Chords::new(&bindings)?;
        let none = keys.is_empty();
        // Its thread may be waiting for the lock.
        let (before, generation) = {
            let mut set = self.0.set.lock();
            set.generation += 1;
            set.keys = keys;
            set.held = Held::default();
            set.window = window;
            (set.problem, set.unseen) = (None, None);
            let before = set.listener.take();
            let generation = set.generation;
            self.hush(&mut set);
            (before, generation)
        };
        drop(before);
        if none {
            return Ok(());
        }
        let weak = Arc::downgrade(&self.0);
        let on_event = move |event| {
            if let Some(inner) = weak.upgrade() {
                Self(inner).on_event(generation, event);
            }
        };
        let listener = Listener::start(&bindings, None, on_event);
        let mut set = self.0.set.lock();
        match listener {
            Ok(listener) if set.generation == generation => set.listener = Some(listener),
            Ok(listener) => {
                drop(set);
                drop(listener);
            }
            Err(error) => {
                tracing::info!(%error, "hot keys act in the app's own window only");
                set.problem = Some(error.into());
            }
        }
        Ok(())
    }

    /// A key of the app's own window. Where every key is seen, this one was already.
    pub(crate) fn press(&self, code: &str, down: bool) {
        let Some(key) = Key::from_code(code) else { return };
        let mut set = self.0.set.lock();
        if set.problem.is_some() {
            let changes = set.window.key(key, down);
            self.changed_in_window(&mut set, changes);
        }
    }

    /// Why the keys act in the window only.
    pub(crate) fn problem(&self) -> Option<Problem> {
        self.0.set.lock().problem.clone()
    }

    /// Says in the states which inputs are hushed.
    pub(crate) fn mark(&self, mut states: Vec<AudioInputState>) -> Vec<AudioInputState> {
        let set = self.0.set.lock();
        states.iter_mut().for_each(|state| state.hushed = set.hushed.contains(&state.input));
        states
    }

    /// Hushes anew what is hushed: an input was added.
    pub(crate) fn remind(&self) {
        self.0.set.lock().hushed.iter().for_each(|input| (self.0.hush)(input, true));
    }

    fn on_event(&self, generation: u64, event: KeyEvent) {
        let mut set = self.0.set.lock();
        if set.generation != generation {
            return;
        }
        match event {
            KeyEvent::Changed(change) => self.changed(&mut set, vec![change]),
            KeyEvent::Unseen(error) => {
                (set.problem, set.unseen) = (Some(error.into()), None);
                (self.0.tell)(KeyNews::Changed);
            }
            KeyEvent::Seen { missing } => {
                // What is held in the window is let go there: from now on the desktop tells of it.
                let changes = set.window.release_all();
                self.changed_in_window(&mut set, changes);
                set.problem = (!missing.is_empty()).then(|| HotKeyError::Unset(missing.len()).into());
                set.unseen = Some(missing);
                (self.0.tell)(KeyNews::Changed);
            }
            KeyEvent::Lost(error) => {
                (set.problem, set.unseen) = (Some(error.clone().into()), None);
                (self.0.tell)(KeyNews::Lost(error));
            }
            _ => {}
        }
    }

    /// Of what is seen everywhere the window has no say.
    fn changed_in_window(&self, set: &mut Set, mut changes: Vec<Change>) {
        if let Some(unseen) = &set.unseen {
            changes.retain(|change| unseen.contains(&change.id));
        }
        self.changed(set, changes);
    }

    fn changed(&self, set: &mut Set, changes: Vec<Change>) {
        for change in changes {
            let Some(key) = set.keys.iter().find(|key| key.id == change.id) else { continue };
            if matches!(key.action, HotKeyAction::Tell) {
                if change.down {
                    (self.0.tell)(KeyNews::Pressed(change.id));
                }
            } else {
                set.held.change(change, Instant::now());
            }
        }
        self.hush(set);
    }

    /// Brings the mix to what is held; comes back when a tail of talk ends.
    fn hush(&self, set: &mut Set) {
        let (hushed, until) = set.held.hushed(&set.keys, Instant::now());
        if let Some(until) = until {
            self.again(until);
        }
        if hushed == set.hushed {
            return;
        }
        for input in hushed.symmetric_difference(&set.hushed) {
            (self.0.hush)(input, hushed.contains(input));
        }
        set.hushed = hushed;
        (self.0.tell)(KeyNews::Changed);
    }

    fn again(&self, at: Instant) {
        let weak = Arc::downgrade(&self.0);
        // The time is kept by a thread of its own, which ends with it: the async runtime may be busy with others.
        let wait = move || {
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            if let Some(inner) = weak.upgrade() {
                let keys = Self(inner);
                let mut set = keys.0.set.lock();
                keys.hush(&mut set);
            }
        };
        if let Err(error) = std::thread::Builder::new().name("hot-keys-tail".into()).spawn(wait) {
            tracing::warn!(%error, "the end of a talk is not timed");
        }
    }
}

impl std::fmt::Debug for HotKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HotKeys").field("set", &self.0.set).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    type Said = Arc<Mutex<Vec<(String, bool)>>>;

    fn key(id: &str, code: &str, action: HotKeyAction) -> HotKey {
        let chord = Chord { code: code.to_owned(), ..Chord::default() };
        HotKey { id: id.to_owned(), chord, action, label: String::new() }
    }

    /// Keys that only the window sees, and what they do to the mix.
    fn in_the_window(keys: Vec<HotKey>) -> (HotKeys, Said, Arc<Mutex<Vec<String>>>) {
        let (said, pressed) = (Said::default(), Arc::<Mutex<Vec<String>>>::default());
        let (to_mix, to_session) = (Arc::clone(&said), Arc::clone(&pressed));
        let hot_keys = HotKeys::new(
            move |input, hushed| to_mix.lock().push((input.to_owned(), hushed)),
            move |news| {
                if let KeyNews::Pressed(id) = news {
                    to_session.lock().push(id);
                }
            },
        );
        hot_keys.set(keys).expect("keys");
        // As on a system that shows none.
        let mut set = hot_keys.0.set.lock();
        set.problem = Some(Problem::internal("a test"));
        let listener = set.listener.take();
        drop(set);
        drop(listener);
        (hot_keys, said, pressed)
    }

    #[test]
    fn an_input_with_a_key_to_talk_is_silent_until_it_is_down_and_a_moment_after() {
        let talk = HotKeyAction::PushToTalk { input: "microphone".into() };
        let (keys, said, _) = in_the_window(vec![key("talk", "KeyV", talk)]);
        assert_eq!(*said.lock(), [("microphone".to_owned(), true)]);
        keys.press("KeyV", true);
        assert_eq!(said.lock().last(), Some(&("microphone".to_owned(), false)));
        let up = Instant::now();
        keys.press("KeyV", false);
        assert_eq!(said.lock().len(), 2, "the last word is whole");
        while said.lock().len() < 3 {
            assert!(up.elapsed() < Duration::from_secs(10), "silent again");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(up.elapsed() >= held::TALK_TAIL);
        assert_eq!(said.lock().last(), Some(&("microphone".to_owned(), true)));
        keys.set(Vec::new()).expect("none");
        assert_eq!(said.lock().last(), Some(&("microphone".to_owned(), false)));
    }

    #[test]
    fn what_the_desktop_tells_of_acts_by_its_word_alone_and_the_rest_in_the_window() {
        let mute = |input: &str| HotKeyAction::PushToMute { input: input.to_owned() };
        let both = vec![key("a", "KeyA", mute("one")), key("b", "KeyB", mute("two"))];
        let (keys, said, _) = in_the_window(both);
        let generation = keys.0.set.lock().generation;
        let desktop = |event| keys.on_event(generation, event);
        let told = |down| KeyEvent::Changed(Change { id: "a".to_owned(), down });
        let one = |hushed| ("one".to_owned(), hushed);
        // While the desktop asks, all of them act in the window; what is held there ends with its answer.
        desktop(KeyEvent::Unseen(HotKeyError::Asking));
        assert_eq!(keys.problem().expect("why").code, "hot_keys_asking");
        keys.press("KeyA", true);
        desktop(KeyEvent::Seen { missing: ["b".to_owned()].into() });
        assert_eq!(*said.lock(), [one(true), one(false)]);
        assert_eq!(keys.problem().expect("why").code, "hot_keys_unset");
        keys.press("KeyA", true);
        keys.press("KeyB", true);
        assert_eq!(said.lock()[2..], [("two".to_owned(), true)]);
        desktop(told(true));
        desktop(told(false));
        assert_eq!(said.lock()[3..], [one(true), one(false)]);
        desktop(KeyEvent::Seen { missing: BTreeSet::new() });
        assert_eq!(keys.problem(), None);
        assert_eq!(said.lock().last(), Some(&("two".to_owned(), false)), "let go with the window");
        keys.press("KeyB", true);
        assert_eq!(said.lock().len(), 6);
        desktop(KeyEvent::Lost(HotKeyError::Desktop("it restarted".to_owned())));
        keys.press("KeyB", true);
        assert_eq!(said.lock().last(), Some(&("two".to_owned(), true)));
    }

    #[test]
    fn a_key_that_tells_is_told_once_for_each_press() {
        let (keys, said, pressed) = in_the_window(vec![key("mute", "F8", HotKeyAction::Tell)]);
        for down in [true, true, false, true, false] {
            keys.press("F8", down);
        }
        keys.press("F9", true);
        assert_eq!(*pressed.lock(), ["mute", "mute"]);
        assert!(said.lock().is_empty());
    }

    #[test]
    fn what_is_no_key_is_refused_and_what_was_set_stays() {
        let mute = HotKeyAction::PushToMute { input: "microphone".into() };
        let (keys, said, _) = in_the_window(vec![key("quiet", "KeyQ", mute.clone())]);
        assert_eq!(keys.set(vec![key("x", "Escape", mute)]).expect_err("no key").code, "unknown_key");
        keys.press("KeyQ", true);
        assert_eq!(*said.lock(), [("microphone".to_owned(), true)]);
    }
}

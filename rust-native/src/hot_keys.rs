//! Hot keys on their way from JavaScript to the engine's own types.

use napi_derive::napi;

/// A key, with those that are held beside it.
#[napi(object)]
pub struct Chord {
    /// The key's place on the keyboard, as `KeyboardEvent.code` names it; or `MouseMiddle`, `MouseBack`,
    /// `MouseForward`.
    pub code: String,
    pub ctrl: bool,
    pub alt: bool,
    pub shift: bool,
    pub meta: bool,
}

/// What a key does.
#[napi(discriminant = "kind", discriminant_case = "snake_case")]
pub enum HotKeyAction {
    PushToTalk { input: String },
    PushToMute { input: String },
    Tell,
}

/// A key that acts.
#[napi(object)]
pub struct HotKey {
    /// Chosen by the caller; an event of a `tell` names it.
    pub id: String,
    pub chord: Chord,
    pub action: HotKeyAction,
    /// What it does, in the user's words: for a desktop that lists its keys.
    pub label: Option<String>,
}

impl From<HotKey> for control_api::HotKey {
    fn from(HotKey { id, chord, action, label }: HotKey) -> Self {
        let Chord { code, ctrl, alt, shift, meta } = chord;
        let action = match action {
            HotKeyAction::PushToTalk { input } => control_api::HotKeyAction::PushToTalk { input },
            HotKeyAction::PushToMute { input } => control_api::HotKeyAction::PushToMute { input },
            HotKeyAction::Tell => control_api::HotKeyAction::Tell,
        };
        let chord = control_api::Chord { code, ctrl, alt, shift, meta };
        Self { id, chord, action, label: label.unwrap_or_default() }
    }
}

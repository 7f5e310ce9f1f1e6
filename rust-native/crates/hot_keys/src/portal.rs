//! Keys of a Wayland session, which shows a program no keys but its own: its portal is asked for them
//! (org.freedesktop.portal.GlobalShortcuts, version 1 and newer), and may ask its user.
//!
//! Unlike elsewhere these keys are taken from whoever has the focus, and which key it is the desktop decides: ours is
//! a wish. The desktop says when one goes down and up again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use session_bus::{BusError, Patience, Portal, PortalSession, Refusal, RefusedAs, Signal, Value, Waker};

use crate::{Binding, Change, Chords, HotKeyError, KeyEvent, trigger};

const SHORTCUTS: &str = "org.freedesktop.portal.GlobalShortcuts";
/// Of our desktop file.
const APP: &str = "tidecast";

/// Listens until it is dropped; then nothing more is said.
#[derive(Debug)]
pub(crate) struct Listener {
    end: Arc<End>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct End {
    is_there: AtomicBool,
    waker: Waker,
}

impl Listener {
    /// Asks the portal on the bus of that address, or on the session's; returns before there is an answer, which
    /// [`KeyEvent::Unseen`] or [`KeyEvent::Seen`] tells.
    pub(crate) fn start(
        bus: Option<&str>,
        bindings: &[Binding],
        on_event: impl FnMut(KeyEvent) + Send + 'static,
    ) -> Result<Self, HotKeyError> {
        Chords::new(bindings)?;
        let failed = |error: std::io::Error| HotKeyError::Desktop(error.to_string());
        let end = Arc::new(End { is_there: AtomicBool::new(false), waker: Waker::new().map_err(failed)? });
        let asker = Asker { bus: bus.map(str::to_owned), bindings: bindings.to_vec(), end: Arc::clone(&end) };
        let run = move || asker.run(on_event);
        let thread = std::thread::Builder::new().name("hot-keys".into()).spawn(run).map_err(failed)?;
        Ok(Self { end, thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.end.is_there.store(true, Ordering::Relaxed);
        self.end.waker.wake();
        // What it said last may have ended its owner: then it is this very thread, on its way out.
        let join = |thread: &JoinHandle<()>| thread.thread().id() != std::thread::current().id();
        if let Some(thread) = self.thread.take().filter(join)
            && thread.join().is_err()
        {
            tracing::error!("the thread that asks for keys panicked");
        }
    }
}

/// As long as the owner wants it: a user may think about the desktop's question.
struct UntilEnd<'a>(&'a End);

impl Patience for UntilEnd<'_> {
    fn look(&mut self) -> Result<Option<Instant>, BusError> {
        if self.0.is_there.load(Ordering::Relaxed) { Err(BusError::Stopped) } else { Ok(None) }
    }

    fn waker(&self) -> &Waker {
        &self.0.waker
    }
}

struct Asker {
    bus: Option<String>,
    bindings: Vec<Binding>,
    end: Arc<End>,
}

impl Asker {
    fn run(self, mut on_event: impl FnMut(KeyEvent)) {
        // Until the desktop has answered, the keys act in the app's own window.
        on_event(KeyEvent::Unseen(HotKeyError::Asking));
        match self.bind() {
            Ok((session, bound)) => {
                on_event(KeyEvent::Seen { missing: self.missing(&bound) });
                self.listen(session, on_event);
            }
            Err(Refusal::Bus(BusError::Stopped)) => {}
            Err(refusal) => on_event(KeyEvent::Unseen(explain(refusal))),
        }
    }

    fn bind(&self) -> Result<(PortalSession, Value), Refusal> {
        let mut patience = UntilEnd(&self.end);
        let mut portal = Portal::connect(self.bus.as_deref(), SHORTCUTS, &mut patience)?;
        portal.register(APP)?;
        portal.version()?;
        let session = portal.create_session()?;
        let all = self.bindings.iter().map(|binding| (binding.id.clone(), wish(binding))).collect();
        let body = vec![Value::Path(session.clone()), Value::Named(all), Value::Text(String::new())];
        let results = portal.request("BindShortcuts", body, vec![])?;
        Ok((portal.into_session(session), results.option("shortcuts").cloned().unwrap_or(Value::Bool(false))))
    }

    /// Those that the desktop gave no key: it left them out, or says so itself.
    fn missing(&self, bound: &Value) -> BTreeSet<String> {
        // A portal that tells nothing of them has taken them as they were.
        if !matches!(bound, Value::List(_)) {
            return BTreeSet::new();
        }
        let with_key: BTreeSet<&str> = bound.list().iter().filter_map(id_with_key).collect();
        let all = self.bindings.iter().map(|binding| &binding.id);
        all.filter(|id| !with_key.contains(id.as_str())).cloned().collect()
    }

    fn listen(&self, mut session: PortalSession, mut on_event: impl FnMut(KeyEvent)) {
        let mut down = BTreeSet::new();
        let lost = loop {
            if self.end.is_there.load(Ordering::Relaxed) {
                session.close();
                return;
            }
            match session.try_signal() {
                Ok(Some(signal)) if session.is_end(&signal) => break "it ended its session".to_owned(),
                Ok(Some(signal)) => {
                    if let Some(event) = self.meaning(&signal, session.path(), &mut down) {
                        on_event(event);
                    }
                }
                Ok(None) => self.end.waker.sleep(Some(session.socket()), None),
                Err(error) => break error.to_string(),
            }
        };
        // What is held can't be told to be let go any more.
        down.into_iter().for_each(|id| on_event(KeyEvent::Changed(Change { id, down: false })));
        on_event(KeyEvent::Lost(HotKeyError::Desktop(lost)));
    }

    fn meaning(&self, signal: &Signal, session: &str, down: &mut BTreeSet<String>) -> Option<KeyEvent> {
        let [of, what, ..] = signal.body.as_slice() else { return None };
        if signal.interface != SHORTCUTS || of.text() != Some(session) {
            return None;
        }
        if signal.member == "ShortcutsChanged" {
            return Some(KeyEvent::Seen { missing: self.missing(what) });
        }
        let is_down = match signal.member.as_str() {
            "Activated" => true,
            "Deactivated" => false,
            _ => return None,
        };
        let id = &self.bindings.iter().find(|binding| what.text() == Some(&binding.id))?.id;
        let is_new = if is_down { down.insert(id.clone()) } else { down.remove(id) };
        is_new.then(|| KeyEvent::Changed(Change { id: id.clone(), down: is_down }))
    }
}

/// Of an entry `(sa{sv})`, where it has a key.
fn id_with_key(entry: &Value) -> Option<&str> {
    let [id, about] = entry.list() else { return None };
    let is_none = about.option("trigger_description").and_then(Value::text) == Some("");
    if is_none { None } else { id.text() }
}

fn wish(binding: &Binding) -> HashMap<String, Value> {
    let label = if binding.label.is_empty() { &binding.id } else { &binding.label };
    let description = ("description".to_owned(), Value::Text(label.clone()));
    let trigger = trigger::preferred(&binding.chord);
    let trigger = trigger.map(|trigger| ("preferred_trigger".to_owned(), Value::Text(trigger)));
    [Some(description), trigger].into_iter().flatten().collect()
}

fn explain(refusal: Refusal) -> HotKeyError {
    const NONE: HotKeyError =
        HotKeyError::NotHere("a Wayland session shows a program no keys but its own, and its portal hands none out");
    match refusal {
        Refusal::Cancelled => HotKeyError::Refused,
        Refusal::Ended => HotKeyError::Desktop("it ended its session".to_owned()),
        Refusal::Failed(what) => HotKeyError::Desktop(what.to_owned()),
        Refusal::Bus(error) => match error.refused_as() {
            RefusedAs::NotAllowed => HotKeyError::Refused,
            RefusedAs::Missing => NONE,
            RefusedAs::Failed if matches!(error, BusError::Gone(_)) => NONE,
            RefusedAs::Failed => HotKeyError::Desktop(error.to_string()),
        },
    }
}

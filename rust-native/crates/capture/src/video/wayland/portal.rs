//! The question to the desktop: may a screen or window be shared, and which? By the ScreenCast portal
//! (org.freedesktop.portal.ScreenCast, version 1 and newer) on the session's bus.
//!
//! The portal asks the user; a token from the last time lets it answer by itself. Here is no policy: who asks, how
//! often, and what becomes of the token is the owner's.

use std::collections::HashMap;
use std::os::fd::{OwnedFd, RawFd};

use media::Secret;

use super::bus::{Bus, BusError, Patience, Signal, Target, Value};
use crate::video::{Rect, VideoError};

const PORTAL: &str = "org.freedesktop.portal.Desktop";
const PATH: &str = "/org/freedesktop/portal/desktop";
const SCREEN_CAST: &str = "org.freedesktop.portal.ScreenCast";
const SESSION: &str = "org.freedesktop.portal.Session";
const REQUEST: &str = "org.freedesktop.portal.Request";

/// Of `types`.
const MONITOR: u32 = 1;
const WINDOW: u32 = 2;
/// Of `cursor_mode`.
const HIDDEN: u32 = 1;
const EMBEDDED: u32 = 2;
/// Of `persist_mode`.
const UNTIL_REVOKED: u32 = 2;
/// Tokens of screens that are remembered came with this version of the portal.
const PERSISTS_SINCE: u32 = 4;
/// Of a response.
const GRANTED: u32 = 0;
const CANCELLED: u32 = 1;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Wish {
    /// Draw the pointer into the pictures.
    pub(super) cursor: bool,
    /// What the last [`Grant`] brought.
    pub(super) token: Option<Secret>,
}

/// What the desktop shares from now on.
pub(super) struct Grant {
    /// A connection to PipeWire that sees what is shared, and nothing else.
    pub(super) remote: OwnedFd,
    /// Its node there.
    pub(super) node: u32,
    /// Where it lies on the desktop, where the portal tells.
    pub(super) area: Option<Rect>,
    /// Asks for the same next time, without a question; good once.
    pub(super) token: Option<Secret>,
    pub(super) sharing: Sharing,
}

/// A sharing that goes on; ends with its connection to the bus.
#[derive(Debug)]
pub(super) struct Sharing {
    bus: Bus,
    session: String,
    /// The portal's own name: others may send signals too.
    owner: String,
}

impl Sharing {
    /// Whether the desktop has ended the sharing, or is gone.
    pub(super) fn has_ended(&mut self) -> bool {
        loop {
            match self.bus.try_signal() {
                Ok(Some(signal)) if ends(&signal, &self.session, &self.owner) => return true,
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(error) => {
                    tracing::debug!(%error, "the desktop is gone");
                    return true;
                }
            }
        }
    }

    /// Can be read when [`Sharing::has_ended`] may have something to say.
    pub(super) fn socket(&self) -> RawFd {
        self.bus.socket()
    }

    /// Ends the sharing: the desktop's sign for it goes out at once.
    pub(super) fn end(mut self) {
        let session = Target { destination: PORTAL, path: &self.session, interface: SESSION };
        if let Err(error) = self.bus.tell(session, "Close") {
            tracing::debug!(%error, "the sharing had ended by itself");
        }
    }
}

fn ends(signal: &Signal, session: &str, owner: &str) -> bool {
    let closed = signal.sender == owner && signal.path == session && signal.interface == SESSION;
    if closed && signal.member == "Closed" {
        return true;
    }
    let is_owner = signal.body.first().and_then(Value::text) == Some(owner);
    let has_left = signal.body.get(2).and_then(Value::text) == Some("");
    signal.sender == "org.freedesktop.DBus" && signal.member == "NameOwnerChanged" && is_owner && has_left
}

/// Asks on the bus of that address, or on the session's; returns when the desktop, and so maybe its user, has
/// answered. `None` where `patience` ended before.
///
/// # Errors
/// `portal_missing`, `portal_refused`, `sharing_failed`.
pub(super) fn ask(
    address: Option<&str>,
    wish: &Wish,
    patience: &mut dyn Patience,
) -> Result<Option<Grant>, VideoError> {
    let bus = match Bus::connect(address, patience) {
        Ok(bus) => bus,
        Err(BusError::Stopped) => return Ok(None),
        Err(error) => return Err(VideoError::PortalMissing(error.to_string())),
    };
    let asking = Asking { bus, patience, requests: 0, owner: String::new() };
    match asking.ask(wish) {
        Ok(grant) => Ok(Some(grant)),
        Err(Refusal::Bus(BusError::Stopped)) => Ok(None),
        Err(Refusal::Bus(error)) => Err(explain(error)),
        Err(Refusal::Plain(error)) => Err(error),
    }
}

enum Refusal {
    Bus(BusError),
    Plain(VideoError),
}

impl From<BusError> for Refusal {
    fn from(error: BusError) -> Self {
        Self::Bus(error)
    }
}

struct Asking<'a> {
    bus: Bus,
    patience: &'a mut dyn Patience,
    requests: u32,
    owner: String,
}

impl Asking<'_> {
    fn ask(mut self, wish: &Wish) -> Result<Grant, Refusal> {
        let version = self.property("version")?.unwrap_or(1);
        // All of them are sent to whoever subscribes.
        for rule in [
            format!("type='signal',sender='{PORTAL}',interface='{REQUEST}',member='Response'"),
            format!("type='signal',sender='{PORTAL}',interface='{SESSION}',member='Closed'"),
            format!("type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{}'", self.owner),
        ] {
            self.bus.subscribe(&rule, self.patience)?;
        }
        let types = self.property("AvailableSourceTypes")?.unwrap_or(MONITOR) & (MONITOR | WINDOW);
        // Came with version 2; before it the portal drew the pointer as it liked.
        let cursor_modes = self.property("AvailableCursorModes")?.unwrap_or(0);

        let session_token = ("session_handle_token", Value::Text("tidecast".to_owned()));
        let created = self.request("CreateSession", vec![], [session_token].into())?;
        let session = created.option("session_handle").and_then(Value::text);
        let session = session.ok_or_else(|| failed("it gave no session"))?.to_owned();
        let handle = || Value::Path(session.clone());

        let mut options = vec![("types", Value::U32(types)), ("multiple", Value::Bool(false))];
        options.extend(cursor_mode(wish.cursor, cursor_modes).map(|mode| ("cursor_mode", Value::U32(mode))));
        if version >= PERSISTS_SINCE {
            options.push(("persist_mode", Value::U32(UNTIL_REVOKED)));
            options.extend(wish.token.as_ref().map(|token| ("restore_token", Value::Text(token.expose().to_owned()))));
        }
        self.request("SelectSources", vec![handle()], options)?;
        let started = self.request("Start", vec![handle(), Value::Text(String::new())], vec![])?;
        let (node, area) = first_stream(&started).ok_or_else(|| failed("nothing was chosen"))?;
        let token = started.option("restore_token").and_then(Value::text).map(Secret::new);

        let opened =
            self.bus.call(target(), "OpenPipeWireRemote", vec![handle(), Value::options([])], self.patience)?;
        let remote = opened.handles.into_iter().next().ok_or_else(|| failed("it gave no connection to PipeWire"))?;
        let sharing = Sharing { bus: self.bus, session, owner: self.owner };
        Ok(Grant { remote, node, area, token, sharing })
    }

    /// A number that the portal tells of itself; `None` where it does not.
    fn property(&mut self, name: &str) -> Result<Option<u32>, BusError> {
        let properties = Target { interface: "org.freedesktop.DBus.Properties", ..target() };
        let body = vec![Value::Text(SCREEN_CAST.to_owned()), Value::Text(name.to_owned())];
        match self.bus.call(properties, "Get", body, self.patience) {
            Ok(answer) => {
                self.owner = answer.sender;
                Ok(answer.body.first().and_then(Value::number))
            }
            // Without a version it is no portal for screens at all.
            Err(BusError::Refused { .. }) if name != "version" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A call whose result comes later, as a signal of the request that it makes.
    fn request(&mut self, member: &str, mut body: Vec<Value>, options: Vec<(&str, Value)>) -> Result<Value, Refusal> {
        self.requests += 1;
        let token = format!("tidecast{}", self.requests);
        let sender = self.bus.name.trim_start_matches(':').replace('.', "_");
        let expected = format!("{PATH}/request/{sender}/{token}");
        let mut options: HashMap<String, Value> =
            options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        options.insert("handle_token".to_owned(), Value::Text(token));
        body.push(Value::Options(options));
        let answer = self.bus.call(target(), member, body, self.patience)?;
        // Portals before 0.9 choose the path by themselves.
        let path = answer.body.first().and_then(Value::text).unwrap_or(&expected).to_owned();
        loop {
            let signal = self.bus.signal(self.patience)?;
            let is_response = signal.interface == REQUEST && signal.member == "Response" && signal.sender == self.owner;
            if is_response && (signal.path == path || signal.path == expected) {
                let mut body = signal.body.into_iter();
                let (code, results) = (body.next().and_then(|code| code.number()), body.next());
                return match code {
                    Some(GRANTED) => Ok(results.unwrap_or(Value::options([]))),
                    Some(CANCELLED) => Err(Refusal::Plain(VideoError::PortalRefused)),
                    _ => Err(failed("it ended its question without an answer")),
                };
            }
            let is_gone = signal.member == "NameOwnerChanged"
                && signal.body.first().and_then(Value::text) == Some(self.owner.as_str())
                && signal.body.get(2).and_then(Value::text) == Some("");
            if is_gone {
                return Err(failed("it crashed"));
            }
        }
    }
}

fn target() -> Target<'static> {
    Target { destination: PORTAL, path: PATH, interface: SCREEN_CAST }
}

fn failed(what: &str) -> Refusal {
    Refusal::Plain(VideoError::SharingFailed(what.to_owned()))
}

/// Node and place of the first of `streams: a(ua{sv})`.
fn first_stream(results: &Value) -> Option<(u32, Option<Rect>)> {
    let [node, properties] = results.option("streams")?.list().first()?.list() else { return None };
    let pair = |name| match properties.option(name).map(Value::list) {
        Some([Value::Whole(first), Value::Whole(second)]) => Some((*first, *second)),
        _ => None,
    };
    let area = pair("position").zip(pair("size")).and_then(|((x, y), (width, height))| {
        Some(Rect {
            x: x.try_into().ok()?,
            y: y.try_into().ok()?,
            width: width.try_into().ok()?,
            height: height.try_into().ok()?,
        })
    });
    Some((node.number()?, area))
}

/// `None` leaves it to the portal, which then hides the pointer.
fn cursor_mode(wanted: bool, offered: u32) -> Option<u32> {
    let mode = if wanted { EMBEDDED } else { HIDDEN };
    if offered & mode != 0 {
        return Some(mode);
    }
    tracing::warn!(wanted, offered, "the desktop's portal draws the pointer as it likes");
    None
}

/// Nobody at that name, or nobody who knows that interface, is a missing portal; the rest is one that fails.
fn explain(error: BusError) -> VideoError {
    const MISSING: [&str; 6] =
        ["ServiceUnknown", "NameHasNoOwner", "UnknownMethod", "UnknownInterface", "UnknownObject", "InvalidArgs"];
    match error {
        BusError::Refused { name, text } => match name.rsplit('.').next().unwrap_or_default() {
            "NotAllowed" | "Cancelled" => VideoError::PortalRefused,
            kind if MISSING.contains(&kind) || name.contains(".Spawn.") => VideoError::PortalMissing(text),
            _ => VideoError::SharingFailed(text),
        },
        other => VideoError::SharingFailed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pointer_is_drawn_or_hidden_where_the_portal_can_and_left_to_it_else() {
        assert_eq!(cursor_mode(true, 7), Some(EMBEDDED));
        assert_eq!(cursor_mode(false, 7), Some(HIDDEN));
        assert_eq!(cursor_mode(true, HIDDEN), None);
        assert_eq!(cursor_mode(false, 0), None);
    }

    #[test]
    fn each_refusal_says_whose_it_is() {
        let refused = |name: &str| {
            let name = format!("org.freedesktop.{name}");
            explain(BusError::Refused { name, text: "why".to_owned() }).code()
        };
        assert_eq!(refused("DBus.Error.ServiceUnknown"), "portal_missing");
        assert_eq!(refused("DBus.Error.Spawn.ExecFailed"), "portal_missing");
        assert_eq!(refused("DBus.Error.UnknownMethod"), "portal_missing");
        assert_eq!(refused("portal.Error.NotAllowed"), "portal_refused");
        assert_eq!(refused("portal.Error.Failed"), "sharing_failed");
        assert_eq!(explain(BusError::Silent).code(), "sharing_failed");
    }

    #[test]
    fn only_the_portal_itself_ends_a_sharing() {
        let signal = |sender: &str, path: &str, member: &str, body: Vec<Value>| Signal {
            sender: sender.to_owned(),
            path: path.to_owned(),
            interface: SESSION.to_owned(),
            member: member.to_owned(),
            body,
        };
        let text = |text: &str| Value::Text(text.to_owned());
        assert!(ends(&signal(":1.5", "/s", "Closed", vec![]), "/s", ":1.5"));
        assert!(!ends(&signal(":1.6", "/s", "Closed", vec![]), "/s", ":1.5"));
        assert!(!ends(&signal(":1.5", "/other", "Closed", vec![]), "/s", ":1.5"));
        let left = |name: &str, new: &str| {
            let body = vec![text(name), text(name), text(new)];
            ends(&signal("org.freedesktop.DBus", "/", "NameOwnerChanged", body), "/s", ":1.5")
        };
        assert!(left(":1.5", ""));
        assert!(!left(":1.6", "") && !left(":1.5", ":1.7"));
    }

    #[test]
    fn a_stream_is_read_with_or_without_its_place() {
        let stream = |options| {
            let stream = Value::List(vec![Value::U32(57), Value::Options(options)]);
            Value::options([("streams", Value::List(vec![stream]))])
        };
        let pair = |a, b| Value::List(vec![Value::Whole(a), Value::Whole(b)]);
        assert_eq!(first_stream(&stream(HashMap::new())), Some((57, None)));
        let place = [("position".to_owned(), pair(-10, 0)), ("size".to_owned(), pair(640, 360))];
        let area = Rect { x: -10, y: 0, width: 640, height: 360 };
        assert_eq!(first_stream(&stream(place.clone().into())), Some((57, Some(area))));
        let negative = [place[0].clone(), ("size".to_owned(), pair(-1, 360))];
        assert_eq!(first_stream(&stream(negative.into())), Some((57, None)));
        assert_eq!(first_stream(&Value::options([])), None);
    }
}

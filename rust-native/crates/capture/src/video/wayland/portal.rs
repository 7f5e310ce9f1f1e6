//! The question to the desktop: may a screen or window be shared, and which? By the ScreenCast portal
//! (org.freedesktop.portal.ScreenCast, version 1 and newer) on the session's bus.
//!
//! The portal asks the user; a token from the last time lets it answer by itself. Here is no policy: who asks, how
//! often, and what becomes of the token is the owner's.

use std::os::fd::{OwnedFd, RawFd};

use media::Secret;
use session_bus::{BusError, Patience, Portal, PortalSession, Refusal, RefusedAs, Value};

use crate::video::{Rect, VideoError};

const SCREEN_CAST: &str = "org.freedesktop.portal.ScreenCast";

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
pub(super) struct Sharing(PortalSession);

impl Sharing {
    /// Whether the desktop has ended the sharing, or is gone.
    pub(super) fn has_ended(&mut self) -> bool {
        loop {
            match self.0.try_signal() {
                Ok(Some(signal)) if self.0.is_end(&signal) => return true,
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
        self.0.socket()
    }

    /// Ends the sharing: the desktop's sign for it goes out at once.
    pub(super) fn end(self) {
        self.0.close();
    }
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
    let portal = match Portal::connect(address, SCREEN_CAST, patience) {
        Ok(portal) => portal,
        Err(BusError::Stopped) => return Ok(None),
        Err(error) => return Err(VideoError::PortalMissing(error.to_string())),
    };
    match share(portal, wish) {
        Ok(grant) => Ok(Some(grant)),
        Err(Refusal::Bus(BusError::Stopped)) => Ok(None),
        Err(refusal) => Err(explain(refusal)),
    }
}

fn share(mut portal: Portal<'_>, wish: &Wish) -> Result<Grant, Refusal> {
    let version = portal.version()?;
    let types = portal.property("AvailableSourceTypes")?.unwrap_or(MONITOR) & (MONITOR | WINDOW);
    // Came with version 2; before it the portal drew the pointer as it liked.
    let cursor_modes = portal.property("AvailableCursorModes")?.unwrap_or(0);

    let session = portal.create_session()?;
    let handle = || Value::Path(session.clone());

    let mut options = vec![("types", Value::U32(types)), ("multiple", Value::Bool(false))];
    options.extend(cursor_mode(wish.cursor, cursor_modes).map(|mode| ("cursor_mode", Value::U32(mode))));
    if version >= PERSISTS_SINCE {
        options.push(("persist_mode", Value::U32(UNTIL_REVOKED)));
        options.extend(wish.token.as_ref().map(|token| ("restore_token", Value::Text(token.expose().to_owned()))));
    }
    portal.request("SelectSources", vec![handle()], options)?;
    let started = portal.request("Start", vec![handle(), Value::Text(String::new())], vec![])?;
    let (node, area) = first_stream(&started).ok_or(Refusal::Failed("nothing was chosen"))?;
    let token = started.option("restore_token").and_then(Value::text).map(Secret::new);

    let opened = portal.call("OpenPipeWireRemote", vec![handle(), Value::options([])])?;
    let remote = opened.handles.into_iter().next().ok_or(Refusal::Failed("it gave no connection to PipeWire"))?;
    let sharing = Sharing(portal.into_session(session));
    Ok(Grant { remote, node, area, token, sharing })
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

fn explain(refusal: Refusal) -> VideoError {
    match refusal {
        Refusal::Cancelled => VideoError::PortalRefused,
        Refusal::Ended => VideoError::SharingEnded,
        Refusal::Failed(what) => VideoError::SharingFailed(what.to_owned()),
        Refusal::Bus(error) => match (error.refused_as(), error) {
            (RefusedAs::NotAllowed, _) => VideoError::PortalRefused,
            (RefusedAs::Missing, BusError::Refused { text, .. }) => VideoError::PortalMissing(text),
            (_, BusError::Refused { text, .. }) => VideoError::SharingFailed(text),
            (_, error) => VideoError::SharingFailed(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

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
            explain(BusError::Refused { name, text: "why".to_owned() }.into())
        };
        assert_eq!(refused("DBus.Error.ServiceUnknown"), VideoError::PortalMissing("why".to_owned()));
        assert_eq!(refused("portal.Error.NotAllowed"), VideoError::PortalRefused);
        assert_eq!(refused("portal.Error.Failed"), VideoError::SharingFailed("why".to_owned()));
        assert_eq!(explain(BusError::Silent.into()).code(), "sharing_failed");
        assert_eq!(explain(Refusal::Cancelled), VideoError::PortalRefused);
        assert_eq!(explain(Refusal::Ended), VideoError::SharingEnded);
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

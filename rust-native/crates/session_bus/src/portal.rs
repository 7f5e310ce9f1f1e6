//! What all portals of a desktop share (org.freedesktop.portal.Request and .Session): questions whose answer comes
//! later, as a signal, and sessions that either side may end.

use std::collections::HashMap;
use std::os::fd::RawFd;

use crate::{Answer, Bus, BusError, Patience, Signal, Target, Value};

const PORTAL: &str = "org.freedesktop.portal.Desktop";
const PATH: &str = "/org/freedesktop/portal/desktop";
const SESSION: &str = "org.freedesktop.portal.Session";
const REQUEST: &str = "org.freedesktop.portal.Request";
const REGISTRY: &str = "org.freedesktop.host.portal.Registry";

/// Of a response.
const GRANTED: u32 = 0;
const CANCELLED: u32 = 1;

/// Why a portal gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The bus, or the portal at the call itself.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The user said no.
    #[error("the user said no")]
    Cancelled,
    /// The desktop ended the session while it was asked for more.
    #[error("the desktop ended the session")]
    Ended,
    /// It tried and could not.
    #[error("the desktop's portal failed: {0}")]
    Failed(&'static str),
}

/// One interface of the portal, while it is asked.
pub struct Portal<'a> {
    bus: Bus,
    patience: &'a mut dyn Patience,
    interface: &'static str,
    requests: u32,
    /// Once it is opened.
    session: Option<String>,
    /// The portal's own name: others may send signals too.
    owner: String,
}

impl<'a> Portal<'a> {
    /// Connects to the bus of that address, or to the session's.
    ///
    /// # Errors
    /// Any [`BusError`].
    pub fn connect(
        address: Option<&str>,
        interface: &'static str,
        patience: &'a mut dyn Patience,
    ) -> Result<Self, BusError> {
        let bus = Bus::connect(address, patience)?;
        Ok(Self { bus, patience, interface, requests: 0, session: None, owner: String::new() })
    }

    /// Says which program this is, by the name of its desktop file, to portals that ask it of programs outside of any
    /// sandbox. Older ones know no such question, and those that find no such file go by what they see.
    ///
    /// # Errors
    /// The bus is gone.
    pub fn register(&mut self, app: &str) -> Result<(), BusError> {
        let registry = Target { destination: PORTAL, path: PATH, interface: REGISTRY };
        let body = vec![Value::Text(app.to_owned()), Value::options([])];
        match self.bus.call(registry, "Register", body, self.patience) {
            Ok(_) => Ok(()),
            Err(BusError::Refused { name, text }) => {
                tracing::debug!(name, text, "the portal takes no name of a program");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The interface's version; from then on the portal is known, and its signals are heard.
    ///
    /// # Errors
    /// Any [`BusError`]; a portal without that interface refuses.
    pub fn version(&mut self) -> Result<u32, BusError> {
        let version = self.get("version")?.unwrap_or(1);
        // All of them are sent to whoever subscribes.
        for rule in [
            format!("type='signal',sender='{PORTAL}',interface='{REQUEST}',member='Response'"),
            format!("type='signal',sender='{PORTAL}',interface='{SESSION}',member='Closed'"),
            format!("type='signal',sender='{PORTAL}',interface='{}'", self.interface),
            format!("type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{}'", self.owner),
        ] {
            self.bus.subscribe(&rule, self.patience)?;
        }
        Ok(version)
    }

    /// A number that the portal tells of itself; `None` where it does not.
    ///
    /// # Errors
    /// Any [`BusError`].
    pub fn property(&mut self, name: &str) -> Result<Option<u32>, BusError> {
        match self.get(name) {
            Err(BusError::Refused { .. }) => Ok(None),
            other => other,
        }
    }

    fn get(&mut self, name: &str) -> Result<Option<u32>, BusError> {
        let properties = Target { interface: "org.freedesktop.DBus.Properties", ..self.target() };
        let body = vec![Value::Text(self.interface.to_owned()), Value::Text(name.to_owned())];
        let answer = self.bus.call(properties, "Get", body, self.patience)?;
        self.owner = answer.sender;
        Ok(answer.body.first().and_then(Value::number))
    }

    /// Opens a session; gives its path.
    ///
    /// # Errors
    /// Any [`Refusal`].
    pub fn create_session(&mut self) -> Result<String, Refusal> {
        let token = ("session_handle_token", Value::Text("tidecast".to_owned()));
        let created = self.request("CreateSession", vec![], vec![token])?;
        let session = created.option("session_handle").and_then(Value::text);
        self.session = session.map(str::to_owned);
        self.session.clone().ok_or(Refusal::Failed("it gave no session"))
    }

    /// Calls, and waits for the answer.
    ///
    /// # Errors
    /// Any [`BusError`].
    pub fn call(&mut self, member: &str, body: Vec<Value>) -> Result<Answer, BusError> {
        self.bus.call(self.target(), member, body, self.patience)
    }

    /// A call whose result comes later, as a signal of the request that it makes.
    ///
    /// # Errors
    /// Any [`Refusal`].
    pub fn request(
        &mut self,
        member: &str,
        mut body: Vec<Value>,
        options: Vec<(&str, Value)>,
    ) -> Result<Value, Refusal> {
        self.requests += 1;
        let token = format!("tidecast{}", self.requests);
        let sender = self.bus.name().trim_start_matches(':').replace('.', "_");
        let expected = format!("{PATH}/request/{sender}/{token}");
        let mut options: HashMap<String, Value> =
            options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        options.insert("handle_token".to_owned(), Value::Text(token));
        body.push(Value::Options(options));
        let answer = self.call(member, body)?;
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
                    Some(CANCELLED) => Err(Refusal::Cancelled),
                    _ => Err(Refusal::Failed("it ended its question without an answer")),
                };
            }
            if has_left(&signal, &self.owner) {
                return Err(Refusal::Failed("it crashed"));
            }
            if self.session.as_ref().is_some_and(|session| ends(&signal, session, &self.owner)) {
                return Err(Refusal::Ended);
            }
        }
    }

    /// The session goes on by itself; nothing more is asked.
    pub fn into_session(self, path: String) -> PortalSession {
        PortalSession { bus: self.bus, path, owner: self.owner }
    }

    fn target(&self) -> Target<'static> {
        Target { destination: PORTAL, path: PATH, interface: self.interface }
    }
}

impl std::fmt::Debug for Portal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Portal").field("interface", &self.interface).finish_non_exhaustive()
    }
}

/// What the desktop granted, while it lasts; ends with its connection to the bus.
#[derive(Debug)]
pub struct PortalSession {
    bus: Bus,
    path: String,
    /// The portal's own name: others may send signals too.
    owner: String,
}

impl PortalSession {
    /// Its path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Can be read when something came.
    pub fn socket(&self) -> RawFd {
        self.bus.socket()
    }

    /// The next signal of the portal's, if it is there.
    ///
    /// # Errors
    /// The bus is gone.
    pub fn try_signal(&mut self) -> Result<Option<Signal>, BusError> {
        while let Some(signal) = self.bus.try_signal()? {
            if signal.sender == self.owner || has_left(&signal, &self.owner) {
                return Ok(Some(signal));
            }
        }
        Ok(None)
    }

    /// Whether that signal says that the desktop has ended the session, or is gone.
    pub fn is_end(&self, signal: &Signal) -> bool {
        ends(signal, &self.path, &self.owner)
    }

    /// Ends it: the desktop's sign for it goes out at once.
    pub fn close(mut self) {
        let session = Target { destination: PORTAL, path: &self.path, interface: SESSION };
        if let Err(error) = self.bus.tell(session, "Close") {
            tracing::debug!(%error, "the session had ended by itself");
        }
    }
}

fn ends(signal: &Signal, session: &str, owner: &str) -> bool {
    let closed = signal.sender == owner && signal.path == session && signal.interface == SESSION;
    (closed && signal.member == "Closed") || has_left(signal, owner)
}

fn has_left(signal: &Signal, owner: &str) -> bool {
    let is_owner = signal.body.first().and_then(Value::text) == Some(owner);
    let has_left = signal.body.get(2).and_then(Value::text) == Some("");
    signal.sender == "org.freedesktop.DBus" && signal.member == "NameOwnerChanged" && is_owner && has_left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_portal_itself_ends_a_session() {
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
}

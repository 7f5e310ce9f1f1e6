//! A connection to the session's message bus (D-Bus Specification 0.43), as far as asking a portal needs it: calls,
//! their answers, signals, and descriptors that come with them.
//!
//! It blocks its own thread, sleeps without waking for nothing, and can be woken. It offers no objects of its own. Of
//! the crates that speak D-Bus `zbus` brings an executor, 29 crates and other features of tokio, for four calls.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;

use crate::error::{ANSWER_LIMIT, BusError};
use crate::wire::{Kind, Message};
use crate::{Value, Waker};

/// The bus itself answers at once.
const GREETING_LIMIT: Duration = Duration::from_secs(5);
/// Descriptors in one piece of a message: one is all that a portal sends.
const MOST_HANDLES: usize = 16;
const BUS: &str = "org.freedesktop.DBus";

/// A signal that came.
#[derive(Debug)]
pub struct Signal {
    /// Who sent it, by the bus's own name for it.
    pub sender: String,
    /// The object that it is about.
    pub path: String,
    /// What the object is.
    pub interface: String,
    /// What happened.
    pub member: String,
    /// The rest.
    pub body: Vec<Value>,
}

/// An answer that came.
#[derive(Debug)]
pub struct Answer {
    /// Who gave it, by the bus's own name for it.
    pub sender: String,
    /// What was given.
    pub body: Vec<Value>,
    /// Descriptors that came with it.
    pub handles: Vec<OwnedFd>,
}

/// Where a call goes.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Whose.
    pub destination: &'a str,
    /// Which object there.
    pub path: &'a str,
    /// By which of its interfaces.
    pub interface: &'a str,
}

/// How one waits: until when, and whether still.
pub trait Patience {
    /// Looked at before each sleep; `Some` is when to look again at the latest.
    ///
    /// # Errors
    /// [`BusError::Stopped`].
    fn look(&mut self) -> Result<Option<Instant>, BusError>;
    /// Ends a sleep when the owner wants something.
    fn waker(&self) -> &Waker;
}

/// The connection.
pub struct Bus {
    socket: UnixStream,
    name: String,
    serial: u32,
    unread: Vec<u8>,
    handles: VecDeque<OwnedFd>,
    signals: VecDeque<Signal>,
}

impl Bus {
    /// Connects to the bus of that address, or to the session's.
    ///
    /// # Errors
    /// Any [`BusError`].
    pub fn connect(address: Option<&str>, patience: &mut dyn Patience) -> Result<Self, BusError> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let session = || {
            let by_default = || variable("XDG_RUNTIME_DIR").map(|folder| format!("unix:path={folder}/bus"));
            variable("DBUS_SESSION_BUS_ADDRESS").or_else(by_default)
        };
        let address = address.map(str::to_owned).or_else(session);
        let address = address.ok_or_else(|| BusError::Gone("DBUS_SESSION_BUS_ADDRESS is not set".to_owned()))?;
        let mut bus = Self {
            socket: open(&address)?,
            name: String::new(),
            serial: 0,
            unread: Vec::new(),
            handles: VecDeque::new(),
            signals: VecDeque::new(),
        };
        bus.greet()?;
        let hello = bus.call(
            Target { destination: BUS, path: "/org/freedesktop/DBus", interface: BUS },
            "Hello",
            vec![],
            patience,
        )?;
        bus.name = hello.body.first().and_then(Value::text).unwrap_or_default().to_owned();
        Ok(bus)
    }

    /// By which others answer: `:1.42`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// "Authentication Protocol": as the user whose process this is, and with descriptors.
    fn greet(&mut self) -> Result<(), BusError> {
        self.socket.set_read_timeout(Some(GREETING_LIMIT))?;
        // SAFETY: a plain call that can't fail.
        let user = unsafe { libc::geteuid() }.to_string();
        let user: String = user.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.socket.write_all(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes())?;
        self.expect("OK ")?;
        self.socket.write_all(b"NEGOTIATE_UNIX_FD\r\n")?;
        self.expect("AGREE_UNIX_FD")?;
        self.socket.write_all(b"BEGIN\r\n")?;
        self.socket.set_nonblocking(true)?;
        Ok(())
    }

    /// One line of the greeting, byte by byte: what follows it is not of its kind.
    fn expect(&mut self, start: &str) -> Result<(), BusError> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") && line.len() < 512 {
            let mut byte = [0];
            self.socket.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        let line = String::from_utf8_lossy(&line);
        if line.starts_with(start) { Ok(()) } else { Err(BusError::Gone(format!("it said {}", line.trim()))) }
    }

    /// Has signals of that description sent here ("Match Rules").
    ///
    /// # Errors
    /// Any [`BusError`].
    pub fn subscribe(&mut self, rule: &str, patience: &mut dyn Patience) -> Result<(), BusError> {
        let bus = Target { destination: BUS, path: "/org/freedesktop/DBus", interface: BUS };
        self.call(bus, "AddMatch", vec![Value::Text(rule.to_owned())], patience).map(drop)
    }

    /// Calls, and waits for the answer; signals that come meanwhile are kept.
    ///
    /// # Errors
    /// Any [`BusError`].
    pub fn call(
        &mut self,
        target: Target<'_>,
        member: &str,
        body: Vec<Value>,
        patience: &mut dyn Patience,
    ) -> Result<Answer, BusError> {
        let serial = self.send(target, member, body)?;
        let limit = Instant::now() + ANSWER_LIMIT;
        loop {
            while let Some((message, handles)) = self.next_message()? {
                match message.kind {
                    Kind::Return if message.reply_to == serial => {
                        return Ok(Answer { sender: message.sender, body: message.body, handles });
                    }
                    Kind::Error if message.reply_to == serial => {
                        let text = message.body.first().and_then(Value::text).unwrap_or_default().to_owned();
                        return Err(BusError::Refused { name: message.error, text });
                    }
                    _ => self.keep(message),
                }
            }
            if Instant::now() >= limit {
                return Err(BusError::Silent);
            }
            self.sleep(Some(limit), patience)?;
        }
    }

    /// Calls without an interest in the answer.
    ///
    /// # Errors
    /// The bus is gone.
    pub fn tell(&mut self, target: Target<'_>, member: &str) -> Result<(), BusError> {
        self.send(target, member, vec![]).map(drop)
    }

    /// Waits for the next signal.
    ///
    /// # Errors
    /// The bus is gone, or the patience over.
    pub fn signal(&mut self, patience: &mut dyn Patience) -> Result<Signal, BusError> {
        loop {
            if let Some(signal) = self.try_signal()? {
                return Ok(signal);
            }
            self.sleep(None, patience)?;
        }
    }

    /// The next signal, if it is there.
    ///
    /// # Errors
    /// The bus is gone.
    pub fn try_signal(&mut self) -> Result<Option<Signal>, BusError> {
        while self.signals.is_empty() {
            let Some((message, _)) = self.next_message()? else { return Ok(None) };
            self.keep(message);
        }
        Ok(self.signals.pop_front())
    }

    /// Can be read when something came.
    pub fn socket(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    fn keep(&mut self, message: Message) {
        if message.kind == Kind::Signal {
            let Message { sender, path, interface, member, body, .. } = message;
            self.signals.push_back(Signal { sender, path, interface, member, body });
        }
    }

    fn send(&mut self, target: Target<'_>, member: &str, body: Vec<Value>) -> Result<u32, BusError> {
        self.serial += 1;
        let mut message = Message::new(Kind::Call, self.serial);
        message.destination = target.destination.to_owned();
        message.path = target.path.to_owned();
        message.interface = target.interface.to_owned();
        message.member = member.to_owned();
        message.body = body;
        // A few hundred bytes: a bus whose buffer has no room for them reads nothing any more.
        self.socket.write_all(&message.encode())?;
        Ok(self.serial)
    }

    fn sleep(&mut self, limit: Option<Instant>, patience: &mut dyn Patience) -> Result<(), BusError> {
        let again = patience.look()?;
        let until = [limit, again].into_iter().flatten().min();
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        patience.waker().sleep(Some(self.socket()), left);
        Ok(())
    }

    /// The next whole message, if it is there.
    fn next_message(&mut self) -> Result<Option<(Message, Vec<OwnedFd>)>, BusError> {
        loop {
            let length = Message::length(&self.unread).map_err(|error| BusError::Gone(error.to_string()))?;
            if let Some(length) = length.filter(|&length| length <= self.unread.len()) {
                let bytes: Vec<u8> = self.unread.drain(..length).collect();
                let message = Message::decode(&bytes).map_err(|error| BusError::Gone(error.to_string()))?;
                let Some(message) = message else { continue };
                let count = (message.handles as usize).min(self.handles.len());
                let handles = self.handles.drain(..count).collect();
                return Ok(Some((message, handles)));
            }
            if !self.receive()? {
                return Ok(None);
            }
        }
    }

    /// Reads what is there; `false` where nothing is.
    fn receive(&mut self) -> Result<bool, BusError> {
        let mut bytes = [0_u8; 16 * 1024];
        // Aligned as a control message is.
        let mut control = [0_u64; 64];
        let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        // SAFETY: a plain structure of which zeros mean "nothing".
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&control);
        // SAFETY: an open socket, and buffers of the lengths that are told.
        let count = unsafe { libc::recvmsg(self.socket.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) };
        if count < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(false),
                _ => Err(error.into()),
            };
        }
        // SAFETY: the kernel has filled the header, and keeps to the lengths it was told.
        unsafe { self.take_handles(&header) };
        if count == 0 {
            return Err(BusError::Gone("it closed the connection".to_owned()));
        }
        self.unread.extend(&bytes[..count as usize]);
        Ok(true)
    }

    /// # Safety
    /// `header` was filled by `recvmsg`.
    unsafe fn take_handles(&mut self, header: &libc::msghdr) {
        // SAFETY: by the caller; these walk the control messages within their length.
        unsafe {
            let mut control = libc::CMSG_FIRSTHDR(header);
            while let Some(message) = control.as_ref() {
                if message.cmsg_level == libc::SOL_SOCKET && message.cmsg_type == libc::SCM_RIGHTS {
                    let length = message.cmsg_len.saturating_sub(libc::CMSG_LEN(0) as usize);
                    let data = libc::CMSG_DATA(control).cast::<RawFd>();
                    for index in 0..length / size_of::<RawFd>() {
                        // Owned from here on, also where there are too many of them.
                        let handle = OwnedFd::from_raw_fd(data.add(index).read_unaligned());
                        if self.handles.len() < MOST_HANDLES {
                            self.handles.push_back(handle);
                        }
                    }
                }
                control = libc::CMSG_NXTHDR(header, control);
            }
        }
    }
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Tries each of the addresses ("Server Addresses"), of which those of sockets are known.
fn open(addresses: &str) -> Result<UnixStream, BusError> {
    let mut last = BusError::Gone(format!("{addresses} is no address of a socket"));
    for address in addresses.split(';') {
        let Some(address) = socket_address(address) else { continue };
        match address.and_then(|address| UnixStream::connect_addr(&address)) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

fn socket_address(address: &str) -> Option<io::Result<SocketAddr>> {
    let keys = address.strip_prefix("unix:")?;
    keys.split(',').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let value: Vec<u8> = percent_decode_str(value).collect();
        match key {
            "path" => Some(SocketAddr::from_pathname(std::path::Path::new(std::str::from_utf8(&value).ok()?))),
            "abstract" => Some(SocketAddr::from_abstract_name(value)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_sockets_are_understood_and_others_left_out() {
        let path = |address: &str| {
            let address = socket_address(address)?.ok()?;
            address.as_pathname().map(|path| path.display().to_string())
        };
        assert_eq!(path("unix:path=/run/user/1000/bus").as_deref(), Some("/run/user/1000/bus"));
        assert_eq!(path("unix:guid=1,path=/a%20b").as_deref(), Some("/a b"));
        let name = socket_address("unix:abstract=/tmp/dbus-1").expect("an address").expect("a name");
        assert_eq!(name.as_abstract_name(), Some("/tmp/dbus-1".as_bytes()));
        assert!(socket_address("tcp:host=localhost,port=1").is_none());
        assert!(socket_address("unix:").is_none());
        assert!(matches!(open("tcp:host=a;launchd:env=B"), Err(BusError::Gone(_))));
    }
}

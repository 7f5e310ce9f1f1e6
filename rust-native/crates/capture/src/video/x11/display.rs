//! A connection to the X server with the extensions that capture needs, and what its errors mean.

use x11rb::connection::{Connection, RequestConnection};
use x11rb::errors::{ConnectionError, ReplyError, ReplyOrIdError};
use x11rb::protocol::composite::{self, ConnectionExt as _};
use x11rb::protocol::damage::{self, ConnectionExt as _};
use x11rb::protocol::randr::{self, ConnectionExt as _};
use x11rb::protocol::shm::{self, ConnectionExt as _};
use x11rb::protocol::xfixes::{self, ConnectionExt as _};
use x11rb::protocol::xinput::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{ConnectionExt as _, ImageOrder, Window};
use x11rb::rust_connection::RustConnection;

use super::target::monitors;
use crate::video::{Rect, VideoError};

x11rb::atom_manager! {
    /// The names of properties and types that are asked for.
    pub(super) Atoms: AtomsCookie {
        _NET_ACTIVE_WINDOW,
        _NET_CLIENT_LIST,
        _NET_CLIENT_LIST_STACKING,
        _NET_WM_NAME,
        _NET_WM_PID,
        _NET_WM_STATE,
        _NET_WM_STATE_FULLSCREEN,
        _NET_WM_WINDOW_TYPE,
        _NET_WM_WINDOW_TYPE_DESKTOP,
        _NET_WM_WINDOW_TYPE_DOCK,
        UTF8_STRING,
        WM_STATE,
    }
}

/// Display `n` listens on TCP port 6000 + n: x11rb adds that up unchecked for any name it is given.
const MOST_DISPLAYS: u64 = 65_535 - 6000;

/// 7 in `host:7.0`.
fn display_number(name: &str) -> Option<u64> {
    let (_, number) = name.rsplit_once(':')?;
    number.split('.').next()?.parse().ok()
}

/// A connection of one thread.
#[derive(Debug)]
pub(super) struct Display {
    pub(super) connection: RustConnection,
    pub(super) root: Window,
    pub(super) atoms: Atoms,
    /// An X server inside a Wayland session: its root window never shows the screen.
    pub(super) is_xwayland: bool,
}

impl Display {
    /// Connects to `name`, or to `$DISPLAY`.
    pub(super) fn open(name: Option<&str>) -> Result<Self, VideoError> {
        let asked = name.map(str::to_owned).or_else(|| std::env::var("DISPLAY").ok()).unwrap_or_default();
        if display_number(&asked).is_some_and(|number| number > MOST_DISPLAYS) {
            return Err(VideoError::NoDisplay(format!("{asked} is out of range")));
        }
        let (connection, screen) =
            RustConnection::connect(name).map_err(|error| VideoError::NoDisplay(error.to_string()))?;
        let setup = connection.setup();
        if setup.image_byte_order != ImageOrder::LSB_FIRST {
            return Err(VideoError::NotSupportedHere("the big-endian pixels of this display"));
        }
        let root = setup.roots[screen].root;
        for extension in [
            shm::X11_EXTENSION_NAME,
            damage::X11_EXTENSION_NAME,
            xfixes::X11_EXTENSION_NAME,
            composite::X11_EXTENSION_NAME,
            randr::X11_EXTENSION_NAME,
            xinput::X11_EXTENSION_NAME,
        ] {
            if connection.extension_information(extension)?.is_none() {
                return Err(VideoError::MissingExtension(extension.to_owned()));
            }
        }
        // Each of these must be told our version before it is used.
        let shm = connection.shm_query_version()?;
        let damage = connection.damage_query_version(1, 1)?;
        let xfixes = connection.xfixes_query_version(5, 0)?;
        let composite = connection.composite_query_version(0, 4)?;
        let randr = connection.randr_query_version(1, 5)?;
        let xinput = connection.xinput_xi_query_version(2, 2)?;
        let xwayland = connection.query_extension(b"XWAYLAND")?;
        let atoms = Atoms::new(&connection)?;
        let shm = shm.reply()?;
        if (shm.major_version, shm.minor_version) < (1, 2) {
            return Err(VideoError::MissingExtension("MIT-SHM 1.2".to_owned()));
        }
        damage.reply()?;
        xfixes.reply()?;
        composite.reply()?;
        xinput.reply()?;
        let randr = randr.reply()?;
        if (randr.major_version, randr.minor_version) < (1, 5) {
            return Err(VideoError::MissingExtension("RANDR 1.5".to_owned()));
        }
        let is_xwayland = xwayland.reply()?.present;
        let atoms = atoms.reply()?;
        let mut display = Self { connection, root, atoms, is_xwayland };
        // Before version 23.1 it has no extension to tell it by, but names its outputs so.
        display.is_xwayland |= monitors(&display)?.iter().any(|monitor| monitor.name.starts_with("XWAYLAND"));
        Ok(display)
    }

    /// Refuses depths whose pixels are not BGRX in 32 bits.
    pub(super) fn check_depth(&self, depth: u8) -> Result<(), VideoError> {
        let formats = &self.connection.setup().pixmap_formats;
        let bits = formats.iter().find(|format| format.depth == depth).map_or(0, |format| format.bits_per_pixel);
        if matches!(depth, 24 | 32) && bits == 32 { Ok(()) } else { Err(VideoError::PixelFormat(depth)) }
    }

    /// The whole desktop as it is now.
    pub(super) fn desktop(&self) -> Result<Rect, VideoError> {
        let geometry = self.connection.get_geometry(self.root)?.reply()?;
        Ok(Rect { x: 0, y: 0, width: geometry.width.into(), height: geometry.height.into() })
    }
}

impl From<ConnectionError> for VideoError {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::UnsupportedExtension => Self::MissingExtension("an extension".to_owned()),
            ConnectionError::FdPassingFailed => Self::SharedMemory("this display takes no file descriptors".to_owned()),
            other => Self::DisplayLost(other.to_string()),
        }
    }
}

impl From<ReplyError> for VideoError {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::ConnectionError(error) => error.into(),
            ReplyError::X11Error(error) => Self::Refused(format!(
                "{:?} to {}",
                error.error_kind,
                error.request_name.unwrap_or("an unknown request")
            )),
        }
    }
}

impl From<ReplyOrIdError> for VideoError {
    fn from(error: ReplyOrIdError) -> Self {
        match error {
            ReplyOrIdError::IdsExhausted => Self::Refused("no resource ids are left".to_owned()),
            ReplyOrIdError::ConnectionError(error) => error.into(),
            ReplyOrIdError::X11Error(error) => ReplyError::X11Error(error).into(),
        }
    }
}

/// An answer that may be "there is no such window any more": `None` then.
pub(super) fn if_exists<T>(answer: Result<T, ReplyError>) -> Result<Option<T>, VideoError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(ReplyError::X11Error(_)) => Ok(None),
        Err(ReplyError::ConnectionError(error)) => Err(error.into()),
    }
}

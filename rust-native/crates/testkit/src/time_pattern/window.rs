//! The pattern in an X11 window, put there through MIT-SHM.
//!
//! One request puts one whole picture: the server handles it in one go, so that a grab never sees half of it.

use std::os::fd::AsRawFd;

use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::shm::ConnectionExt as _;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConfigureWindowAux, ConnectionExt as _, CreateGCAux, CreateWindowAux, EventMask,
    Gcontext, ImageFormat, PropMode, StackMode, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use super::{Content, Painter, Stamp, Zones};

/// How the window is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it shows.
    pub content: Content,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Desktop coordinates of its upper left corner.
    pub x: i16,
    /// Desktop coordinates of its upper left corner.
    pub y: i16,
    /// Its title.
    pub title: String,
    /// Without a frame and out of the window manager's hands, at exactly this place. Such a window is in no
    /// window list: for monitor captures only.
    pub override_redirect: bool,
}

/// What went wrong with the window.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// There is no display, or it can't be reached.
    #[error("no X display: {0}")]
    NoDisplay(#[from] x11rb::errors::ConnectError),
    /// The connection broke.
    #[error("the X connection broke: {0}")]
    Connection(#[from] x11rb::errors::ConnectionError),
    /// The server refused a request.
    #[error("the X server refused: {0}")]
    Refused(#[from] x11rb::errors::ReplyError),
    /// The server ran out of ids.
    #[error("no X id: {0}")]
    NoId(#[from] x11rb::errors::ReplyOrIdError),
    /// The display is not 24 bits deep, little-endian.
    #[error("the display is {0} bits deep, the pattern needs 24")]
    Depth(u8),
    /// The shared memory could not be mapped.
    #[error("shared memory: {0}")]
    Memory(#[from] std::io::Error),
}

/// What the user or the window manager did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The window must be drawn whole.
    Redraw,
    /// The close button, or the window is gone.
    Closed,
}

/// A window that shows the pattern.
#[derive(Debug)]
pub struct PatternWindow {
    connection: RustConnection,
    root: Window,
    window: Window,
    context: Gcontext,
    memory: Memory,
    segment: u32,
    painter: Painter,
    width: u16,
    height: u16,
    delete: u32,
    change_state: u32,
}

impl PatternWindow {
    /// Opens it on `$DISPLAY` and puts one picture.
    ///
    /// # Errors
    /// Where there is no display, or it can't do MIT-SHM at 24 bits.
    pub fn open(options: &Options) -> Result<Self, WindowError> {
        let (connection, screen_number) = x11rb::connect(None)?;
        let screen = connection.setup().roots[screen_number].clone();
        if screen.root_depth != 24 {
            return Err(WindowError::Depth(screen.root_depth));
        }
        let window = connection.generate_id()?;
        let context = connection.generate_id()?;
        let aux = CreateWindowAux::new()
            .event_mask(EventMask::EXPOSURE | EventMask::STRUCTURE_NOTIFY)
            .override_redirect(u32::from(options.override_redirect))
            .background_pixel(screen.black_pixel);
        connection.create_window(
            screen.root_depth,
            window,
            screen.root,
            options.x,
            options.y,
            options.width,
            options.height,
            0,
            WindowClass::INPUT_OUTPUT,
            screen.root_visual,
            &aux,
        )?;
        connection.create_gc(context, window, &CreateGCAux::new().graphics_exposures(0))?;
        let atom = |name: &[u8]| -> Result<u32, WindowError> { Ok(connection.intern_atom(false, name)?.reply()?.atom) };
        let delete = atom(b"WM_DELETE_WINDOW")?;
        let protocols = atom(b"WM_PROTOCOLS")?;
        let change_state = atom(b"WM_CHANGE_STATE")?;
        connection.change_property32(PropMode::REPLACE, window, protocols, AtomEnum::ATOM, &[delete])?;
        let (class, class_type) = (AtomEnum::WM_CLASS, AtomEnum::STRING);
        connection.change_property8(PropMode::REPLACE, window, class, class_type, b"time-pattern\0TimePattern\0")?;
        // Size hints with USPosition and USSize: window managers then leave the place alone.
        let mut hints = [0_u32; 18];
        hints[0] = 0b11;
        connection.change_property32(
            PropMode::REPLACE,
            window,
            AtomEnum::WM_NORMAL_HINTS,
            AtomEnum::WM_SIZE_HINTS,
            &hints,
        )?;
        let (segment, memory) = share(&connection, options.width, options.height)?;
        let painter = Painter::new(options.content, u32::from(options.width), u32::from(options.height));
        let (width, height, root) = (options.width, options.height, screen.root);
        let mut opened =
            Self { connection, root, window, context, memory, segment, painter, width, height, delete, change_state };
        opened.set_title(&options.title)?;
        opened.connection.map_window(window)?;
        opened.draw_whole(super::now())?;
        Ok(opened)
    }

    /// Its X id.
    #[must_use]
    pub const fn id(&self) -> Window {
        self.window
    }

    /// Pixels, width and height.
    #[must_use]
    pub const fn size(&self) -> (u16, u16) {
        (self.width, self.height)
    }

    /// What it shows.
    #[must_use]
    pub const fn content(&self) -> Content {
        self.painter.content()
    }

    /// Draws and puts the whole picture of `stamp`; returns once the server has it.
    ///
    /// # Errors
    /// Where the server is gone or refuses.
    pub fn draw_whole(&mut self, stamp: Stamp) -> Result<(), WindowError> {
        let pixels = self.memory.pixels();
        self.painter.paint_fixed(pixels);
        self.painter.paint_moving(stamp, pixels);
        self.put(0, 0, self.width, self.height)
    }

    /// Draws what moves, and puts no more than that. The stamp is the moment at which drawing began.
    ///
    /// # Errors
    /// Where the server is gone or refuses.
    pub fn draw(&mut self, stamp: Stamp) -> Result<(), WindowError> {
        self.painter.paint_moving(stamp, self.memory.pixels());
        let zones = Zones::of(self.content(), u32::from(self.height));
        let only_stamp = zones.flash.is_empty() && zones.motion.is_empty() || self.content() == Content::Still;
        let rows = if only_stamp { zones.stamp.end } else { u32::from(self.height) };
        self.put(0, 0, self.width, u16::try_from(rows).unwrap_or(self.height))
    }

    /// Sets one pixel, and puts that pixel alone.
    ///
    /// # Errors
    /// Where the server is gone or refuses; a pixel outside of the window is no error and no change.
    pub fn draw_pixel(&mut self, x: u16, y: u16, rgb: u32) -> Result<(), WindowError> {
        if x >= self.width || y >= self.height {
            return Ok(());
        }
        let index = usize::from(y) * usize::from(self.width) + usize::from(x);
        self.memory.pixels()[index] = 0xff00_0000 | rgb;
        self.put(x, y, 1, 1)
    }

    /// Shows other content from the next picture on.
    pub fn set_content(&mut self, content: Content) {
        self.painter = Painter::new(content, u32::from(self.width), u32::from(self.height));
    }

    /// Another title.
    ///
    /// # Errors
    /// Where the server is gone.
    pub fn set_title(&self, title: &str) -> Result<(), WindowError> {
        let (name, kind) = (AtomEnum::WM_NAME, AtomEnum::STRING);
        self.connection.change_property8(PropMode::REPLACE, self.window, name, kind, title.as_bytes())?;
        self.connection.flush()?;
        Ok(())
    }

    /// Asks for another size or place; what comes of it is told by [`Self::changes`].
    ///
    /// # Errors
    /// Where the server is gone.
    pub fn configure(&self, aux: &ConfigureWindowAux) -> Result<(), WindowError> {
        self.connection.configure_window(self.window, aux)?;
        self.connection.flush()?;
        Ok(())
    }

    /// Brings it to the front.
    ///
    /// # Errors
    /// Where the server is gone.
    pub fn raise(&self) -> Result<(), WindowError> {
        self.connection.map_window(self.window)?;
        self.configure(&ConfigureWindowAux::new().stack_mode(StackMode::ABOVE))
    }

    /// Asks the window manager to minimise it (ICCCM 4.1.4).
    ///
    /// # Errors
    /// Where the server is gone.
    pub fn minimise(&self) -> Result<(), WindowError> {
        const ICONIC: u32 = 3;
        let message = ClientMessageEvent::new(32, self.window, self.change_state, [ICONIC, 0, 0, 0, 0]);
        let mask = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
        self.connection.send_event(false, self.root, mask, message)?;
        self.connection.flush()?;
        Ok(())
    }

    /// What happened to the window since the last call; a new size is taken over.
    ///
    /// # Errors
    /// Where the server is gone or refuses new memory.
    pub fn changes(&mut self) -> Result<Option<Change>, WindowError> {
        let mut change = None;
        while let Some(event) = self.connection.poll_for_event()? {
            match event {
                Event::ConfigureNotify(event) if (event.width, event.height) != (self.width, self.height) => {
                    self.take_size(event.width, event.height)?;
                    change = Some(Change::Redraw);
                }
                Event::Expose(_) | Event::MapNotify(_) => change = Some(Change::Redraw),
                Event::DestroyNotify(_) => return Ok(Some(Change::Closed)),
                Event::ClientMessage(event) if event.data.as_data32()[0] == self.delete => {
                    return Ok(Some(Change::Closed));
                }
                _ => {}
            }
        }
        Ok(change)
    }

    fn take_size(&mut self, width: u16, height: u16) -> Result<(), WindowError> {
        let (segment, memory) = share(&self.connection, width, height)?;
        self.connection.shm_detach(self.segment)?;
        (self.segment, self.memory, self.width, self.height) = (segment, memory, width, height);
        self.painter = Painter::new(self.content(), u32::from(width), u32::from(height));
        Ok(())
    }

    fn put(&self, x: u16, y: u16, width: u16, height: u16) -> Result<(), WindowError> {
        // X puts coordinates as signed 16 bits; a window is far smaller than that.
        let (to_x, to_y) = (i16::try_from(x).unwrap_or(i16::MAX), i16::try_from(y).unwrap_or(i16::MAX));
        self.connection.shm_put_image(
            self.window,
            self.context,
            self.width,
            self.height,
            x,
            y,
            width,
            height,
            to_x,
            to_y,
            24,
            ImageFormat::Z_PIXMAP.into(),
            false,
            self.segment,
            0,
        )?;
        // A round trip: the server has read the memory, so that it may be drawn into again.
        self.connection.get_input_focus()?.reply()?;
        Ok(())
    }
}

fn share(connection: &RustConnection, width: u16, height: u16) -> Result<(u32, Memory), WindowError> {
    let bytes = u32::from(width) * u32::from(height) * 4;
    let segment = connection.generate_id()?;
    let reply = connection.shm_create_segment(segment, bytes, false)?.reply()?;
    Ok((segment, Memory::map(&reply.shm_fd, bytes as usize)?))
}

/// The pixels that the X server reads.
#[derive(Debug)]
struct Memory {
    address: std::ptr::NonNull<u32>,
    bytes: usize,
}

impl Memory {
    fn map(file: &impl AsRawFd, bytes: usize) -> std::io::Result<Self> {
        // SAFETY: a fresh shared mapping of a file the server made this long; nothing else is at the address.
        let address = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(std::ptr::null_mut(), bytes, access, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        if address == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        let address = std::ptr::NonNull::new(address.cast()).ok_or_else(std::io::Error::last_os_error)?;
        Ok(Self { address, bytes })
    }

    fn pixels(&mut self) -> &mut [u32] {
        // SAFETY: the mapping is `bytes` long, page-aligned, lives as long as self, and the borrow of self is unique
        // here; the server only reads it.
        unsafe { std::slice::from_raw_parts_mut(self.address.as_ptr(), self.bytes / 4) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` at this address and length, and no borrow of it is left.
        unsafe { libc::munmap(self.address.as_ptr().cast(), self.bytes) };
    }
}

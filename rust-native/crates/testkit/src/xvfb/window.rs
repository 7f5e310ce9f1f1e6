//! A window that a test paints, moves, covers, minimises and closes.

use std::time::{Duration, Instant};

use x11rb::COPY_DEPTH_FROM_PARENT;
use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ChangeGCAux, ChangeWindowAttributesAux, ClientMessageEvent, ConfigureWindowAux, ConnectionExt,
    CreateGCAux, CreateWindowAux, EventMask, Gcontext, GrabMode, GrabStatus, ImageFormat, MapState, PropMode,
    Rectangle, StackMode, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use super::XvfbError;

/// How long the window manager may take on a busy machine.
const MINIMISE_LIMIT: Duration = Duration::from_secs(10);

/// Position and size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From the left edge.
    pub x: i16,
    /// From the top edge.
    pub y: i16,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
}

impl Place {
    /// In that order.
    pub const fn new(x: i16, y: i16, width: u16, height: u16) -> Self {
        Self { x, y, width, height }
    }
}

/// A top-level window with a client connection of its own. Colours are `0xRRGGBB`. Each call returns when the
/// server has done it; what a window manager makes of it may come later.
#[derive(Debug)]
pub struct TestWindow {
    connection: RustConnection,
    root: Window,
    id: Window,
    gc: Gcontext,
    depth: u8,
}

impl TestWindow {
    /// Opens and maps a window of one colour. Its class is `TestWindow`.
    pub fn open(display: &str, title: &str, place: Place, colour: u32) -> Result<Self, XvfbError> {
        Self::create(display, title, place, colour, false)
    }

    /// The same, past the window manager (override-redirect), as older games fill the screen.
    pub fn open_unmanaged(display: &str, title: &str, place: Place, colour: u32) -> Result<Self, XvfbError> {
        Self::create(display, title, place, colour, true)
    }

    fn create(display: &str, title: &str, place: Place, colour: u32, is_unmanaged: bool) -> Result<Self, XvfbError> {
        let (connection, screen) = RustConnection::connect(Some(display)).map_err(XvfbError::x)?;
        let screen = &connection.setup().roots[screen];
        let (root, visual, depth) = (screen.root, screen.root_visual, screen.root_depth);
        let id = connection.generate_id().map_err(XvfbError::x)?;
        let gc = connection.generate_id().map_err(XvfbError::x)?;
        let attributes = CreateWindowAux::new().background_pixel(colour).override_redirect(u32::from(is_unmanaged));
        let Place { x, y, width, height } = place;
        connection
            .create_window(
                COPY_DEPTH_FROM_PARENT,
                id,
                root,
                x,
                y,
                width,
                height,
                0,
                WindowClass::INPUT_OUTPUT,
                visual,
                &attributes,
            )
            .map_err(XvfbError::x)?;
        connection.create_gc(gc, id, &CreateGCAux::new().graphics_exposures(0)).map_err(XvfbError::x)?;
        let window = Self { connection, root, id, gc, depth };
        window.set_text(b"_NET_WM_NAME", title)?;
        window.set_text(b"WM_NAME", title)?;
        window
            .connection
            .change_property8(PropMode::REPLACE, id, AtomEnum::WM_CLASS, AtomEnum::STRING, b"test\0TestWindow\0")
            .map_err(XvfbError::x)?;
        // WM_NORMAL_HINTS with USPosition: a window manager keeps the place that was asked for.
        const US_POSITION: u32 = 1;
        let mut hints = [0_u32; 18];
        hints[0] = US_POSITION;
        window
            .connection
            .change_property32(PropMode::REPLACE, id, AtomEnum::WM_NORMAL_HINTS, AtomEnum::WM_SIZE_HINTS, &hints)
            .map_err(XvfbError::x)?;
        window.map()?;
        Ok(window)
    }

    /// Its XID.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Paints a rectangle of it.
    pub fn fill(&self, place: Place, colour: u32) -> Result<(), XvfbError> {
        let Place { x, y, width, height } = place;
        self.connection.change_gc(self.gc, &ChangeGCAux::new().foreground(colour)).map_err(XvfbError::x)?;
        self.connection
            .poly_fill_rectangle(self.id, self.gc, &[Rectangle { x, y, width, height }])
            .map_err(XvfbError::x)?;
        self.sync()
    }

    /// Paints all of it, now and whenever a part comes to light.
    pub fn fill_all(&self, colour: u32) -> Result<(), XvfbError> {
        let attributes = ChangeWindowAttributesAux::new().background_pixel(colour);
        self.connection.change_window_attributes(self.id, &attributes).map_err(XvfbError::x)?;
        self.connection.clear_area(false, self.id, 0, 0, 0, 0).map_err(XvfbError::x)?;
        self.sync()
    }

    /// Lets the server paint nothing of it from now on, as programs do that paint all of their window.
    pub fn forget_background(&self) -> Result<(), XvfbError> {
        const NONE: u32 = 0;
        let attributes = ChangeWindowAttributesAux::new().background_pixmap(NONE).event_mask(EventMask::EXPOSURE);
        self.connection.change_window_attributes(self.id, &attributes).map_err(XvfbError::x)?;
        self.sync()
    }

    /// Shows it and waits until the server asks it to paint itself, after [`TestWindow::forget_background`].
    pub fn map_exposed(&self) -> Result<(), XvfbError> {
        while self.connection.poll_for_event().map_err(XvfbError::x)?.is_some() {}
        self.map()?;
        while !matches!(self.connection.wait_for_event().map_err(XvfbError::x)?, Event::Expose(_)) {}
        Ok(())
    }

    /// Puts a picture into it: BGRX, `4 * width * height` bytes.
    pub fn put_image(&self, place: Place, bgrx: &[u8]) -> Result<(), XvfbError> {
        // Requests have a largest size: as many whole rows at a time as fit.
        let row = usize::from(place.width) * 4;
        let rows = ((self.connection.maximum_request_bytes() - 64) / row).max(1);
        for (index, chunk) in bgrx.chunks(rows * row).enumerate() {
            let y = place.y + (index * rows) as i16;
            let height = (chunk.len() / row) as u16;
            self.connection
                .put_image(
                    ImageFormat::Z_PIXMAP,
                    self.id,
                    self.gc,
                    place.width,
                    height,
                    place.x,
                    y,
                    0,
                    self.depth,
                    chunk,
                )
                .map_err(XvfbError::x)?;
        }
        self.sync()
    }

    /// Moves its top left corner (with a window manager: that of its frame).
    pub fn move_to(&self, x: i16, y: i16) -> Result<(), XvfbError> {
        self.configure(&ConfigureWindowAux::new().x(i32::from(x)).y(i32::from(y)))
    }

    /// Gives it another size.
    pub fn resize(&self, width: u16, height: u16) -> Result<(), XvfbError> {
        self.configure(&ConfigureWindowAux::new().width(u32::from(width)).height(u32::from(height)))
    }

    /// On top of the others.
    pub fn raise(&self) -> Result<(), XvfbError> {
        self.configure(&ConfigureWindowAux::new().stack_mode(StackMode::ABOVE))
    }

    /// Shows it; brings a minimised window back.
    pub fn map(&self) -> Result<(), XvfbError> {
        self.connection.map_window(self.id).map_err(XvfbError::x)?;
        self.sync()
    }

    /// Hides it.
    pub fn unmap(&self) -> Result<(), XvfbError> {
        self.connection.unmap_window(self.id).map_err(XvfbError::x)?;
        self.sync()
    }

    /// Has the window manager minimise it (ICCCM 4.1.4). Returns when window and frame are hidden: one that is shown
    /// again before would be hidden by the manager's own animation.
    pub fn minimise(&self) -> Result<(), XvfbError> {
        const ICONIC_STATE: u32 = 3;
        let frame = self.connection.query_tree(self.id).map_err(XvfbError::x)?.reply().map_err(XvfbError::x)?.parent;
        let change_state = self.atom(b"WM_CHANGE_STATE")?;
        let message = ClientMessageEvent::new(32, self.id, change_state, [ICONIC_STATE, 0, 0, 0, 0]);
        let mask = EventMask::SUBSTRUCTURE_NOTIFY | EventMask::SUBSTRUCTURE_REDIRECT;
        self.connection.send_event(false, self.root, mask, message).map_err(XvfbError::x)?;
        let deadline = Instant::now() + MINIMISE_LIMIT;
        while self.is_mapped(self.id)? || (frame != self.root && self.is_mapped(frame)?) {
            if Instant::now() > deadline {
                return Err(XvfbError::X("the window manager did not minimise the window".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn is_mapped(&self, window: Window) -> Result<bool, XvfbError> {
        let attributes = self.connection.get_window_attributes(window).map_err(XvfbError::x)?;
        Ok(attributes.reply().map_err(XvfbError::x)?.map_state != MapState::UNMAPPED)
    }

    /// Asks the window manager to let it fill the screen, or to end that (EWMH `_NET_WM_STATE`).
    pub fn fill_screen(&self, fill: bool) -> Result<(), XvfbError> {
        let (state, full_screen) = (self.atom(b"_NET_WM_STATE")?, self.atom(b"_NET_WM_STATE_FULLSCREEN")?);
        let message = ClientMessageEvent::new(32, self.id, state, [u32::from(fill), full_screen, 0, 1, 0]);
        let mask = EventMask::SUBSTRUCTURE_NOTIFY | EventMask::SUBSTRUCTURE_REDIRECT;
        self.connection.send_event(false, self.root, mask, message).map_err(XvfbError::x)?;
        self.sync()
    }

    /// Asks the window manager to make it the active window (EWMH `_NET_ACTIVE_WINDOW`).
    pub fn activate(&self) -> Result<(), XvfbError> {
        let active = self.atom(b"_NET_ACTIVE_WINDOW")?;
        let message = ClientMessageEvent::new(32, self.id, active, [2, 0, 0, 0, 0]);
        let mask = EventMask::SUBSTRUCTURE_NOTIFY | EventMask::SUBSTRUCTURE_REDIRECT;
        self.connection.send_event(false, self.root, mask, message).map_err(XvfbError::x)?;
        self.sync()
    }

    /// Gives it another title.
    pub fn rename(&self, title: &str) -> Result<(), XvfbError> {
        self.set_text(b"_NET_WM_NAME", title)?;
        self.set_text(b"WM_NAME", title)?;
        self.sync()
    }

    /// A square pointer of one colour over this window, `side` pixels, its hot spot at (`hot`, `hot`).
    pub fn set_square_cursor(&self, side: u16, hot: u16, colour: u32) -> Result<(), XvfbError> {
        let pixmap = self.connection.generate_id().map_err(XvfbError::x)?;
        let gc = self.connection.generate_id().map_err(XvfbError::x)?;
        let cursor = self.connection.generate_id().map_err(XvfbError::x)?;
        let part = |shift: u32| ((colour >> shift & 0xff) * 257) as u16;
        let (red, green, blue) = (part(16), part(8), part(0));
        let whole = Rectangle { x: 0, y: 0, width: side, height: side };
        self.connection.create_pixmap(1, pixmap, self.root, side, side).map_err(XvfbError::x)?;
        self.connection.create_gc(gc, pixmap, &CreateGCAux::new().foreground(1)).map_err(XvfbError::x)?;
        self.connection.poly_fill_rectangle(pixmap, gc, &[whole]).map_err(XvfbError::x)?;
        self.connection
            .create_cursor(cursor, pixmap, pixmap, red, green, blue, red, green, blue, hot, hot)
            .map_err(XvfbError::x)?;
        let attributes = ChangeWindowAttributesAux::new().cursor(cursor);
        self.connection.change_window_attributes(self.id, &attributes).map_err(XvfbError::x)?;
        self.sync()
    }

    /// Sets a property of type `ATOM` to one value, such as `_NET_WM_WINDOW_TYPE`.
    pub fn set_atom(&self, property: &[u8], value: &[u8]) -> Result<(), XvfbError> {
        let (property, value) = (self.atom(property)?, self.atom(value)?);
        self.connection
            .change_property32(PropMode::REPLACE, self.id, property, AtomEnum::ATOM, &[value])
            .map_err(XvfbError::x)?;
        self.sync()
    }

    /// Takes the keyboard for itself, as full-screen games do.
    pub fn grab_keyboard(&self) -> Result<(), XvfbError> {
        let grab = self
            .connection
            .grab_keyboard(false, self.id, x11rb::CURRENT_TIME, GrabMode::ASYNC, GrabMode::ASYNC)
            .map_err(XvfbError::x)?;
        let status = grab.reply().map_err(XvfbError::x)?.status;
        if status == GrabStatus::SUCCESS { Ok(()) } else { Err(XvfbError::X(format!("the grab: {status:?}"))) }
    }

    /// How many keys it was told to have been pressed since the last call.
    pub fn keys_pressed(&self) -> Result<usize, XvfbError> {
        self.sync()?;
        let mut count = 0;
        while let Some(event) = self.connection.poll_for_event().map_err(XvfbError::x)? {
            count += usize::from(matches!(event, x11rb::protocol::Event::KeyPress(_)));
        }
        Ok(count)
    }

    /// Destroys it; its connection stays open until the value is dropped.
    pub fn destroy(&self) -> Result<(), XvfbError> {
        self.connection.destroy_window(self.id).map_err(XvfbError::x)?;
        self.sync()
    }

    fn set_text(&self, property: &[u8], text: &str) -> Result<(), XvfbError> {
        let (property, utf8) = (self.atom(property)?, self.atom(b"UTF8_STRING")?);
        self.connection
            .change_property8(PropMode::REPLACE, self.id, property, utf8, text.as_bytes())
            .map_err(XvfbError::x)?;
        Ok(())
    }

    fn atom(&self, name: &[u8]) -> Result<u32, XvfbError> {
        Ok(self.connection.intern_atom(false, name).map_err(XvfbError::x)?.reply().map_err(XvfbError::x)?.atom)
    }

    fn configure(&self, values: &ConfigureWindowAux) -> Result<(), XvfbError> {
        self.connection.configure_window(self.id, values).map_err(XvfbError::x)?;
        self.sync()
    }

    fn sync(&self) -> Result<(), XvfbError> {
        self.connection.get_input_focus().map_err(XvfbError::x)?.reply().map_err(XvfbError::x)?;
        Ok(())
    }
}

//! The mouse pointer: what it looks like, where it was drawn, and drawing it.
//!
//! The server says when its shape changes (XFixes) and when the mouse moves (XInput 2 raw events), so that nothing
//! is asked while it rests.

use media::Size;
use x11rb::protocol::xfixes::{ConnectionExt as _, CursorNotifyMask};
use x11rb::protocol::xinput::{ConnectionExt as _, EventMask, XIEventMask};
use x11rb::protocol::xproto::QueryPointerReply;

use super::display::{Display, if_exists};
use super::target::Target;
use crate::video::{Rect, VideoError};

/// XIAllMasterDevices (XInput 2.2, section 3).
const ALL_MASTER_DEVICES: u16 = 1;

/// The pointer, while it is drawn.
#[derive(Debug)]
pub(super) struct Pointer {
    image: Image,
    /// Counts shapes.
    shape: u64,
    drawn: Option<Place>,
}

/// A shape at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    x: i32,
    y: i32,
    shape: u64,
}

impl Pointer {
    /// Begins to watch it.
    pub(super) fn open(display: &Display) -> Result<Self, VideoError> {
        select(display, true)?;
        Ok(Self { image: Image::fetch(display)?, shape: 0, drawn: None })
    }

    /// Stops watching it.
    pub(super) fn close(self, display: &Display) -> Result<(), VideoError> {
        select(display, false)
    }

    /// Takes over a new shape.
    pub(super) fn reshape(&mut self, display: &Display) -> Result<(), VideoError> {
        self.image = Image::fetch(display)?;
        self.shape += 1;
        Ok(())
    }

    /// Where it is to be drawn into the picture of `area`; `None` while it is elsewhere.
    pub(super) fn place(&self, at: &QueryPointerReply, area: Rect, target: &Target) -> Option<Place> {
        let place = Place {
            x: i32::from(at.root_x) - self.image.hot.0 - area.x,
            y: i32::from(at.root_y) - self.image.hot.1 - area.y,
            shape: self.shape,
        };
        let inside = Rect { x: 0, y: 0, ..area }.intersection(Rect {
            x: place.x,
            y: place.y,
            width: self.image.size.width,
            height: self.image.size.height,
        });
        (at.same_screen && target.is_under_pointer(at.child)).then_some(inside)?.map(|_| place)
    }

    /// Whether the last picture shows it elsewhere or otherwise.
    pub(super) fn differs(&self, place: Option<Place>) -> bool {
        self.drawn != place
    }

    /// Draws it into a BGRA picture and notes that.
    pub(super) fn draw(&mut self, place: Option<Place>, pixels: &mut [u8], stride: usize, size: Size) {
        self.drawn = place;
        if let Some(place) = place {
            self.image.blend(pixels, stride, size, (place.x, place.y));
        }
    }
}

fn select(display: &Display, on: bool) -> Result<(), VideoError> {
    let motion = if on { XIEventMask::RAW_MOTION } else { XIEventMask::from(0_u32) };
    let shapes = if on { CursorNotifyMask::DISPLAY_CURSOR } else { CursorNotifyMask::from(0_u32) };
    let mask = EventMask { deviceid: ALL_MASTER_DEVICES, mask: vec![motion] };
    display.connection.xinput_xi_select_events(display.root, &[mask])?;
    display.connection.xfixes_select_cursor_input(display.root, shapes)?;
    Ok(())
}

/// Premultiplied ARGB.
#[derive(Debug)]
struct Image {
    size: Size,
    /// The pixel that points, from the image's corner.
    hot: (i32, i32),
    argb: Vec<u32>,
}

impl Image {
    fn fetch(display: &Display) -> Result<Self, VideoError> {
        // A server without a pointer answers with an error: nothing is drawn then.
        let Some(reply) = if_exists(display.connection.xfixes_get_cursor_image()?.reply())? else {
            return Ok(Self { size: Size { width: 0, height: 0 }, hot: (0, 0), argb: Vec::new() });
        };
        Ok(Self {
            size: Size { width: reply.width.into(), height: reply.height.into() },
            hot: (reply.xhot.into(), reply.yhot.into()),
            argb: reply.cursor_image,
        })
    }

    /// Lays it over a BGRA picture with its corner at `corner`, clipped.
    fn blend(&self, pixels: &mut [u8], stride: usize, size: Size, corner: (i32, i32)) {
        let picture = Rect { x: 0, y: 0, width: size.width, height: size.height };
        let place = Rect { x: corner.0, y: corner.1, width: self.size.width, height: self.size.height };
        let Some(cut) = place.intersection(picture) else { return };
        let first_column = cut.x.abs_diff(corner.0) as usize;
        for row in 0..cut.height as usize {
            let source = (cut.y.abs_diff(corner.1) as usize + row) * self.size.width as usize + first_column;
            let target = (cut.y as usize + row) * stride + cut.x as usize * 4;
            let Some(source) = self.argb.get(source..source + cut.width as usize) else { return };
            let Some(target) = pixels.get_mut(target..target + cut.width as usize * 4) else { return };
            for (&over, under) in source.iter().zip(target.chunks_exact_mut(4)) {
                let [blue, green, red, alpha] = over.to_le_bytes();
                for (under, over) in under.iter_mut().zip([blue, green, red]) {
                    *under = over.saturating_add(scale(*under, 255 - alpha));
                }
            }
        }
    }
}

/// `value * alpha / 255`, rounded.
fn scale(value: u8, alpha: u8) -> u8 {
    let product = u32::from(value) * u32::from(alpha) + 128;
    ((product + (product >> 8)) >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: u32, height: u32, colour: u32) -> Image {
        Image { size: Size { width, height }, hot: (0, 0), argb: vec![colour; (width * height) as usize] }
    }

    fn blended(image: &Image, corner: (i32, i32)) -> Vec<u8> {
        let size = Size { width: 4, height: 4 };
        // Rows of five pixels: the fifth must stay as it is.
        let mut pixels = vec![100; 5 * 4 * 4];
        image.blend(&mut pixels, 20, size, corner);
        pixels
    }

    fn changed(pixels: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for (index, pixel) in pixels.chunks_exact(4).enumerate() {
            if pixel[..3] != [100; 3] {
                found.push((index % 5, index / 5));
            }
        }
        found
    }

    #[test]
    fn an_opaque_pointer_replaces_what_lies_under_it() {
        let pixels = blended(&image(2, 1, 0xff11_2233), (1, 2));
        assert_eq!(changed(&pixels), [(1, 2), (2, 2)]);
        assert_eq!(pixels[2 * 20 + 4..][..3], [0x33, 0x22, 0x11]);
    }

    #[test]
    fn a_half_transparent_pointer_is_mixed_in() {
        // Premultiplied white at one half.
        let pixels = blended(&image(1, 1, 0x8080_8080), (0, 0));
        assert_eq!(pixels[0], 128 + 50);
        assert_eq!(changed(&blended(&image(1, 1, 0), (0, 0))), []);
    }

    #[test]
    fn a_pointer_at_the_edge_is_clipped() {
        let pointer = image(3, 3, 0xff00_0000);
        assert_eq!(changed(&blended(&pointer, (-2, -2))), [(0, 0)]);
        assert_eq!(changed(&blended(&pointer, (3, 3))), [(3, 3)]);
        assert_eq!(changed(&blended(&pointer, (4, 0))), []);
        assert_eq!(changed(&blended(&pointer, (-3, 0))), []);
    }

    #[test]
    fn scaling_is_exact_at_both_ends() {
        for value in 0..=255 {
            assert_eq!((scale(value, 255), scale(value, 0)), (value, 0));
        }
    }
}

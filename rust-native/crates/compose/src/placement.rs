//! Where an item's picture lies in the output, and which part of its source it shows. Pure.

use media::Size;
use scene::{Canvas, Fit, Item};

use crate::region::Area;
use crate::{Rect, fit};

/// An item's place, in whole pixels: even ones in the output, as a chroma sample covers two by two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placement {
    /// Left edge of the part of the source that is shown.
    pub(crate) left: u32,
    /// Its upper edge.
    pub(crate) top: u32,
    /// Its size, not empty.
    pub(crate) part: Size,
    /// Where it is drawn, turned.
    pub(crate) area: Area,
}

/// Places `item` of a scene on `canvas` in a picture of `output` (even, not empty); `source` is not empty.
pub(crate) fn place(item: &Item, canvas: Canvas, output: Size, source: Size) -> Placement {
    let area = box_of(item, canvas, output);
    let room = area.size();
    let (mut left, mut top, mut part) = crop(item, source);
    let sideways = item.rotation.is_sideways();
    let turned = |size: Size| if sideways { Size { width: size.height, height: size.width } } else { size };
    match item.fit {
        Fit::Stretch => Placement { left, top, part, area },
        Fit::Cover => {
            let wanted = turned(room);
            let narrowed = narrow(part, wanted);
            left += (part.width - narrowed.width) / 2;
            top += (part.height - narrowed.height) / 2;
            part = narrowed;
            Placement { left, top, part, area }
        }
        Fit::Contain => {
            let Rect { x, y, size } = fit(turned(part), room);
            Placement { left, top, part, area: Area::at(area.x + x as i32, area.y + y as i32, size) }
        }
    }
}

/// The item's box in the output. A canvas of another aspect than the output lies in its middle.
pub(crate) fn box_of(item: &Item, canvas: Canvas, output: Size) -> Area {
    let (across, down) =
        (f64::from(output.width) / f64::from(canvas.width), f64::from(output.height) / f64::from(canvas.height));
    // Sizes such as 854×480 are 16:9 but for the pixel that made them even.
    let alike = (across / down - 1.0).abs() < 0.01;
    let (across, down) = if alike { (across, down) } else { (across.min(down), across.min(down)) };
    let (x0, y0) = (
        (f64::from(output.width) - f64::from(canvas.width) * across) / 2.0,
        (f64::from(output.height) - f64::from(canvas.height) * down) / 2.0,
    );
    let (left, right) = (even(x0 + item.x * across), even(x0 + (item.x + item.width) * across));
    let (top, bottom) = (even(y0 + item.y * down), even(y0 + (item.y + item.height) * down));
    Area { x: left, y: top, width: (right - left).max(2), height: (bottom - top).max(2) }
}

/// The even number nearest to it.
fn even(value: f64) -> i32 {
    2 * (value / 2.0 + 0.5).floor() as i32
}

/// What the crop leaves, in whole pixels.
fn crop(item: &Item, source: Size) -> (u32, u32, Size) {
    let side = |length: u32, from: f64, to: f64| {
        let cut = |share: f64| (share * f64::from(length) + 0.5).floor() as u32;
        let start = cut(from).min(length - 1);
        (start, (length - start).saturating_sub(cut(to)).max(1))
    };
    let (left, width) = side(source.width, item.crop.left, item.crop.right);
    let (top, height) = side(source.height, item.crop.top, item.crop.bottom);
    (left, top, Size { width, height })
}

/// The largest size within `part` that has the aspect of `wanted`.
fn narrow(part: Size, wanted: Size) -> Size {
    let (width, height) = (u64::from(part.width), u64::from(part.height));
    let (across, down) = (u64::from(wanted.width), u64::from(wanted.height));
    let rounded = |numerator: u64, denominator: u64| ((2 * numerator + denominator) / (2 * denominator)).max(1) as u32;
    if width * down > height * across {
        Size { width: rounded(height * across, down).min(part.width), height: part.height }
    } else {
        Size { width: part.width, height: rounded(width * down, across).min(part.height) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scene::{Crop, Rotation};

    const HD: Size = Size { width: 1280, height: 720 };

    fn item(x: f64, y: f64, width: f64, height: f64) -> Item {
        Item { x, y, width, height, ..Item::filling("1", "s", Canvas::LANDSCAPE) }
    }

    #[test]
    fn numbers_are_of_the_canvas_whatever_is_encoded() {
        let corner = item(1440.0, 810.0, 480.0, 270.0);
        let area = box_of(&corner, Canvas::LANDSCAPE, HD);
        assert_eq!(area, Area { x: 960, y: 540, width: 320, height: 180 });
        let odd = box_of(&item(0.0, 0.0, 1920.0, 1080.0), Canvas::LANDSCAPE, Size { width: 854, height: 480 });
        assert_eq!(odd, Area { x: 0, y: 0, width: 854, height: 480 });
    }

    #[test]
    fn another_aspect_gets_bars() {
        let whole = item(0.0, 0.0, 1080.0, 1920.0);
        let area = box_of(&whole, Canvas::PORTRAIT, HD);
        assert_eq!(area, Area { x: 438, y: 0, width: 404, height: 720 });
    }

    #[test]
    fn cover_cuts_from_both_sides_and_turning_changes_the_aspect() {
        let square = Item { fit: Fit::Cover, ..item(0.0, 0.0, 300.0, 300.0) };
        let placed = place(&square, Canvas::LANDSCAPE, HD, Size { width: 640, height: 480 });
        assert_eq!((placed.left, placed.top, placed.part), (80, 0, Size { width: 480, height: 480 }));
        let turned = Item { rotation: Rotation::Quarter, ..item(0.0, 0.0, 1920.0, 1080.0) };
        let placed = place(&turned, Canvas::LANDSCAPE, HD, HD);
        assert_eq!(placed.area, Area { x: 436, y: 0, width: 406, height: 720 });
    }

    #[test]
    fn a_crop_leaves_at_least_a_pixel() {
        let cut =
            Item { crop: Crop { left: 0.5, right: 0.499, top: 0.25, bottom: 0.25 }, ..item(0.0, 0.0, 99.0, 99.0) };
        let placed = place(&cut, Canvas::LANDSCAPE, HD, Size { width: 3, height: 8 });
        assert_eq!((placed.left, placed.top, placed.part), (2, 2, Size { width: 1, height: 4 }));
    }
}

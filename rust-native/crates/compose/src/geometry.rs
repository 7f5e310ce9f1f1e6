//! Where a frame lies in the picture.

use media::Size;

/// A part of a picture; all four numbers are even, as a chroma sample covers two by two pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// Pixels from the left edge.
    pub x: u32,
    /// Pixels from the upper edge.
    pub y: u32,
    /// Width and height.
    pub size: Size,
}

/// The largest place in `output` (even, not empty) with the aspect of `source` (not empty), in its middle.
///
/// A frame that fills one side exactly, give or take the pixel that made it even, is not scaled: its text stays sharp.
pub fn fit(source: Size, output: Size) -> Rect {
    let whole = source.even();
    let fills_width = whole.width == output.width && whole.height <= output.height;
    let fills_height = whole.height == output.height && whole.width <= output.width;
    let size = if fills_width || fills_height { whole } else { scaled(source, output) };
    Rect { x: middle(output.width, size.width), y: middle(output.height, size.height), size }
}

fn scaled(source: Size, output: Size) -> Size {
    let (source_width, source_height) = (u64::from(source.width), u64::from(source.height));
    let (width, height) = (u64::from(output.width), u64::from(output.height));
    // Compared without a division: which side is filled first?
    if source_width * height >= source_height * width {
        Size { width: output.width, height: even(source_height * width, source_width).min(output.height) }
    } else {
        Size { width: even(source_width * height, source_height).min(output.width), height: output.height }
    }
}

/// The even number nearest to the fraction, at least two.
fn even(numerator: u64, denominator: u64) -> u32 {
    let half = (numerator + denominator) / (2 * denominator);
    u32::try_from(2 * half).unwrap_or(u32::MAX - 1).max(2)
}

fn middle(outer: u32, inner: u32) -> u32 {
    (outer.saturating_sub(inner) / 2) & !1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(source: (u32, u32), output: (u32, u32)) -> (u32, u32, u32, u32) {
        let size = |(width, height)| Size { width, height };
        let rect = fit(size(source), size(output));
        (rect.x, rect.y, rect.size.width, rect.size.height)
    }

    #[test]
    fn the_same_aspect_fills_the_picture() {
        assert_eq!(placed((1920, 1080), (1280, 720)), (0, 0, 1280, 720));
        assert_eq!(placed((1366, 768), (1280, 720)), (0, 0, 1280, 720));
    }

    #[test]
    fn other_aspects_get_bars() {
        assert_eq!(placed((1600, 1200), (1280, 720)), (160, 0, 960, 720));
        assert_eq!(placed((2560, 1080), (1280, 720)), (0, 90, 1280, 540));
        assert_eq!(placed((1080, 1920), (1280, 720)), (436, 0, 406, 720));
    }

    #[test]
    fn what_fits_exactly_is_not_scaled() {
        assert_eq!(placed((1280, 700), (1280, 720)), (0, 10, 1280, 700));
        assert_eq!(placed((641, 361), (642, 362)), (0, 0, 642, 362));
        assert_eq!(placed((901, 720), (1280, 720)), (188, 0, 902, 720));
    }

    #[test]
    fn even_a_line_stays_visible() {
        assert_eq!(placed((4000, 1), (1280, 720)), (0, 358, 1280, 2));
        assert_eq!(placed((1, 1), (640, 360)), (140, 0, 360, 360));
    }
}

//! A text as a picture: shaped, wrapped and aligned by `cosmic-text`, in the system's fonts or the one that we carry.
//!
//! `text:BODY?size=72&color=ffffff&background=00000000&align=center&font=Name&bold=1&width=800`, each option as the
//! defaults say where it is left out. Without a width the lines break where the text does.

use std::sync::{Arc, OnceLock};

use cosmic_text::{
    Align, Attrs, Buffer, Color, Family, FontSystem, Metrics, Shaping, SwashCache, Weight, Wrap, fontdb,
};
use media::Size;
use parking_lot::Mutex;

use crate::video::VideoError;
use crate::video::canvas::{Canvas, MOST_AREA, MOST_SIDE, premultiply};
use crate::video::spec::{Spec, colour};

/// Inter (SIL Open Font License 1.1, beside it), Latin letters: where the system has no font, text still appears.
const OWN_FONT: &[u8] = include_bytes!("../../../assets/Inter-latin.ttf");
const OWN_FAMILY: &str = "Inter";
/// Characters: a page of a book.
const MOST_TEXT: usize = 4000;
/// From one line to the next, in letter sizes.
const LINE_HEIGHT: f32 = 1.25;
/// Room around the text, in letter sizes: what slants or swings out of a line is not cut off.
const MARGIN: f32 = 0.2;

/// How a text is to look.
#[derive(Debug, Clone)]
struct Look<'a> {
    /// Pixels.
    size: f32,
    /// Red, green, blue, alpha.
    color: [u8; 4],
    background: [u8; 4],
    align: Align,
    font: &'a str,
    bold: bool,
    /// Pixels that lines are broken at.
    width: Option<f32>,
}

/// The fonts, found once: a machine may have thousands.
fn fonts() -> &'static Mutex<(FontSystem, SwashCache)> {
    static FONTS: OnceLock<Mutex<(FontSystem, SwashCache)>> = OnceLock::new();
    FONTS.get_or_init(|| {
        let own = fontdb::Source::Binary(Arc::new(OWN_FONT));
        Mutex::new((FontSystem::new_with_fonts([own]), SwashCache::new()))
    })
}

/// Paints what the id describes.
pub(super) fn paint(spec: &Spec<'_>) -> Result<Canvas, VideoError> {
    spec.allow(&["size", "color", "background", "align", "font", "bold", "width"])?;
    if spec.body.trim().is_empty() {
        return Err(spec.refuse("there is no text"));
    }
    let width = spec.text("width").map(|_| spec.number("width", 16..=7680, 16)).transpose()?;
    let look = Look {
        size: spec.number("size", 4..=1000, 72)? as f32,
        color: spec.text("color").map_or(Ok([255; 4]), colour)?,
        background: spec.text("background").map_or(Ok([0; 4]), colour)?,
        align: match spec.text("align").unwrap_or("left") {
            "left" => Align::Left,
            "center" => Align::Center,
            "right" => Align::Right,
            _ => return Err(spec.refuse("a text is aligned left, center or right")),
        },
        font: spec.text("font").unwrap_or(OWN_FAMILY),
        bold: spec.number("bold", 0..=1, 0)? == 1,
        width: width.map(|width: u16| f32::from(width)),
    };
    draw(&spec.body, &look)
}

/// One line of a text in white, for cards.
pub(in crate::video) fn label(text: &str, size: f32) -> Result<Canvas, VideoError> {
    let (color, background) = ([255; 4], [0; 4]);
    draw(text, &Look { size, color, background, align: Align::Left, font: OWN_FAMILY, bold: false, width: None })
}

/// Whether some font has each of its letters: without one they would be boxes.
pub(in crate::video) fn can_write(text: &str) -> bool {
    let mut fonts = fonts().lock();
    let (system, _) = &mut *fonts;
    let mut buffer = Buffer::new(system, Metrics::relative(16.0, LINE_HEIGHT));
    buffer.set_wrap(Wrap::None);
    buffer.set_size(None, None);
    buffer.set_text(text, &Attrs::new().family(Family::Name(OWN_FAMILY)), Shaping::Advanced, Some(Align::Left));
    buffer.shape_until_scroll(system, false);
    buffer.layout_runs().all(|run| run.glyphs.iter().all(|glyph| glyph.glyph_id != 0))
}

fn draw(text: &str, look: &Look<'_>) -> Result<Canvas, VideoError> {
    let count = text.chars().count();
    if count > MOST_TEXT {
        return Err(VideoError::BadSource(format!("a text has {MOST_TEXT} characters at most, not {count}")));
    }
    let mut fonts = fonts().lock();
    let (system, cache) = &mut *fonts;
    let weight = if look.bold { Weight::BOLD } else { Weight::NORMAL };
    let attributes = Attrs::new().family(Family::Name(look.font)).weight(weight);
    let mut buffer = Buffer::new(system, Metrics::relative(look.size, LINE_HEIGHT));
    buffer.set_wrap(if look.width.is_some() { Wrap::WordOrGlyph } else { Wrap::None });
    buffer.set_size(look.width, None);
    buffer.set_text(text, &attributes, Shaping::Advanced, Some(Align::Left));
    buffer.shape_until_scroll(system, false);
    let extent = |buffer: &Buffer| {
        buffer.layout_runs().fold((0.0_f32, 0.0_f32), |(width, height), run| {
            (width.max(run.line_w), height.max(run.line_top + run.line_height))
        })
    };
    let widest = look.width.unwrap_or_else(|| extent(&buffer).0.ceil());
    if look.align != Align::Left {
        // Lines are aligned to a width: that of the longest one, where none was given. A pixel more, as rounding
        // must not break that line.
        buffer.set_size(Some(widest + 1.0), None);
        buffer.set_text(text, &attributes, Shaping::Advanced, Some(look.align));
        buffer.shape_until_scroll(system, false);
    }
    let margin = (look.size * MARGIN).ceil();
    let (width, height) = (widest + 1.0 + 2.0 * margin, extent(&buffer).1.ceil() + 2.0 * margin);
    if width.max(height) > MOST_SIDE as f32 || f64::from(width) * f64::from(height) > MOST_AREA as f64 {
        return Err(VideoError::PictureTooLarge(format!("{width:.0}×{height:.0} pixels of text")));
    }
    let size = Size { width: width as u32, height: height as u32 };
    let mut canvas = Canvas::filled(size, premultiply(look.background));
    let [red, green, blue, opacity] = look.color;
    buffer.draw(system, cache, Color::rgb(red, green, blue), |x, y, width, height, color| {
        let [red, green, blue, cover] = color.as_rgba();
        let alpha = (u16::from(cover) * u16::from(opacity) + 127) / 255;
        let over = premultiply([red, green, blue, alpha as u8]);
        for row in 0..height as i32 {
            for column in 0..width as i32 {
                canvas.blend(margin as i32 + x + column, margin as i32 + y + row, over);
            }
        }
    });
    Ok(canvas)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(id: &str) -> Canvas {
        paint(&Spec::parse(id, id).expect("an id")).expect(id)
    }

    /// The first and last column that is not see-through in those rows.
    fn ink(canvas: &Canvas, rows: std::ops::Range<u32>) -> (u32, u32) {
        let inked = |x: &u32| rows.clone().any(|y| canvas.pixels[(y * canvas.size.width + x) as usize * 4 + 3] > 128);
        let columns: Vec<u32> = (0..canvas.size.width).filter(inked).collect();
        (columns[0], columns[columns.len() - 1])
    }

    #[test]
    fn a_text_has_its_colour_and_lets_the_rest_show_through() {
        let canvas = painted("Tidecast?size=80&color=ff0000");
        let solid = canvas.pixels.chunks_exact(4).filter(|pixel| pixel == &[0, 0, 255, 255]).count();
        let clear = canvas.pixels.chunks_exact(4).filter(|pixel| pixel == &[0, 0, 0, 0]).count();
        assert!(solid > 1000 && clear > 5 * solid, "{solid} {clear}");
        for pixel in canvas.pixels.chunks_exact(4) {
            assert!(pixel[..3].iter().all(|&part| part <= pixel[3]), "not premultiplied: {pixel:?}");
        }
    }

    #[test]
    fn a_size_twice_as_large_is_twice_as_large() {
        let (small, large) = (painted("Tidecast?size=40").size, painted("Tidecast?size=80").size);
        assert!(large.width.abs_diff(2 * small.width) <= 6 && large.height.abs_diff(2 * small.height) <= 6);
    }

    #[test]
    fn lines_are_aligned_as_asked() {
        for (align, expected) in [("left", 0.0), ("center", 0.5), ("right", 1.0)] {
            let canvas = painted(&format!("wide wide wide\ni?size=40&align={align}"));
            let half = canvas.size.height / 2;
            let (long, short) = (ink(&canvas, 0..half - 4), ink(&canvas, half + 4..canvas.size.height));
            let free = (long.1 - long.0 - (short.1 - short.0)) as f32;
            let is = (short.0 as f32 - long.0 as f32) / free;
            assert!((is - expected).abs() < 0.05, "{align}: {is}");
        }
    }

    #[test]
    fn a_width_breaks_the_lines() {
        let line = painted("one two three four?size=40");
        let broken = painted("one two three four?size=40&width=200");
        assert!(broken.size.width < 225 && broken.size.width >= 200);
        assert!(broken.size.height > line.size.height + 40);
    }

    #[test]
    fn half_a_colour_over_a_background_mixes() {
        let canvas = painted("MMMM?size=200&bold=1&color=ffffff80&background=000000");
        assert!(canvas.pixels.chunks_exact(4).all(|pixel| pixel[3] == 255));
        let most = canvas.pixels.chunks_exact(4).map(|pixel| pixel[0]).max();
        assert_eq!(most, Some(128));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let long = "x".repeat(4001);
        for id in ["", "  ?size=20", "a?size=2", "a?align=up", "a?colour=ff0000", "a?color=red", "a?width=0", &long] {
            let refusal = paint(&Spec::parse(id, id).expect("an id")).expect_err(id);
            assert_eq!(refusal.code(), "bad_source", "{id}");
        }
        let wide = format!("{}?size=1000", "W".repeat(300));
        let refusal = paint(&Spec::parse(&wide, &wide).expect("an id")).expect_err("too wide");
        assert_eq!(refusal.code(), "picture_too_large");
    }
}

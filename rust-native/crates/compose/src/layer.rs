//! One item of the stage: where it lies, and its raster as long as that is good.

use media::{Alpha, Picture, Size, VideoFrame};
use scene::{Canvas, Crop, Fit, Item, Rotation};

use crate::card::Card;
use crate::convert::convert;
use crate::placement::{Placement, box_of, place};
use crate::planes::View;
use crate::raster::{Painter, Raster};
use crate::region::Area;
use crate::{ComposeError, Rect};

/// What a source shows now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    pub(crate) frame: Option<VideoFrame>,
    /// This is shown instead of the last frame.
    pub(crate) lost: Option<Card>,
}

/// See the module.
pub(crate) struct Layer {
    pub(crate) item: Item,
    /// While the source is lost: the card, and the item without what was meant for the source's picture.
    card: Option<(VideoFrame, Item, Card)>,
    placement: Option<Placement>,
    raster: Option<Raster>,
    /// The raster shows the newest frame.
    fresh: bool,
    painter: Painter,
}

impl Layer {
    pub(crate) fn new(item: Item) -> Self {
        Self { item, card: None, placement: None, raster: None, fresh: false, painter: Painter::default() }
    }

    /// Where it is drawn; `None` before its source's first frame.
    pub(crate) fn area(&self) -> Option<Area> {
        self.placement.map(|placement| placement.area).filter(|_| self.item.is_shown())
    }

    /// The source, the canvas or the output changed: finds the new place. Its old picture is stale.
    pub(crate) fn update(&mut self, source: &Source, canvas: Canvas, output: Size) {
        self.fresh = false;
        if let Some(lost) = &source.lost {
            let size = box_of(&self.item, canvas, output).size();
            // A box far larger than the output would cost memory for nothing: the card is scaled up.
            let size = Size { width: size.width.min(1920), height: size.height.min(1920) };
            if self.card.as_ref().is_none_or(|(frame, _, card)| frame.size != size || !card.is(lost)) {
                let item = Item {
                    fit: Fit::Stretch,
                    crop: Crop::default(),
                    rotation: Rotation::None,
                    chroma_key: None,
                    ..self.item.clone()
                };
                self.card = Some((lost.paint(size), item, lost.clone()));
            }
        } else {
            self.card = None;
        }
        let shown = self.card.as_ref().map(|(card, item, _)| (card.size, item));
        let shown = shown.or_else(|| source.frame.as_ref().map(|frame| (frame.size, &self.item)));
        self.placement = shown.map(|(size, item)| place(item, canvas, output, size));
    }

    fn shown<'a>(&'a self, source: &'a Source) -> Option<(&'a VideoFrame, &'a Item, Placement)> {
        let (frame, item) = match &self.card {
            Some((card, item, _)) => (card, item),
            None => (source.frame.as_ref()?, &self.item),
        };
        Some((frame, item, self.placement?))
    }

    /// Where nothing below it can be seen.
    pub(crate) fn hides(&self, source: &Source) -> Option<Area> {
        let area = self.area()?;
        let (frame, item, _) = self.shown(source)?;
        let opaque = frame.alpha == Alpha::Opaque && item.opacity >= 1.0 && item.chroma_key.is_none();
        (opaque || (self.fresh && self.raster.as_ref().is_some_and(Raster::is_opaque))).then_some(area)
    }

    /// Draws what of it lies in `clip` (within the picture). `true` where that made a new raster.
    pub(crate) fn draw(&mut self, source: &Source, clip: Area, out: &mut Picture) -> Result<bool, ComposeError> {
        let Some((frame, item, Placement { left, top, part, area })) = self.shown(source) else { return Ok(false) };
        let Some(seen) = area.shared(clip) else { return Ok(false) };
        let view = View::whole(frame).part(left, top, part);
        let within = Area { x: seen.x - area.x, y: seen.y - area.y, ..seen };
        let plain = item.opacity >= 1.0 && item.chroma_key.is_none() && item.rotation == Rotation::None;
        if plain && frame.alpha == Alpha::Opaque && part.even() == area.size() {
            // Not scaled: only the pixels that are seen, straight from the frame.
            let (x, y) = (within.x as u32, within.y as u32);
            let size = Size {
                width: (within.width as u32).min(part.width - x),
                height: (within.height as u32).min(part.height - y),
            };
            let rect = Rect { x: seen.x as u32, y: seen.y as u32, size };
            convert(view.part(x, y, size), out, rect)?;
            return Ok(false);
        }
        let made = !self.fresh || self.raster.is_none();
        if made {
            let (alpha, item) = (frame.alpha, item.clone());
            let spare = self.raster.take();
            let Some((frame, ..)) =
                self.card.as_ref().map(|(card, ..)| (card,)).or(source.frame.as_ref().map(|f| (f,)))
            else {
                return Ok(false);
            };
            let view = View::whole(frame).part(left, top, part);
            self.raster = Some(self.painter.paint(view, alpha, &item, area.size(), spare)?);
            self.fresh = true;
        }
        if let Some(raster) = &self.raster {
            raster.draw(within, out, (area.x, area.y));
        }
        Ok(made)
    }
}

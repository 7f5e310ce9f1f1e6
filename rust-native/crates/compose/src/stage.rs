//! A scene being shown: the newest frame of each source, and the picture they make.
//!
//! Only what changed is drawn again. A source's frame damages the places of its items, unless something opaque lies
//! over them; an item that is not a plain, unscaled picture is kept as a raster until its source changes. A scene of
//! one opaque source that fills the canvas is drawn in one pass, as [`crate::Composer`] does it.

use std::collections::HashMap;

use media::{Alpha, MediaTime, Picture, Size, VideoFrame};
use scene::{Canvas, Fit, Item, Rotation, Scene};

use crate::card::Card;
use crate::layer::{Layer, Source};
use crate::region::{Area, Damage};
use crate::{ComposeError, Composer, blend, check};

/// What was done since the start; a reader takes differences.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pictures of which anything was drawn.
    pub compositions: u64,
    /// Items that were scaled, keyed, turned or blended into a raster of their own.
    pub rasters: u64,
    /// Pixels of the output that were drawn again.
    pub pixels: u64,
}

/// See the module.
pub struct Stage {
    output: Size,
    canvas: Canvas,
    layers: Vec<Layer>,
    sources: HashMap<String, Source>,
    plain: Composer,
    picture: Picture,
    damage: Damage,
    /// The picture is older than what was shown: see [`Stage::pass_on`].
    stale: bool,
    /// Of `compose` and `source_changed`, kept so that a picture takes no memory.
    areas: Vec<Area>,
    moved: Vec<(usize, Option<Area>)>,
    captured_at: MediaTime,
    counts: Counts,
}

impl Stage {
    /// An empty scene, drawn at that size (rounded up to even numbers).
    pub fn new(output: Size) -> Self {
        let output = output.even();
        let canvas = Canvas { width: output.width, height: output.height };
        let mut stage = Self {
            output,
            canvas,
            layers: Vec::new(),
            sources: HashMap::new(),
            plain: Composer::new(output),
            picture: Picture::black(output),
            damage: Damage::default(),
            stale: false,
            areas: Vec::new(),
            moved: Vec::new(),
            captured_at: MediaTime::ZERO,
            counts: Counts::default(),
        };
        stage.damage_all();
        stage
    }

    /// An empty scene of the same size that knows this one's frames: for what follows it while this one is still
    /// drawn.
    pub fn successor(&self) -> Self {
        Self {
            sources: self.sources.clone(),
            captured_at: self.captured_at,
            counts: self.counts,
            ..Self::new(self.output)
        }
    }

    /// Draws at another size from now on.
    pub fn set_output(&mut self, output: Size) {
        let output = output.even();
        if output == self.output {
            return;
        }
        self.output = output;
        self.plain = Composer::new(output);
        self.picture = Picture::black(output);
        self.update_all();
    }

    /// Shows another scene, which was validated. Frames of sources in both are kept; items that are the same keep
    /// their rasters, and where nothing else changed only the changed ones are drawn again.
    pub fn set_scene(&mut self, scene: &Scene) {
        let sources = scene.sources();
        self.sources.retain(|name, _| sources.contains(&name.as_str()));
        for name in sources {
            self.sources.entry(name.to_owned()).or_default();
        }
        let shown = |item: &&Item| item.is_shown();
        let same_order = scene.canvas == self.canvas
            && scene.items.iter().filter(shown).map(|item| &item.id).eq(self.layers.iter().map(|layer| &layer.item.id));
        let mut old: HashMap<String, Layer> =
            self.layers.drain(..).map(|layer| (layer.item.id.clone(), layer)).collect();
        self.canvas = scene.canvas;
        for item in scene.items.iter().filter(shown) {
            match old.remove(&item.id) {
                Some(layer) if same_order && layer.item == *item => self.layers.push(layer),
                before => {
                    let mut layer = Layer::new(item.clone());
                    if let Some(source) = self.sources.get(&item.source) {
                        layer.update(source, self.canvas, self.output);
                    }
                    if same_order {
                        self.damage_area(before.and_then(|before| before.area()));
                        self.damage_area(layer.area());
                    }
                    self.layers.push(layer);
                }
            }
        }
        if !same_order {
            self.update_all();
        }
    }

    /// Takes a source's newest frame; one of a source that the scene doesn't have is dropped.
    ///
    /// # Errors
    /// [`ComposeError::EmptyFrame`] and [`ComposeError::TruncatedFrame`]; the last frame is then kept.
    pub fn put(&mut self, source: &str, frame: VideoFrame) -> Result<(), ComposeError> {
        check(&frame)?;
        if let Some(known) = self.sources.get_mut(source) {
            self.captured_at = self.captured_at.max(frame.captured_at);
            *known = Source { frame: Some(frame), lost: None };
            self.source_changed(source);
        }
        Ok(())
    }

    /// Shows a card in a source's place until its next frame.
    pub fn lose(&mut self, source: &str, card: Card) {
        if let Some(known) = self.sources.get_mut(source) {
            *known = Source { frame: None, lost: Some(card) };
            self.source_changed(source);
        }
    }

    /// Whether [`Stage::compose`] has anything to draw.
    pub fn is_changed(&self) -> bool {
        !self.damage.is_empty()
    }

    /// Whether every source has shown something, so that nothing is missing in the picture.
    pub fn is_complete(&self) -> bool {
        self.sources.values().all(|source| source.frame.is_some() || source.lost.is_some())
    }

    /// The picture as it was composed last.
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Draws what changed. `false`, and nothing is done, where nothing did.
    ///
    /// # Errors
    /// [`ComposeError::Conversion`] from the libraries that convert and scale.
    pub fn compose(&mut self) -> Result<bool, ComposeError> {
        if std::mem::take(&mut self.stale) {
            self.damage_all();
        }
        if self.damage.is_empty() {
            return Ok(false);
        }
        let mut damage = std::mem::take(&mut self.areas);
        self.damage.take_into(&mut damage);
        let drawn = self.draw_all(&damage);
        self.areas = damage;
        drawn?;
        self.picture.captured_at = self.captured_at;
        Ok(true)
    }

    /// The one frame there is to show, where it lies on a graphics card and is all of the picture: for an encoder that
    /// takes it there. What changed counts as shown; [`Stage::picture`] stays behind until the next `compose`, which
    /// then draws all of it, changed or not.
    pub fn pass_on(&mut self) -> Option<VideoFrame> {
        let frame = self.plain_frame().filter(|frame| frame.pixels.surface().is_some())?;
        if crate::fit(frame.size, self.output).size != self.output {
            return None;
        }
        self.damage.clear();
        self.stale = true;
        Some(frame)
    }

    /// Whether one frame that nothing is done to but scaling is all there is to show.
    pub fn is_plain(&self) -> bool {
        self.plain_frame().is_some()
    }

    fn draw_all(&mut self, damage: &[Area]) -> Result<(), ComposeError> {
        self.counts.compositions += 1;
        if let Some(frame) = self.plain_frame() {
            self.plain.compose(&frame, &mut self.picture)?;
            self.counts.pixels += self.output.area();
        } else {
            for &clip in damage {
                self.draw(clip)?;
                self.counts.pixels += clip.size().area();
            }
        }
        Ok(())
    }

    fn draw(&mut self, clip: Area) -> Result<(), ComposeError> {
        let nothing = Source::default();
        let source_of = |sources: &HashMap<String, Source>, layer: &Layer, clip: Area| {
            sources.get(&layer.item.source).and_then(|source| layer.hides(source)).is_some_and(|area| area.covers(clip))
        };
        let lowest = self.layers.iter().rposition(|layer| source_of(&self.sources, layer, clip));
        if lowest.is_none() {
            blend::blacken(&mut self.picture, clip);
        }
        for layer in &mut self.layers[lowest.unwrap_or(0)..] {
            let source = self.sources.get(&layer.item.source).unwrap_or(&nothing);
            self.counts.rasters += u64::from(layer.draw(source, clip, &mut self.picture)?);
        }
        Ok(())
    }

    /// The one frame there is to draw, where it is drawn as today's simplest stream is.
    fn plain_frame(&self) -> Option<VideoFrame> {
        let [layer] = self.layers.as_slice() else { return None };
        let Item { x, y, width, height, fit, crop, rotation, opacity, ref chroma_key, ref source, .. } = layer.item;
        let fills = (x, y) == (0.0, 0.0)
            && (width, height) == (f64::from(self.canvas.width), f64::from(self.canvas.height))
            && u64::from(self.canvas.width) * u64::from(self.output.height)
                == u64::from(self.canvas.height) * u64::from(self.output.width);
        let untouched = fit == Fit::Contain
            && crop == scene::Crop::default()
            && rotation == Rotation::None
            && opacity >= 1.0
            && chroma_key.is_none();
        let source = self.sources.get(source).filter(|source| fills && untouched && source.lost.is_none())?;
        source.frame.as_ref().filter(|frame| frame.alpha == Alpha::Opaque).cloned()
    }

    fn source_changed(&mut self, name: &str) {
        let Some(source) = self.sources.get(name) else { return };
        let mut changed = std::mem::take(&mut self.moved);
        changed.clear();
        for (index, layer) in self.layers.iter_mut().enumerate().filter(|(_, layer)| layer.item.source == name) {
            changed.push((index, layer.area()));
            layer.update(source, self.canvas, self.output);
            changed.push((index, layer.area()));
        }
        for &(index, area) in &changed {
            let Some(area) = area.and_then(|area| area.shared(Area::at(0, 0, self.output))) else { continue };
            let hidden = self.layers[index + 1..].iter().any(|above| {
                let source = self.sources.get(&above.item.source);
                source.and_then(|source| above.hides(source)).is_some_and(|over| over.covers(area))
            });
            if !hidden {
                self.damage_area(Some(area));
            }
        }
        self.moved = changed;
    }

    fn update_all(&mut self) {
        let nothing = Source::default();
        for layer in &mut self.layers {
            let source = self.sources.get(&layer.item.source).unwrap_or(&nothing);
            layer.update(source, self.canvas, self.output);
        }
        self.damage_all();
    }

    fn damage_all(&mut self) {
        self.damage.clear();
        self.damage.add(Area::at(0, 0, self.output));
    }

    fn damage_area(&mut self, area: Option<Area>) {
        let whole = Area::at(0, 0, self.output);
        if let Some(seen) = area.and_then(|area| area.shared(whole)) {
            self.damage.add(seen);
        }
    }
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("output", &self.output).field("counts", &self.counts).finish_non_exhaustive()
    }
}

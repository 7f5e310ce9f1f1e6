//! The rules that a scene keeps before anything is drawn.

use std::collections::HashSet;

use crate::{Item, Scene, SceneError, Transition};

/// The smallest side of a canvas, pixels: what the encoders take.
pub const LEAST_SIDE: u32 = 16;
/// The largest side of a canvas, pixels: H.264 level 6.2.
pub const MOST_SIDE: u32 = 7680;
/// Each may cost a pass over the canvas.
pub const MOST_ITEMS: usize = 64;
/// How far a box may reach: keeps sums of places within an `i32` and scaled pictures within memory.
const FARTHEST: f64 = 32_768.0;
/// The least part of a source that may be left by its crop.
const LEAST_LEFT: f64 = 1e-3;

impl Scene {
    /// Whether it can be drawn.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), SceneError> {
        if self.name.trim().is_empty() {
            return Err(SceneError::NoName);
        }
        let (width, height) = (self.canvas.width, self.canvas.height);
        let fine = |side: u32| (LEAST_SIDE..=MOST_SIDE).contains(&side) && side.is_multiple_of(2);
        if !fine(width) || !fine(height) {
            return Err(SceneError::Canvas { width, height });
        }
        if self.items.len() > MOST_ITEMS {
            return Err(SceneError::TooManyItems(self.items.len()));
        }
        let mut ids = HashSet::new();
        for item in &self.items {
            if item.id.is_empty() || !ids.insert(&item.id) {
                return Err(SceneError::ItemId(item.id.clone()));
            }
            item.validate()?;
        }
        Ok(())
    }
}

impl Item {
    fn validate(&self) -> Result<(), SceneError> {
        let id = || self.id.clone();
        if self.source.is_empty() {
            return Err(SceneError::NoSource(id()));
        }
        let near = |value: f64| value.abs() <= FARTHEST;
        let sized = |value: f64| (1.0..=FARTHEST).contains(&value);
        if !near(self.x) || !near(self.y) || !sized(self.width) || !sized(self.height) {
            return Err(SceneError::Place(id()));
        }
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let crop = self.crop;
        let leaves = |from: f64, to: f64| share(from) && share(to) && 1.0 - from - to >= LEAST_LEFT;
        if !leaves(crop.left, crop.right) || !leaves(crop.top, crop.bottom) {
            return Err(SceneError::Crop(id()));
        }
        if !share(self.opacity) {
            return Err(SceneError::Opacity(id()));
        }
        match &self.chroma_key {
            Some(key) if ![key.similarity, key.smoothness, key.spill].into_iter().all(share) => {
                Err(SceneError::ChromaKey(id()))
            }
            _ => Ok(()),
        }
    }
}

impl Transition {
    /// Whether it is one.
    ///
    /// # Errors
    /// [`SceneError::Fade`] for a time that is none.
    pub fn validate(self) -> Result<(), SceneError> {
        match self {
            Self::Fade { ms } if !(1..=10_000).contains(&ms) => Err(SceneError::Fade(ms)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Canvas, ChromaKey, Colour};

    fn code(change: impl FnOnce(&mut Scene)) -> &'static str {
        let mut scene = Scene::of_one("s", Canvas::LANDSCAPE);
        change(&mut scene);
        scene.validate().map_or_else(|error| error.code(), |()| "fine")
    }

    #[test]
    fn each_rule_has_its_code() {
        assert_eq!(code(|_| {}), "fine");
        assert_eq!(code(|scene| scene.name = "  ".into()), "scene_without_name");
        assert_eq!(code(|scene| scene.canvas.width = 1921), "scene_canvas");
        assert_eq!(code(|scene| scene.canvas.height = 8000), "scene_canvas");
        assert_eq!(code(|scene| scene.items.push(scene.items[0].clone())), "scene_item_id");
        assert_eq!(code(|scene| scene.items[0].source.clear()), "scene_item_source");
        assert_eq!(code(|scene| scene.items[0].x = f64::NAN), "scene_item_place");
        assert_eq!(code(|scene| scene.items[0].height = 0.0), "scene_item_place");
        assert_eq!(code(|scene| scene.items[0].crop.left = 1.0), "scene_item_crop");
        assert_eq!(code(|scene| scene.items[0].crop.top = -0.1), "scene_item_crop");
        assert_eq!(code(|scene| scene.items[0].opacity = 1.5), "scene_item_opacity");
        let key =
            ChromaKey { colour: Colour { red: 0, green: 255, blue: 0 }, similarity: 2.0, smoothness: 0.1, spill: 0.0 };
        assert_eq!(code(|scene| scene.items[0].chroma_key = Some(key)), "scene_chroma_key");
        let many = |scene: &mut Scene| {
            scene.items = (0..65).map(|id| Item::filling(&id.to_string(), "s", Canvas::LANDSCAPE)).collect();
        };
        assert_eq!(code(many), "scene_too_many_items");
    }

    #[test]
    fn a_fade_has_a_time() {
        assert!(Transition::Cut.validate().is_ok() && Transition::Fade { ms: 300 }.validate().is_ok());
        assert_eq!(Transition::Fade { ms: 0 }.validate().expect_err("refused").code(), "scene_fade");
    }
}

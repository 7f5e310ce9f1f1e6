//! What a scene is: sources laid over each other on a canvas. Pure data, its rules and its file format.
//!
//! Nothing is drawn or captured here. A source is only named; whether it exists is learned by opening it. Edits and
//! their undoing belong to whoever shows the scene.

mod colour;
mod error;
mod file;
mod item;
mod transition;
mod validate;

use serde::{Deserialize, Serialize};

pub use colour::Colour;
pub use error::SceneError;
pub use file::{read, write};
pub use item::{ChromaKey, Crop, Fit, Item, Rotation};
pub use transition::Transition;
pub use validate::{LEAST_SIDE, MOST_ITEMS, MOST_SIDE};

/// Items on a canvas, the lowest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// As the user calls it; not empty.
    pub name: String,
    /// What the items' numbers are pixels of.
    pub canvas: Canvas,
    /// From the lowest to the topmost.
    #[serde(default)]
    pub items: Vec<Item>,
}

/// The size that a scene is laid out on. It is drawn at the encode's size, whatever that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canvas {
    /// Pixels, even, 16 to 7680.
    pub width: u32,
    /// Pixels, even, 16 to 7680.
    pub height: u32,
}

impl Canvas {
    /// 16:9.
    pub const LANDSCAPE: Self = Self { width: 1920, height: 1080 };
    /// 9:16, for telephones.
    pub const PORTRAIT: Self = Self { width: 1080, height: 1920 };
    /// 1:1.
    pub const SQUARE: Self = Self { width: 1080, height: 1080 };

    /// The even size of this canvas's aspect whose shorter side is that of `width`×`height`: "1080p" stays 1080p on
    /// a telephone's canvas. The longer side stays within `most` pixels.
    pub fn at_size_of(self, width: u32, height: u32, most: u32) -> (u32, u32) {
        if u64::from(self.width) * u64::from(height) == u64::from(self.height) * u64::from(width) {
            return (width, height);
        }
        let (long, short) = (self.width.max(self.height), self.width.min(self.height).max(1));
        let wanted = f64::from(width.min(height));
        let scale = (wanted / f64::from(short)).min(f64::from(most) / f64::from(long));
        let even = |side: u32| ((f64::from(side) * scale / 2.0).round() as u32 * 2).max(2);
        (even(self.width), even(self.height))
    }
}

impl Scene {
    /// One source that fills the canvas: what "start this source" means.
    pub fn of_one(source: &str, canvas: Canvas) -> Self {
        Self { name: source.to_owned(), canvas, items: vec![Item::filling("1", source, canvas)] }
    }

    /// Screen and camera in one: the screen fills the canvas, the camera lies in the lower right corner, a quarter
    /// of the canvas wide, a fortieth from its edges. Its place is 4:3, which every camera's picture can cover.
    pub fn screen_and_camera(name: &str, screen: &str, camera: &str, canvas: Canvas) -> Self {
        let (width, margin) = (canvas.width.min(canvas.height) * 4 / 9 / 2 * 2, canvas.width.min(canvas.height) / 40);
        let height = width * 3 / 4 / 2 * 2;
        let camera = Item {
            x: f64::from(canvas.width - width - margin),
            y: f64::from(canvas.height - height - margin),
            width: f64::from(width),
            height: f64::from(height),
            fit: Fit::Cover,
            ..Item::filling("2", camera, canvas)
        };
        Self { name: name.to_owned(), canvas, items: vec![Item::filling("1", screen, canvas), camera] }
    }

    /// The sources that can be seen, each once, the lowest first.
    pub fn sources(&self) -> Vec<&str> {
        let mut sources: Vec<&str> = Vec::new();
        for item in self.items.iter().filter(|item| item.is_shown()) {
            if !sources.contains(&item.source.as_str()) {
                sources.push(&item.source);
            }
        }
        sources
    }

    /// A copy under another name.
    pub fn duplicate(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_in_two_items_is_one_source_and_a_hidden_one_is_none() {
        let mut scene = Scene::of_one("a", Canvas::LANDSCAPE);
        scene.items.push(Item::filling("2", "b", Canvas::LANDSCAPE));
        scene.items.push(Item::filling("3", "a", Canvas::LANDSCAPE));
        scene.items.push(Item { visible: false, ..Item::filling("4", "c", Canvas::LANDSCAPE) });
        scene.items.push(Item { opacity: 0.0, ..Item::filling("5", "d", Canvas::LANDSCAPE) });
        assert_eq!(scene.sources(), ["a", "b"]);
    }

    #[test]
    fn the_quality_chosen_stays_on_every_canvas() {
        assert_eq!(Canvas::LANDSCAPE.at_size_of(1280, 720, 7680), (1280, 720));
        assert_eq!(Canvas::PORTRAIT.at_size_of(1280, 720, 7680), (720, 1280));
        assert_eq!(Canvas::SQUARE.at_size_of(1280, 720, 7680), (720, 720));
        assert_eq!(Canvas { width: 800, height: 600 }.at_size_of(1920, 1080, 7680), (1440, 1080));
        assert_eq!(Canvas { width: 4000, height: 100 }.at_size_of(1280, 720, 4096), (4096, 102));
    }

    #[test]
    fn screen_and_camera_is_valid_on_every_canvas() {
        for canvas in [Canvas::LANDSCAPE, Canvas::PORTRAIT, Canvas::SQUARE, Canvas { width: 16, height: 16 }] {
            let scene = Scene::screen_and_camera("both", "x11:monitor:A", "camera:0", canvas);
            scene.validate().expect("valid");
            let camera = &scene.items[1];
            assert!(camera.x + camera.width <= f64::from(canvas.width), "{canvas:?}");
            assert!(camera.y + camera.height <= f64::from(canvas.height), "{canvas:?}");
        }
    }
}

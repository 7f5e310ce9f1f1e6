//! One source in a scene, and what is done to its picture on the way there.

use serde::{Deserialize, Serialize};

use crate::{Canvas, Colour};

/// A source's place in a scene. In order: cropped, turned, fitted into its box, keyed, made transparent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Names it within its scene; not empty.
    pub id: String,
    /// As the user calls it; empty: as the source is called.
    #[serde(default)]
    pub name: String,
    /// A source's id, as `list_sources` gives it.
    pub source: String,
    /// Left edge of the box, canvas pixels; may lie outside.
    pub x: f64,
    /// Upper edge of the box, canvas pixels; may lie outside.
    pub y: f64,
    /// Width of the box, canvas pixels.
    pub width: f64,
    /// Height of the box, canvas pixels.
    pub height: f64,
    /// How the picture fills the box.
    #[serde(default)]
    pub fit: Fit,
    /// What is cut away from the source's edges.
    #[serde(default)]
    pub crop: Crop,
    /// Clockwise.
    #[serde(default)]
    pub rotation: Rotation,
    /// 0 (unseen) to 1.
    #[serde(default = "opaque")]
    pub opacity: f64,
    /// Drawn at all.
    #[serde(default = "yes")]
    pub visible: bool,
    /// Which colour is seen through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chroma_key: Option<ChromaKey>,
}

/// How a picture of another aspect fills its box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// All of it, in the middle; what it leaves of the box is not drawn.
    #[default]
    Contain,
    /// All of the box, from the picture's middle.
    Cover,
    /// All of both, without regard to the aspect.
    Stretch,
}

/// Shares of the source's width and height, 0 to 1, cut away before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Crop {
    /// Of the width.
    pub left: f64,
    /// Of the height.
    pub top: f64,
    /// Of the width.
    pub right: f64,
    /// Of the height.
    pub bottom: f64,
}

/// Clockwise, in quarters; degrees in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum Rotation {
    /// As it is.
    #[default]
    None,
    /// Its left side becomes the upper one.
    Quarter,
    /// Upside down.
    Half,
    /// Its right side becomes the upper one.
    ThreeQuarters,
}

/// A colour that is seen through. Distances are taken between Cb/Cr pairs (BT.709, limited range), as a share of
/// 255: shadows on the cloth are of the same colour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChromaKey {
    /// The cloth's.
    pub colour: Colour,
    /// Distances up to this are seen through, 0 to 1.
    pub similarity: f64,
    /// From there opacity grows to full over this distance, 0 to 1.
    pub smoothness: f64,
    /// Over this distance from `similarity` on, colour is taken back towards grey: the cloth's reflection, 0 to 1.
    pub spill: f64,
}

impl Item {
    /// A source over the whole canvas.
    pub fn filling(id: &str, source: &str, canvas: Canvas) -> Self {
        Self {
            id: id.to_owned(),
            name: String::new(),
            source: source.to_owned(),
            x: 0.0,
            y: 0.0,
            width: f64::from(canvas.width),
            height: f64::from(canvas.height),
            fit: Fit::Contain,
            crop: Crop::default(),
            rotation: Rotation::None,
            opacity: 1.0,
            visible: true,
            chroma_key: None,
        }
    }

    /// Whether anything of it can be seen.
    pub fn is_shown(&self) -> bool {
        self.visible && self.opacity > 0.0
    }
}

impl Rotation {
    /// 0, 90, 180 or 270.
    pub const fn degrees(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Quarter => 90,
            Self::Half => 180,
            Self::ThreeQuarters => 270,
        }
    }

    /// Whether width and height change places.
    pub const fn is_sideways(self) -> bool {
        matches!(self, Self::Quarter | Self::ThreeQuarters)
    }
}

impl TryFrom<u16> for Rotation {
    type Error = String;

    fn try_from(degrees: u16) -> Result<Self, String> {
        match degrees {
            0 => Ok(Self::None),
            90 => Ok(Self::Quarter),
            180 => Ok(Self::Half),
            270 => Ok(Self::ThreeQuarters),
            other => Err(format!("{other} is not a rotation: 0, 90, 180 or 270")),
        }
    }
}

impl From<Rotation> for u16 {
    fn from(rotation: Rotation) -> Self {
        rotation.degrees()
    }
}

const fn opaque() -> f64 {
    1.0
}

const fn yes() -> bool {
    true
}

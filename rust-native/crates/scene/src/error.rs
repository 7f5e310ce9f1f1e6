//! What can be wrong with a scene.

/// Why a scene or a file of scenes is refused. Items are named by their ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SceneError {
    /// Not JSON, or not what a scene looks like.
    #[error("this is not a scene: {0}")]
    Unreadable(String),
    /// Written by a newer Tidecast.
    #[error("this file has version {0}, which is newer than this program")]
    TooNew(u64),
    /// No scene in it.
    #[error("the file holds no scene")]
    NoScene,
    /// A scene without a name.
    #[error("a scene has no name")]
    NoName,
    /// A canvas that can't be encoded.
    #[error("{width}×{height} is not a canvas: even sides from 16 to 7680")]
    Canvas {
        /// As given.
        width: u32,
        /// As given.
        height: u32,
    },
    /// More than can be drawn in time.
    #[error("{0} items are more than the 64 that a scene may have")]
    TooManyItems(usize),
    /// Two items with one id, or one without.
    #[error("the item id {0:?} is missing or there twice")]
    ItemId(String),
    /// An item without a source.
    #[error("the item {0:?} names no source")]
    NoSource(String),
    /// A box that is empty, not a number or absurdly large.
    #[error("the item {0:?} has a place that can't be drawn")]
    Place(String),
    /// A crop that leaves nothing.
    #[error("the crop of the item {0:?} leaves nothing of it")]
    Crop(String),
    /// Not from 0 to 1.
    #[error("the opacity of the item {0:?} is not from 0 to 1")]
    Opacity(String),
    /// Not from 0 to 1.
    #[error("a number of the chroma key of the item {0:?} is not from 0 to 1")]
    ChromaKey(String),
    /// A fade that is no fade.
    #[error("{0} ms is not a fade: 1 to 10000")]
    Fade(u32),
}

impl SceneError {
    /// Stable, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "scene_unreadable",
            Self::TooNew(_) => "scene_too_new",
            Self::NoScene => "scene_missing",
            Self::NoName => "scene_without_name",
            Self::Canvas { .. } => "scene_canvas",
            Self::TooManyItems(_) => "scene_too_many_items",
            Self::ItemId(_) => "scene_item_id",
            Self::NoSource(_) => "scene_item_source",
            Self::Place(_) => "scene_item_place",
            Self::Crop(_) => "scene_item_crop",
            Self::Opacity(_) => "scene_item_opacity",
            Self::ChromaKey(_) => "scene_chroma_key",
            Self::Fade(_) => "scene_fade",
        }
    }

    /// What to do about it, one sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "Choose a file that Tidecast exported, or correct the place that is named.",
            Self::TooNew(_) => "Install the newest Tidecast.",
            Self::NoScene => "Choose a file with at least one scene.",
            Self::NoName => "Give the scene a name.",
            Self::Canvas { .. } => "Choose 16:9, 9:16, 1:1, or even numbers of your own.",
            Self::TooManyItems(_) => "Remove some items, or spread them over two scenes.",
            Self::ItemId(_) => "Give each item an id of its own.",
            Self::NoSource(_) => "Choose a source for it, or remove it.",
            Self::Place(_) => "Give it a width and a height of at least 1 within 32768 pixels of the canvas.",
            Self::Crop(_) => "Cut away less than the whole picture.",
            Self::Opacity(_) => "Enter an opacity from 0 to 1.",
            Self::ChromaKey(_) => "Enter numbers from 0 to 1.",
            Self::Fade(_) => "Enter a time from 1 to 10000 ms, or choose a cut.",
        }
    }
}

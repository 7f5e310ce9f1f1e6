//! What can be wrong with what is to be packed or taken apart.

/// A failure of this crate. None is the disk's: nothing here touches one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// A keyframe came without parameter sets, or with unreadable ones.
    #[error("the picture's parameter sets can't be read: {0}")]
    ParameterSets(&'static str),
    /// A box or element would not fit its format.
    #[error("the file's structure can't be written: {0}")]
    Unwritable(String),
    /// What was to be taken apart is damaged, or something else.
    #[error("the file's structure can't be read: {0}")]
    Unreadable(String),
    /// There is no room for another chapter mark.
    #[error("the file has no room for another chapter mark")]
    ChaptersFull,
}

impl ContainerError {
    /// Stable, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ParameterSets(_) => "bad_parameter_sets",
            Self::Unwritable(_) => "container_unwritable",
            Self::Unreadable(_) => "container_unreadable",
            Self::ChaptersFull => "chapters_full",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::ParameterSets(_) | Self::Unwritable(_) => "Start the recording again, and report this as a fault.",
            Self::Unreadable(_) => "Look whether the file came whole, and what wrote it.",
            Self::ChaptersFull => "Split the recording to go on with marks in the next file.",
        }
    }
}

impl From<mp4_atom::Error> for ContainerError {
    fn from(error: mp4_atom::Error) -> Self {
        Self::Unwritable(error.to_string())
    }
}

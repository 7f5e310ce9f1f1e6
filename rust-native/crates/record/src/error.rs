//! What can go wrong between a unit and the disk.

use std::io;
use std::path::{Path, PathBuf};

use container::ContainerError;

/// A failure of a recording. Whatever was written before it is a whole file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The folder does not exist, or was taken away with the file in it.
    #[error("the folder {} is not there", .0.display())]
    FolderGone(PathBuf),
    /// Nothing may be written there.
    #[error("nothing may be written to {}", .0.display())]
    ReadOnly(PathBuf),
    /// No room is left on the disk.
    #[error("the disk of {} is full", .0.display())]
    DiskFull(PathBuf),
    /// The file reached the largest size that the disk or the system allows.
    #[error("the file {} can't become larger", .0.display())]
    FileTooLarge(PathBuf),
    /// Anything else that the system says.
    #[error("{} could not be written: {reason}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// In the system's words.
        reason: String,
    },
    /// The disk was slower than the stream for longer than the queue is deep.
    #[error("the disk is too slow for this recording")]
    DiskTooSlow,
    /// No picture came, so there is nothing to write.
    #[error("no picture came, so nothing was recorded")]
    NothingRecorded,
    /// The stream can't be packed.
    #[error(transparent)]
    Container(#[from] ContainerError),
}

impl RecordError {
    /// What the system's error means for a file there.
    pub(crate) fn of_io(error: &io::Error, path: &Path) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::FolderGone(path),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(path),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull(path),
            io::ErrorKind::FileTooLarge => Self::FileTooLarge(path),
            _ => Self::Io { path, reason: error.to_string() },
        }
    }

    /// Stable, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::FolderGone(_) => "record_folder_gone",
            Self::ReadOnly(_) => "record_read_only",
            Self::DiskFull(_) => "record_disk_full",
            Self::FileTooLarge(_) => "record_file_too_large",
            Self::Io { .. } => "record_write_failed",
            Self::DiskTooSlow => "record_disk_too_slow",
            Self::NothingRecorded => "record_nothing",
            Self::Container(error) => error.code(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::FolderGone(_) => "Choose another folder, or plug the disk in again, and record anew.",
            Self::ReadOnly(_) => "Choose a folder that you may write to.",
            Self::DiskFull(_) => "Free some room or choose another disk; what was recorded so far is a whole file.",
            Self::FileTooLarge(_) => "Split the recording by size; what was recorded so far is a whole file.",
            Self::Io { .. } => "Look at the disk, or choose another folder; what was recorded so far is a whole file.",
            Self::DiskTooSlow => "Choose a faster disk or a lower bitrate; what was recorded so far is a whole file.",
            Self::NothingRecorded => "Start the capture first, and record for a second at least.",
            Self::Container(error) => error.hint(),
        }
    }
}

//! A picture file: PNG, JPEG or WebP, turned upright, read anew when it was written anew.

use std::fs::{File, Metadata};
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};
use media::Size;

use crate::video::VideoError;
use crate::video::canvas::{Canvas, MOST_AREA, MOST_SIDE, premultiply};

/// How often the file is asked whether it changed: soon enough for a person, nothing for the machine.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The largest file, bytes: more is not a picture for a screen.
const MOST_BYTES: u64 = 256 << 20;

/// What tells one version of a file from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    modified: Option<SystemTime>,
    length: u64,
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        Self { modified: metadata.modified().ok(), length: metadata.len() }
    }
}

/// A file and the last picture that could be read of it.
#[derive(Debug)]
pub(super) struct PictureFile {
    path: PathBuf,
    /// The last that was read, well or not.
    version: Version,
    picture: Canvas,
    /// Why the present version can't be read.
    failure: Option<VideoError>,
}

impl PictureFile {
    pub(super) fn open(path: &str) -> Result<Self, VideoError> {
        let path = PathBuf::from(path);
        if !path.is_absolute() {
            return Err(VideoError::BadSource("a picture's path begins at the root".to_owned()));
        }
        let version = look_at(&path)?;
        let picture = read(&path)?;
        Ok(Self { path, version, picture, failure: None })
    }

    pub(super) fn picture(&self) -> &Canvas {
        &self.picture
    }

    /// Reads the file if it was written since; says whether the picture changed, or why there is none now.
    pub(super) fn look(&mut self) -> Result<bool, VideoError> {
        let version = look_at(&self.path)?;
        if version == self.version {
            return self.failure.clone().map_or(Ok(false), Err);
        }
        self.version = version;
        match read(&self.path) {
            Ok(picture) => {
                self.failure = None;
                let changed = self.picture != picture;
                self.picture = picture;
                Ok(changed)
            }
            Err(error) => {
                self.failure = Some(error.clone());
                Err(error)
            }
        }
    }
}

fn look_at(path: &Path) -> Result<Version, VideoError> {
    let metadata = std::fs::metadata(path).map_err(|error| refused(path, &error))?;
    // A pipe would be waited on for ever.
    if !metadata.is_file() {
        return Err(VideoError::PictureUnreadable(format!("{} is not a file", path.display())));
    }
    if metadata.len() > MOST_BYTES {
        return Err(VideoError::PictureTooLarge(format!("{} bytes, {MOST_BYTES} at most", metadata.len())));
    }
    Ok(Version::of(&metadata))
}

fn refused(path: &Path, error: &std::io::Error) -> VideoError {
    let said = format!("{}: {error}", path.display());
    match error.kind() {
        ErrorKind::NotFound => VideoError::PictureMissing(path.display().to_string()),
        ErrorKind::PermissionDenied => VideoError::PermissionDenied(said),
        _ => VideoError::PictureUnreadable(said),
    }
}

fn read(path: &Path) -> Result<Canvas, VideoError> {
    let file = File::open(path).map_err(|error| refused(path, &error))?;
    let unreadable = |error: &dyn std::fmt::Display| VideoError::PictureUnreadable(error.to_string());
    let mut reader =
        ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(|error| unreadable(&error))?;
    if reader.format().is_none() {
        return Err(VideoError::PictureUnreadable("it is neither PNG, JPEG nor WebP".to_owned()));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_SIDE);
    limits.max_image_height = Some(MOST_SIDE);
    // Sixteen-bit RGBA of the largest area, and the decoder's own.
    limits.max_alloc = Some(MOST_AREA * 10);
    reader.limits(limits);
    let failed = |error: ImageError| match error {
        ImageError::Limits(error) => VideoError::PictureTooLarge(error.to_string()),
        ImageError::IoError(error) if error.kind() == ErrorKind::PermissionDenied => refused(path, &error),
        other => unreadable(&other),
    };
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_AREA || width.max(height) > MOST_SIDE {
        return Err(VideoError::PictureTooLarge(format!("{width}×{height} pixels")));
    }
    let orientation = decoder.orientation().map_err(failed)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    picture.apply_orientation(orientation);
    let picture = picture.into_rgba8();
    let size = Size { width: picture.width(), height: picture.height() };
    let mut pixels = picture.into_raw();
    for pixel in pixels.chunks_exact_mut(4) {
        pixel.copy_from_slice(&premultiply([pixel[0], pixel[1], pixel[2], pixel[3]]));
    }
    Ok(Canvas { size, pixels })
}

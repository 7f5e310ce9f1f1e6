//! What the bench's tools share: the pattern as a picture for an encoder, and as the luma a decoder should give; and
//! the work on a picture, piece by piece; what receivers keep, and how what they kept is read back.

pub mod depacketize;
#[cfg(target_os = "linux")]
pub mod grab;
pub mod hot_paths;
#[cfg(target_os = "linux")]
pub mod load;
pub mod program;
pub mod recording;

use media::{Picture, Size};
use testkit::time_pattern::{Content, Painter, Stamp};
use yuv::{BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix};

/// Paints the pattern, then converts it as the app does: BT.709, limited range, 4:2:0.
#[derive(Debug)]
pub struct PatternPictures {
    painter: Painter,
    size: Size,
    pixels: Vec<u32>,
    bytes: Vec<u8>,
}

impl PatternPictures {
    /// For even sizes.
    #[must_use]
    pub fn new(content: Content, size: Size) -> Self {
        let size = size.even();
        let count = size.width as usize * size.height as usize;
        let painter = Painter::new(content, size.width, size.height);
        Self { painter, size, pixels: vec![0; count], bytes: vec![0; count * 4] }
    }

    /// The picture of that stamp.
    ///
    /// # Errors
    /// In words, where the converter refuses the size.
    pub fn paint(&mut self, stamp: Stamp) -> Result<Picture, String> {
        self.painter.paint(stamp, &mut self.pixels);
        for (bytes, pixel) in self.bytes.chunks_exact_mut(4).zip(&self.pixels) {
            bytes.copy_from_slice(&pixel.to_le_bytes());
        }
        let mut picture = Picture::black(self.size);
        let [y, u, v] = &mut picture.planes;
        let stride = |plane: &media::Plane| u32::try_from(plane.stride).unwrap_or(u32::MAX);
        let (y_stride, u_stride, v_stride) = (stride(y), stride(u), stride(v));
        let mut planes = YuvPlanarImageMut {
            y_plane: BufferStoreMut::Borrowed(&mut y.data),
            y_stride,
            u_plane: BufferStoreMut::Borrowed(&mut u.data),
            u_stride,
            v_plane: BufferStoreMut::Borrowed(&mut v.data),
            v_stride,
            width: self.size.width,
            height: self.size.height,
        };
        yuv::bgra_to_yuv420(
            &mut planes,
            &self.bytes,
            self.size.width * 4,
            YuvRange::Limited,
            YuvStandardMatrix::Bt709,
            YuvConversionMode::Balanced,
        )
        .map_err(|error| error.to_string())?;
        Ok(picture)
    }

    /// The luma of that stamp, rows without padding.
    ///
    /// # Errors
    /// As [`Self::paint`].
    pub fn luma(&mut self, stamp: Stamp) -> Result<Vec<u8>, String> {
        let [y, ..] = self.paint(stamp)?.planes;
        let width = self.size.width as usize;
        Ok(y.data.chunks_exact(y.stride).flat_map(|row| row[..width].iter().copied()).collect())
    }
}

/// `1920x1080`.
///
/// # Errors
/// In words.
pub fn parse_size(text: &str) -> Result<Size, String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    let (width, height) = sides.ok_or("write it as WIDTHxHEIGHT")?;
    Ok(Size { width, height })
}

/// One of the pattern's contents by its name.
///
/// # Errors
/// In words.
pub fn parse_content(text: &str) -> Result<Content, String> {
    Content::parse(text).ok_or_else(|| format!("no content is called {text}"))
}

/// Processor time of this process so far, milliseconds.
#[must_use]
pub fn cpu_ms() -> f64 {
    cpu_time::ProcessTime::now().as_duration().as_secs_f64() * 1000.0
}

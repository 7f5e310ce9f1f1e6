//! Pictures that lie on a graphics card, and may stay there until they are encoded.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// What the system's graphics interface knows a picture by: 8-bit, 32 bits a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Native {
    /// Linux: one plane of memory that drivers share.
    DmaBuf {
        /// Its descriptor.
        fd: i32,
        /// Bytes of the whole of it.
        bytes: u64,
        /// Bytes before the first row.
        offset: u32,
        /// Bytes from one row to the next.
        pitch: u32,
        /// Order of the channels, `DRM_FORMAT_…` (`drm_fourcc.h`).
        fourcc: u32,
        /// How the pixels lie, `DRM_FORMAT_MOD_…`; 0 is row by row.
        modifier: u64,
    },
    /// Windows: the address of an `ID3D11Texture2D` in `DXGI_FORMAT_B8G8R8A8_UNORM`, on a device that several threads
    /// may use.
    D3d11Texture(usize),
    /// macOS: the address of a `CVPixelBuffer` in `kCVPixelFormatType_32BGRA`.
    CvPixelBuffer(usize),
}

/// A picture on a graphics card; goes back to whoever captured it when the last clone is dropped.
#[derive(Clone)]
pub struct Surface {
    native: Native,
    _owner: Arc<dyn Any + Send + Sync>,
}

impl Surface {
    /// `owner` keeps what `native` names alive and unchanged.
    pub fn new(native: Native, owner: Arc<dyn Any + Send + Sync>) -> Self {
        Self { native, _owner: owner }
    }

    /// Valid as long as this is.
    pub fn native(&self) -> Native {
        self.native
    }
}

impl fmt::Debug for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.native.fmt(f)
    }
}

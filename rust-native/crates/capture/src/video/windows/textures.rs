//! Textures of the graphics card: made, copied inside it, lent out as pictures, and read back.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use media::{Native, PixelBuffer, Size, Surface};
use windows::Win32::Graphics::Direct3D11::{
    D3D11_BIND_RENDER_TARGET, D3D11_BIND_SHADER_RESOURCE, D3D11_BOX, D3D11_CPU_ACCESS_READ, D3D11_MAP_READ,
    D3D11_MAPPED_SUBRESOURCE, D3D11_TEXTURE2D_DESC, D3D11_USAGE_DEFAULT, D3D11_USAGE_STAGING, ID3D11Device,
    ID3D11DeviceContext, ID3D11Multithread, ID3D11Texture2D,
};
use windows::Win32::Graphics::Dxgi::Common::{DXGI_FORMAT, DXGI_SAMPLE_DESC};
use windows::core::Interface;

use crate::video::pool::{Shelf, copy_rows};
use crate::video::{Rect, VideoError};

/// Where a texture lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the card's own memory, for everything that works there.
    Card,
    /// Where the processor may read it, and the card does nothing with it but copy.
    Staging,
}

/// One texture, and what it was made as.
#[derive(Debug)]
pub(super) struct Texture {
    raw: ID3D11Texture2D,
    size: Size,
    format: DXGI_FORMAT,
    place: Place,
}

impl Texture {
    pub(super) fn size(&self) -> Size {
        self.size
    }

    pub(super) fn is(&self, size: Size, format: DXGI_FORMAT, place: Place) -> bool {
        (self.size, self.format, self.place) == (size, format, place)
    }
}

/// The device of one session, and what orders its work.
#[derive(Debug, Clone)]
pub(super) struct Device {
    raw: ID3D11Device,
    context: ID3D11DeviceContext,
}

impl Device {
    /// Makes it one that several threads may use: the API's, ours, and whose the pictures are then.
    pub(super) fn share(raw: ID3D11Device, context: ID3D11DeviceContext) -> windows::core::Result<Self> {
        let shared = context.cast::<ID3D11Multithread>()?;
        // SAFETY: a plain call on a live object.
        let _ = unsafe { shared.SetMultithreadProtected(true) };
        Ok(Self { raw, context })
    }

    /// # Errors
    /// `graphics_device`.
    pub(super) fn texture(&self, size: Size, format: DXGI_FORMAT, place: Place) -> Result<Texture, VideoError> {
        let (usage, binding, access) = match place {
            // What a video processor reads is bound as a render target, though nobody draws into it.
            Place::Card => (D3D11_USAGE_DEFAULT, D3D11_BIND_RENDER_TARGET.0 | D3D11_BIND_SHADER_RESOURCE.0, 0),
            Place::Staging => (D3D11_USAGE_STAGING, 0, D3D11_CPU_ACCESS_READ.0),
        };
        let description = D3D11_TEXTURE2D_DESC {
            Width: size.width,
            Height: size.height,
            MipLevels: 1,
            ArraySize: 1,
            Format: format,
            SampleDesc: DXGI_SAMPLE_DESC { Count: 1, Quality: 0 },
            Usage: usage,
            BindFlags: binding as u32,
            CPUAccessFlags: access as u32,
            MiscFlags: 0,
        };
        let mut raw = None;
        // SAFETY: the description is whole, and `raw` is writable.
        unsafe { self.raw.CreateTexture2D(&raw const description, None, Some(&raw mut raw)) }
            .map_err(|error| failed(&error))?;
        let raw = raw.ok_or_else(|| VideoError::GraphicsDevice("it made no texture".to_owned()))?;
        Ok(Texture { raw, size, format, place })
    }

    /// All of `from`, which is of this device and of the size and format of `to`.
    pub(super) fn copy(&self, from: &ID3D11Texture2D, to: &Texture) {
        // SAFETY: both are live; of textures that don't fit each other the driver copies nothing.
        unsafe { self.context.CopyResource(&to.raw, from) };
    }

    /// A part of `from`, which it reaches around, into a texture of the part's size.
    fn copy_part(&self, from: &Texture, part: Rect, to: &Texture) {
        let (left, top) = (part.x as u32, part.y as u32);
        let part = D3D11_BOX { left, top, front: 0, right: left + part.width, bottom: top + part.height, back: 1 };
        // SAFETY: both are live, and so is the box; a box that doesn't fit is left alone by the driver.
        unsafe { self.context.CopySubresourceRegion(&to.raw, 0, 0, 0, 0, &from.raw, 0, Some(&raw const part)) };
    }

    /// Shows `look` the rows, and tells it the bytes from one to the next; waits until the card has finished with them.
    /// Where the texture lies in the card, a copy is made first. One that lies in staging is read by one at a time.
    ///
    /// # Errors
    /// `graphics_device`.
    pub(super) fn read<T>(&self, texture: &Texture, look: impl FnOnce(&[u8], usize) -> T) -> Result<T, VideoError> {
        if texture.place == Place::Card {
            let staging = self.texture(texture.size, texture.format, Place::Staging)?;
            self.copy(&texture.raw, &staging);
            return self.read(&staging, look);
        }
        let mut mapped = D3D11_MAPPED_SUBRESOURCE::default();
        // SAFETY: a texture that the processor may read, mapped once at a time, and `mapped` is writable.
        unsafe { self.context.Map(&texture.raw, 0, D3D11_MAP_READ, 0, Some(&raw mut mapped)) }
            .map_err(|error| failed(&error))?;
        let pitch = mapped.RowPitch as usize;
        let length = pitch * texture.size.height as usize;
        // SAFETY: a mapped texture has as many rows as it is high, `RowPitch` bytes apart, until it is unmapped below.
        let seen = look(unsafe { std::slice::from_raw_parts(mapped.pData.cast::<u8>(), length) }, pitch);
        // SAFETY: mapped above; the rows are not used any more.
        unsafe { self.context.Unmap(&texture.raw, 0) };
        Ok(seen)
    }
}

fn failed(error: &windows::core::Error) -> VideoError {
    VideoError::GraphicsDevice(error.to_string())
}

/// A picture that lies in the card.
#[derive(Debug)]
struct Lent {
    device: Device,
    texture: Texture,
    /// Once somebody asked for them.
    bytes: OnceLock<Vec<u8>>,
}

impl Lent {
    /// BGRA rows without padding; black where the device fails.
    fn read_back(&self) -> Vec<u8> {
        let mut bytes = vec![0; length(self.texture.size)];
        let row = self.texture.size.width as usize * 4;
        let read = self.device.read(&self.texture, |from, pitch| copy_rows(from, pitch, &mut bytes, row));
        if let Err(error) = read {
            tracing::warn!(%error, "a picture can't be read back from the graphics card; black stands in for it");
        }
        bytes
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get_or_init(|| self.read_back())
    }
}

/// Pictures of one size and one session, BGRA, that stay in the card; see [`crate::video::pool`].
#[derive(Debug)]
pub(super) struct Textures {
    size: Size,
    pictures: Shelf<Lent>,
}

impl Textures {
    pub(super) fn new() -> Self {
        Self { size: Size { width: 0, height: 0 }, pictures: Shelf::new() }
    }

    /// A copy of a part of `from`, which it reaches around; `None` while consumers hold all that there are.
    ///
    /// # Errors
    /// `graphics_device`.
    pub(super) fn lend(
        &mut self,
        device: &Device,
        from: &Texture,
        part: Rect,
    ) -> Result<Option<PixelBuffer>, VideoError> {
        let size = Size { width: part.width, height: part.height };
        if size != self.size {
            *self = Self { size, ..Self::new() };
        }
        let lent = self.pictures.free(|| {
            let texture = device.texture(size, from.format, Place::Card)?;
            Ok(Lent { device: device.clone(), texture, bytes: OnceLock::new() })
        })?;
        let Some(lent) = lent else { return Ok(None) };
        let Some(picture) = Arc::get_mut(lent) else { return Ok(None) };
        picture.bytes = OnceLock::new();
        // What was done with the picture before is in the same queue, in front of this.
        device.copy_part(from, part, &picture.texture);
        let native = Native::D3d11Texture(picture.texture.raw.as_raw().expose_provenance());
        let surface = Surface::new(native, Arc::clone(lent) as Arc<dyn Any + Send + Sync>);
        let memory = Arc::clone(lent) as Arc<dyn AsRef<[u8]> + Send + Sync>;
        Ok(Some(PixelBuffer::on_card(surface, length(size), memory)))
    }
}

/// Bytes of a picture of that size.
fn length(size: Size) -> usize {
    size.width as usize * 4 * size.height as usize
}

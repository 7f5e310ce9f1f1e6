//! The video processor of a card: BGRA in full range to NV12 in BT.709 and limited range, in any size.

use std::collections::VecDeque;
use std::mem::ManuallyDrop;

use media::Size;
use windows::Win32::Foundation::RECT;
use windows::Win32::Graphics::Direct3D11::{
    D3D11_TEX2D_ARRAY_VPOV, D3D11_TEX2D_VPIV, D3D11_TEX2D_VPOV, D3D11_TEXTURE2D_DESC,
    D3D11_VIDEO_FRAME_FORMAT_PROGRESSIVE, D3D11_VIDEO_PROCESSOR_CONTENT_DESC,
    D3D11_VIDEO_PROCESSOR_FORMAT_SUPPORT_INPUT, D3D11_VIDEO_PROCESSOR_FORMAT_SUPPORT_OUTPUT,
    D3D11_VIDEO_PROCESSOR_INPUT_VIEW_DESC, D3D11_VIDEO_PROCESSOR_INPUT_VIEW_DESC_0,
    D3D11_VIDEO_PROCESSOR_OUTPUT_VIEW_DESC, D3D11_VIDEO_PROCESSOR_OUTPUT_VIEW_DESC_0, D3D11_VIDEO_PROCESSOR_STREAM,
    D3D11_VIDEO_USAGE_PLAYBACK_NORMAL, D3D11_VPIV_DIMENSION_TEXTURE2D, D3D11_VPOV_DIMENSION_TEXTURE2D,
    D3D11_VPOV_DIMENSION_TEXTURE2DARRAY, ID3D11Device, ID3D11Texture2D, ID3D11VideoContext1, ID3D11VideoDevice,
    ID3D11VideoProcessor, ID3D11VideoProcessorEnumerator, ID3D11VideoProcessorInputView,
    ID3D11VideoProcessorOutputView,
};
use windows::Win32::Graphics::Dxgi::Common::{
    DXGI_COLOR_SPACE_RGB_FULL_G22_NONE_P709, DXGI_COLOR_SPACE_YCBCR_STUDIO_G22_LEFT_P709, DXGI_FORMAT_B8G8R8A8_UNORM,
    DXGI_FORMAT_NV12, DXGI_RATIONAL,
};
use windows::core::{Error, Interface};

/// The one stream that is converted.
const STREAM: u32 = 0;
/// A driver may choose its way by the rate; pictures come as they come.
const RATE: DXGI_RATIONAL = DXGI_RATIONAL { Numerator: 60, Denominator: 1 };
/// A capture lends six textures.
const MOST_INPUTS: usize = 8;
/// More surfaces than any encoder holds at once; of a pool that is larger, views are made anew.
const MOST_OUTPUTS: usize = 24;

/// One size in, one size out, on one device.
#[derive(Debug)]
pub(super) struct Processor {
    device: ID3D11VideoDevice,
    context: ID3D11VideoContext1,
    enumerator: ID3D11VideoProcessorEnumerator,
    processor: ID3D11VideoProcessor,
    inputs: Views<ID3D11VideoProcessorInputView>,
    outputs: Views<ID3D11VideoProcessorOutputView>,
}

impl Processor {
    /// # Errors
    /// In words: the driver has none, or none for these formats.
    pub(super) fn new(device: &ID3D11Device, from: Size, to: Size) -> Result<Self, String> {
        let this = Self::make(device, from, to).map_err(|error| format!("the card has no video processor: {error}"))?;
        let formats = [
            (DXGI_FORMAT_B8G8R8A8_UNORM, D3D11_VIDEO_PROCESSOR_FORMAT_SUPPORT_INPUT, "reads no BGRA"),
            (DXGI_FORMAT_NV12, D3D11_VIDEO_PROCESSOR_FORMAT_SUPPORT_OUTPUT, "writes no NV12"),
        ];
        for (format, wanted, lack) in formats {
            // SAFETY: a plain question to a live object.
            let can = unsafe { this.enumerator.CheckVideoProcessorFormat(format) };
            if !can.is_ok_and(|can| can & wanted.0 as u32 != 0) {
                return Err(format!("the card's video processor {lack}"));
            }
        }
        Ok(this)
    }

    fn make(device: &ID3D11Device, from: Size, to: Size) -> windows::core::Result<Self> {
        let content = D3D11_VIDEO_PROCESSOR_CONTENT_DESC {
            InputFrameFormat: D3D11_VIDEO_FRAME_FORMAT_PROGRESSIVE,
            InputFrameRate: RATE,
            InputWidth: from.width,
            InputHeight: from.height,
            OutputFrameRate: RATE,
            OutputWidth: to.width,
            OutputHeight: to.height,
            Usage: D3D11_VIDEO_USAGE_PLAYBACK_NORMAL,
        };
        let (source, target) = (rectangle(from), rectangle(to));
        // SAFETY: all objects are live, and the structs that are pointed to outlive the calls, which copy them.
        unsafe {
            let context = device.GetImmediateContext()?.cast::<ID3D11VideoContext1>()?;
            let device = device.cast::<ID3D11VideoDevice>()?;
            let enumerator = device.CreateVideoProcessorEnumerator(&raw const content)?;
            let processor = device.CreateVideoProcessor(&enumerator, 0)?;
            context.VideoProcessorSetStreamFrameFormat(&processor, STREAM, D3D11_VIDEO_FRAME_FORMAT_PROGRESSIVE);
            // Drivers take it as a leave to sharpen and to brighten.
            context.VideoProcessorSetStreamAutoProcessingMode(&processor, STREAM, false);
            // A screen's fourth byte may hold anything.
            context.VideoProcessorSetStreamAlpha(&processor, STREAM, false, 1.0);
            context.VideoProcessorSetStreamSourceRect(&processor, STREAM, true, Some(&raw const source));
            // Surfaces may be larger than the picture, which lies in their corner.
            context.VideoProcessorSetStreamDestRect(&processor, STREAM, true, Some(&raw const target));
            context.VideoProcessorSetOutputTargetRect(&processor, true, Some(&raw const target));
            // One curve on both sides, so that only the matrix and the range change.
            let (rgb, yuv) = (DXGI_COLOR_SPACE_RGB_FULL_G22_NONE_P709, DXGI_COLOR_SPACE_YCBCR_STUDIO_G22_LEFT_P709);
            context.VideoProcessorSetStreamColorSpace1(&processor, STREAM, rgb);
            context.VideoProcessorSetOutputColorSpace1(&processor, yuv);
            let (inputs, outputs) = (Views::new(MOST_INPUTS), Views::new(MOST_OUTPUTS));
            Ok(Self { device, context, enumerator, processor, inputs, outputs })
        }
    }

    /// Orders the work and does not wait for it: what the device is asked for later comes after it.
    ///
    /// # Errors
    /// The driver's; of a device that was taken away, each time.
    pub(super) fn convert(
        &mut self,
        from: &ID3D11Texture2D,
        to: &ID3D11Texture2D,
        slice: u32,
    ) -> windows::core::Result<()> {
        let (device, enumerator) = (&self.device, &self.enumerator);
        let input = self.inputs.of(key(from, 0), || input_view(device, enumerator, from))?;
        let output = self.outputs.of(key(to, slice), || output_view(device, enumerator, to, slice))?;
        let mut stream = D3D11_VIDEO_PROCESSOR_STREAM {
            Enable: true.into(),
            pInputSurface: ManuallyDrop::new(Some(input)),
            ..Default::default()
        };
        // SAFETY: all objects are live; of the stream's pointers only the view's is set, and the counts of the others
        // are 0.
        let ordered =
            unsafe { self.context.VideoProcessorBlt(&self.processor, &output, 0, std::slice::from_ref(&stream)) };
        // SAFETY: dropped once; the stream is not used any more.
        unsafe { ManuallyDrop::drop(&mut stream.pInputSurface) };
        ordered
    }
}

fn input_view(
    device: &ID3D11VideoDevice,
    enumerator: &ID3D11VideoProcessorEnumerator,
    texture: &ID3D11Texture2D,
) -> windows::core::Result<ID3D11VideoProcessorInputView> {
    let description = D3D11_VIDEO_PROCESSOR_INPUT_VIEW_DESC {
        // As the texture itself says.
        FourCC: 0,
        ViewDimension: D3D11_VPIV_DIMENSION_TEXTURE2D,
        Anonymous: D3D11_VIDEO_PROCESSOR_INPUT_VIEW_DESC_0 {
            Texture2D: D3D11_TEX2D_VPIV { MipSlice: 0, ArraySlice: 0 },
        },
    };
    let mut view = None;
    // SAFETY: all objects are live, the description is whole, and `view` is writable.
    unsafe {
        device.CreateVideoProcessorInputView(texture, enumerator, &raw const description, Some(&raw mut view))?;
    }
    view.ok_or_else(Error::empty)
}

fn output_view(
    device: &ID3D11VideoDevice,
    enumerator: &ID3D11VideoProcessorEnumerator,
    texture: &ID3D11Texture2D,
    slice: u32,
) -> windows::core::Result<ID3D11VideoProcessorOutputView> {
    let mut made_as = D3D11_TEXTURE2D_DESC::default();
    // SAFETY: the description is writable.
    unsafe { texture.GetDesc(&raw mut made_as) };
    let description = if made_as.ArraySize > 1 {
        let slices = D3D11_TEX2D_ARRAY_VPOV { MipSlice: 0, FirstArraySlice: slice, ArraySize: 1 };
        D3D11_VIDEO_PROCESSOR_OUTPUT_VIEW_DESC {
            ViewDimension: D3D11_VPOV_DIMENSION_TEXTURE2DARRAY,
            Anonymous: D3D11_VIDEO_PROCESSOR_OUTPUT_VIEW_DESC_0 { Texture2DArray: slices },
        }
    } else {
        D3D11_VIDEO_PROCESSOR_OUTPUT_VIEW_DESC {
            ViewDimension: D3D11_VPOV_DIMENSION_TEXTURE2D,
            Anonymous: D3D11_VIDEO_PROCESSOR_OUTPUT_VIEW_DESC_0 { Texture2D: D3D11_TEX2D_VPOV { MipSlice: 0 } },
        }
    };
    let mut view = None;
    // SAFETY: all objects are live, the description is whole, and `view` is writable.
    unsafe {
        device.CreateVideoProcessorOutputView(texture, enumerator, &raw const description, Some(&raw mut view))?;
    }
    view.ok_or_else(Error::empty)
}

fn rectangle(size: Size) -> RECT {
    RECT { left: 0, top: 0, right: size.width as i32, bottom: size.height as i32 }
}

/// What tells one texture's slice from another's.
type Key = (usize, u32);

fn key(texture: &ID3D11Texture2D, slice: u32) -> Key {
    (texture.as_raw().addr(), slice)
}

/// The views of textures that come again and again. Each keeps its texture, so no other one gets that address.
#[derive(Debug)]
struct Views<V> {
    most: usize,
    /// The newest last.
    known: VecDeque<(Key, V)>,
}

impl<V: Clone> Views<V> {
    fn new(most: usize) -> Self {
        Self { most, known: VecDeque::new() }
    }

    /// The one that is known, or that `make` makes; the oldest one makes room for it.
    fn of<E>(&mut self, key: Key, make: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        if let Some((_, view)) = self.known.iter().find(|(known, _)| *known == key) {
            return Ok(view.clone());
        }
        let view = make()?;
        if self.known.len() >= self.most {
            self.known.pop_front();
        }
        self.known.push_back((key, view.clone()));
        Ok(view)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn views_are_made_once_and_the_oldest_make_room() {
        let mut views = Views::new(2);
        let mut made = Vec::new();
        for key in [(1, 0), (2, 0), (1, 0), (2, 1), (2, 0), (1, 0)] {
            let view = views.of(key, || {
                made.push(key);
                Ok::<_, Infallible>(key)
            });
            assert_eq!(view, Ok(key));
        }
        assert_eq!(made, [(1, 0), (2, 0), (2, 1), (1, 0)]);
    }
}

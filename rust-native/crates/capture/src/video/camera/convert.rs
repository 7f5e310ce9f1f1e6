//! A camera's bytes become BGRA.

use media::Size;
use yuv::{YuvBiPlanarImage, YuvConversionMode, YuvPackedImage, YuvRange, YuvStandardMatrix};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::formats::Format;

/// What the bytes mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Layout {
    pub(super) format: Format,
    pub(super) size: Size,
    /// Bytes from one row to the next, of the first plane.
    pub(super) stride: u32,
    /// BT.709 in place of BT.601.
    pub(super) bt709: bool,
    /// 0 to 255 in place of 16 to 235.
    pub(super) full_range: bool,
}

/// Converts one picture into `out`, `4 * width * height` bytes. The reason where it is cut short or damaged.
pub(super) fn to_bgra(bytes: &[u8], layout: &Layout, out: &mut [u8]) -> Result<(), String> {
    let Size { width, height } = layout.size;
    let range = if layout.full_range { YuvRange::Full } else { YuvRange::Limited };
    let matrix = if layout.bt709 { YuvStandardMatrix::Bt709 } else { YuvStandardMatrix::Bt601 };
    let rows = |count: u32| layout.stride as usize * count as usize;
    let short = |needed: usize| format!("{} of {needed} bytes", bytes.len());
    match layout.format {
        Format::Nv12 => {
            let needed = rows(height) + rows(height.div_ceil(2));
            let whole = bytes.get(..needed).ok_or_else(|| short(needed))?;
            let (y_plane, uv_plane) = whole.split_at(rows(height));
            let (y_stride, uv_stride) = (layout.stride, layout.stride);
            let image = YuvBiPlanarImage { y_plane, y_stride, uv_plane, uv_stride, width, height };
            yuv::yuv_nv12_to_bgra(&image, out, width * 4, range, matrix, YuvConversionMode::Balanced)
                .map_err(|error| error.to_string())
        }
        Format::Yuyv => {
            let needed = rows(height);
            let yuy = bytes.get(..needed).ok_or_else(|| short(needed))?;
            let image = YuvPackedImage { yuy, yuy_stride: layout.stride, width, height };
            yuv::yuyv422_to_bgra(&image, out, width * 4, range, matrix).map_err(|error| error.to_string())
        }
        Format::Mjpeg => {
            let options = DecoderOptions::default()
                .jpeg_set_out_colorspace(ColorSpace::BGRA)
                .set_max_width(width as usize)
                .set_max_height(height as usize);
            let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
            decoder.decode_headers().map_err(|error| error.to_string())?;
            let info = decoder.info().ok_or("no header")?;
            if (u32::from(info.width), u32::from(info.height)) != (width, height) {
                return Err(format!("{}×{} in place of {width}×{height}", info.width, info.height));
            }
            decoder.decode_into(out).map_err(|error| error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(format: Format, width: u32, height: u32, stride: u32) -> Layout {
        Layout { format, size: Size { width, height }, stride, bt709: false, full_range: false }
    }

    fn converted(bytes: &[u8], layout: &Layout) -> Vec<u8> {
        let mut out = vec![0; layout.size.area() as usize * 4];
        to_bgra(bytes, layout, &mut out).expect("converted");
        out
    }

    fn near(pixel: &[u8], expected: [u8; 3]) -> bool {
        pixel[..3].iter().zip(expected).all(|(&is, wanted)| is.abs_diff(wanted) <= 3)
    }

    /// Y, Cb, Cr of pure red and blue in BT.601, limited range (ITU-R BT.601-7, table 3).
    const RED: [u8; 3] = [81, 90, 240];
    const BLUE: [u8; 3] = [41, 240, 110];

    #[test]
    fn yuyv_is_converted_row_by_row_of_its_stride() {
        let mut bytes = Vec::new();
        for [y, u, v] in [RED, BLUE] {
            bytes.extend([y, u, y, v].repeat(2));
            bytes.extend([0xee; 4]);
        }
        let out = converted(&bytes, &layout(Format::Yuyv, 4, 2, 12));
        assert!(out[..16].chunks(4).all(|pixel| near(pixel, [0, 0, 255]) && pixel[3] == 255), "{out:?}");
        assert!(out[16..].chunks(4).all(|pixel| near(pixel, [255, 0, 0])), "{out:?}");
    }

    #[test]
    fn nv12_is_converted_row_by_row_of_its_stride() {
        let (mut y, mut uv) = (Vec::new(), Vec::new());
        for [luma, u, v] in [RED, BLUE] {
            for _ in 0..2 {
                y.extend([luma; 4]);
                y.extend([0xee; 4]);
            }
            uv.extend([u, v, u, v]);
            uv.extend([0xee; 4]);
        }
        let out = converted(&[y, uv].concat(), &layout(Format::Nv12, 4, 4, 8));
        assert!(out[..32].chunks(4).all(|pixel| near(pixel, [0, 0, 255])), "{out:?}");
        assert!(out[32..].chunks(4).all(|pixel| near(pixel, [255, 0, 0])), "{out:?}");
    }

    #[test]
    fn matrix_and_range_are_the_camera_s() {
        let grey = |full_range, luma: u8| {
            let layout = Layout { full_range, ..layout(Format::Yuyv, 2, 1, 4) };
            converted(&[luma, 128, luma, 128], &layout)[0]
        };
        assert_eq!((grey(false, 16), grey(false, 235), grey(true, 16)), (0, 255, 16));
        // Pure red by BT.709: Y 63, Cb 102, Cr 240 (ITU-R BT.709-6).
        let layout = Layout { bt709: true, ..layout(Format::Yuyv, 2, 1, 4) };
        assert!(near(&converted(&[63, 102, 63, 240], &layout), [0, 0, 255]));
    }

    #[test]
    fn motion_jpeg_is_decoded() {
        let mut jpeg = Vec::new();
        let rgb = [255_u8, 0, 0].repeat(32 * 16);
        jpeg_encoder::Encoder::new(&mut jpeg, 95).encode(&rgb, 32, 16, jpeg_encoder::ColorType::Rgb).expect("a JPEG");
        let out = converted(&jpeg, &layout(Format::Mjpeg, 32, 16, 0));
        assert!(out.chunks(4).all(|pixel| near(pixel, [0, 0, 255]) && pixel[3] == 255));
    }

    #[test]
    fn what_is_cut_short_or_of_another_size_is_refused() {
        let mut out = vec![0; 4 * 4 * 4];
        for format in [Format::Nv12, Format::Yuyv, Format::Mjpeg] {
            assert!(to_bgra(&[0; 15], &layout(format, 4, 4, 8), &mut out).is_err(), "{format:?}");
        }
        let mut jpeg = Vec::new();
        let rgb = [9; 3 * 16 * 16];
        jpeg_encoder::Encoder::new(&mut jpeg, 95).encode(&rgb, 16, 16, jpeg_encoder::ColorType::Rgb).expect("a JPEG");
        assert!(to_bgra(&jpeg, &layout(Format::Mjpeg, 4, 4, 0), &mut out).is_err());
    }
}

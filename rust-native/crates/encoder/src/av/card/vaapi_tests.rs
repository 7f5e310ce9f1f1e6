//! What can be seen of it without a graphics card.

use std::sync::Arc;

use media::{Alpha, MediaTime, PixelBuffer, Surface};

use super::*;

const SIZE: Size = Size { width: 641, height: 359 };
const OUTPUT: Size = Size { width: 320, height: 180 };

fn frame(native: Native) -> VideoFrame {
    let surface = Surface::new(native, Arc::new(()));
    let pixels = PixelBuffer::on_card(surface, 0, Arc::new(Vec::<u8>::new()));
    VideoFrame { captured_at: MediaTime::ZERO, size: SIZE, stride: 641 * 4, pixels, alpha: Alpha::Opaque }
}

fn dma_buf(fourcc: u32, modifier: u64, offset: u32, pitch: u32) -> VideoFrame {
    frame(Native::DmaBuf { fd: -1, bytes: 1 << 20, offset, pitch, fourcc, modifier })
}

#[test]
fn frames_are_described_as_they_lie() {
    let frames = lent_frames(ffi::AVPixelFormat::AV_PIX_FMT_BGR0, SIZE).expect("no device is needed");
    let described = described(&dma_buf(XRGB8888, 0, 64, 2624), &frames).expect("a description");
    // SAFETY: as it was just described.
    let (descriptor, raw) =
        unsafe { (*(*described.as_ptr()).data[0].cast::<ffi::AVDRMFrameDescriptor>(), *described.as_ptr()) };
    assert_eq!((descriptor.nb_objects, descriptor.nb_layers), (1, 1));
    let (object, layer) = (descriptor.objects[0], descriptor.layers[0]);
    assert_eq!((object.fd, object.size, object.format_modifier), (-1, 1 << 20, 0));
    assert_eq!((layer.format, layer.nb_planes), (XRGB8888, 1));
    assert_eq!((layer.planes[0].object_index, layer.planes[0].offset, layer.planes[0].pitch), (0, 64, 2624));
    assert_eq!((raw.width, raw.height), (641, 359));
    assert_eq!(raw.format, ffi::AVPixelFormat::AV_PIX_FMT_DRM_PRIME as c_int);
}

#[test]
fn frames_of_the_same_kind_suit_wherever_they_begin() {
    let kind = |fourcc, modifier, offset, pitch| Kind::of(&dma_buf(fourcc, modifier, offset, pitch));
    let first = kind(XRGB8888, 0, 0, 2624);
    assert!(first.is_some());
    assert_eq!(first, kind(XRGB8888, 0, 4096, 2816));
    assert_ne!(first, kind(XBGR8888, 0, 0, 2624));
    assert_ne!(first, kind(XRGB8888, 1, 0, 2624));
    assert_eq!(Kind::of(&frame(Native::D3d11Texture(1))), None);
}

#[test]
fn this_build_has_the_filters() {
    let graph = Graph::new().expect("a graph");
    for name in [c"buffer", c"hwmap", c"scale_vaapi", c"buffersink"] {
        graph.add(name).expect("a filter");
    }
    let missing = graph.add(c"scale").expect_err("not compiled in");
    assert_eq!(missing.code, ffi::AVERROR_FILTER_NOT_FOUND);
}

#[test]
fn what_can_not_be_is_refused_in_words() {
    let frame = dma_buf(XRGB8888, 0, 0, 2624);
    let refusal = |frame: &VideoFrame, encoder| Converter::new(frame, OUTPUT, encoder).expect_err("no way");
    for encoder in ["h264_nvenc", "hevc_qsv"] {
        assert!(refusal(&frame, encoder).contains("VA-API"));
    }
    let packed = dma_buf(u32::from_le_bytes(*b"YUYV"), 0, 0, 2624);
    assert!(refusal(&packed, "h264_vaapi").contains("order of its channels"));
    // On a machine with a card it says what that thinks of a frame that is none.
    assert!(refusal(&frame, "av1_vaapi").contains("/dev/dri/renderD"));
}

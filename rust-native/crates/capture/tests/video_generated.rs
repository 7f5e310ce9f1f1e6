//! Sources that no device gives, by their pixels.
#![cfg(target_os = "linux")]

mod video_rig;

use std::path::PathBuf;
use std::time::Duration;

use capture::video::{SourceKind, VideoEvent, describe, thumbnail};
use image::{ImageFormat, Rgba, RgbaImage};
use media::{Alpha, Size};
use video_rig::*;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidecast-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Red above, half-transparent green below.
fn flag(width: u32, height: u32) -> RgbaImage {
    RgbaImage::from_fn(
        width,
        height,
        |_, y| {
            if y < height / 2 { Rgba([255, 0, 0, 255]) } else { Rgba([0, 255, 0, 128]) }
        },
    )
}

fn alpha_at(frame: &media::VideoFrame, x: u32, y: u32) -> u8 {
    frame.pixels.bytes()[y as usize * frame.stride + x as usize * 4 + 3]
}

#[test]
fn a_colour_is_one_frame_and_no_more() {
    let running = Running::generated("color:ff8000?size=320x180", 60).expect("a colour");
    let frame = running.frame("orange", |frame| pixel(frame, 319, 179) == 0xff_8000);
    assert_eq!((frame.size, frame.alpha), (Size { width: 320, height: 180 }, Alpha::Opaque));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(running.capture.captured(), 1);
    let clear = Running::generated("color:ff800080?size=16x16", 60).expect("a colour");
    let frame = clear.frame("half an orange", |_| true);
    assert_eq!((frame.alpha, pixel(&frame, 3, 3), alpha_at(&frame, 3, 3)), (Alpha::Premultiplied, 0x80_4000, 0x80));
}

#[test]
fn a_picture_file_keeps_its_alpha_in_each_format() {
    let folder = Folder::new("formats");
    for (name, format, has_alpha) in
        [("a b.png", ImageFormat::Png, true), ("b.webp", ImageFormat::WebP, true), ("c.jpg", ImageFormat::Jpeg, false)]
    {
        let path = folder.file(name);
        let flag = flag(64, 48);
        if has_alpha {
            flag.save_with_format(&path, format).expect("saved");
        } else {
            image::DynamicImage::ImageRgba8(flag).into_rgb8().save_with_format(&path, format).expect("saved");
        }
        let running = Running::generated(&format!("image:{}", path.display()), 30).expect(name);
        let frame = running.frame(name, |_| true);
        assert_eq!(frame.size, Size { width: 64, height: 48 });
        let red = pixel(&frame, 10, 10);
        assert!(red >> 16 >= 250 && red & 0xffff < 0x0606, "{name}: {red:06x}");
        if has_alpha {
            assert_eq!(frame.alpha, Alpha::Premultiplied);
            assert_eq!((pixel(&frame, 10, 40), alpha_at(&frame, 10, 40)), (0x00_8000, 128), "{name}");
        } else {
            assert_eq!(frame.alpha, Alpha::Opaque);
        }
    }
}

#[test]
fn a_picture_file_that_is_written_anew_shows_anew() {
    let folder = Folder::new("reload");
    let path = folder.file("picture.png");
    flag(64, 48).save(&path).expect("saved");
    let running = Running::generated(&format!("image:{}", path.display()), 30).expect("a picture");
    running.frame("red", |frame| pixel(frame, 0, 0) == RED);
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(running.capture.captured(), 1, "a file at rest costs nothing");
    RgbaImage::from_pixel(80, 60, Rgba([0, 0, 255, 255])).save(&path).expect("saved");
    let frame = running.frame("blue", |frame| pixel(frame, 0, 0) == BLUE);
    assert_eq!(frame.size, Size { width: 80, height: 60 });
    // Damaged, gone, and good again.
    std::fs::write(&path, b"\x89PNG\r\n\x1a\nnonsense").expect("written");
    running.event("damaged", |event| matches!(event, VideoEvent::Paused(e) if e.code() == "picture_unreadable"));
    std::fs::remove_file(&path).expect("removed");
    running.event("gone", |event| matches!(event, VideoEvent::Paused(e) if e.code() == "picture_missing"));
    flag(64, 48).save(&path).expect("saved");
    running.event("back", |event| *event == VideoEvent::Resumed);
    running.frame("red again", |frame| pixel(frame, 0, 0) == RED);
}

#[test]
fn a_photograph_is_turned_upright() {
    let folder = Folder::new("upright");
    let path = folder.file("turned.jpg");
    let mut wide = RgbaImage::from_pixel(64, 32, Rgba([0, 0, 255, 255]));
    for y in 0..32 {
        for x in 0..32 {
            wide.put_pixel(x, y, Rgba([255, 0, 0, 255]));
        }
    }
    let mut jpeg = std::io::Cursor::new(Vec::new());
    image::DynamicImage::ImageRgba8(wide).into_rgb8().write_to(&mut jpeg, ImageFormat::Jpeg).expect("encoded");
    // EXIF orientation 6 (TIFF tag 0x0112): to be turned a quarter to the right.
    let tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let mut segment = vec![0xff, 0xe1];
    segment.extend(((2 + 6 + tiff.len()) as u16).to_be_bytes());
    segment.extend(b"Exif\0\0");
    segment.extend(tiff);
    let mut bytes = jpeg.into_inner();
    bytes.splice(2..2, segment);
    std::fs::write(&path, bytes).expect("written");
    let running = Running::generated(&format!("image:{}", path.display()), 30).expect("a photograph");
    let frame = running.frame("it", |_| true);
    assert_eq!(frame.size, Size { width: 32, height: 64 });
    assert!(pixel(&frame, 16, 10) >> 16 > 240 && pixel(&frame, 16, 54) & 0xff > 240);
}

#[test]
fn bad_pictures_are_refused_with_their_code() {
    let folder = Folder::new("bad");
    let bomb = folder.file("bomb.png");
    // A header that promises 60000×60000 pixels; the decoder must not believe it.
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x08\x06\0\0\0".to_vec();
    png.extend(crc32(&png[12..]).to_be_bytes());
    std::fs::write(&bomb, &png).expect("written");
    let text = folder.file("text.png");
    std::fs::write(&text, "not a picture").expect("written");
    let cut = folder.file("cut.png");
    flag(64, 48).save(&cut).expect("saved");
    let whole = std::fs::read(&cut).expect("read");
    std::fs::write(&cut, &whole[..whole.len() / 2]).expect("cut");
    for (path, code) in [
        (bomb, "picture_too_large"),
        (text, "picture_unreadable"),
        (cut, "picture_unreadable"),
        (folder.file("missing.png"), "picture_missing"),
        (folder.0.clone(), "picture_unreadable"),
        (PathBuf::from("relative.png"), "bad_source"),
    ] {
        let refusal = Running::generated(&format!("image:{}", path.display()), 30).err().expect("refused");
        assert_eq!(refusal.code(), code, "{}", path.display());
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn a_text_is_readable_in_its_colours_also_in_chinese() {
    for text in ["Hello", "你好"] {
        let id = format!("text:{text}?size=96&color=ffff00&background=0000ff");
        let running = Running::generated(&id, 30).expect(text);
        let frame = running.frame(text, |_| true);
        assert_eq!(frame.alpha, Alpha::Opaque);
        let all = (0..frame.size.height).flat_map(|y| (0..frame.size.width).map(move |x| (x, y)));
        let colours: Vec<u32> = all.map(|(x, y)| pixel(&frame, x, y)).collect();
        let count = |colour| colours.iter().filter(|&&found| found == colour).count();
        assert!(count(YELLOW) > colours.len() / 40, "{text}: {} of {}", count(YELLOW), colours.len());
        assert!(count(BLUE) > colours.len() / 3);
        assert_eq!(running.capture.captured(), 1);
    }
}

#[test]
fn the_pattern_comes_at_the_wanted_rate_and_its_stamp_moves() {
    let running = Running::generated("pattern:bars?size=640x360", 30).expect("a pattern");
    let stamp = |frame: &media::VideoFrame| {
        (0..32).fold(0_u32, |value, index| value << 1 | u32::from(pixel(frame, index * 20 + 10, 305) & 0xff > 128))
    };
    running.frame("the first", |_| true);
    let first = running.frame("one", |_| true);
    let (from, before) = (first.captured_at, running.capture.captured());
    std::thread::sleep(Duration::from_secs(2));
    let count = running.capture.captured() - before;
    assert!((56..=62).contains(&count), "{count} frames in two seconds at 30 per second");
    running.slot.take(Some(std::time::Instant::now()));
    let last = running.frame("the last", |_| true);
    assert_eq!(stamp(&last), last.captured_at.as_millis() as u32);
    assert!(last.captured_at.since(from) > Duration::from_millis(1900));
    running.capture.set_frame_rate(media::FrameRate::new(10).expect("rate"));
    std::thread::sleep(Duration::from_millis(200));
    let before = running.capture.captured();
    std::thread::sleep(Duration::from_secs(1));
    let count = running.capture.captured() - before;
    assert!((9..=11).contains(&count), "{count} frames in a second at 10 per second");
}

#[test]
fn generated_sources_are_described_and_have_thumbnails() {
    for (id, kind, title) in [
        ("color:ff8000?size=320x180", SourceKind::Color, "#FF8000"),
        ("text:One%0ATwo?size=20", SourceKind::Text, "One"),
        ("pattern:bars?size=320x180", SourceKind::Pattern, "bars"),
    ] {
        let info = describe(id).expect(id);
        assert_eq!((info.kind, info.title.as_str(), info.lasting_id.as_str()), (kind, title, id));
        let jpeg = thumbnail(id, Size { width: 160, height: 90 }).expect(id);
        let picture = image::load_from_memory(&jpeg).expect("a JPEG");
        assert!(picture.width() <= 160 && picture.height() <= 90);
    }
    for (id, code) in [
        ("color:red", "bad_source"),
        ("color:ff0000?size=0x0", "bad_source"),
        ("color:ff0000?sise=9x9", "bad_source"),
        ("pattern:waves", "bad_source"),
        ("text:", "bad_source"),
    ] {
        assert_eq!(describe(id).expect_err(id).code(), code);
    }
}

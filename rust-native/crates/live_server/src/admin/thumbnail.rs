//! A stream's last keyframe as a small JPEG: decoded here, as browsers decode bare H.264 only in secure contexts.
//!
//! One picture of 1080p costs some ten milliseconds, off the media's thread, and only while an admin page shows it; who
//! asks again within some seconds gets the same one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use encoder::H264Decoder;
use jpeg_encoder::{ColorType, Encoder};
use media::{MediaTime, Picture, Plane};

/// The same picture is good for so long.
const FRESH: Duration = Duration::from_secs(4);
const MOST: usize = 200;
/// Pixels.
const WIDTH: usize = 320;
const QUALITY: u8 = 75;

/// What was drawn lately.
#[derive(Debug, Default)]
pub(crate) struct Thumbnails(HashMap<String, (Instant, Bytes)>);

impl Thumbnails {
    pub(crate) fn get(&self, stream: &str, now: Instant) -> Option<Bytes> {
        let (at, jpeg) = self.0.get(stream)?;
        (now.saturating_duration_since(*at) < FRESH).then(|| jpeg.clone())
    }

    pub(crate) fn keep(&mut self, stream: &str, jpeg: Bytes, now: Instant) {
        self.0.retain(|_, (at, _)| now.saturating_duration_since(*at) < FRESH);
        if self.0.len() < MOST {
            self.0.insert(stream.to_owned(), (now, jpeg));
        }
    }
}

/// Draws a keyframe (Annex B with its parameter sets); takes a while, so never on a runtime's thread. `None` for one that
/// can't be decoded.
pub(crate) fn draw(keyframe: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = H264Decoder::new().ok()?;
    let mut shown = None;
    // A decoder may hold a picture back until the next one shows that none comes before it.
    for at in 0..2 {
        let result = decoder.decode(keyframe, MediaTime::from_nanos(at), |picture, _| shown = Some(picture));
        if shown.is_some() {
            break;
        }
        result.ok()?;
    }
    jpeg(&shown?)
}

fn jpeg(picture: &Picture) -> Option<Vec<u8>> {
    let (width, height) = (picture.size.width as usize, picture.size.height as usize);
    if width == 0 || height == 0 {
        return None;
    }
    let small_width = WIDTH.min(width);
    let small_height = (small_width * height / width).max(1);
    let [y, u, v] = &picture.planes;
    let mut pixels = Vec::with_capacity(small_width * small_height * 3);
    for row in 0..small_height {
        for column in 0..small_width {
            let luma = mean(
                y,
                (column * width, (column + 1) * width),
                (row * height, (row + 1) * height),
                (small_width, small_height),
            );
            // JFIF has full range, video has 16 to 235.
            let wide = |value: u32, low: u32, range: u32| ((value.saturating_sub(low)) * 255 / range).min(255) as u8;
            let (x, line) = (column * (width / 2) / small_width, row * (height / 2) / small_height);
            let chroma = |plane: &Plane| {
                let value = i32::from(plane.data[line * plane.stride + x]) - 128;
                (128 + value * 255 / 224).clamp(0, 255) as u8
            };
            pixels.extend([wide(luma, 16, 219), chroma(u), chroma(v)]);
        }
    }
    let mut out = Vec::new();
    let (wide, high) = (u16::try_from(small_width).ok()?, u16::try_from(small_height).ok()?);
    Encoder::new(&mut out, QUALITY).encode(&pixels, wide, high, ColorType::Ycbcr).ok()?;
    Some(out)
}

/// Of the pixels that one of the small picture stands for; edges are in parts of `scale`.
fn mean(plane: &Plane, columns: (usize, usize), rows: (usize, usize), scale: (usize, usize)) -> u32 {
    let (left, right) = (columns.0 / scale.0, (columns.1 / scale.0).max(columns.0 / scale.0 + 1));
    let (top, bottom) = (rows.0 / scale.1, (rows.1 / scale.1).max(rows.0 / scale.1 + 1));
    let (mut sum, mut count) = (0u32, 0u32);
    for row in top..bottom {
        let line = row * plane.stride;
        for value in &plane.data[line + left..line + right] {
            sum += u32::from(*value);
            count += 1;
        }
    }
    sum / count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_keyframe_is_not_drawn() {
        assert!(draw(&[]).is_none());
        assert!(draw(&[0, 0, 0, 1, 0x65, 1, 2, 3]).is_none());
    }

    #[test]
    fn a_picture_keeps_its_aspect_and_its_grey() {
        let picture = Picture::black(media::Size { width: 1280, height: 720 });
        let jpeg = jpeg(&picture).expect("a JPEG");
        assert_eq!(&jpeg[..2], [0xff, 0xd8]);
        assert_eq!(mean(&picture.planes[0], (0, 1280), (0, 720), (320, 180)), 16);
    }

    #[test]
    fn the_same_picture_is_given_for_some_seconds() {
        let (mut thumbnails, now) = (Thumbnails::default(), Instant::now());
        thumbnails.keep("live", Bytes::from_static(b"x"), now);
        assert!(thumbnails.get("live", now + FRESH / 2).is_some());
        assert!(thumbnails.get("live", now + FRESH).is_none() && thumbnails.get("other", now).is_none());
    }
}

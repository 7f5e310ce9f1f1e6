//! What stands in the picture while a source gives none: never a silent black frame, never an old one for a live one.

use std::collections::HashMap;
use std::sync::OnceLock;

use media::{Clock, MonotonicClock, Size, VideoFrame};
use parking_lot::{Mutex, RwLock};
use stream::FrameSlot;

use super::canvas::Canvas;
use super::{VideoError, VideoEvent, generated};

/// Dark, and clearly not black.
const GROUND: [u8; 4] = [0x2e, 0x26, 0x22, 0xff];
/// A stripe above the text.
const STRIPE: [u8; 4] = [0x30, 0x9c, 0xf0, 0xff];
/// Of the card of a source that never had a picture.
pub(super) const DEFAULT_SIZE: Size = Size { width: 1280, height: 720 };

/// What cards say, by [`VideoError::code`], in the user's language. One user looks at all of them.
fn texts() -> &'static RwLock<HashMap<String, String>> {
    static TEXTS: OnceLock<RwLock<HashMap<String, String>>> = OnceLock::new();
    TEXTS.get_or_init(RwLock::default)
}

/// Lets cards say these texts from now on, each for the [`VideoError::code`] before it; for the others, and where no
/// font has the letters, the English ones stay.
pub fn set_card_texts(of_codes: impl IntoIterator<Item = (String, String)>) {
    *texts().write() = of_codes.into_iter().collect();
}

/// The card that stands in the picture in place of a source that is gone.
pub fn lost_card(size: Size, reason: &VideoError) -> VideoFrame {
    paint(size, reason).into_frame(MonotonicClock.now())
}

/// The reason in the user's language, if it can be written in it.
fn text_of(reason: &VideoError) -> String {
    let translated = texts().read().get(reason.code()).cloned();
    if let Some(text) = translated.filter(|text| generated::can_write(text)) {
        return text;
    }
    let mut text = reason.to_string();
    if let Some(first) = text.get(..1).map(str::to_ascii_uppercase) {
        text.replace_range(..1, &first);
    }
    text
}

/// A card that says why there is no picture.
fn paint(size: Size, reason: &VideoError) -> Canvas {
    let mut canvas = Canvas::filled(size, GROUND);
    let text = text_of(reason);
    // As large as fits, in two tries: the width of a text grows with its size.
    let wanted = (size.height as f32 / 10.0).clamp(10.0, 80.0);
    let fits = |label: &Canvas| label.size.width <= size.width * 9 / 10;
    let label = generated::label(&text, wanted).ok().and_then(|label| {
        if fits(&label) {
            return Some(label);
        }
        let scale = size.width as f32 * 0.85 / label.size.width as f32;
        generated::label(&text, wanted * scale).ok().filter(|label| fits(label) && wanted * scale >= 6.0)
    });
    let middle = size.height / 2;
    let height = label.as_ref().map_or(0, |label| label.size.height);
    let width = (size.width / 4).max(8);
    canvas.fill(
        (size.width - width.min(size.width)) / 2,
        middle.saturating_sub(height),
        width,
        (size.height / 90).max(2),
        STRIPE,
    );
    if let Some(label) = label {
        let left = (size.width - label.size.width) / 2;
        canvas.draw(&label, left as i32, middle as i32 - height as i32 / 2);
    }
    canvas
}

/// Puts such a card into the slot.
pub(super) fn put(slot: &FrameSlot<VideoFrame>, size: Size, reason: &VideoError) {
    slot.put(paint(size, reason).into_frame(MonotonicClock.now()));
}

/// Puts such a card into the slot whenever the source pauses or is lost, and hands the events on.
///
/// For the events of the thread that puts the pictures, on that thread: a card that came later could hide the first
/// picture after a pause.
pub(super) fn with_cards(
    slot: FrameSlot<VideoFrame>,
    on_event: Box<dyn Fn(VideoEvent) + Send>,
) -> Box<dyn Fn(VideoEvent) + Send> {
    let size = Mutex::new(DEFAULT_SIZE);
    Box::new(move |event| {
        match &event {
            VideoEvent::Area(Some(area)) => *size.lock() = Size { width: area.width, height: area.height },
            VideoEvent::Paused(reason) | VideoEvent::Lost(reason) => {
                let size = *size.lock();
                put(&slot, size, reason);
            }
            _ => {}
        }
        on_event(event);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_neither_black_nor_empty_at_any_size() {
        for (width, height) in [(16, 16), (1, 1), (320, 240), (1920, 1080), (200, 1000)] {
            let card = paint(Size { width, height }, &VideoError::SourceMinimised);
            assert_eq!(card.pixels.len(), (width * height * 4) as usize);
            assert!(card.pixels.chunks_exact(4).all(|pixel| pixel[3] == 255 && pixel[..3] != [0; 3]));
        }
        let card = paint(Size { width: 640, height: 360 }, &VideoError::SourceMinimised);
        let bright = card.pixels.chunks_exact(4).filter(|pixel| pixel[..3] == [255; 3]).count();
        assert!(bright > 300, "{bright} pixels of text");
    }

    #[test]
    fn cards_speak_the_users_language_where_a_font_has_its_letters() {
        // A code of its own: cards of other tests are painted at the same time.
        let reason = VideoError::CameraSilent;
        assert_eq!(text_of(&reason), "The camera does not answer");
        set_card_texts([("camera_silent".to_owned(), "Die Kamera schweigt".to_owned())]);
        assert_eq!(text_of(&reason), "Die Kamera schweigt");
        assert_eq!(text_of(&VideoError::CameraBusy), "The camera is used by another program");
        // Nobody's letters: a code point of the private area.
        set_card_texts([("camera_silent".to_owned(), "\u{10fffd}".to_owned())]);
        assert_eq!(text_of(&reason), "The camera does not answer");
        // A font with Chinese is among the packages that set-up asks for.
        let chinese = "摄像头没有响应";
        assert!(generated::can_write(chinese), "a font with Chinese letters is missing: fonts-noto-cjk");
        set_card_texts([("camera_silent".to_owned(), chinese.to_owned())]);
        assert_eq!(text_of(&reason), chinese);
        let card = lost_card(Size { width: 640, height: 360 }, &reason);
        let bright = card.pixels.bytes().chunks_exact(4).filter(|pixel| pixel[..3] == [255; 3]).count();
        assert!(bright > 300, "{bright} pixels of text");
        set_card_texts([]);
    }
}

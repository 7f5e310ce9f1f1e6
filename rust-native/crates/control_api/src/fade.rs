//! A scene that dissolves into the next. Both move: what leaves is composed until it is gone. Time is passed in.

use std::time::Duration;

use compose::{Card, Stage};
use media::{MediaTime, Picture, VideoFrame};

use crate::pipeline::Feed;

/// A running fade.
pub(crate) struct Fade {
    from: Leaving,
    begun: MediaTime,
    length: Duration,
    mixed: Picture,
}

/// What leaves.
enum Leaving {
    /// A scene, with the sources that the next one does not have; the others' frames are handed on.
    Moving { stage: Box<Stage>, feeds: Vec<Feed> },
    /// The picture that a fade had come to when the next one began: two scenes are drawn at once, not three.
    Still(Picture),
}

impl Fade {
    /// From that scene, over so many milliseconds.
    pub(crate) fn from_scene(stage: Stage, feeds: Vec<Feed>, begun: MediaTime, ms: u32) -> Self {
        let mixed = stage.picture().clone();
        Self::new(Leaving::Moving { stage: Box::new(stage), feeds }, mixed, begun, ms)
    }

    /// From what this fade has come to.
    pub(crate) fn interrupted(self, begun: MediaTime, ms: u32) -> Self {
        Self::new(Leaving::Still(self.mixed.clone()), self.mixed, begun, ms)
    }

    fn new(from: Leaving, mixed: Picture, begun: MediaTime, ms: u32) -> Self {
        Self { from, begun, length: Duration::from_millis(u64::from(ms.max(1))), mixed }
    }

    /// Takes what the leaving scene's own sources have.
    pub(crate) fn take_frames(&mut self) {
        let Leaving::Moving { stage, feeds } = &mut self.from else { return };
        for (source, slot) in feeds {
            if let Some(frame) = slot.try_take() {
                put(stage, source, frame);
            }
        }
    }

    /// A frame of a source that may be in both scenes.
    pub(crate) fn put(&mut self, source: &str, frame: &VideoFrame) {
        if let Leaving::Moving { stage, .. } = &mut self.from {
            put(stage, source, frame.clone());
        }
    }

    /// A source that may be in both scenes is gone.
    pub(crate) fn lose(&mut self, source: &str, card: &Card) {
        if let Leaving::Moving { stage, .. } = &mut self.from {
            stage.lose(source, card.clone());
        }
    }

    /// Mixes in as much of `to` as is due. `false` when only `to` is left.
    pub(crate) fn advance(&mut self, to: &Picture, now: MediaTime) -> bool {
        let share = now.since(self.begun).as_secs_f64() / self.length.as_secs_f64();
        if share >= 1.0 {
            return false;
        }
        let from = match &mut self.from {
            Leaving::Still(picture) => &*picture,
            Leaving::Moving { stage, .. } => {
                if let Err(error) = stage.compose() {
                    tracing::warn!(%error, "a scene that leaves could not be composed");
                }
                stage.picture()
            }
        };
        if from.size != to.size {
            return false;
        }
        compose::dissolve(from, to, share, &mut self.mixed);
        true
    }

    /// The picture between both.
    pub(crate) fn picture(&self) -> &Picture {
        &self.mixed
    }
}

fn put(stage: &mut Stage, source: &str, frame: VideoFrame) {
    if let Err(error) = stage.put(source, frame) {
        tracing::warn!(%error, "a frame of a scene that leaves could not be composed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::{Alpha, PixelBuffer, Size};
    use scene::{Canvas, Scene};
    use std::sync::Arc;
    use stream::FrameSlot;

    const SIZE: Size = Size { width: 32, height: 32 };

    /// Grey: white is 235, black is 16.
    fn frame(value: u8) -> VideoFrame {
        let pixels = PixelBuffer::new(Arc::new(vec![value; 4 * SIZE.area() as usize]));
        let captured_at = MediaTime::from_nanos(1);
        VideoFrame { captured_at, size: SIZE, stride: 4 * SIZE.width as usize, pixels, alpha: Alpha::Opaque }
    }

    fn at(ms: u64) -> MediaTime {
        MediaTime::from_nanos(ms * 1_000_000)
    }

    /// A fade of 400 ms at 1000 ms from a black source, whose frames come from the slot.
    fn fade(slot: &FrameSlot<VideoFrame>) -> Fade {
        let mut stage = Stage::new(SIZE);
        stage.set_scene(&Scene::of_one("leaves", Canvas { width: 32, height: 32 }));
        stage.put("leaves", frame(0)).expect("a frame");
        stage.compose().expect("a picture");
        Fade::from_scene(stage, vec![("leaves".to_owned(), slot.clone())], at(1000), 400)
    }

    fn luma(fade: &Fade) -> u8 {
        fade.picture().planes[0].data[0]
    }

    fn light() -> Picture {
        let mut light = Picture::black(SIZE);
        light.planes[0].data.fill(216);
        light
    }

    #[test]
    fn it_goes_evenly_from_one_to_the_other_and_ends() {
        let mut fade = fade(&FrameSlot::default());
        let mut lumas = Vec::new();
        for ms in [1000, 1100, 1200, 1300] {
            assert!(fade.advance(&light(), at(ms)));
            lumas.push(luma(&fade));
        }
        assert_eq!(lumas, [16, 66, 116, 166]);
        assert!(!fade.advance(&light(), at(1400)));
    }

    #[test]
    fn what_leaves_still_moves() {
        let slot = FrameSlot::default();
        let mut fade = fade(&slot);
        assert!(fade.advance(&light(), at(1100)));
        slot.put(frame(255));
        fade.take_frames();
        assert!(fade.advance(&light(), at(1200)));
        // Half of white and half of the light grey, where black would have given 116.
        assert_eq!(luma(&fade), 226);
        assert!(slot.try_take().is_none(), "the frame was taken");
        fade.put("leaves", &frame(0));
        assert!(fade.advance(&light(), at(1200)));
        assert_eq!(luma(&fade), 116);
    }

    #[test]
    fn a_fade_that_is_interrupted_goes_on_from_where_it_was() {
        let mut fade = fade(&FrameSlot::default());
        assert!(fade.advance(&light(), at(1200)));
        let mut next = fade.interrupted(at(1200), 100);
        assert!(next.advance(&Picture::black(SIZE), at(1200)));
        assert_eq!(luma(&next), 116);
        assert!(next.advance(&Picture::black(SIZE), at(1250)));
        assert_eq!(luma(&next), 66);
    }

    #[test]
    fn pictures_of_two_sizes_are_not_mixed() {
        let mut fade = fade(&FrameSlot::default());
        assert!(!fade.advance(&Picture::black(Size { width: 64, height: 32 }), at(1100)));
    }
}

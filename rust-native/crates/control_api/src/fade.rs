//! A scene that dissolves into the next: from the picture it stood at when it began, time passed in.

use std::time::Duration;

use media::{MediaTime, Picture};

/// A running fade.
#[derive(Debug)]
pub(crate) struct Fade {
    from: Picture,
    begun: MediaTime,
    length: Duration,
    mixed: Picture,
}

impl Fade {
    /// From that picture, over so many milliseconds.
    pub(crate) fn new(from: Picture, begun: MediaTime, ms: u32) -> Self {
        let length = Duration::from_millis(u64::from(ms.max(1)));
        Self { mixed: from.clone(), from, begun, length }
    }

    /// Mixes in as much of `to` as is due. `false` when only `to` is left.
    pub(crate) fn advance(&mut self, to: &Picture, now: MediaTime) -> bool {
        let share = now.since(self.begun).as_secs_f64() / self.length.as_secs_f64();
        if share >= 1.0 || to.size != self.from.size {
            return false;
        }
        compose::dissolve(&self.from, to, share, &mut self.mixed);
        true
    }

    /// The picture between both.
    pub(crate) fn picture(&self) -> &Picture {
        &self.mixed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::Size;

    #[test]
    fn it_goes_evenly_from_one_to_the_other_and_ends() {
        let size = Size { width: 32, height: 32 };
        let (dark, mut light) = (Picture::black(size), Picture::black(size));
        light.planes[0].data.fill(216);
        let at = |ms: u64| MediaTime::from_nanos(ms * 1_000_000);
        let mut fade = Fade::new(dark, at(1000), 400);
        let mut lumas = Vec::new();
        for ms in [1000, 1100, 1200, 1300] {
            assert!(fade.advance(&light, at(ms)));
            lumas.push(fade.picture().planes[0].data[0]);
        }
        assert_eq!(lumas, [16, 66, 116, 166]);
        assert!(!fade.advance(&light, at(1400)));
    }
}

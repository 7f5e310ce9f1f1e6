//! What the pictures show, texts and windows or something that moves, for an encoder that is tuned by it. Pure.
//!
//! Two things tell them apart: how much of the picture changes, and how flat it is. A game or a film changes nearly
//! everywhere, and no pixel of a camera is quite like its neighbour; a terminal is one colour between its letters.
//! Taking a game for a screen costs far more than the other way round (`encoder/src/fallback.rs`), and every change of
//! mind is a new encoder with an IDR: so it takes long to become a screen, a moment to be none any more, and longer
//! each time that this happens.
//!
//! A grid of points is looked at, not the picture: what moves meets some of them. Damage would not do, as a window
//! damages itself whole for a blinking cursor.

use std::time::Duration;

use encoder::Content;
use media::{MediaTime, Picture, Size};

/// Points in a row, and rows.
const GRID: (usize, usize) = (64, 36);
/// A point whose luma is off by more than this has changed: less is the noise of cameras and of scaling.
const NOISE: u8 = 4;
/// How far a point's neighbour is, pixels.
const NEIGHBOUR: usize = 3;

/// More than this share moving, or less than that share flat: no screen.
const MOVES: f64 = 0.40;
const ROUGH: f64 = 0.40;
/// A screen has less than this moving and more than that flat, for so long.
const RESTS: f64 = 0.25;
const FLAT: f64 = 0.55;
const CALM: Duration = Duration::from_secs(5);
/// Shares are means of about so long, seconds.
const SETTLE: f64 = 0.3;
/// A picture counts for its time until the next one, at most so long: after that the screen stands still.
const LONGEST: f64 = 1.0 / 15.0;
/// How long it is no screen after having been taken for one wrongly; doubled each time.
const BARRED: Duration = Duration::from_secs(20);
const MOST_DOUBLINGS: u32 = 6;

/// What is seen of one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Look {
    /// The share of it that is not as it was in the one before.
    pub(crate) changed: f64,
    /// The share of it that is exactly like what lies beside it.
    pub(crate) flat: f64,
}

/// Looks at pictures, each against the one before.
#[derive(Debug, Default)]
pub(crate) struct Eye {
    size: Option<Size>,
    seen: Vec<u8>,
}

impl Eye {
    /// `None` for the first one of a size, and for one too small to be looked at.
    pub(crate) fn look(&mut self, picture: &Picture) -> Option<Look> {
        let (width, height) = (picture.size.width as usize, picture.size.height as usize);
        let (across, down) = (width / GRID.0, height / GRID.1);
        if across <= NEIGHBOUR || down == 0 {
            return None;
        }
        let luma = &picture.planes[0];
        let is_new = self.size != Some(picture.size);
        if is_new {
            self.size = Some(picture.size);
            self.seen.clear();
            self.seen.resize(GRID.0 * GRID.1, 0);
        }
        let (mut changed, mut flat) = (0_u32, 0_u32);
        for (n, seen) in self.seen.iter_mut().enumerate() {
            // Not one below the other: a line of text, or a column of icons, must not fall between them.
            let (column, row) = (n % GRID.0, n / GRID.0);
            let x = column * across + row * 7 % (across - NEIGHBOUR);
            let y = row * down + column * 5 % down;
            let at = y * luma.stride + x;
            let (now, beside) = (luma.data[at], luma.data[at + NEIGHBOUR]);
            changed += u32::from(now.abs_diff(*seen) > NOISE);
            flat += u32::from(now == beside);
            *seen = now;
        }
        let share = |count: u32| f64::from(count) / (GRID.0 * GRID.1) as f64;
        (!is_new).then(|| Look { changed: share(changed), flat: share(flat) })
    }
}

/// Makes up its mind; see the module.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    content: Content,
    moving: f64,
    flat: f64,
    last: Option<MediaTime>,
    calm_since: Option<MediaTime>,
    barred_until: Option<MediaTime>,
    mistakes: u32,
}

impl Judge {
    /// What it thinks.
    pub(crate) fn content(&self) -> Content {
        self.content
    }

    /// A picture that shows something new was seen. `true` where it changes its mind.
    pub(crate) fn saw(&mut self, now: MediaTime, look: Look) -> bool {
        let elapsed = self.last.replace(now).map_or(LONGEST, |last| now.since(last).as_secs_f64());
        let weight = 1.0 - (-elapsed.min(LONGEST) / SETTLE).exp();
        // What stands still does not move, and is as flat as it was.
        self.moving = self.moving * (-elapsed / SETTLE).exp() + look.changed * weight;
        self.flat += (look.flat - self.flat) * weight;
        match self.content {
            Content::Motion => self.is_screen_at_last(now),
            Content::Screen => self.is_no_screen(now),
        }
    }

    fn is_screen_at_last(&mut self, now: MediaTime) -> bool {
        let barred = self.barred_until.is_some_and(|until| now < until);
        if barred || self.moving > RESTS || self.flat < FLAT {
            self.calm_since = None;
            return false;
        }
        if now.since(*self.calm_since.get_or_insert(now)) < CALM {
            return false;
        }
        self.content = Content::Screen;
        true
    }

    fn is_no_screen(&mut self, now: MediaTime) -> bool {
        if self.moving < MOVES && self.flat > ROUGH {
            return false;
        }
        self.content = Content::Motion;
        self.calm_since = None;
        self.barred_until = Some(now + BARRED * 2_u32.pow(self.mistakes.min(MOST_DOUBLINGS)));
        self.mistakes += 1;
        true
    }
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;

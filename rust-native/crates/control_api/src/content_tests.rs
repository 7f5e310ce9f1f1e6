//! Pictures as they come, and what is thought of them.

use super::*;

const SIZE: Size = Size { width: 1280, height: 720 };
const FRAME: Duration = Duration::from_nanos(33_333_333);

fn painted(luma: impl Fn(usize, usize) -> u8) -> Picture {
    let mut picture = Picture::black(SIZE);
    let plane = &mut picture.planes[0];
    for (y, row) in plane.data.chunks_exact_mut(plane.stride).enumerate() {
        row.iter_mut().enumerate().for_each(|(x, sample)| *sample = luma(x, y));
    }
    picture
}

/// The same for the same numbers, and like nothing.
fn noise(x: usize, y: usize, seed: usize) -> usize {
    let mixed = (x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d)) as u32;
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2c1b_3c6d);
    ((mixed ^ (mixed >> 13)) >> 8) as usize
}

/// Lines of letters, eight by sixteen, some longer and some shorter, `scrolled` lines up.
fn terminal(scrolled: usize) -> Picture {
    painted(|x, y| {
        let (column, line) = (x / 8, y / 16 + scrolled);
        let is_written = column < 20 + noise(line, 1, 0) % 100 && !noise(column, line, 7).is_multiple_of(6);
        let ink = noise(x % 8 + 8 * (noise(column, line, 3) % 40), y % 16, 9).is_multiple_of(4);
        if is_written && ink && (3..13).contains(&(y % 16)) { 200 } else { 20 }
    })
}

/// Slopes and grain that move aside.
fn game(n: usize) -> Picture {
    painted(|x, y| (((x + 9 * n) / 3 + y / 2) % 190 + noise(x + 9 * n, y, 1) % 9 + 16) as u8)
}

/// Somebody before a wall: a quarter of the picture moves, and all of it has some grain.
fn camera(n: usize) -> Picture {
    painted(|x, y| {
        let face = (480..800).contains(&x) && y > 120;
        let base = if face { ((x + 6 * n) / 4 + y / 3) % 120 } else { x / 12 };
        (base + 30 + noise(x, y, n) % 4) as u8
    })
}

struct Viewer {
    eye: Eye,
    judge: Judge,
    now: MediaTime,
    changes: u32,
}

impl Viewer {
    fn new() -> Self {
        let now = MediaTime::from_nanos(1_000_000_000);
        Self { eye: Eye::default(), judge: Judge::default(), now, changes: 0 }
    }

    fn see(&mut self, pictures: &[Picture], count: usize, apart: Duration) -> Content {
        for n in 0..count {
            self.now = self.now + apart;
            if let Some(look) = self.eye.look(&pictures[n % pictures.len()]) {
                self.changes += u32::from(self.judge.saw(self.now, look));
            }
        }
        self.judge.content()
    }
}

fn some(paint: impl Fn(usize) -> Picture) -> Vec<Picture> {
    (0..12).map(paint).collect()
}

#[test]
fn a_terminal_is_a_screen_typed_into_and_scrolled() {
    let lines = some(terminal);
    assert_eq!(Viewer::new().see(&lines, 300, FRAME), Content::Screen, "scrolled without an end");
    assert_eq!(Viewer::new().see(&lines[..1], 300, FRAME), Content::Screen, "next to nothing changes");
    assert_eq!(Viewer::new().see(&lines, 40, FRAME * 10), Content::Screen, "a line now and then");
    // Pages that are turned, one a second, are a screen's as well.
    let pages = [terminal(0), painted(|_, y| if y < 100 { 235 } else { 180 })];
    assert_eq!(Viewer::new().see(&pages, 20, FRAME * 30), Content::Screen, "pages");
}

#[test]
fn games_and_cameras_are_none() {
    assert_eq!(Viewer::new().see(&some(game), 900, FRAME), Content::Motion);
    assert_eq!(Viewer::new().see(&some(camera), 900, FRAME), Content::Motion);
    // Flat colours, all of which move: a cartoon.
    let cartoon = some(|n| painted(|x, y| if ((x + 40 * n) / 80 + y / 80) % 2 == 0 { 40 } else { 180 }));
    assert_eq!(Viewer::new().see(&cartoon, 900, FRAME), Content::Motion);
}

#[test]
fn a_game_that_begins_ends_it_at_once_and_a_second_one_sooner_than_it_comes_back() {
    let (lines, play) = (some(terminal), some(game));
    let mut viewer = Viewer::new();
    assert_eq!(viewer.see(&lines, 300, FRAME), Content::Screen);
    assert_eq!(viewer.see(&play, 12, FRAME), Content::Motion, "within 0.4 s");
    assert_eq!(viewer.see(&lines, 300, FRAME), Content::Motion, "ten seconds are not enough");
    assert_eq!(viewer.see(&lines, 600, FRAME), Content::Screen, "thirty are");
}

#[test]
fn one_picture_that_is_all_new_changes_nothing() {
    let mut viewer = Viewer::new();
    let lines = some(terminal);
    viewer.see(&lines, 300, FRAME);
    let before = viewer.changes;
    viewer.see(&[painted(|_, _| 235)], 1, FRAME);
    assert_eq!((viewer.see(&lines, 3, FRAME), viewer.changes), (Content::Screen, before));
}

#[test]
fn what_swings_is_left_alone() {
    let (lines, play) = (some(terminal), some(game));
    let mut viewer = Viewer::new();
    // An hour of half a minute of each.
    for _ in 0..60 {
        viewer.see(&lines, 900, FRAME);
        viewer.see(&play, 900, FRAME);
    }
    assert!(viewer.changes <= 20, "{} changes in an hour", viewer.changes);
}

#[test]
fn another_size_is_begun_with_and_a_tiny_one_not_looked_at() {
    let mut eye = Eye::default();
    assert_eq!(eye.look(&terminal(0)), None);
    assert_eq!(eye.look(&terminal(0)).map(|look| look.changed), Some(0.0));
    let other = Picture::black(Size { width: 1920, height: 1080 });
    assert_eq!(eye.look(&other), None);
    assert_eq!(eye.look(&other), Some(Look { changed: 0.0, flat: 1.0 }));
    assert_eq!(eye.look(&Picture::black(Size { width: 160, height: 90 })), None);
}

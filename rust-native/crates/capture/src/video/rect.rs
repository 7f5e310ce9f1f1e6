//! Rectangles of the desktop, and what is left of one when others are taken away.

/// A rectangle of the desktop, pixels. Its far edges are not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rect {
    /// From the desktop's left edge; may be negative.
    pub x: i32,
    /// From the desktop's top edge; may be negative.
    pub y: i32,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

impl Rect {
    /// The first column that is not part of it.
    pub const fn right(self) -> i32 {
        self.x.saturating_add_unsigned(self.width)
    }

    /// The first row that is not part of it.
    pub const fn bottom(self) -> i32 {
        self.y.saturating_add_unsigned(self.height)
    }

    /// What both share; `None` where that is nothing.
    pub fn intersection(self, other: Self) -> Option<Self> {
        Self::between(
            self.x.max(other.x),
            self.y.max(other.y),
            self.right().min(other.right()),
            self.bottom().min(other.bottom()),
        )
    }

    fn between(left: i32, top: i32, right: i32, bottom: i32) -> Option<Self> {
        (right > left && bottom > top).then(|| Self {
            x: left,
            y: top,
            width: right.abs_diff(left),
            height: bottom.abs_diff(top),
        })
    }
}

/// Part of the desktop, as rectangles that don't overlap.
#[cfg(any(target_os = "linux", test))]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Region(Vec<Rect>);

#[cfg(any(target_os = "linux", test))]
impl Region {
    /// One rectangle.
    pub(super) fn new(whole: Rect) -> Self {
        let mut region = Self::default();
        region.0.extend(whole.intersection(whole));
        region
    }

    /// Takes a rectangle away.
    pub(super) fn subtract(&mut self, hole: Rect) {
        self.0 = std::mem::take(&mut self.0)
            .into_iter()
            .flat_map(|part| {
                let Some(cut) = part.intersection(hole) else { return [Some(part), None, None, None] };
                [
                    Rect::between(part.x, part.y, part.right(), cut.y),
                    Rect::between(part.x, cut.y, cut.x, cut.bottom()),
                    Rect::between(cut.right(), cut.y, part.right(), cut.bottom()),
                    Rect::between(part.x, cut.bottom(), part.right(), part.bottom()),
                ]
            })
            .flatten()
            .collect();
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all of `rect` lies in it.
    pub(super) fn covers(&self, rect: Rect) -> bool {
        let mut rest = Self::new(rect);
        self.0.iter().for_each(|&part| rest.subtract(part));
        rest.is_empty()
    }

    /// Whether any of `rect` lies in it.
    pub(super) fn touches(&self, rect: Rect) -> bool {
        self.0.iter().any(|part| part.intersection(rect).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rect(x: i32, y: i32, width: u32, height: u32) -> Rect {
        Rect { x, y, width, height }
    }

    #[test]
    fn rectangles_that_only_touch_share_nothing() {
        assert_eq!(rect(0, 0, 10, 10).intersection(rect(10, 0, 10, 10)), None);
        assert_eq!(rect(-5, -5, 10, 10).intersection(rect(0, 0, 10, 10)), Some(rect(0, 0, 5, 5)));
        assert_eq!(rect(0, 0, 0, 10).intersection(rect(0, 0, 10, 10)), None);
    }

    #[test]
    fn a_hole_leaves_a_frame() {
        let mut region = Region::new(rect(0, 0, 100, 100));
        region.subtract(rect(40, 40, 20, 20));
        assert!(!region.touches(rect(40, 40, 20, 20)));
        assert!(region.covers(rect(0, 0, 100, 40)));
        assert!(region.covers(rect(10, 10, 80, 30)));
        assert!(!region.covers(rect(10, 10, 80, 31)));
        assert_eq!(region.0.iter().map(|part| part.width * part.height).sum::<u32>(), 100 * 100 - 20 * 20);
    }

    #[test]
    fn a_rectangle_across_two_parts_is_covered() {
        let mut region = Region::new(rect(0, 0, 100, 100));
        region.subtract(rect(50, 0, 50, 50));
        assert!(region.covers(rect(20, 20, 20, 60)));
        assert!(!region.covers(rect(20, 20, 60, 60)));
    }

    #[test]
    fn nothing_is_left_under_a_full_cover() {
        let mut region = Region::new(rect(10, 10, 50, 50));
        region.subtract(rect(0, 0, 30, 100));
        region.subtract(rect(30, 0, 100, 100));
        assert!(region.is_empty());
        assert!(Region::new(rect(3, 3, 0, 9)).is_empty());
    }
}

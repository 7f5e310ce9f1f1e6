//! Rectangles of the output that are to be drawn again. Pure.

use media::Size;

/// A rectangle, even numbers; may lie outside of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) width: i32,
    pub(crate) height: i32,
}

impl Area {
    pub(crate) fn at(x: i32, y: i32, size: Size) -> Self {
        Self { x, y, width: size.width as i32, height: size.height as i32 }
    }

    pub(crate) fn size(self) -> Size {
        Size { width: self.width.max(0) as u32, height: self.height.max(0) as u32 }
    }

    fn right(self) -> i32 {
        self.x + self.width
    }

    fn bottom(self) -> i32 {
        self.y + self.height
    }

    /// What both share.
    pub(crate) fn shared(self, other: Self) -> Option<Self> {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let (right, bottom) = (self.right().min(other.right()), self.bottom().min(other.bottom()));
        (right > x && bottom > y).then(|| Self { x, y, width: right - x, height: bottom - y })
    }

    /// Whether all of `other` lies in it.
    pub(crate) fn covers(self, other: Self) -> bool {
        self.shared(other) == Some(other)
    }

    fn around(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        Self { x, y, width: self.right().max(other.right()) - x, height: self.bottom().max(other.bottom()) - y }
    }
}

/// What is to be drawn again: rectangles that don't overlap, as each is drawn from the lowest layer up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Damage(Vec<Area>);

impl Damage {
    /// Adds a rectangle; those it overlaps become one with it.
    pub(crate) fn add(&mut self, area: Area) {
        let mut all = area;
        while let Some(index) = self.0.iter().position(|other| other.shared(all).is_some()) {
            all = all.around(self.0.swap_remove(index));
        }
        self.0.push(all);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives them out into `areas`, and is empty again; the memory of both stays.
    pub(crate) fn take_into(&mut self, areas: &mut Vec<Area>) {
        areas.clear();
        areas.append(&mut self.0);
    }

    /// Forgets them.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn area(x: i32, y: i32, width: i32, height: i32) -> Area {
        Area { x, y, width, height }
    }

    #[test]
    fn what_overlaps_becomes_one_and_what_does_not_stays_apart() {
        let mut damage = Damage::default();
        damage.add(area(0, 0, 10, 10));
        damage.add(area(100, 100, 10, 10));
        assert_eq!(damage.0.len(), 2);
        damage.add(area(8, 8, 10, 10));
        assert_eq!(damage.0, [area(100, 100, 10, 10), area(0, 0, 18, 18)]);
        damage.add(area(-4, -4, 400, 400));
        let mut taken = vec![area(1, 1, 1, 1)];
        damage.take_into(&mut taken);
        assert_eq!(taken, [area(-4, -4, 400, 400)]);
        assert!(damage.is_empty());
    }

    #[test]
    fn edges_that_touch_share_nothing() {
        assert_eq!(area(0, 0, 4, 4).shared(area(4, 0, 4, 4)), None);
        assert!(area(0, 0, 4, 4).covers(area(2, 2, 2, 2)) && !area(2, 2, 2, 2).covers(area(0, 0, 4, 4)));
    }
}

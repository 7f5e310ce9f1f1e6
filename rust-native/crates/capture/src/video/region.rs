//! A part of a monitor as a source: `region:MONITOR:x,y,w,h`, where MONITOR is the monitor's own id and x, y count
//! from that monitor's corner, in pixels. It goes along when the monitor is moved.

use std::fmt;

use super::{Rect, VideoError};

const PREFIX: &str = "region:";
/// As small as the smallest picture that can be encoded.
const LEAST_SIDE: u32 = 16;
/// As large as the protocols' coordinates reach.
const MOST: u32 = 32_767;

/// A region's id, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RegionId {
    /// The id of the monitor.
    pub(super) monitor: String,
    /// From the monitor's corner.
    pub(super) part: Rect,
}

impl RegionId {
    /// `None` where the id is not a region's; an error where it is a wrong one.
    pub(super) fn parse(id: &str) -> Option<Result<Self, VideoError>> {
        let rest = id.strip_prefix(PREFIX)?;
        Some(Self::read(rest).ok_or_else(|| {
            VideoError::BadSource(format!(
                "a region is region:MONITOR:x,y,width,height, {LEAST_SIDE} pixels a side at least"
            ))
        }))
    }

    fn read(rest: &str) -> Option<Self> {
        let (monitor, numbers) = rest.rsplit_once(':')?;
        let mut numbers = numbers.split(',').map(|number| number.parse::<u32>().ok().filter(|&number| number <= MOST));
        let mut next = || numbers.next().flatten();
        let (x, y, width, height) = (next()?, next()?, next()?, next()?);
        let is_good = numbers.next().is_none() && !monitor.is_empty() && width.min(height) >= LEAST_SIDE;
        let part = Rect { x: x.cast_signed(), y: y.cast_signed(), width, height };
        is_good.then(|| Self { monitor: monitor.to_owned(), part })
    }

    /// Where it lies on the desktop; `None` where nothing of it is on the monitor.
    pub(super) fn on(&self, monitor: Rect) -> Option<Rect> {
        let x = monitor.x.saturating_add(self.part.x);
        let y = monitor.y.saturating_add(self.part.y);
        Rect { x, y, ..self.part }.intersection(monitor)
    }
}

impl fmt::Display for RegionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rect { x, y, width, height } = self.part;
        write!(f, "{PREFIX}{}:{x},{y},{width},{height}", self.monitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = "region:x11:monitor:DP:1:10,20,300,200";
        let region = RegionId::parse(id).expect("a region").expect("a good one");
        assert_eq!((region.monitor.as_str(), region.part.width), ("x11:monitor:DP:1", 300));
        assert_eq!(region.to_string(), id);
        assert!(RegionId::parse("x11:monitor:a").is_none());
    }

    #[test]
    fn wrong_ones_are_refused() {
        for bad in ["region:", "region:a:1,2,3", "region::0,0,50,50", "region:a:0,0,50,8", "region:a:-1,0,50,50"] {
            assert_eq!(RegionId::parse(bad).expect("a region").expect_err(bad).code(), "bad_source");
        }
        assert!(RegionId::parse("region:a:0,0,50,50,50").expect("a region").is_err());
    }

    #[test]
    fn what_leaves_the_monitor_is_cut_off() {
        let region = RegionId::read("a:100,50,300,200").expect("a region");
        let monitor = Rect { x: 1000, y: 0, width: 300, height: 400 };
        assert_eq!(region.on(monitor), Some(Rect { x: 1100, y: 50, width: 200, height: 200 }));
        assert_eq!(region.on(Rect { width: 100, ..monitor }), None);
    }
}

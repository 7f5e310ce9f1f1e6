//! The ids of Windows' and macOS' monitors and windows, and their rectangles: pure, so that it is tested everywhere.

use std::fmt;

use super::{Rect, VideoError};

/// A source of the system that `system` names: `win:monitor:\\.\DISPLAY1`, `mac:window:4711`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DesktopId {
    pub(super) system: &'static str,
    pub(super) what: What,
}

/// The system's own name for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A monitor's device name or number; stable until monitors are plugged.
    Monitor(String),
    /// A window's handle or number; stable while it exists.
    Window(u64),
}

impl DesktopId {
    /// # Errors
    /// `source_not_found` for an id of another system or of no kind that is known.
    pub(super) fn parse(system: &'static str, id: &str) -> Result<Self, VideoError> {
        let unknown = || VideoError::SourceNotFound(id.to_owned());
        let rest = id.strip_prefix(system).and_then(|rest| rest.strip_prefix(':')).ok_or_else(unknown)?;
        let what = match rest.split_once(':') {
            Some(("monitor", name)) if !name.is_empty() => What::Monitor(name.to_owned()),
            Some(("window", number)) => What::Window(number.parse().map_err(|_| unknown())?),
            _ => return Err(unknown()),
        };
        Ok(Self { system, what })
    }
}

impl fmt::Display for DesktopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Monitor(name) => write!(f, "{}:monitor:{name}", self.system),
            What::Window(number) => write!(f, "{}:window:{number}", self.system),
        }
    }
}

/// A rectangle by its edges, pixels; empty where they are the wrong way round.
#[cfg_attr(not(any(target_os = "windows", test)), allow(dead_code, reason = "macOS gives sizes"))]
pub(super) fn by_edges(left: i32, top: i32, right: i32, bottom: i32) -> Rect {
    let side = |from: i32, to: i32| if to > from { to.abs_diff(from) } else { 0 };
    Rect { x: left, y: top, width: side(left, right), height: side(top, bottom) }
}

/// A rectangle of whole units that holds one of fractions (macOS counts in points).
#[cfg_attr(not(any(target_os = "macos", test)), allow(dead_code, reason = "Windows counts in pixels"))]
pub(super) fn by_points(x: f64, y: f64, width: f64, height: f64) -> Rect {
    // `as` saturates, and takes what is no number for zero.
    let (left, top) = (x.floor() as i32, y.floor() as i32);
    by_edges(left, top, (x + width).ceil() as i32, (y + height).ceil() as i32)
}

/// The pixels of so many points on a screen of that scale; never none.
#[cfg_attr(not(any(target_os = "macos", test)), allow(dead_code, reason = "Windows counts in pixels"))]
pub(super) fn pixels(points: f64, scale: f64) -> u32 {
    let scale = if scale.is_finite() && scale > 0.0 { scale } else { 1.0 };
    ((points * scale).round() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_a_round_trip() {
        for id in [r"win:monitor:\\.\DISPLAY1", "win:window:66312", "mac:monitor:1", "mac:window:4294967295"] {
            let system = if id.starts_with("win") { "win" } else { "mac" };
            assert_eq!(DesktopId::parse(system, id).expect("an id").to_string(), id);
        }
    }

    #[test]
    fn ids_of_other_systems_and_shapes_are_not_found() {
        for id in
            ["", "win", "win:", "win:monitor:", "win:window:", "win:window:0x12", "win:window:-1", "winx:window:1"]
                .into_iter()
                .chain(["x11:window:0x12", "mac:window:3", "win:camera:1", "win:window:99999999999999999999"])
        {
            let error = DesktopId::parse("win", id).expect_err(id);
            assert_eq!(error, VideoError::SourceNotFound(id.to_owned()));
        }
    }

    #[test]
    fn edges_give_sizes_and_wrong_ones_nothing() {
        assert_eq!(by_edges(-1920, -10, 0, 1070), Rect { x: -1920, y: -10, width: 1920, height: 1080 });
        assert_eq!(by_edges(10, 10, 5, 5), Rect { x: 10, y: 10, width: 0, height: 0 });
        assert_eq!(by_edges(i32::MIN, 0, i32::MAX, 1).width, u32::MAX);
    }

    #[test]
    fn points_are_covered_by_whole_ones_and_scaled_to_pixels() {
        assert_eq!(by_points(-0.5, 10.25, 100.0, 50.0), Rect { x: -1, y: 10, width: 101, height: 51 });
        assert_eq!(by_points(f64::NAN, 0.0, 10.0, 10.0).height, 10);
        assert_eq!((pixels(1512.0, 2.0), pixels(33.4, 1.5), pixels(0.0, 2.0), pixels(7.0, 0.0)), (3024, 50, 1, 7));
    }
}

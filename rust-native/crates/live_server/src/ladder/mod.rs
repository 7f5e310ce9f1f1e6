//! Renditions: a stream's picture once more, smaller, for viewers whose line or screen is.
//!
//! What there can be is planned from the configuration and the source's size; it is made by a [`worker`], decoded once
//! and encoded for each rendition, only while somebody watches that one, and only as many as there are [`Places`] for.
//! Its keyframes are the source's, with the source's time stamps, so that a player may switch at any of them. Who watches
//! which is the relay's business (`relay/stream/ladder`) and, for files, the packager's; nothing here knows a viewer.

pub(crate) mod worker;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use media::{Bitrate, Size};

use crate::config::RenditionSettings;

/// One rendition's name: the pixels of its picture's shorter side, `720p`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Rung(pub(crate) u16);

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}p", self.0)
    }
}

impl Rung {
    /// Reads a name; it has one spelling only.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let rung = Self(name.strip_suffix('p')?.parse().ok()?);
        (rung.to_string() == name).then_some(rung)
    }
}

/// What a viewer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Quality {
    /// What its line carries.
    #[default]
    Auto,
    /// What the publisher sends.
    Source,
    /// That rendition, while there is one.
    Rung(Rung),
}

impl Quality {
    /// `auto`, `source`, or a rendition's name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(Self::Auto),
            "source" => Some(Self::Source),
            name => Rung::named(name).map(Self::Rung),
        }
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Source => f.write_str("source"),
            Self::Rung(rung) => rung.fmt(f),
        }
    }
}

/// A rendition that could be made of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) rung: Rung,
    pub(crate) size: Size,
    pub(crate) bitrate: Bitrate,
}

/// What a 16:9 picture of 30 a second needs where x264 takes its quickest way: bits per second and pixel.
const BITS_PER_PIXEL: f64 = 2.7;

/// The renditions of a source of that size, largest first; none is as large as the source.
pub(crate) fn plans(settings: &[RenditionSettings], source: Size) -> Vec<Plan> {
    let short = source.width.min(source.height);
    let mut plans: Vec<Plan> = settings
        .iter()
        .filter(|rendition| u32::from(rendition.height) < short)
        .map(|rendition| {
            let height = u32::from(rendition.height);
            // To the nearest even number, so that the aspect is as near as can be.
            let scaled = |side: u32| {
                let (side, short) = (u64::from(side) * u64::from(height), u64::from(short));
                (((side + short) / (2 * short)) as u32 * 2).max(2)
            };
            let size = Size { width: scaled(source.width), height: scaled(source.height) };
            let kbps = rendition.kbps.unwrap_or_else(|| {
                let pixels = f64::from(height) * f64::from(height) * 16.0 / 9.0;
                (pixels * BITS_PER_PIXEL / 1000.0) as u32
            });
            Plan { rung: Rung(rendition.height), size, bitrate: Bitrate::from_kbps(kbps) }
        })
        .collect();
    plans.sort_by_key(|plan| std::cmp::Reverse(plan.rung));
    plans
}

/// How many renditions of all streams are made now. Only the media thread takes places and gives them
/// back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    taken: Arc<AtomicUsize>,
    most: usize,
}

/// One of them; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Places {
    /// Another limit from now on; what runs goes on.
    pub(crate) fn set_most(&mut self, most: u32) {
        self.most = most as usize;
    }

    pub(crate) fn has_room(&self) -> bool {
        self.taken.load(Ordering::Acquire) < self.most
    }

    /// `None`: all are taken.
    pub(crate) fn take(&self) -> Option<Place> {
        let (taken, most) = (&self.taken, self.most);
        let one_more = |now: usize| (now < most).then_some(now + 1);
        taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        Some(Place(taken.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(heights: &[u16], width: u32, height: u32) -> Vec<(String, u32, u32)> {
        let settings: Vec<_> = heights.iter().map(|height| RenditionSettings { height: *height, kbps: None }).collect();
        let plans = plans(&settings, Size { width, height });
        plans.iter().map(|plan| (plan.rung.to_string(), plan.size.width, plan.size.height)).collect()
    }

    #[test]
    fn only_what_is_smaller_than_the_source_is_made_largest_first() {
        let of = |name: &str, width, height| (name.to_owned(), width, height);
        assert_eq!(planned(&[480, 1080, 720], 1920, 1080), [of("720p", 1280, 720), of("480p", 854, 480)]);
        assert_eq!(planned(&[720, 480], 720, 1280), [of("480p", 480, 854)], "upright: the shorter side counts");
        assert_eq!(planned(&[720], 2560, 1080), [of("720p", 1706, 720)]);
        assert_eq!(planned(&[720, 480], 640, 360), []);
        assert_eq!(planned(&[480], 1366, 768), [of("480p", 854, 480)]);
    }

    #[test]
    fn a_bitrate_that_is_not_given_grows_with_the_picture() {
        let settings =
            [RenditionSettings { height: 720, kbps: None }, RenditionSettings { height: 480, kbps: Some(900) }];
        let plans = plans(&settings, Size { width: 1920, height: 1080 });
        assert_eq!(plans.iter().map(|plan| plan.bitrate.as_kbps()).collect::<Vec<_>>(), [2488, 900]);
    }

    #[test]
    fn qualities_have_one_name_each() {
        for name in ["auto", "source", "720p", "1080p"] {
            assert_eq!(Quality::named(name).map(|quality| quality.to_string()), Some(name.to_owned()));
        }
        for name in ["", "p", "0720p", "+720p", "720", "70000p", "720P", "best"] {
            assert_eq!(Quality::named(name), None, "{name}");
        }
    }

    #[test]
    fn a_place_that_is_given_back_can_be_taken_again() {
        let mut places = Places::default();
        assert!(places.take().is_none() && !places.has_room(), "none without a setting");
        places.set_most(1);
        let place = places.take().expect("room for one");
        assert!(places.take().is_none());
        drop(place);
        assert!(places.has_room() && places.take().is_some());
    }
}

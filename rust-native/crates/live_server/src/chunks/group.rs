//! What came since the last keyframe, for players that join: references, no copies. Pure.
//!
//! Bounded in units and bytes: a longer group is not kept, and who joins then waits for the next keyframe.

use std::collections::VecDeque;

use bytes::Bytes;
use media::h264::ParameterSets;
use media::{AccessUnit, MediaTime, Track};
use stream::{Lanes, Restartable};

use super::units::annex_b;

/// Ten seconds of 60 pictures, 50 packets of Opus and 47 frames of AAC, twice.
const MOST_UNITS: usize = 3200;
/// Ten seconds of 8 Mbit/s.
const MOST_BYTES: usize = 10 << 20;

/// One unit.
#[derive(Debug, Clone)]
pub(super) enum Kept {
    /// As it is packed: it becomes a byte stream for who joins.
    Picture {
        pts: MediaTime,
        keyframe: bool,
        data: Bytes,
        sets: Option<ParameterSets>,
    },
    Sound(AccessUnit),
}

impl Kept {
    fn size(&self) -> usize {
        match self {
            Self::Picture { data, .. } => data.len(),
            Self::Sound(unit) => unit.payload.len(),
        }
    }

    fn unit(&self) -> AccessUnit {
        match self {
            Self::Sound(unit) => unit.clone(),
            Self::Picture { pts, keyframe, data, sets } => AccessUnit {
                track: Track::Video,
                pts: *pts,
                dts: *pts,
                keyframe: *keyframe,
                captured_at: *pts,
                payload: annex_b(data, sets.as_ref()),
            },
        }
    }
}

/// The group of pictures that is being received, and the sound beside it.
#[derive(Debug, Default)]
pub(super) struct Group {
    kept: VecDeque<Kept>,
    bytes: usize,
    /// A keyframe has come, and everything since.
    begun: bool,
}

impl Group {
    pub(super) fn push(&mut self, kept: Kept) {
        if let Kept::Picture { keyframe: true, pts, .. } = &kept {
            let pts = *pts;
            // Sound comes before the picture that it belongs to: encoders of pictures take longer.
            self.kept.retain(|old| matches!(old, Kept::Sound(unit) if unit.pts >= pts));
            self.bytes = self.kept.iter().map(Kept::size).sum();
            self.begun = true;
        }
        if !self.begun {
            // Sound alone: a little of it, in which the first picture may find its own.
            if matches!(kept, Kept::Picture { .. }) {
                return;
            }
            while self.kept.len() >= 64 {
                self.kept.pop_front();
            }
        } else if self.kept.len() >= MOST_UNITS || self.bytes + kept.size() > MOST_BYTES {
            (self.kept, self.bytes, self.begun) = (VecDeque::new(), 0, false);
            return;
        }
        self.bytes += kept.size();
        self.kept.push_back(kept);
    }

    /// From the keyframe on, in the order of their times; nothing where no keyframe is kept.
    pub(super) fn units(&self, lanes: Lanes) -> Vec<AccessUnit> {
        if !self.begun {
            return Vec::new();
        }
        let mut units: Vec<AccessUnit> =
            self.kept.iter().map(Kept::unit).filter(|unit| lanes.meets(unit.lane())).collect();
        units.sort_by_key(|unit| unit.dts);
        units
    }

    /// The sound as it was published, in order.
    pub(super) fn opus(&self) -> Vec<(MediaTime, Bytes)> {
        let of = |kept: &Kept| match kept {
            Kept::Sound(unit) if unit.track == Track::Audio => Some((unit.pts, unit.payload.clone())),
            _ => None,
        };
        self.kept.iter().filter_map(of).collect()
    }

    pub(super) fn forget_aac(&mut self) {
        self.kept.retain(|kept| !matches!(kept, Kept::Sound(unit) if unit.track == Track::Aac));
        self.bytes = self.kept.iter().map(Kept::size).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(ms: u64, keyframe: bool, size: usize) -> Kept {
        let pts = MediaTime::from_nanos(ms * 1_000_000);
        Kept::Picture { pts, keyframe, data: vec![0; size].into(), sets: None }
    }

    fn times(group: &Group) -> Vec<u64> {
        group.units(Lanes::VIDEO).iter().map(|unit| unit.pts.as_nanos() / 1_000_000).collect()
    }

    #[test]
    fn the_group_begins_at_the_newest_keyframe_and_nothing_is_kept_before_the_first() {
        let mut group = Group::default();
        group.push(picture(0, false, 8));
        assert!(times(&group).is_empty());
        group.push(picture(40, true, 8));
        group.push(picture(80, false, 8));
        assert_eq!(times(&group), [40, 80]);
        group.push(picture(120, true, 8));
        assert_eq!(times(&group), [120]);
    }

    #[test]
    fn a_group_that_grows_too_large_is_given_up_until_the_next_keyframe() {
        let mut group = Group::default();
        group.push(picture(0, true, 8));
        (1..40).for_each(|n| group.push(picture(n, false, 1 << 20)));
        assert!(times(&group).is_empty() && group.bytes <= MOST_BYTES);
        group.push(picture(100, true, 8));
        assert_eq!(times(&group), [100]);
    }
}

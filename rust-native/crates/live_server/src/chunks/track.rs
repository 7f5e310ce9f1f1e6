//! One track's samples → parts and the ends of segments. Where a segment ends is its caller's to say.

use std::time::Duration;

use container::{CmafTrack, ContainerError, Sample, cmaf_chunk};

use super::segmenter::{Change, Rules};
use super::window::{Kind, Part};

/// A part is closed when it has this share of its target: at least 85 % are asked for.
const PART_SHARE: (u64, u64) = (86, 100);

/// One track's way into parts.
#[derive(Debug)]
pub(super) struct Track {
    kind: Kind,
    pub(super) what: CmafTrack,
    rate: u32,
    sequence: u32,
    rules: Rules,
    /// The newest unit: how long it lasts is known when the next has come.
    pub(super) held: Option<Sample>,
    part: Vec<Sample>,
    /// Ticks.
    part_start: u64,
    pub(super) segment_start: u64,
}

impl Track {
    pub(super) fn new(kind: Kind, what: CmafTrack, rules: Rules, start: u64) -> Self {
        let rate = kind.rate();
        Self {
            kind,
            what,
            rate,
            sequence: 0,
            rules,
            held: None,
            part: Vec::new(),
            part_start: start,
            segment_start: start,
        }
    }

    fn ticks(&self, duration: Duration) -> u64 {
        (duration.as_nanos() as u64 * u64::from(self.rate)).div_ceil(1_000_000_000)
    }

    pub(super) fn push(&mut self, sample: Sample, out: &mut Vec<Change>) -> Result<(), ContainerError> {
        self.settle(sample.time, out)?;
        self.held = Some(sample);
        Ok(())
    }

    /// The held unit lasts until then; a part that is long enough is closed.
    fn settle(&mut self, end: u64, out: &mut Vec<Change>) -> Result<(), ContainerError> {
        let Some(mut held) = self.held.take() else { return Ok(()) };
        held.duration = u32::try_from(end.saturating_sub(held.time)).unwrap_or(u32::MAX).max(1);
        let most = self.ticks(self.rules.part);
        if !self.part.is_empty() && end - self.part_start > most {
            self.close_part(held.time, out)?;
        }
        self.part.push(held);
        if (end - self.part_start) * PART_SHARE.1 >= most * PART_SHARE.0 {
            self.close_part(end, out)?;
        }
        Ok(())
    }

    fn close_part(&mut self, end: u64, out: &mut Vec<Change>) -> Result<(), ContainerError> {
        let samples = std::mem::take(&mut self.part);
        let start = std::mem::replace(&mut self.part_start, end);
        if samples.is_empty() {
            return Ok(());
        }
        self.sequence += 1;
        let body = cmaf_chunk(&self.what, self.sequence, &samples)?;
        let independent = samples.iter().any(|sample| sample.keyframe);
        out.push(Change::Part(self.kind, Part { ticks: end - start, independent, body }));
        Ok(())
    }

    /// The segment ends there.
    pub(super) fn cut(&mut self, end: u64, out: &mut Vec<Change>) -> Result<(), ContainerError> {
        self.settle(end, out)?;
        self.close_part(end, out)?;
        self.segment_start = end;
        out.push(Change::End(self.kind));
        Ok(())
    }

    /// Whether a unit of that time can still be taken.
    pub(super) fn takes(&self, time: u64) -> bool {
        time >= self.segment_start && self.held.as_ref().is_none_or(|held| time > held.time)
    }

    /// Where the next unit is expected.
    pub(super) fn end(&self) -> u64 {
        self.held.as_ref().map_or(self.part_start.max(self.segment_start), |held| held.time + u64::from(held.duration))
    }
}

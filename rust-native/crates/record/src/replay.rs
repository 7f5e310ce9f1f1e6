//! The last minutes as encoded units in memory, written to a file on request.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use container::{Assembler, AudioCodec, Format, TARGET};
use media::{AccessUnit, MediaTime};
use parking_lot::Mutex;
use stream::{Broadcast, LagPolicy, Lanes};

use crate::file::OutputFile;
use crate::{LocalTime, RecordError};

/// Units in the reader's own queue: the task that empties it does nothing else.
const QUEUE: usize = 512;

/// What is kept: units from a keyframe on, the newest last. Pure.
#[derive(Debug)]
pub struct Ring {
    keep: Duration,
    most_bytes: usize,
    units: VecDeque<AccessUnit>,
    bytes: usize,
}

impl Ring {
    /// Keeps at least `keep` of them (and up to one keyframe distance more), but never more than `most_bytes`.
    pub fn new(keep: Duration, most_bytes: usize) -> Self {
        Self { keep, most_bytes, units: VecDeque::new(), bytes: 0 }
    }

    /// Takes a unit and forgets what is too old.
    pub fn push(&mut self, unit: AccessUnit) {
        if self.units.is_empty() && !starts(&unit) {
            return;
        }
        self.bytes += unit.payload.len();
        let newest = unit.pts;
        self.units.push_back(unit);
        while let Some(next) = self.second_start() {
            let enough = self.units.get(next).is_some_and(|unit| newest.since(unit.pts) >= self.keep);
            if !enough && self.bytes <= self.most_bytes {
                break;
            }
            let gone: usize = self.units.drain(..next).map(|unit| unit.payload.len()).sum();
            self.bytes -= gone;
        }
        if self.bytes > self.most_bytes {
            self.clear();
        }
    }

    /// Forgets everything: units were lost, and a replay must not jump.
    pub fn clear(&mut self) {
        self.units.clear();
        self.bytes = 0;
    }

    fn second_start(&self) -> Option<usize> {
        self.units.iter().skip(1).position(starts).map(|at| at + 1)
    }

    /// Payload bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// From the first keyframe to the newest unit.
    pub fn duration(&self) -> Duration {
        let newest = self.units.iter().map(|unit| unit.pts).max().unwrap_or(MediaTime::ZERO);
        self.units.front().map_or(Duration::ZERO, |first| newest.since(first.pts))
    }

    /// All units, oldest first; reference counts only.
    pub fn units(&self) -> Vec<AccessUnit> {
        self.units.iter().cloned().collect()
    }
}

fn starts(unit: &AccessUnit) -> bool {
    unit.track.is_picture() && unit.keyframe
}

/// How full the buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayStatus {
    /// What would be saved now.
    pub duration: Duration,
    /// Held in memory.
    pub bytes: u64,
    /// The most that it will hold.
    pub most_bytes: u64,
}

/// A running replay buffer; dropping it frees the memory.
#[derive(Debug)]
pub struct Replay {
    ring: Arc<Mutex<Ring>>,
    codec: AudioCodec,
    task: tokio::task::JoinHandle<()>,
}

impl Replay {
    /// Keeps the last `keep` of the stream from now on. Needs a tokio runtime around it.
    pub fn start(hub: &Broadcast<AccessUnit>, keep: Duration, most_bytes: usize, codec: AudioCodec) -> Self {
        let ring = Arc::new(Mutex::new(Ring::new(keep, most_bytes)));
        let lanes = match codec {
            AudioCodec::Aac => Lanes::PICTURES.and(Lanes::AAC),
            AudioCodec::Opus => Lanes::PICTURES.and(Lanes::OPUS),
        };
        let mut reader = hub.subscribe_to(lanes, QUEUE, LagPolicy::SkipToKeyframe);
        let shared = Arc::clone(&ring);
        let task = tokio::spawn(async move {
            let mut overflows = 0;
            while let Ok(unit) = reader.recv().await {
                let mut ring = shared.lock();
                if std::mem::replace(&mut overflows, reader.stats().overflows) != overflows {
                    ring.clear();
                }
                ring.push(unit);
            }
        });
        Self { ring, codec, task }
    }

    /// How full it is.
    pub fn status(&self) -> ReplayStatus {
        let ring = self.ring.lock();
        ReplayStatus { duration: ring.duration(), bytes: ring.bytes() as u64, most_bytes: ring.most_bytes as u64 }
    }

    /// What it holds now, to be written with [`Snapshot::save`] where blocking is allowed.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { units: self.ring.lock().units(), codec: self.codec }
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a replay buffer held at one moment.
#[derive(Debug)]
pub struct Snapshot {
    units: Vec<AccessUnit>,
    codec: AudioCodec,
}

impl Snapshot {
    /// Writes it to a new file; an MP4 becomes a plain one. Blocks for the disk.
    ///
    /// # Errors
    /// [`RecordError`]; without a picture [`RecordError::NothingRecorded`].
    pub fn save(self, folder: &Path, template: &str, format: Format) -> Result<PathBuf, RecordError> {
        let mut file = OutputFile::create(folder, template, LocalTime::now(), 1, format)?;
        let mut assembler = Assembler::new(self.codec, TARGET);
        let write = |file: &mut OutputFile, assembler: &mut Assembler| -> Result<(), RecordError> {
            let mut first = true;
            for unit in &self.units {
                // Another size within the buffer: the replay is what came after it.
                if assembler.needs_new_file(unit) && !first {
                    break;
                }
                first = false;
                if let (Some(fragment), Some(layout)) = (assembler.push(unit)?, assembler.layout()) {
                    file.write(layout, &fragment)?;
                }
            }
            if let (Some(fragment), Some(layout)) = (assembler.finish(None)?, assembler.layout()) {
                file.write(layout, &fragment)?;
            }
            Ok(())
        };
        let written = write(&mut file, &mut assembler);
        let (path, _) = file.close(assembler.duration(), true)?;
        written.map(|()| path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use media::Track;

    fn unit(track: Track, keyframe: bool, ms: u64, size: usize) -> AccessUnit {
        let at = MediaTime::from_nanos(ms * 1_000_000);
        AccessUnit { track, pts: at, dts: at, keyframe, captured_at: at, payload: Bytes::from(vec![0; size]) }
    }

    fn fill(ring: &mut Ring, seconds: u64, size: usize) {
        for ms in (0..seconds * 1000).step_by(20) {
            ring.push(unit(Track::Video, ms % 2000 == 0, ms, size));
            ring.push(unit(Track::Aac, true, ms + 1, 100));
        }
    }

    #[test]
    fn it_keeps_the_last_seconds_from_a_keyframe_on() {
        let mut ring = Ring::new(Duration::from_secs(10), usize::MAX);
        ring.push(unit(Track::Aac, true, 0, 10));
        ring.push(unit(Track::Video, false, 0, 10));
        assert_eq!(ring.bytes(), 0, "nothing before a keyframe");
        fill(&mut ring, 60, 1000);
        let units = ring.units();
        assert!(units[0].keyframe && units[0].track == Track::Video);
        assert!((10..=12).contains(&ring.duration().as_secs()), "{:?}", ring.duration());
        assert_eq!(ring.bytes(), units.iter().map(|unit| unit.payload.len()).sum::<usize>());
    }

    #[test]
    fn its_memory_has_a_bound_whatever_comes() {
        let mut ring = Ring::new(Duration::from_secs(300), 1_000_000);
        for ms in (0..600_000).step_by(20) {
            ring.push(unit(Track::Video, ms % 2000 == 0, ms, 4000));
            assert!(ring.bytes() <= 1_000_000);
        }
        assert!(ring.bytes() > 500_000 && starts(&ring.units()[0]));
        // One group of pictures that is larger than the bound is not kept at all.
        ring.push(unit(Track::Video, true, 700_000, 2_000_000));
        assert_eq!(ring.bytes(), 0);
    }
}

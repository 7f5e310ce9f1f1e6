//! One picture that a publisher sends in several encodings (simulcast, RFC 8853), on one line of time: which of them live,
//! when their pictures are, and which is the best. Pure.
//!
//! Each encoding has a sequence and a random start of its own. The pictures of all are of the same captures, so the stream's
//! line is the one that the first of them began, and the others are laid beside it: by the sender reports (RFC 3550,
//! section 6.4.1), and from there to the very tick of the nearest picture.
//!
//! A publisher leaves an encoding out where its path carries too little, and takes it up again later, without a word. So one
//! that is silent while the others go on has stopped. The best that lives is the stream's source.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use media::Size;
use str0m::media::Rid;
use str0m::rtp::RtpPacket;

use super::keyframes::KeyframeGate;
use super::meter::Meter;
use super::stamps::Stamps;
use super::timeline::{START, Timeline};

/// Silent for so long, and so many pictures of others have come meanwhile: it has stopped. On a still screen there is a
/// picture in a second, of each: the clock alone would call that silence. Shorter than 0.7 s is the pause of a keyframe on a
/// narrow path.
const SILENT: Duration = Duration::from_millis(700);
const MISSED: u32 = 12;
/// Encodings begin one after the other: for so long it is waited for a better one before the stream begins.
const BEGINNING: Duration = Duration::from_millis(500);
/// Sender reports come once a second. After this an encoding is laid beside the others by its arrival.
const REPORTS_COME: Duration = Duration::from_millis(2500);
/// Pictures whose time stamps are known: four seconds at 30 a second.
const PICTURES: usize = 128;
/// A report is exact to a millisecond or two, and pictures are eight apart at the least: 4 ms, in ticks of 90 kHz.
const NEAR: u32 = 360;
/// Packets that wait for their place: what comes until the first report does, at 6 Mbit/s.
const EARLY: usize = 2048;

/// One encoding.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) rid: Rid,
    pub(super) size: Option<Size>,
    pub(super) gate: KeyframeGate,
    pub(super) meter: Meter,
    /// Whether it is sent.
    pub(super) lives: bool,
    begun: Option<Instant>,
    heard: Option<Instant>,
    /// Pictures of others since it was heard.
    missed: u32,
    /// Added to its time stamps, wrapping.
    offset: Option<u32>,
    /// The offset is right to the tick.
    exact: bool,
    /// Its newest sender report, for as long as it has no offset: its own time stamp and the publisher's time.
    report: Option<(u32, SystemTime)>,
    newest: Option<u32>,
    early: Vec<RtpPacket>,
}

/// All of a publisher's.
#[derive(Debug)]
pub(super) struct Layers {
    pub(super) all: Vec<Layer>,
    /// The one that is the stream's source.
    pub(super) source: Option<usize>,
    splice: Splice,
    /// Time stamps of the newest pictures on the line.
    pictures: VecDeque<u32>,
    /// The newest report on the line.
    report: Option<(u32, SystemTime)>,
    /// The newest picture on the line, and when it came.
    newest: Option<(u32, Instant)>,
    ready: Option<Instant>,
}

fn newer(one: u32, other: u32) -> bool {
    one.wrapping_sub(other) as i32 > 0
}

impl Layers {
    /// `None` where there are not several.
    pub(super) fn new(rids: &[Rid], now: Instant) -> Option<Self> {
        let layer = |rid: &Rid| Layer {
            rid: *rid,
            size: None,
            gate: KeyframeGate::default(),
            meter: Meter::new(now),
            lives: false,
            begun: None,
            heard: None,
            missed: 0,
            offset: None,
            exact: false,
            report: None,
            newest: None,
            early: Vec::new(),
        };
        (rids.len() > 1).then(|| Self {
            all: rids.iter().map(layer).collect(),
            source: None,
            splice: Splice::default(),
            pictures: VecDeque::new(),
            report: None,
            newest: None,
            ready: None,
        })
    }

    /// The name of the encoding that is the stream's source.
    pub(super) fn source_rid(&self) -> Option<Rid> {
        self.source.map(|index| self.all[index].rid)
    }

    pub(super) fn index_of(&self, rid: Rid) -> Option<usize> {
        self.all.iter().position(|layer| layer.rid == rid)
    }

    /// A packet has come. Says whether the encoding lives from now on.
    pub(super) fn hear(&mut self, index: usize, timestamp: u32, bytes: usize, now: Instant) -> bool {
        let layer = &mut self.all[index];
        let picture = layer.newest.is_none_or(|newest| newer(timestamp, newest));
        layer.begun.get_or_insert(now);
        (layer.heard, layer.missed) = (Some(now), 0);
        layer.meter.packet(bytes);
        let born = !std::mem::replace(&mut layer.lives, true);
        if picture {
            layer.newest = Some(timestamp);
            layer.meter.frame();
            let others = self.all.iter_mut().enumerate().filter(|(other, _)| *other != index);
            others.for_each(|(_, other)| other.missed += 1);
        }
        born
    }

    /// Takes in a sender report, and gives it on the line, if that is known.
    pub(super) fn report(&mut self, rid: Rid, timestamp: u32, at: SystemTime) -> Option<u32> {
        let layer = self.all.iter_mut().find(|layer| layer.rid == rid)?;
        let Some(offset) = layer.offset else {
            // Some are sent before the first packet and speak of none.
            layer.report = layer.begun.map(|_| (timestamp, at));
            return None;
        };
        let stamp = timestamp.wrapping_add(offset);
        self.report = Some((stamp, at));
        Some(stamp)
    }

    /// When a packet's picture is, on the line; `None` for as long as nobody knows.
    pub(super) fn place(&mut self, index: usize, timestamp: u32, now: Instant, line: &Timeline) -> Option<u32> {
        if self.all[index].offset.is_none() {
            let (offset, exact) = self.offset_of(index, timestamp, now, line)?;
            (self.all[index].offset, self.all[index].exact) = (Some(offset), exact);
        }
        let mut stamp = timestamp.wrapping_add(self.all[index].offset?);
        if !self.all[index].exact
            && let Some(near) = self.near(stamp)
        {
            let layer = &mut self.all[index];
            layer.offset = layer.offset.map(|offset| offset.wrapping_add(near.wrapping_sub(stamp)));
            (layer.exact, stamp) = (true, near);
        }
        if self.newest.is_none_or(|(newest, _)| newer(stamp, newest)) {
            self.newest = Some((stamp, now));
            if self.all[index].exact {
                self.pictures.push_back(stamp);
                if self.pictures.len() > PICTURES {
                    self.pictures.pop_front();
                }
            }
        }
        Some(stamp)
    }

    /// What is to be added to an encoding's time stamps, and whether that is exact.
    fn offset_of(&mut self, index: usize, timestamp: u32, now: Instant, line: &Timeline) -> Option<(u32, bool)> {
        let known = || self.all.iter().filter_map(|layer| layer.offset);
        if known().next().is_none() {
            let (sequence, stamp) = line.begin(timestamp, now);
            self.splice.next = sequence;
            return Some((stamp.wrapping_sub(timestamp), true));
        }
        // One start for all is usual outside of browsers; that random ones meet to the tick is not.
        let is_same = |offset: &u32| self.pictures.contains(&timestamp.wrapping_add(*offset));
        if let Some(same) = known().find(is_same) {
            return Some((same, true));
        }
        let layer = &self.all[index];
        if let (Some((stamp, at)), Some((own, own_at))) = (self.report, layer.report) {
            return Some((stamp.wrapping_add(ticks_between(at, own_at)).wrapping_sub(own), false));
        }
        let waited = layer.begun.is_some_and(|begun| now.saturating_duration_since(begun) >= REPORTS_COME);
        let (newest, at) = self.newest.filter(|_| waited)?;
        let pause = now.saturating_duration_since(at).as_secs_f64() * 90_000.0;
        Some((newest.wrapping_add(pause as u32).wrapping_sub(timestamp), false))
    }

    /// The picture on the line that is nearest, if it is near.
    fn near(&self, stamp: u32) -> Option<u32> {
        let distance = |picture: &u32| (picture.wrapping_sub(stamp) as i32).unsigned_abs();
        self.pictures.iter().copied().min_by_key(distance).filter(|picture| distance(picture) <= NEAR)
    }

    /// Keeps a packet until its place is known.
    pub(super) fn keep(&mut self, index: usize, packet: RtpPacket) {
        let early = &mut self.all[index].early;
        if early.len() >= EARLY {
            early.clear();
        }
        early.push(packet);
    }

    /// What was kept.
    pub(super) fn take_early(&mut self, index: usize) -> Vec<RtpPacket> {
        std::mem::take(&mut self.all[index].early)
    }

    /// Lets time pass; says whether some have stopped.
    pub(super) fn tend(&mut self, now: Instant) -> bool {
        let mut stopped = false;
        for layer in &mut self.all {
            layer.meter.tick(now);
            let silent = layer.heard.is_none_or(|heard| now.saturating_duration_since(heard) >= SILENT);
            if layer.lives && silent && layer.missed >= MISSED {
                layer.lives = false;
                layer.early.clear();
                stopped = true;
            }
        }
        stopped
    }

    fn is_ready(layer: &Layer) -> bool {
        layer.lives && layer.size.is_some() && layer.offset.is_some()
    }

    /// The largest that lives, as qualities are named: by the shorter side; of equals the one that was named first. What a
    /// publisher names first need not be its largest.
    pub(super) fn best(&self) -> Option<usize> {
        let ready = self.all.iter().enumerate().filter(|(_, layer)| Self::is_ready(layer));
        let short = |layer: &Layer| layer.size.map_or(0, |size| size.width.min(size.height));
        ready.rev().max_by_key(|(_, layer)| short(layer)).map(|(index, _)| index)
    }

    /// Whether the stream may begin: nothing better is still to come, or it was waited for long enough.
    pub(super) fn may_begin(&mut self, now: Instant) -> bool {
        if self.best().is_none() {
            return false;
        }
        let since = *self.ready.get_or_insert(now);
        self.all.iter().all(Self::is_ready) || now.saturating_duration_since(since) >= BEGINNING
    }

    /// From this packet of that encoding on it is the source.
    pub(super) fn change_source(&mut self, index: usize, sequence: u64) {
        self.source = Some(index);
        self.splice.begin(sequence);
    }

    /// Where a packet of the source's encoding lies on the source's line.
    pub(super) fn splice(&mut self, sequence: u64, timestamp: u32) -> Option<(u64, u32)> {
        self.splice.place(sequence, timestamp)
    }

    /// When a keyframe may be asked for.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.all.iter().filter_map(|layer| layer.gate.deadline()).min()
    }
}

/// The sequence number of an encoding's packet: above zero by enough that nothing underflows.
pub(super) fn sequence_of(packet: &RtpPacket) -> u64 {
    (*packet.seq_no).wrapping_add(START)
}

/// Ticks of 90 kHz from one moment to another, wrapping.
fn ticks_between(one: SystemTime, other: SystemTime) -> u32 {
    let ticks = |duration: Duration| (duration.as_nanos() * 9 / 100_000) as u32;
    match other.duration_since(one) {
        Ok(after) => ticks(after),
        Err(before) => 0u32.wrapping_sub(ticks(before.duration())),
    }
}

/// The source's line, made of one encoding after the other: its numbers have no gap where one takes the place of another,
/// and its time never goes back.
#[derive(Debug, Default)]
struct Splice {
    next: u64,
    /// The present encoding's first packet here, and what is added to its numbers.
    first: u64,
    offset: u64,
    stamps: Stamps,
}

impl Splice {
    fn begin(&mut self, sequence: u64) {
        self.first = sequence;
        self.offset = self.next.wrapping_sub(sequence);
        self.stamps.change();
    }

    fn place(&mut self, sequence: u64, timestamp: u32) -> Option<(u64, u32)> {
        if sequence < self.first {
            return None;
        }
        let placed = sequence.wrapping_add(self.offset);
        self.next = self.next.max(placed + 1);
        Some((placed, self.stamps.stamp(timestamp)))
    }
}

#[cfg(test)]
mod tests;

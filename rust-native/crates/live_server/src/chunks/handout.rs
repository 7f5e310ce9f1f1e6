//! Units on their way to destinations and players: the access units that encoders give out, on this machine's clock.
//!
//! Nobody is waited for, and what nobody reads isn't made. Sound is handed out as it was published, and as AAC while
//! somebody reads that (RTMP, SRT and FLV): the one thing that is decoded, a hundredth of a core. A player joins here
//! (`joins`), between two units, so that it misses none: it is given what came since the last keyframe (`group`) too.

use std::time::Instant;

use bytes::Bytes;
use encoder::{AacEncoder, EncoderError, OpusDecoder};
use media::h264::ParameterSets;
use media::{
    AUDIO_CHANNELS, AUDIO_SAMPLE_RATE, AccessUnit, AudioBlock, BLOCK_FRAMES, Clock, MediaTime, MonotonicClock, Track,
};
use stream::{Broadcast, LagPolicy, Lanes};

use super::group::{Group, Kept};
use super::joins::{Joined, Joins};
use super::units::{Unit, annex_b};

/// Sound further than this from where the last ended is no neighbour of it, nanoseconds: packets last 20 ms.
const APART: u64 = 40_000_000;

/// One stream's.
pub(super) struct Handout {
    units: Broadcast<AccessUnit>,
    /// The packager's media time zero.
    zero: MediaTime,
    /// Stamps never go back, whatever publishers do.
    newest: [Option<MediaTime>; 2],
    aac: Option<AacMaker>,
    group: Group,
    joins: Joins,
}

impl Handout {
    /// `start` is the packager's media time zero.
    pub(super) fn new(units: Broadcast<AccessUnit>, joins: Joins, start: Instant) -> Self {
        let zero = MonotonicClock.now() - start.elapsed();
        Self { units, zero, newest: [None; 2], aac: None, group: Group::default(), joins }
    }

    /// Lets players in who wait for it.
    pub(super) fn let_in(&mut self) {
        for join in self.joins.take() {
            if join.lanes.meets(Lanes::AAC) && self.aac.is_none() {
                self.make_cached_aac();
            }
            let backlog = self.group.units(join.lanes);
            let subscribe = if backlog.is_empty() { Broadcast::subscribe_to } else { Broadcast::subscribe_after_group };
            let units = subscribe(&self.units, join.lanes, join.queue, LagPolicy::SkipToKeyframe);
            join.answer(Joined { backlog, units });
        }
    }

    /// AAC of the sound that is kept, by the very encoder that goes on with what follows: nobody hears a seam.
    fn make_cached_aac(&mut self) {
        let packets = self.group.opus();
        self.group.forget_aac();
        for (pts, packet) in packets {
            match self.encode(pts, &packet) {
                Ok(units) => units.into_iter().for_each(|unit| self.group.push(Kept::Sound(unit))),
                Err(error) => tracing::debug!(%error, "a packet of sound is left out"),
            }
        }
    }

    /// Takes a picture; `sets` is what a decoder needs before a keyframe.
    pub(super) fn picture(&mut self, at: i64, unit: &Unit, sets: Option<ParameterSets>) {
        let Some(pts) = self.stamp(0, at) else { return };
        let sets = sets.filter(|_| unit.keyframe);
        if self.units.is_wanted(Lanes::VIDEO) {
            let payload = annex_b(&unit.data, sets.as_ref());
            self.units.push(&unit_of(Track::Video, pts, unit.keyframe, payload));
        }
        self.group.push(Kept::Picture { pts, keyframe: unit.keyframe, data: unit.data.clone(), sets });
    }

    /// Takes a packet of sound.
    pub(super) fn sound(&mut self, at: i64, packet: &Bytes) {
        let Some(pts) = self.stamp(1, at) else { return };
        let opus = unit_of(Track::Audio, pts, true, packet.clone());
        if self.units.is_wanted(Lanes::OPUS) {
            self.units.push(&opus);
        }
        self.group.push(Kept::Sound(opus));
        if !self.units.is_wanted(Lanes::AAC) {
            if self.aac.take().is_some() {
                self.group.forget_aac();
            }
            return;
        }
        match self.encode(pts, packet) {
            Ok(units) => units.into_iter().for_each(|unit| {
                self.units.push(&unit);
                self.group.push(Kept::Sound(unit));
            }),
            // One damaged packet is a click, not an end.
            Err(error) => tracing::debug!(%error, "a packet of sound is left out"),
        }
    }

    fn encode(&mut self, pts: MediaTime, packet: &[u8]) -> Result<Vec<AccessUnit>, EncoderError> {
        let maker = match &mut self.aac {
            Some(maker) => maker,
            none => none.insert(AacMaker::new()?),
        };
        maker.take(pts, packet)
    }

    fn stamp(&mut self, track: usize, at: i64) -> Option<MediaTime> {
        let pts = MediaTime::from_nanos(self.zero.as_nanos().checked_add_signed(at)?);
        if self.newest[track].is_some_and(|newest| pts <= newest) {
            return None;
        }
        self.newest[track] = Some(pts);
        Some(pts)
    }
}

fn unit_of(track: Track, pts: MediaTime, keyframe: bool, payload: Bytes) -> AccessUnit {
    AccessUnit { track, pts, dts: pts, keyframe, captured_at: pts, payload }
}

/// Opus → AAC.
struct AacMaker {
    decoder: OpusDecoder,
    encoder: AacEncoder,
    /// Interleaved, less than a block.
    waiting: Vec<f32>,
    /// When the first of these is to be heard.
    next: Option<MediaTime>,
}

impl AacMaker {
    fn new() -> Result<Self, EncoderError> {
        let encoder = AacEncoder::new(AacEncoder::DEFAULT_BITRATE)?;
        Ok(Self { decoder: OpusDecoder::new()?, encoder, waiting: Vec::new(), next: None })
    }

    fn take(&mut self, pts: MediaTime, packet: &[u8]) -> Result<Vec<AccessUnit>, EncoderError> {
        let samples = self.decoder.decode(packet)?;
        let end = self.next.map(|next| next + lasting(self.waiting.len()));
        if end.is_none_or(|end| end.as_nanos().abs_diff(pts.as_nanos()) > APART) {
            self.waiting.clear();
            self.next = Some(pts);
        }
        self.waiting.extend_from_slice(samples);
        let mut units = Vec::new();
        let whole = BLOCK_FRAMES * AUDIO_CHANNELS;
        while self.waiting.len() >= whole {
            let at = self.next.unwrap_or(pts);
            let mut block = AudioBlock::silence(at);
            block.samples.copy_from_slice(&self.waiting[..whole]);
            self.waiting.drain(..whole);
            self.next = Some(at + lasting(whole));
            units.extend(self.encoder.push(&block)?);
        }
        Ok(units)
    }
}

fn lasting(samples: usize) -> std::time::Duration {
    let frames = (samples / AUDIO_CHANNELS) as u64;
    std::time::Duration::from_nanos(frames * 1_000_000_000 / u64::from(AUDIO_SAMPLE_RATE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoder::OpusEncoder;
    use media::Bitrate;

    fn handout() -> (Handout, Broadcast<AccessUnit>) {
        let units = Broadcast::default();
        (Handout::new(units.clone(), Joins::default(), Instant::now()), units)
    }

    fn picture(keyframe: bool) -> Unit {
        let data = Bytes::from_static(&[0, 0, 0, 2, 0x65, 9, 0, 0, 0, 1, 0x06]);
        Unit { timestamp: 0, wallclock: Instant::now(), synced: true, keyframe, data }
    }

    #[test]
    fn keyframes_carry_what_a_decoder_needs_and_stamps_only_grow() {
        let (mut handout, units) = handout();
        let mut reader = units.subscribe_to(Lanes::VIDEO, 8, LagPolicy::SkipToKeyframe);
        let sets = ParameterSets { sps: Bytes::from_static(&[0x67, 1]), pps: Bytes::from_static(&[0x68, 2]) };
        handout.picture(20_000_000, &picture(true), Some(sets.clone()));
        handout.picture(20_000_000, &picture(false), Some(sets.clone()));
        handout.picture(40_000_000, &picture(false), Some(sets));
        let mut next = || reader.try_recv().and_then(Result::ok);
        let first = next().expect("a keyframe");
        assert_eq!(&first.payload[..], [0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 9, 0, 0, 0, 1, 6]);
        let second = next().expect("a picture");
        assert_eq!((second.payload.len(), second.pts.since(first.pts).as_millis()), (11, 20));
        assert!(next().is_none());
    }

    #[test]
    fn aac_is_made_only_for_who_reads_it_and_lies_where_the_sound_was() {
        let (mut handout, units) = handout();
        let mut opus = OpusEncoder::new(Bitrate::from_kbps(96)).expect("an encoder");
        let mut packets = Vec::new();
        for number in 0..200u64 {
            let block = AudioBlock::silence(MediaTime::from_nanos(number * 10_000_000));
            packets.extend(opus.push(&block).expect("encoded"));
        }
        let mut reader = units.subscribe_to(Lanes::OPUS, 8, LagPolicy::SkipToKeyframe);
        handout.sound(0, &packets[0].payload);
        assert!(handout.aac.is_none() && reader.try_recv().is_some());
        let mut reader = units.subscribe_to(Lanes::AAC, 512, LagPolicy::SkipToKeyframe);
        for (number, packet) in packets.iter().enumerate().skip(1) {
            // A second is missing in the middle.
            let late = if number > 50 { 1_000_000_000 } else { 0 };
            handout.sound(number as i64 * 20_000_000 + late, &packet.payload);
        }
        let stamps: Vec<u64> = std::iter::from_fn(|| reader.try_recv().and_then(Result::ok))
            .map(|unit| unit.pts.as_nanos() / 1000)
            .collect();
        let steps: Vec<u64> = stamps.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(stamps.len() > 85, "{}", stamps.len());
        let gaps: Vec<&u64> = steps.iter().filter(|step| !(21_330..=21_336).contains(*step)).collect();
        assert!(gaps.len() == 1 && (980_000..1_030_000).contains(gaps[0]), "{gaps:?}");
    }

    fn opus(count: u64) -> Vec<Bytes> {
        let mut opus = OpusEncoder::new(Bitrate::from_kbps(96)).expect("an encoder");
        let blocks = (0..count * 2).map(|number| AudioBlock::silence(MediaTime::from_nanos(number * 10_000_000)));
        blocks.filter_map(|block| opus.push(&block).expect("encoded")).map(|unit| unit.payload).collect()
    }

    #[test]
    fn who_joins_gets_the_group_so_far_with_aac_and_misses_nothing_of_what_follows() {
        let units = Broadcast::default();
        let joins = Joins::default();
        let mut handout = Handout::new(units, joins.clone(), Instant::now());
        let sets = ParameterSets { sps: Bytes::from_static(&[0x67, 1]), pps: Bytes::from_static(&[0x68, 2]) };
        let sound = opus(150);
        let give = |handout: &mut Handout, number: u64| {
            let at = number as i64 * 20_000_000;
            handout.picture(at, &picture(number.is_multiple_of(50)), Some(sets.clone()));
            handout.sound(at, &sound[number as usize]);
        };
        (0..80).for_each(|number| give(&mut handout, number));
        assert!(handout.aac.is_none(), "nobody needs it");
        let mut joined = joins.ask(Lanes::VIDEO_AND_AAC, 512);
        handout.let_in();
        let Joined { backlog, units: mut reader } = joined.try_recv().expect("let in");
        let first = backlog.iter().find(|unit| unit.track == Track::Video).expect("a picture");
        assert!(first.keyframe, "it begins at the keyframe");
        // An encoder of AAC gives its delay out first.
        assert!(first.pts.since(backlog[0].pts).as_millis() <= 43, "with the sound that belongs to it");
        let pictures = backlog.iter().filter(|unit| unit.track == Track::Video).count();
        assert_eq!(pictures, 30, "numbers 50 to 79");
        assert!(backlog.windows(2).all(|pair| pair[0].pts <= pair[1].pts), "in order");
        (80..120).for_each(|number| give(&mut handout, number));
        let mut all = backlog;
        all.extend(std::iter::from_fn(|| reader.try_recv().and_then(Result::ok)));
        assert_eq!(all.iter().filter(|unit| unit.track == Track::Video).count(), 70, "and goes on without a gap");
        let aac: Vec<u64> =
            all.iter().filter(|unit| unit.track == Track::Aac).map(|unit| unit.pts.as_nanos() / 1000).collect();
        assert!(
            aac.len() > 55 && aac.windows(2).all(|pair| (21_330..=21_336).contains(&(pair[1] - pair[0]))),
            "{aac:?}"
        );
        drop(reader);
        give(&mut handout, 120);
        assert!(handout.aac.is_none(), "nobody needs it any more");
    }
}

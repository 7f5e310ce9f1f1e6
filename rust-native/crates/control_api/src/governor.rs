//! How much work a picture may be on this machine: x264's preset, how many threads share it, and how many pictures are
//! taken at all. Pure.
//!
//! The work of a picture is measured against its budget, the time to the next one. Before the budget is used up the
//! work gets less: first a quicker preset, then more threads, which are sooner done and cost more in all, then every second
//! or third picture, which is not even converted. It gets more where there is plenty of room for long. A level that was too much is left alone for a while, for twice as
//! long each time, so that it never goes up and down. Sound has a thread of its own and is not governed.

use std::time::Duration;

use encoder::Preset;
use media::MediaTime;

/// What is done with a picture.
#[derive(Debug, Clone, Copy)]
struct Level {
    preset: Preset,
    one_thread: bool,
    /// One picture of so many is taken.
    every: u32,
    /// Its work, as a multiple of the one below, on as many threads; for levels of the same work, 1.
    cost: f64,
}

/// From the least work to the most.
const LEVELS: [Level; 6] = [
    Level { preset: Preset::Ultrafast, one_thread: false, every: 3, cost: 1.0 },
    Level { preset: Preset::Ultrafast, one_thread: false, every: 2, cost: 1.0 },
    Level { preset: Preset::Ultrafast, one_thread: false, every: 1, cost: 1.0 },
    Level { preset: Preset::Ultrafast, one_thread: true, every: 1, cost: 1.0 },
    Level { preset: Preset::Superfast, one_thread: false, every: 1, cost: 1.9 },
    Level { preset: Preset::Veryfast, one_thread: false, every: 1, cost: 1.4 },
];
/// Every picture, as soon as it can be.
const PLAIN: usize = 2;
/// Every picture, with the least work in all.
const ALONE: usize = 3;
/// Up to so many pixels a second it begins with one thread: 1080p60, which takes half of a core's time.
const ALONE_AT_FIRST: u64 = 1920 * 1080 * 60;
/// What each further thread takes off a picture's time, as a share of the first one's work.
const GAIN_OF_A_THREAD: f64 = 0.75;

/// Above this share of the budget the next hard picture would be late.
const HIGH: f64 = 0.80;
/// Beyond the budget by this much, for that long, pictures are left out evenly: until then the slot in front of the
/// encode does it as it comes.
const STARVED: f64 = 1.1;
const STARVED_FOR: Duration = Duration::from_secs(2);
/// A better preset may take this share of the budget: the rest belongs to the game that is shown.
const ROOM: f64 = 0.34;
/// One thread may take this share: nothing else has a use for the others' time, but a hard picture must not be late.
const ROOM_ALONE: f64 = 0.55;
/// Every picture again may take this share.
const ROOM_FOR_ALL: f64 = 0.85;
/// The mean follows in this time: some pictures, as one hard one is caught by the slot in front of the encode.
const SETTLE: f64 = 0.35;
/// After a change, nothing for so long: a new encoder's first pictures are its dearest.
const QUIET: Duration = Duration::from_millis(700);
/// Room must last this long before more is tried.
const CALM: Duration = Duration::from_secs(6);
/// How long a level that was too much is left alone the first time; doubled each time.
const BARRED: Duration = Duration::from_secs(20);
const MOST_DOUBLINGS: u32 = 6;

/// How far it may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Ceiling {
    /// The least work per picture.
    #[default]
    Least,
    /// As much as there is room for.
    Room,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Governor {
    level: usize,
    ceiling: Ceiling,
    /// How many times as quick all threads together are.
    speedup: f64,
    /// Share of the budget that a picture takes, fading.
    load: Option<f64>,
    /// When the level changed last, or the first picture came.
    changed: Option<MediaTime>,
    room_since: Option<MediaTime>,
    starved_since: Option<MediaTime>,
    last: Option<MediaTime>,
    /// Until when each level is left alone, and how often it was too much.
    barred: [(Option<MediaTime>, u32); LEVELS.len()],
}

impl Governor {
    /// For an encoder that may have so many threads, and so many pixels a second.
    pub(crate) fn new(threads: usize, pixels_per_second: u64) -> Self {
        let level = if pixels_per_second <= ALONE_AT_FIRST { ALONE } else { PLAIN };
        Self {
            level,
            ceiling: Ceiling::Least,
            speedup: 1.0 + GAIN_OF_A_THREAD * (threads.max(1) - 1) as f64,
            load: None,
            changed: None,
            room_since: None,
            starved_since: None,
            last: None,
            barred: [(None, 0); LEVELS.len()],
        }
    }

    /// What the user wants; where it is less than what is in use, it holds from the next picture on.
    pub(crate) fn set_ceiling(&mut self, ceiling: Ceiling) {
        self.ceiling = ceiling;
        if ceiling == Ceiling::Least && self.level > ALONE {
            self.level = ALONE;
            (self.load, self.room_since) = (None, None);
        }
    }

    /// Another picture size or rate: what was learned of the old one does not count.
    pub(crate) fn start_over(&mut self, pixels_per_second: u64) {
        *self = Self { ceiling: self.ceiling, speedup: self.speedup, ..Self::new(1, pixels_per_second) };
    }

    pub(crate) fn preset(&self) -> Preset {
        LEVELS[self.level].preset
    }

    /// One thread is enough for the encoder.
    pub(crate) fn one_thread(&self) -> bool {
        LEVELS[self.level].one_thread
    }

    /// One picture of so many is to be taken.
    pub(crate) fn every(&self) -> u32 {
        LEVELS[self.level].every
    }

    /// A picture took `work` to compose and encode; the next one is due an `interval` of the full rate later.
    /// `tunable`: the encoder knows presets, and its threads are ours to choose. `true` where the level is another one from now on.
    pub(crate) fn picture(&mut self, now: MediaTime, work: Duration, interval: Duration, tunable: bool) -> bool {
        let elapsed = self.last.replace(now).map_or(interval, |last| now.since(last)).as_secs_f64();
        if now.since(*self.changed.get_or_insert(now)) < QUIET {
            return false;
        }
        let budget = interval.as_secs_f64() * f64::from(self.every());
        let share = work.as_secs_f64() / budget;
        // After a rest the past counts no less than one picture's worth of time.
        let weight = 1.0 - (-elapsed.min(budget * 2.0) / SETTLE).exp();
        let load = self.load.map_or(share, |load| load + (share - load) * weight);
        self.load = Some(load);
        if self.level > PLAIN && load > HIGH {
            return self.go_down(now, load);
        }
        if load > STARVED {
            self.room_since = None;
            let since = *self.starved_since.get_or_insert(now);
            return self.level > 0 && now.since(since) >= STARVED_FOR && self.go_down(now, load);
        }
        self.starved_since = None;
        let next = self.level + 1;
        let most = match self.ceiling {
            _ if !tunable => PLAIN,
            Ceiling::Least => ALONE,
            Ceiling::Room => LEVELS.len() - 1,
        };
        let free = next <= most && self.barred[next].0.is_none_or(|until| now >= until);
        let room = match next {
            ALONE => ROOM_ALONE,
            next if next > ALONE => ROOM,
            _ => ROOM_FOR_ALL,
        };
        if !(free && self.foreseen(load, next) <= room) {
            self.room_since = None;
            return false;
        }
        if now.since(*self.room_since.get_or_insert(now)) < CALM {
            return false;
        }
        self.go_to(now, next);
        true
    }

    /// The load of the next level, from this one's.
    fn foreseen(&self, load: f64, next: usize) -> f64 {
        load * LEVELS[next].cost * self.threads_gone(next) * f64::from(self.every()) / f64::from(LEVELS[next].every)
    }

    /// How many times as long the same work takes there as on the level below it.
    fn threads_gone(&self, level: usize) -> f64 {
        match (LEVELS[level - 1].one_thread, LEVELS[level].one_thread) {
            (false, true) => self.speedup,
            (true, false) => 1.0 / self.speedup,
            _ => 1.0,
        }
    }

    fn go_down(&mut self, now: MediaTime, load: f64) -> bool {
        let (until, times) = &mut self.barred[self.level];
        *until = Some(now + BARRED * 2_u32.pow((*times).min(MOST_DOUBLINGS)));
        *times += 1;
        let next = self.level - 1;
        let load_there = load / (LEVELS[self.level].cost * self.threads_gone(self.level));
        // Two steps at once, where the first would be followed by the second.
        self.go_to(now, if next == ALONE && load_there > ROOM_ALONE { PLAIN } else { next });
        true
    }

    fn go_to(&mut self, now: MediaTime, level: usize) {
        self.level = level;
        self.changed = Some(now);
        (self.load, self.room_since, self.starved_since) = (None, None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_micros(16_667);
    const FULL_HD_60: u64 = 1920 * 1080 * 60;
    const THREADS: usize = 2;

    struct Machine {
        governor: Governor,
        now: MediaTime,
        /// Milliseconds of one ultrafast picture on all threads, now.
        ultrafast: f64,
        changes: u32,
        late: u32,
    }

    impl Machine {
        fn new(ceiling: Ceiling, ultrafast: f64) -> Self {
            let mut governor = Governor::new(THREADS, FULL_HD_60);
            governor.set_ceiling(ceiling);
            Self { governor, now: MediaTime::from_nanos(1_000_000_000), ultrafast, changes: 0, late: 0 }
        }

        fn work(&self) -> f64 {
            self.ultrafast
                * match self.governor.preset() {
                    Preset::Ultrafast => 1.0,
                    Preset::Superfast => 1.9,
                    Preset::Veryfast => 2.6,
                }
                * if self.governor.one_thread() { 1.75 } else { 1.0 }
        }

        fn run(&mut self, seconds: f64) {
            let end = self.now + Duration::from_secs_f64(seconds);
            let mut n = 0_u32;
            while self.now < end {
                n += 1;
                // Pictures are not alike: ten per cent more or less, and a hard one now and then.
                let hard = if n.is_multiple_of(60) { 1.6 } else { 0.9 + f64::from(n % 5) * 0.05 };
                let work = self.work() * hard;
                let budget = FRAME * self.governor.every();
                self.late += u32::from(work / 1000.0 > budget.as_secs_f64());
                self.now = self.now + budget.max(Duration::from_secs_f64(work / 1000.0));
                let changed = self.governor.picture(self.now, Duration::from_secs_f64(work / 1000.0), FRAME, true);
                self.changes += u32::from(changed);
            }
        }
    }

    #[test]
    fn room_is_used_where_it_is_wished_for_and_only_there() {
        let mut quick = Machine::new(Ceiling::Room, 1.5);
        quick.run(60.0);
        assert_eq!((quick.governor.preset(), quick.changes, quick.late), (Preset::Veryfast, 2, 0));
        let mut least = Machine::new(Ceiling::Least, 1.5);
        least.run(60.0);
        assert_eq!((least.governor.preset(), least.changes), (Preset::Ultrafast, 0));
    }

    #[test]
    fn it_goes_down_before_a_usual_picture_is_late() {
        let mut machine = Machine::new(Ceiling::Room, 1.5);
        machine.run(60.0);
        // A game begins: everything takes longer and longer, for twenty seconds.
        let late = machine.late;
        for _ in 0..200 {
            machine.ultrafast += 0.05;
            machine.run(0.1);
        }
        assert_eq!((machine.governor.preset(), machine.governor.every()), (Preset::Ultrafast, 1));
        let hard_ones = 20 + 1;
        assert!(machine.late - late <= hard_ones, "{} late", machine.late - late);
    }

    #[test]
    fn a_starved_machine_takes_fewer_pictures_and_all_of_them_again_when_it_can() {
        let mut machine = Machine::new(Ceiling::Least, 22.0);
        machine.run(30.0);
        assert_eq!(machine.governor.every(), 2);
        machine.ultrafast = 40.0;
        machine.run(30.0);
        assert_eq!(machine.governor.every(), 3);
        machine.ultrafast = 5.0;
        machine.run(120.0);
        assert_eq!(machine.governor.every(), 1);
    }

    #[test]
    fn at_a_mark_it_does_not_swing() {
        // Superfast is foreseen just within its room and turns out far above it, again and again.
        let mut machine = Machine::new(Ceiling::Room, 2.5);
        for _ in 0..120 {
            machine.ultrafast = if machine.governor.preset() == Preset::Ultrafast { 2.5 } else { 9.0 };
            machine.run(30.0);
        }
        // Each attempt goes to superfast, back to all threads, and to one of them.
        assert!(machine.changes <= 25, "{} changes in an hour", machine.changes);
        // And a machine that can just take every second picture.
        let mut machine = Machine::new(Ceiling::Least, 18.5);
        machine.run(3600.0);
        assert!(machine.changes <= 20, "{} changes in an hour", machine.changes);
    }

    #[test]
    fn one_thread_encodes_where_it_is_quick_enough_and_all_of_them_where_it_is_not() {
        let mut machine = Machine::new(Ceiling::Least, 4.5);
        machine.run(60.0);
        assert!((machine.governor.one_thread(), machine.changes, machine.late) == (true, 0, 0));
        // A game takes its share: all threads together are in time, one is not.
        machine.ultrafast = 9.0;
        machine.run(60.0);
        assert!(!machine.governor.one_thread() && machine.changes == 1, "{} changes", machine.changes);
        assert!(machine.late <= 40, "{} late", machine.late);
        machine.ultrafast = 4.5;
        machine.run(60.0);
        assert!(machine.governor.one_thread() && machine.changes == 2, "{} changes", machine.changes);
        // 4K at 60 a second begins with all of them.
        assert!(!Governor::new(THREADS, 4 * FULL_HD_60).one_thread());
    }

    #[test]
    fn the_first_picture_which_opens_the_encoder_says_nothing() {
        let mut governor = Governor::new(THREADS, FULL_HD_60);
        let mut now = MediaTime::from_nanos(1);
        for work in [120, 20, 9, 9, 9] {
            now = now + FRAME;
            assert!(!governor.picture(now, Duration::from_millis(work), FRAME, true) && governor.one_thread());
        }
    }

    #[test]
    fn one_hard_picture_changes_nothing() {
        let mut governor = Governor::new(THREADS, FULL_HD_60);
        let mut now = MediaTime::from_nanos(1);
        for n in 0..600 {
            now = now + FRAME;
            let work = Duration::from_millis(if n % 100 == 50 { 40 } else { 5 });
            assert!(!governor.picture(now, work, FRAME, true));
        }
    }

    #[test]
    fn an_encoder_without_presets_is_only_spared_pictures() {
        let mut governor = Governor::new(THREADS, FULL_HD_60);
        governor.set_ceiling(Ceiling::Room);
        let mut now = MediaTime::from_nanos(1);
        for _ in 0..1200 {
            now = now + FRAME;
            governor.picture(now, Duration::from_millis(1), FRAME, false);
        }
        assert_eq!(governor.preset(), Preset::Ultrafast);
    }
}

//! The desk in simulated time, with inputs that are brought to it: nothing here waits for a clock.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::bounded;
use media::{AUDIO_CHANNELS, AudioBlock, BLOCK_FRAMES, MediaTime};
use parking_lot::Mutex;
use sound::{Loudness, Meter};
use testkit::sine::tone_amplitude;

use super::super::status::Status;
use super::super::{AudioEvent, Input, Message, Setting, tap};
use super::Desk;
use crate::audio::intake::{self, Feed};

type Blocks = Arc<Mutex<Vec<AudioBlock>>>;
type Sink = Box<dyn FnMut(AudioBlock)>;

const TONES: [f64; 4] = [500.0, 800.0, 1300.0, 2100.0];
const START: u64 = 1_000_000_000_000;

/// A tone generator with a quartz of its own.
struct Device {
    hz: f64,
    amplitude: f32,
    ppm: f64,
    frame: u64,
    began_ns: u64,
    feed: Feed,
}

impl Device {
    /// Everything that it has captured by that time.
    fn run_until(&mut self, now_ns: u64) {
        let ns_of = |frame: u64| self.began_ns + (frame as f64 / 48_000.0 * 1e9 * (1.0 + self.ppm * 1e-6)) as u64;
        while ns_of(self.frame + BLOCK_FRAMES as u64) <= now_ns {
            let captured_ns = ns_of(self.frame);
            let mut samples = [0.0; BLOCK_FRAMES * AUDIO_CHANNELS];
            for (index, frame) in samples.chunks_exact_mut(AUDIO_CHANNELS).enumerate() {
                // A tone of the picture's clock: a device that is off samples it at its own pace.
                let seconds = (ns_of(self.frame + index as u64) - START) as f64 / 1e9;
                frame.fill(self.amplitude * (seconds * self.hz * std::f64::consts::TAU).sin() as f32);
            }
            let arrived = ns_of(self.frame + BLOCK_FRAMES as u64);
            self.feed.push_at(&samples, MediaTime::from_nanos(captured_ns), MediaTime::from_nanos(arrived));
            self.frame += BLOCK_FRAMES as u64;
        }
    }
}

struct Rig {
    desk: Desk<Sink, fn(AudioEvent)>,
    blocks: Blocks,
    devices: Vec<Option<Device>>,
    now_ns: u64,
}

impl Rig {
    fn new() -> Self {
        let blocks = Blocks::default();
        let kept = Arc::clone(&blocks);
        let sink: Sink = Box::new(move |block| kept.lock().push(block));
        let ignore: fn(AudioEvent) = |_| {};
        let mut desk = Desk::new(sink, ignore, [Meter::default(), Meter::default()], Loudness::new());
        for number in 0..4 {
            let add = Message::Add(input(number), Box::default(), Meter::default(), Arc::new(Status::default()));
            desk.handle(add, MediaTime::from_nanos(START));
        }
        Self { desk, blocks, devices: (0..4).map(|_| None).collect(), now_ns: START }
    }

    fn open(&mut self, number: usize, amplitude: f32, ppm: f64) {
        let (feed, reader) = intake::feed(48_000, std::thread::current());
        self.tell(Message::Feed(input(number), reader));
        let device = Device { hz: TONES[number], amplitude, ppm, frame: 0, began_ns: self.now_ns, feed };
        self.devices[number] = Some(device);
    }

    fn close(&mut self, number: usize) {
        self.devices[number] = None;
        self.tell(Message::Close(input(number)));
    }

    fn set(&mut self, number: usize, setting: Setting) {
        self.tell(Message::Set(input(number), setting));
    }

    fn tell(&mut self, message: Message) {
        self.desk.handle(message, MediaTime::from_nanos(self.now_ns));
    }

    fn run(&mut self, seconds: f64) {
        let end = self.now_ns + (seconds * 1e9) as u64;
        while self.now_ns < end {
            self.now_ns += 10_000_000;
            self.devices.iter_mut().flatten().for_each(|device| device.run_until(self.now_ns));
            self.desk.step(MediaTime::from_nanos(self.now_ns));
        }
    }

    /// Levels of the four tones in the last 0.2 s of the mix, dBFS.
    fn heard(&self) -> [f64; 4] {
        let blocks = self.blocks.lock();
        let tail = &blocks[blocks.len().saturating_sub(20)..];
        let left: Vec<f32> = tail.iter().flat_map(|block| block.samples.iter().step_by(2).copied()).collect();
        TONES.map(|hz| db(tone_amplitude(&left, hz)))
    }

    fn assert_heard(&self, wanted: [Option<f64>; 4]) {
        let heard = self.heard();
        for (heard, wanted) in heard.into_iter().zip(wanted) {
            match wanted {
                Some(wanted) => assert!((heard - wanted).abs() < 0.5, "{heard:.2} dB instead of {wanted:.2}"),
                None => assert!(heard < -80.0, "{heard:.2} dB instead of silence"),
            }
        }
    }
}

fn input(number: usize) -> Input {
    Input::new(u32::try_from(number).expect("small"))
}

fn db(linear: f64) -> f64 {
    20.0 * linear.max(1e-9).log10()
}

const LEVEL: f32 = 0.125;
const LEVEL_DB: f64 = -18.06;

#[test]
fn each_input_is_in_the_mix_at_its_own_level() {
    let mut rig = Rig::new();
    for (number, gain) in [1.0, 0.5, 0.25, 1.5].into_iter().enumerate() {
        rig.open(number, LEVEL, 0.0);
        rig.set(number, Setting::Volume(gain));
    }
    rig.run(1.0);
    let level = |gain: f64| Some(LEVEL_DB + db(gain));
    rig.assert_heard([level(1.0), level(0.5), level(0.25), level(1.5)]);

    rig.set(1, Setting::Muted(true));
    rig.run(0.5);
    rig.assert_heard([level(1.0), None, level(0.25), level(1.5)]);
    rig.set(2, Setting::Solo(true));
    rig.run(0.5);
    rig.assert_heard([None, None, level(0.25), None]);
    // Muted and soloed is muted.
    rig.set(1, Setting::Solo(true));
    rig.run(0.5);
    rig.assert_heard([None, None, level(0.25), None]);
    rig.set(1, Setting::Muted(false));
    rig.set(2, Setting::Solo(false));
    rig.run(0.5);
    rig.assert_heard([None, level(0.5), None, None]);
    // What is soloed and closed silences nobody.
    rig.close(1);
    rig.run(0.5);
    rig.assert_heard([level(1.0), None, level(0.25), level(1.5)]);
}

#[test]
fn what_a_key_hushes_is_silent_beside_mute_and_comes_back_where_it_is_not_muted() {
    let mut rig = Rig::new();
    rig.open(0, LEVEL, 0.0);
    rig.open(1, LEVEL, 0.0);
    rig.set(0, Setting::Hushed(true));
    rig.run(1.0);
    rig.assert_heard([None, Some(LEVEL_DB), None, None]);
    rig.set(0, Setting::Muted(true));
    rig.set(0, Setting::Hushed(false));
    rig.run(0.5);
    rig.assert_heard([None, Some(LEVEL_DB), None, None]);
    rig.set(0, Setting::Muted(false));
    rig.run(0.5);
    rig.assert_heard([Some(LEVEL_DB), Some(LEVEL_DB), None, None]);
}

/// The loudest sample, dBFS, of what is above 6 kHz: where a click is and a tone of 500 Hz is not.
fn click_db(samples: &[f32]) -> f64 {
    const HALF: usize = 256;
    let cut = 6000.0 / 48_000.0;
    // A windowed sinc (Blackman, −74 dB beside its band), turned into a high-pass.
    let taps: Vec<f64> = (0..=2 * HALF)
        .map(|index| {
            let (x, turn) = (index as f64 - HALF as f64, index as f64 / (2 * HALF) as f64 * std::f64::consts::TAU);
            let window = 0.42 - 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos();
            let ideal = |x: f64| if x == 0.0 { 1.0 } else { x.sin() / x };
            let low = 2.0 * cut * ideal(std::f64::consts::TAU * cut * x);
            (ideal(std::f64::consts::PI * x) - low) * window
        })
        .collect();
    let peak = samples
        .windows(taps.len())
        .map(|part| part.iter().zip(&taps).map(|(sample, tap)| f64::from(*sample) * tap).sum::<f64>().abs());
    db(peak.fold(0.0, f64::max))
}

#[test]
fn no_click_above_60_db_is_heard_on_mute_solo_or_a_key() {
    // The ear of this test hears one: a tone that is cut off.
    let cut: Vec<f32> = (0..4800)
        .map(
            |index| {
                if index < 2410 { 0.5 * (index as f32 / 48_000.0 * 500.0 * std::f32::consts::TAU).sin() } else { 0.0 }
            },
        )
        .collect();
    assert!(click_db(&cut) > -45.0, "{:.1} dB", click_db(&cut));
    type Change = fn(bool) -> Setting;
    let changes: [(&str, Change); 2] = [("mute", Setting::Muted), ("a key", Setting::Hushed)];
    for (name, setting) in changes {
        let mut rig = Rig::new();
        rig.open(0, 0.5, 0.0);
        rig.run(2.0);
        rig.blocks.lock().clear();
        for _ in 0..10 {
            rig.set(0, setting(true));
            rig.run(0.1);
            rig.set(0, setting(false));
            rig.run(0.13);
        }
        // Solo silences the others.
        rig.open(1, 0.0, 0.0);
        for solo in [true, false] {
            rig.set(1, Setting::Solo(solo));
            rig.run(0.2);
        }
        let blocks = rig.blocks.lock();
        let left: Vec<f32> = blocks.iter().flat_map(|block| block.samples.iter().step_by(2).copied()).collect();
        let click = click_db(&left);
        println!("{name}: {click:.1} dB");
        assert!(click < -60.0, "{name}: a click of {click:.1} dB");
    }
}

#[test]
fn every_order_of_starting_and_stopping_four_inputs_leaves_the_right_ones() {
    for order in orders() {
        let mut rig = Rig::new();
        let mut open = [None; 4];
        for number in order {
            rig.open(number, LEVEL, 0.0);
            open[number] = Some(LEVEL_DB);
            rig.run(0.5);
            rig.assert_heard(open);
        }
        for number in order {
            rig.close(number);
            open[number] = None;
            rig.run(0.3);
            if open != [None; 4] {
                rig.assert_heard(open);
            }
        }
        let count = rig.blocks.lock().len();
        rig.run(0.2);
        assert_eq!(rig.blocks.lock().len(), count, "{order:?}: blocks while nothing is open");
        for pair in rig.blocks.lock().windows(2) {
            assert_eq!(pair[1].captured_at.since(pair[0].captured_at), Duration::from_millis(10), "{order:?}");
        }
    }
}

/// All 24.
fn orders() -> Vec<[usize; 4]> {
    let mut orders = Vec::new();
    for code in 0..256usize {
        let order = [code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6];
        if (0..4).all(|number| order.contains(&number)) {
            orders.push(order);
        }
    }
    assert_eq!(orders.len(), 24);
    orders
}

/// When a burst that was captured at a known time is heard, in ms after it.
fn heard_after(settings: Vec<Setting>) -> f64 {
    let mut rig = Rig::new();
    rig.open(0, 0.0, 0.0);
    settings.into_iter().for_each(|setting| rig.set(0, setting));
    rig.run(2.0);
    let device = rig.devices[0].as_mut().expect("open");
    let burst_ns = device.began_ns + device.frame * 1_000_000_000 / 48_000;
    device.amplitude = 0.5;
    rig.run(0.5);
    let blocks = rig.blocks.lock();
    let heard = blocks.iter().find_map(|block| {
        let first = block.samples.iter().step_by(2).position(|sample| sample.abs() > 0.02)?;
        Some(block.captured_at.as_nanos() as f64 + first as f64 / 48_000.0 * 1e9)
    });
    (heard.expect("a burst") - burst_ns as f64) / 1e6
}

#[test]
fn a_delay_is_heard_as_long_as_it_was_set_and_filters_delay_nothing() {
    let limiter =
        || sound::Filter { enabled: true, effect: sound::Effect::Limiter { ceiling_db: 0.0, release_ms: 100.0 } };
    let chain = || Box::new(sound::Chain::new(&[limiter(), limiter()]).expect("valid"));
    assert!(heard_after(vec![]).abs() < 5.0);
    let late = heard_after(vec![Setting::Delay(48 * 120)]);
    assert!((late - 120.0).abs() < 5.0, "{late} ms");
    let filtered = heard_after(vec![Setting::Filters(chain())]);
    assert!(filtered.abs() < 2.0, "{filtered} ms");
    let both = heard_after(vec![Setting::Filters(chain()), Setting::Delay(48 * 120)]);
    assert!((both - 120.0).abs() < 2.0, "{both} ms");
}

#[test]
fn an_hour_of_a_device_100_ppm_off_stays_in_step_with_the_picture() {
    for ppm in [-100.0, 100.0] {
        let mut rig = Rig::new();
        rig.open(0, 0.5, ppm);
        let mut worst = 0.0f64;
        for _ in 0..60 {
            rig.run(60.0);
            // The tone is of the picture's clock: its phase in a block tells how far the block is from its stamp.
            let block = rig.blocks.lock().last().expect("blocks").clone();
            let left: Vec<f32> = block.samples.iter().step_by(2).copied().collect();
            let start = (block.captured_at.as_nanos() - START) as f64 / 1e9;
            let (mut sine, mut cosine) = (0.0, 0.0);
            for (index, sample) in left.iter().enumerate() {
                let angle = (start + index as f64 / 48_000.0) * TONES[0] * std::f64::consts::TAU;
                sine += f64::from(*sample) * angle.sin();
                cosine += f64::from(*sample) * angle.cos();
            }
            worst = worst.max((cosine.atan2(sine) / std::f64::consts::TAU / TONES[0] * 1e3).abs());
            rig.blocks.lock().clear();
        }
        let slot = rig.desk.slots[0].status.counters();
        assert!(worst < 0.9, "{ppm} ppm: {worst} ms off");
        assert_eq!((slot.underruns, slot.lost_frames, slot.realigned), (0, 0, 0), "{ppm} ppm");
    }
}

#[test]
fn a_tap_gives_an_input_s_own_share_with_its_stamps() {
    let mut rig = Rig::new();
    rig.open(0, LEVEL, 0.0);
    rig.open(1, LEVEL, 0.0);
    let (writer, tap) = tap::pair(200);
    rig.tell(Message::Tap(Some(input(1)), writer));
    rig.run(1.0);
    let mut left = Vec::new();
    let mut last: Option<MediaTime> = None;
    while let Ok(block) = tap.next(Duration::ZERO) {
        assert!(last.is_none_or(|last| block.captured_at.since(last) == Duration::from_millis(10)));
        last = Some(block.captured_at);
        left.extend(block.samples.iter().step_by(2));
    }
    let tail = &left[left.len() - 9600..];
    assert!((db(tone_amplitude(tail, TONES[1])) - LEVEL_DB).abs() < 0.5);
    assert!(db(tone_amplitude(tail, TONES[0])) < -80.0);
    rig.tell(Message::Remove(input(1)));
    assert_eq!(tap.next(Duration::ZERO), Err(super::super::TapEnd::Closed));
}

#[test]
fn an_input_that_can_not_be_opened_is_closed_unless_it_is_to_stay() {
    let mut rig = Rig::new();
    for keep in [false, true] {
        let (reply, answer) = bounded(1);
        let source = crate::audio::Source::Microphone(None);
        rig.tell(Message::Open { input: input(0), source, keep, reply });
        // Opening takes 3 s at most; the session's own answer is not waited for.
        rig.now_ns += 4_000_000_000;
        let now = MediaTime::from_nanos(rig.now_ns);
        rig.desk.step(now);
        assert!(answer.try_recv().expect("answered").is_err());
        assert_eq!(rig.desk.slots[0].wanted.is_some(), keep);
    }
}

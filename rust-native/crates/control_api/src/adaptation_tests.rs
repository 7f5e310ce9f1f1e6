//! The policy in virtual time.

use super::*;

const WANTED: Bitrate = Bitrate::from_kbps(4000);
const TICK: Duration = Duration::from_millis(50);

struct Run {
    policy: Adaptation,
    now: Instant,
    path: Path,
    freedom: Freedom,
}

impl Run {
    fn new() -> Self {
        let path = Path { estimate: Some(Bitrate::from_kbps(6000)), ..Path::default() };
        Self { policy: Adaptation::default(), now: Instant::now(), path, freedom: Freedom::Picture }
    }

    fn tick(&mut self) -> Rendition {
        self.now += TICK;
        self.policy.step(self.now, WANTED, Some(&self.path), self.freedom)
    }

    fn run(&mut self, seconds: f64) -> Rendition {
        let mut last = self.tick();
        for _ in 1..(seconds / TICK.as_secs_f64()) as u32 {
            last = self.tick();
        }
        last
    }

    fn estimate(&mut self, kbps: u32) {
        self.path.estimate = Some(Bitrate::from_kbps(kbps));
    }
}

fn wanted() -> VideoConfig {
    crate::VideoSettings { width: 1280, height: 720, fps: 60, kbps: 4000, gop_seconds: 2.0 }.config().expect("valid")
}

#[test]
fn a_path_with_room_gets_what_was_asked_for() {
    let mut run = Run::new();
    assert_eq!(run.run(30.0), Rendition::whole(WANTED));
    assert!(!run.policy.is_short());
}

#[test]
fn a_shortage_is_obeyed_with_the_next_look_and_made_up_for_slowly() {
    let mut run = Run::new();
    run.run(2.0);
    run.estimate(2000);
    let low = run.tick().bitrate.as_kbps();
    assert!((1600..1700).contains(&low), "{low}");
    run.run(1.0);
    run.estimate(6000);
    run.run(0.5);
    let after_a_second = run.run(0.95).bitrate.as_kbps();
    assert!(after_a_second < 2100, "{after_a_second}");
    assert_eq!(run.run(10.0).bitrate, WANTED);
}

#[test]
fn what_waits_in_front_of_the_path_lowers_it_further() {
    let mut run = Run::new();
    run.estimate(3000);
    let without = run.tick().bitrate.as_kbps();
    run.path.queue = Duration::from_millis(300);
    let with = run.tick().bitrate.as_kbps();
    assert!(with < without * 9 / 10, "{with} of {without}");
}

#[test]
fn jitter_of_the_estimate_is_not_passed_on() {
    let mut run = Run::new();
    run.estimate(3000);
    let mut changes = 0;
    let mut last = run.run(1.0);
    for n in 0..200 {
        run.estimate(if n % 2 == 0 { 3030 } else { 2990 });
        let next = run.tick();
        changes += u32::from(next.bitrate.as_bps() < last.bitrate.as_bps());
        last = next;
    }
    assert!(changes <= 1, "lowered {changes} times");
}

#[test]
fn a_long_shortage_takes_size_and_rate_and_gives_them_back_after_a_while() {
    let mut run = Run::new();
    run.estimate(1000);
    let soon = run.run(3.0);
    assert_eq!(soon.apply(&wanted()).0.size, wanted().size, "not at once");
    let (config, fps) = run.run(2.0).apply(&wanted());
    assert_eq!((config.size, fps.fps()), (Size { width: 960, height: 540 }, 30));
    let (config, fps) = run.run(5.0).apply(&wanted());
    assert_eq!((config.size, fps.fps()), (Size { width: 640, height: 360 }, 30));
    let stays = run.run(60.0).apply(&wanted()).0.size;
    assert_eq!(stays, Size { width: 640, height: 360 }, "19 % is above the last rung");
    run.estimate(6000);
    assert_ne!(run.run(7.0).apply(&wanted()).0.size, wanted().size);
    assert_eq!(run.run(25.0).apply(&wanted()).0, wanted());
}

#[test]
fn a_share_at_a_mark_does_not_make_it_go_up_and_down() {
    let mut run = Run::new();
    let mut sizes = Vec::new();
    for n in 0..120 {
        // About half of what was asked for, a little more and a little less, for seconds each.
        run.estimate(if n % 2 == 0 { 2250 } else { 2500 });
        sizes.push(run.run(5.0).apply(&wanted()).0.size);
    }
    sizes.dedup();
    assert!(sizes.len() <= 2, "{sizes:?}");
}

#[test]
fn without_leave_nothing_changes_but_the_shortage_is_known() {
    let mut run = Run::new();
    run.freedom = Freedom::Nothing;
    run.estimate(1000);
    assert_eq!(run.run(20.0), Rendition::whole(WANTED));
    assert!(run.policy.is_short());
    run.freedom = Freedom::Bitrate;
    let lowered = run.run(20.0);
    assert!(lowered.bitrate.as_kbps() < 1000);
    assert_eq!(lowered.apply(&wanted()).0.size, wanted().size, "a file keeps its size");
}

#[test]
fn a_destination_that_says_nothing_of_its_path_is_judged_by_its_queue() {
    let mut run = Run::new();
    run.path.estimate = None;
    let carry = |run: &mut Run, kbps: u64, queue: u64, seconds: f64| {
        run.path.queue = Duration::from_millis(queue);
        let mut last = None;
        for _ in 0..(seconds / 0.05) as u32 {
            run.path.sent += kbps * 1000 / 8 / 20;
            last = Some(run.tick());
        }
        last.expect("some").bitrate.as_kbps()
    };
    assert_eq!(carry(&mut run, 4000, 40, 3.0), 4000);
    let low = carry(&mut run, 2000, 600, 0.6);
    assert!(low <= 2000, "{low}");
    let again = carry(&mut run, 1500, 40, 10.0);
    assert!(again > low, "{again} after {low}");
}

#[test]
fn a_connection_that_breaks_comes_back_with_what_it_had() {
    let mut run = Run::new();
    run.estimate(2000);
    let before = run.run(1.0);
    run.now += TICK;
    let between = run.policy.step(run.now, WANTED, None, Freedom::Picture);
    assert_eq!(between, before);
    run.now += TICK;
    assert_eq!(run.policy.step(run.now, WANTED, None, Freedom::Nothing), Rendition::whole(WANTED));
}

#[test]
fn a_low_wish_is_never_raised() {
    let mut policy = Adaptation::default();
    let path = Path { estimate: Some(Bitrate::from_kbps(90)), ..Path::default() };
    let low = Bitrate::from_kbps(100);
    let now = Instant::now();
    let first = policy.step(now, low, Some(&path), Freedom::Picture);
    let second = policy.step(now + TICK, low, Some(&path), Freedom::Picture);
    assert!(first.bitrate.as_kbps() <= 100 && second.bitrate.as_kbps() >= 50, "{first:?} {second:?}");
}

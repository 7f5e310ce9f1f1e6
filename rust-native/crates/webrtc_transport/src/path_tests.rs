//! A path in virtual time: a bottleneck with a queue of bytes, fed by a sender that follows the estimate.

use std::time::{Duration, Instant};

use rtc::interceptor::PacketReport;

use super::*;

const CAP: f64 = 6_000_000.0;
/// What the encoder is set to; the cap is half as much again.
const WANTED: f64 = 4_000_000.0;
const PACKET: f64 = 1200.0 * 8.0;

/// A link of that many bits per second, and room for so many seconds of it.
struct Link {
    rate: f64,
    room: f64,
    free_at: f64,
    way: f64,
}

impl Link {
    fn carry(&mut self, at: f64) -> Option<f64> {
        let begins = self.free_at.max(at);
        if begins - at > self.room {
            return None;
        }
        self.free_at = begins + PACKET / self.rate;
        Some(self.free_at + self.way)
    }
}

struct Run {
    model: PathModel,
    link: Link,
    epoch: Instant,
    now: f64,
    /// Packets whose fate is not reported yet: when they left, when they arrived.
    under_way: Vec<(f64, Option<f64>)>,
    next_packet: f64,
    /// Time, estimate, the queue a packet met.
    history: Vec<(f64, f64, f64)>,
}

impl Run {
    fn new(rate: f64) -> Self {
        Self {
            model: PathModel::new(CAP, 150_000.0),
            link: Link { rate, room: 10.0, free_at: 0.0, way: 0.020 },
            epoch: Instant::now(),
            now: 0.0,
            under_way: Vec::new(),
            next_packet: 0.0,
            history: Vec::new(),
        }
    }

    /// Pictures 30 times a second, feedback 20 times; `share` of what the estimate allows is sent.
    fn run(&mut self, seconds: f64, share: f64) {
        let end = self.now + seconds;
        while self.now < end {
            self.now += 1.0 / 30.0;
            let rate = (self.model.estimate() * 0.9).min(WANTED) * share;
            let packets = (rate / 30.0 / PACKET).ceil() as usize;
            for packet in 0..packets {
                let at = self.now + packet as f64 * PACKET / (self.model.estimate());
                let arrival = self.link.carry(at);
                self.under_way.push((at, arrival));
            }
            let queue = (self.link.free_at - self.now).max(0.0);
            if self.now >= self.next_packet {
                self.next_packet = self.now + 0.05;
                self.report();
            }
            self.history.push((self.now, self.model.estimate(), queue));
        }
    }

    fn report(&mut self) {
        let now = self.now;
        // A lost packet is known as such once a later one has arrived.
        let known = |(left, arrival): &(f64, Option<f64>)| arrival.unwrap_or(left + 0.05) + 0.02 <= now;
        let (ready, rest): (Vec<_>, Vec<_>) = self.under_way.drain(..).partition(known);
        self.under_way = rest;
        let reports: Vec<PacketReport> =
            ready.iter().map(|(left, arrival)| report(self.epoch, *left, *arrival)).collect();
        let at = self.epoch + Duration::from_secs_f64(now);
        self.model.on_reports(at, &reports, CAP);
    }

    fn since(&self, from: f64) -> impl Iterator<Item = &(f64, f64, f64)> {
        self.history.iter().filter(move |(at, ..)| *at >= from)
    }
}

fn report(epoch: Instant, left: f64, arrival: Option<f64>) -> PacketReport {
    PacketReport {
        ssrc: 1,
        id: 0,
        rtp_sequence_number: 0,
        is_twcc: true,
        twcc_sequence_number: 0,
        size: 1200,
        arrived: arrival.is_some(),
        departure: epoch + Duration::from_secs_f64(left),
        arrival: arrival.map(|at| Duration::from_secs_f64(at + 1000.0)),
        ecn: Default::default(),
    }
}

#[test]
fn a_path_with_room_is_left_alone() {
    let mut run = Run::new(20_000_000.0);
    run.run(10.0, 1.0);
    assert_eq!(run.model.estimate(), CAP);
    assert_eq!(run.model.limit(), PathLimit::None);
}

#[test]
fn a_bottleneck_of_half_the_rate_is_obeyed_within_300_ms_and_its_queue_drains() {
    let mut run = Run::new(20_000_000.0);
    run.run(3.0, 1.0);
    run.link.rate = WANTED / 2.0;
    run.run(6.0, 1.0);
    let down = run.since(3.0).find(|(_, estimate, _)| *estimate < WANTED * 0.6).expect("it goes down").0 - 3.0;
    assert!(down <= 0.3, "after {down:.3} s");
    assert_eq!(run.model.limit(), PathLimit::Delay);
    let worst = run.since(3.0).map(|(.., queue)| *queue).fold(0.0, f64::max);
    assert!(worst < 0.4, "the queue reached {worst:.3} s");
    let later = run.since(5.0).map(|(.., queue)| *queue).fold(0.0, f64::max);
    assert!(later < 0.15, "and {later:.3} s later on");
    let mean = run.since(5.0).map(|(_, estimate, _)| estimate).sum::<f64>() / run.since(5.0).count() as f64;
    assert!((0.7..1.15).contains(&(mean / run.link.rate)), "{mean:.0} of {:.0}", run.link.rate);
}

#[test]
fn it_comes_back_when_the_bottleneck_goes_and_not_at_once() {
    let mut run = Run::new(WANTED / 2.0);
    run.run(6.0, 1.0);
    run.link.rate = 20_000_000.0;
    run.run(25.0, 1.0);
    let whole = run.since(6.0).find(|(_, estimate, _)| estimate * 0.9 >= WANTED).expect("it comes back").0 - 6.0;
    assert!((3.0..20.0).contains(&whole), "after {whole:.1} s");
}

#[test]
fn a_shallow_queue_that_loses_half_is_obeyed_too() {
    let mut run = Run::new(20_000_000.0);
    run.run(3.0, 1.0);
    (run.link.rate, run.link.room) = (WANTED / 2.0, 0.01);
    run.run(4.0, 1.0);
    let down = run.since(3.0).find(|(_, estimate, _)| *estimate < WANTED * 0.7).expect("it goes down").0 - 3.0;
    assert!(down <= 0.3, "after {down:.3} s");
    assert_eq!(run.model.limit(), PathLimit::Loss);
}

#[test]
fn loss_of_a_few_in_a_hundred_changes_nothing() {
    let mut model = PathModel::new(2_000_000.0, 150_000.0);
    let epoch = Instant::now();
    for batch in 0..40_u32 {
        let at = f64::from(batch) * 0.1;
        let packet = |n: u32| {
            let left = at + f64::from(n) * 0.005;
            report(epoch, left, (n != 3).then_some(left + 0.02))
        };
        let reports: Vec<_> = (0..20).map(packet).collect();
        model.on_reports(epoch + Duration::from_secs_f64(at + 0.1), &reports, CAP);
    }
    assert_eq!(model.estimate(), 2_000_000.0, "5 % neither lowers nor raises it");
}

#[test]
fn a_still_desktop_teaches_nothing() {
    let mut run = Run::new(20_000_000.0);
    run.model = PathModel::new(1_000_000.0, 150_000.0);
    run.run(10.0, 0.01);
    assert_eq!(run.model.estimate(), 1_000_000.0);
}

#[test]
fn a_stalled_receiver_is_no_shortage() {
    // All that came in 80 ms is stamped in one moment, the last of it hardly late.
    let mut model = PathModel::new(4_000_000.0, 150_000.0);
    let epoch = Instant::now();
    for batch in 0..30_u32 {
        let at = f64::from(batch) * 0.08;
        let stalls = batch % 5 == 4;
        let packet = |n: u32| {
            let left = at + f64::from(n) * 0.0025;
            report(epoch, left, Some(if stalls { at + 0.08 } else { left } + 0.005))
        };
        let reports: Vec<_> = (0..32).map(packet).collect();
        model.on_reports(epoch + Duration::from_secs_f64(at + 0.1), &reports, 4_000_000.0);
    }
    assert_eq!(model.limit(), PathLimit::None);
    assert_eq!(model.estimate(), 4_000_000.0);
}

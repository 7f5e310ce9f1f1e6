//! What one path carries, from the arrival times that its receiver reports (transport-wide feedback). Pure.
//!
//! Two signs of a shortage: packets that stand in a queue, and packets that do not arrive. Either lowers the estimate
//! at once, to what did arrive; it rises slowly, and slowest near the rate that was too much the last time. The
//! crate's own `Gcc` was tried first: after a shortage it climbs by 60 kbit/s a second for ever, and half of the
//! packets have to be lost for more than a second before its loss half has halved the rate.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rtc::interceptor::PacketReport;

/// Packets that are looked at, by the time they left: some pictures, so that one late packet decides nothing.
const WINDOW: Duration = Duration::from_millis(200);
/// The queue is the least delay of those that left last: what a stalled machine or a burst delays, delays some of
/// them; a standing queue delays all.
const QUEUE_WINDOW: Duration = Duration::from_millis(35);
/// What arrives meanwhile is the rate of a path that has become too narrow; longer ago it may still have been wide.
const RATE_WINDOW: Duration = Duration::from_millis(100);
/// A standing queue of that long is a shortage, one below the second figure is none. Between them nothing is done.
const QUEUE_HIGH: f64 = 0.035;
const QUEUE_LOW: f64 = 0.015;
/// Shares of packets lost. A few in a hundred are normal on the air, and repaired by retransmission.
const LOSS_HIGH: f64 = 0.10;
const LOSS_LOW: f64 = 0.03;
/// Fewer packets say nothing about a share.
const LEAST_PACKETS: usize = 10;
/// How much of what arrived is sent from then on: less for each second that has to drain, until it would be half.
const BACK_OFF: f64 = 0.85;
const DRAIN: f64 = 0.8;
const LONGEST_DRAIN: f64 = 0.35;
/// A change is given that long to show, besides the packets' way.
const SETTLE: Duration = Duration::from_millis(150);
/// A quiet time after the last shortage before anything is tried.
const CALM: Duration = Duration::from_millis(700);
/// Growth in a second: far below what was too much, near it, and beyond it.
const GROW_BACK: f64 = 0.25;
const GROW_NEAR: f64 = 0.04;
const GROW: f64 = 0.10;
/// "Near" is this far from what was too much.
const NEAR: std::ops::Range<f64> = 0.85..1.1;
/// The least delay is forgotten after twice this: a route may become longer.
const BASE_WINDOW: Duration = Duration::from_secs(15);
/// A sender that uses less than this share of the estimate has not tried it: nothing is learned from its silence.
const USED: f64 = 0.4;

/// What holds the estimate down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PathLimit {
    /// Nothing that was seen.
    #[default]
    None,
    /// Packets queue.
    Delay,
    /// Packets are lost.
    Loss,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    departure: Instant,
    /// On the receiver's clock; `None` for a lost one.
    arrival: Option<Duration>,
    bits: f64,
}

/// The estimate of one path.
#[derive(Debug)]
pub(crate) struct PathModel {
    estimate: f64,
    floor: f64,
    epoch: Option<Instant>,
    seen: VecDeque<Seen>,
    /// Least delays of the running window and of the one before it, seconds of an unknown zero.
    base: (f64, f64),
    base_since: Option<Instant>,
    /// When it was lowered last, and the queue then.
    lowered: Option<(Instant, f64)>,
    /// What arrived when it was lowered last.
    too_much: Option<f64>,
    grown: Option<Instant>,
    limit: PathLimit,
}

impl PathModel {
    /// Begins at `estimate`, bits per second, and never goes below `floor`.
    pub(crate) fn new(estimate: f64, floor: f64) -> Self {
        Self {
            estimate,
            floor,
            epoch: None,
            seen: VecDeque::new(),
            base: (f64::INFINITY, f64::INFINITY),
            base_since: None,
            lowered: None,
            too_much: None,
            grown: None,
            limit: PathLimit::None,
        }
    }

    /// Bits per second.
    pub(crate) fn estimate(&self) -> f64 {
        self.estimate
    }

    /// What lowered it last, as long as that is not made up for.
    pub(crate) fn limit(&self) -> PathLimit {
        self.limit
    }

    /// It is at least this much, and the past does not count: the sender was given more room to try.
    pub(crate) fn raise_to(&mut self, estimate: f64) {
        self.estimate = self.estimate.max(estimate);
        self.too_much = None;
        self.limit = PathLimit::None;
    }

    /// Takes in the newest reports; `cap` is more than the sender will ever need.
    pub(crate) fn on_reports(&mut self, now: Instant, reports: &[PacketReport], cap: f64) {
        for report in reports {
            self.note(report);
        }
        let Some(newest) = self.seen.iter().map(|packet| packet.departure).max() else { return };
        self.seen.retain(|packet| newest.saturating_duration_since(packet.departure) <= WINDOW);
        let queue = self.queue(newest);
        let loss = self.loss();
        let reason = if loss.is_some_and(|loss| loss >= LOSS_HIGH) {
            PathLimit::Loss
        } else if queue.is_some_and(|queue| queue >= QUEUE_HIGH) {
            PathLimit::Delay
        } else {
            PathLimit::None
        };
        let queue = queue.unwrap_or(0.0);
        if reason != PathLimit::None {
            self.grown = Some(now);
            self.lower(now, newest, queue, reason);
        } else if queue <= QUEUE_LOW && loss.is_none_or(|loss| loss <= LOSS_LOW) {
            self.grow(now, cap);
        } else {
            self.grown = Some(now);
        }
        self.estimate = self.estimate.clamp(self.floor, cap.max(self.floor));
        if self.estimate >= cap {
            self.limit = PathLimit::None;
        }
    }

    fn note(&mut self, report: &PacketReport) {
        let epoch = *self.epoch.get_or_insert(report.departure);
        let arrival = report.arrival.filter(|_| report.arrived);
        if let Some(arrival) = arrival {
            let delay = delay(epoch, report.departure, arrival);
            let since = *self.base_since.get_or_insert(report.departure);
            if report.departure.saturating_duration_since(since) >= BASE_WINDOW {
                self.base = (f64::INFINITY, self.base.0);
                self.base_since = Some(report.departure);
            }
            self.base.0 = self.base.0.min(delay);
        }
        self.seen.push_back(Seen { departure: report.departure, arrival, bits: report.size as f64 * 8.0 });
    }

    /// How long the newest packets stood, seconds.
    fn queue(&self, newest: Instant) -> Option<f64> {
        let epoch = self.epoch?;
        let late = self.seen.iter().filter(|p| newest.saturating_duration_since(p.departure) <= QUEUE_WINDOW);
        let least = late.filter_map(|p| p.arrival.map(|at| delay(epoch, p.departure, at))).reduce(f64::min)?;
        Some((least - self.base.0.min(self.base.1)).max(0.0))
    }

    /// The share of packets lost among those that left since the last change.
    fn loss(&self) -> Option<f64> {
        let since = self.lowered.map(|(at, _)| at);
        let new = || self.seen.iter().filter(move |packet| since.is_none_or(|since| packet.departure >= since));
        let total = new().count();
        (total >= LEAST_PACKETS).then(|| new().filter(|packet| packet.arrival.is_none()).count() as f64 / total as f64)
    }

    /// What arrived in a second, by the receiver's clock, in that long before the newest arrival.
    fn received(&self, over: Duration) -> Option<f64> {
        let all = || self.seen.iter().filter_map(|packet| packet.arrival.map(|at| (at, packet.bits)));
        let last = all().map(|(at, _)| at).max()?;
        let arrived = || all().filter(|(at, _)| last.saturating_sub(*at) <= over);
        let first = arrived().map(|(at, _)| at).min()?;
        let bits: f64 = arrived().map(|(_, bits)| bits).sum();
        // Packets that came in one burst arrived over the time in which they left.
        let seconds = last.saturating_sub(first).as_secs_f64().max(over.as_secs_f64() / 2.0);
        Some(bits / seconds)
    }

    fn lower(&mut self, now: Instant, newest: Instant, queue: f64, reason: PathLimit) {
        if let Some((at, before)) = self.lowered {
            let shown = newest.saturating_duration_since(at) >= SETTLE;
            let drains = reason == PathLimit::Delay && queue < before * 0.9;
            if !shown || drains {
                // Still above the mark, and falling: what it is compared with falls too.
                if shown {
                    self.lowered = Some((at, before.min(queue / 0.9)));
                }
                return;
            }
        }
        let Some(received) = self.received(RATE_WINDOW) else { return };
        self.too_much = Some(received);
        self.estimate = self.estimate.min(received * (BACK_OFF - queue.min(LONGEST_DRAIN) * DRAIN));
        self.lowered = Some((now, queue));
        self.limit = reason;
    }

    fn grow(&mut self, now: Instant, cap: f64) {
        let since = self.grown.replace(now).unwrap_or(now);
        let calm = self.lowered.is_none_or(|(at, _)| now.saturating_duration_since(at) >= CALM);
        let tried = self.received(WINDOW).is_some_and(|received| received >= self.estimate * USED);
        if !calm || !tried || self.estimate >= cap {
            return;
        }
        let share = self.too_much.map_or(f64::INFINITY, |too_much| self.estimate / too_much);
        let growth = match share {
            share if share < NEAR.start => GROW_BACK,
            share if NEAR.contains(&share) => GROW_NEAR,
            _ => GROW,
        };
        let seconds = now.saturating_duration_since(since).as_secs_f64().min(0.5);
        self.estimate *= (1.0 + growth).powf(seconds);
    }
}

/// The way of one packet, seconds of an unknown zero: the clocks differ, their difference does not change.
fn delay(epoch: Instant, departure: Instant, arrival: Duration) -> f64 {
    arrival.as_secs_f64() - departure.saturating_duration_since(epoch).as_secs_f64()
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;

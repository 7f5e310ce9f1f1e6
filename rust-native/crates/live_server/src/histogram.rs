//! How often something took how long, for `/metrics`: a fixed set of buckets, so that its size does not grow with
//! whatever happens.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds, seconds: fine around the half second that a join may take.
const BOUNDS: [f64; 10] = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0, 5.0];

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// Each value in one bucket; the last holds what is above all bounds.
    counts: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    pub(crate) fn observe(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(time.as_micros() as u64, Ordering::Relaxed);
    }

    /// In Prometheus' text format: buckets count what is at most their bound.
    pub(crate) fn write(&self, out: &mut String, name: &str, help: &str) {
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} histogram\n");
        let mut sum = 0;
        for (at, count) in self.counts.iter().enumerate() {
            sum += count.load(Ordering::Relaxed);
            let bound = BOUNDS.get(at).map_or_else(|| "+Inf".to_owned(), f64::to_string);
            let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {sum}");
        }
        let seconds = self.micros.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = write!(out, "{name}_sum {seconds}\n{name}_count {sum}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_counts_what_is_at_most_its_bound() {
        let histogram = Histogram::default();
        for millis in [20, 50, 480, 60_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut text = String::new();
        histogram.write(&mut text, "join_seconds", "Help");
        for line in ["{le=\"0.05\"} 2", "{le=\"0.4\"} 2", "{le=\"0.5\"} 3", "{le=\"5\"} 3", "{le=\"+Inf\"} 4"] {
            assert!(text.contains(&format!("\njoin_seconds_bucket{line}\n")), "{line} in {text}");
        }
        assert!(text.ends_with("\njoin_seconds_sum 60.55\njoin_seconds_count 4\n"), "{text}");
    }
}

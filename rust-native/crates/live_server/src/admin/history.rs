//! The last minutes of each stream, a sample a second, so that a chart is there when the page is opened.

use std::collections::{BTreeMap, VecDeque};

use crate::figures::StreamInfo;

/// Five minutes.
const KEPT: usize = 300;

/// What was measured in a second: kbit/s.
pub(crate) type Sample = f32;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct History(BTreeMap<String, VecDeque<Sample>>);

impl History {
    /// Takes one sample of each stream; streams that are no more are forgotten.
    pub(crate) fn take(&mut self, streams: &[StreamInfo]) {
        self.0.retain(|name, _| streams.iter().any(|info| info.name == *name));
        for info in streams {
            let samples = self.0.entry(info.name.clone()).or_default();
            if samples.len() >= KEPT {
                samples.pop_front();
            }
            samples.push_back((info.bitrate_kbps as Sample).round());
        }
    }

    /// Oldest first.
    pub(crate) fn of(&self, stream: &str) -> Vec<Sample> {
        self.0.get(stream).map(|samples| samples.iter().copied().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_sample_goes_and_so_does_a_stream_that_is_no_more() {
        let info = |kbps: f64| StreamInfo { name: "live".to_owned(), bitrate_kbps: kbps, ..StreamInfo::default() };
        let mut history = History::default();
        for n in 0..KEPT + 10 {
            history.take(&[info(n as f64)]);
        }
        let samples = history.of("live");
        assert_eq!((samples.len(), samples[0], samples[KEPT - 1]), (KEPT, 10.0, (KEPT + 9) as Sample));
        history.take(&[]);
        assert!(history.of("live").is_empty());
    }
}

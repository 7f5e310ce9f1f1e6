//! Each input's own sound as AAC, for a recording that keeps the inputs apart: a thread that lives as long as somebody
//! reads their lane.
//!
//! The mixer is never waited for and never waits: its taps are bounded queues of fixed memory, which this thread
//! empties. Encoding them on the mixer's own thread, which may be real-time, would make every block late with many inputs.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use capture::audio::{Input, Mixer, Tap, TapEnd};
use encoder::AacEncoder;
use media::{AccessUnit, Track};
use record::{InputTrack, Inputs};
use stream::{Broadcast, Lanes};

/// A second of sound: longer than any wait for a processor that a recording survives.
const TAP_BLOCKS: usize = 100;
/// The taps are emptied this often: at each packet of sound, about.
const EVERY: Duration = Duration::from_millis(20);
/// Inputs that come at once; people add one after the other.
const NEW_INPUTS: usize = 64;

/// A running encode of each input. What it makes ends with the last reader of [`Lanes::INPUTS`].
#[derive(Debug)]
pub(crate) struct InputTracks {
    inputs: Inputs,
    taps: SyncSender<(u32, Tap)>,
    /// A tap lasts as long as its input: one that is closed and opened again has it still.
    tapped: BTreeSet<u32>,
}

impl InputTracks {
    /// Starts encoding for readers that are there already.
    pub(crate) fn start(hub: Broadcast<AccessUnit>, inputs: Inputs, mixer: &Mixer) -> std::io::Result<Self> {
        let (taps, fresh) = sync_channel(NEW_INPUTS);
        std::thread::Builder::new().name("audio-tracks".into()).spawn(move || run(&hub, &fresh))?;
        let mut this = Self { tapped: BTreeSet::new(), inputs, taps };
        this.set(this.inputs.now(), mixer);
        Ok(this)
    }

    /// These are the inputs now.
    pub(crate) fn set(&mut self, tracks: Vec<InputTrack>, mixer: &Mixer) {
        for InputTrack { number, .. } in &tracks {
            if self.tapped.insert(*number) {
                // Nobody hears it any more when the recording has ended.
                let _ = self.taps.try_send((*number, mixer.tap(Input::new(*number), TAP_BLOCKS)));
            }
        }
        self.inputs.set(tracks);
    }
}

struct Line {
    number: u32,
    tap: Tap,
    encoder: AacEncoder,
    lost: u64,
}

fn run(hub: &Broadcast<AccessUnit>, fresh: &Receiver<(u32, Tap)>) {
    let mut lines: Vec<Line> = Vec::new();
    while hub.is_wanted(Lanes::INPUTS) {
        match fresh.recv_timeout(EVERY) {
            Ok((number, tap)) => match AacEncoder::new(AacEncoder::DEFAULT_BITRATE) {
                Ok(encoder) => lines.push(Line { number, tap, encoder, lost: 0 }),
                Err(error) => tracing::error!(%error, number, "an input's own track is silent"),
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        lines.retain_mut(|line| line.empty(hub));
    }
}

impl Line {
    /// Encodes what the tap holds; `false` when no more will come.
    fn empty(&mut self, hub: &Broadcast<AccessUnit>) -> bool {
        let lost = self.tap.lost();
        if lost > self.lost {
            tracing::warn!(input = self.number, blocks = lost - self.lost, "an input's own track has a gap");
            self.lost = lost;
        }
        loop {
            let block = match self.tap.next(Duration::ZERO) {
                Ok(block) => block,
                Err(TapEnd::Timeout) => return true,
                Err(TapEnd::Closed) => return false,
            };
            match self.encoder.push(&block) {
                Ok(Some(unit)) => {
                    hub.push(&AccessUnit { track: Track::Input(self.number), ..unit });
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, input = self.number, "an input's own track ends");
                    return false;
                }
            }
        }
    }
}

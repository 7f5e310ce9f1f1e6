//! What the streamer hears of the own inputs: a mix of its own, to a device of its own, on a thread of its own.
//!
//! Off until someone asks for it. The mixer puts blocks into a ring and never waits; the device's clock differs from
//! the mix's, so the ring's fill steers a slight stretch. A device that goes away is tried again each second, and the
//! system's choice of the default device is followed.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select};
use media::{AUDIO_CHANNELS, AUDIO_SAMPLE_RATE, BLOCK_FRAMES};
use parking_lot::Mutex;
use rtrb::{Consumer, Producer, RingBuffer};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Adjustable, FixedAsync, Resampler, Slip};
use sound::{Limiter, Samples};

use super::{AudioError, DEFAULT_DEVICE};

/// The mix comes in blocks of 10 ms, the device takes 10 ms at a time: this much lies between them on the average.
/// Less and a busy machine is heard as crackling; more and one's own voice comes back as an echo.
const TARGET_FRAMES: usize = 3 * BLOCK_FRAMES;
/// Beyond this the device has stopped taking, and what is new is thrown away.
const RING_FRAMES: usize = 20 * BLOCK_FRAMES;
/// A deviation of the fill is worked off in about so many seconds: slower than the saw-tooth of the blocks.
const PULL_SECONDS: f64 = 4.0;
/// 0.2 %: below what is heard as pitch.
const MAX_PULL: f64 = 2e-3;
/// Opening a device may take this long.
const OPEN_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a lost device is tried again, and the default one looked up.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The mixer's end of the headphones.
pub(super) struct Feeder {
    ring: Producer<f32>,
    stretch: Option<Slip<f32>>,
    stretched: Vec<f32>,
    limiter: Limiter,
    /// Frames that lie in the ring, averaged over a second.
    fill: f64,
}

/// Keeps the headphones open; they close when it is dropped.
#[derive(Debug)]
pub(super) struct Headphones {
    _until_dropped: Sender<()>,
}

/// Opens a sink by its id and waits for it, at most 3 s. `on_lost` is told on the thread that owns it.
pub(super) fn open(
    device: &str,
    on_lost: impl Fn(AudioError) + Send + 'static,
) -> Result<(Headphones, Feeder), AudioError> {
    let (producer, consumer) = RingBuffer::new(RING_FRAMES * AUDIO_CHANNELS);
    let player = Arc::new(Mutex::new(Player { ring: consumer, primed: false }));
    let (until_dropped, dropped) = bounded(0);
    let (reply, answer) = bounded(1);
    let device = (device != DEFAULT_DEVICE).then(|| device.to_owned());
    std::thread::Builder::new()
        .name("audio-phones".into())
        .spawn(move || run(device.as_deref(), &player, &dropped, &reply, &on_lost))
        .map_err(|error| AudioError::DeviceRefused { reason: error.to_string() })?;
    answer.recv_timeout(OPEN_TIMEOUT).unwrap_or(Err(AudioError::DeviceTimeout))?;
    Ok((Headphones { _until_dropped: until_dropped }, Feeder::new(producer)))
}

fn run(
    device: Option<&str>,
    player: &Arc<Mutex<Player>>,
    dropped: &Receiver<()>,
    reply: &Sender<Result<(), AudioError>>,
    on_lost: &impl Fn(AudioError),
) {
    let mut answered = false;
    loop {
        let (faults, faulted) = bounded(1);
        match imp::open(device, Arc::clone(player), faults) {
            Ok(open) => {
                if !answered {
                    answered = true;
                    let _ = reply.send(Ok(()));
                }
                loop {
                    select! {
                        recv(dropped) -> _ => return,
                        recv(faulted) -> fault => {
                            on_lost(fault.unwrap_or(AudioError::DeviceTimeout));
                            break;
                        }
                        default(LOOK_EVERY) => if open.default_moved() {
                            break;
                        }
                    }
                }
            }
            Err(error) if !answered => {
                let _ = reply.send(Err(error));
                return;
            }
            Err(error) => {
                tracing::debug!(%error, "the headphones are still away");
                if !matches!(dropped.recv_timeout(LOOK_EVERY), Err(crossbeam_channel::RecvTimeoutError::Timeout)) {
                    return;
                }
            }
        }
    }
}

impl Feeder {
    fn new(ring: Producer<f32>) -> Self {
        let stretch = Slip::new(BLOCK_FRAMES, AUDIO_CHANNELS, FixedAsync::Input)
            .inspect_err(|error| tracing::error!(%error, "the headphones' drift can't be corrected"))
            .ok();
        let longest = stretch.as_ref().map_or(BLOCK_FRAMES, Resampler::output_frames_max);
        Self {
            ring,
            stretch,
            stretched: vec![0.0; longest * AUDIO_CHANNELS],
            limiter: Limiter::default(),
            fill: TARGET_FRAMES as f64,
        }
    }

    /// Takes a block for the headphones; it is limited in place.
    pub(super) fn push(&mut self, samples: &mut Samples) {
        self.limiter.process(samples);
        let fill = RING_FRAMES - self.ring.slots() / AUDIO_CHANNELS;
        self.fill += (fill as f64 - self.fill) / 100.0;
        let frames = self.stretch(samples);
        let samples = &self.stretched[..frames * AUDIO_CHANNELS];
        if let Ok(chunk) = self.ring.write_chunk_uninit(samples.len()) {
            chunk.fill_from_iter(samples.iter().copied());
        }
    }

    fn stretch(&mut self, samples: &Samples) -> usize {
        let lead = (TARGET_FRAMES as f64 - self.fill) / f64::from(AUDIO_SAMPLE_RATE);
        let ratio = 1.0 + (lead / PULL_SECONDS).clamp(-MAX_PULL, MAX_PULL);
        let longest = self.stretched.len() / AUDIO_CHANNELS;
        let stretched = self.stretch.as_mut().and_then(|stretch| {
            let _ = stretch.set_resample_ratio_relative(ratio, false);
            let from = InterleavedSlice::new(&samples[..], AUDIO_CHANNELS, BLOCK_FRAMES).ok()?;
            let mut to = InterleavedSlice::new_mut(&mut self.stretched[..], AUDIO_CHANNELS, longest).ok()?;
            stretch.process_into_buffer(&from, &mut to, None).ok().map(|(_, written)| written)
        });
        stretched.unwrap_or_else(|| {
            self.stretched[..samples.len()].copy_from_slice(samples);
            BLOCK_FRAMES
        })
    }
}

/// The device's end. One stream at a time holds it: its lock is never contended.
struct Player {
    ring: Consumer<f32>,
    /// Whether enough was there to begin with.
    primed: bool,
}

impl Player {
    /// Fills what the device asks for: silence until enough has come in, and again after it has run dry.
    fn fill(&mut self, out: &mut [f32]) {
        self.primed = self.primed && self.ring.slots() >= out.len()
            || self.ring.slots() >= TARGET_FRAMES * AUDIO_CHANNELS && self.ring.slots() >= out.len();
        let chunk = if self.primed { self.ring.read_chunk(out.len()).ok() } else { None };
        let Some(chunk) = chunk else { return out.fill(0.0) };
        let (first, second) = chunk.as_slices();
        out[..first.len()].copy_from_slice(first);
        out[first.len()..].copy_from_slice(second);
        chunk.commit_all();
    }
}

#[cfg(any(target_os = "linux", target_os = "windows", target_os = "macos"))]
mod imp {
    use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
    use cpal::{BufferSize, Device, Host, StreamConfig};

    #[cfg(target_os = "linux")]
    use super::super::connection::connection;
    use super::{
        AUDIO_CHANNELS, AUDIO_SAMPLE_RATE, Arc, AudioError, BLOCK_FRAMES, DEFAULT_DEVICE, Duration, Mutex, Player,
        Sender,
    };

    const BUILD_TIMEOUT: Duration = Duration::from_secs(2);

    #[cfg(not(target_os = "linux"))]
    fn connection() -> Result<Arc<Host>, AudioError> {
        Ok(Arc::new(cpal::default_host()))
    }

    pub(super) struct Open {
        host: Arc<Host>,
        /// The sink, if it was taken because it was the default one.
        followed: Option<String>,
        _stream: cpal::Stream,
    }

    impl Open {
        pub(super) fn default_moved(&self) -> bool {
            let now = || default_sink(&self.host).and_then(|device| name(&device));
            self.followed.as_ref().is_some_and(|followed| now().is_some_and(|now| now != *followed))
        }
    }

    pub(super) fn open(
        device: Option<&str>,
        player: Arc<Mutex<Player>>,
        faults: Sender<AudioError>,
    ) -> Result<Open, AudioError> {
        let host = connection()?;
        let asked = device.unwrap_or(DEFAULT_DEVICE);
        let sink = match device {
            None => default_sink(&host),
            Some(id) => host
                .output_devices()
                .map_err(|error| AudioError::on_open(&error, id))?
                .find(|sink| name(sink).is_some_and(|name| name == id)),
        };
        let sink = sink.ok_or_else(|| AudioError::DeviceNotFound { id: asked.to_owned() })?;
        let followed = if device.is_none() { name(&sink) } else { None };
        let config = StreamConfig {
            channels: AUDIO_CHANNELS as u16,
            sample_rate: AUDIO_SAMPLE_RATE,
            buffer_size: BufferSize::Fixed(BLOCK_FRAMES as u32),
        };
        let stream = sink
            .build_output_stream(
                config,
                move |out: &mut [f32], _: &cpal::OutputCallbackInfo| player.lock().fill(out),
                move |error| {
                    if let Some(fault) = AudioError::while_running(&error) {
                        // One fault ends the stream; a second one has nothing to add.
                        let _ = faults.try_send(fault);
                    }
                },
                Some(BUILD_TIMEOUT),
            )
            .map_err(|error| AudioError::on_open(&error, asked))?;
        stream.play().map_err(|error| AudioError::on_open(&error, asked))?;
        Ok(Open { host, followed, _stream: stream })
    }

    fn default_sink(host: &Host) -> Option<Device> {
        host.default_output_device()
    }

    fn name(device: &Device) -> Option<String> {
        device.id().ok().map(|id| id.id().to_owned())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "windows", target_os = "macos")))]
mod imp {
    use super::{Arc, AudioError, Mutex, Player, Sender};

    /// Can't be made here.
    pub(super) enum Open {}

    impl Open {
        pub(super) fn default_moved(&self) -> bool {
            match *self {}
        }
    }

    pub(super) fn open(_: Option<&str>, _: Arc<Mutex<Player>>, _: Sender<AudioError>) -> Result<Open, AudioError> {
        Err(AudioError::NotSupportedHere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten simulated minutes against a device whose quartz is off.
    #[test]
    fn headphones_100_ppm_off_never_run_dry_nor_over() {
        for ppm in [-100.0, 100.0] {
            let (producer, consumer) = RingBuffer::new(RING_FRAMES * AUDIO_CHANNELS);
            let mut feeder = Feeder::new(producer);
            let mut player = Player { ring: consumer, primed: false };
            let (mut taken, mut dry, mut most) = (0.0f64, 0, 0);
            let mut out = [0.0; BLOCK_FRAMES * AUDIO_CHANNELS];
            for block in 0..60_000 {
                feeder.push(&mut [0.5; BLOCK_FRAMES * AUDIO_CHANNELS]);
                most = most.max(player.ring.slots() / AUDIO_CHANNELS);
                while taken < f64::from(block) * (1.0 + ppm * 1e-6) {
                    player.fill(&mut out);
                    dry += u32::from(block > 100 && out[0] == 0.0);
                    taken += 1.0;
                }
            }
            assert_eq!(dry, 0, "{ppm} ppm: ran dry");
            assert!(most < 2 * TARGET_FRAMES, "{ppm} ppm: {most} frames behind");
        }
    }
}

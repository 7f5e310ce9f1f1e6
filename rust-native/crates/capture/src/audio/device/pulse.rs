//! Devices of a PulseAudio server, or of PipeWire, which speaks its protocol.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::Thread;
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, Device, Host, SampleFormat, StreamConfig};
use crossbeam_channel::Sender;
use media::{AUDIO_CHANNELS, AUDIO_SAMPLE_RATE};

use super::{Following, Microphone};
use crate::audio::cards;
use crate::audio::connection::connection;
use crate::audio::intake::{self, Reader};
use crate::audio::program::{self, Recording};
use crate::audio::{AudioError, DEFAULT_DEVICE, Source};

/// PulseAudio's and PipeWire's name for the source that carries what a sink plays.
const MONITOR_SUFFIX: &str = ".monitor";
/// Building a stream takes milliseconds; the caller's own limit is 3 s.
const BUILD_TIMEOUT: Duration = Duration::from_secs(2);

/// A stream that runs. To be dropped on the thread that opened it.
pub(in crate::audio) enum OpenDevice {
    /// By its name.
    Chosen { host: Arc<Host>, source: String, _stream: cpal::Stream },
    /// The system's choice, named as it was.
    Default { host: Arc<Host>, wanted: Source, taken: String, _stream: cpal::Stream },
    /// What a program plays.
    Program(Recording),
}

impl OpenDevice {
    /// What became of the device that the system, or a program, preferred. Asks the server.
    pub(in crate::audio) fn following(&self) -> Following {
        match self {
            // The server moves our stream to another device when this one is unplugged: what was chosen is gone then.
            Self::Chosen { host, source, .. } => match find(host, source) {
                Err(AudioError::DeviceNotFound { .. }) => Following::Gone,
                _ => Following::Same,
            },
            // Without any default device, what is open is still the best there is.
            Self::Default { host, wanted, taken, .. } => {
                let moved = default_source(host, wanted).is_ok_and(|now| now != *taken);
                if moved { Following::Moved } else { Following::Same }
            }
            Self::Program(recording) => recording.following(),
        }
    }
}

pub(super) fn list() -> Result<Vec<Microphone>, AudioError> {
    let host = connection()?;
    let mut microphones: Vec<Microphone> = sources(&host)?
        .into_iter()
        .filter(|(id, _)| !id.ends_with(MONITOR_SUFFIX))
        .map(|(id, device)| Microphone { name: device.to_string(), id })
        .collect();
    let default = default_source(&host, &Source::Microphone(None)).ok();
    default_first(&mut microphones, default);
    Ok(microphones)
}

pub(super) fn list_speakers() -> Result<Vec<Microphone>, AudioError> {
    let host = connection()?;
    let devices = host.output_devices().map_err(|error| AudioError::on_open(&error, DEFAULT_DEVICE))?;
    let mut speakers: Vec<Microphone> = devices
        .filter_map(|device| Some(Microphone { id: device.id().ok()?.id().to_owned(), name: device.to_string() }))
        .collect();
    default_first(&mut speakers, default_speaker_of(&host).ok());
    Ok(speakers)
}

pub(super) fn default_speaker() -> Result<String, AudioError> {
    let host = connection()?;
    default_speaker_of(&host)
}

fn default_speaker_of(host: &Host) -> Result<String, AudioError> {
    let id = host.default_output_device().and_then(|device| device.id().ok());
    id.map(|id| id.id().to_owned()).ok_or_else(|| AudioError::DeviceNotFound { id: DEFAULT_DEVICE.into() })
}

/// By the microphone's id, the number of the ALSA card that it is on.
pub(super) fn cards() -> Result<HashMap<String, u32>, AudioError> {
    cards::of_microphones()
}

pub(super) fn list_applications() -> Result<Vec<Microphone>, AudioError> {
    program::list()
}

/// Puts an entry for the system's choice in front, under the name of what it stands for now.
fn default_first(listed: &mut Vec<Microphone>, default: Option<String>) {
    if let Some(stands_for) = listed.iter().find(|listed| Some(&listed.id) == default.as_ref()) {
        let default = Microphone { id: DEFAULT_DEVICE.into(), name: stands_for.name.clone() };
        listed.insert(0, default);
    }
}

pub(super) fn system_sound() -> Result<(), AudioError> {
    let host = connection()?;
    let monitor = default_source(&host, &Source::SystemSound(None))?;
    find(&host, &monitor).map(|_| ())
}

/// Opens a device and waits until it has delivered its first sound; blocks as long as the server does.
/// Faults of the running stream go to `faults`; `wake` is unparked after each chunk.
pub(in crate::audio) fn open(
    wanted: &Source,
    wake: Thread,
    faults: Sender<AudioError>,
) -> Result<(OpenDevice, Reader), AudioError> {
    if let Source::Application(name) = wanted {
        let (recording, reader) = program::open(name, wake, faults)?;
        return Ok((OpenDevice::Program(recording), reader));
    }
    let host = connection()?;
    let (source, followed) = match (wanted.device(), wanted) {
        // Named by its sink, as the speakers are.
        (Some(id), Source::SystemSound(_)) => (format!("{id}{MONITOR_SUFFIX}"), None),
        (Some(id), _) => (id.to_owned(), None),
        (None, _) => {
            let source = default_source(&host, wanted)?;
            (source.clone(), Some(source))
        }
    };
    let device = find(&host, &source)?;
    let (config, format) = choose(&device, &source)?;
    let (mut writer, reader) = intake::ring(config.sample_rate, config.channels, wake);
    let stream = device
        .build_input_stream_raw(
            config,
            format,
            move |data, info| writer.push(data, info),
            move |error| {
                tracing::debug!(%error, "sound stream reported");
                if let Some(fault) = AudioError::while_running(&error) {
                    // One fault ends the session; a second one has nothing to add.
                    let _ = faults.try_send(fault);
                }
            },
            Some(BUILD_TIMEOUT),
        )
        .map_err(|error| AudioError::on_open(&error, &source))?;
    stream.play().map_err(|error| AudioError::on_open(&error, &source))?;
    let open = match followed {
        Some(taken) => OpenDevice::Default { host, wanted: wanted.clone(), taken, _stream: stream },
        None => OpenDevice::Chosen { host, source, _stream: stream },
    };
    Ok((open, reader))
}

/// Everything that can be recorded from, with its name at the server.
fn sources(host: &Host) -> Result<Vec<(String, Device)>, AudioError> {
    let devices = host.devices().map_err(|error| AudioError::on_open(&error, DEFAULT_DEVICE))?;
    let named = |device: Device| device.id().ok().map(|id| (id.id().to_owned(), device));
    Ok(devices.filter(DeviceTrait::supports_input).filter_map(named).collect())
}

fn find(host: &Host, source: &str) -> Result<Device, AudioError> {
    let found = sources(host)?.into_iter().find(|(id, _)| id == source);
    found.map(|(_, device)| device).ok_or_else(|| AudioError::DeviceNotFound { id: source.to_owned() })
}

/// The source that the system's default microphone or speaker stands for now.
fn default_source(host: &Host, wanted: &Source) -> Result<String, AudioError> {
    let device = match wanted {
        Source::Microphone(_) => host.default_input_device(),
        Source::SystemSound(_) => return Ok(format!("{}{MONITOR_SUFFIX}", default_speaker_of(host)?)),
        // Programs are reached in another way and have no default.
        Source::Application(_) => None,
    };
    let id = device.and_then(|device| device.id().ok()).map(|id| id.id().to_owned());
    match id {
        // Without a microphone the server names a sink's monitor as its default source.
        Some(source) if !source.ends_with(MONITOR_SUFFIX) => Ok(source),
        _ => Err(AudioError::DeviceNotFound { id: DEFAULT_DEVICE.into() }),
    }
}

/// The mix's own format where the device (or its server, which converts) has it, else the device's.
fn choose(device: &Device, source: &str) -> Result<(StreamConfig, SampleFormat), AudioError> {
    let refused = |error: cpal::Error| AudioError::on_open(&error, source);
    let ours = device.supported_input_configs().map_err(refused)?.any(|range| {
        usize::from(range.channels()) == AUDIO_CHANNELS
            && range.sample_format() == SampleFormat::F32
            && range.contains_rate(AUDIO_SAMPLE_RATE)
    });
    let (channels, rate, format) = if ours {
        (AUDIO_CHANNELS as u16, AUDIO_SAMPLE_RATE, SampleFormat::F32)
    } else {
        let native = device.default_input_config().map_err(refused)?;
        (native.channels(), native.sample_rate(), native.sample_format())
    };
    if !intake::reads(format) {
        return Err(AudioError::DeviceRefused { reason: format!("samples of type {format} are not read") });
    }
    // 10 ms: left to itself the PulseAudio host asks for two seconds at a time.
    let buffer_size = BufferSize::Fixed(rate / 100);
    Ok((StreamConfig { channels, sample_rate: rate, buffer_size }, format))
}

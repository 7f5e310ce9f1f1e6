//! Devices of a PulseAudio server, or of PipeWire, which speaks its protocol.

use std::sync::Arc;
use std::thread::Thread;
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, Device, Host, SampleFormat, StreamConfig};
use crossbeam_channel::Sender;
use media::{AUDIO_CHANNELS, AUDIO_SAMPLE_RATE};

use super::Microphone;
use crate::audio::connection::connection;
use crate::audio::intake::{self, Reader};
use crate::audio::{AudioError, DEFAULT_DEVICE, Input};

/// PulseAudio's and PipeWire's name for the source that carries what a sink plays.
const MONITOR_SUFFIX: &str = ".monitor";
/// Building a stream takes milliseconds; the caller's own limit is 3 s.
const BUILD_TIMEOUT: Duration = Duration::from_secs(2);

/// A stream that runs. To be dropped on the thread that opened it.
pub(in crate::audio) struct OpenDevice {
    host: Arc<Host>,
    input: Input,
    /// The device, if it was taken because it was the default one.
    followed: Option<String>,
    _stream: cpal::Stream,
}

impl OpenDevice {
    /// Whether the system has since chosen another default device. Asks the server.
    pub(in crate::audio) fn default_moved(&self) -> bool {
        let Some(followed) = &self.followed else { return false };
        // Without any default device, what is open is still the best there is.
        default_source(&self.host, self.input).is_ok_and(|now| now != *followed)
    }
}

pub(super) fn list() -> Result<Vec<Microphone>, AudioError> {
    let host = connection()?;
    let mut microphones: Vec<Microphone> = sources(&host)?
        .into_iter()
        .filter(|(id, _)| !id.ends_with(MONITOR_SUFFIX))
        .map(|(id, device)| Microphone { name: device.to_string(), id })
        .collect();
    let default = default_source(&host, Input::Microphone).ok();
    if let Some(stands_for) = microphones.iter().find(|m| Some(&m.id) == default.as_ref()) {
        let default = Microphone { id: DEFAULT_DEVICE.into(), name: stands_for.name.clone() };
        microphones.insert(0, default);
    }
    Ok(microphones)
}

pub(super) fn system_sound() -> Result<(), AudioError> {
    let host = connection()?;
    let monitor = default_source(&host, Input::SystemSound)?;
    find(&host, &monitor).map(|_| ())
}

/// Opens a device and waits until it has delivered its first sound; blocks as long as the server does.
/// Faults of the running stream go to `faults`; `wake` is unparked after each chunk.
pub(in crate::audio) fn open(
    input: Input,
    id: Option<&str>,
    wake: Thread,
    faults: Sender<AudioError>,
) -> Result<(OpenDevice, Reader), AudioError> {
    let host = connection()?;
    let (source, followed) = match (id.filter(|id| *id != DEFAULT_DEVICE), input) {
        (Some(id), Input::Microphone) => (id.to_owned(), None),
        // Named by its sink, as the speakers are.
        (Some(id), Input::SystemSound) => (format!("{id}{MONITOR_SUFFIX}"), None),
        (None, _) => {
            let source = default_source(&host, input)?;
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
    Ok((OpenDevice { host, input, followed, _stream: stream }, reader))
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
fn default_source(host: &Host, input: Input) -> Result<String, AudioError> {
    let device = match input {
        Input::Microphone => host.default_input_device(),
        Input::SystemSound => host.default_output_device(),
    };
    let id = device.and_then(|device| device.id().ok()).map(|id| id.id().to_owned());
    match (id, input) {
        (Some(sink), Input::SystemSound) => Ok(format!("{sink}{MONITOR_SUFFIX}")),
        // Without a microphone the server names a sink's monitor as its default source.
        (Some(source), Input::Microphone) if !source.ends_with(MONITOR_SUFFIX) => Ok(source),
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

//! Devices of Windows (WASAPI) and macOS (Core Audio): microphones, and what a speaker plays by loopback; what single
//! programs play is [`program_sound`]'s.
//!
//! cpal turns an input stream that is built on an *output* device into a loopback: by WASAPI's own flag on Windows,
//! by a process tap on macOS 14.6 and up. A device is opened by its id even when it is the default one, so that the
//! session alone decides when to follow another.

use std::collections::HashMap;
use std::thread::Thread;
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{Device, Host, SupportedStreamConfig};
use crossbeam_channel::Sender;

use super::loopback;
use super::policy::{self, Found};
use super::program_sound::{self, Recording};
use super::{Following, Microphone};
use crate::audio::intake::{self, Reader};
use crate::audio::{AudioError, DEFAULT_DEVICE, Source};

/// Building a stream takes milliseconds; the caller's own limit is 3 s.
const BUILD_TIMEOUT: Duration = Duration::from_secs(2);

/// A stream that runs. To be dropped on the thread that opened it.
pub(in crate::audio) enum OpenDevice {
    /// A microphone, or a speaker's loopback.
    Device(Opened),
    /// What a program plays.
    Program(Recording),
}

/// One of cpal's streams.
pub(in crate::audio) struct Opened {
    host: Host,
    wanted: Source,
    /// The device, if it was taken because it was the default one.
    followed: Option<String>,
    _stream: cpal::Stream,
    _awake: Option<loopback::Awake>,
}

impl OpenDevice {
    /// Whether the system has since chosen another default device. Asks the system.
    pub(in crate::audio) fn following(&self) -> Following {
        match self {
            Self::Device(opened) => opened.following(),
            Self::Program(recording) => recording.following(),
        }
    }
}

impl Opened {
    fn following(&self) -> Following {
        let Some(followed) = &self.followed else { return Following::Same };
        // Without any default device, what is open is still the best there is.
        let moved = default_device(&self.host, &self.wanted).is_ok_and(|now| now != *followed);
        if moved { Following::Moved } else { Following::Same }
    }
}

pub(super) fn list() -> Result<Vec<Microphone>, AudioError> {
    let host = cpal::default_host();
    let devices = host.devices().map_err(|error| AudioError::on_open(&error, DEFAULT_DEVICE))?;
    let found = devices.filter(DeviceTrait::supports_input).filter_map(|device| {
        let id = device.id().ok()?.id().to_owned();
        Some(Found { id, name: device.to_string() })
    });
    Ok(policy::microphones(found.collect(), default_device(&host, &Source::Microphone(None)).ok().as_deref()))
}

pub(super) fn list_speakers() -> Result<Vec<Microphone>, AudioError> {
    let host = cpal::default_host();
    let devices = host.output_devices().map_err(|error| AudioError::on_open(&error, DEFAULT_DEVICE))?;
    let found = devices.filter_map(|device| {
        let id = device.id().ok()?.id().to_owned();
        Some(Found { id, name: device.to_string() })
    });
    let default = default_device(&host, &Source::SystemSound(None)).ok();
    Ok(policy::microphones(found.collect(), default.as_deref()))
}

pub(super) fn default_speaker() -> Result<String, AudioError> {
    default_device(&cpal::default_host(), &Source::SystemSound(None))
}

/// There are no such numbers here: a camera's microphone is told by its name.
pub(super) fn cards() -> Result<HashMap<String, u32>, AudioError> {
    Ok(HashMap::new())
}

pub(super) fn list_applications() -> Result<Vec<Microphone>, AudioError> {
    program_sound::list()
}

pub(super) fn system_sound() -> Result<(), AudioError> {
    loopback::available()?;
    let host = cpal::default_host();
    let speaker = default_device(&host, &Source::SystemSound(None))?;
    loopback::usable(&find(&host, &speaker)?)
}

/// Opens a device; faults of the running stream go to `faults`, and `wake` is unparked after each chunk.
pub(in crate::audio) fn open(
    wanted: &Source,
    wake: Thread,
    faults: Sender<AudioError>,
) -> Result<(OpenDevice, Reader), AudioError> {
    if let Source::Application(program) = wanted {
        let (recording, reader) = program_sound::open(program, wake, faults)?;
        return Ok((OpenDevice::Program(recording), reader));
    }
    if matches!(wanted, Source::SystemSound(_)) && wanted.device().is_none() {
        match program_sound::open_others(wake.clone(), faults.clone()) {
            Ok((recording, reader)) => return Ok((OpenDevice::Program(recording), reader)),
            // With what we play ourselves is better than nothing.
            Err(error) => tracing::debug!(%error, "our own sound can't be left out"),
        }
    }
    let host = cpal::default_host();
    let (id, followed) = match wanted.device() {
        Some(id) => (id.to_owned(), None),
        None => {
            let id = default_device(&host, wanted)?;
            (id.clone(), Some(id))
        }
    };
    let device = find(&host, &id)?;
    let supported = native_config(wanted, &device, &id)?;
    let format = supported.sample_format();
    if !intake::reads(format) {
        return Err(AudioError::DeviceRefused { reason: format!("samples of type {format} are not read") });
    }
    let awake = match wanted {
        Source::SystemSound(_) => loopback::keep_awake(&device),
        Source::Microphone(_) | Source::Application(_) => None,
    };
    let config = policy::stream_config(&supported);
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
        .map_err(|error| AudioError::on_open(&error, &id))?;
    stream.play().map_err(|error| AudioError::on_open(&error, &id))?;
    let opened = Opened { host, wanted: wanted.clone(), followed, _stream: stream, _awake: awake };
    Ok((OpenDevice::Device(opened), reader))
}

/// What the device runs at anyway. Shared mode on Windows takes nothing else, and on macOS another rate would be set
/// for every program; the mix resamples.
fn native_config(wanted: &Source, device: &Device, id: &str) -> Result<SupportedStreamConfig, AudioError> {
    let config = match wanted {
        Source::Microphone(_) => {
            loopback::may_record()?;
            device.default_input_config()
        }
        Source::SystemSound(_) => {
            loopback::available()?;
            loopback::usable(device)?;
            device.default_output_config()
        }
        // Opened in another way, and never as a device.
        Source::Application(program) => return Err(AudioError::DeviceNotFound { id: program.clone() }),
    };
    config.map_err(|error| AudioError::on_open(&error, id))
}

fn find(host: &Host, id: &str) -> Result<Device, AudioError> {
    let mut devices = host.devices().map_err(|error| AudioError::on_open(&error, id))?;
    let found = devices.find(|device| device.id().is_ok_and(|each| each.id() == id));
    found.ok_or_else(|| AudioError::DeviceNotFound { id: id.to_owned() })
}

/// The device that the system's default microphone or speaker stands for now.
fn default_device(host: &Host, wanted: &Source) -> Result<String, AudioError> {
    let device = match wanted {
        Source::Microphone(_) => host.default_input_device(),
        Source::SystemSound(_) => host.default_output_device(),
        Source::Application(_) => None,
    };
    let id = device.and_then(|device| device.id().ok()).map(|id| id.id().to_owned());
    id.ok_or_else(|| AudioError::DeviceNotFound { id: DEFAULT_DEVICE.into() })
}

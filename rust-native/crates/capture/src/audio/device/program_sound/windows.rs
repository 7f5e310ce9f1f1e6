//! Windows 10 (2004) and newer: a loopback of one process and those it started, or of all others.
//!
//! The system has a virtual device for it (`VAD\Process_Loopback`), which is activated with the process's number and
//! converts to the format it is asked for. It gives silence while the program plays nothing. Which process that is,
//! is decided in [`programs`](super::super::programs).

mod capture;
mod machine;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use media::AUDIO_SAMPLE_RATE;
use windows::Win32::Foundation::E_ACCESSDENIED;
use windows::Win32::System::Com::{COINIT_MULTITHREADED, CoInitializeEx, CoUninitialize};

use self::capture::Tree;
use crate::audio::AudioError;
use crate::audio::device::{Following, Microphone};
use crate::audio::intake::{self, Reader};

/// Activation takes milliseconds; the caller's own limit is 3 s.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);

/// Every program that is connected to a speaker, but this one.
pub(in crate::audio::device) fn list() -> Result<Vec<Microphone>, AudioError> {
    let _com = Com::enter();
    Ok(machine::look()?.programs())
}

/// A loopback that runs, and the thread that reads it; both end when it is dropped.
pub(in crate::audio) struct Recording {
    /// `None`: everything but ourselves.
    program: Option<String>,
    process: u32,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Recording {
    /// Asks the system what became of the program.
    pub(in crate::audio::device) fn following(&self) -> Following {
        let Some(program) = &self.program else { return Following::Same };
        let _com = Com::enter();
        // A system that does not tell has its own way of losing the stream.
        machine::look().map_or(Following::Same, |machine| machine.following(program, self.process))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that reads a program's sound panicked");
        }
    }
}

/// Starts recording a program; faults of the running stream go to `faults`, `wake` is unparked after each packet.
pub(in crate::audio::device) fn open(
    program: &str,
    wake: Thread,
    faults: Sender<AudioError>,
) -> Result<(Recording, Reader), AudioError> {
    let process = {
        let _com = Com::enter();
        let best = machine::look()?.best(program);
        best.ok_or_else(|| AudioError::DeviceNotFound { id: program.to_owned() })?
    };
    record(Some(program.to_owned()), process, wake, faults)
}

/// The same for everything that is played but by ourselves.
pub(in crate::audio::device) fn open_others(
    wake: Thread,
    faults: Sender<AudioError>,
) -> Result<(Recording, Reader), AudioError> {
    let own = {
        let _com = Com::enter();
        machine::look()?.own_root()
    };
    record(None, own, wake, faults)
}

fn record(
    program: Option<String>,
    process: u32,
    wake: Thread,
    faults: Sender<AudioError>,
) -> Result<(Recording, Reader), AudioError> {
    let tree = if program.is_some() { Tree::Alone } else { Tree::LeftOut };
    let (mut feed, reader) = intake::feed(AUDIO_SAMPLE_RATE, wake);
    let (ready, opened) = bounded(1);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::Builder::new()
        .name("audio-loopback".into())
        .spawn(move || {
            let _com = Com::enter();
            match capture::Loopback::open(process, tree) {
                Ok(mut loopback) => {
                    // Nobody waits any more when it took too long; then it is stopped, too.
                    let _ = ready.send(Ok(()));
                    if let Err(error) = loopback.read(&mut feed, &stopped) {
                        let _ = faults.try_send(AudioError::DeviceLost { reason: error.message() });
                    }
                }
                Err(error) => drop(ready.send(Err(explain(&error)))),
            }
        })
        .map_err(|error| AudioError::DeviceRefused { reason: error.to_string() })?;
    match opened.recv_timeout(OPEN_TIMEOUT) {
        Ok(Ok(())) => Ok((Recording { program, process, stop, thread: Some(thread) }, reader)),
        Ok(Err(error)) => Err(error),
        Err(_) => {
            // Left behind: it ends by itself as soon as the system answers it.
            stop.store(true, Ordering::Relaxed);
            Err(AudioError::DeviceTimeout)
        }
    }
}

fn explain(error: &windows::core::Error) -> AudioError {
    match error.code() {
        E_ACCESSDENIED => AudioError::PermissionDenied { reason: error.message() },
        // Versions without that virtual device answer that there is no such thing.
        code if capture::UNKNOWN_DEVICE.contains(&code) => AudioError::SystemTooOld,
        _ => AudioError::DeviceRefused { reason: error.message() },
    }
}

/// This thread may call the system's components while it lives.
struct Com {
    entered: bool,
}

impl Com {
    /// A thread that is in another apartment already may call them, too.
    fn enter() -> Self {
        // SAFETY: paired with the call in `drop`, on the same thread: the type can't be sent.
        Self { entered: unsafe { CoInitializeEx(None, COINIT_MULTITHREADED) }.is_ok() }
    }
}

impl Drop for Com {
    fn drop(&mut self) {
        if self.entered {
            // SAFETY: this thread entered, and leaves once.
            unsafe { CoUninitialize() };
        }
    }
}

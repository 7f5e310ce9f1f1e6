//! One loopback: activated, read packet by packet, stopped.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use media::{AUDIO_CHANNELS, AUDIO_SAMPLE_RATE, Clock, MonotonicClock};
use windows::Win32::Foundation::{
    CloseHandle, E_INVALIDARG, E_NOTIMPL, ERROR_FILE_NOT_FOUND, ERROR_NOT_FOUND, ERROR_TIMEOUT, HANDLE, WAIT_FAILED,
};
use windows::Win32::Media::Audio::{
    AUDCLNT_BUFFERFLAGS_SILENT, AUDCLNT_BUFFERFLAGS_TIMESTAMP_ERROR, AUDCLNT_E_DEVICE_INVALIDATED,
    AUDCLNT_SHAREMODE_SHARED, AUDCLNT_STREAMFLAGS_AUTOCONVERTPCM, AUDCLNT_STREAMFLAGS_EVENTCALLBACK,
    AUDCLNT_STREAMFLAGS_LOOPBACK, AUDIOCLIENT_ACTIVATION_PARAMS, AUDIOCLIENT_ACTIVATION_PARAMS_0,
    AUDIOCLIENT_ACTIVATION_TYPE_PROCESS_LOOPBACK, AUDIOCLIENT_PROCESS_LOOPBACK_PARAMS, ActivateAudioInterfaceAsync,
    IActivateAudioInterfaceAsyncOperation, IActivateAudioInterfaceCompletionHandler,
    IActivateAudioInterfaceCompletionHandler_Impl, IAudioCaptureClient, IAudioClient,
    PROCESS_LOOPBACK_MODE_EXCLUDE_TARGET_PROCESS_TREE, PROCESS_LOOPBACK_MODE_INCLUDE_TARGET_PROCESS_TREE,
    VIRTUAL_AUDIO_DEVICE_PROCESS_LOOPBACK, WAVEFORMATEX,
};
use windows::Win32::System::Com::BLOB;
use windows::Win32::System::Com::StructuredStorage::{PROPVARIANT, PROPVARIANT_0, PROPVARIANT_0_0, PROPVARIANT_0_0_0};
use windows::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows::Win32::System::Threading::{CreateEventW, WaitForSingleObject};
use windows::Win32::System::Variant::VT_BLOB;
use windows::core::{Error, HRESULT, IUnknown, Interface, Ref, Result, implement};

use crate::audio::device::programs;
use crate::audio::intake::{Feed, duration};

/// What Windows answers that has no such virtual device.
pub(super) const UNKNOWN_DEVICE: [HRESULT; 4] =
    [E_NOTIMPL, E_INVALIDARG, HRESULT::from_win32(ERROR_FILE_NOT_FOUND.0), HRESULT::from_win32(ERROR_NOT_FOUND.0)];
/// The system answers in milliseconds, or hardly ever.
const ACTIVATION: Duration = Duration::from_millis(1500);
/// Twenty milliseconds, in units of 100 ns: twice what the system makes at once.
const BUFFER: i64 = 200_000;
/// How soon an order to stop is seen when no packet comes.
const LOOK_EVERY_MS: u32 = 100;
/// `mmreg.h`; samples from -1 to 1.
const WAVE_FORMAT_IEEE_FLOAT: u16 = 3;

/// What becomes of a process and those it started or will start.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tree {
    /// They alone are recorded.
    Alone,
    /// Everything else is.
    LeftOut,
}

/// See the module. Lives and dies on one thread.
pub(super) struct Loopback {
    client: IAudioClient,
    packets: IAudioCaptureClient,
    arrived: Event,
    /// Ticks of the performance counter in a second.
    frequency: i64,
    silence: Vec<f32>,
}

impl Loopback {
    /// Starts it.
    pub(super) fn open(process: u32, tree: Tree) -> Result<Self> {
        let client = activate(process, tree)?;
        let bytes = size_of::<f32>() as u32;
        let format = WAVEFORMATEX {
            wFormatTag: WAVE_FORMAT_IEEE_FLOAT,
            nChannels: AUDIO_CHANNELS as u16,
            nSamplesPerSec: AUDIO_SAMPLE_RATE,
            nAvgBytesPerSec: AUDIO_SAMPLE_RATE * AUDIO_CHANNELS as u32 * bytes,
            nBlockAlign: (AUDIO_CHANNELS as u32 * bytes) as u16,
            wBitsPerSample: 8 * bytes as u16,
            cbSize: 0,
        };
        let flags =
            AUDCLNT_STREAMFLAGS_LOOPBACK | AUDCLNT_STREAMFLAGS_EVENTCALLBACK | AUDCLNT_STREAMFLAGS_AUTOCONVERTPCM;
        // SAFETY: a fresh client, and a format that outlives the call.
        unsafe { client.Initialize(AUDCLNT_SHAREMODE_SHARED, flags, BUFFER, 0, &raw const format, None) }?;
        let arrived = Event::new()?;
        let mut frequency = 0;
        // SAFETY: the event lives as long as the client that signals it; the number is ours.
        let packets = unsafe {
            client.SetEventHandle(arrived.0)?;
            QueryPerformanceFrequency(&raw mut frequency)?;
            client.GetService()?
        };
        // SAFETY: initialised, with its event set.
        unsafe { client.Start() }?;
        Ok(Self { client, packets, arrived, frequency: frequency.max(1), silence: Vec::new() })
    }

    /// Hands every packet on until it is to stop (`Ok`) or the stream breaks.
    pub(super) fn read(&mut self, feed: &mut Feed, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            // SAFETY: the event is open.
            if unsafe { WaitForSingleObject(self.arrived.0, LOOK_EVERY_MS) } == WAIT_FAILED {
                return Err(Error::from_thread());
            }
            // SAFETY: a valid interface.
            while unsafe { self.packets.GetNextPacketSize() }? > 0 {
                self.packet(feed)?;
            }
        }
        Ok(())
    }

    fn packet(&mut self, feed: &mut Feed) -> Result<()> {
        let (mut data, mut frames, mut flags, mut played) = (std::ptr::null_mut(), 0, 0, 0);
        // SAFETY: all are ours to be written to.
        unsafe {
            self.packets.GetBuffer(&raw mut data, &raw mut frames, &raw mut flags, None, Some(&raw mut played))?;
        }
        let said = |flag: i32| flags & flag as u32 != 0;
        let played = Some(played).filter(|_| !said(AUDCLNT_BUFFERFLAGS_TIMESTAMP_ERROR.0));
        let length = duration(u64::from(frames), AUDIO_SAMPLE_RATE);
        let captured_at = programs::captured_at(MonotonicClock.now(), self.counter(), played, length);
        let samples = frames as usize * AUDIO_CHANNELS;
        if said(AUDCLNT_BUFFERFLAGS_SILENT.0) || data.is_null() {
            self.silence.resize(samples, 0.0);
            feed.push(&self.silence, captured_at);
        } else {
            // SAFETY: so many frames of the format that was asked for lie there until the buffer is released; the
            // system aligns its buffers to frames.
            feed.push(unsafe { std::slice::from_raw_parts(data.cast::<f32>(), samples) }, captured_at);
        }
        // SAFETY: the packet that was got, whole.
        unsafe { self.packets.ReleaseBuffer(frames) }
    }

    /// The performance counter in the units of packets' stamps, 100 ns.
    fn counter(&self) -> u64 {
        let mut ticks = 0;
        // SAFETY: the number is ours. The call can't fail since Windows XP.
        if unsafe { QueryPerformanceCounter(&raw mut ticks) }.is_err() {
            return 0;
        }
        u64::try_from(i128::from(ticks) * 10_000_000 / i128::from(self.frequency)).unwrap_or(0)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        // SAFETY: a valid interface that was started.
        if let Err(error) = unsafe { self.client.Stop() } {
            tracing::debug!(%error, "a program's loopback could not be stopped");
        }
    }
}

/// The virtual device for that process (`ActivateAudioInterfaceAsync`, waited for).
fn activate(process: u32, tree: Tree) -> Result<IAudioClient> {
    let mut wanted = AUDIOCLIENT_ACTIVATION_PARAMS {
        ActivationType: AUDIOCLIENT_ACTIVATION_TYPE_PROCESS_LOOPBACK,
        Anonymous: AUDIOCLIENT_ACTIVATION_PARAMS_0 {
            ProcessLoopbackParams: AUDIOCLIENT_PROCESS_LOOPBACK_PARAMS {
                TargetProcessId: process,
                ProcessLoopbackMode: match tree {
                    Tree::Alone => PROCESS_LOOPBACK_MODE_INCLUDE_TARGET_PROCESS_TREE,
                    Tree::LeftOut => PROCESS_LOOPBACK_MODE_EXCLUDE_TARGET_PROCESS_TREE,
                },
            },
        },
    };
    let blob = BLOB { cbSize: size_of_val(&wanted) as u32, pBlobData: (&raw mut wanted).cast() };
    // Never cleared: that would free what lies on our stack.
    let parameters = ManuallyDrop::new(PROPVARIANT {
        Anonymous: PROPVARIANT_0 {
            Anonymous: ManuallyDrop::new(PROPVARIANT_0_0 {
                vt: VT_BLOB,
                wReserved1: 0,
                wReserved2: 0,
                wReserved3: 0,
                Anonymous: PROPVARIANT_0_0_0 { blob },
            }),
        },
    });
    let (answer, answered) = channel();
    let handler: IActivateAudioInterfaceCompletionHandler = Handler(answer).into();
    // SAFETY: the parameters outlive the wait for the answer; the handler is counted by the system.
    let _operation = unsafe {
        ActivateAudioInterfaceAsync(
            VIRTUAL_AUDIO_DEVICE_PROCESS_LOOPBACK,
            &IAudioClient::IID,
            Some(&raw const *parameters),
            &handler,
        )
    }?;
    let interface = answered.recv_timeout(ACTIVATION).map_err(|_| Error::from_hresult(ERROR_TIMEOUT.to_hresult()))?;
    interface?.cast()
}

/// Is told by a thread of the system's.
#[implement(IActivateAudioInterfaceCompletionHandler)]
struct Handler(Sender<Result<IUnknown>>);

impl IActivateAudioInterfaceCompletionHandler_Impl for Handler_Impl {
    fn ActivateCompleted(&self, operation: Ref<'_, IActivateAudioInterfaceAsyncOperation>) -> Result<()> {
        let outcome = operation.ok().and_then(|operation| {
            let (mut result, mut interface) = (HRESULT(0), None);
            // SAFETY: both are ours to be written to.
            unsafe { operation.GetActivateResult(&raw mut result, &raw mut interface) }?;
            result.ok()?;
            interface.ok_or_else(|| Error::from_hresult(AUDCLNT_E_DEVICE_INVALIDATED))
        });
        // Whoever waited may have given up.
        let _ = self.0.send(outcome);
        Ok(())
    }
}

/// Set by the system when a packet is there; closed with its owner.
struct Event(HANDLE);

impl Event {
    fn new() -> Result<Self> {
        // SAFETY: an event without a name, which resets itself.
        Ok(Self(unsafe { CreateEventW(None, false, false, None) }?))
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: it is open and nobody else's. The client is stopped by now, as `Loopback` does that first.
        if let Err(error) = unsafe { CloseHandle(self.0) } {
            tracing::debug!(%error, "an event could not be closed");
        }
    }
}

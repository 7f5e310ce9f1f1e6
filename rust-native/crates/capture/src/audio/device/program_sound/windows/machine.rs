//! The processes that run and the sessions that speakers have, as Windows tells them.

use windows::Win32::Foundation::{CloseHandle, HANDLE};
use windows::Win32::Media::Audio::{
    AudioSessionStateActive, AudioSessionStateExpired, DEVICE_STATE_ACTIVE, IAudioSessionControl2,
    IAudioSessionManager2, IMMDevice, IMMDeviceEnumerator, MMDeviceEnumerator, eRender,
};
use windows::Win32::System::Com::{CLSCTX_ALL, CoCreateInstance};
use windows::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows::core::{Interface, Result};

use crate::audio::AudioError;
use crate::audio::device::programs::{Machine, Process, Session, stem};

/// As it is now. The calling thread has entered an apartment.
pub(super) fn look() -> std::result::Result<Machine, AudioError> {
    let refused = |error: windows::core::Error| AudioError::DeviceRefused { reason: error.message() };
    let processes = processes().map_err(refused)?;
    Ok(Machine { processes, sessions: sessions().map_err(refused)?, own: std::process::id() })
}

fn processes() -> Result<Vec<Process>> {
    // SAFETY: a call without preconditions; the handle is closed by its owner.
    let snapshot = Handle(unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) }?);
    let mut entry = PROCESSENTRY32W { dwSize: size_of::<PROCESSENTRY32W>() as u32, ..Default::default() };
    let mut processes = Vec::new();
    // SAFETY: the snapshot is open, and the entry says its own size.
    let mut more = unsafe { Process32FirstW(snapshot.0, &raw mut entry) };
    while more.is_ok() {
        let length = entry.szExeFile.iter().position(|unit| *unit == 0).unwrap_or(entry.szExeFile.len());
        let file = String::from_utf16_lossy(&entry.szExeFile[..length]);
        let name = stem(&file).to_owned();
        processes.push(Process { id: entry.th32ProcessID, parent: entry.th32ParentProcessID, name });
        // SAFETY: as above.
        more = unsafe { Process32NextW(snapshot.0, &raw mut entry) };
    }
    Ok(processes)
}

fn sessions() -> Result<Vec<Session>> {
    // SAFETY: the calling thread has entered an apartment.
    let devices: IMMDeviceEnumerator = unsafe { CoCreateInstance(&MMDeviceEnumerator, None, CLSCTX_ALL) }?;
    // SAFETY: a valid interface; so are all of those below, which live as long as their values.
    let speakers = unsafe { devices.EnumAudioEndpoints(eRender, DEVICE_STATE_ACTIVE) }?;
    let mut found = Vec::new();
    // SAFETY: as above.
    for at in 0..unsafe { speakers.GetCount() }? {
        // SAFETY: as above. A speaker that was pulled out in this moment has no sessions.
        let of_speaker = unsafe { speakers.Item(at) }.and_then(|speaker| sessions_of(&speaker));
        match of_speaker {
            Ok(sessions) => found.extend(sessions),
            Err(error) => tracing::debug!(%error, "a speaker does not tell who plays"),
        }
    }
    Ok(found)
}

fn sessions_of(speaker: &IMMDevice) -> Result<Vec<Session>> {
    // SAFETY: a valid interface, activated without parameters.
    let manager: IAudioSessionManager2 = unsafe { speaker.Activate(CLSCTX_ALL, None) }?;
    // SAFETY: valid interfaces, here and below.
    let all = unsafe { manager.GetSessionEnumerator() }?;
    let mut found = Vec::new();
    // SAFETY: as above.
    for at in 0..unsafe { all.GetCount() }? {
        // SAFETY: as above.
        let session = unsafe { all.GetSession(at) }.and_then(|session| {
            let session: IAudioSessionControl2 = session.cast()?;
            // SAFETY: as above.
            unsafe { Ok((session.GetState()?, session.GetProcessId()?)) }
        });
        match session {
            // Process 0 is the system's own sounds.
            Ok((state, process)) if state != AudioSessionStateExpired && process != 0 => {
                found.push(Session { process, active: state == AudioSessionStateActive });
            }
            // Expired, or gone since it was counted.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(found)
}

/// Closed with its owner.
struct Handle(HANDLE);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: it is open and nobody else's.
        if let Err(error) = unsafe { CloseHandle(self.0) } {
            tracing::debug!(%error, "a snapshot of the processes could not be closed");
        }
    }
}

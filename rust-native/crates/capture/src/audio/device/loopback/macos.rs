//! Core Audio: loopback is a process tap, which macOS has since 14.2 and cpal supports from 14.6.

use std::process::Command;

use cpal::Device;
use cpal::traits::DeviceTrait;
use objc2_av_foundation::{AVAuthorizationStatus, AVCaptureDevice, AVMediaTypeAudio};

use crate::audio::AudioError;
use crate::audio::device::policy;

const FIRST_WITH_TAPS: (u32, u32) = (14, 6);

/// A tap's aggregate device runs by itself: nothing has to be kept awake, and this is never made.
pub(in crate::audio::device) enum Awake {}

/// Whether this macOS can record what is played.
pub(in crate::audio::device) fn available() -> Result<(), AudioError> {
    let output = Command::new("/usr/bin/sw_vers").arg("-productVersion").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    match policy::version(&text) {
        // A version that can't be read is no reason to refuse: opening the tap will tell.
        Some(version) if version < FIRST_WITH_TAPS => Err(AudioError::SystemTooOld),
        _ => Ok(()),
    }
}

/// Whether the user allows microphones. Core Audio itself would open one and send silence. Undecided counts as
/// allowed: opening asks.
pub(in crate::audio::device) fn may_record() -> Result<(), AudioError> {
    // SAFETY: a constant of the framework, set before any of our code runs.
    let Some(sound) = (unsafe { AVMediaTypeAudio }) else { return Ok(()) };
    // SAFETY: a class method without preconditions.
    match unsafe { AVCaptureDevice::authorizationStatusForMediaType(sound) } {
        AVAuthorizationStatus::Denied | AVAuthorizationStatus::Restricted => {
            Err(AudioError::PermissionDenied { reason: "System Settings > Privacy & Security > Microphone".into() })
        }
        _ => Ok(()),
    }
}

/// Whether cpal would tap that speaker: one device with inputs too is opened as a microphone instead.
pub(in crate::audio::device) fn usable(speaker: &Device) -> Result<(), AudioError> {
    if speaker.supports_input() {
        let reason = format!("{speaker} is microphone and speaker in one; its sound can't be told apart");
        return Err(AudioError::DeviceRefused { reason });
    }
    Ok(())
}

/// Nothing to do here.
pub(in crate::audio::device) fn keep_awake(_speaker: &Device) -> Option<Awake> {
    None
}

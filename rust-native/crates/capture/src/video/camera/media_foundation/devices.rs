//! Which cameras there are.

use std::ptr::null_mut;
use std::slice;

use windows::Win32::Media::MediaFoundation::{
    IMFActivate, IMFAttributes, MF_DEVSOURCE_ATTRIBUTE_FRIENDLY_NAME, MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE,
    MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_VIDCAP_GUID, MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_VIDCAP_SYMBOLIC_LINK,
    MF_VERSION, MFCreateAttributes, MFEnumDeviceSources, MFSTARTUP_LITE, MFShutdown, MFStartup,
};
use windows::Win32::System::Com::{COINIT_MULTITHREADED, CoInitializeEx, CoTaskMemFree, CoUninitialize};
use windows::core::{GUID, HRESULT, PWSTR};

use super::reader::refused;
use crate::video::VideoError;

/// COM and Media Foundation on this thread, for as long as it lives.
pub(super) struct Platform {
    com: HRESULT,
}

impl Platform {
    pub(super) fn start() -> Result<Self, VideoError> {
        // SAFETY: paired with the call in `drop`, which comes on the same thread: the value is not `Send`-able further.
        let com = unsafe { CoInitializeEx(None, COINIT_MULTITHREADED) };
        let platform = Self { com };
        // SAFETY: paired with `MFShutdown` in `drop`.
        unsafe { MFStartup(MF_VERSION, MFSTARTUP_LITE) }.map_err(|error| refused(&error))?;
        Ok(platform)
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        // SAFETY: started above. A start that failed may be shut down as well, which does nothing.
        let _ = unsafe { MFShutdown() };
        if self.com.is_ok() {
            // SAFETY: initialised above, on this thread.
            unsafe { CoUninitialize() };
        }
    }
}

/// The device path of every camera, and its name.
pub(super) fn all() -> Result<Vec<(String, String)>, VideoError> {
    let _platform = Platform::start()?;
    let describe = |device: &IMFActivate| {
        let path = text(device, &MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_VIDCAP_SYMBOLIC_LINK)?;
        let name = text(device, &MF_DEVSOURCE_ATTRIBUTE_FRIENDLY_NAME).unwrap_or_else(|| path.clone());
        Some((path, name))
    };
    Ok(devices()?.iter().filter_map(describe).collect())
}

/// The camera of that device path. The platform must be started.
pub(super) fn find(path: &str) -> Result<IMFActivate, VideoError> {
    let link = &MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_VIDCAP_SYMBOLIC_LINK;
    // Windows itself writes them in either case.
    let is_it = |device: &IMFActivate| text(device, link).is_some_and(|found| found.eq_ignore_ascii_case(path));
    devices()?.into_iter().find(is_it).ok_or(VideoError::CameraUnplugged)
}

fn devices() -> Result<Vec<IMFActivate>, VideoError> {
    let mut attributes: Option<IMFAttributes> = None;
    // SAFETY: `attributes` is writable.
    unsafe { MFCreateAttributes(&raw mut attributes, 1) }.map_err(|error| refused(&error))?;
    let Some(attributes) = attributes else { return Ok(Vec::new()) };
    // SAFETY: both are constants.
    unsafe { attributes.SetGUID(&MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE, &MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_VIDCAP_GUID) }
        .map_err(|error| refused(&error))?;
    let (mut list, mut count) = (null_mut::<Option<IMFActivate>>(), 0);
    // SAFETY: both are writable.
    unsafe { MFEnumDeviceSources(&attributes, &raw mut list, &raw mut count) }.map_err(|error| refused(&error))?;
    if list.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the call gave `count` entries there, whose references are ours to take, once.
    let devices =
        unsafe { slice::from_raw_parts_mut(list, count as usize) }.iter_mut().filter_map(Option::take).collect();
    // SAFETY: the list itself is ours to free, and its entries were taken out.
    unsafe { CoTaskMemFree(Some(list.cast_const().cast())) };
    Ok(devices)
}

fn text(device: &IMFActivate, key: &GUID) -> Option<String> {
    let (mut text, mut length) = (PWSTR::null(), 0);
    // SAFETY: both are writable.
    unsafe { device.GetAllocatedString(key, &raw mut text, &raw mut length) }.ok()?;
    // SAFETY: a string that ends with a zero, ours to free after it was copied.
    let copied = unsafe { text.to_string() }.ok();
    // SAFETY: as above.
    unsafe { CoTaskMemFree(Some(text.0.cast_const().cast())) };
    copied
}

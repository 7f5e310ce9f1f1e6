//! Whether a monitor is in HDR, and how bright it is then.

use std::mem::size_of;

use windows::Win32::Devices::Display::{
    DISPLAYCONFIG_DEVICE_INFO_GET_SDR_WHITE_LEVEL, DISPLAYCONFIG_DEVICE_INFO_GET_SOURCE_NAME,
    DISPLAYCONFIG_DEVICE_INFO_HEADER, DISPLAYCONFIG_MODE_INFO, DISPLAYCONFIG_PATH_INFO, DISPLAYCONFIG_SDR_WHITE_LEVEL,
    DISPLAYCONFIG_SOURCE_DEVICE_NAME, DisplayConfigGetDeviceInfo, GetDisplayConfigBufferSizes, QDC_ONLY_ACTIVE_PATHS,
    QueryDisplayConfig,
};
use windows::Win32::Graphics::Dxgi::Common::DXGI_COLOR_SPACE_RGB_FULL_G2084_NONE_P2020;
use windows::Win32::Graphics::Dxgi::{CreateDXGIFactory1, DXGI_OUTPUT_DESC1, IDXGIFactory1, IDXGIOutput6};
use windows::Win32::Graphics::Gdi::HMONITOR;
use windows::core::Interface;

use crate::video::tone_map::Brightness;

/// What Windows sets when nobody has moved the slider, cd/m².
const USUAL_WHITE: f32 = 200.0;
/// `SDRWhiteLevel` counts thousandths of 80 cd/m².
const WHITE_UNIT: f32 = 80.0 / 1000.0;

/// `None` while the monitor is in SDR, or where nothing is known of it.
pub(super) fn of(monitor: HMONITOR) -> Option<Brightness> {
    let output = output(monitor)?;
    (output.ColorSpace == DXGI_COLOR_SPACE_RGB_FULL_G2084_NONE_P2020).then(|| Brightness {
        white_nits: white(&output.DeviceName).unwrap_or(USUAL_WHITE),
        peak_nits: output.MaxLuminance,
    })
}

fn output(monitor: HMONITOR) -> Option<DXGI_OUTPUT_DESC1> {
    // SAFETY: the calls below only read, from objects that are held as long as they are asked.
    unsafe {
        let factory: IDXGIFactory1 = CreateDXGIFactory1().ok()?;
        // Both lists end with an error, "not found".
        for adapter in (0..).map_while(|index| factory.EnumAdapters1(index).ok()) {
            for output in (0..).map_while(|index| adapter.EnumOutputs(index).ok()) {
                let Ok(output) = output.cast::<IDXGIOutput6>().and_then(|output| output.GetDesc1()) else { continue };
                if output.Monitor == monitor {
                    return Some(output);
                }
            }
        }
    }
    None
}

/// The white of ordinary windows on the monitor of that device name, cd/m².
fn white(device: &[u16; 32]) -> Option<f32> {
    let (mut path_count, mut mode_count) = (0, 0);
    // SAFETY: both counts are writable.
    unsafe { GetDisplayConfigBufferSizes(QDC_ONLY_ACTIVE_PATHS, &raw mut path_count, &raw mut mode_count) }
        .ok()
        .ok()?;
    let mut paths = vec![DISPLAYCONFIG_PATH_INFO::default(); path_count as usize];
    let mut modes = vec![DISPLAYCONFIG_MODE_INFO::default(); mode_count as usize];
    // SAFETY: both lists are as long as their counts say.
    let asked = unsafe {
        QueryDisplayConfig(
            QDC_ONLY_ACTIVE_PATHS,
            &raw mut path_count,
            paths.as_mut_ptr(),
            &raw mut mode_count,
            modes.as_mut_ptr(),
            None,
        )
    };
    asked.ok().ok()?;
    let path = paths.iter().take(path_count as usize).find(|path| {
        let mut name = DISPLAYCONFIG_SOURCE_DEVICE_NAME {
            header: DISPLAYCONFIG_DEVICE_INFO_HEADER {
                r#type: DISPLAYCONFIG_DEVICE_INFO_GET_SOURCE_NAME,
                size: size_of::<DISPLAYCONFIG_SOURCE_DEVICE_NAME>() as u32,
                adapterId: path.sourceInfo.adapterId,
                id: path.sourceInfo.id,
            },
            viewGdiDeviceName: [0; 32],
        };
        // SAFETY: the header is the first field of a structure of the size that it says.
        unsafe {
            DisplayConfigGetDeviceInfo((&raw mut name).cast()) == 0 && text(&name.viewGdiDeviceName) == text(device)
        }
    })?;
    let mut level = DISPLAYCONFIG_SDR_WHITE_LEVEL {
        header: DISPLAYCONFIG_DEVICE_INFO_HEADER {
            r#type: DISPLAYCONFIG_DEVICE_INFO_GET_SDR_WHITE_LEVEL,
            size: size_of::<DISPLAYCONFIG_SDR_WHITE_LEVEL>() as u32,
            adapterId: path.targetInfo.adapterId,
            id: path.targetInfo.id,
        },
        SDRWhiteLevel: 0,
    };
    // SAFETY: as above.
    let asked = unsafe { DisplayConfigGetDeviceInfo((&raw mut level).cast()) };
    (asked == 0 && level.SDRWhiteLevel > 0).then_some(level.SDRWhiteLevel as f32 * WHITE_UNIT)
}

/// Up to the zero that ends it.
fn text(units: &[u16]) -> &[u16] {
    units.split(|&unit| unit == 0).next().unwrap_or_default()
}

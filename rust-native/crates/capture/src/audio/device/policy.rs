//! What is asked of a Windows or macOS sound device: pure, so that it is tested on every system.

use cpal::{BufferSize, StreamConfig, SupportedBufferSize, SupportedStreamConfig};

use super::Microphone;
use crate::audio::DEFAULT_DEVICE;

/// An input device as the system names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) name: String,
}

/// The list for the user: the entry that follows the system's choice first, where there is such a choice.
pub(super) fn microphones(found: Vec<Found>, default: Option<&str>) -> Vec<Microphone> {
    let stands_for = found.iter().find(|each| Some(each.id.as_str()) == default);
    let first = stands_for.map(|each| Microphone { id: DEFAULT_DEVICE.into(), name: each.name.clone() });
    let rest = found.into_iter().map(|each| Microphone { id: each.id, name: each.name });
    first.into_iter().chain(rest).collect()
}

/// The device's own rate and channels, in chunks of 10 ms or as near to it as the device can.
pub(super) fn stream_config(supported: &SupportedStreamConfig) -> StreamConfig {
    let wanted = supported.sample_rate() / 100;
    let frames = match *supported.buffer_size() {
        SupportedBufferSize::Range { min, max } if min <= max && max > 0 => wanted.clamp(min, max),
        _ => wanted,
    };
    StreamConfig {
        channels: supported.channels(),
        sample_rate: supported.sample_rate(),
        // Never the default size: some hosts take it for seconds.
        buffer_size: BufferSize::Fixed(frames.max(1)),
    }
}

/// The first two numbers of a macOS version, "14.6.1" or "15".
#[cfg(any(target_os = "macos", test))]
pub(super) fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().split('.').map(str::parse);
    let major = parts.next()?.ok()?;
    Some((major, parts.next().and_then(Result::ok).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use cpal::SampleFormat;

    use super::*;

    fn supported(rate: u32, buffer: SupportedBufferSize) -> SupportedStreamConfig {
        SupportedStreamConfig::new(2, rate, buffer, SampleFormat::F32)
    }

    #[test]
    fn the_default_microphone_comes_first_under_an_id_that_follows_it() {
        let found = |id: &str| Found { id: id.into(), name: format!("name of {id}") };
        let list = microphones(vec![found("a"), found("b")], Some("b"));
        let ids: Vec<&str> = list.iter().map(|each| each.id.as_str()).collect();
        assert_eq!(ids, [DEFAULT_DEVICE, "a", "b"]);
        assert_eq!(list[0].name, "name of b");
    }

    #[test]
    fn without_a_default_device_there_is_nothing_to_follow() {
        let list = microphones(vec![Found { id: "a".into(), name: "a".into() }], None);
        assert_eq!(list.len(), 1);
        assert!(microphones(Vec::new(), Some("gone")).is_empty());
    }

    #[test]
    fn chunks_last_ten_milliseconds_or_as_near_as_the_device_can() {
        let fixed = |rate, buffer| stream_config(&supported(rate, buffer)).buffer_size;
        assert_eq!(fixed(48_000, SupportedBufferSize::Unknown), BufferSize::Fixed(480));
        assert_eq!(fixed(44_100, SupportedBufferSize::Range { min: 14, max: 4096 }), BufferSize::Fixed(441));
        assert_eq!(fixed(16_000, SupportedBufferSize::Range { min: 256, max: 4096 }), BufferSize::Fixed(256));
        // A driver that knows no limits and says so as zero to zero.
        assert_eq!(fixed(48_000, SupportedBufferSize::Range { min: 0, max: 0 }), BufferSize::Fixed(480));
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(version("14.6.1\n"), Some((14, 6)));
        assert_eq!(version("15"), Some((15, 0)));
        assert!(version("14.10") > version("14.6"));
        assert_eq!(version("unknown"), None);
    }
}

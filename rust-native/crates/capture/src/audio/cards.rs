//! Which sound card each microphone of the server is on: what tells a camera's microphone from others.

use std::collections::HashMap;
use std::ffi::CStr;

use pulseaudio::protocol::{Command, SourceInfo};

use super::AudioError;
use super::program::{Link, refused};

/// PulseAudio's name for the number of an ALSA card, and PipeWire's own for it.
const CARD: [&CStr; 3] = [c"alsa.card", c"api.alsa.pcm.card", c"api.alsa.card"];

/// By the id that `list_microphones` gives, the number of the ALSA card: `/sys/class/sound/cardN`. What is on none
/// (a virtual device, one of the network, a headset by radio) is left out. Blocks up to 2 s.
///
/// # Errors
/// `no_sound_server`.
pub(super) fn of_microphones() -> Result<HashMap<String, u32>, AudioError> {
    let sources: Vec<SourceInfo> = Link::connect()?.ask(2, &Command::GetSourceInfoList).map_err(refused)?;
    Ok(sources
        .iter()
        // A monitor is what a sink of the same card plays.
        .filter(|source| source.monitor_of_sink_index.is_none())
        .filter_map(|source| Some((source.name.to_str().ok()?.to_owned(), card(source)?)))
        .collect())
}

fn card(source: &SourceInfo) -> Option<u32> {
    let text = CARD.iter().find_map(|name| source.props.get_bytes(name))?;
    std::str::from_utf8(text).ok()?.trim_end_matches('\0').parse().ok()
}

//! What headphones do to the stream when they are the very speaker that is captured: what that speaker plays would be
//! captured and played again for ever, and what else they play is heard by viewers a second time.

use capture::audio::{DEFAULT_DEVICE, default_speaker};

use crate::AudioSource;

/// It is not played: it would be captured again, and played again, for ever.
pub(crate) const COMES_BACK: &str = "comes_back";
/// It is played, and captured with what the speaker plays besides.
pub(crate) const HEARD_TWICE: &str = "heard_twice";

/// What is wrong with hearing an input of that source in these headphones (`None`: there are none), while all of
/// `open` are captured.
pub(crate) fn problem<'a>(
    source: Option<&AudioSource>,
    headphones: Option<&str>,
    mut open: impl Iterator<Item = &'a AudioSource>,
) -> Option<&'static str> {
    let (source, headphones) = (source?, headphones?);
    let is_captured = |source: &AudioSource| match source {
        AudioSource::SystemSound { device } => same_speaker(device, headphones, default_speaker),
        AudioSource::Microphone { .. } | AudioSource::Application { .. } => false,
    };
    if is_captured(source) {
        return Some(COMES_BACK);
    }
    // A program is heard there anyway, and so captured with the speaker.
    let adds = matches!(source, AudioSource::Microphone { .. });
    (adds && open.any(is_captured)).then_some(HEARD_TWICE)
}

/// `"default"` is whatever the system has chosen now, which is asked for only where that decides.
fn same_speaker(a: &str, b: &str, chosen: impl FnOnce() -> Option<String>) -> bool {
    match (a, b) {
        (a, b) if a == b => true,
        (DEFAULT_DEVICE, named) | (named, DEFAULT_DEVICE) => chosen().as_deref() == Some(named),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speaker_is_itself_by_any_name() {
        let chosen = || Some("usb".to_owned());
        for (a, b, same) in [
            ("default", "default", true),
            ("usb", "usb", true),
            ("default", "usb", true),
            ("usb", "default", true),
            ("default", "hdmi", false),
            ("usb", "hdmi", false),
        ] {
            assert_eq!(same_speaker(a, b, chosen), same, "{a} and {b}");
        }
        assert!(!same_speaker("default", "usb", || None), "a system without a default speaker");
    }

    #[test]
    fn a_speaker_s_sound_is_kept_from_it_and_a_microphone_is_heard_twice_by_it() {
        let system = AudioSource::SystemSound { device: "default".into() };
        let microphone = AudioSource::Microphone { device: "default".into() };
        let said = |source, headphones, open: &[AudioSource]| problem(Some(source), headphones, open.iter());
        let both = [system.clone(), microphone.clone()];
        assert_eq!(said(&system, Some("default"), &both), Some(COMES_BACK));
        assert_eq!(said(&microphone, Some("default"), &both), Some(HEARD_TWICE));
        assert_eq!(said(&microphone, Some("default"), &both[1..]), None, "no speaker is captured");
        assert_eq!(said(&system, None, &both), None, "nobody listens");
    }
}

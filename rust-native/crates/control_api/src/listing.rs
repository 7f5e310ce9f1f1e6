//! What there is to capture and to encode with.

use capture::video::{SourceInfo, SourceKind, VideoError};
use encoder::{EncoderError, VideoConfig};
use media::VideoCodec;

use crate::settings::propose;
use crate::{
    CodecChoice, Described, Destination, Encoders, MicrophoneInfo, Problem, RefusedEncoder, SourceProblem, Sources,
    VideoSettings, VideoSourceInfo,
};

/// Everything that can be captured now; what can't be listed is named in `problems`. Blocks.
pub(crate) fn sources(thumbnail_url: impl Fn(&str) -> String) -> Sources {
    let mut problems = Vec::new();
    let video = capture::video::list_sources().unwrap_or_else(|error| {
        problems.push(Problem::from(error));
        Vec::new()
    });
    problems.extend(without_screens(&video).map(Problem::from));
    let cameras = capture::video::list_cameras();
    let microphones = capture::audio::list_microphones().unwrap_or_else(|error| {
        problems.push(Problem::from(error));
        Vec::new()
    });
    let own = capture::microphones_of(&cameras, &microphones);
    let mut video: Vec<_> = video.into_iter().map(|source| info(source, &thumbnail_url)).collect();
    let heard = cameras.into_iter().zip(own);
    video.extend(heard.map(|(camera, microphone)| VideoSourceInfo { microphone, ..info(camera, &thumbnail_url) }));
    Sources {
        video,
        microphones: microphones.into_iter().map(device).collect(),
        system_sound: capture::audio::system_sound_available(),
        // Why there are none is told of the microphones, which the same server has.
        speakers: capture::audio::list_speakers().unwrap_or_default().into_iter().map(device).collect(),
        applications: capture::audio::list_applications().unwrap_or_default().into_iter().map(device).collect(),
        problems,
    }
}

/// What the sources of those ids are now, in their order; one that can't be had is named in `problems`, by its id.
/// Blocks.
pub(crate) fn describe(ids: &[String], thumbnail_url: impl Fn(&str) -> String) -> Described {
    let mut described = Described { sources: Vec::new(), problems: Vec::new() };
    for id in ids {
        match capture::video::describe(id) {
            Ok(source) => described.sources.push(info(source, &thumbnail_url)),
            Err(error) => described.problems.push(SourceProblem { id: id.clone(), problem: error.into() }),
        }
    }
    described
}

fn info(source: SourceInfo, thumbnail_url: impl Fn(&str) -> String) -> VideoSourceInfo {
    VideoSourceInfo {
        thumbnail_url: thumbnail_url(&source.id),
        id: source.id,
        lasting_id: source.lasting_id,
        kind: source.kind.name().to_owned(),
        title: source.title,
        program: source.program,
        x: source.area.x,
        y: source.area.y,
        width: source.area.width,
        height: source.area.height,
        microphone: None,
    }
}

/// Windows but no monitor: the X server inside a Wayland session, which sees the windows of X programs and nothing
/// else. What is missing from the list must be said, or a user looks for their screen in vain.
fn without_screens(listed: &[SourceInfo]) -> Option<VideoError> {
    let has_screen = listed.iter().any(|source| matches!(source.kind, SourceKind::Monitor | SourceKind::Portal));
    let missing = VideoError::NotSupportedHere("the screens of a Wayland session, and the windows of its own programs");
    (!listed.is_empty() && !has_screen).then_some(missing)
}

fn device(device: capture::audio::Microphone) -> MicrophoneInfo {
    MicrophoneInfo { id: device.id, name: device.name }
}

/// Tries every encoder by encoding with it. Blocks for up to two seconds.
pub(crate) fn encoders() -> Result<Encoders, Problem> {
    let probe = encoder::probe()?;
    Ok(Encoders {
        chosen: probe.opened_name.to_string(),
        hardware: probe.hardware,
        refused: probe.refused.into_iter().map(refused).collect(),
        ms_per_1080p_frame: probe.ms_per_1080p_frame,
        proposal: propose(probe.ms_per_1080p_frame, probe.hardware),
        codecs: VideoCodec::ALL.into_iter().map(codec_choice).collect(),
    })
}

/// Opens an encoder for it, at the default settings.
fn codec_choice(codec: VideoCodec) -> CodecChoice {
    let opened = VideoSettings::DEFAULT.config().map(|config| encoder::open(&VideoConfig { codec, ..config }));
    let (encoder, refused) = match opened {
        Ok(Ok(opened)) => (Some(opened.encoder.name().to_owned()), opened.refused),
        Ok(Err(EncoderError::NoEncoder { refused, .. })) => (None, refused),
        Ok(Err(_)) | Err(_) => (None, Vec::new()),
    };
    let refused = refused.into_iter().map(self::refused).collect();
    let taken_by = Destination::KINDS.into_iter().filter(|kind| Destination::kind_takes(kind, codec));
    CodecChoice { codec, encoder, refused, taken_by: taken_by.map(str::to_owned).collect() }
}

pub(crate) fn refused(refusal: encoder::Refusal) -> RefusedEncoder {
    RefusedEncoder { name: refusal.name, reason: refusal.reason }
}

#[cfg(test)]
mod tests {
    use capture::video::Rect;

    use super::*;

    fn source(kind: SourceKind) -> SourceInfo {
        let (id, title, program) = (String::new(), String::new(), String::new());
        SourceInfo { lasting_id: id.clone(), id, kind, title, program, area: Rect::default() }
    }

    #[test]
    fn windows_without_a_monitor_are_said_to_be_not_all() {
        let problem = without_screens(&[source(SourceKind::Window)]).expect("a problem");
        assert_eq!(problem.code(), "not_supported_here");
        assert_eq!(without_screens(&[source(SourceKind::Monitor), source(SourceKind::Window)]), None);
        assert_eq!(without_screens(&[source(SourceKind::Portal), source(SourceKind::Window)]), None);
        // An empty list has its own error, from the capture.
        assert_eq!(without_screens(&[]), None);
    }
}

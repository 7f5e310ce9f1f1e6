//! `--canvas` and what is sent from it: further pictures beside the main one.

use std::path::PathBuf;

use control_api::{CanvasSettings, Problem, VideoSettings};
use media::VideoCodec;

/// One further canvas, as the command line describes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CanvasLine {
    id: String,
    size: Option<(u32, u32)>,
    fps: Option<u32>,
    kbps: Option<u32>,
    codec: VideoCodec,
    shows: Shows,
}

#[derive(Debug, Clone, PartialEq)]
enum Shows {
    Scene(PathBuf),
    Source(String),
}

const SHAPE: &str = "write NAME[,size=WIDTHxHEIGHT][,fps=N][,kbps=N][,codec=NAME],scene=FILE or …,source=ID; scene or source comes last";

/// What stands after `--canvas`.
pub(crate) fn parse(text: &str) -> Result<CanvasLine, String> {
    let (id, mut rest) = text.split_once(',').ok_or(SHAPE)?;
    let (codec, shows) = (VideoCodec::H264, Shows::Source(String::new()));
    let mut line = CanvasLine { id: id.to_owned(), size: None, fps: None, kbps: None, codec, shows };
    let number = |name: &str, value: &str| value.parse().map_err(|_| format!("{name} is no whole number; {SHAPE}"));
    loop {
        // A source's id has commas of its own.
        if let Some(id) = rest.strip_prefix("source=") {
            line.shows = Shows::Source(id.to_owned());
            return Ok(line);
        }
        if let Some(file) = rest.strip_prefix("scene=") {
            line.shows = Shows::Scene(file.into());
            return Ok(line);
        }
        let (option, after) = rest.split_once(',').ok_or(SHAPE)?;
        rest = after;
        match option.split_once('=') {
            Some(("size", size)) => line.size = Some(crate::args::parse_size(size)?),
            Some(("fps", fps)) => line.fps = Some(number("fps", fps)?),
            Some(("kbps", kbps)) => line.kbps = Some(number("kbps", kbps)?),
            Some(("codec", codec)) => line.codec = codec.parse().map_err(|error| format!("{error}; {SHAPE}"))?,
            _ => return Err(format!("\"{option}\" is nothing that a canvas has; {SHAPE}")),
        }
    }
}

impl CanvasLine {
    /// As the engine takes it; what was not said is as it is on the main canvas. `scene` reads a scene file.
    pub(crate) fn settings(
        &self,
        main: VideoSettings,
        scene: impl Fn(&std::path::Path) -> Result<String, Problem>,
    ) -> Result<CanvasSettings, Problem> {
        let (width, height) = self.size.unwrap_or((main.width, main.height));
        let scene = match &self.shows {
            Shows::Scene(file) => scene(file)?,
            Shows::Source(source) => serde_json::json!({
                "name": source,
                "canvas": { "width": width, "height": height },
                "items": [{ "id": "1", "source": source, "x": 0, "y": 0, "width": width, "height": height }],
            })
            .to_string(),
        };
        let (fps, kbps) = (self.fps.unwrap_or(main.fps), self.kbps.unwrap_or(main.kbps));
        let settings = VideoSettings { width, height, fps, kbps, gop_seconds: main.gop_seconds };
        Ok(CanvasSettings { id: self.id.clone(), name: self.id.clone(), scene, settings, codec: self.codec })
    }
}

/// `NAME=KIND:URL` is sent from that canvas, `KIND:URL` from the main one: no kind has an equals sign.
pub(crate) fn of_destination(to: &str) -> (Option<String>, &str) {
    match to.split_once('=') {
        Some((canvas, rest)) if !canvas.contains(':') => (Some(canvas.to_owned()), rest),
        _ => (None, to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canvas_is_its_name_its_numbers_and_what_it_shows() {
        let line = parse("tall,size=720x1280,kbps=2500,source=region:x11:monitor:A:1,2,30,40").expect("a canvas");
        assert_eq!((line.id.as_str(), line.size, line.fps, line.kbps), ("tall", Some((720, 1280)), None, Some(2500)));
        assert_eq!(line.shows, Shows::Source("region:x11:monitor:A:1,2,30,40".to_owned()));
        assert_eq!(parse("tall,codec=av1,source=a").map(|line| line.codec), Ok(VideoCodec::Av1));
        assert_eq!(parse("tall,scene=a,b.json").map(|line| line.shows), Ok(Shows::Scene("a,b.json".into())));
        for bad in
            ["tall", "tall,size=720x1280", "tall,colour=red,source=a", "tall,fps=x,source=a", "tall,codec=vp9,source=a"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_said_is_as_on_the_main_canvas() {
        let main = VideoSettings { width: 640, height: 360, fps: 25, kbps: 900, gop_seconds: 3.0 };
        let canvas = parse("a,size=90x160,source=pattern:bars").expect("a canvas");
        let canvas = canvas.settings(main, |_| panic!("no file")).expect("settings");
        assert_eq!(canvas.settings, VideoSettings { width: 90, height: 160, ..main });
        assert!(canvas.scene.contains("pattern:bars"));
    }

    #[test]
    fn a_destination_may_name_its_canvas_before_an_equals_sign() {
        assert_eq!(of_destination("tall=rtmp://a/b"), (Some("tall".to_owned()), "rtmp://a/b"));
        assert_eq!(of_destination("whip:https://a/b?c=d"), (None, "whip:https://a/b?c=d"));
        assert_eq!(of_destination("local"), (None, "local"));
    }
}

//! Scenes in a file: `{"format": "tidecast-scenes", "version": 1, "scenes": [...]}`.

use serde::{Deserialize, Serialize};

use crate::{Scene, SceneError};

const FORMAT: &str = "tidecast-scenes";
/// Grows when an older program would draw the file wrongly.
const VERSION: u64 = 1;

#[derive(Deserialize)]
struct Head {
    format: String,
    version: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[expect(dead_code, reason = "read by the head")]
    format: String,
    #[expect(dead_code, reason = "read by the head")]
    version: u64,
    scenes: Vec<Scene>,
}

#[derive(Serialize)]
struct Written<'a> {
    format: &'a str,
    version: u64,
    scenes: &'a [Scene],
}

/// The scenes of a file's text, at least one, each of them valid.
///
/// # Errors
/// [`SceneError::TooNew`] before anything else is looked at: a newer file may have any shape.
pub fn read(text: &str) -> Result<Vec<Scene>, SceneError> {
    let unreadable = |error: serde_json::Error| SceneError::Unreadable(error.to_string());
    // Some editors put a byte order mark before what they save.
    let text = text.trim_start_matches('\u{feff}');
    let head: Head = serde_json::from_str(text).map_err(unreadable)?;
    if head.format != FORMAT {
        return Err(SceneError::Unreadable(format!("its format is {:?}, not {FORMAT:?}", head.format)));
    }
    if head.version > VERSION {
        return Err(SceneError::TooNew(head.version));
    }
    let body: Body = serde_json::from_str(text).map_err(unreadable)?;
    if body.scenes.is_empty() {
        return Err(SceneError::NoScene);
    }
    body.scenes.iter().try_for_each(Scene::validate)?;
    Ok(body.scenes)
}

/// A file's text.
pub fn write(scenes: &[Scene]) -> String {
    let written = Written { format: FORMAT, version: VERSION, scenes };
    serde_json::to_string_pretty(&written).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Canvas, ChromaKey, Colour, Rotation};

    #[test]
    fn what_is_written_is_read_again() {
        let mut scene = Scene::screen_and_camera("Both", "x11:monitor:A", "camera:0", Canvas::PORTRAIT);
        scene.items[1].chroma_key = Some(ChromaKey {
            colour: Colour { red: 0, green: 255, blue: 0 },
            similarity: 0.2,
            smoothness: 0.1,
            spill: 0.1,
        });
        scene.items[1].rotation = Rotation::ThreeQuarters;
        let scenes = [scene.clone(), scene.duplicate("Copy")];
        assert_eq!(read(&write(&scenes)).expect("read"), scenes);
    }

    #[test]
    fn what_is_left_out_is_as_nothing_was_done() {
        let text = r##"{"format": "tidecast-scenes", "version": 1, "scenes": [{"name": "A",
            "canvas": {"width": 640, "height": 360},
            "items": [{"id": "1", "source": "s", "x": 0, "y": 0, "width": 640, "height": 360}]}]}"##;
        assert_eq!(read(text).expect("read")[0].items, Scene::of_one("s", Canvas { width: 640, height: 360 }).items);
    }

    #[test]
    fn each_wrong_file_is_told_why() {
        let file = |version: u32, scenes: &str| {
            format!(r#"{{"format": "tidecast-scenes", "version": {version}, "scenes": {scenes}}}"#)
        };
        let scene = |item: &str| {
            file(1, &format!(r#"[{{"name": "A", "canvas": {{"width": 640, "height": 360}}, "items": [{item}]}}]"#))
        };
        for (text, code) in [
            ("{".to_owned(), "scene_unreadable"),
            (r#"{"format": "other", "version": 1}"#.to_owned(), "scene_unreadable"),
            (file(2, r#""a new shape""#), "scene_too_new"),
            (file(1, "[]"), "scene_missing"),
            (
                scene(r#"{"id": "1", "source": "s", "x": 0, "y": 0, "width": 1, "height": 1, "rotation": 45}"#),
                "scene_unreadable",
            ),
            (
                scene(r#"{"id": "1", "source": "s", "x": 0, "y": 0, "width": 1, "height": 1, "colour": "red"}"#),
                "scene_unreadable",
            ),
            (scene(r#"{"id": "1", "source": "s", "x": 0, "y": 0, "width": 0, "height": 1}"#), "scene_item_place"),
        ] {
            let error = read(&text).expect_err("refused");
            assert_eq!(error.code(), code, "{error}");
        }
    }
}

//! `tidecast sources` and `tidecast stream --source/--scene`: what is listed can be streamed, and what is in a scene file is
//! in the picture, read back by ffmpeg.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Output};

use media::Size;
use testkit::scratch::Folder;
use testkit::xvfb::{Place, TestWindow, Xvfb};

/// The way through 4:2:0 and x264, where the colour is flat.
const TOLERANCE: u8 = 4;

fn tidecast(arguments: &[&str], display: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidecast"));
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET", "XDG_SESSION_TYPE"] {
        command.env_remove(name);
    }
    command.envs(display.map(|display| ("DISPLAY", display))).args(arguments).output().expect("tidecast")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// The last picture of a recording of that size, red, green, blue.
struct Picture {
    width: usize,
    rgb: Vec<u8>,
}

impl Picture {
    fn of(file: &Path, width: usize, height: usize) -> Self {
        let size = Command::new("ffprobe")
            .args(["-v", "error", "-select_streams", "v", "-show_entries", "stream=width,height", "-of", "csv=p=0"])
            .arg(file)
            .output()
            .expect("the test needs ffprobe (npm run setup installs it)");
        assert_eq!(String::from_utf8_lossy(&size.stdout).trim(), format!("{width},{height}"));
        let decoded = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(file)
            .args(["-map", "0:v", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
            .output()
            .expect("ffmpeg");
        let at = decoded.stdout.len().checked_sub(width * height * 3).expect("a picture");
        Self { width, rgb: decoded.stdout[at..].to_vec() }
    }

    fn assert_at(&self, x: usize, y: usize, wanted: [u8; 3]) {
        let at = (y * self.width + x) * 3;
        let seen = &self.rgb[at..at + 3];
        let is_near = seen.iter().zip(wanted).all(|(seen, wanted)| seen.abs_diff(wanted) <= TOLERANCE);
        assert!(is_near, "{seen:?} at {x},{y} instead of {wanted:?}");
    }
}

const SHORT: [&str; 6] = ["--fps", "10", "--kbps", "600", "--duration", "2"];

#[test]
fn a_window_that_is_listed_is_streamed_by_its_id_and_by_what_lasts() {
    let folder = Folder::new("cli-pictures");
    let screen = Xvfb::start(Size { width: 640, height: 480 }, false).unwrap_or_else(|error| panic!("no X: {error}"));
    let place = Place { x: 20, y: 30, width: 320, height: 180 };
    let _window = TestWindow::open(screen.display(), "A violet window", place, 0x60_20_c0).expect("a window");
    let listed = tidecast(&["sources", "--json"], Some(screen.display()));
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("one line of JSON");
    let video = listed["video"].as_array().expect("a list");
    let found = video.iter().find(|source| source["title"] == "A violet window").expect("the window");
    assert_eq!((&found["kind"], &found["width"], &found["height"]), (&"window".into(), &320.into(), &180.into()));
    assert_eq!((&found["x"], &found["y"]), (&20.into(), &30.into()));
    for which in ["id", "lasting_id"] {
        let file = folder.file(&format!("{which}.mp4"));
        let id = found[which].as_str().expect("an id");
        let arguments = ["stream", "--source", id, "--no-cursor", "--size", "320x180", "--record", text(&file)];
        let streamed = tidecast(&[&arguments[..], &SHORT].concat(), Some(screen.display()));
        assert!(streamed.status.success(), "{id}: {}", String::from_utf8_lossy(&streamed.stderr));
        let picture = Picture::of(&file, 320, 180);
        [(4, 4), (160, 90), (315, 175)].iter().for_each(|&(x, y)| picture.assert_at(x, y, [0x60, 0x20, 0xc0]));
    }
}

#[test]
fn a_scene_file_is_streamed_on_its_canvas_and_what_is_none_is_told() {
    let folder = Folder::new("cli-scene");
    let scene = folder.file("tall.scene.json");
    let written = r#"{"format": "tidecast-scenes", "version": 1, "scenes": [
        {"name": "Tall", "canvas": {"width": 1080, "height": 1920}, "items": [
            {"id": "1", "source": "color:204060", "fit": "stretch", "x": 0, "y": 0, "width": 1080, "height": 1920},
            {"id": "2", "source": "color:c0a020", "fit": "stretch", "x": 540, "y": 960, "width": 540, "height": 960},
            {"id": "3", "source": "color:ff0000", "fit": "stretch", "x": 0, "y": 0, "width": 1080, "height": 1920,
             "visible": false},
            {"id": "4", "source": "color:ffffff", "fit": "stretch", "x": 0, "y": 0, "width": 540, "height": 480,
             "opacity": 0.5}]},
        {"name": "Not this one", "canvas": {"width": 1080, "height": 1080}, "items": []}]}"#;
    std::fs::write(&scene, written).expect("a file");
    let file = folder.file("tall.mkv");
    let arguments = ["stream", "--scene", text(&scene), "--size", "640x360", "--record", text(&file)];
    let streamed = tidecast(&[&arguments[..], &SHORT].concat(), None);
    assert!(streamed.status.success(), "{}", String::from_utf8_lossy(&streamed.stderr));
    // The canvas decides the aspect, at the same short side.
    let picture = Picture::of(&file, 360, 640);
    picture.assert_at(20, 620, [0x20, 0x40, 0x60]);
    picture.assert_at(340, 20, [0x20, 0x40, 0x60]);
    picture.assert_at(340, 620, [0xc0, 0xa0, 0x20]);
    picture.assert_at(190, 330, [0xc0, 0xa0, 0x20]);
    picture.assert_at(20, 20, [0x90, 0xa0, 0xb0]);

    for (name, content, code) in [
        ("gone", None, "scene_unreadable"),
        ("broken", Some("{"), "scene_unreadable"),
        ("newer", Some(r#"{"format": "tidecast-scenes", "version": 99, "scenes": []}"#), "scene_too_new"),
    ] {
        let path = folder.file(name);
        content.iter().for_each(|content| std::fs::write(&path, content).expect("a file"));
        let refused = tidecast(&["stream", "--scene", text(&path), "--duration", "1"], None);
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{name}: {words}");
        assert!(words.contains(&format!("[{code}]")), "{name}: {words}");
    }
}

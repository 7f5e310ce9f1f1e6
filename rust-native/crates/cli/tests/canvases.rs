//! `tidecast stream --canvas`: a 16:9 and a 9:16 picture live at once, each to its own places, read back by ffmpeg.

#![cfg(target_os = "linux")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use testkit::scratch::{Folder, output_of};
use testkit::sine::loudest_tone_db;
use testkit::sound::{SoundRig, Target};

const HZ: f64 = 440.0;
/// The way through 4:2:0 and x264, where the colour is flat.
const TOLERANCE: u8 = 6;
const RED: [u8; 3] = [192, 32, 32];
const BLUE: [u8; 3] = [32, 96, 192];

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("color:{r:02x}{g:02x}{b:02x}ff")
}

/// A scene file: red over blue, or beside it; of the same two sources.
fn scene(folder: &Folder, name: &str, (width, height): (u32, u32)) -> PathBuf {
    let tall = height > width;
    let half = if tall { (width, height / 2) } else { (width / 2, height) };
    let item = |id: &str, source: String, x: u32, y: u32| {
        serde_json::json!({ "id": id, "source": source, "x": x, "y": y, "width": half.0, "height": half.1,
            "fit": "stretch" })
    };
    let second = if tall { (0, half.1) } else { (half.0, 0) };
    let scene = serde_json::json!({ "name": name, "canvas": { "width": width, "height": height },
        "items": [item("1", hex(RED), 0, 0), item("2", hex(BLUE), second.0, second.1)] });
    let file = folder.file(&format!("{name}.json"));
    let text = serde_json::json!({ "format": "tidecast-scenes", "version": 1, "scenes": [scene] });
    std::fs::write(&file, text.to_string()).expect("a file");
    file
}

/// Takes what is sent there into a file.
fn listener(file: PathBuf) -> (u16, JoinHandle<std::io::Result<u64>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        std::io::copy(&mut stream, &mut std::fs::File::create(file)?)
    });
    (port, thread)
}

/// Its size, and its last picture's colour at two places.
fn assert_shows(file: &Path, (width, height): (usize, usize), places: [(usize, usize, [u8; 3]); 2]) {
    let entries = ["-show_entries", "stream=width,height", "-of", "csv=p=0:s=x"];
    let size =
        output_of("ffprobe", &[&["-v", "error", "-select_streams", "v"], &entries[..], &["FILE"]].concat(), file);
    let size = String::from_utf8_lossy(&size);
    // A transport stream's are listed within its programme, too.
    assert_eq!(size.lines().next(), Some(format!("{width}x{height}").as_str()), "{}", file.display());
    let raw = ["-v", "fatal", "-i", "FILE", "-map", "0:v", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
    let pictures = output_of("ffmpeg", &raw, file);
    let bytes = width * height * 3;
    assert!(pictures.len() >= bytes * 20, "{} pictures in {}", pictures.len() / bytes, file.display());
    let last = &pictures[pictures.len() - bytes..];
    for (x, y, wanted) in places {
        let seen = &last[(y * width + x) * 3..][..3];
        let is_near = seen.iter().zip(wanted).all(|(seen, wanted)| seen.abs_diff(wanted) <= TOLERANCE);
        assert!(is_near, "{seen:?} at {x},{y} of {} instead of {wanted:?}", file.display());
    }
}

fn loudness(file: &Path) -> f64 {
    let raw = ["-v", "fatal", "-i", "FILE", "-map", "0:a", "-ac", "1", "-ar", "48000", "-f", "f32le", "-"];
    let bytes = output_of("ffmpeg", &raw, file);
    let samples: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    loudest_tone_db(&samples, HZ)
}

#[test]
fn a_wide_and_a_tall_picture_are_live_at_once_each_with_its_scene_and_both_with_the_sound() {
    let rig = SoundRig::start().unwrap_or_else(|error| panic!("the sound rig does not start: {error}"));
    let _tone = rig.play_tone(Target::Microphone, HZ, 300.0).expect("pacat");
    let folder = Folder::new("cli-canvases");
    let (wide, tall) = (scene(&folder, "wide", (320, 180)), scene(&folder, "tall", (180, 320)));
    let (wide_file, tall_file, recorded) = (folder.file("wide.ts"), folder.file("tall.ts"), folder.file("tall.mkv"));
    let (wide_port, wide_thread) = listener(wide_file.clone());
    let (tall_port, tall_thread) = listener(tall_file.clone());
    // Half of it from a file, as a stream that is sent every day would be.
    let config = folder.file("stream.toml");
    let text = format!(
        "size = \"320x180\"\nfps = 15\nkbps = 400\nmicrophone = \"default\"\nscene = {:?}\ncanvas-anyway = true\n\
         canvas = [\"tall,fps=20,scene={}\"]\nto = [\"tcp://127.0.0.1:{wide_port}\", \"tall=tcp://127.0.0.1:{tall_port}\"]\n",
        wide.display().to_string(),
        tall.display()
    );
    std::fs::write(&config, text).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_tidecast"))
        .args(["stream", "--duration", "5", "--stats", "json", "--record-canvas", "tall", "--record"])
        .arg(&recorded)
        .arg("--config")
        .arg(&config)
        .envs(rig.env())
        .stderr(Stdio::inherit())
        .output()
        .expect("tidecast");
    assert!(output.status.success(), "{}", output.status);
    for thread in [wide_thread, tall_thread] {
        thread.join().expect("a listener").expect("a stream");
    }

    assert_shows(&wide_file, (320, 180), [(80, 90, RED), (240, 90, BLUE)]);
    for file in [&tall_file, &recorded] {
        assert_shows(file, (180, 320), [(90, 80, RED), (90, 240, BLUE)]);
    }
    for file in [&wide_file, &tall_file, &recorded] {
        let loudest = loudness(file);
        assert!(loudest > -20.0, "{HZ} Hz has {loudest:.1} dB in {}", file.display());
    }

    let events: Vec<serde_json::Value> =
        String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let both = |event: &&serde_json::Value| event["canvases"][0]["live"] == true;
    let state = events.iter().rfind(both).expect("a state with both live");
    assert_eq!(
        state["sources"].as_array().map(Vec::len),
        Some(2),
        "each source is captured once: {}",
        state["sources"]
    );
    assert_eq!(state["destinations"][1]["canvas"], "tall");
    assert!(state["destinations"].as_array().is_some_and(|all| all.iter().all(|each| each["primary"] == true)));
    let figures =
        |event: &&serde_json::Value| event["canvases"][0]["fps_encoded"].as_f64().is_some_and(|fps| fps > 10.0);
    assert!(events.iter().any(|event| figures(&event)), "figures of a canvas that is live");
}

#[test]
fn a_canvas_that_is_not_there_is_said() {
    let output = Command::new(env!("CARGO_BIN_EXE_tidecast"))
        .args(["stream", "--source", "pattern:bars", "--to", "tall=tcp://127.0.0.1:9", "--duration", "1"])
        .output()
        .expect("tidecast");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("unknown_canvas"), "{output:?}");
}

//! A flash on the screen and a beep in a device at known moments: in the recording and on the clock of the sender
//! reports they are as far apart as they were, for every kind of input beside a monitor and a window.

#![cfg(target_os = "linux")]
// What was measured belongs to the test's output, wherever it is said.
#![allow(clippy::print_stdout)]

mod rtp;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use media::{Clock, MonotonicClock, Size};
use testkit::scratch::{Folder, Running};
use testkit::sound::{Beeper, SoundRig, Target, Tone};
use testkit::xvfb::{Place, TestWindow, Xvfb};

const SCREEN: Size = Size { width: 640, height: 360 };
const BLACK: u32 = 0;
const WHITE: u32 = 0x00ff_ffff;
/// Pairs of a flash and a beep in the speaker, each followed by one with a beep in the microphone.
const ROUNDS: usize = 9;
/// Of these the first are not judged: the devices' clocks are being learned.
const LEARNING: usize = 3;
/// What a viewer does not notice, half of it; picture and sound both have a share in it.
const LIMIT: f64 = 0.020;

fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Seconds on the machine's clock.
fn now() -> f64 {
    MonotonicClock.now().as_nanos() as f64 / 1e9
}

#[derive(Debug, Clone, Copy)]
struct Pair {
    flash: f64,
    beep: f64,
    device: Target,
}

/// White for a moment; returns when that was.
fn flash(window: &TestWindow) -> f64 {
    let before = now();
    window.fill_all(WHITE).expect("a window");
    (before + now()) / 2.0
}

fn perform(window: &TestWindow, beepers: &[(Target, Beeper)]) -> Vec<Pair> {
    let tone = Tone { length: Duration::from_millis(100), amplitude: 0.5, ..Tone::default() };
    let mut pairs = Vec::new();
    for round in 0..ROUNDS {
        for (device, beeper) in beepers {
            let shown = flash(window);
            let beep = beeper.beep(&tone).expect("a running stream").played_at.as_nanos() as f64 / 1e9;
            std::thread::sleep(Duration::from_millis(150));
            window.fill_all(BLACK).expect("a window");
            pairs.push(Pair { flash: shown, beep, device: *device });
            // No two gaps are alike: a flash that was missed moves no other into its place.
            std::thread::sleep(Duration::from_millis(300 + 25 * (round as u64 % 4)));
        }
    }
    pairs
}

/// When dark pictures are followed by bright ones.
fn flashes(pictures: &[(f64, f64)]) -> Vec<f64> {
    pictures.windows(2).filter(|pair| pair[0].1 < 128.0 && pair[1].1 >= 128.0).map(|pair| pair[1].0).collect()
}

/// When the beeps of devices begin, with how much later that is beside their flash than it was: by pair, seconds.
type Heard = BTreeMap<usize, (f64, f64)>;

fn hear(
    pairs: &[Pair],
    flashes: &[f64],
    (start, sound): (f64, &[f32]),
    devices: &[Target],
    what: &str,
) -> Result<Heard, String> {
    // Both clocks tick alike: most flashes agree on what lies between them.
    let between = |pair: &Pair, shown: &f64| shown - pair.flash;
    let agree = |zero: f64| {
        let fits = |pair: &&Pair| flashes.iter().any(|shown| (between(pair, shown) - zero).abs() < 0.05);
        pairs.iter().filter(fits).count()
    };
    let zero = flashes.iter().flat_map(|shown| pairs.iter().map(move |pair| between(pair, shown)));
    let zero = zero.max_by_key(|zero| agree(*zero)).ok_or_else(|| format!("{what}: no flash at all"))?;
    if agree(zero) < pairs.len() * 2 / 3 {
        return Err(format!("{what}: {} of {} flashes, {flashes:?}", agree(zero), pairs.len()));
    }
    let mut heard = Heard::new();
    for (index, pair) in pairs.iter().enumerate().skip(LEARNING * 2).filter(|(_, pair)| devices.contains(&pair.device))
    {
        let Some(shown) = flashes.iter().find(|shown| (between(pair, shown) - zero).abs() < 0.1) else { continue };
        let expected = shown + (pair.beep - pair.flash);
        let from = ((expected - 0.12 - start) * 48_000.0).max(0.0) as usize;
        let part = sound.get(from..from + 12_000).unwrap_or_default();
        if let Some(first) = part.iter().position(|sample| sample.abs() > 0.1) {
            let at = start + (from + first) as f64 / 48_000.0;
            heard.insert(index, (at, at - expected));
        }
    }
    let wanted = (ROUNDS - LEARNING) * devices.len();
    if heard.len() * 3 < wanted * 2 {
        return Err(format!("{what}: {} of {wanted} beeps are heard", heard.len()));
    }
    let off = median(heard.values().map(|(_, off)| *off));
    println!("{what}: the sound is {:.1} ms late ({} beeps)", off * 1000.0, heard.len());
    if off.abs() > LIMIT {
        return Err(format!("{what}: the sound is {:.1} ms late", off * 1000.0));
    }
    Ok(heard)
}

/// A busy machine loses a beep now and then, or shows a flash late: the middle one is judged.
fn median(all: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = all.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::INFINITY)
}

fn output(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("the test needs {program} (npm run setup installs it): {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Each picture's time and mean luma.
fn recorded_pictures(file: &Path) -> Vec<(f64, f64)> {
    let file = file.to_str().expect("text");
    let shown = ["-v", "error", "-i", file, "-an", "-fps_mode", "passthrough", "-vf", "scale=32:18", "-f", "rawvideo"];
    let raw = output("ffmpeg", &[&shown[..], &["-pix_fmt", "gray", "-"]].concat());
    let entries = ["-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0", file];
    let times = String::from_utf8(output("ffprobe", &entries)).expect("text");
    let times: Vec<f64> = times.lines().map(|line| line.trim_end_matches(',').parse().expect("seconds")).collect();
    assert_eq!(raw.len(), times.len() * 32 * 18, "every picture is decoded");
    let mean = |picture: &[u8]| picture.iter().map(|luma| f64::from(*luma)).sum::<f64>() / picture.len() as f64;
    times.into_iter().zip(raw.chunks_exact(32 * 18).map(mean)).collect()
}

fn recorded_sound(file: &Path, track: usize) -> Vec<f32> {
    let (file, map) = (file.to_str().expect("text"), format!("0:a:{track}"));
    let filter = "aresample=async=1:first_pts=0";
    let raw = output(
        "ffmpeg",
        &["-v", "error", "-i", file, "-map", &map, "-af", filter, "-ac", "2", "-ar", "48000", "-f", "f32le", "-"],
    );
    raw.chunks_exact(8).map(|bytes| f32::from_le_bytes(bytes[..4].try_into().expect("four bytes"))).collect()
}

/// What the sound server calls this test's own program.
fn own_name(rig: &SoundRig) -> String {
    let text = rig.pactl(&["list", "sink-inputs"]).expect("pactl");
    let line = text.lines().find_map(|line| line.trim().strip_prefix("application.name = "));
    line.unwrap_or_else(|| panic!("no stream has a name: {text}")).trim_matches('"').to_owned()
}

#[test]
fn flash_and_beep_are_in_step_in_recordings_and_sender_reports_for_every_input() {
    let rig = SoundRig::start().unwrap_or_else(|error| panic!("the sound rig does not start: {error}"));
    rig.enter();
    let screen = Xvfb::start(SCREEN, false).unwrap_or_else(|error| panic!("no X server: {error}"));
    let place = Place::new(0, 0, SCREEN.width as u16, SCREEN.height as u16);
    let window = TestWindow::open_unmanaged(screen.display(), "flash", place, BLACK).expect("a window");
    // Of a program's streams the newest is recorded: the speaker's.
    let microphone = Beeper::start(Target::Microphone).expect("a running server");
    let beepers = [
        (Target::Speaker, Beeper::start(Target::Speaker).expect("a running server")),
        (Target::Microphone, microphone),
    ];
    let folder = Folder::new("cli-step");
    for source in ["a monitor", "a window"] {
        // A machine that gives the mixer no turn for a second shows nothing of the rest. Never in step is wrong.
        let mut attempts = 1;
        loop {
            let mut command = tidecast(&rig, screen.display());
            if source == "a window" {
                command.args(["--source", &format!("x11:window:{:#x}", window.id())]);
            }
            match in_step(command, &window, &beepers, &folder.file(&format!("{source} {attempts}.mkv"))) {
                Ok(()) => break,
                Err(wrong) if attempts < 4 => println!("once more: {wrong}"),
                Err(wrong) => panic!("{source}: {wrong}"),
            }
            attempts += 1;
        }
        println!("{source}: in step after {attempts} attempts");
    }
}

/// A stream of all three inputs.
fn tidecast(rig: &SoundRig, display: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidecast"));
    command
        .args(["stream", "--size", "320x180", "--fps", "60", "--kbps", "1500", "--gop", "1"])
        .args(["--audio", "microphone:default,id=mic", "--audio", "system-sound,id=speaker"])
        .args(["--audio", &format!("program:{},id=program", own_name(rig))])
        .envs(rig.env())
        .env("DISPLAY", display)
        .stdout(Stdio::null());
    command
}

fn in_step(mut command: Command, window: &TestWindow, beepers: &[(Target, Beeper)], file: &Path) -> Result<(), String> {
    let receiver = rtp::Receiver::start();
    command
        .args(["--to", &format!("rtp://127.0.0.1:{}", receiver.port), "--sdp"])
        .arg(file.with_extension("sdp"))
        .args(["--record-tracks", "--record"])
        .arg(file);
    let mut running = Running(command.spawn().expect("tidecast"));
    until("pictures, sound and reports flow", || receiver.flows());
    until("the recording has begun", || std::fs::metadata(file).is_ok_and(|about| about.len() > 0));
    let pairs = perform(window, beepers);
    let ended = Command::new("kill").args(["-INT", &running.0.id().to_string()]).status().expect("kill");
    assert!(ended.success());
    assert!(running.0.wait().expect("its end").success());

    let both = [Target::Speaker, Target::Microphone];
    let (pictures, (start, heard)) = receiver.finish();
    hear(&pairs, &flashes(&pictures), (start, &heard), &both, "sender reports")?;
    let shown = flashes(&recorded_pictures(file));
    let mix = hear(&pairs, &shown, (0.0, &recorded_sound(file, 0)), &both, "mix")?;
    for (track, (name, device)) in (1..).zip([("mic", both[1]), ("speaker", both[0]), ("program", both[0])]) {
        let own = hear(&pairs, &shown, (0.0, &recorded_sound(file, track)), &[device], name)?;
        let apart = median(own.iter().filter_map(|(pair, (at, _))| Some(at - mix.get(pair)?.0)));
        if apart.abs() >= 0.005 {
            return Err(format!("{name}: {:.1} ms later on its track than in the mix", apart * 1000.0));
        }
    }
    Ok(())
}

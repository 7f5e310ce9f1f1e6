//! Configuration and start of the sound servers.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::SoundRigError;
use super::keeper::Keeper;

/// A cold start takes under a second on an idle machine; this one may be compiling at the same time.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// The session bus, without anything that could be activated on it.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=@FOLDER@/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"#;
/// WirePlumber 0.4 without its device monitors: real cards, cameras and headsets stay with their owner.
const WIREPLUMBER_MAIN: &str = r#"load_module("metadata")
default_access.enable()
device_defaults.enable()
stream_defaults.enable()
load_script("intended-roles.lua")
"#;
/// WirePlumber 0.5: the same by its profile.
const WIREPLUMBER_05: &str = "wireplumber.profiles = { main = { hardware.audio = disabled, hardware.bluetooth = disabled, hardware.video-capture = disabled } }\n";

/// Writes what the servers read.
pub(super) fn configure(folder: &Path) -> io::Result<()> {
    let config = folder.join("config");
    for sub in ["home", "state", "config/wireplumber/main.lua.d", "config/wireplumber/bluetooth.lua.d"] {
        fs::create_dir_all(folder.join(sub))?;
    }
    fs::create_dir_all(config.join("wireplumber/wireplumber.conf.d"))?;
    fs::write(folder.join("bus.conf"), BUS.replace("@FOLDER@", &folder.to_string_lossy()))?;
    fs::write(config.join("wireplumber/main.lua.d/90-enable-all.lua"), WIREPLUMBER_MAIN)?;
    fs::write(config.join("wireplumber/bluetooth.lua.d/90-enable-all.lua"), "")?;
    fs::write(config.join("wireplumber/wireplumber.conf.d/rig.conf"), WIREPLUMBER_05)?;
    // Clients want the file to be there even though the server asks nobody for it.
    let cookie: Vec<u8> = (0..256u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(folder.join("cookie"), cookie)
}

/// For whoever is to hear these servers.
pub(super) fn client_env(folder: &Path) -> Vec<(String, String)> {
    let folder = folder.to_string_lossy();
    [
        ("XDG_RUNTIME_DIR", folder.to_string()),
        ("PIPEWIRE_RUNTIME_DIR", folder.to_string()),
        ("PULSE_RUNTIME_PATH", format!("{folder}/pulse")),
        ("PULSE_SERVER", format!("unix:{folder}/pulse/native")),
        ("PULSE_COOKIE", format!("{folder}/cookie")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// Sockets of servers that were killed would look alive.
pub(super) fn remove_sockets(folder: &Path) {
    for name in ["pipewire-0", "pipewire-0.lock", "pipewire-0-manager", "pipewire-0-manager.lock", "bus"] {
        let _ = fs::remove_file(folder.join(name));
    }
    let _ = fs::remove_dir_all(folder.join("pulse"));
}

/// Starts everything and waits for both devices; returns the process ids.
pub(super) fn start(keeper: &Keeper, folder: &Path) -> Result<Vec<u32>, SoundRigError> {
    let bus_conf = format!("--config-file={}/bus.conf", folder.display());
    let mut pids = vec![server(keeper, folder, "dbus-daemon", "dbus", &[&bus_conf, "--nofork", "--nopidfile"])?];
    wait(folder, "session bus", || folder.join("bus").exists())?;
    pids.push(server(keeper, folder, "pipewire", "pipewire", &[])?);
    wait(folder, "PipeWire socket", || folder.join("pipewire-0").exists())?;
    pids.push(server(keeper, folder, "wireplumber", "wireplumber", &[])?);
    pids.push(server(keeper, folder, "pipewire-pulse", "pipewire-pulse", &[])?);
    wait(folder, "PulseAudio socket", || pactl(folder, &["info"]).is_ok())?;
    pactl(
        folder,
        &["load-module", "module-null-sink", "sink_name=speaker", "sink_properties=device.description=Speaker"],
    )?;
    pactl(folder, &["load-module", "module-null-sink", "sink_name=mic_feed"])?;
    let source = ["source_name=microphone", "source_properties=device.description=Microphone"];
    pactl(folder, &["load-module", "module-remap-source", "master=mic_feed.monitor", source[0], source[1]])?;
    wait(folder, "default devices", || {
        let set = |what, name| pactl(folder, &[what, name]).is_ok();
        let is = |what, name: &str| pactl(folder, &[what]).is_ok_and(|now| now.trim() == name);
        // The session manager takes them over only once it has seen the nodes: ask until it has.
        set("set-default-sink", "speaker")
            && set("set-default-source", "microphone")
            && is("get-default-sink", "speaker")
            && is("get-default-source", "microphone")
    })?;
    Ok(pids)
}

/// Runs `pactl` and returns what it prints.
pub(super) fn pactl(folder: &Path, arguments: &[&str]) -> Result<String, SoundRigError> {
    let mut command = Command::new("pactl");
    command.args(arguments).envs(client_env(folder)).env("LC_ALL", "C").stdin(Stdio::null());
    let output = command.output().map_err(|error| missing(error, "pactl", "pulseaudio-utils"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(SoundRigError::Failed { program: format!("pactl {}", arguments.join(" ")), reason })
    }
}

/// "Not found" in the words of someone who can do something about it.
pub(super) fn missing(error: io::Error, program: &str, package: &'static str) -> SoundRigError {
    if error.kind() == io::ErrorKind::NotFound {
        SoundRigError::Missing { program: program.to_owned(), package }
    } else {
        error.into()
    }
}

fn server(
    keeper: &Keeper,
    folder: &Path,
    program: &'static str,
    package: &'static str,
    arguments: &[&str],
) -> Result<u32, SoundRigError> {
    let log = File::create(folder.join(format!("{program}.log")))?;
    let bus = format!("unix:path={}/bus", folder.display());
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(client_env(folder))
        .env("HOME", folder.join("home"))
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env("XDG_STATE_HOME", folder.join("state"))
        .env("DBUS_SESSION_BUS_ADDRESS", &bus)
        // There is no system bus for it; asking the real one for Bluetooth or scheduling is not a test's business.
        .env("DBUS_SYSTEM_BUS_ADDRESS", &bus)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let (pid, _) = keeper.spawn(command).map_err(|error| missing(error, program, package))?;
    Ok(pid)
}

fn wait(folder: &Path, what: &'static str, mut is_there: impl FnMut() -> bool) -> Result<(), SoundRigError> {
    let started = Instant::now();
    while !is_there() {
        if started.elapsed() > START_TIMEOUT {
            return Err(SoundRigError::Timeout { what, seconds: START_TIMEOUT.as_secs(), log: logs(folder) });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The last lines of every server's log.
fn logs(folder: &Path) -> String {
    let programs = ["dbus-daemon", "pipewire", "wireplumber", "pipewire-pulse"];
    let tail = |program: &&str| {
        let text = fs::read_to_string(folder.join(format!("{program}.log"))).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        format!("{program}: {}\n", lines.into_iter().rev().collect::<Vec<_>>().join(" | "))
    };
    programs.iter().map(tail).collect()
}

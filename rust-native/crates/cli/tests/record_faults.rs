//! `tidecast stream --to … --record …` on a disk that fills up: the stream goes on, it is told at once, the file is
//! whole, and the exit code tells the truth.
#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Takes datagrams for so long; how many.
fn received(socket: &UdpSocket, lasts: Duration) -> usize {
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("set");
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < lasts {
        count += usize::from(socket.recv(&mut [0; 2048]).is_ok());
    }
    count
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_stream() {
    let folder = std::env::temp_dir().join(format!("tidecast-full-{}", std::process::id()));
    let (disk, kept) = (folder.join("disk"), folder.join("kept"));
    std::fs::create_dir_all(&disk).expect("a folder");
    std::fs::create_dir_all(&kept).expect("a folder");
    let player = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let to = format!("udp://{}", player.local_addr().expect("an address"));
    // A disk of its own in a mount namespace of its own, which ends with the program.
    let root = std::fs::read_to_string("/proc/self/status").expect("Linux").contains("Uid:\t0\t");
    let whose: &[&str] = if root { &["--mount"] } else { &["--user", "--map-root-user", "--mount"] };
    let script = format!(
        "mount -t tmpfs -o size=400k tmpfs {disk} || exit 99
         {program} stream --source pattern:bars --size 320x180 --fps 15 --kbps 500 --to {to} \\
           --record {disk}/show.mp4 --stats json --duration 60; code=$?
         cp {disk}/*.mp4 {kept}; exit $code",
        disk = disk.display(),
        kept = kept.display(),
        program = env!("CARGO_BIN_EXE_tidecast"),
    );
    let mut program = Command::new("unshare")
        .args(whose)
        .args(["sh", "-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("the test needs unshare (util-linux): {error}"));
    // Kept to the end: a program whose output nobody reads any more ends by itself.
    let mut lines = BufReader::new(program.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let mut warned = false;
    let mut told = None;
    for line in lines.by_ref() {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        warned |= event["type"] == "warning" && event["code"] == "record_room_low";
        if event["type"] == "error" {
            told = Some(event["code"].as_str().unwrap_or_default().to_owned());
        }
        if told.is_some() && event["type"] == "stats" {
            // A second or two later: what is sent is as it was, and nothing is recorded.
            assert!(event["recording"].is_null(), "{event}");
            assert!(event["destinations"][0]["sent_kbps"].as_f64().is_some_and(|kbps| kbps > 50.0), "{event}");
            break;
        }
    }
    assert_eq!(told.as_deref(), Some("record_disk_full"));
    assert!(warned, "less than ten minutes were left");
    assert!(received(&player, Duration::from_secs(2)) > 40, "the stream goes on");
    // Asked to end, as by Ctrl-C: the shell waits for it.
    let children = format!("/proc/{0}/task/{0}/children", program.id());
    let child = std::fs::read_to_string(children).expect("Linux").split_whitespace().next().map(str::to_owned);
    let child = child.unwrap_or_else(|| panic!("the program runs"));
    assert!(Command::new("kill").args(["-INT", &child]).status().expect("kill").success());
    let code = program.wait().expect("ended").code();
    assert!(code.is_some_and(|code| code != 0 && code != 99), "the exit code tells of the recording: {code:?}");
    let file = std::fs::read_dir(&kept).expect("a folder").flatten().next().expect("a file").path();
    let output = Command::new("ffmpeg").args(["-v", "warning", "-i"]).arg(&file).args(["-f", "null", "-"]).output();
    let output = output.expect("the test needs ffmpeg (npm run setup installs it)");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let _ = std::fs::remove_dir_all(&folder);
}

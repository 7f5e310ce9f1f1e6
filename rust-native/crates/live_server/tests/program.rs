//! The program `tidecast-server` as a person meets it.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidecast-server"));
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A configuration file of its own, gone with the value.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str, contents: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidecast-server-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, contents).expect("a file");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a readable path")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Starts it and reads what it says until a line that holds `last`.
fn start(arguments: &[&str], last: &str) -> (Child, String) {
    let mut child = program().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut said = String::new();
    let mut lines = BufReader::new(child.stdout.as_mut().expect("its output"));
    while !said.contains(last) {
        assert!(lines.read_line(&mut said).expect("a line") > 0, "it ended: {said}");
    }
    (child, said)
}

/// Ends it as a service manager does, and gives its exit code and log.
fn terminate(mut child: Child) -> (Option<i32>, String) {
    let status = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().expect("kill");
    assert!(status.success());
    let end = Instant::now() + Duration::from_secs(20);
    let code = loop {
        if let Some(status) = child.try_wait().expect("a status") {
            break status.code();
        }
        assert!(Instant::now() < end, "it does not stop");
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut log = String::new();
    child.stderr.take().expect("its log").read_to_string(&mut log).expect("its log");
    (code, log)
}

#[test]
fn help_names_every_flag() {
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    for flag in ["--http", "--config", "--log", "--help"] {
        assert!(text(&output.stdout).contains(flag), "{flag}");
    }
}

#[test]
fn a_wrong_flag_ends_with_2() {
    assert_eq!(run(&["--nonsense"]).status.code(), Some(2));
    assert_eq!(run(&["--http", "nowhere"]).status.code(), Some(2));
}

#[test]
fn a_bad_configuration_ends_with_2_its_line_and_its_reason() {
    let file =
        File::new("bad", "http = \"127.0.0.1:0\"\n\n[streams.live]\npublish_key = \"hunter2hunter2\"\ncolour = 3\n");
    let output = run(&["--config", file.path()]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("line 5") && said.contains("unknown field `colour`"), "{said}");
    assert!(!said.contains("hunter2"));
    assert_eq!(run(&["--config", "/nowhere/at/all.toml"]).status.code(), Some(2));
}

#[test]
fn a_port_in_use_ends_with_3_and_says_which() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let output = run(&["--http", &address]);
    assert_eq!(output.status.code(), Some(3));
    let said = text(&output.stderr);
    assert!(said.contains(&address) && said.contains("in use"), "{said}");
}

#[test]
fn without_a_file_it_makes_keys_says_them_once_and_stops_when_told() {
    let (child, said) = start(&["--http", "127.0.0.1:0", "--log", "json"], "watch ");
    let after =
        |label: &str| said.lines().find_map(|line| line.trim().strip_prefix(label)).expect("a line").trim().to_owned();
    let (publish, key, watch) = (after("publish"), after("key"), after("watch"));
    assert!(publish.starts_with("http://127.0.0.1:") && publish.ends_with("/whip/live"));
    assert_eq!(key.len(), 32);
    let (page, token) = watch.split_once("#token=").expect("a token in the fragment");
    assert!(page.ends_with("/?stream=live") && token.len() == 32);
    let (code, log) = terminate(child);
    assert_eq!(code, Some(0));
    assert!(!log.contains(&key) && !log.contains(token), "the log holds no key");
    for line in log.lines() {
        assert!(line.starts_with('{') && line.ends_with('}'), "JSON: {line}");
    }
}

#[test]
fn keys_from_a_file_are_not_shown() {
    let file = File::new("good", "http = \"127.0.0.1:0\"\n[streams.live]\npublish_key = \"hunter2hunter2\"\n");
    let (child, said) = start(&["--config", file.path()], "listens on");
    let (code, log) = terminate(child);
    assert_eq!(code, Some(0));
    assert!(!said.contains("hunter2") && !log.contains("hunter2"));
}

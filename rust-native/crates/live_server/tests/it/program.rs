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

#[test]
fn hash_key_makes_a_hash_that_a_configuration_takes_and_never_shows_the_key() {
    let mut child = program().arg("hash-key").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("its input"), b"hunter2hunter2\n").expect("written");
    let output = child.wait_with_output().expect("it ends");
    let hash = text(&output.stdout).trim().to_owned();
    assert!(output.status.success() && hash.starts_with("$argon2id$") && !hash.contains("hunter2"), "{hash}");
    let file = File::new(
        "hashed",
        &format!(
            "http = \"127.0.0.1:0\"\n[tokens]\nsecret = \"0123456789abcdef0123456789abcdef\"\n[streams.live]\npublish_key = \"{hash}\"\n"
        ),
    );
    let signed = run(&["--config", file.path(), "sign-token", "--stream", "live", "--minutes", "5"]);
    assert_eq!(text(&signed.stdout).trim().split('.').count(), 3);
    let unknown = run(&["--config", file.path(), "sign-token", "--stream", "other"]);
    assert_eq!(unknown.status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn a_hang_up_reads_the_file_again_and_an_error_in_it_keeps_the_old_one() {
    let good = "http = \"127.0.0.1:0\"\n[streams.live]\npublish_key = \"hunter2hunter2\"\n";
    let file = File::new("again", good);
    let (mut child, _) = start(&["--config", file.path(), "--log", "json"], "listens on");
    let mut log = BufReader::new(child.stderr.take().expect("its log"));
    let mut hang_up = |contents: &str, wanted: &str| {
        std::fs::write(file.path(), contents).expect("a file");
        let status = Command::new("kill").arg("-HUP").arg(child.id().to_string()).status().expect("kill");
        assert!(status.success());
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert!(log.read_line(&mut line).expect("a line") > 0, "it ended");
            assert!(!line.contains("hunter2"));
        }
        line
    };
    let refused = hang_up(&format!("{good}colour = 3\n"), "is refused");
    assert!(refused.contains("line 4") && refused.contains("unknown field"), "{refused}");
    hang_up(&format!("{good}view_token = \"hunter2hunter2\"\n"), "is in force");
    let status = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().expect("kill");
    assert!(status.success() && child.wait().expect("it ends").success());
}

#[tokio::test]
async fn what_is_logged_of_a_request_bears_the_name_that_its_answer_has() {
    let (child, said) = start(&["--http", "127.0.0.1:0", "--log", "json"], "watch ");
    let publish = said.lines().find_map(|line| line.trim().strip_prefix("publish")).expect("a line").trim().to_owned();
    let request = reqwest::Client::new().post(publish).bearer_auth("wrong-wrong-wrong");
    let answer = request.header("Content-Type", "application/sdp").body("v=0").send().await.expect("an answer");
    let id = answer.headers()["x-request-id"].to_str().expect("text").to_owned();
    assert_eq!((answer.status().as_u16(), id.len()), (401, 16));
    let (_, log) = terminate(child);
    let line = log.lines().find(|line| line.contains("a wrong token")).expect("it is logged");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!((&line["span"]["id"], &line["span"]["endpoint"]), (&id.into(), &"whip".into()));
    assert!(!log.contains("wrong-wrong-wrong"));
}

#[tokio::test]
async fn the_admin_password_comes_by_standard_input_is_kept_as_a_hash_and_counts_at_once() {
    let folder = testkit::scratch::Folder::new("admin-password");
    let kept = folder.file("state");
    let toml = format!(
        "http = \"127.0.0.1:0\"\n[admin]\nfolder = \"{}\"\n[streams.live]\npublish_key = \"hunter2hunter2\"\n",
        kept.display()
    );
    let file = File::new("admin", &toml);
    let (child, said) = start(&["--config", file.path(), "--log", "json"], "listens on");
    let address = said.trim().rsplit(' ').next().expect("an address").to_owned();
    let sign_in = async |password: &str| {
        let request = reqwest::Client::new().post(format!("{address}/api/v1/admin/session"));
        let request = request.header("Content-Type", "application/json");
        let body = serde_json::json!({ "password": password }).to_string();
        request.body(body).send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(sign_in("swordfish swordfish").await, 409, "nobody can sign in before a password is set");
    let set = |password: &str| {
        let mut tool = program();
        tool.args(["--config", file.path(), "set-admin-password"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut tool = tool.stderr(Stdio::piped()).spawn().expect("it starts");
        std::io::Write::write_all(&mut tool.stdin.take().expect("its input"), password.as_bytes()).expect("written");
        tool.wait_with_output().expect("it ends")
    };
    assert_eq!(set("too short\n").status.code(), Some(2));
    let output = set("swordfish swordfish\n");
    assert!(output.status.success() && !text(&output.stdout).contains("swordfish"), "{}", text(&output.stderr));
    let written = std::fs::read_to_string(kept.join("admin-password")).expect("a file");
    assert!(written.starts_with("$argon2id$") && !written.contains("swordfish"));
    assert_eq!(sign_in("swordfish swordfisH").await, 401);
    assert_eq!(sign_in("swordfish swordfish").await, 200);
    let (code, log) = terminate(child);
    assert_eq!(code, Some(0));
    assert!(log.contains("a wrong admin password") && !log.contains("swordfish"), "{log}");
}

#[cfg(unix)]
#[tokio::test]
async fn told_to_stop_it_waits_for_who_is_there_takes_nobody_new_and_says_so() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let toml = format!(
        "http = \"127.0.0.1:0\"\ndrain_seconds = 60\n[rtmp]\nlisten = \"{free}\"\n[streams.live]\npublish_key = \"hunter2hunter2\"\n"
    );
    let file = File::new("drain", &toml);
    let (mut child, said) = start(&["--config", file.path(), "--log", "json"], "rtmp://");
    let address = said.split_whitespace().find(|word| word.starts_with("http://")).expect("an address").to_owned();
    let to = format!("rtmp://{free}/live/hunter2hunter2");
    let mut publisher = Command::new("ffmpeg");
    publisher.args([
        "-v",
        "error",
        "-nostdin",
        "-re",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=320x180:r=30",
        "-c:v",
        "libx264",
    ]);
    publisher.args(["-tune", "zerolatency", "-bf", "0", "-g", "30", "-f", "flv", &to]).stdin(Stdio::null());
    let publisher = testkit::scratch::Running(publisher.spawn().expect("ffmpeg"));
    let status = async |path: &str| {
        let answer = reqwest::get(format!("{address}{path}")).await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    };
    let until = async |path: &str, words: &str| {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let (status, text) = status(path).await;
            if text.contains(words) {
                return status;
            }
            assert!(Instant::now() < end, "{path}: {status} {text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    until("/api/v1/streams", "\"live\":true").await;
    assert_eq!(until("/readyz", "ready").await, 200);
    let told = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().expect("kill");
    assert!(told.success());
    assert_eq!(until("/readyz", "draining").await, 503);
    assert_eq!(status("/healthz").await.0, 200);
    let request = reqwest::Client::new().post(format!("{address}/whip/live")).bearer_auth("hunter2hunter2");
    let refused = request.header("Content-Type", "application/sdp").body("v=0").send().await.expect("an answer");
    assert_eq!(refused.status(), 503);
    assert!(status("/api/v1/streams").await.1.contains("\"live\":true"), "who is there stays");
    assert!(child.try_wait().expect("a status").is_none(), "and so does the server");
    drop(publisher);
    let end = Instant::now() + Duration::from_secs(30);
    let code = loop {
        if let Some(status) = child.try_wait().expect("a status") {
            break status.code();
        }
        assert!(Instant::now() < end, "it does not stop when the last has left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let mut log = String::new();
    child.stderr.take().expect("its log").read_to_string(&mut log).expect("its log");
    assert_eq!(code, Some(0), "{log}");
    // What is logged of a session bears its name, the same from its beginning to its end.
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let names: Vec<_> = lines.filter_map(|line| line["session"].as_str().map(str::to_owned)).collect();
    assert!(names.len() >= 2 && names.iter().all(|name| *name == names[0]), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

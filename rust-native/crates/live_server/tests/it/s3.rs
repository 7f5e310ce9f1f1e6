//! A store that speaks S3 and is not ours: moto's server.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use live_server::S3Settings;
use media::Secret;
use testkit::scratch::Running;

/// Where `npm run setup -- --tests` puts it.
pub(crate) const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../electron-app/.setup/python");

pub(crate) struct Moto {
    _running: Running,
    pub(crate) endpoint: String,
}

impl Moto {
    /// Starts one, with an empty bucket.
    pub(crate) async fn start(bucket: &str) -> Self {
        assert!(std::path::Path::new(PACKAGES).is_dir(), "the test needs moto (npm run setup -- --tests installs it)");
        let mut child = Command::new("python3")
            .args(["-c", "from moto.server import main; main(['-H', '127.0.0.1', '-p', '0'])"])
            .env("PYTHONPATH", PACKAGES)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3");
        let lines = BufReader::new(child.stderr.take().expect("piped"));
        let running = Running(child);
        let mut lines = lines.lines().map(|line| line.expect("text"));
        let endpoint = lines.find_map(|line| Some(line.split_once("Running on ")?.1.trim().to_owned()));
        // It logs each request.
        std::thread::spawn(move || lines.for_each(drop));
        let endpoint = endpoint.expect("it says where it listens");
        let made = reqwest::Client::new().put(format!("{endpoint}/{bucket}")).send().await.expect("an answer");
        assert!(made.status().is_success(), "{}", made.status());
        Self { _running: running, endpoint }
    }

    pub(crate) fn settings(&self, bucket: &str) -> S3Settings {
        S3Settings {
            bucket: bucket.to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some(self.endpoint.clone()),
            access_key_id: Some("testing".to_owned()),
            secret_access_key: Some(Secret::new("testing-too")),
            prefix: "shows".to_owned(),
        }
    }

    /// The names in a bucket, as S3 lists them.
    pub(crate) async fn names(&self, bucket: &str) -> Vec<String> {
        let address = format!("{}/{bucket}?list-type=2", self.endpoint);
        let text = reqwest::get(address).await.expect("an answer").text().await.expect("text");
        text.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once("</Key>")?.0.to_owned())).collect()
    }
}

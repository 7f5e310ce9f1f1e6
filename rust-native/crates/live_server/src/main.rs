//! `tidecast-server`: the live server by itself. Reads flags and a file, serves until it is told to stop.

mod memory;
mod tools;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use live_server::{AdminSettings, Config, ConfigProblem, LiveServer, LogBook, ServerError, StreamSettings};
use media::Secret;
use rand::TryRngCore;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Receives live streams over WHIP, RTMP and SRT, or fetches them, and shows them to many viewers over WHEP, HLS, HTTP-FLV,
/// RTMP and SRT.
///
/// Without --config it makes up keys for one stream named "live" and prints them once.
///
/// Exit codes: 0 stopped as asked, 1 could not run, 2 wrong flags or configuration, 3 the port is in use.
#[derive(Debug, Parser)]
#[command(name = "tidecast-server", version, after_help = EXAMPLE)]
struct Flags {
    /// Where to listen for HTTP, as ADDRESS:PORT [default: 127.0.0.1:8080, or what the configuration says]
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// A TOML file with streams and keys
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to write the log, to standard error; RUST_LOG sets how much
    #[arg(long, value_enum, default_value_t = Log::Text)]
    log: Log,
    /// Something else than to serve
    #[command(subcommand)]
    tool: Option<tools::Tool>,
}

const EXAMPLE: &str = "A configuration file, every line but the streams optional:

  http = \"0.0.0.0:8080\"            # this machine only: 127.0.0.1
  metrics_token = \"…\"             # opens /metrics to other machines
  [https]                         # beside http; read again on SIGHUP
  listen = \"0.0.0.0:443\"
  certificate = \"…\"             # PEM files
  private_key = \"…\"             # or, instead of both files, fetched and renewed (port 443 must lead here):
  # acme = { domains = [\"live.example.org\"], contact = \"you@example.org\", cache = \"/var/lib/tidecast/acme\" }
  [rtc]
  port = 8081                     # UDP, for a firewall; 0 takes a free one
  public_address = \"203.0.113.7\" # behind a NAT
  [rtmp]
  listen = \"0.0.0.0:1935\"         # publish to rtmp://HOST/live with the key as stream key; play …/app/live?token=…
  [srt]
  listen = \"0.0.0.0:9000\"         # streamid #!::r=live,m=publish,s=KEY, or m=request,s=TOKEN to play
  [limits]
  viewers = 500
  [publishing]
  grace_seconds = 15              # viewers wait this long for a publisher to come back
  second_publisher = \"refuse\"     # default: take_over
  [hls]                           # HLS, LL-HLS and DASH: /hls/live/index.m3u8, /dash/live/manifest.mpd
  always = true                   # pack even while nobody reads; default: false
  part_ms = 500                   # low-latency players stand three parts behind
  segment_ms = 2000
  window_seconds = 40
  [recording.disk]                # a rule; any number of them, each with a name
  streams = [\"*\"]                # default: all
  folder = \"/var/lib/tidecast\"   # or s3 = { bucket = \"…\", region = \"…\", endpoint = \"https://…\", … }
  split_minutes = 60              # then another recording begins
  keep_days = 30                  # and keep_gb = 100: the oldest go first
  [forward.other]                 # sends a stream on: rtmp(s), srt, http(s) for WHIP, udp, tcp
  stream = \"live\"
  url = \"rtmp://…/app\"
  key = \"…\"                     # or SRT's stream id, or WHIP's token
  [pull.live]                     # fetches the stream instead: rtmp(s), srt, http(s)://….m3u8, whep+http(s)
  url = \"rtmp://…/app/name\"
  when = \"watched\"               # default: always
  [alerts]
  webhook = \"https://…\"         # told once when it begins, once when it is over
  rules.down = { when = \"stream_down\", streams = [\"live\"], for_seconds = 30 }
  rules.thin = { when = \"bitrate_low\", limit = 500 }   # loss_high: percent, disk_low: GB
  [access]
  publish_allow = [\"10.0.0.0/8\"]
  [tokens]
  secret = \"…\"                    # for signed tokens: tidecast-server sign-token
  [admin]                         # the pages at /admin
  folder = \"/var/lib/tidecast\"   # set-admin-password, keys and forwards that are added
  [hook]
  url = \"https://…\"               # asked on publish and play, told on end
  [streams.live]                  # publish to /whip/live, watch at /?stream=live#token=…
  publish_key = \"…\"             # or its hash: tidecast-server hash-key
  view_token = \"…\"                # without it everyone may watch";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Log {
    Text,
    Json,
}

fn main() -> ExitCode {
    memory::keep_large_pieces_apart();
    let flags = Flags::parse();
    if let Some(tool) = &flags.tool {
        return tools::run(tool, flags.config.as_deref());
    }
    let log = start_log(flags.log);
    let (config, made_up) = match configure(&flags) {
        Ok(config) => config,
        Err((file, error)) => {
            say_error(&match file {
                Some(file) => format!("{file}: {error}\n  {}", error.hint()),
                None => format!("{error}\n  {}", error.hint()),
            });
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say_error(&format!("the system gives no threads: {error}"));
            return ExitCode::from(1);
        }
    };
    runtime.block_on(serve(flags, config, made_up, log))
}

async fn serve(flags: Flags, config: Config, made_up: bool, log: LogBook) -> ExitCode {
    let shown = made_up.then(|| config.clone());
    let drain = Duration::from_secs(config.drain_seconds.into());
    let server = match LiveServer::start_logged(config, log).await {
        Ok(server) => server,
        Err(error) => {
            say_error(&format!("{error}\n  {}", error.hint()));
            return ExitCode::from(match error {
                ServerError::BadConfig(_) => 2,
                ServerError::PortInUse { .. } => 3,
                _ => 1,
            });
        }
    };
    let mut signals = match Signals::catch() {
        Ok(signals) => signals,
        Err(error) => {
            say_error(&format!("the system gives no signals: {error}"));
            return ExitCode::from(1);
        }
    };
    say(&greeting(server.http_addr(), shown.as_ref()));
    if let Some(address) = server.https_addr() {
        say(&format!("it listens on https://{address} too"));
    }
    say_ingest(&server);
    while let Signal::Reload = signals.next().await {
        reload(&flags, &server).await;
    }
    if !drain.is_zero() {
        server.drain();
        tokio::select! {
            () = left_alone(&server) => {}
            () = tokio::time::sleep(drain) => {}
            // Told twice: now.
            () = signals.stop() => {}
        }
    }
    tracing::info!("stopping");
    server.shutdown().await;
    ExitCode::SUCCESS
}

/// Reads the file again. One with an error changes nothing.
async fn reload(flags: &Flags, server: &LiveServer) {
    if flags.config.is_none() {
        tracing::warn!("there is no configuration file to read again");
        return;
    }
    match configure(flags) {
        Ok((config, _)) => {
            if let Err(error) = server.reload(config).await {
                tracing::error!(%error, "the new configuration is refused, the old one stays");
            }
        }
        Err((_, error)) => tracing::error!(%error, "the new configuration is refused, the old one stays"),
    }
}

async fn left_alone(server: &LiveServer) {
    while !server.is_idle() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The configuration, and whether its keys were made up here.
fn configure(flags: &Flags) -> Result<(Config, bool), (Option<String>, ServerError)> {
    let mut made_up = false;
    let mut config = match &flags.config {
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| {
                let reason = format!("can't be read: {error}");
                (Some(name.clone()), ServerError::BadConfig(ConfigProblem { line: None, reason }))
            })?;
            Config::from_toml(&text).map_err(|error| (Some(name), error))?
        }
        None => {
            made_up = true;
            let settings =
                StreamSettings { publish_key: random_secret(), view_token: Some(random_secret()), signed_only: false };
            let admin = AdminSettings { password: Some(random_secret()), ..AdminSettings::default() };
            let streams = BTreeMap::from([("live".to_owned(), settings)]);
            Config { streams, admin: Some(admin), ..Config::default() }
        }
    };
    if let Some(http) = flags.http {
        config.http = http;
    }
    Ok((config, made_up))
}

/// 128 bits.
fn random_secret() -> Secret {
    let mut bytes = [0u8; 16];
    #[allow(clippy::expect_used)]
    rand::rngs::OsRng.try_fill_bytes(&mut bytes).expect("the system's random numbers");
    Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// The one place where keys that were made up here are shown; a newcomer has no other way to learn them.
fn greeting(address: SocketAddr, made_up: Option<&Config>) -> String {
    let host =
        if address.ip().is_unspecified() { format!("127.0.0.1:{}", address.port()) } else { address.to_string() };
    let mut text = format!("tidecast-server listens on http://{address}\n");
    let Some(config) = made_up else { return text };
    for (name, stream) in &config.streams {
        let token = stream.view_token.as_ref().map(|token| format!("#token={}", token.expose())).unwrap_or_default();
        text.push_str(&format!(
            "\nStream \"{name}\" (keys made for this run; put your own in a file, see --help)\n  \
             publish  http://{host}/whip/{name}\n  key      {}\n  watch    http://{host}/?stream={name}{token}\n",
            stream.publish_key.expose(),
        ));
    }
    if let Some(password) = config.admin.as_ref().and_then(|admin| admin.password.as_ref()) {
        text.push_str(&format!(
            "\nAdmin pages (from this machine)\n  open     http://{host}/admin\n  password {}\n",
            password.expose()
        ));
    }
    text
}

/// Where else publishers may come in.
fn say_ingest(server: &LiveServer) {
    for (protocol, address) in
        [("rtmp", server.rtmp_addr()), ("rtmps", server.rtmps_addr()), ("srt", server.srt_addr())]
    {
        if let Some(address) = address {
            say(&format!("publishers and players may come to {protocol}://{address} too"));
        }
    }
}

/// Writes the log to standard error, and keeps its last lines for the admin pages.
fn start_log(log: Log) -> LogBook {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,str0m=warn,is=warn"));
    let (book, writer) = (LogBook::default(), tracing_subscriber::fmt::layer().with_writer(std::io::stderr));
    let writer = match log {
        Log::Text => writer.with_ansi(std::io::stderr().is_terminal()).boxed(),
        Log::Json => writer.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(writer).with(book.layer()).init();
    book
}

fn say(text: &str) {
    // Nobody may be listening; that is no reason to stop serving.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn say_error(text: &str) {
    let _ = writeln!(std::io::stderr(), "tidecast-server: {text}");
}

/// What the program is told from outside.
enum Signal {
    /// Read the configuration again.
    #[cfg_attr(windows, expect(dead_code, reason = "there is no such signal"))]
    Reload,
    Stop,
}

/// SIGINT, SIGTERM and SIGHUP. They are caught from the call on, not only from the first poll: who starts this program
/// may stop it right after its first word.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn catch() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }

    async fn stop(&mut self) {
        while !matches!(self.next().await, Signal::Stop) {}
    }
}

/// Ctrl-C and the closing of the console, caught from the call on. There is no signal to read a file again.
#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    close: tokio::signal::windows::CtrlClose,
}

#[cfg(windows)]
impl Signals {
    fn catch() -> std::io::Result<Self> {
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()?, close: tokio::signal::windows::ctrl_close()? })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.close.recv() => Signal::Stop,
        }
    }

    async fn stop(&mut self) {
        self.next().await;
    }
}

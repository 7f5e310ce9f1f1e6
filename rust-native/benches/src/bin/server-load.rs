//! Puts publishers and WHEP viewers on a live server and says what that cost it and what became of the packets: see
//! `tidecast_bench::load`. One line of JSON.

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::process::ExitCode;
    use std::time::Duration;

    use clap::Parser;
    use tidecast_bench::load::{self, Outcome, Plan};
    use tidecast_bench::program::{end, say};

    #[derive(Parser)]
    struct Arguments {
        /// The server's HTTP address: 127.0.0.1:8080.
        #[arg(long)]
        server: String,
        /// The server's process.
        #[arg(long)]
        pid: u32,
        /// Streams to publish; all viewers watch the first.
        #[arg(long = "stream", required = true)]
        streams: Vec<String>,
        /// The environment variable that holds the publish key.
        #[arg(long, default_value = "TIDECAST_KEY")]
        key_env: String,
        #[arg(long, default_value_t = 50)]
        viewers: usize,
        #[arg(long, default_value_t = 6000)]
        kbps: u32,
        #[arg(long, default_value_t = 60)]
        fps: u32,
        /// Counted for so many seconds.
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
    }

    pub(super) fn main() -> ExitCode {
        end(env!("CARGO_BIN_NAME"), run(Arguments::parse()).and_then(|line| Ok(say(&line)?)))
    }

    fn run(arguments: Arguments) -> Result<String, load::Problem> {
        str0m::crypto::from_feature_flags().install_process_default();
        let viewers = arguments.viewers;
        let plan = Plan {
            server: arguments.server,
            streams: arguments.streams,
            key: std::env::var(&arguments.key_env)?,
            viewers,
            kbps: arguments.kbps,
            fps: arguments.fps,
            window: Duration::from_secs_f64(arguments.seconds),
            pid: arguments.pid,
        };
        let Outcome { expected, received, delays_us, keyframes_us, cpu_seconds, seconds, memory, ended } =
            load::run(&plan)?;
        let (before, after) = memory;
        let of = |delays: &[u32], share: f64| {
            let place = ((delays.len() as f64 * share) as usize).min(delays.len().saturating_sub(1));
            delays.get(place).map(|delay| f64::from(*delay) / 1000.0)
        };
        let delay = |share| of(&delays_us, share);
        Ok(serde_json::json!({
            "publishers": plan.streams.len(),
            "viewers": viewers,
            "cpu_seconds_per_minute": cpu_seconds / seconds * 60.0,
            "expected": expected,
            "dropped": expected.saturating_sub(received),
            "delay_p50_ms": delay(0.5),
            "delay_p95_ms": delay(0.95),
            "delay_p99_ms": delay(0.99),
            "keyframe_delay_p50_ms": of(&keyframes_us, 0.5),
            "keyframe_delay_p99_ms": of(&keyframes_us, 0.99),
            "memory_mib": after as f64 / f64::from(1 << 20),
            "memory_per_viewer_kib": (viewers > 0).then(|| after.saturating_sub(before) as f64 / 1024.0 / viewers as f64),
            "ended": ended,
        })
        .to_string())
    }
}

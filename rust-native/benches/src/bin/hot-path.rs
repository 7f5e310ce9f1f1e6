//! One piece of the work on a picture, done so often, and nothing else: for a counter of instructions around it.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use tidecast_bench::hot_paths;

#[derive(Parser)]
struct Arguments {
    /// One of the names of `hot_paths`.
    name: String,
    #[arg(long, default_value_t = 1)]
    times: u32,
}

fn main() -> ExitCode {
    let Arguments { name, times } = Arguments::parse();
    match hot_paths::named(&name) {
        Ok(mut path) => {
            (0..times).for_each(|_| path());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "hot-path: {error}");
            ExitCode::FAILURE
        }
    }
}

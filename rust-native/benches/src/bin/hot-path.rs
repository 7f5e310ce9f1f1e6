//! One piece of the work on a picture, done so often, and nothing else: for a counter of instructions around it.

use std::process::ExitCode;

use clap::Parser;
use tidecast_bench::hot_paths;
use tidecast_bench::program::end;

#[derive(Parser)]
struct Arguments {
    /// One of the names of `hot_paths`.
    name: String,
    #[arg(long, default_value_t = 1)]
    times: u32,
}

fn main() -> ExitCode {
    let Arguments { name, times } = Arguments::parse();
    let outcome = hot_paths::named(&name).map(|mut path| (0..times).for_each(|_| path()));
    end(env!("CARGO_BIN_NAME"), outcome.map_err(Into::into))
}

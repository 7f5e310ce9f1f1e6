//! How many instructions each piece of the work on a picture takes, against what it took before: the clock of a busy
//! machine tells nothing of ten per cent, callgrind does.
//!
//! The base line is kept per model of processor and release of the compiler. Where there is none for this pair it is
//! written down, to be committed; `TIDECAST_KEEP_INSTRUCTIONS=1` writes it anew where a piece is meant to cost more.
#![cfg(target_os = "linux")]
// Helpers of tests are tests: what they can't do without is to fail them.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use tidecast_bench::hot_paths::PATHS;

type Counts = BTreeMap<String, u64>;

const BASE_LINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");
const MOST: f64 = 1.10;
/// Counted with these many repeats, the first of which also warm up: the difference is the work alone.
const FEW: u32 = 4;
const MANY: u32 = 12;

fn counted(name: &str, times: u32) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args([env!("CARGO_BIN_EXE_hot-path"), name, "--times", &times.to_string()])
        .output()
        .expect("valgrind is one of the system's packages that the tests need");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {told}");
    let count = told.lines().find_map(|line| line.split_once("Collected : ")).expect("callgrind tells its sum").1;
    count.trim().parse().unwrap()
}

fn machine() -> String {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(std::env::consts::ARCH);
    let compiler = Command::new("rustc").arg("--version").output().expect("rustc, as cargo runs here").stdout;
    format!("{}, {}", model.trim_start_matches([' ', '\t', ':']), String::from_utf8(compiler).unwrap().trim())
}

fn known() -> BTreeMap<String, Counts> {
    if !Path::new(BASE_LINE).exists() {
        return BTreeMap::new();
    }
    serde_json::from_str(&std::fs::read_to_string(BASE_LINE).unwrap()).unwrap()
}

#[test]
#[ignore = "takes minutes under callgrind: test:long"]
fn no_piece_of_the_work_takes_a_tenth_more_instructions_than_it_did() {
    let counts: Counts = PATHS
        .iter()
        .map(|(name, _)| {
            let each = (counted(name, MANY) - counted(name, FEW)) / u64::from(MANY - FEW);
            println!("{name}: {each}");
            ((*name).to_owned(), each)
        })
        .collect();
    let (machine, mut all) = (machine(), known());
    let base = all.get(&machine).cloned().unwrap_or_default();
    let dearer: Vec<String> = counts
        .iter()
        .filter_map(|(name, now)| base.get(name).map(|before| (name, *before, *now)))
        .filter(|(_, before, now)| *now as f64 > *before as f64 * MOST)
        .map(|(name, before, now)| format!("{name}: {before} instructions before, {now} now"))
        .collect();
    let renew = std::env::var_os("TIDECAST_KEEP_INSTRUCTIONS").is_some();
    assert!(renew || dearer.is_empty(), "{}", dearer.join("\n"));
    if renew || counts.keys().any(|name| !base.contains_key(name)) {
        println!("a base line for {machine} is written to {BASE_LINE}: commit it");
        all.insert(machine, counts);
        std::fs::write(BASE_LINE, serde_json::to_string_pretty(&all).unwrap() + "\n").unwrap();
    }
}

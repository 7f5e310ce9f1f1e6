//! This process's threads by name, as Linux shows them.

use std::path::PathBuf;

/// Name and folder (`/proc/self/task/N`) of each whose name begins so, by name.
pub fn named(beginning: &str) -> Vec<(String, PathBuf)> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux").flatten().map(|task| task.path());
    // One that has ended meanwhile has no name.
    let names =
        tasks.filter_map(|task| Some((std::fs::read_to_string(task.join("comm")).ok()?.trim().to_owned(), task)));
    let mut found: Vec<_> = names.filter(|(name, _)| name.starts_with(beginning)).collect();
    found.sort();
    found
}

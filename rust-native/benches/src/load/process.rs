//! Another process's processor time and memory.

use std::time::Duration;

use super::Problem;

/// A process of this machine.
#[derive(Debug, Clone, Copy)]
pub struct Process(u32);

impl Process {
    /// By its number.
    #[must_use]
    pub const fn of(pid: u32) -> Self {
        Self(pid)
    }

    /// Processor time of all of its threads that live, to the nanosecond (`schedstat`: proc(5)).
    ///
    /// # Errors
    /// Where it is gone.
    pub fn cpu(self) -> Result<Duration, Problem> {
        let mut nanos = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.0))? {
            // A thread may end while it is looked at.
            let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else { continue };
            nanos += text.split_whitespace().next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Resident memory, bytes.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn memory(self) -> Result<u64, Problem> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kibibytes: u64 = line.split_whitespace().next().ok_or("no VmRSS")?.parse()?;
        Ok(kibibytes * 1024)
    }
}

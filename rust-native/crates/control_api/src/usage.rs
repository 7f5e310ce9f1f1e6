//! What this process costs the machine, where the system tells.

pub(crate) use imp::{cpu_seconds, machine_busy_seconds, memory_mib};

#[cfg(target_os = "linux")]
mod imp {
    /// Processor time of all threads since the start, seconds.
    pub(crate) fn cpu_seconds() -> Option<f64> {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: `usage` is writable memory of the right type; zeroed is a valid rusage.
        let usage =
            unsafe { (libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) == 0).then(|| usage.assume_init())? };
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
        Some(seconds(usage.ru_utime) + seconds(usage.ru_stime))
    }

    /// Processor time of all programs since the machine's start, seconds: the first line of proc(5)'s `stat` without
    /// what is idle (its fourth and fifth field), without what gives way to others (nice, its second), and without
    /// guests, which count as user time already.
    pub(crate) fn machine_busy_seconds() -> Option<f64> {
        let stat = std::fs::read_to_string("/proc/stat").ok()?;
        let fields: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).map_while(|f| f.parse().ok()).collect();
        let busy: u64 = fields.iter().take(8).sum::<u64>() - fields.get(1)? - fields.get(3)? - fields.get(4)?;
        // SAFETY: sysconf has no preconditions.
        let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        Some(busy as f64 / ticks.max(1) as f64)
    }

    /// Resident memory, MiB (proc(5), `statm`).
    pub(crate) fn memory_mib() -> Option<f64> {
        let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
        let pages: f64 = statm.split_whitespace().nth(1)?.parse().ok()?;
        // SAFETY: sysconf has no preconditions.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        Some(pages * page as f64 / 1024.0 / 1024.0)
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    /// Unknown here.
    pub(crate) fn cpu_seconds() -> Option<f64> {
        None
    }

    /// Unknown here.
    pub(crate) fn machine_busy_seconds() -> Option<f64> {
        None
    }

    /// Unknown here.
    pub(crate) fn memory_mib() -> Option<f64> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn this_process_has_used_time_and_memory() {
        assert!(super::cpu_seconds().expect("known") > 0.0);
        let memory = super::memory_mib().expect("known");
        assert!(memory > 1.0 && memory < 100_000.0, "{memory}");
        assert!(super::machine_busy_seconds().expect("known") > 0.0);
    }
}

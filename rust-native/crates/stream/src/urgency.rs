//! How soon a thread is to run where many want the processor: sound first, then the grab of a picture.
//!
//! Only what is short is hurried. An encode is not: it may take a whole core, and what is shown needs one, too; where
//! there is no room, less is encoded (`control_api`'s governor). What the system does not grant stays as it was: an
//! ordinary user of Linux gets neither without a limit of its own (`rtprio` and `nice` in limits.conf).

/// What a thread does, as far as its turn depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Sound: a block each ten milliseconds, a fraction of a millisecond of work, and a click where it is late.
    Sound,
    /// A picture is read from a device: a few milliseconds of work, and a hitch where it is late.
    Picture,
}

/// What the system gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granted {
    /// It runs before everything that is not real-time.
    RealTime,
    /// It runs before others of the same user.
    Raised,
    /// Nothing: its turn is everybody's.
    Usual,
}

/// Asks for the calling thread. Threads that it starts later are usual ones again where it became real-time.
pub fn hurry(urgency: Urgency) -> Granted {
    system::hurry(urgency)
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Granted, Urgency};

    /// The lowest but a few, as PulseAudio's: above everything that is not real-time, below what drives devices.
    const REAL_TIME: libc::c_int = 5;
    /// As sound servers ask for, and as desktops do for what the eye follows.
    const NICE_FOR_SOUND: libc::c_int = -11;
    const NICE_FOR_PICTURES: libc::c_int = -4;

    pub(super) fn hurry(urgency: Urgency) -> Granted {
        match urgency {
            Urgency::Sound if real_time() => Granted::RealTime,
            Urgency::Sound => raised(NICE_FOR_SOUND),
            Urgency::Picture => raised(NICE_FOR_PICTURES),
        }
    }

    fn real_time() -> bool {
        let wish = libc::sched_param { sched_priority: REAL_TIME };
        // SAFETY: 0 is the calling thread (sched_setscheduler(2)), and the structure outlives the call.
        unsafe { libc::sched_setscheduler(0, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, &raw const wish) == 0 }
    }

    fn raised(nice: libc::c_int) -> Granted {
        // SAFETY: both calls take numbers only; 0 is the calling thread (setpriority(2), C library/kernel differences).
        // The first can't fail for it, so -1 is a value.
        let is_raised = unsafe {
            libc::getpriority(libc::PRIO_PROCESS, 0) > nice && libc::setpriority(libc::PRIO_PROCESS, 0, nice) == 0
        };
        if is_raised { Granted::Raised } else { Granted::Usual }
    }
}

#[cfg(target_os = "windows")]
mod system {
    use windows::Win32::System::Threading::{
        GetCurrentThread, SetThreadPriority, THREAD_PRIORITY_ABOVE_NORMAL, THREAD_PRIORITY_TIME_CRITICAL,
    };

    use super::{Granted, Urgency};

    pub(super) fn hurry(urgency: Urgency) -> Granted {
        let (priority, granted) = match urgency {
            Urgency::Sound => (THREAD_PRIORITY_TIME_CRITICAL, Granted::RealTime),
            Urgency::Picture => (THREAD_PRIORITY_ABOVE_NORMAL, Granted::Raised),
        };
        // SAFETY: the handle is the calling thread's pseudo handle, which is always valid and need not be closed.
        let outcome = unsafe { SetThreadPriority(GetCurrentThread(), priority) };
        if outcome.is_ok() { granted } else { Granted::Usual }
    }
}

#[cfg(target_os = "macos")]
mod system {
    use super::{Granted, Urgency};

    /// `QOS_CLASS_USER_INTERACTIVE` and `QOS_CLASS_USER_INITIATED` (sys/qos.h).
    const USER_INTERACTIVE: libc::c_uint = 0x21;
    const USER_INITIATED: libc::c_uint = 0x19;

    unsafe extern "C" {
        fn pthread_set_qos_class_self_np(class: libc::c_uint, relative: libc::c_int) -> libc::c_int;
    }

    pub(super) fn hurry(urgency: Urgency) -> Granted {
        let class = match urgency {
            Urgency::Sound => USER_INTERACTIVE,
            Urgency::Picture => USER_INITIATED,
        };
        // SAFETY: the call takes numbers only, and is about the calling thread (pthread/qos.h).
        if unsafe { pthread_set_qos_class_self_np(class, 0) } == 0 { Granted::Raised } else { Granted::Usual }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "windows", target_os = "macos")))]
mod system {
    use super::{Granted, Urgency};

    pub(super) fn hurry(_: Urgency) -> Granted {
        Granted::Usual
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::thread;

    use super::*;

    /// Real-time or not, and how nice.
    type Turn = (bool, i64);

    /// Of the calling thread, as the kernel tells it.
    fn turn() -> Turn {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("procfs");
        // The name may hold spaces: fields are counted from behind it. See proc(5): 19 is nice, 41 the policy.
        let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
        (fields[41 - 3] != "0", fields[19 - 3].parse().expect("a number"))
    }

    /// What was granted; then the thread before, the thread after, and one that it starts.
    fn hurried(urgency: Urgency) -> (Granted, [Turn; 3]) {
        let run = move || {
            let before = turn();
            let granted = hurry(urgency);
            let child = thread::spawn(turn).join().expect("a turn");
            (granted, [before, turn(), child])
        };
        thread::spawn(run).join().expect("a turn")
    }

    #[test]
    fn what_is_told_is_what_the_system_gave() {
        for urgency in [Urgency::Sound, Urgency::Picture] {
            let (granted, [before, after, _]) = hurried(urgency);
            match granted {
                Granted::RealTime => assert!(after.0, "{urgency:?}: {after:?}"),
                Granted::Raised => assert!(!after.0 && after.1 < before.1, "{urgency:?}: {before:?} to {after:?}"),
                Granted::Usual => assert_eq!(before, after, "{urgency:?}"),
            }
        }
    }

    #[test]
    fn a_picture_is_never_before_everything_and_no_other_thread_becomes_real_time() {
        let (granted, _) = hurried(Urgency::Picture);
        assert_ne!(granted, Granted::RealTime);
        let (_, [.., child]) = hurried(Urgency::Sound);
        assert!(!child.0, "{child:?}");
    }

    #[test]
    fn hurried_twice_is_hurried_once() {
        let run = || (hurry(Urgency::Picture), turn(), hurry(Urgency::Picture), turn());
        let (_, once, again, twice) = thread::spawn(run).join().expect("a turn");
        assert_eq!((again, once), (Granted::Usual, twice));
    }
}

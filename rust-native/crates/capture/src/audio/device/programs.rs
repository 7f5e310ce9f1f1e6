//! Which process stands for a program whose sound is wanted: pure, so that it is tested on every system.
//!
//! Windows hands out the sound of a process and of those it started. Browsers play in a helper process of theirs, and
//! a program that runs twice has several: the topmost process of the same name is the one whose tree is recorded.

use std::time::Duration;

use media::MediaTime;

use super::{Following, Microphone};

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) id: u32,
    /// Who started it; that number may be another's by now.
    pub(super) parent: u32,
    /// Of its file, without folder and extension.
    pub(super) name: String,
}

/// A process's way to a speaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) process: u32,
    /// It plays now.
    pub(super) active: bool,
}

/// Everything that runs, and what of it is connected to a speaker.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    pub(super) processes: Vec<Process>,
    pub(super) sessions: Vec<Session>,
    /// This process: its own program is nobody's source.
    pub(super) own: u32,
}

impl Machine {
    fn process(&self, id: u32) -> Option<&Process> {
        self.processes.iter().find(|process| process.id == id)
    }

    /// The topmost process of the same program above that one, itself included.
    fn root(&self, id: u32) -> Option<&Process> {
        let mut top = self.process(id)?;
        // Numbers are used again, so that parents may form a ring; no tree is as deep as this.
        for _ in 0..self.processes.len() {
            match self.process(top.parent) {
                Some(parent) if parent.id != top.id && same(&parent.name, &top.name) => top = parent,
                _ => break,
            }
        }
        Some(top)
    }

    /// The process whose tree is ourselves: the window, what plays its sound, and this engine.
    pub(super) fn own_root(&self) -> u32 {
        self.root(self.own).map_or(self.own, |process| process.id)
    }

    /// The roots of programs that are connected to a speaker, each with whether it plays now.
    fn roots(&self) -> Vec<(&Process, bool)> {
        let own = self.own_root();
        let mut roots: Vec<(&Process, bool)> = Vec::new();
        for session in &self.sessions {
            let Some(root) = self.root(session.process).filter(|root| root.id != own) else { continue };
            match roots.iter_mut().find(|(known, _)| known.id == root.id) {
                Some((_, active)) => *active |= session.active,
                None => roots.push((root, session.active)),
            }
        }
        roots
    }

    /// Every program that is connected to a speaker, playing or paused, but this one; by name.
    pub(super) fn programs(&self) -> Vec<Microphone> {
        let mut programs: Vec<Microphone> = Vec::new();
        for (root, _) in self.roots() {
            if !root.name.is_empty() && !programs.iter().any(|program| same(&program.id, &root.name)) {
                programs.push(Microphone { id: root.name.clone(), name: root.name.clone() });
            }
        }
        programs.sort_by_key(|program| program.name.to_lowercase());
        programs
    }

    /// The process whose tree is to be recorded for a program now: one that plays before one that rests, of several
    /// the newest number.
    pub(super) fn best(&self, program: &str) -> Option<u32> {
        let of_program = self.roots().into_iter().filter(|(root, _)| same(&root.name, program));
        of_program.max_by_key(|(root, active)| (*active, root.id)).map(|(root, _)| root.id)
    }

    /// What became of the process that is recorded for that program. While it runs it is kept, as the system gives
    /// silence for it; another one that plays is better only than one that has no session left.
    pub(super) fn following(&self, program: &str, taken: u32) -> Following {
        if !self.process(taken).is_some_and(|process| same(&process.name, program)) {
            return if self.best(program).is_some() { Following::Moved } else { Following::Gone };
        }
        let roots = self.roots();
        let connected = roots.iter().any(|(root, _)| root.id == taken);
        let better = roots.iter().any(|(root, active)| *active && root.id != taken && same(&root.name, program));
        if !connected && better { Following::Moved } else { Following::Same }
    }
}

/// File names are compared so by Windows.
fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// A file's name without its extension.
pub(super) fn stem(file: &str) -> &str {
    let end = file.len().saturating_sub(4);
    match file.get(end..) {
        Some(extension) if extension.eq_ignore_ascii_case(".exe") => &file[..end],
        _ => file,
    }
}

/// No packet is older; a stamp that says so is wrong.
const OLDEST: Duration = Duration::from_millis(500);

/// When a packet's first frame was played, on our clock: it arrived then, and by the performance counter (units of
/// 100 ns) it was played at `played` and is `now` there. A packet without a stamp is as old as it is long.
pub(super) fn captured_at(arrived: MediaTime, now: u64, played: Option<u64>, length: Duration) -> MediaTime {
    let age = played.map(|played| Duration::from_nanos(now.saturating_sub(played).saturating_mul(100)));
    arrived - age.filter(|age| *age <= OLDEST).unwrap_or(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(id, parent, name)` and `(process, active)`; this process is number 1.
    fn machine(processes: &[(u32, u32, &str)], sessions: &[(u32, bool)]) -> Machine {
        let process =
            |(id, parent, name): &(u32, u32, &str)| Process { id: *id, parent: *parent, name: (*name).into() };
        Machine {
            processes: processes.iter().map(process).collect(),
            sessions: sessions.iter().map(|(process, active)| Session { process: *process, active: *active }).collect(),
            own: 1,
        }
    }

    const SHELL: (u32, u32, &str) = (10, 4, "explorer");
    const OURS: [(u32, u32, &str); 3] = [(1, 2, "tidecast"), (2, 10, "Tidecast"), (3, 2, "tidecast")];

    #[test]
    fn a_browser_s_helper_stands_for_the_whole_browser() {
        let machine = machine(&[SHELL, (20, 10, "firefox"), (21, 20, "firefox"), (22, 20, "firefox")], &[(22, true)]);
        assert_eq!(machine.programs(), [Microphone { id: "firefox".into(), name: "firefox".into() }]);
        assert_eq!(machine.best("firefox"), Some(20));
        assert_eq!(machine.best("FireFox"), Some(20));
        assert_eq!(machine.best("explorer"), None, "it plays nothing");
    }

    #[test]
    fn our_own_program_is_nobody_s_source() {
        let all = [&OURS[..], &[SHELL, (30, 10, "music")]].concat();
        let machine = machine(&all, &[(3, true), (1, true), (30, false)]);
        let ids: Vec<_> = machine.programs().into_iter().map(|program| program.id).collect();
        assert_eq!(ids, ["music"]);
        assert_eq!(machine.best("tidecast"), None);
    }

    #[test]
    fn ourselves_are_the_window_and_all_it_started() {
        let mut machine = machine(&[(1, 0, "explorer"), (10, 1, "Tidecast"), (11, 10, "Tidecast")], &[]);
        machine.own = 11;
        assert_eq!(machine.own_root(), 10);
        machine.own = 99;
        assert_eq!(machine.own_root(), 99, "a process that is not listed stands for itself");
    }

    #[test]
    fn of_two_that_run_the_one_that_plays_is_taken_and_kept_while_it_rests() {
        let processes = [SHELL, (30, 10, "music"), (31, 10, "music")];
        assert_eq!(machine(&processes, &[(30, true), (31, false)]).best("music"), Some(30));
        assert_eq!(machine(&processes, &[(30, false), (31, false)]).best("music"), Some(31));
        let rests = machine(&processes, &[(30, false), (31, true)]);
        assert_eq!(rests.following("music", 30), Following::Same);
        let silent = machine(&processes, &[(31, true)]);
        assert_eq!(silent.following("music", 30), Following::Moved);
        assert_eq!(machine(&processes, &[]).following("music", 30), Following::Same);
    }

    #[test]
    fn a_program_that_ended_is_gone_and_one_that_was_started_anew_is_followed() {
        assert_eq!(machine(&[SHELL], &[]).following("music", 30), Following::Gone);
        assert_eq!(machine(&[SHELL, (44, 10, "music")], &[(44, true)]).following("music", 30), Following::Moved);
        // Its number is another program's now.
        assert_eq!(machine(&[SHELL, (30, 10, "notepad")], &[]).following("music", 30), Following::Gone);
    }

    #[test]
    fn parents_that_are_gone_or_form_a_ring_end_the_search() {
        let machine =
            machine(&[(5, 6, "a"), (6, 5, "a"), (7, 7, "b"), (8, 99, "c")], &[(5, true), (7, true), (8, true)]);
        assert!(machine.best("a").is_some());
        assert_eq!((machine.best("b"), machine.best("c")), (Some(7), Some(8)));
    }

    #[test]
    fn a_file_s_name_is_told_without_its_extension() {
        assert_eq!(
            (stem("Firefox.EXE"), stem("vlc.exe"), stem("System"), stem("é")),
            ("Firefox", "vlc", "System", "é")
        );
    }

    #[test]
    fn a_packet_is_as_old_as_its_stamp_says_and_a_wrong_stamp_is_not_believed() {
        let arrived = MediaTime::from_nanos(5_000_000_000);
        let ms = Duration::from_millis;
        let length = ms(10);
        assert_eq!(captured_at(arrived, 1_200_000, Some(1_000_000), length), arrived - ms(20));
        assert_eq!(captured_at(arrived, 1_000_000, Some(1_200_000), length), arrived);
        assert_eq!(captured_at(arrived, 90_000_000_000, Some(7), length), arrived - length);
        assert_eq!(captured_at(arrived, 1_200_000, None, length), arrived - length);
    }
}

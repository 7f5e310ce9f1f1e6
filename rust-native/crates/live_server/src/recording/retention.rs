//! Which recordings have to go. Pure.

use std::time::Duration;

/// What is known of a recording that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) key: (String, String),
    /// Unix time.
    pub(super) ended: Duration,
    pub(super) bytes: u64,
    /// It is being written.
    pub(super) open: bool,
}

/// How long recordings of a rule stay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Retention {
    pub(super) age: Option<Duration>,
    pub(super) bytes: Option<u64>,
}

impl Retention {
    /// What is to be deleted now, oldest first. What is being written stays, though it counts.
    pub(super) fn surplus(&self, kept: &[Kept], now: Duration) -> Vec<(String, String)> {
        let mut closed: Vec<&Kept> = kept.iter().filter(|one| !one.open).collect();
        closed.sort_by_key(|one| one.ended);
        let mut total: u64 = kept.iter().map(|one| one.bytes).sum();
        let mut gone = Vec::new();
        for one in closed {
            let old = self.age.is_some_and(|age| now.saturating_sub(one.ended) > age);
            let too_much = self.bytes.is_some_and(|most| total > most);
            if old || too_much {
                total -= one.bytes;
                gone.push(one.key.clone());
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn kept(id: &str, days: u32, bytes: u64, open: bool) -> Kept {
        Kept { key: ("live".to_owned(), id.to_owned()), ended: DAY * days, bytes, open }
    }

    fn ids(gone: Vec<(String, String)>) -> Vec<String> {
        gone.into_iter().map(|(_, id)| id).collect()
    }

    #[test]
    fn the_old_go_and_then_the_oldest_until_there_is_room() {
        let all = [kept("c", 9, 10, false), kept("a", 1, 10, false), kept("b", 8, 10, false), kept("d", 10, 25, true)];
        let rule = |age: Option<u32>, bytes| Retention { age: age.map(|days| DAY * days), bytes };
        assert_eq!(ids(rule(None, None).surplus(&all, DAY * 1000)), [""; 0]);
        assert_eq!(ids(rule(Some(7), None).surplus(&all, DAY * 10)), ["a"]);
        assert_eq!(ids(rule(None, Some(45)).surplus(&all, DAY * 10)), ["a"]);
        assert_eq!(ids(rule(Some(7), Some(44)).surplus(&all, DAY * 10)), ["a", "b"]);
        assert_eq!(ids(rule(None, Some(1)).surplus(&all, DAY * 10)), ["a", "b", "c"], "the one being written stays");
    }
}

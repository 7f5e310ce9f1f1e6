//! File names from a template, safe on every system. Pure but for the clock's reading.

/// A moment by the user's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// Of the common era.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
}

impl LocalTime {
    /// Now, in the machine's time zone.
    pub fn now() -> Self {
        imp::now()
    }
}

#[cfg(unix)]
mod imp {
    use super::LocalTime;

    pub(super) fn now() -> LocalTime {
        // SAFETY: `time` and `localtime_r` are given valid, writable memory; all-zero is a valid `tm`.
        let parts = unsafe {
            let now = libc::time(std::ptr::null_mut());
            let mut parts: libc::tm = std::mem::zeroed();
            libc::localtime_r(&now, &mut parts);
            parts
        };
        LocalTime {
            year: parts.tm_year + 1900,
            month: parts.tm_mon as u8 + 1,
            day: parts.tm_mday as u8,
            hour: parts.tm_hour as u8,
            minute: parts.tm_min as u8,
            second: parts.tm_sec as u8,
        }
    }
}

#[cfg(not(unix))]
mod imp {
    use super::LocalTime;

    /// In UTC: the standard library knows no time zone.
    pub(super) fn now() -> LocalTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let (days, rest) = ((since.as_secs() / 86_400) as i64, since.as_secs() % 86_400);
        // Days to a date of the Gregorian calendar, counted in eras of 400 years that begin in March.
        let days = days + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march = (5 * day_of_year + 2) / 153;
        let month = if march < 10 { march + 3 } else { march - 9 };
        LocalTime {
            year: (year_of_era + era * 400 + i64::from(month <= 2)) as i32,
            month: month as u8,
            day: (day_of_year - (153 * march + 2) / 5 + 1) as u8,
            hour: (rest / 3600) as u8,
            minute: (rest / 60 % 60) as u8,
            second: (rest % 60) as u8,
        }
    }
}

/// The file's name without its extension: `{date}` and `{time}` are filled in; what no file system takes becomes `_`.
///
/// Part and attempt are appended where they are not the first, so that names of one recording sort in their order
/// and nothing is ever overwritten.
pub fn file_stem(template: &str, at: LocalTime, part: u32, attempt: u32) -> String {
    let date = format!("{:04}-{:02}-{:02}", at.year, at.month, at.day);
    let time = format!("{:02}-{:02}-{:02}", at.hour, at.minute, at.second);
    let name = template.replace("{date}", &date).replace("{time}", &time);
    let safe = |character: char| {
        let refused = character.is_control() || "/\\<>:\"|?*".contains(character);
        if refused { '_' } else { character }
    };
    let name: String = name.chars().map(safe).collect();
    // Windows drops dots and blanks at the end, and a leading dot hides a file. 255 bytes are what most disks take.
    let name = name.trim_matches(|character: char| character == '.' || character.is_whitespace());
    let end = (0..=name.len().min(180)).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    let mut name = if end == 0 { format!("Tidecast {date} {time}") } else { name[..end].to_owned() };
    if part > 1 {
        name.push_str(&format!(" part {part:02}"));
    }
    if attempt > 1 {
        name.push_str(&format!(" ({attempt})"));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: LocalTime = LocalTime { year: 2026, month: 3, day: 9, hour: 4, minute: 5, second: 6 };

    #[test]
    fn a_template_is_filled_in() {
        assert_eq!(file_stem("Show {date} {time}", AT, 1, 1), "Show 2026-03-09 04-05-06");
        assert_eq!(file_stem("Show", AT, 3, 2), "Show part 03 (2)");
    }

    #[test]
    fn no_template_leaves_the_folder_or_makes_a_name_that_no_disk_takes() {
        assert_eq!(file_stem("../../etc/passwd", AT, 1, 1), "_.._etc_passwd");
        assert_eq!(file_stem(" ... ", AT, 1, 1), "Tidecast 2026-03-09 04-05-06");
        assert_eq!(file_stem("a:b\n", AT, 1, 1), "a_b_");
        assert!(file_stem(&"直播".repeat(200), AT, 2, 2).len() < 255);
    }

    #[test]
    fn the_clock_is_a_plausible_one() {
        let now = LocalTime::now();
        assert!(now.year >= 2024 && (1..=12).contains(&now.month) && (1..=31).contains(&now.day) && now.hour < 24);
    }
}

//! Parts of files, as playlists name them (RFC 8216 section 4.3.2.2) and servers are asked for them (RFC 9110 section 14).
//! Pure; one part at a time, as players ask.

/// Some bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteRange {
    pub(super) start: u64,
    /// Never 0, and no number overflows behind it.
    pub(super) length: u64,
}

impl ByteRange {
    /// Reads `n[@o]`; `next` is where it begins where that is left out. `None`: it is not one.
    pub(super) fn read(text: &str, next: Option<u64>) -> Option<Self> {
        let (length, start) = match text.split_once('@') {
            Some((length, start)) => (number(length)?, number(start)?),
            None => (number(text)?, next?),
        };
        (length > 0 && start.checked_add(length).is_some()).then_some(Self { start, length })
    }

    /// The first byte after it.
    pub(super) fn end(self) -> u64 {
        self.start + self.length
    }

    /// What `Range` says: the last byte is named, not the first one after it (section 14.1.2).
    pub(super) fn asked(self) -> String {
        format!("bytes={}-{}", self.start, self.end() - 1)
    }

    /// Whether a 206's `Content-Range` gives it, whole and alone (section 14.4).
    pub(super) fn is(self, content_range: &str) -> bool {
        let read = || {
            let (unit, rest) = content_range.trim().split_once(' ')?;
            let (range, _of) = rest.split_once('/')?;
            let (first, last) = range.split_once('-')?;
            Some((unit.eq_ignore_ascii_case("bytes"), number(first)?, number(last)?))
        };
        read() == Some((true, self.start, self.end() - 1))
    }
}

/// Digits alone: Rust's own reading takes a sign, too.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_read_asked_for_and_known_again() {
        let part = ByteRange::read("300@1000", None).expect("a part");
        assert_eq!((part, part.end()), (ByteRange { start: 1000, length: 300 }, 1300));
        assert_eq!(part.asked(), "bytes=1000-1299");
        for right in ["bytes 1000-1299/5000", "Bytes 1000-1299/*"] {
            assert!(part.is(right), "{right}");
        }
        for other in
            ["bytes 1000-1300/5000", "bytes 0-1299/5000", "bytes */5000", "items 1000-1299/5000", "1000-1299", ""]
        {
            assert!(!part.is(other), "{other}");
        }
        assert_eq!(ByteRange::read("5", Some(1300)), Some(ByteRange { start: 1300, length: 5 }));
    }

    #[test]
    fn what_is_no_part_is_none() {
        for (text, next) in
            [("5", None), ("0@5", None), ("", Some(0)), ("5@", None), ("+5@0", None), ("5@-1", None), ("1@2@3", None)]
        {
            assert_eq!(ByteRange::read(text, next), None, "{text}");
        }
        assert_eq!(ByteRange::read("1@18446744073709551615", None), None, "it would end past every number");
    }
}

//! Which of the encodings that a publisher offers are taken (simulcast, RFC 8853; their identifiers by RFC 8851). Pure.

/// Encoders make three. A list without end would only cost time.
const MOST: usize = 4;
/// What packets must carry for their encoding to be known (RFC 8852, section 4), and their section (RFC 9143).
const NAMED_BY: [&str; 2] = ["urn:ietf:params:rtp-hdrext:sdes:mid", "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"];

/// The encodings of one section that are taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken<'a> {
    /// The section's place among all, from 0.
    section: usize,
    /// Two at the least.
    pub(super) rids: Vec<&'a str>,
}

impl Taken<'_> {
    /// What becomes of a line of the offer, if it is one that speaks of encodings: what is taken stays, in the plainest
    /// words. Pauses (`~`) are the publisher's own business, and of alternatives the first is taken.
    pub(super) fn line(taken: Option<&Self>, section: Option<usize>, line: &str) -> Option<Option<String>> {
        let taken = taken.filter(|taken| Some(taken.section) == section);
        if line.starts_with("a=simulcast:") {
            return Some(taken.map(|taken| format!("a=simulcast:send {}", taken.rids.join(";"))));
        }
        let rid = line.strip_prefix("a=rid:")?.split(' ').next()?;
        Some(taken.filter(|taken| taken.rids.contains(&rid)).map(|_| line.to_owned()))
    }
}

/// What is taken of an offer: of its first picture, if that is sent in several encodings which can be told apart.
pub(super) fn taken(offer: &str) -> Option<Taken<'_>> {
    let sections = || offer.lines().map(str::trim_end).filter(|line| line.starts_with("m="));
    let section = sections().position(|line| line.starts_with("m=video"))?;
    let lines = || {
        let video = offer.lines().map(str::trim_end).skip_while(|line| !line.starts_with("m=video")).skip(1);
        video.take_while(|line| !line.starts_with("m="))
    };
    let has = |uri: &&str| {
        let id = |line: &str| line.strip_prefix("a=extmap:").and_then(|rest| rest.split(' ').nth(1)) == Some(uri);
        lines().any(id)
    };
    if !NAMED_BY.iter().all(has) {
        return None;
    }
    // RFC 8853, section 5.2: identifiers without an `a=rid` of the same direction are to be ignored.
    let is_declared = |rid: &str| {
        lines().filter_map(|line| line.strip_prefix("a=rid:")).any(|value| {
            let mut words = value.split(' ');
            words.next() == Some(rid) && words.next() == Some("send")
        })
    };
    let value = lines().find_map(|line| line.strip_prefix("a=simulcast:"))?;
    let mut words = value.split_ascii_whitespace();
    words.find(|word| *word == "send")?;
    let mut rids = Vec::new();
    for stream in words.next()?.split(';') {
        let rid = stream.split(',').next()?;
        let rid = rid.strip_prefix('~').unwrap_or(rid);
        // str0m keeps eight letters and digits of a name.
        let usable = (1..=8).contains(&rid.len()) && rid.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if usable && is_declared(rid) && !rids.contains(&rid) && rids.len() < MOST {
            rids.push(rid);
        }
    }
    (rids.len() > 1).then_some(Taken { section, rids })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(simulcast: &str) -> String {
        let names: String =
            NAMED_BY.iter().enumerate().map(|(id, uri)| format!("a=extmap:{} {uri}\r\n", id + 1)).collect();
        let rids = "a=rid:h send max-width=1280\r\na=rid:m send\r\na=rid:l send\r\na=rid:r recv\r\n";
        format!(
            "v=0\r\nm=audio 9 X 1\r\na=mid:0\r\nm=video 9 X 2\r\na=mid:1\r\n{names}{rids}{simulcast}\r\nm=video 9 X 3\r\n"
        )
    }

    fn rids(simulcast: &str) -> Vec<String> {
        let offer = offer(simulcast);
        taken(&offer).map_or_else(Vec::new, |taken| taken.rids.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_offered_and_declared_is_taken_in_its_order() {
        assert_eq!(rids("a=simulcast:send h;m;l"), ["h", "m", "l"]);
        assert_eq!(rids("a=simulcast: send l;~m recv r"), ["l", "m"], "a blank, a pause and the other way");
        assert_eq!(rids("a=simulcast:recv r send h,m;l"), ["h", "l"], "the first of alternatives");
        assert_eq!(rids("a=simulcast:send h;x;l;h"), ["h", "l"], "one without a=rid, and one twice");
    }

    #[test]
    fn one_encoding_is_no_simulcast() {
        for none in [
            "",
            "a=simulcast:send h",
            "a=simulcast:recv h;m",
            "a=simulcast:send r;h",
            "a=simulcast:send",
            "a=simulcast:",
        ] {
            assert_eq!(rids(none), Vec::<String>::new(), "{none}");
        }
        let unnamed = offer("a=simulcast:send h;m").replace("rtp-stream-id", "something-else");
        assert_eq!(taken(&unnamed), None, "packets would not say what they are");
    }

    #[test]
    fn no_more_are_taken_than_anybody_makes() {
        let many: Vec<String> = (0..50).map(|n| format!("r{n}")).collect();
        let declared: String = many.iter().map(|rid| format!("a=rid:{rid} send\r\n")).collect();
        let text = offer(&format!("{declared}a=simulcast:send {}", many.join(";")));
        assert_eq!(taken(&text).expect("some").rids.len(), MOST);
    }

    #[test]
    fn lines_of_what_is_not_taken_go() {
        let text = offer("a=simulcast:send ~m,h;l");
        let taken = taken(&text).expect("two");
        let line = |section, line| Taken::line(Some(&taken), Some(section), line);
        let kept = |text: &str| Some(Some(text.to_owned()));
        assert_eq!(line(1, "a=simulcast:send ~m,h;l"), kept("a=simulcast:send m;l"));
        assert_eq!(
            (line(1, "a=rid:m send"), line(1, "a=rid:h send max-width=1280")),
            (kept("a=rid:m send"), Some(None))
        );
        assert_eq!(line(2, "a=rid:m send"), Some(None), "another section's");
        assert_eq!(line(1, "a=mid:1"), None, "nothing that is meant here");
        assert_eq!(Taken::line(None, Some(1), "a=simulcast:send m;l"), Some(None));
    }
}

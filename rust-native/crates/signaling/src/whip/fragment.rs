//! SDP fragments of ICE (RFC 8840, section 9), the body of a WHIP session's PATCH. Pure; of SDP it knows ICE's lines.

/// The lines of an ICE session in a fragment, in the order in which RFC 9725 shows them.
fn head(sdp: &str) -> Option<String> {
    let first = |prefix: &str| sdp.lines().map(str::trim_end).find(|line| line.starts_with(prefix));
    let mut out = String::new();
    let mut push = |line: &str| {
        out.push_str(line);
        out.push_str("\r\n");
    };
    // Those of the session level apply to all sections, and stand before the first.
    let session_level = sdp.split("\nm=").next().unwrap_or_default();
    for line in session_level.lines().map(str::trim_end) {
        if line.starts_with("a=group:") || line.starts_with("a=ice-options:") || line == "a=ice-lite" {
            push(line);
        }
    }
    push(first("m=")?);
    // With BUNDLE all candidates belong to the first section (RFC 9725, section 4.4.1).
    first("a=mid:").into_iter().for_each(&mut push);
    push(first("a=ice-ufrag:")?);
    push(first("a=ice-pwd:")?);
    Some(out)
}

/// The candidates of the first section, as lines.
fn candidates(sdp: &str) -> impl Iterator<Item = &str> {
    let mut sections = 0;
    sdp.lines()
        .map(str::trim_end)
        .take_while(move |line| {
            sections += usize::from(line.starts_with("m="));
            sections < 2
        })
        .filter(|line| line.starts_with("a=candidate:") || *line == "a=end-of-candidates")
}

/// Tells of an ICE restart: the credentials and candidates of an offer. `None` for an offer without credentials.
pub(super) fn of_offer(offer: &str) -> Option<String> {
    let mut out = head(offer)?;
    for line in candidates(offer) {
        out.push_str(line);
        out.push_str("\r\n");
    }
    Some(out)
}

/// Tells of further candidates (`candidate:…`) of the offer's ICE session; `complete` says that there are no more.
pub(super) fn of_candidates(offer: &str, candidates: &[String], complete: bool) -> Option<String> {
    let mut out = head(offer)?;
    for candidate in candidates.iter().filter(|candidate| !candidate.contains(['\r', '\n'])) {
        out.push_str("a=");
        out.push_str(candidate.strip_prefix("a=").unwrap_or(candidate));
        out.push_str("\r\n");
    }
    if complete {
        out.push_str("a=end-of-candidates\r\n");
    }
    Some(out)
}

/// The answer with the ICE session of a fragment in the place of its own. `None` for a fragment without credentials.
pub(super) fn applied(answer: &str, fragment: &str) -> Option<String> {
    let find = |prefix: &str| fragment.lines().map(str::trim_end).find(|line| line.starts_with(prefix));
    let (ufrag, password) = (find("a=ice-ufrag:")?, find("a=ice-pwd:")?);
    // Options may change with the ICE session; whether the server is a lite one does not.
    let options = find("a=ice-options:");
    let mut out = String::with_capacity(answer.len() + fragment.len());
    let mut sections = 0;
    let mut push = |line: &str| {
        out.push_str(line);
        out.push_str("\r\n");
    };
    let mut candidates_pending = true;
    for line in answer.lines().map(str::trim_end) {
        if line.starts_with("m=") {
            sections += 1;
            if sections == 1 {
                options.into_iter().for_each(&mut push);
            }
        }
        match line {
            _ if line.starts_with("a=candidate:") || line == "a=end-of-candidates" => continue,
            _ if line.starts_with("a=ice-options:") && options.is_some() => continue,
            _ if line.starts_with("a=ice-ufrag:") => push(ufrag),
            _ if line.starts_with("a=ice-pwd:") => {
                push(password);
                if sections > 0 && candidates_pending {
                    candidates(fragment).for_each(&mut push);
                    candidates_pending = false;
                }
            }
            _ => push(line),
        }
    }
    if candidates_pending && sections > 0 {
        // The credentials stand at the session level: the candidates end the last section, which BUNDLE makes the same.
        candidates(fragment).for_each(&mut push);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-options:trickle\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 102\r\na=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:efgh\r\n\
        a=candidate:1 1 udp 5 192.0.2.1 7 typ host\r\na=end-of-candidates\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=ice-ufrag:abcd\r\na=ice-pwd:efgh\r\n\
        a=candidate:1 1 udp 5 192.0.2.1 7 typ host\r\n";

    #[test]
    fn a_restart_tells_credentials_and_candidates_once() {
        assert_eq!(
            of_offer(OFFER).expect("a fragment"),
            "a=group:BUNDLE 0 1\r\na=ice-options:trickle\r\nm=video 9 UDP/TLS/RTP/SAVPF 102\r\na=mid:0\r\n\
             a=ice-ufrag:abcd\r\na=ice-pwd:efgh\r\na=candidate:1 1 udp 5 192.0.2.1 7 typ host\r\na=end-of-candidates\r\n"
        );
        assert_eq!(of_offer("v=0\r\nm=audio 9 X 0\r\n"), None);
    }

    #[test]
    fn candidates_follow_under_the_offers_credentials() {
        let more = ["candidate:2 1 udp 4 198.51.100.1 9 typ srflx".to_owned(), "candidate:3\r\na=evil".to_owned()];
        let fragment = of_candidates(OFFER, &more, true).expect("a fragment");
        assert!(fragment.contains("a=ice-ufrag:abcd\r\n") && !fragment.contains("192.0.2.1"));
        assert!(fragment.ends_with("a=candidate:2 1 udp 4 198.51.100.1 9 typ srflx\r\na=end-of-candidates\r\n"));
    }

    #[test]
    fn an_answers_ice_session_is_replaced_whole_and_nothing_else() {
        let answer = OFFER.replace("a=mid:0", "a=mid:0\r\na=recvonly").replace("a=ice-options:trickle", "a=ice-lite");
        let fragment = "a=ice-options:trickle ice2\r\nm=video 9 X 0\r\na=mid:0\r\na=ice-ufrag:NEW\r\na=ice-pwd:SECRET\r\n\
                        a=candidate:9 1 udp 5 203.0.113.1 7 typ host\r\n";
        let renewed = applied(&answer, fragment).expect("an answer");
        assert_eq!(renewed.matches("a=ice-ufrag:NEW\r\n").count(), 2);
        assert_eq!(renewed.matches("a=ice-pwd:SECRET\r\n").count(), 2);
        assert!(!renewed.contains("192.0.2.1") && renewed.contains("a=recvonly") && renewed.contains("a=ice-lite"));
        assert_eq!(renewed.matches("203.0.113.1").count(), 1);
        assert!(renewed.find("203.0.113.1") < renewed.find("m=audio"), "{renewed}");
        assert!(renewed.find("trickle ice2") < renewed.find("m=video"), "{renewed}");
        assert_eq!(applied(&answer, "a=candidate:1 1 udp 5 1.2.3.4 7 typ host"), None);
    }

    /// What a WHIP server says beside its SDP.
    fn borne(lasts: std::time::Duration) {
        let answers = [
            OFFER,
            "a=ice-ufrag:NEW\r\na=ice-pwd:SECRET\r\nm=video 9 X 0\r\na=candidate:9 1 udp 5 203.0.113.1 7 typ host\r\n",
            r#"<turn:a?transport=udp>; rel="ice-server"; username="u"; credential="p\"w;", <stun:b>; rel=ice-server"#,
            "Sun, 22 Nov 2026 08:49:37 GMT",
            "120",
        ];
        let corpus = answers.map(|text| text.as_bytes().to_vec());
        testkit::fuzz::run(&corpus, 43, lasts, |sample, _| {
            let text = String::from_utf8_lossy(sample);
            let _ = (of_offer(&text), of_candidates(&text, &[], true), applied(&text, &text), applied(OFFER, &text));
            let _ = crate::whip::http::pause(&text, std::time::SystemTime::UNIX_EPOCH);
            assert!(crate::whip::link::ice_servers(text.split('\n')).len() <= 8);
        });
    }

    #[test]
    fn any_answer_is_borne() {
        borne(testkit::fuzz::QUICK);
    }

    #[test]
    #[ignore = "ten minutes: test:long"]
    fn any_answer_is_borne_for_long() {
        borne(testkit::fuzz::LONG);
    }
}

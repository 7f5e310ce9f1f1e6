//! The few lines of an SDP that the relay reads or writes itself. The rest is str0m's.

use std::net::SocketAddr;

use super::simulcast::{Taken, taken};

/// Which way the offering side's media goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offered {
    /// It publishes.
    SendOnly,
    /// It watches.
    RecvOnly,
    /// It watches, and is to say what its line carries.
    RecvMeasured,
}

impl Offered {
    fn attribute(self) -> &'static str {
        match self {
            Self::SendOnly => "a=sendonly",
            Self::RecvOnly | Self::RecvMeasured => "a=recvonly",
        }
    }
}

const DIRECTIONS: [&str; 4] = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];

/// An offer as it is given to str0m: one direction in every section that has none or both (players and publishers
/// exist that leave the default), and no candidates. A publisher's are given separately, a viewer's are not needed:
/// it comes to us. Names of mDNS (`….local`) could not be resolved here anyway. Of a publisher's encodings those are
/// named that are taken (see [`super::simulcast`]); nobody who watches sends any.
pub(super) fn normalized_offer(offer: &str, direction: Offered) -> String {
    let mut out = String::with_capacity(offer.len() + 64);
    let mut open_section = false;
    let mut section: Option<usize> = None;
    let taken = if direction == Offered::SendOnly { taken(offer) } else { None };
    let mut push = |line: &str| {
        out.push_str(line);
        out.push_str("\r\n");
    };
    for line in offer.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        if line.starts_with("m=") {
            if open_section {
                push(direction.attribute());
            }
            section = Some(section.map_or(0, |section| section + 1));
            open_section = line.starts_with("m=audio") || line.starts_with("m=video");
        }
        if line.starts_with("a=candidate:") || line == "a=end-of-candidates" {
            continue;
        }
        if let Some(rewritten) = Taken::line(taken.as_ref(), section, line) {
            if let Some(rewritten) = rewritten {
                push(&rewritten);
            }
            continue;
        }
        if DIRECTIONS.contains(&line) {
            if line == "a=sendrecv" {
                push(direction.attribute());
            } else {
                push(line);
            }
            open_section = false;
            continue;
        }
        push(line);
    }
    if open_section {
        push(direction.attribute());
    }
    out
}

/// The values of an attribute, in order: `values(sdp, "mid")`.
pub(super) fn values<'a>(sdp: &'a str, attribute: &'a str) -> impl Iterator<Item = &'a str> {
    sdp.lines().filter_map(move |line| line.trim_end().strip_prefix("a=")?.strip_prefix(attribute)?.strip_prefix(':'))
}

/// The candidates in an offer or a fragment whose addresses are IP addresses, as `candidate:…`.
pub(super) fn candidates(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.lines()
        .filter_map(|line| line.trim_end().strip_prefix("a="))
        .filter(|line| line.starts_with("candidate:") && !line.contains(".local "))
}

/// Puts other ICE credentials into an offer, for a restart.
pub(super) fn with_credentials(offer: &str, ufrag: &str, password: &str) -> String {
    let mut out = String::with_capacity(offer.len());
    for line in offer.lines() {
        if line.starts_with("a=ice-ufrag:") {
            out.push_str("a=ice-ufrag:");
            out.push_str(ufrag);
        } else if line.starts_with("a=ice-pwd:") {
            out.push_str("a=ice-pwd:");
            out.push_str(password);
        } else {
            out.push_str(line);
        }
        out.push_str("\r\n");
    }
    out
}

/// An answer as it is sent: sound and picture in one stream, without which a browser does not keep them in step
/// (str0m names a stream per section), and the public address where there is one, with `tcp` as one to connect to, too.
pub(super) fn finished_answer(answer: &str, public: Option<SocketAddr>, tcp: bool) -> String {
    let mut out = String::with_capacity(answer.len() + 256);
    let mut candidates_given = false;
    for line in answer.lines() {
        let line = line.trim_end();
        if let (Some(public), false, true) = (public, candidates_given, line.starts_with("a=candidate:")) {
            // Above every priority of a host candidate with a lower local preference (RFC 8445 §5.1.2).
            let (ip, port) = (public.ip(), public.port());
            out.push_str(&format!("a=candidate:1 1 udp 2130706431 {ip} {port} typ host\r\n"));
            if tcp {
                // RFC 6544 section 4.2: below UDP, passive ones in the middle of their kind.
                out.push_str(&format!("a=candidate:2 1 tcp 1518280447 {ip} {port} typ host tcptype passive\r\n"));
            }
            candidates_given = true;
        }
        match line.strip_prefix("a=msid:").and_then(|msid| msid.split_once(' ')) {
            Some((_, track)) => out.push_str(&format!("a=msid:{STREAM} {track}")),
            None if line.starts_with("a=msid-semantic:") => out.push_str(&format!("a=msid-semantic:WMS {STREAM}")),
            // `a=ssrc:N msid:` says it again in the old way.
            None => match line.split_once(" msid:").filter(|(head, _)| head.starts_with("a=ssrc:")) {
                Some((head, msid)) => {
                    let track = msid.split_once(' ').map_or("", |(_, track)| track);
                    out.push_str(&format!("{head} msid:{STREAM} {track}"));
                }
                None => out.push_str(line),
            },
        }
        out.push_str("\r\n");
    }
    out
}

const STREAM: &str = "tidecast";

/// A fragment (RFC 8840) that answers an ICE restart: the answer's credentials and candidates.
pub(super) fn restart_fragment(answer: &str) -> String {
    let mut out = String::new();
    let mut seen_media = false;
    let credentials: Vec<&str> = ["a=ice-ufrag:", "a=ice-pwd:"]
        .iter()
        .filter_map(|prefix| answer.lines().map(str::trim_end).find(|line| line.starts_with(prefix)))
        .collect();
    for line in credentials {
        out.push_str(line);
        out.push_str("\r\n");
    }
    for line in answer.lines().map(str::trim_end) {
        let first_media = line.starts_with("m=") && !seen_media;
        seen_media |= line.starts_with("m=");
        if first_media || line.starts_with("a=candidate:") || line == "a=end-of-candidates" {
            out.push_str(line);
            out.push_str("\r\n");
        }
        if first_media && let Some(mid) = values(answer, "mid").next() {
            out.push_str(&format!("a=mid:{mid}\r\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_without_a_direction_gets_one() {
        let offer = "v=0\r\nm=audio 9 X 111\r\na=mid:0\r\nm=video 9 X 96\r\na=mid:1\r\na=sendrecv\r\na=rtcp-mux\r\n";
        let normalized = normalized_offer(offer, Offered::RecvOnly);
        assert_eq!(normalized.matches("a=recvonly\r\n").count(), 2);
        assert!(!normalized.contains("sendrecv"));
        let other = normalized_offer("v=0\nm=audio 9 X 111\na=inactive\n", Offered::SendOnly);
        assert!(other.contains("a=inactive") && !other.contains("sendonly"));
    }

    #[test]
    fn encodings_that_can_be_told_apart_are_kept_and_others_are_taken_as_one() {
        let offer = "m=video 9 X 96\r\na=rid:f send\r\na=rid:h send\r\na=ssrc:5 cname:c\r\na=simulcast:send ~f;h\r\n";
        let normalized = normalized_offer(offer, Offered::SendOnly);
        assert!(!normalized.contains("a=rid:") && !normalized.contains("simulcast") && normalized.contains("a=ssrc:5"));
        let named = format!(
            "{offer}a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
             a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"
        );
        let normalized = normalized_offer(&named, Offered::SendOnly);
        assert!(normalized.contains("a=rid:f send\r\na=rid:h send\r\n"), "{normalized}");
        assert!(normalized.contains("a=simulcast:send f;h\r\n"), "{normalized}");
        assert!(!normalized_offer(&named, Offered::RecvOnly).contains("a=rid:"));
    }

    #[test]
    fn candidates_with_hidden_names_are_left_out() {
        let offer = "m=audio 9 X 1\r\na=candidate:1 1 udp 1 8e5d.local 5000 typ host\r\na=candidate:2 1 udp 1 192.0.2.1 5000 typ host\r\n";
        assert_eq!(candidates(offer).count(), 1);
        assert!(!normalized_offer(offer, Offered::SendOnly).contains("candidate"));
    }

    #[test]
    fn sound_and_picture_belong_to_one_stream() {
        let answer = "a=msid-semantic:WMS x y\r\na=msid:x t1\r\na=ssrc:5 msid:x t1\r\na=ssrc:5 cname:c\r\na=msid:y t2\r\na=candidate:9 1 udp 5 10.0.0.1 7 typ host\r\n";
        let finished = finished_answer(answer, Some(SocketAddr::from(([203, 0, 113, 7], 7))), true);
        assert!(finished.contains("a=msid:tidecast t1\r\n") && finished.contains("a=msid:tidecast t2\r\n"));
        assert!(finished.contains("a=ssrc:5 msid:tidecast t1\r\n") && finished.contains("a=ssrc:5 cname:c\r\n"));
        assert!(finished.contains("udp 2130706431 203.0.113.7 7 typ host\r\n"));
        assert!(finished.contains("tcp 1518280447 203.0.113.7 7 typ host tcptype passive\r\n"));
        assert!(!finished_answer(answer, None, true).contains("203.0"));
    }

    #[test]
    fn a_restart_is_answered_with_credentials_and_candidates() {
        let answer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:efgh\r\na=candidate:1 1 udp 5 10.0.0.1 7 typ host\r\nm=video 9 X 96\r\na=ice-ufrag:abcd\r\n";
        assert_eq!(
            restart_fragment(answer),
            "a=ice-ufrag:abcd\r\na=ice-pwd:efgh\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=candidate:1 1 udp 5 10.0.0.1 7 typ host\r\n"
        );
    }
}

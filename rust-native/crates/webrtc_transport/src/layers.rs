//! Several encodings of one picture in one connection, each of another size (simulcast): what is offered, and what of it
//! the answer takes (RFC 8853; identifiers by RFC 8851, header extensions by RFC 8852). Pure.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use media::AccessUnit;
use rtc::rtp;
use stream::Reader;

use crate::interceptor::Sources;

/// Full, half and quarter: what SFUs know how to choose from.
pub(crate) const MOST_LAYERS: usize = 3;
/// Their identifiers (`rid-id`), the highest first: that order is the order of preference (RFC 8853, section 5.1).
pub(crate) const RIDS: [&str; MOST_LAYERS] = ["f", "h", "q"];

/// A lower encoding of the same picture.
#[derive(Clone)]
pub struct LowerLayer {
    /// Begins to read it: called once the other side has taken it, so that what is refused is never encoded.
    pub units: Arc<dyn Fn() -> Reader<AccessUnit> + Send + Sync>,
    /// Asks for a keyframe of this encoding. Must not block.
    pub request_keyframe: Arc<dyn Fn() + Send + Sync>,
    /// Its bitrate as a share of the highest one's.
    pub share: f64,
}

impl fmt::Debug for LowerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LowerLayer").field("share", &self.share).finish_non_exhaustive()
    }
}

/// Which encodings the answer takes of those that were offered. An answer without simulcast takes one: the highest.
pub(crate) fn accepted(answer: &str, offered: usize) -> [bool; MOST_LAYERS] {
    let taken = received(answer).unwrap_or_default();
    let mut accepted = [false; MOST_LAYERS];
    for (layer, rid) in RIDS.iter().enumerate().take(offered) {
        accepted[layer] = taken.contains(rid);
    }
    if !accepted.contains(&true) {
        accepted[0] = true;
    }
    accepted
}

/// The identifiers that the first video section receives: in `a=simulcast:recv`, not paused (`~`), and the first of
/// alternatives (RFC 8853, section 5.1).
fn received(answer: &str) -> Option<Vec<&str>> {
    let mut lines = answer.lines().map(str::trim_end).skip_while(|line| !line.starts_with("m=video"));
    lines.next()?;
    let value = lines.take_while(|line| !line.starts_with("m=")).find_map(|line| line.strip_prefix("a=simulcast:"))?;
    let mut words = value.split_ascii_whitespace();
    words.find(|word| *word == "recv")?;
    let streams = words.next()?.split(';');
    Some(streams.filter_map(|stream| stream.split(',').next()).filter(|rid| !rid.starts_with('~')).collect())
}

/// What packets carry so that the other side can tell the encodings apart: its own numbers for the extensions.
#[derive(Debug)]
pub(crate) struct Tags {
    pub(crate) sources: Sources,
    /// Of the video section, and the extension's number.
    pub(crate) mid: Option<(u8, Bytes)>,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`.
    pub(crate) rid: u8,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`.
    pub(crate) repaired: Option<u8>,
}

impl Tags {
    /// Names the encoding of a packet, or the one that it repairs.
    pub(crate) fn put_on(&self, packet: &mut rtp::Packet) {
        let ssrc = packet.header.ssrc;
        let (id, layer) = match (self.sources.layer(ssrc), self.sources.repaired_by(ssrc)) {
            (Some(layer), _) => (Some(self.rid), layer),
            (None, Some(layer)) => (self.repaired, layer),
            (None, None) => return,
        };
        let named = id.map(|id| (id, Bytes::from_static(RIDS[layer].as_bytes())));
        for (id, value) in self.mid.clone().into_iter().chain(named) {
            if let Err(error) = packet.header.set_extension(id, value) {
                tracing::debug!(%error, "a packet goes without the name of its encoding");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interceptor::Flow;

    fn answer(simulcast: &str) -> String {
        format!("v=0\r\nm=audio 9 X 1\r\na=mid:1\r\nm=video 9 X 2\r\na=mid:0\r\n{simulcast}")
    }

    #[test]
    fn an_answer_takes_what_it_names_and_one_where_it_names_none() {
        let taken = |simulcast: &str, offered| accepted(&answer(simulcast), offered);
        assert_eq!(taken("a=rid:f recv\r\na=simulcast:recv f;h;q\r\n", 3), [true; 3]);
        assert_eq!(taken("a=simulcast: recv h,f;q\r\n", 3), [false, true, true], "alternatives and a blank");
        assert_eq!(taken("a=simulcast:recv f;~h\r\n", 3), [true, false, false], "paused");
        assert_eq!(taken("a=simulcast:send f;h\r\n", 2), [true, false, false], "the other way");
        assert_eq!(taken("", 3), [true, false, false]);
        assert_eq!(taken("a=simulcast:recv f;h;q\r\n", 2), [true, true, false], "never more than was offered");
        assert_eq!(accepted("m=audio 9\r\na=simulcast:recv f;h\r\n", 2), [true, false, false]);
    }

    #[test]
    fn a_packet_and_its_repair_name_the_same_encoding() {
        let flow = |media| Flow { media, repair: media + 1 };
        let sources = Sources { layers: [flow(1), flow(3), flow(5)], audio: 7 };
        let mid = Some((1, Bytes::from_static(b"0")));
        let tags = Tags { sources, mid, rid: 2, repaired: Some(3) };
        let names = |ssrc| {
            let header = rtp::Header { ssrc, ..Default::default() };
            let mut packet = rtp::Packet { header, payload: Bytes::new() };
            tags.put_on(&mut packet);
            [1, 2, 3]
                .map(|id| packet.header.get_extension(id).map(|value| String::from_utf8_lossy(&value).into_owned()))
        };
        let text = |value: &str| Some(value.to_owned());
        assert_eq!(names(3), [text("0"), text("h"), None]);
        assert_eq!(names(6), [text("0"), None, text("q")]);
        assert_eq!(names(7), [None, None, None], "sound has none");
    }
}

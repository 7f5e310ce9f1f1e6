//! One POST of an offer, as WHIP (RFC 9725) and WHEP want it, on a connection of its own.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::Problem;

/// The answer's SDP.
pub(super) fn post_offer(server: &str, path: &str, key: Option<&str>, offer: &str) -> Result<String, Problem> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {server}\r\n{key}Content-Type: application/sdp\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{offer}",
        offer.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer without an end to its head")?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status != "201" {
        return Err(format!("{path} was answered {status}: {body}").into());
    }
    Ok(body.to_owned())
}

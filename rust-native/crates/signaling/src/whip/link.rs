//! `Link` headers with `rel="ice-server"` (RFC 9725, section 4.6; RFC 8288). Pure.

use media::Secret;

/// A STUN or TURN server that the WHIP server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedIceServer {
    /// `stun:…` or `turn:…`.
    pub url: String,
    /// TURN's user.
    pub username: Option<String>,
    /// TURN's password.
    pub credential: Option<Secret>,
}

/// Servers taken from one answer; more would only be a burden.
const MAX_SERVERS: usize = 8;

/// The ICE servers in these header values; what can't be read is passed over.
pub(super) fn ice_servers<'a>(headers: impl Iterator<Item = &'a str>) -> Vec<LinkedIceServer> {
    headers.flat_map(|header| split(header, ',')).filter_map(|link| ice_server(&link)).take(MAX_SERVERS).collect()
}

fn ice_server(link: &str) -> Option<LinkedIceServer> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    if !["stun:", "stuns:", "turn:", "turns:"].iter().any(|scheme| target.starts_with(scheme)) {
        return None;
    }
    let (mut is_ice_server, mut username, mut credential) = (false, None, None);
    for parameter in split(parameters, ';') {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        let value = unquote(value.trim());
        match name.trim().to_ascii_lowercase().as_str() {
            "rel" => is_ice_server = value.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("ice-server")),
            "username" => username = Some(value),
            "credential" => credential = Some(Secret::new(value)),
            _ => {}
        }
    }
    is_ice_server.then(|| LinkedIceServer { url: target.to_owned(), username, credential })
}

/// Splits at `separator` outside of quotes and angle brackets.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped, mut bracket) = (false, false, false);
    for c in text.chars() {
        let outside = !quoted && !bracket;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if !bracket => quoted = !quoted,
            '<' if outside => bracket = true,
            '>' if !quoted => bracket = false,
            _ if c == separator && outside => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

/// A token or quoted string (RFC 9110, section 5.6.4).
fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            text.push(c);
            escaped = false;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_own_example_is_read() {
        let headers = [
            r#"<stun:stun.example.net>; rel="ice-server""#,
            r#"<turn:turn.example.net?transport=udp>; rel="ice-server"; username="user"; credential="myPass\"word, really;"; credential-type="password", <turns:turn.example.net>; rel=ice-server; username=a; credential=b"#,
            r#"<https://example.net/next>; rel="next", garbage, <turn:x>; rel="other""#,
        ];
        let servers = ice_servers(headers.into_iter());
        assert_eq!(servers.len(), 3);
        assert_eq!((servers[0].url.as_str(), &servers[0].username), ("stun:stun.example.net", &None));
        assert_eq!(servers[1].url, "turn:turn.example.net?transport=udp");
        let credential = servers[1].credential.as_ref().map(Secret::expose);
        assert_eq!(credential, Some("myPass\"word, really;"));
        assert_eq!(servers[2].username.as_deref(), Some("a"));
    }

    #[test]
    fn a_server_can_not_send_endless_lists() {
        let link = r#"<stun:a>; rel="ice-server""#;
        assert_eq!(ice_servers(std::iter::repeat_n(link, 100)).len(), MAX_SERVERS);
    }
}

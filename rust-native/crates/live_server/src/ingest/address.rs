//! Which stream a publisher means, and with which key: from what it says in its protocol. Pure.

use media::Secret;
use percent_encoding::percent_decode_str;

/// What a publisher asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) stream: String,
    pub(super) key: Secret,
}

/// RTMP: `rtmp://host/STREAM` with the key as "stream key", as OBS asks for the two, or `rtmp://host/app/STREAM?key=KEY`
/// for programs that know one address only. `None` where there is no key.
pub(super) fn of_rtmp(app: &str, name: &str) -> Option<Wish> {
    let (app, app_query) = app.split_once('?').unwrap_or((app, ""));
    let (name, name_query) = name.split_once('?').unwrap_or((name, ""));
    let stream = app.trim_matches('/').rsplit('/').next().unwrap_or_default();
    let key = key_in(name_query).or_else(|| key_in(app_query));
    let (stream, key) = match key {
        // The key stands apart: what is left of the name is the stream's.
        Some(key) if !name.is_empty() => (name.trim_matches('/'), key),
        Some(key) => (stream, key),
        None => (stream, name.to_owned()),
    };
    wish(stream, key)
}

/// SRT's stream id (SRT Access Control): `#!::m=publish,r=STREAM,s=KEY`, or `publish:STREAM:KEY`. `Err(true)` for one
/// that wants to watch.
pub(super) fn of_srt(id: &str) -> Result<Wish, bool> {
    // Some callers pass the id on as it is escaped in an address (ffmpeg before version 6).
    let unescaped = id.strip_prefix("%23").map(|rest| format!("#{}", percent_decode_str(rest).decode_utf8_lossy()));
    let id = unescaped.as_deref().unwrap_or(id);
    if let Some(pairs) = id.strip_prefix("#!::") {
        let pairs = || pairs.split(',').filter_map(|pair| pair.split_once('='));
        let value = |wanted: &str| pairs().find(|(key, _)| *key == wanted).map(|(_, value)| value.to_owned());
        if value("m").is_some_and(|mode| mode != "publish") {
            return Err(true);
        }
        let key = value("s").or_else(|| value("key")).or_else(|| value("token"));
        return wish(&value("r").unwrap_or_default(), key.unwrap_or_default()).ok_or(false);
    }
    if id.starts_with("read:") || id.starts_with("request:") {
        return Err(true);
    }
    let id = id.strip_prefix("publish:").unwrap_or(id);
    if let Some((stream, query)) = id.split_once('?') {
        return wish(stream, key_in(query).unwrap_or_default()).ok_or(false);
    }
    let (stream, key) = id.split_once([':', '/']).ok_or(false)?;
    wish(stream, key.to_owned()).ok_or(false)
}

fn wish(stream: &str, key: String) -> Option<Wish> {
    (!stream.is_empty() && !key.is_empty()).then(|| Wish { stream: stream.to_owned(), key: Secret::new(key) })
}

fn key_in(query: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(name, _)| matches!(*name, "key" | "token"))?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rtmp(app: &str, name: &str) -> Option<(String, String)> {
        of_rtmp(app, name).map(|wish| (wish.stream, wish.key.expose().to_owned()))
    }

    fn srt(id: &str) -> Result<(String, String), bool> {
        of_srt(id).map(|wish| (wish.stream, wish.key.expose().to_owned()))
    }

    fn some(stream: &str, key: &str) -> (String, String) {
        (stream.to_owned(), key.to_owned())
    }

    #[test]
    fn rtmp_names_a_stream_by_its_application_or_beside_a_key() {
        assert_eq!(rtmp("live", "secret-key"), Some(some("live", "secret-key")));
        assert_eq!(rtmp("app/live/", "a.b-c_d"), Some(some("live", "a.b-c_d")));
        assert_eq!(rtmp("app", "live?key=secret%2Fkey"), Some(some("live", "secret/key")));
        assert_eq!(rtmp("app?token=k1", "live"), Some(some("live", "k1")));
        assert_eq!(rtmp("live?key=k1", ""), Some(some("live", "k1")));
        for (app, name) in [("", "key"), ("live", ""), ("live", "?x=1"), ("app", "live?key=")] {
            assert_eq!(rtmp(app, name), None, "{app} {name}");
        }
    }

    #[test]
    fn srt_names_a_stream_in_either_form() {
        assert_eq!(srt("#!::r=live,m=publish,s=secret-key"), Ok(some("live", "secret-key")));
        assert_eq!(srt("#!::u=me,r=live,key=k=1"), Ok(some("live", "k=1")));
        assert_eq!(srt("%23!::r=live,m=publish,s=a%2Fkey"), Ok(some("live", "a/key")), "escaped as in an address");
        assert_eq!(srt("publish:live:secret:key"), Ok(some("live", "secret:key")));
        assert_eq!(srt("live?key=k1"), Ok(some("live", "k1")));
        assert_eq!(srt("live/k1"), Ok(some("live", "k1")));
        assert_eq!(srt("#!::r=live,m=request,s=k"), Err(true), "this server shows nothing over SRT");
        assert_eq!(srt("read:live"), Err(true));
        for id in ["", "live", "#!::r=live", "#!::s=key", "#!::", ":key", "live:"] {
            assert_eq!(srt(id), Err(false), "{id}");
        }
    }
}

//! Which stream a publisher or a player means, and with which key: from what it says in its protocol. Pure.

use media::Secret;
use percent_encoding::percent_decode_str;

/// What a publisher asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) stream: String,
    pub(super) key: Secret,
}

/// What a player asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlayWish {
    pub(super) stream: String,
    pub(super) token: Option<Secret>,
}

/// What an SRT caller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SrtWish {
    Publish(Wish),
    Play(PlayWish),
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

/// RTMP's player: `rtmp://host/app/STREAM`, with `?token=TOKEN` where one is needed, or as a publisher would say it:
/// `rtmp://host/STREAM/TOKEN`. Which of the two a path of two words means, the streams that there are (`knows`) tell.
pub(super) fn of_rtmp_player(app: &str, name: &str, knows: impl Fn(&str) -> bool) -> Option<PlayWish> {
    let (app, app_query) = app.split_once('?').unwrap_or((app, ""));
    let (name, name_query) = name.split_once('?').unwrap_or((name, ""));
    let stream = app.trim_matches('/').rsplit('/').next().unwrap_or_default();
    let name = name.trim_matches('/');
    let token = key_in(name_query).or_else(|| key_in(app_query));
    let (stream, token) = match token {
        _ if name.is_empty() => (stream, token),
        None if !knows(name) && knows(stream) => (stream, Some(name.to_owned())),
        token => (name, token),
    };
    play_wish(stream, token)
}

/// SRT's stream id (SRT Access Control): `#!::m=publish,r=STREAM,s=KEY`, or `publish:STREAM:KEY`; with `m=request`, or
/// `read:` or `request:` before it, for a player, whose key may be missing.
pub(super) fn of_srt(id: &str) -> Option<SrtWish> {
    // Some callers pass the id on as it is escaped in an address (ffmpeg before version 6).
    let unescaped = id.strip_prefix("%23").map(|rest| format!("#{}", percent_decode_str(rest).decode_utf8_lossy()));
    let id = unescaped.as_deref().unwrap_or(id);
    if let Some(pairs) = id.strip_prefix("#!::") {
        let pairs = || pairs.split(',').filter_map(|pair| pair.split_once('='));
        let value = |wanted: &str| pairs().find(|(key, _)| *key == wanted).map(|(_, value)| value.to_owned());
        let (stream, key) =
            (value("r").unwrap_or_default(), value("s").or_else(|| value("key")).or_else(|| value("token")));
        return match value("m").as_deref() {
            None | Some("publish") => wish(&stream, key.unwrap_or_default()).map(SrtWish::Publish),
            Some("request") => play_wish(&stream, key).map(SrtWish::Play),
            Some(_) => None,
        };
    }
    let player = id.strip_prefix("read:").or_else(|| id.strip_prefix("request:"));
    let id = player.unwrap_or(id.strip_prefix("publish:").unwrap_or(id));
    let (stream, key) = match (id.split_once('?'), id.split_once([':', '/'])) {
        (Some((stream, query)), _) => (stream, key_in(query)),
        (None, Some((stream, key))) => (stream, Some(key.to_owned())),
        (None, None) => (id, None),
    };
    match player {
        Some(_) => play_wish(stream, key).map(SrtWish::Play),
        None => wish(stream, key.unwrap_or_default()).map(SrtWish::Publish),
    }
}

fn play_wish(stream: &str, token: Option<String>) -> Option<PlayWish> {
    let token = token.filter(|token| !token.is_empty()).map(Secret::new);
    (!stream.is_empty()).then(|| PlayWish { stream: stream.to_owned(), token })
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

    fn srt(id: &str) -> Option<(String, String)> {
        match of_srt(id)? {
            SrtWish::Publish(wish) => Some((wish.stream, wish.key.expose().to_owned())),
            SrtWish::Play(_) => None,
        }
    }

    fn shown(wish: PlayWish) -> (String, Option<String>) {
        (wish.stream, wish.token.map(|token| token.expose().to_owned()))
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
        assert_eq!(srt("#!::r=live,m=publish,s=secret-key"), Some(some("live", "secret-key")));
        assert_eq!(srt("#!::u=me,r=live,key=k=1"), Some(some("live", "k=1")));
        assert_eq!(srt("%23!::r=live,m=publish,s=a%2Fkey"), Some(some("live", "a/key")), "escaped as in an address");
        assert_eq!(srt("publish:live:secret:key"), Some(some("live", "secret:key")));
        assert_eq!(srt("live?key=k1"), Some(some("live", "k1")));
        assert_eq!(srt("live/k1"), Some(some("live", "k1")));
        for id in ["", "live", "#!::r=live", "#!::s=key", "#!::", ":key", "live:", "#!::r=live,m=bidirectional,s=k"] {
            assert_eq!(of_srt(id), None, "{id}");
        }
    }

    #[test]
    fn an_srt_player_says_so_and_may_lack_a_token() {
        let player = |id: &str| match of_srt(id) {
            Some(SrtWish::Play(wish)) => Some(shown(wish)),
            _ => None,
        };
        let with = |token: &str| Some(("live".to_owned(), Some(token.to_owned())));
        assert_eq!(player("#!::r=live,m=request,s=token-1"), with("token-1"));
        assert_eq!(player("#!::r=live,m=request"), Some(("live".to_owned(), None)));
        assert_eq!(player("read:live:token:1"), with("token:1"));
        assert_eq!(player("request:live"), Some(("live".to_owned(), None)));
        for id in ["#!::m=request", "read:", "read::token", "publish:live:key"] {
            assert_eq!(player(id), None, "{id}");
        }
    }

    #[test]
    fn an_rtmp_player_names_the_stream_last_or_its_token() {
        let player = |app: &str, name: &str| of_rtmp_player(app, name, |name| name == "show").map(shown);
        let (bare, with) = (Some(("show".to_owned(), None)), Some(("show".to_owned(), Some("t/1".to_owned()))));
        assert_eq!(player("live", "show"), bare);
        assert_eq!(player("show", ""), bare);
        assert_eq!(player("show", "show"), bare);
        assert_eq!(player("live", "show?token=t%2F1"), with);
        assert_eq!(player("show?token=t%2F1", ""), with);
        assert_eq!(player("show", "t/1"), with);
        assert_eq!(player("live", "unknown"), Some(("unknown".to_owned(), None)));
        assert_eq!(player("", ""), None);
    }
}

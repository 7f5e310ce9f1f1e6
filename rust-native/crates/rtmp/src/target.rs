//! Where to publish: an address and a key, apart.

use media::Secret;
use url::Url;

use crate::RtmpError;

/// One stream on one server.
#[derive(Debug, Clone)]
pub struct Target {
    /// TLS (`rtmps`).
    pub tls: bool,
    /// Name or IP address, without brackets.
    pub host: String,
    /// 1935, or 443 with TLS, unless the address names another.
    pub port: u16,
    /// The application: the path without the stream's name.
    pub app: String,
    /// The stream's name, which is the key at nearly all services.
    pub stream: Secret,
    /// What `connect` calls the server.
    pub tc_url: String,
}

impl Target {
    /// From an address with or without the stream's name at its end: a key that is given apart is that name.
    ///
    /// # Errors
    /// [`RtmpError::BadUrl`].
    pub fn parse(address: &str, key: Option<&Secret>) -> Result<Self, RtmpError> {
        let url = Url::parse(address.trim()).map_err(|_| RtmpError::BadUrl)?;
        let tls = match url.scheme() {
            "rtmp" => false,
            "rtmps" => true,
            _ => return Err(RtmpError::BadUrl),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(RtmpError::BadUrl)?;
        let path = url.path().trim_matches('/');
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let key = key.map(|key| key.expose().trim()).filter(|key| !key.is_empty());
        let (app, stream) = match key {
            Some(key) => (format!("{path}{query}"), Secret::new(key)),
            None => {
                let (app, stream) = path.rsplit_once('/').ok_or(RtmpError::BadUrl)?;
                (app.trim_end_matches('/').to_owned(), Secret::new(format!("{stream}{query}")))
            }
        };
        if app.is_empty() || stream.is_empty() {
            return Err(RtmpError::BadUrl);
        }
        let port = url.port().unwrap_or(if tls { 443 } else { 1935 });
        // The port only where the address names one: some services compare the text.
        let named_port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let tc_url = format!("{}://{host}{named_port}/{app}", url.scheme());
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { tls, host, port, app, stream, tc_url })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_given_apart_or_ends_the_address() {
        let key = Secret::new(" abc?x=1 ");
        let target = Target::parse("rtmps://live.example.com/app/inst/", Some(&key)).expect("good");
        assert_eq!((target.tls, target.port, target.app.as_str()), (true, 443, "app/inst"));
        assert_eq!(target.stream.expose(), "abc?x=1");
        assert_eq!(target.tc_url, "rtmps://live.example.com/app/inst");
        let target = Target::parse("rtmp://[::1]:1936/live/name?token=2", None).expect("good");
        assert_eq!((target.host.as_str(), target.port, target.app.as_str()), ("::1", 1936, "live"));
        assert_eq!(target.stream.expose(), "name?token=2");
        assert_eq!(target.tc_url, "rtmp://[::1]:1936/live");
    }

    #[test]
    fn half_an_address_is_refused() {
        for bad in ["", "live", "http://host/app/key", "rtmp://host", "rtmp://host/app", "rtmp:///app/key"] {
            assert_eq!(Target::parse(bad, None).err(), Some(RtmpError::BadUrl), "{bad}");
        }
        assert!(Target::parse("rtmp://host/app", Some(&Secret::new("  "))).is_err());
    }
}

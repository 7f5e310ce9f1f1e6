//! The embedded live server: started on request, reached by loopback or by the network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use live_server::LiveServer;
use media::Secret;

use crate::{LocalServer, Problem, Reach};

/// The one stream of the embedded server.
pub(crate) const STREAM: &str = "live";

/// The running server and what the engine must know of it.
#[derive(Debug)]
pub(crate) struct RunningServer {
    pub(crate) server: LiveServer,
    pub(crate) info: LocalServer,
    pub(crate) publish_key: Secret,
}

impl RunningServer {
    /// Binds the port and serves.
    pub(crate) async fn start(reach: Reach, port: u16, view_token: Option<Secret>) -> Result<Self, Problem> {
        let view_token = view_token.unwrap_or_else(random_token);
        let publish_key = random_token();
        let address = match reach {
            Reach::Loopback => Ipv4Addr::LOCALHOST,
            Reach::Network => Ipv4Addr::UNSPECIFIED,
        };
        let http = SocketAddr::from((address, port));
        let config = live_server::Config::with_stream(http, STREAM, publish_key.clone(), Some(view_token.clone()));
        let server = LiveServer::start(config).await?;
        let port = server.http_addr().port();
        let page = |host: IpAddr| {
            let host = SocketAddr::new(host, port);
            format!("http://{host}/?stream={STREAM}#token={}", view_token.expose())
        };
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let outward = match reach {
            Reach::Loopback => loopback,
            Reach::Network => outward_address().unwrap_or(loopback),
        };
        let info = LocalServer {
            port,
            view_url: page(outward),
            loopback_view_url: page(loopback),
            reach,
            view_token: view_token.expose().to_owned(),
        };
        Ok(Self { server, info, publish_key })
    }

    /// Where the engine itself publishes to.
    pub(crate) fn whip_url(&self) -> String {
        format!("http://127.0.0.1:{}/whip/{STREAM}", self.info.port)
    }
}

/// 128 random bits in hexadecimal.
fn random_token() -> Secret {
    Secret::new(format!("{:032x}", rand::random::<u128>()))
}

/// The address by which other machines on the network reach this one, if it has one.
///
/// Connecting a UDP socket sends nothing: it only asks the routing table which address it would send from.
fn outward_address() -> Option<IpAddr> {
    // 192.0.2.0/24 is TEST-NET-1 (RFC 5737): it follows the default route and belongs to no one.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_128_bits_and_differ() {
        let (one, other) = (random_token(), random_token());
        assert_eq!(one.expose().len(), 32);
        assert!(one != other);
    }

    #[test]
    fn the_outward_address_is_never_loopback() {
        assert!(outward_address().is_none_or(|address| !address.is_loopback()));
    }
}

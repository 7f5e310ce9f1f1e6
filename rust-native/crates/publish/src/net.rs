//! A TCP or TLS connection whose queue stays ours: what the system holds back, nobody can skip.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::failure::Failure;

/// A name's look-up and TCP's three steps. The system repeats the first after one and three seconds; the third
/// repetition comes after seven, and an attempt of our own is earlier than that.
const CONNECT: Duration = Duration::from_secs(6);
/// Sent data that nobody confirms for so long: the path is gone, though TCP itself would wait a quarter of an hour.
pub(crate) const SILENCE: Duration = Duration::from_secs(10);
/// Bytes that may wait in the system unsent: a tenth of a second of 6 Mbit/s. More would only arrive too late.
const UNSENT: u32 = 64 * 1024;

/// Either kind of stream.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How connections are made; a test has its own network.
pub(crate) type Dial = Arc<dyn Fn(String, u16, bool) -> BoxFuture<'static, Result<Connection, Failure>> + Send + Sync>;

/// The machine's own network.
pub(crate) fn dial() -> Dial {
    Arc::new(|host: String, port: u16, tls: bool| -> BoxFuture<'static, Result<Connection, Failure>> {
        Box::pin(async move { connect(&host, port, tls).await })
    })
}

/// A connection and a way to ask the system about it.
pub struct Connection {
    /// TCP, or TLS over it.
    pub stream: Box<dyn Stream>,
    /// Whom it leads to.
    pub peer: Option<SocketAddr>,
    pub(crate) path: Path,
}

/// Connects, with TLS where asked.
///
/// # Errors
/// Why there is no connection.
pub async fn connect(host: &str, port: u16, tls: bool) -> Result<Connection, Failure> {
    let tcp = match timeout(CONNECT, connect_tcp(host, port)).await {
        Ok(Ok(tcp)) => tcp,
        Ok(Err(error)) => return Err(Failure::unreachable(&error)),
        Err(_) => return Err(Failure::no_answer()),
    };
    let peer = tcp.peer_addr().ok();
    let path = imp::prepare(&tcp).map_err(|error| Failure::unreachable(&error))?;
    if !tls {
        return Ok(Connection { stream: Box::new(tcp), peer, path });
    }
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Failure::no_tls(&io::Error::other("not a name that a certificate can hold")))?;
    let config = CONFIG.clone().map_err(|error| Failure::no_tls(&io::Error::other(error)))?;
    match timeout(CONNECT, TlsConnector::from(config).connect(name, tcp)).await {
        Ok(Ok(stream)) => Ok(Connection { stream: Box::new(stream), peer, path }),
        Ok(Err(error)) => Err(Failure::no_tls(&error)),
        Err(_) => Err(Failure::no_answer()),
    }
}

async fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in lookup_host((host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The system's own roots, read once.
static CONFIG: LazyLock<Result<Arc<ClientConfig>, String>> = LazyLock::new(|| {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_no_client_auth()))
});

pub(crate) use imp::Path;

#[cfg(target_os = "linux")]
mod imp {
    use std::io;
    use std::os::fd::{AsRawFd, RawFd};
    use std::time::Duration;

    use socket2::SockRef;
    use tokio::net::TcpStream;

    use super::{SILENCE, UNSENT};

    /// Asks the kernel about a connection that its owner keeps open.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Path(RawFd);

    pub(super) fn prepare(tcp: &TcpStream) -> io::Result<Path> {
        tcp.set_nodelay(true)?;
        let socket = SockRef::from(tcp);
        socket.set_tcp_user_timeout(Some(SILENCE))?;
        socket.set_tcp_notsent_lowat(UNSENT)?;
        Ok(Path(tcp.as_raw_fd()))
    }

    impl Path {
        /// Of a connection that is none of the system's.
        #[cfg(test)]
        pub(crate) const NONE: Self = Self(-1);

        /// Round trip, and how many segments had to be sent again since the start.
        pub(crate) fn read(&self) -> (Option<Duration>, Option<u32>) {
            let mut info = std::mem::MaybeUninit::<libc::tcp_info>::zeroed();
            let mut length = std::mem::size_of::<libc::tcp_info>() as libc::socklen_t;
            // SAFETY: `info` is writable for `length` bytes; zeroed is a valid tcp_info, and the kernel fills as
            // much as it knows. The descriptor is the open connection's: its owner holds it beside this.
            let info = unsafe {
                let pointer = info.as_mut_ptr().cast();
                if libc::getsockopt(self.0, libc::IPPROTO_TCP, libc::TCP_INFO, pointer, &mut length) != 0 {
                    return (None, None);
                }
                info.assume_init()
            };
            let round_trip = (info.tcpi_rtt > 0).then(|| Duration::from_micros(u64::from(info.tcpi_rtt)));
            (round_trip, Some(info.tcpi_total_retrans))
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::io;
    use std::time::Duration;

    use socket2::SockRef;
    use tokio::net::TcpStream;

    use super::UNSENT;

    /// Nothing is told here.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Path;

    pub(super) fn prepare(tcp: &TcpStream) -> io::Result<Path> {
        tcp.set_nodelay(true)?;
        // No limit for unsent bytes here: the whole buffer is bounded, four times as large for what is in flight.
        SockRef::from(tcp).set_send_buffer_size(4 * UNSENT as usize)?;
        Ok(Path)
    }

    impl Path {
        /// Of a connection that is none of the system's.
        #[cfg(test)]
        pub(crate) const NONE: Self = Self;

        /// Unknown here.
        pub(crate) fn read(&self) -> (Option<Duration>, Option<u32>) {
            (None, None)
        }
    }
}

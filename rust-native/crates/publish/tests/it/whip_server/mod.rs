//! A WHIP server for tests: HTTP by hand, and an independent receiver for each session.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::receiver::Receiver;

/// How it treats who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Takes the stream.
    Good,
    /// Answers, and then neither sends nor hears.
    Deaf,
    /// Takes the request and never answers.
    Silent,
    /// Answers with this status line.
    Refuses(&'static str),
}

pub(crate) struct WhipServer {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    manner: Mutex<Manner>,
    receivers: Mutex<Vec<Receiver>>,
    requests: Mutex<Vec<String>>,
}

impl WhipServer {
    pub(crate) async fn start(manner: Manner) -> Self {
        Self::start_at(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0), manner).await
    }

    pub(crate) async fn start_at(address: SocketAddr, manner: Manner) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let state =
            Arc::new(State { manner: Mutex::new(manner), receivers: Mutex::default(), requests: Mutex::default() });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/whip/live", self.address)
    }

    /// Request lines so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.requests.lock().clone()
    }

    pub(crate) fn deleted(&self) -> usize {
        self.requests().iter().filter(|request| request.starts_with("DELETE /session/")).count()
    }

    pub(crate) fn sessions(&self) -> usize {
        self.state.receivers.lock().len()
    }

    /// As when its cable is cut.
    pub(crate) fn cut_newest(&self) {
        self.state.receivers.lock().last().expect("a session").cut();
    }

    /// Ends the newest session from this side.
    pub(crate) fn end_newest(&self) {
        self.state.receivers.lock().pop();
    }
}

impl Drop for WhipServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let Some((head, body)) = read_request(&mut stream).await else { return };
    let line = head.lines().next().unwrap_or_default().to_owned();
    state.requests.lock().push(line.clone());
    let manner = *state.manner.lock();
    let reply = match manner {
        _ if line.starts_with("DELETE") => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(),
        Manner::Silent => {
            while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {}
            return;
        }
        Manner::Refuses(status) => format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"),
        Manner::Good | Manner::Deaf => {
            let receiver = Receiver::answer(&body, IpAddr::V4(Ipv4Addr::LOCALHOST));
            if manner == Manner::Deaf {
                receiver.cut();
            }
            let answer = receiver.answer.clone();
            let mut receivers = state.receivers.lock();
            receivers.push(receiver);
            format!(
                "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nLocation: /session/{}\r\nContent-Length: {}\r\n\r\n{answer}",
                receivers.len(),
                answer.len()
            )
        }
    };
    let _ = stream.write_all(reply.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let size = stream.read(&mut buffer).await.ok().filter(|size| *size > 0)?;
        request.extend_from_slice(&buffer[..size]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length:").and_then(|length| length.trim().parse().ok()))
            .unwrap_or(0_usize);
        if body.len() >= length {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}

//! Who means no good on the TCP ports: a thousand connections on each that say nothing, heads and bodies that trickle.
//! Who watches and who comes meanwhile notices none of it, and the server gets its sockets back.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use live_server::LiveServer;
use socket2::{Domain, SockRef, Socket, Type};
use testkit::scratch::Folder;

use crate::common::*;
use crate::rig::certificate;
use crate::studio::*;

/// Each of these would be one attacker's; a machine has a whole loopback network.
const ATTACKERS: u8 = 4;
const OF_EACH: usize = 250;
/// What no connection may take for its first word, and some.
const LIMIT: Duration = Duration::from_secs(10);

fn connect(to: SocketAddr, attacker: u8) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddrV4::new(Ipv4Addr::new(127, 0, 9, attacker), 0).into()).expect("a loopback address");
    socket.connect(&to.into()).expect("connected");
    socket.set_nonblocking(true).expect("a socket");
    socket.into()
}

fn crowd(to: SocketAddr) -> Vec<TcpStream> {
    (1..=ATTACKERS).flat_map(|attacker| (0..OF_EACH).map(move |_| connect(to, attacker))).collect()
}

/// Whether the other side has closed it; what it said before is of no interest.
fn is_ended(socket: &mut TcpStream) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

/// Bytes of this process that are in memory: the server's among them.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}

/// A new viewer who sees a picture, in how long.
async fn join(server: &LiveServer) -> Duration {
    let begun = Instant::now();
    let mut viewer = Peer::viewer(server).await;
    until(&mut [&mut viewer], "a picture for who comes", |peers| !peers[0].video().is_empty());
    viewer.close();
    begun.elapsed()
}

fn raise_the_limit_of_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit to be filled, and is then one to be read.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max.min(65_536);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
    assert!(limit.rlim_cur >= 12_000, "the test needs sockets: both ends of five thousand connections are here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_silent_connections_on_each_port_hurt_nobody_and_are_ended() {
    raise_the_limit_of_files();
    let folder = Folder::new("faults");
    let (certificate, key) = certificate(&folder, "localhost");
    let (mut config, anywhere) = (config(), Some("127.0.0.1:0".parse().expect("an address")));
    (config.https.listen, config.rtmp.listen, config.rtmp.tls_listen) = (anywhere, anywhere, anywhere);
    (config.https.certificate, config.https.private_key) = (Some(certificate.clone()), Some(key.clone()));
    (config.rtmp.certificate, config.rtmp.private_key) = (Some(certificate), Some(key));
    // The media port takes TCP, too.
    config.rtc.port = testkit::port::free();
    let media = std::net::SocketAddr::from(([127, 0, 0, 1], config.rtc.port));
    let server = LiveServer::start(config).await.expect("the server starts");
    let _publisher = Publisher::start(&server, &Reel::new(60, 30)).await;
    let mut viewer = Peer::viewer(&server).await;
    until(&mut [&mut viewer], "pictures", |peers| peers[0].video().len() > 60);
    let before = resident();
    let listening = [Some(server.http_addr()), server.https_addr(), server.rtmp_addr(), server.rtmps_addr()];
    let ports = listening.into_iter().chain([Some(media)]);
    let mut silent: Vec<TcpStream> = ports.flatten().flat_map(crowd).collect();
    assert_eq!(silent.len(), 5000);
    // It took its time: a port that is full has the next ones try again.
    let begun = Instant::now();
    let joined = join(&server).await;
    assert!(joined < Duration::from_secs(3), "{joined:?}");
    let grown = resident().saturating_sub(before);
    eprintln!("joined in {joined:?} beside 5000 connections; {} KiB more in memory", grown >> 10);
    assert!(grown < 200 << 20, "40 KiB for both ends of each: {grown}");
    let seen = viewer.video().len();
    let mut open = silent.len();
    until(&mut [&mut viewer], "they are ended", |_| {
        silent.retain_mut(|socket| !is_ended(socket));
        open = silent.len();
        // Those that a port's seats had no room for are let in, and their time begins, when the first are gone.
        open == 0 || begun.elapsed() > LIMIT * 5 / 2
    });
    let left = |port: SocketAddr| silent.iter().filter(|socket| socket.peer_addr().is_ok_and(|to| to == port)).count();
    let left: Vec<_> = listening.into_iter().chain([Some(media)]).flatten().map(|port| (port, left(port))).collect();
    assert_eq!(open, 0, "after {:?}: {left:?}", begun.elapsed());
    eprintln!("all ended after {:?}", begun.elapsed());
    until(&mut [&mut viewer], "pictures go on", |peers| peers[0].video().len() > seen + 30);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_and_bodies_that_trickle_are_ended_in_time_and_hurt_nobody() {
    let server = server().await;
    let _publisher = Publisher::start(&server, &Reel::new(60, 30)).await;
    let to = server.http_addr();
    let begun = Instant::now();
    let body = format!(
        "POST /api/v1/streams/live/forwards HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Length: 60000\r\n\r\n"
    );
    let offer = format!(
        "POST /whep/live HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: {SDP}\r\n\
         Content-Length: 60000\r\n\r\n"
    );
    let begins = ["GET /healthz HTTP/1.1\r\n", &body, &offer];
    let mut slow: Vec<(TcpStream, usize)> = Vec::new();
    for number in 0..600 {
        let mut socket = connect(to, 1 + (number % 4) as u8);
        SockRef::from(&socket).set_tcp_nodelay(true).expect("a socket");
        socket.write_all(begins[number % 3].as_bytes()).expect("sent");
        slow.push((socket, number % 3));
    }
    assert!(join(&server).await < Duration::from_secs(3));
    while !slow.is_empty() {
        assert!(begun.elapsed() < LIMIT * 2, "{} are still open after {:?}", slow.len(), begun.elapsed());
        slow.retain_mut(|(socket, kind)| {
            // A byte a second of a header field, or of a body that never ends.
            let _ = socket.write(if *kind == 0 { b"X" } else { b"v" });
            !is_ended(socket)
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    eprintln!("all ended after {:?}", begun.elapsed());
    assert!(join(&server).await < Duration::from_secs(3));
    server.shutdown().await;
}

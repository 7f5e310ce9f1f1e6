//! Takes H.264 over plain RTP, from one sender after the other, and writes each one's pictures into a file with the times
//! at which they were there: the same sink for us and for every program that we are compared with.
//!
//! The first line on stdout is the port. A line on stdin names the file for the next sender (an empty one keeps nothing)
//! and is answered by a line of figures about the one before.

use std::error::Error;
use std::io::BufRead as _;
use std::net::UdpSocket;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use tidecast_bench::depacketize::Depacketizer;
use tidecast_bench::program::{complain, end, say};
use tidecast_bench::recording::{Recording, enlarge};

const NAME: &str = env!("CARGO_BIN_NAME");

fn main() -> ExitCode {
    end(NAME, run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let (socket, _reports) = sockets()?;
    say(&serde_json::json!({ "port": socket.local_addr()?.port() }).to_string())?;
    let shared = Arc::new(Mutex::new((Recording::default(), Depacketizer::default())));
    let receiving = Arc::clone(&shared);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length) = socket.recv(&mut buffer) {
            let mut guard = receiving.lock().unwrap_or_else(PoisonError::into_inner);
            let (recording, depacketizer) = &mut *guard;
            if let Some(unit) = depacketizer.push(&buffer[..length])
                && let Err(error) = recording.unit(&unit)
            {
                complain(NAME, error);
            }
        }
    });
    for line in std::io::stdin().lock().lines() {
        let fresh = (Recording::into_file(line?.trim())?, Depacketizer::default());
        let mut guard = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut done, depacketizer) = std::mem::replace(&mut *guard, fresh);
        drop(guard);
        done.gaps = depacketizer.lost;
        say(&done.finish()?)?;
    }
    Ok(())
}

/// An even port and the odd one above it, where senders put their reports (RFC 3550 section 11): nobody answers those,
/// but an open port keeps "port unreachable" from the senders.
fn sockets() -> Result<(UdpSocket, UdpSocket), Box<dyn Error>> {
    for _ in 0..100 {
        let media = UdpSocket::bind("127.0.0.1:0")?;
        let port = media.local_addr()?.port();
        if port % 2 == 0
            && let Ok(reports) = UdpSocket::bind(("127.0.0.1", port + 1))
        {
            enlarge(&media);
            return Ok((media, reports));
        }
    }
    Err("no two free ports in a row".into())
}

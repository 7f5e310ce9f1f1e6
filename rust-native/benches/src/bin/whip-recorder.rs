//! Takes one WHIP publisher after the other and writes the video of each into a file (Annex B): a peer that costs as
//! little as one can, so that what is measured beside it is the publisher.
//!
//! The first line on stdout is the address to publish to. A line on stdin names the file for the next publisher and
//! is answered by a line of figures about the one before.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use str0m::change::SdpOffer;
use str0m::crypto::from_feature_flags;
use str0m::media::MediaKind;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig};
use tidecast_bench::program::{complain, end, say};
use tidecast_bench::recording::{Recording, enlarge};

type Shared = Arc<Mutex<Recording>>;

const NAME: &str = env!("CARGO_BIN_NAME");

fn main() -> ExitCode {
    end(NAME, run())
}

fn run() -> Result<(), Box<dyn Error>> {
    from_feature_flags().install_process_default();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    say(&serde_json::json!({ "url": format!("http://{}/whip/bench", listener.local_addr()?) }).to_string())?;
    let recording = Shared::default();
    let shared = Arc::clone(&recording);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                if let Err(error) = serve(stream, &shared) {
                    complain(NAME, error);
                }
            });
        }
    });
    for line in std::io::stdin().lock().lines() {
        let fresh = Recording::into_file(line?.trim())?;
        let mut guard = recording.lock().unwrap_or_else(PoisonError::into_inner);
        let done = std::mem::replace(&mut *guard, fresh);
        drop(guard);
        say(&done.finish()?)?;
    }
    Ok(())
}

/// One HTTP/1.1 connection: as much of WHIP (RFC 9725) as a publisher on the same machine needs.
fn serve(stream: TcpStream, shared: &Shared) -> Result<(), Box<dyn Error>> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            if header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        match request.split_whitespace().next() {
            Some("POST") => {
                let answer = accept(&String::from_utf8(body)?, shared)?;
                write!(
                    writer,
                    "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nLocation: /session\r\nContent-Length: {}\r\n\r\n{answer}",
                    answer.len()
                )?;
            }
            Some("DELETE") => write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?,
            _ => write!(writer, "HTTP/1.1 204 No Content\r\n\r\n")?,
        }
    }
}

fn accept(offer: &str, shared: &Shared) -> Result<String, Box<dyn Error>> {
    let mut rtc = RtcConfig::new().build(Instant::now());
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    enlarge(&socket);
    rtc.add_local_candidate(Candidate::host(socket.local_addr()?, "udp")?);
    let answer = rtc.sdp_api().accept_offer(SdpOffer::from_sdp_string(offer)?)?;
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        if let Err(error) = receive(rtc, &socket, &shared) {
            complain(NAME, error);
        }
    });
    Ok(answer.to_sdp_string())
}

fn receive(mut rtc: Rtc, socket: &UdpSocket, shared: &Shared) -> Result<(), Box<dyn Error>> {
    let mut buffer = vec![0; 2000];
    loop {
        let deadline = match rtc.poll_output()? {
            Output::Timeout(deadline) => deadline,
            Output::Transmit(packet) => {
                socket.send_to(&packet.contents, packet.destination)?;
                continue;
            }
            Output::Event(Event::IceConnectionStateChange(IceConnectionState::Disconnected)) => return Ok(()),
            Output::Event(Event::MediaData(data)) => {
                let mut recording = shared.lock().unwrap_or_else(PoisonError::into_inner);
                if data.params.spec().codec.kind() == MediaKind::Audio {
                    recording.sounds += 1;
                    continue;
                }
                recording.gaps += u64::from(!data.contiguous);
                recording.unit(&data.data)?;
                continue;
            }
            Output::Event(_) => continue,
        };
        let pause = deadline.saturating_duration_since(Instant::now());
        if pause.is_zero() {
            rtc.handle_input(Input::Timeout(Instant::now()))?;
            continue;
        }
        socket.set_read_timeout(Some(pause))?;
        match socket.recv_from(&mut buffer) {
            Ok((length, source)) => {
                let destination = socket.local_addr()?;
                let contents = buffer[..length].try_into()?;
                rtc.handle_input(Input::Receive(
                    Instant::now(),
                    Receive { proto: Protocol::Udp, source, destination, contents },
                ))?;
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                rtc.handle_input(Input::Timeout(Instant::now()))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

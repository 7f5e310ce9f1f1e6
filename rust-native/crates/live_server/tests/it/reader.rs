//! A low-latency HLS player that shows nothing: it reads as one does, and counts.
#![allow(unreachable_pub)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// One kept connection.
pub struct Http {
    stream: BufReader<TcpStream>,
    /// `name: value` lines that every request carries.
    headers: String,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub cache: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Http {
    pub async fn connect(server: SocketAddr, token: Option<&str>) -> std::io::Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        Ok(Self { stream: BufReader::with_capacity(32 << 10, stream), headers: format!("Host: {server}\r\n{token}") })
    }

    /// Sends a request; never reads its answer.
    pub async fn ask(&mut self, path: &str) -> std::io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\n{}\r\n", self.headers);
        self.stream.get_mut().write_all(request.as_bytes()).await
    }

    async fn head(&mut self) -> std::io::Result<(u16, String, usize)> {
        let (mut status, mut cache, mut length) = (0, String::new(), 0);
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(first) = line.strip_prefix("http/1.1 ") {
                status = first[..3].parse().unwrap_or(0);
            } else if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap_or(0);
            } else if let Some(value) = line.strip_prefix("cache-control: ") {
                cache = value.to_owned();
            } else if line.is_empty() && status != 0 {
                return Ok((status, cache, length));
            }
        }
    }

    pub async fn get(&mut self, path: &str) -> std::io::Result<Answer> {
        self.ask(path).await?;
        let (status, cache, length) = self.head().await?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(Answer { status, cache, body })
    }

    /// The same, of which only the size is kept.
    pub async fn count(&mut self, path: &str) -> std::io::Result<(u16, usize)> {
        self.ask(path).await?;
        let (status, _, length) = self.head().await?;
        let mut left = length;
        while left > 0 {
            let ready = self.stream.fill_buf().await?.len().min(left);
            if ready == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.stream.consume(ready);
            left -= ready;
        }
        Ok((status, length))
    }
}

/// The end of a playlist.
#[derive(Debug, Clone, PartialEq)]
pub struct Tail {
    /// The segment in the making, and how many parts of it there are.
    pub number: u64,
    pub parts: usize,
    /// The newest part's address.
    pub newest: Option<String>,
    /// Unix time in seconds at which the newest part ends, as the playlist's dates say.
    pub end: f64,
    pub over: bool,
}

pub fn tail(playlist: &str) -> Tail {
    let attribute = |line: &str, name: &str| {
        let at = line.find(name)? + name.len();
        Some(line[at..].split(',').next().unwrap_or_default().trim_matches('"').to_owned())
    };
    let mut tail = Tail { number: 0, parts: 0, newest: None, end: 0.0, over: playlist.contains("#EXT-X-ENDLIST") };
    for line in playlist.lines() {
        if let Some(number) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
            tail.number = number.parse().expect("a number");
        } else if let Some(count) = line.strip_prefix("#EXT-X-SKIP:SKIPPED-SEGMENTS=") {
            tail.number += count.parse::<u64>().expect("a number");
        } else if let Some(date) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
            tail.end = unix(date);
        } else if line.starts_with("#EXT-X-PART:") {
            tail.parts += 1;
            tail.newest = attribute(line, "URI=");
            tail.end += attribute(line, "DURATION=").expect("a duration").parse::<f64>().expect("a number");
        } else if !line.starts_with('#') {
            tail.number += 1;
            tail.parts = 0;
        }
    }
    tail
}

/// Seconds since 1970 of `2023-11-14T22:13:20.000Z`; right from March 2000 to February 2100.
fn unix(date: &str) -> f64 {
    let field = |from: usize, to: usize| date[from..to].parse::<i64>().expect("a date");
    let (year, month, day) = (field(0, 4), field(5, 7), field(8, 10));
    let (year, month) = if month <= 2 { (year - 1, month + 12) } else { (year, month) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 1 - 719_468;
    (days * 86_400 + field(11, 13) * 3600 + field(14, 16) * 60 + field(17, 19)) as f64 + field(20, 23) as f64 / 1000.0
}

pub fn unix_now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// What one reader got of one track.
#[derive(Debug, Default, Clone)]
pub struct Read {
    pub requests: usize,
    pub parts: usize,
    pub bytes: usize,
    /// Answers other than 200.
    pub refused: usize,
    /// How old each part's newest moment was when it had come, seconds.
    pub late: Vec<f64>,
}

/// Reads a track for so long, as a player at its live edge does.
pub async fn follow(server: SocketAddr, token: Option<&str>, track: &str, duration: Duration) -> std::io::Result<Read> {
    let mut http = Http::connect(server, token).await?;
    let (mut read, end) = (Read::default(), Instant::now() + duration);
    let base = format!("/hls/live/{track}.m3u8");
    let first = http.get(&base).await?;
    assert_eq!(first.status, 200, "{}", first.text());
    let mut seen = tail(&first.text());
    while Instant::now() < end {
        let ask = format!("{base}?_HLS_msn={}&_HLS_part={}&_HLS_skip=YES", seen.number, seen.parts);
        let answer = http.get(&ask).await?;
        read.requests += 2;
        if answer.status != 200 {
            read.refused += 1;
            seen = tail(&http.get(&base).await?.text());
            continue;
        }
        seen = tail(&answer.text());
        let Some(part) = &seen.newest else { continue };
        let (status, bytes) = http.count(&format!("/hls/live/{part}")).await?;
        read.refused += usize::from(status != 200);
        read.parts += usize::from(status == 200);
        read.bytes += bytes + answer.body.len();
        read.late.push(unix_now() - seen.end);
    }
    Ok(read)
}

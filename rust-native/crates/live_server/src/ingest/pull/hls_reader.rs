//! What addresses of an HLS source give: playlists, headers, and segments in the clear.

use std::time::Duration;

use aws_lc_rs::cipher::{AES_128, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use bytes::{Buf, Bytes};
use media::Secret;
use publish::Failure;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, header};
use tokio::time::timeout;

use super::byte_range::ByteRange;
use super::playlist::{self, Chosen, Key, Map, Media, Playlist};
use super::rendition::damaged;
use super::run::{bad_address, failure};

/// A playlist, or a segment.
const ANSWER: Duration = Duration::from_secs(10);
const LARGEST_PLAYLIST: usize = 4 << 20;
/// A minute at 8 Mbit/s.
const LARGEST_SEGMENT: usize = 64 << 20;
/// Of a file that a server gives whole so much is read in vain for each of its parts.
const MOST_IN_VAIN: u64 = LARGEST_SEGMENT as u64;
/// Of AES-128.
const KEY: usize = 16;

/// One source's way out.
pub(super) struct Reader {
    client: Client,
    home: Url,
    bearer: Option<Secret>,
    /// The last one, by its address.
    key: Option<(Url, [u8; KEY])>,
}

impl Reader {
    /// For the source at `home`, whose host alone is told the bearer.
    pub(super) fn new(home: &Url, bearer: Option<Secret>) -> Result<Self, Failure> {
        let client = Client::builder().build().map_err(|_| Failure::unreachable(&gone()))?;
        Ok(Self { client, home: home.clone(), bearer, key: None })
    }

    /// What an address gives, of a bounded size.
    async fn get(&self, address: &Url, largest: usize) -> Result<Vec<u8>, Failure> {
        let reading = async {
            let mut response = answer(self.request(address)).await?;
            let mut body = Vec::new();
            while let Some(piece) = response.chunk().await.map_err(lost)? {
                if body.len() + piece.len() > largest {
                    return Err(too_large());
                }
                body.extend_from_slice(&piece);
            }
            Ok(body)
        };
        timeout(ANSWER, reading).await.map_err(|_| Failure::no_answer())?
    }

    /// A part of what an address gives. A server that knows no parts gives the whole (RFC 9110 section 14.2): the part is
    /// cut out of it, as long as it doesn't lie too far in.
    async fn part(&self, address: &Url, range: ByteRange) -> Result<Vec<u8>, Failure> {
        let length = usize::try_from(range.length).ok().filter(|length| *length <= LARGEST_SEGMENT);
        let length = length.ok_or_else(too_large)?;
        // Packed, it would have other bytes in those places.
        let request = self.request(address).header(header::RANGE, range.asked());
        let request = request.header(header::ACCEPT_ENCODING, "identity");
        let reading = async {
            let mut response = answer(request).await?;
            let given = response.headers().get(header::CONTENT_RANGE).and_then(|given| given.to_str().ok());
            let mut skip = match response.status() {
                StatusCode::PARTIAL_CONTENT if given.is_some_and(|given| range.is(given)) => 0,
                StatusCode::OK if range.start <= MOST_IN_VAIN => range.start,
                status => return Err(other_part(status)),
            };
            let mut body = Vec::new();
            while body.len() < length {
                let piece = response.chunk().await.map_err(lost)?;
                let mut piece = piece.ok_or_else(|| damaged("its file ends before it"))?;
                let before = skip.min(piece.len() as u64);
                piece.advance(before as usize);
                skip -= before;
                piece.truncate(length - body.len());
                body.extend_from_slice(&piece);
            }
            Ok(body)
        };
        timeout(ANSWER, reading).await.map_err(|_| Failure::no_answer())?
    }

    fn request(&self, address: &Url) -> RequestBuilder {
        let request = self.client.get(address.clone());
        match self.bearer.as_ref().filter(|_| address.origin() == self.home.origin()) {
            Some(bearer) => request.bearer_auth(bearer.expose()),
            None => request,
        }
    }

    /// What a playlist names by an address, and perhaps a part of it.
    async fn named(&self, playlist: &Url, address: &str, range: Option<ByteRange>) -> Result<Vec<u8>, Failure> {
        let address = playlist.join(address).map_err(|_| bad_address())?;
        match range {
            None => self.get(&address, LARGEST_SEGMENT).await,
            Some(range) => self.part(&address, range).await,
        }
    }

    /// A header.
    pub(super) async fn map(&self, playlist: &Url, map: &Map) -> Result<Bytes, Failure> {
        self.named(playlist, &map.address, map.range).await.map(Bytes::from)
    }

    async fn playlist(&self, address: &Url) -> Result<Playlist, Failure> {
        let body = self.get(address, LARGEST_PLAYLIST).await?;
        playlist::read(&String::from_utf8_lossy(&body))
    }

    /// A rendition's playlist.
    pub(super) async fn media(&self, address: &Url) -> Result<Media, Failure> {
        match self.playlist(address).await? {
            Playlist::Media(media) => Ok(media),
            Playlist::Multivariant(_) => Err(bad_address()),
        }
    }

    /// Where the renditions are that the source's own address leads to: the picture's, and the sound's if it has one.
    pub(super) async fn find(&self) -> Result<(Url, Option<Url>), Failure> {
        match self.playlist(&self.home).await? {
            Playlist::Media(_) => Ok((self.home.clone(), None)),
            Playlist::Multivariant(Chosen { picture, sound }) => {
                let at = |address: &str| self.home.join(address).map_err(|_| bad_address());
                Ok((at(&picture)?, sound.map(|sound| at(&sound)).transpose()?))
            }
        }
    }

    /// A segment in the clear; `number` is its own.
    pub(super) async fn segment(
        &mut self,
        playlist: &Url,
        segment: &playlist::Segment,
        number: u64,
    ) -> Result<Bytes, Failure> {
        let body = self.named(playlist, &segment.address, segment.range).await?;
        match &segment.key {
            None => Ok(body.into()),
            Some(key) => {
                let iv = key.iv.unwrap_or_else(|| u128::from(number).to_be_bytes());
                decrypted(self.key(playlist, key).await?, iv, body)
            }
        }
    }

    async fn key(&mut self, playlist: &Url, key: &Key) -> Result<[u8; KEY], Failure> {
        let address = playlist.join(&key.address).map_err(|_| bad_address())?;
        if let Some((_, known)) = self.key.as_ref().filter(|(known, _)| *known == address) {
            return Ok(*known);
        }
        let read = self.get(&address, LARGEST_PLAYLIST).await?;
        let key: [u8; KEY] = read.try_into().map_err(|_| unlocked())?;
        self.key = Some((address, key));
        Ok(key)
    }
}

/// RFC 8216 section 4.3.2.4: AES-128, CBC, the padding of PKCS #7.
fn decrypted(key: [u8; KEY], iv: [u8; 16], mut body: Vec<u8>) -> Result<Bytes, Failure> {
    let opened = UnboundCipherKey::new(&AES_128, &key)
        .and_then(PaddedBlockDecryptingKey::cbc_pkcs7)
        .and_then(|key| Ok(key.decrypt(&mut body, DecryptionContext::Iv128(FixedLength::from(iv)))?.len()));
    let length = opened.map_err(|_| unlocked())?;
    body.truncate(length);
    Ok(body.into())
}

fn unlocked() -> Failure {
    failure(
        "hls_key_wrong",
        "the source's key does not open its segments",
        "Look whether the source's key server works.",
    )
}

/// A request's answer, where it is a good one.
async fn answer(request: RequestBuilder) -> Result<Response, Failure> {
    let response = request
        .send()
        .await
        .map_err(|error| if error.is_timeout() { Failure::no_answer() } else { Failure::unreachable(&gone()) })?;
    if response.status().is_success() { Ok(response) } else { Err(refused(response.status())) }
}

/// The error's own text holds the address, and that perhaps a key.
fn lost(_: reqwest::Error) -> Failure {
    Failure::connection_lost()
}

fn too_large() -> Failure {
    failure("not_hls", "the source's answer is too large", "Check the source's address.")
}

fn other_part(status: StatusCode) -> Failure {
    failure(
        "hls_part_refused",
        format!(
            "the source's segments are parts of one file, and its server does not give the part that is asked for ({status})"
        ),
        "Let the source's server answer requests for parts of files (Range), or its packager write a file for each segment.",
    )
}

fn gone() -> std::io::Error {
    std::io::ErrorKind::NotConnected.into()
}

fn refused(status: StatusCode) -> Failure {
    let message = format!("the source's server answers {status}");
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure {
            is_final: true,
            ..failure("bad_key", message, "Enter the source's key again; perhaps it has expired.")
        },
        StatusCode::NOT_FOUND | StatusCode::CONFLICT => failure(
            "stream_not_there",
            message,
            "Check the stream's name, and start it there; it comes by itself then.",
        ),
        _ => failure("source_refused", message, "Look into the log of the source's server."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_opens_with_its_key_and_iv_and_with_no_other() {
        // openssl enc -aes-128-cbc -K 000102…0f -iv 0…07 of "segment".
        let key = std::array::from_fn(|at| at as u8);
        let locked = SEGMENT.to_vec();
        let opened = decrypted(key, u128::to_be_bytes(7), locked.clone()).expect("opened");
        assert_eq!(&opened[..], b"segment");
        assert_ne!(decrypted(key, u128::to_be_bytes(8), locked.clone()).ok(), Some(Bytes::from_static(b"segment")));
        assert!(decrypted([1; KEY], u128::to_be_bytes(7), locked[..15].to_vec()).is_err(), "not whole blocks");
    }

    /// A server of one file of 256 bytes, which is given in as many ways as it has names.
    async fn server() -> Url {
        use axum::http::HeaderMap;
        use axum::response::IntoResponse;
        let file: Vec<u8> = (0..=255).collect();
        let give = move |axum::extract::Path(how): axum::extract::Path<String>, headers: HeaderMap| {
            let asked = headers.get(header::RANGE).map(|range| range.to_str().expect("text").to_owned());
            let answer = match (how.as_str(), asked.as_deref()) {
                ("parts", Some("bytes=10-29")) => {
                    let range = [(header::CONTENT_RANGE, "bytes 10-29/256")];
                    (StatusCode::PARTIAL_CONTENT, range, file[10..30].to_vec()).into_response()
                }
                ("other", Some(_)) => {
                    let range = [(header::CONTENT_RANGE, "bytes 0-19/256")];
                    (StatusCode::PARTIAL_CONTENT, range, file[..20].to_vec()).into_response()
                }
                ("unsaid", Some(_)) => (StatusCode::PARTIAL_CONTENT, file[10..30].to_vec()).into_response(),
                ("whole", _) => file.clone().into_response(),
                _ => StatusCode::RANGE_NOT_SATISFIABLE.into_response(),
            };
            std::future::ready(answer)
        };
        let app = axum::Router::new().route("/{how}", axum::routing::get(give));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let home = format!("http://{}/", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Url::parse(&home).expect("an address")
    }

    #[tokio::test]
    async fn a_part_of_a_file_is_what_was_asked_for_or_an_error_that_says_why() {
        let home = server().await;
        let reader = Reader::new(&home, None).expect("a reader");
        let part = async |how: &str, start, length| {
            let read = reader.part(&home.join(how).expect("an address"), ByteRange { start, length }).await;
            read.map_err(|failure| failure.code)
        };
        let wanted: Vec<u8> = (10..30).collect();
        assert_eq!(part("parts", 10, 20).await.as_ref(), Ok(&wanted));
        assert_eq!(part("whole", 10, 20).await.as_ref(), Ok(&wanted), "it is cut out");
        assert_eq!(part("whole", 250, 7).await, Err("hls_damaged"), "the file is shorter");
        assert_eq!(part("whole", MOST_IN_VAIN + 1, 7).await, Err("hls_part_refused"), "too much would be read in vain");
        assert_eq!(part("parts", 0, LARGEST_SEGMENT as u64 + 1).await, Err("not_hls"));
        for how in ["other", "unsaid"] {
            assert_eq!(part(how, 10, 20).await, Err("hls_part_refused"), "{how}");
        }
        assert_eq!(part("parts", 11, 20).await, Err("source_refused"), "416");
    }

    const SEGMENT: [u8; 16] =
        [0x8d, 0xbb, 0x5b, 0x34, 0x61, 0x0f, 0xd2, 0xfe, 0xaa, 0x9d, 0x75, 0x00, 0xfd, 0x83, 0x8f, 0xc9];
}

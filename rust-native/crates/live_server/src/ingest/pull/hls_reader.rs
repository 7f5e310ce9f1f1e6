//! What addresses of an HLS source give: playlists, headers, and segments in the clear.

use std::time::Duration;

use aws_lc_rs::cipher::{AES_128, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use bytes::Bytes;
use media::Secret;
use publish::Failure;
use reqwest::{Client, StatusCode, Url};
use tokio::time::timeout;

use super::playlist::{self, Chosen, Key, Media, Playlist};
use super::run::{bad_address, failure};

/// A playlist, or a segment.
const ANSWER: Duration = Duration::from_secs(10);
const LARGEST_PLAYLIST: usize = 4 << 20;
/// A minute at 8 Mbit/s.
pub(super) const LARGEST_SEGMENT: usize = 64 << 20;
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
    pub(super) async fn get(&self, address: &Url, largest: usize) -> Result<Vec<u8>, Failure> {
        let mut request = self.client.get(address.clone());
        if let Some(bearer) = self.bearer.as_ref().filter(|_| address.origin() == self.home.origin()) {
            request = request.bearer_auth(bearer.expose());
        }
        let reading = async {
            // The error's own text holds the address, and that perhaps a key.
            let lost = |_| Failure::connection_lost();
            let mut response = request.send().await.map_err(|error| {
                if error.is_timeout() { Failure::no_answer() } else { Failure::unreachable(&gone()) }
            })?;
            if !response.status().is_success() {
                return Err(refused(response.status()));
            }
            let mut body = Vec::new();
            while let Some(piece) = response.chunk().await.map_err(lost)? {
                if body.len() + piece.len() > largest {
                    return Err(failure("not_hls", "the source's answer is too large", "Check the source's address."));
                }
                body.extend_from_slice(&piece);
            }
            Ok(body)
        };
        timeout(ANSWER, reading).await.map_err(|_| Failure::no_answer())?
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
        let address = playlist.join(&segment.address).map_err(|_| bad_address())?;
        let body = self.get(&address, LARGEST_SEGMENT).await?;
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

    const SEGMENT: [u8; 16] =
        [0x8d, 0xbb, 0x5b, 0x34, 0x61, 0x0f, 0xd2, 0xfe, 0xaa, 0x9d, 0x75, 0x00, 0xfd, 0x83, 0x8f, 0xc9];
}

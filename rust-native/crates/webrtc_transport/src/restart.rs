//! What a connection that stands does with another network: an ICE restart (RFC 8445, section 9), and servers that
//! become known after the offer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rtc::peer_connection::configuration::RTCOfferOptions;
use rtc::peer_connection::sdp::{RTCSdpType, RTCSessionDescription};
use tokio::time::timeout;

use crate::peer::{GATHER_HOST, GATHER_SERVERS};
use crate::session::configuration;
use crate::{IceServer, Peer, TransportError};

fn setup(error: rtc::shared::error::Error) -> TransportError {
    TransportError::Setup(error.to_string())
}

fn answer(error: rtc::shared::error::Error) -> TransportError {
    TransportError::Answer(error.to_string())
}

impl Peer {
    /// New sockets at the addresses that the machine has now, new ICE credentials, and the offer (SDP) that tells of
    /// them. The old sockets are closed: only for a path that does not work any more. Keys and packet numbers go on.
    ///
    /// # Errors
    /// [`TransportError::Setup`].
    pub async fn restart(&self) -> Result<String, TransportError> {
        let connection = &self.session.0.connection;
        self.handler.trickles.store(false, Ordering::Release);
        self.handler.gathered.send_replace(false);
        let has_servers = !connection.get_configuration().await.ice_servers().is_empty();
        let options = RTCOfferOptions { ice_restart: true };
        let offer = connection.create_offer(Some(options)).await.map_err(setup)?;
        connection.set_local_description(offer).await.map_err(setup)?;
        self.gathered_offer(if has_servers { GATHER_SERVERS } else { GATHER_HOST }).await
    }

    /// Takes the answer (SDP) to [`Self::restart`]'s offer.
    ///
    /// # Errors
    /// [`TransportError::Answer`].
    pub async fn answer_restart(&self, sdp: &str) -> Result<(), TransportError> {
        let description = RTCSessionDescription::answer(sdp.to_owned()).map_err(answer)?;
        self.session.0.connection.set_remote_description(description).await.map_err(answer)?;
        self.connect_by_tcp(sdp).await
    }

    /// Servers that became known after the offer; what they give comes as
    /// [`LocalCandidate`](crate::PeerEvent::LocalCandidate). Call before [`Self::answer`].
    ///
    /// # Errors
    /// [`TransportError::Setup`].
    pub async fn use_ice_servers(&self, servers: &[IceServer]) -> Result<(), TransportError> {
        let connection = &self.session.0.connection;
        connection.set_configuration(configuration(servers)).await.map_err(setup)?;
        // A configuration counts from the next gathering on, and setting the same offer again starts one: a
        // description without text is the last one (RFC 9429, section 5.4).
        let mut again = RTCSessionDescription::default();
        again.sdp_type = RTCSdpType::Offer;
        connection.set_local_description(again).await.map_err(setup)
    }

    /// The crate connects to a passive TCP candidate only where it comes by itself, not within a description.
    pub(crate) async fn connect_by_tcp(&self, sdp: &str) -> Result<(), TransportError> {
        for candidate in passive_tcp(sdp) {
            self.add_candidate(&candidate_init(candidate)).await?;
        }
        Ok(())
    }

    /// The local description once its candidates are gathered, or so many of them as `patience` allows.
    pub(crate) async fn gathered_offer(&self, patience: Duration) -> Result<String, TransportError> {
        let mut gathered = self.gathered.clone();
        let _ = timeout(patience, gathered.wait_for(|done| *done)).await;
        self.handler.trickles.store(true, Ordering::Release);
        let offer = self.session.0.connection.local_description().await;
        Ok(offer.ok_or_else(|| TransportError::Setup("there is no local description".into()))?.sdp)
    }
}

/// The JSON of an `RTCIceCandidateInit` of the first section, which with BUNDLE all candidates belong to.
fn candidate_init(candidate: &str) -> String {
    serde_json::json!({ "candidate": candidate, "sdpMLineIndex": 0 }).to_string()
}

/// The passive TCP candidates of the first section (RFC 6544, section 4.5).
fn passive_tcp(sdp: &str) -> impl Iterator<Item = &str> {
    let mut sections = 0;
    sdp.lines()
        .map(str::trim_end)
        .take_while(move |line| {
            sections += usize::from(line.starts_with("m="));
            sections < 2
        })
        .filter_map(|line| line.strip_prefix("a="))
        .filter(|line| line.starts_with("candidate:") && line.contains(" tcptype passive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_listens_on_tcp_is_called() {
        let sdp = "v=0\r\nm=audio 9 X 1\r\na=candidate:1 1 udp 9 192.0.2.1 5 typ host\r\n\
                   a=candidate:2 1 tcp 8 192.0.2.1 5 typ host tcptype passive\r\n\
                   a=candidate:3 1 tcp 8 192.0.2.1 9 typ host tcptype active\r\nm=video 9 X 1\r\n\
                   a=candidate:2 1 tcp 8 192.0.2.1 5 typ host tcptype passive\r\n";
        let found: Vec<&str> = passive_tcp(sdp).collect();
        assert_eq!(found, ["candidate:2 1 tcp 8 192.0.2.1 5 typ host tcptype passive"]);
    }
}

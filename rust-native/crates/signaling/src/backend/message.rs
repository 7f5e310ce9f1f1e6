//! What the engine and a backend say to each other: JSON, one object a message. `PROTOCOL.md` is the description.
//!
//! The messages are those of the local endpoint (`local/message.rs`), with the engine in the same part: it offers.

use media::Secret;
use serde::{Deserialize, Serialize};

/// Version of these messages.
pub const VERSION: u32 = 1;
/// The WebSocket subprotocol of this version.
pub const SUBPROTOCOL: &str = "tidecast-signaling.v1";

/// From whoever offers a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OffererMessage {
    /// The first message.
    Hello {
        /// Of the messages.
        version: u32,
    },
    /// A new connection's offer, or the offer of an ICE restart of the connection that is there.
    Offer {
        /// SDP.
        sdp: String,
        /// The same connection goes on over another path.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        ice_restart: bool,
    },
    /// An ICE candidate of this side.
    Candidate {
        /// An `RTCIceCandidateInit`, or `null` after the last.
        candidate: serde_json::Value,
    },
}

/// From the side that answers: an SFU, or what stands before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AnswererMessage {
    /// The answer to the offerer's.
    Hello {
        /// Of the messages.
        version: u32,
        /// It knows an offer with `ice_restart`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        ice_restart: bool,
        /// STUN and TURN servers for this connection.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ice_servers: Vec<BackendIceServer>,
    },
    /// To the newest offer.
    Answer {
        /// SDP.
        sdp: String,
    },
    /// An ICE candidate of that side.
    Candidate {
        /// An `RTCIceCandidateInit`, or `null` after the last.
        candidate: serde_json::Value,
    },
    /// The connection is of no use any more: please make a new one.
    Restart,
    /// Why it closes, or could not do what the last message asked for.
    Error {
        /// Stable, `snake_case`.
        code: String,
        /// One sentence.
        #[serde(default)]
        message: String,
        /// Trying again without a change by the user is useless.
        #[serde(default, rename = "final", skip_serializing_if = "std::ops::Not::not")]
        is_final: bool,
        /// Seconds that it asks to wait.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u32>,
    },
}

/// A STUN or TURN server, as an `RTCIceServer` looks in JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackendIceServer {
    /// `stun:…` or `turn:…`.
    pub urls: Vec<String>,
    /// TURN's user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// TURN's password.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "exposed", deserialize_with = "kept")]
    pub credential: Option<Secret>,
}

/// On the wire it must be readable; in a log it is not, as the type prints itself.
fn exposed<S: serde::Serializer>(secret: &Option<Secret>, to: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(to)
}

fn kept<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Secret::new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::{ClientMessage, ServerMessage};
    use serde_json::json;

    #[test]
    fn what_both_protocols_say_looks_the_same() {
        let pairs = [
            (OffererMessage::Hello { version: 1 }, ServerMessage::Hello { version: 1 }),
            (OffererMessage::Offer { sdp: "s".into(), ice_restart: false }, ServerMessage::Offer { sdp: "s".into() }),
            (
                OffererMessage::Candidate { candidate: json!({"candidate": "c"}) },
                ServerMessage::Candidate { candidate: json!({"candidate": "c"}) },
            ),
        ];
        for (backend, local) in pairs {
            assert_eq!(serde_json::to_value(&backend).expect("JSON"), serde_json::to_value(&local).expect("JSON"));
        }
        for text in
            [r#"{"type":"answer","sdp":"s"}"#, r#"{"type":"candidate","candidate":null}"#, r#"{"type":"restart"}"#]
        {
            assert!(serde_json::from_str::<AnswererMessage>(text).is_ok(), "{text}");
            assert!(serde_json::from_str::<ClientMessage>(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_may_be_left_out_may_be_and_what_is_unknown_is_passed_over() {
        let hello: AnswererMessage = serde_json::from_str(r#"{"type":"hello","version":1,"name":"x"}"#).expect("read");
        assert_eq!(hello, AnswererMessage::Hello { version: 1, ice_restart: false, ice_servers: Vec::new() });
        let error: AnswererMessage = serde_json::from_str(r#"{"type":"error","code":"full"}"#).expect("read");
        assert!(matches!(error, AnswererMessage::Error { is_final: false, retry_after: None, .. }));
        assert!(serde_json::from_str::<AnswererMessage>(r#"{"type":"dance"}"#).is_err());
    }

    #[test]
    fn a_servers_password_is_on_the_wire_and_in_no_log() {
        let text =
            r#"{"type":"hello","version":1,"ice_servers":[{"urls":["turn:t"],"username":"u","credential":"p4ss"}]}"#;
        let hello: AnswererMessage = serde_json::from_str(text).expect("read");
        assert!(!format!("{hello:?}").contains("p4ss"));
        assert_eq!(serde_json::to_string(&hello).expect("JSON"), text);
    }
}

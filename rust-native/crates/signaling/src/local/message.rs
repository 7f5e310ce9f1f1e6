//! What the window and the engine say to each other over the preview's WebSocket: JSON, one object a message.

use serde::{Deserialize, Serialize};

/// Version of these messages; said in [`ServerMessage::Hello`].
pub(super) const VERSION: u32 = 1;

/// From the engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The first message; written by the endpoint itself.
    Hello {
        /// Of the messages; a window that does not know it says so and stops.
        version: u32,
    },
    /// A new connection's offer; whatever was before is over.
    Offer {
        /// SDP.
        sdp: String,
    },
    /// A local ICE candidate.
    Candidate {
        /// An `RTCIceCandidateInit`, or `null` after the last.
        candidate: serde_json::Value,
    },
    /// What the meters show; may be left out when the window is slow.
    Levels {
        /// One of each input, and the mix as `"master"`.
        inputs: Vec<InputLevel>,
        /// Of the mix.
        loudness: LoudnessLevels,
    },
    /// Something went wrong.
    Error {
        /// Stable, `snake_case`.
        code: String,
        /// One sentence.
        message: String,
    },
}

/// The loudness of one input over the last interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InputLevel {
    /// Its id, or `"master"`.
    pub input: String,
    /// dBFS.
    pub peak_db: f32,
    /// dBFS.
    pub rms_db: f32,
}

/// How loud the mix is by EBU R128, LUFS; −120 is silence or not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LoudnessLevels {
    /// The last 400 ms.
    pub momentary: f32,
    /// The last 3 s.
    pub short_term: f32,
    /// Since the start or the last reset.
    pub integrated: f32,
}

/// From the window.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// To the newest offer.
    Answer {
        /// SDP.
        sdp: String,
    },
    /// An ICE candidate of the window.
    Candidate {
        /// An `RTCIceCandidateInit`, or `null` after the last.
        candidate: serde_json::Value,
    },
    /// The picture stopped: please offer anew.
    Restart,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn messages_look_on_the_wire_as_the_window_expects_them() {
        let to_json = |message: &ServerMessage| serde_json::to_value(message).expect("JSON");
        assert_eq!(to_json(&ServerMessage::Hello { version: 1 }), json!({"type": "hello", "version": 1}));
        let levels = vec![InputLevel { input: "microphone".into(), peak_db: -6.0, rms_db: -12.0 }];
        assert_eq!(
            to_json(&ServerMessage::Levels {
                inputs: levels,
                loudness: LoudnessLevels { momentary: -14.0, short_term: -15.0, integrated: -16.0 },
            }),
            json!({
                "type": "levels",
                "inputs": [{"input": "microphone", "peak_db": -6.0, "rms_db": -12.0}],
                "loudness": {"momentary": -14.0, "short_term": -15.0, "integrated": -16.0}
            })
        );
        let from = |text: &str| serde_json::from_str::<ClientMessage>(text);
        assert_eq!(from(r#"{"type":"restart"}"#).expect("valid"), ClientMessage::Restart);
        assert_eq!(
            from(r#"{"type":"candidate","candidate":null}"#).expect("valid"),
            ClientMessage::Candidate { candidate: serde_json::Value::Null }
        );
        assert!(from(r#"{"type":"answer"}"#).is_err());
        assert!(from(r#"{"type":"shutdown"}"#).is_err());
    }
}

//! What every encode is held to from outside: one encoder, one preset. For comparisons, and for machines whose better
//! encoders are worse than they seem; by default the table and the governor choose.

use encoder::{Opened, Preset, VideoConfig};

use crate::pipeline::Opener;

/// Choices that nothing overrules while the engine runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// This encoder and no other, by its name in the list of encoders. One that can't be opened ends the encode.
    pub encoder: Option<String>,
    /// x264's preset; pictures are then left out where they take too long, and the preset stays.
    pub preset: Option<Preset>,
}

impl Held {
    pub(crate) fn opener(&self) -> Opener {
        match self.encoder.clone() {
            None => Box::new(encoder::open_except),
            Some(name) => Box::new(move |config: &VideoConfig, _: &[&str]| {
                Ok(Opened { encoder: encoder::open_named(&name, config)?, refused: Vec::new() })
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VideoSettings;

    #[test]
    fn the_named_encoder_is_opened_and_no_other() {
        let config = VideoSettings { width: 320, height: 180, ..VideoSettings::DEFAULT }.config().expect("settings");
        let mut openh264 = Held { encoder: Some("openh264".to_owned()), preset: None }.opener();
        let opened = openh264(&config, &["openh264"]).expect("it is built in");
        assert_eq!((opened.encoder.name(), opened.refused.len()), ("openh264", 0));
        let mut unknown = Held { encoder: Some("h264_of_nobody".to_owned()), preset: None }.opener();
        assert_eq!(unknown(&config, &[]).expect_err("there is none").code(), "unknown_encoder");
    }
}

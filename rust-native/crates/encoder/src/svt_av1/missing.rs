//! For builds without it: an FFmpeg from elsewhere comes without an SVT-AV1 of the version that is known here.

use media::{AccessUnit, MediaTime, Picture};

use super::NAME;
use crate::{Abilities, EncoderError, Refusal, VideoConfig, VideoEncoder};

/// Can't be made.
pub(crate) enum SvtAv1 {}

impl SvtAv1 {
    /// Refuses.
    pub(crate) fn open(_config: &VideoConfig) -> Result<Self, Refusal> {
        Err(Refusal { name: NAME.to_owned(), reason: "not compiled into this build".to_owned() })
    }
}

impl VideoEncoder for SvtAv1 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn hardware(&self) -> bool {
        false
    }

    fn abilities(&self) -> Abilities {
        match *self {}
    }

    fn encode(&mut self, _: &Picture, _: MediaTime, _: bool) -> Result<Option<AccessUnit>, EncoderError> {
        match *self {}
    }

    fn reconfigure(&mut self, _: &VideoConfig) -> Result<bool, EncoderError> {
        match *self {}
    }
}

//! The one AAC encode, for destinations and files that take no Opus: it runs only while a reader has its lane.

use encoder::AacEncoder;
use media::{AAC_CONFIG, AccessUnit, AudioBlock};
use stream::{Broadcast, Lanes};

/// See the module.
pub(crate) struct AacOnDemand {
    hub: Broadcast<AccessUnit>,
    encoder: Option<AacEncoder>,
    /// An encoder could not be had: that is said once, and tried again for the next reader.
    refused: bool,
}

impl AacOnDemand {
    pub(crate) fn new(hub: Broadcast<AccessUnit>) -> Self {
        Self { hub, encoder: None, refused: false }
    }

    /// Encodes 10 ms of the mix, if anybody wants it.
    pub(crate) fn push(&mut self, block: &AudioBlock) {
        if !self.hub.is_wanted(Lanes::AAC) {
            (self.encoder, self.refused) = (None, false);
            return;
        }
        if self.encoder.is_none() && !self.refused {
            match AacEncoder::new(AacEncoder::DEFAULT_BITRATE) {
                Ok(encoder) => {
                    debug_assert_eq!(encoder.audio_specific_config(), AAC_CONFIG);
                    self.encoder = Some(encoder);
                }
                Err(error) => {
                    tracing::error!(%error, "there is no AAC: recordings and RTMP or SRT destinations are silent");
                    self.refused = true;
                }
            }
        }
        let Some(encoder) = &mut self.encoder else { return };
        match encoder.push(block) {
            Ok(Some(unit)) => {
                self.hub.push(&unit);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "21 ms of sound could not be encoded as AAC");
                self.encoder = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use media::{MediaTime, Track};
    use stream::LagPolicy;

    use super::*;

    #[test]
    fn it_encodes_only_while_somebody_reads_aac() {
        let hub = Broadcast::default();
        let peer = hub.subscribe(8, LagPolicy::SkipToKeyframe);
        let mut aac = AacOnDemand::new(hub.clone());
        let block = |n: u32| AudioBlock::silence(MediaTime::from_nanos(5_000_000_000) + Duration::from_millis(10) * n);
        (0..10).for_each(|n| aac.push(&block(n)));
        assert!(aac.encoder.is_none(), "a WebRTC peer needs none");
        let mut file = hub.subscribe_to(Lanes::VIDEO_AND_AAC, 64, LagPolicy::Fail);
        (10..40).for_each(|n| aac.push(&block(n)));
        let first = file.try_recv().expect("a unit").expect("open");
        assert_eq!((first.track, first.payload.is_empty()), (Track::Aac, false));
        drop(file);
        aac.push(&block(40));
        assert!(aac.encoder.is_none());
        assert_eq!(peer.stats().delivered, 0);
    }
}

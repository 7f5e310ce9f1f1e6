//! Frames that stay on the graphics card: a plain source that fills the picture goes to an encoder there as it is, where
//! the user wishes it. Whatever needs the picture itself (a second item, a fade, a lower encoding, an encoder in
//! software that took over) has it brought into memory first, and frames then come there again.

use super::Encode;
use crate::pipeline::PipelineEvent;

impl<F: Fn(PipelineEvent)> Encode<F> {
    /// Whether the next frame is to be taken from the graphics card; tells the capture where that changes.
    pub(super) fn asks_for_surfaces(&mut self) -> bool {
        let alone = self.stage.is_plain() && self.fade.is_none() && !self.lower.is_read();
        let surfaces = self.wish.zero_copy && alone && self.encoding.takes_surfaces();
        if std::mem::replace(&mut self.surfaces, surfaces) != surfaces {
            (self.on_event)(PipelineEvent::Surfaces(surfaces));
        }
        surfaces
    }

    /// Draws what was only passed on.
    pub(super) fn bring_into_memory(&mut self) {
        if self.on_card.take().is_some()
            && let Err(error) = self.stage.compose()
        {
            tracing::warn!(%error, "a frame could not be brought from the graphics card");
        }
    }
}

//! A system whose graphics cards nobody knows a way into here.

use std::convert::Infallible;

use media::{Size, VideoFrame};

use crate::av::raw::{AvError, Buffer, Frame};

/// There is none.
#[derive(Debug)]
pub(super) struct Converter(Infallible);

impl Converter {
    pub(super) fn new(_frame: &VideoFrame, _size: Size, _encoder: &str) -> Result<Self, String> {
        Err("frames on a graphics card are not known on this system".to_owned())
    }

    pub(super) fn suits(&self, _frame: &VideoFrame) -> bool {
        match self.0 {}
    }

    pub(super) fn pool(&self) -> &Buffer {
        match self.0 {}
    }

    pub(super) fn bring(&mut self, _frame: &VideoFrame, _to: &Frame) -> Result<(), AvError> {
        match self.0 {}
    }
}

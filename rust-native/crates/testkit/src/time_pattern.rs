//! A stamp drawn as black and white cells, and colour bars.

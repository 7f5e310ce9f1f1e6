//! A private PipeWire with a speaker and a microphone.

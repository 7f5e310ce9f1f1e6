//! Screens and windows.

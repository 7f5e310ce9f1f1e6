//! Why a screen or window can't be captured.

/// What went wrong with a screen or a window; see [`VideoError::code`] and [`VideoError::hint`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VideoError {
    /// No display server could be reached.
    #[error("no display can be reached: {0}")]
    NoDisplay(String),
    /// The display server took the connection and then said nothing.
    #[error("the display does not answer")]
    DisplaySilent,
    /// The display server went away.
    #[error("the connection to the display is lost: {0}")]
    DisplayLost(String),
    /// The display server lacks something that capture needs.
    #[error("the display lacks {0}")]
    MissingExtension(String),
    /// Pixels of another kind than 32-bit BGRX.
    #[error("pictures of {0} bits per pixel can't be captured")]
    PixelFormat(u8),
    /// No memory that can be shared with the display server.
    #[error("no memory could be shared with the display: {0}")]
    SharedMemory(String),
    /// The display server answered a request with an error that has no better name.
    #[error("the display refused a request: {0}")]
    Refused(String),
    /// No source has that id.
    #[error("there is no source {0}")]
    SourceNotFound(String),
    /// The window was closed or the monitor unplugged.
    #[error("the captured window or monitor is gone")]
    SourceClosed,
    /// The window has no picture now.
    #[error("the window is minimised or on another workspace")]
    SourceMinimised,
    /// The picture could not be compressed.
    #[error("the thumbnail could not be made: {0}")]
    Thumbnail(String),
    /// The capture's thread could not be started.
    #[error("the capture thread could not be started: {0}")]
    Thread(String),
    /// The source's program has taken it out of every capture.
    #[error("the program that owns the window forbids its capture")]
    ProtectedContent,
    /// The system does not let this program see the screen.
    #[error("the system does not allow this program to see the screen: {0}")]
    PermissionMissing(&'static str),
    /// No graphics device that capture can use, or it failed.
    #[error("the graphics device failed: {0}")]
    GraphicsDevice(String),
    /// The system has no such capture yet.
    #[error("this version of the system can't capture screens")]
    SystemTooOld,
    /// This system's screens can't be captured yet.
    #[error("{0} can't be captured here yet")]
    NotSupportedHere(&'static str),
}

impl VideoError {
    /// Stable, `snake_case`: a program may depend on it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoDisplay(_) => "no_display",
            Self::DisplaySilent => "display_silent",
            Self::DisplayLost(_) => "display_lost",
            Self::MissingExtension(_) => "display_extension_missing",
            Self::PixelFormat(_) => "pixel_format",
            Self::SharedMemory(_) => "shared_memory",
            Self::Refused(_) => "display_refused",
            Self::SourceNotFound(_) => "source_not_found",
            Self::SourceClosed => "source_closed",
            Self::SourceMinimised => "source_minimised",
            Self::Thumbnail(_) => "thumbnail_failed",
            Self::Thread(_) => "thread_failed",
            Self::ProtectedContent => "protected_content",
            Self::PermissionMissing(_) => "screen_permission_missing",
            Self::GraphicsDevice(_) => "graphics_device",
            Self::SystemTooOld => "system_too_old",
            Self::NotSupportedHere(_) => "not_supported_here",
        }
    }

    /// What to do about it, one sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoDisplay(_) => "Log in to a desktop session, or set DISPLAY to a running X server.",
            Self::DisplaySilent => "Wait until the desktop reacts again, then start the capture anew.",
            Self::DisplayLost(_) => "Log in again and start the capture anew.",
            Self::MissingExtension(_) => "Use an X server on this machine that has this extension switched on.",
            Self::PixelFormat(_) => "Set the desktop to 24-bit colour.",
            Self::SharedMemory(_) => "Use a display of this machine, not one reached over a network.",
            Self::Refused(_) => "Start the capture again; if it is refused again, choose another source.",
            Self::SourceNotFound(_) => "Refresh the list of sources and choose one of it.",
            Self::SourceClosed => "Choose another window or monitor.",
            Self::SourceMinimised => "Show the window on the present workspace; it may be covered by others.",
            Self::Thumbnail(_) => "Try again; the capture itself does not need it.",
            Self::Thread(_) => "Close other programs and try again.",
            Self::ProtectedContent => "Choose another window; only its own program can allow this one.",
            Self::PermissionMissing(_) => {
                "Switch Tidecast on in System Settings > Privacy & Security > Screen & System Audio Recording, then start it again."
            }
            Self::GraphicsDevice(_) => {
                "Update the graphics driver, or let the app run on the graphics card that drives the monitor."
            }
            Self::SystemTooOld => "Update the system: Windows 10 (1903) or macOS 14.6 is the oldest that works.",
            Self::NotSupportedHere(_) => "Use an X11 session on Linux for now.",
        }
    }
}

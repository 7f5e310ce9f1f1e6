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
    /// The part of the monitor that was asked for is not on it now.
    #[error("the region lies outside of its monitor")]
    RegionOutside,
    /// No window of that title or program is open now.
    #[error("the window is not open now")]
    WindowNotOpen,
    /// No program fills a screen now.
    #[error("no program fills the screen now")]
    NoFullScreen,
    /// A program has the screen to itself, past everything that could capture it.
    #[error("the program that fills the screen keeps its picture to itself (exclusive full screen)")]
    ExclusiveFullScreen,
    /// An id that describes a source describes none.
    #[error("the source can't be made: {0}")]
    BadSource(String),
    /// A picture file that is not there.
    #[error("there is no picture at {0}")]
    PictureMissing(String),
    /// A file that is no picture of a known kind, or is damaged.
    #[error("the picture can't be read: {0}")]
    PictureUnreadable(String),
    /// A picture that would take more memory than pictures may.
    #[error("the picture is too large: {0}")]
    PictureTooLarge(String),
    /// The system doesn't let this user read the device or file.
    #[error("the system does not allow it: {0}")]
    PermissionDenied(String),
    /// Another program uses the camera.
    #[error("the camera is used by another program")]
    CameraBusy,
    /// The camera is not plugged in now.
    #[error("the camera is not plugged in")]
    CameraUnplugged,
    /// The camera took the request and then gave nothing.
    #[error("the camera does not answer")]
    CameraSilent,
    /// The camera has no format that can be read here.
    #[error("the camera gives no picture that can be read: {0}")]
    CameraFormat(String),
    /// The camera answered a request with an error that has no better name.
    #[error("the camera refused a request: {0}")]
    CameraRefused(String),
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
    /// A Wayland session without a portal that shares screens.
    #[error("the desktop has no portal that shares screens: {0}")]
    PortalMissing(String),
    /// The user, or a rule of the desktop, said no.
    #[error("sharing the screen was refused")]
    PortalRefused,
    /// The portal's question stands.
    #[error("the system asks which screen or window to share")]
    PortalAsking,
    /// The portal or PipeWire failed to share what was chosen.
    #[error("the desktop could not share the screen: {0}")]
    SharingFailed(String),
    /// The user or the desktop ended the sharing, or what was shared is gone.
    #[error("the desktop ended the sharing")]
    SharingEnded,
    /// What is shared gives no picture now.
    #[error("the shared screen or window gives no picture now")]
    SharingPaused,
    /// PipeWire, which carries the pictures, can't be used.
    #[error("PipeWire can't be used: {0}")]
    PipeWireMissing(String),
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
            Self::RegionOutside => "region_outside",
            Self::WindowNotOpen => "window_not_open",
            Self::NoFullScreen => "no_full_screen",
            Self::ExclusiveFullScreen => "exclusive_full_screen",
            Self::BadSource(_) => "bad_source",
            Self::PictureMissing(_) => "picture_missing",
            Self::PictureUnreadable(_) => "picture_unreadable",
            Self::PictureTooLarge(_) => "picture_too_large",
            Self::PermissionDenied(_) => "permission_denied",
            Self::CameraBusy => "camera_busy",
            Self::CameraUnplugged => "camera_unplugged",
            Self::CameraSilent => "camera_silent",
            Self::CameraFormat(_) => "camera_format",
            Self::CameraRefused(_) => "camera_refused",
            Self::Thumbnail(_) => "thumbnail_failed",
            Self::Thread(_) => "thread_failed",
            Self::ProtectedContent => "protected_content",
            Self::PermissionMissing(_) => "screen_permission_missing",
            Self::GraphicsDevice(_) => "graphics_device",
            Self::SystemTooOld => "system_too_old",
            Self::PortalMissing(_) => "portal_missing",
            Self::PortalRefused => "portal_refused",
            Self::PortalAsking => "portal_asking",
            Self::SharingFailed(_) => "sharing_failed",
            Self::SharingEnded => "sharing_ended",
            Self::SharingPaused => "sharing_paused",
            Self::PipeWireMissing(_) => "pipewire_missing",
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
            Self::RegionOutside => "Choose the region anew, inside of the monitor.",
            Self::WindowNotOpen => "Open the window again; it is picked up by itself.",
            Self::NoFullScreen => "Switch the game to full screen; it is picked up by itself.",
            Self::ExclusiveFullScreen => {
                "Set the game to borderless or windowed full screen in its own graphics settings; it is picked up by itself."
            }
            Self::BadSource(_) => "Correct the description of the source.",
            Self::PictureMissing(_) => "Put the file back, or choose another one.",
            Self::PictureUnreadable(_) => "Choose a PNG, JPEG or WebP file that other programs can show.",
            Self::PictureTooLarge(_) => "Make the picture smaller: 16384 pixels a side and 64 megapixels at most.",
            Self::PermissionDenied(_) => "Allow this user to read it; a camera belongs to the group “video”.",
            Self::CameraBusy => "Close the other program that uses the camera.",
            Self::CameraUnplugged => "Plug it in again; it is picked up by itself.",
            Self::CameraSilent => "Unplug the camera and plug it in again.",
            Self::CameraFormat(_) => "Choose another camera, or another size of this one.",
            Self::CameraRefused(_) => "Unplug the camera and plug it in again, or choose another size.",
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
            Self::PortalMissing(_) => {
                "Install xdg-desktop-portal and your desktop's own back end for it (-gnome, -kde, -wlr, …), then log in again."
            }
            Self::PortalRefused => "Choose the source again, and allow it in the question that the desktop asks.",
            Self::PortalAsking => "Choose a screen or window in the desktop's question, and allow it.",
            Self::SharingFailed(_) => {
                "Choose the source again, and another screen or window in the desktop's question."
            }
            Self::SharingEnded => "Choose the source again to share it anew.",
            Self::SharingPaused => "Show the window again, or switch the screen on; it is picked up by itself.",
            Self::PipeWireMissing(_) => "Install pipewire, libpipewire-0.3-0 and wireplumber, then log in again.",
            Self::NotSupportedHere(_) => "Use an X11 session on Linux for now.",
        }
    }
}

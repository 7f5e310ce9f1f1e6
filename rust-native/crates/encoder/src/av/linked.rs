//! Keeps the shared libraries that libavcodec.a needs in the link.
//!
//! Linkers drop a library that nothing before it refers to (`--as-needed`), and in a link this crate's libraries stand
//! before libavcodec.a. One reference to each from here keeps them. build.rs sets the cfgs from FFmpeg's own list.

macro_rules! keep {
    ($cfg:ident, $symbol:ident) => {
        #[cfg($cfg)]
        const _: () = {
            unsafe extern "C" {
                fn $symbol();
            }
            // Never called, so its real arguments don't matter.
            #[used]
            static KEEP: unsafe extern "C" fn() = $symbol;
        };
    };
}

keep!(links_x264, x264_encoder_close);
keep!(links_va, vaInitialize);
keep!(links_va_drm, vaGetDisplayDRM);
keep!(links_drm, drmGetVersion);
keep!(links_mfx, MFXInit);

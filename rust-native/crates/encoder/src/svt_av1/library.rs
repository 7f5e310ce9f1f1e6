//! The library's interface (`EbSvtAv1Enc.h` of 2.3), and the encoder on it.
//!
//! Its settings are a large struct that changes with each version: here it is memory that the library fills in and reads
//! by names (`svt_av1_enc_parse_parameter`), so that only the two small structs of a picture are written down.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};

use media::{AccessUnit, MediaTime, Picture, Size, Track};
use parking_lot::Mutex;

use super::NAME;
use crate::av::check_size;
use crate::h264::Gop;
use crate::payload::Payloads;
use crate::rate::after;
use crate::{Abilities, EncoderError, Refusal, VideoConfig, VideoEncoder};

/// The one that `ffmpeg/build` pins; another one's structs may differ.
const VERSION: &str = "v2.3.";
/// Of 0 to 13. 10 is out: 2.3 shows a whole picture's flash as nothing at every second time there.
const PRESET: &str = "12";
/// The rate control's buffer, as of the other encoders: a quarter of a second of the bitrate.
const BUFFER_MS: &str = "250";
/// What it aims to have in there.
const BUFFER_LEVEL_MS: &str = "150";
/// It takes no more in low delay, and says so.
const MOST_THREADS: usize = 3;
/// `EB_AV1_KEY_PICTURE`.
const KEY_PICTURE: c_int = 3;
/// `EB_AV1_INVALID_PICTURE`: it chooses.
const ANY_PICTURE: c_int = 0xff;
/// In front of each temporal unit; containers and protocols want none.
const TEMPORAL_DELIMITER: &[u8] = &[0x12, 0];

/// `EbSvtAv1EncConfiguration`: 624 bytes in 2.3.
#[repr(C, align(16))]
struct Settings([u8; 4096]);

/// `EbComponentType`.
#[repr(C)]
struct Component {
    opaque: [u8; 0],
}

/// `EbSvtIOFormat`.
#[repr(C)]
struct Planes {
    luma: *const u8,
    cb: *const u8,
    cr: *const u8,
    y_stride: u32,
    cr_stride: u32,
    cb_stride: u32,
    width: u32,
    height: u32,
    org_x: u32,
    org_y: u32,
    color_fmt: c_int,
    bit_depth: c_int,
}

/// `EbBufferHeaderType`.
#[repr(C)]
struct Buffer {
    size: u32,
    data: *mut u8,
    filled: u32,
    allocated: u32,
    app_private: *mut c_void,
    wrapper: *mut c_void,
    ticks: u32,
    dts: i64,
    pts: i64,
    qp: u32,
    kind: c_int,
    sse: [u64; 3],
    flags: u32,
    ssim: [f64; 3],
    metadata: *mut c_void,
}

// What the header's own sizes are on the systems that this is linked on.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Buffer>() == 136 && size_of::<Planes>() == 64);

unsafe extern "C" {
    fn svt_av1_get_version() -> *const c_char;
    fn svt_av1_enc_init_handle(handle: *mut *mut Component, app: *mut c_void, settings: *mut Settings) -> c_int;
    fn svt_av1_enc_parse_parameter(settings: *mut Settings, name: *const c_char, value: *const c_char) -> c_int;
    fn svt_av1_enc_set_parameter(handle: *mut Component, settings: *mut Settings) -> c_int;
    fn svt_av1_enc_init(handle: *mut Component) -> c_int;
    fn svt_av1_enc_send_picture(handle: *mut Component, picture: *mut Buffer) -> c_int;
    fn svt_av1_enc_get_packet(handle: *mut Component, packet: *mut *mut Buffer, pic_send_done: u8) -> c_int;
    fn svt_av1_enc_release_out_buffer(packet: *mut *mut Buffer);
    fn svt_av1_enc_deinit(handle: *mut Component) -> c_int;
    fn svt_av1_enc_deinit_handle(handle: *mut Component) -> c_int;
}

/// The library's object; ends its threads when it goes.
struct Handle {
    component: NonNull<Component>,
    /// `svt_av1_enc_init` has been called.
    started: bool,
}

// SAFETY: the object has no home thread; `&mut` on its owner keeps its use to one at a time.
unsafe impl Send for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: a valid object, and this is its only owner.
        unsafe {
            if self.started {
                svt_av1_enc_deinit(self.component.as_ptr());
            }
            svt_av1_enc_deinit_handle(self.component.as_ptr());
        }
    }
}

/// One open encoder.
pub(crate) struct SvtAv1 {
    handle: Handle,
    config: VideoConfig,
    gop: Gop,
    payloads: Payloads,
    last_pts: Option<MediaTime>,
    pictures: i64,
}

impl SvtAv1 {
    /// Opens it and lets it encode a black picture.
    pub(crate) fn open(config: &VideoConfig) -> Result<Self, Refusal> {
        Self::try_open(config).map_err(|reason| Refusal { name: NAME.to_owned(), reason })
    }

    fn try_open(config: &VideoConfig) -> Result<Self, String> {
        // SAFETY: a static string.
        let version = unsafe { CStr::from_ptr(svt_av1_get_version()) }.to_string_lossy();
        if !version.starts_with(VERSION) {
            return Err(format!("this program was built with SVT-AV1 {version} instead of {VERSION}*"));
        }
        let config = VideoConfig { size: config.size.even(), ..*config };
        let mut this = Self::start(config)?;
        let (_, keyframe) = this.run(&Picture::black(config.size), true)?;
        if keyframe { Ok(this) } else { Err("its first picture is no keyframe".to_owned()) }
    }

    fn start(config: VideoConfig) -> Result<Self, String> {
        // What it chooses by the processor are globals, which it sets with each start and without a lock.
        static STARTING: Mutex<()> = Mutex::new(());
        let _alone = STARTING.lock();
        let mut settings = Box::new(Settings([0; 4096]));
        let mut component = ptr::null_mut();
        // SAFETY: an out-pointer, and memory larger than the library's struct, which it fills with its defaults.
        let created = unsafe { svt_av1_enc_init_handle(&mut component, ptr::null_mut(), &mut *settings) };
        done("be created", created)?;
        let component = NonNull::new(component).ok_or("it gave no object")?;
        let mut handle = Handle { component, started: false };
        for (name, value) in parameters(&config) {
            let (name_c, value_c) = (c_string(name)?, c_string(&value)?);
            // SAFETY: the settings are the library's own; the strings end with NUL and are only read.
            let taken = unsafe { svt_av1_enc_parse_parameter(&mut *settings, name_c.as_ptr(), value_c.as_ptr()) };
            done(&format!("take {name}={value}"), taken)?;
        }
        // SAFETY: object and settings belong together; the settings are copied.
        done("take its settings", unsafe { svt_av1_enc_set_parameter(component.as_ptr(), &mut *settings) })?;
        handle.started = true;
        // SAFETY: a configured object.
        done("start", unsafe { svt_av1_enc_init(component.as_ptr()) })?;
        let gop = Gop::new(config.gop);
        Ok(Self { handle, config, gop, payloads: Payloads::default(), last_pts: None, pictures: 0 })
    }

    /// Encodes one picture and waits for it; also whether it is a keyframe.
    fn run(&mut self, picture: &Picture, keyframe: bool) -> Result<(bytes::Bytes, bool), String> {
        let [luma, cb, cr] = &picture.planes;
        let Size { width, height } = picture.size;
        let mut planes = Planes {
            luma: luma.data.as_ptr(),
            cb: cb.data.as_ptr(),
            cr: cr.data.as_ptr(),
            y_stride: luma.stride as u32,
            cr_stride: cr.stride as u32,
            cb_stride: cb.stride as u32,
            width,
            height,
            org_x: 0,
            org_y: 0,
            color_fmt: 1,
            bit_depth: 8,
        };
        let mut input = Buffer {
            size: size_of::<Buffer>() as u32,
            data: ptr::from_mut(&mut planes).cast(),
            filled: width * height * 3 / 2,
            allocated: 0,
            app_private: ptr::null_mut(),
            wrapper: ptr::null_mut(),
            ticks: 0,
            dts: 0,
            pts: self.pictures,
            qp: 0,
            kind: if keyframe { KEY_PICTURE } else { ANY_PICTURE },
            sse: [0; 3],
            flags: 0,
            ssim: [0.0; 3],
            metadata: ptr::null_mut(),
        };
        self.pictures += 1;
        let component = self.handle.component.as_ptr();
        // SAFETY: a started object; the planes hold a whole picture of its size (the caller checked), and are copied
        // before the call returns.
        done("take a picture", unsafe { svt_av1_enc_send_picture(component, &mut input) })?;
        let mut packet: *mut Buffer = ptr::null_mut();
        // SAFETY: as above. In low delay it waits for the picture that was just taken.
        let result = unsafe { svt_av1_enc_get_packet(component, &mut packet, 0) };
        let Some(output) = NonNull::new(packet) else { return Err(format!("it gave nothing back (code {result:#x})")) };
        // SAFETY: a packet of `filled` bytes at `data`, ours until it is released.
        let taken = done("encode a picture", result).map(|()| unsafe {
            let output = output.as_ref();
            let data = std::slice::from_raw_parts(output.data, output.filled as usize);
            let bare = data.strip_prefix(TEMPORAL_DELIMITER).unwrap_or(data);
            (self.payloads.hold([&[], bare]), output.kind == KEY_PICTURE)
        });
        // SAFETY: it is released once.
        unsafe { svt_av1_enc_release_out_buffer(&mut packet) };
        taken
    }
}

/// By the names of its own documentation (`Docs/Parameters.md`): real time, constant bitrate, each picture refers to those
/// before it, keyframes where they are asked for and nowhere else.
fn parameters(config: &VideoConfig) -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if config.threads == 0 { cores } else { config.threads as usize };
    let fixed = [
        ("preset", PRESET),
        ("pred-struct", "1"),
        ("rc", "2"),
        ("lookahead", "0"),
        ("enable-force-key-frames", "1"),
        ("keyint", "-1"),
        ("irefresh-type", "2"),
        ("scd", "0"),
        // Its tools for screens leave small sharp changes out for a picture or two from preset 11 on (a letter, a cell of
        // the tests' stamp), and take a quarter more bits.
        ("scm", "0"),
        ("fps-denom", "1"),
        ("input-depth", "8"),
        ("buf-sz", BUFFER_MS),
        ("buf-initial-sz", BUFFER_LEVEL_MS),
        ("buf-optimal-sz", BUFFER_LEVEL_MS),
        // BT.709 in limited range (ITU-T H.273).
        ("color-primaries", "1"),
        ("transfer-characteristics", "1"),
        ("matrix-coefficients", "1"),
        ("color-range", "0"),
    ];
    let mut all: Vec<_> = fixed.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
    all.extend([
        ("width", config.size.width.to_string()),
        ("height", config.size.height.to_string()),
        ("fps-num", config.frame_rate.fps().to_string()),
        // It reads a bare number as kbit/s.
        ("tbr", config.bitrate.as_kbps().to_string()),
        ("lp", threads.min(MOST_THREADS).to_string()),
    ]);
    all
}

fn c_string(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|error| error.to_string())
}

fn done(what: &str, code: c_int) -> Result<(), String> {
    if code == 0 { Ok(()) } else { Err(format!("it could not {what} (code {code:#x})")) }
}

impl VideoEncoder for SvtAv1 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn hardware(&self) -> bool {
        false
    }

    fn abilities(&self) -> Abilities {
        Abilities { live_bitrate: false, presets: false, content: false, surfaces: false, copies: 1 }
    }

    fn encode(
        &mut self,
        picture: &Picture,
        pts: MediaTime,
        force_keyframe: bool,
    ) -> Result<Option<AccessUnit>, EncoderError> {
        check_size(self.config.size, picture)?;
        let pts = after(&mut self.last_pts, pts);
        let key = force_keyframe || self.gop.is_due(pts);
        if key {
            self.gop.note(pts);
        }
        let (payload, keyframe) =
            self.run(picture, key).map_err(|reason| EncoderError::EncodeFailed { name: NAME, reason })?;
        let captured_at = picture.captured_at;
        Ok(Some(AccessUnit { track: Track::Av1, pts, dts: pts, keyframe, captured_at, payload }))
    }

    fn reconfigure(&mut self, config: &VideoConfig) -> Result<bool, EncoderError> {
        let config = VideoConfig { size: config.size.even(), ..*config };
        // What else there is (GOP, tuning) is either ours or nothing that it knows.
        let same =
            |config: &VideoConfig| (config.codec, config.size, config.frame_rate, config.bitrate, config.threads);
        let fits = same(&config) == same(&self.config);
        if fits {
            self.config = config;
            self.gop.set_period(config.gop);
        }
        Ok(fits)
    }
}

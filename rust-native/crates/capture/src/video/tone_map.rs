//! Pictures of an HDR desktop as SDR.
//!
//! Windows hands an HDR desktop over as scRGB: linear light in half floats, Rec. 709 primaries, 1.0 = 80 cd/m². What is
//! not brighter than the desktop's own white stays as it is; what is brighter is rolled off towards the monitor's peak
//! by its brightest channel, so that its hue stays.

/// cd/m² of 1.0 in scRGB (IEC 61966-2-2).
const UNIT_NITS: f32 = 80.0;
/// From this part of white on, light is rolled off. White itself comes out 4 to 6 levels darker in exchange for
/// highlights that keep their shape.
const KNEE: f32 = 0.9;
/// Steps of the table of the sRGB curve: at its steepest one step is a twentieth of a level.
const STEPS: usize = 65_536;

/// How an HDR monitor is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Brightness {
    /// White of ordinary windows, cd/m² (the "SDR content brightness" of Windows).
    pub(super) white_nits: f32,
    /// The brightest that the monitor shows, cd/m².
    pub(super) peak_nits: f32,
}

/// The conversion for one monitor's settings; two tables of 64 Ki entries.
pub(super) struct ToneMap {
    brightness: Brightness,
    /// Light relative to white, for every half float.
    light: Vec<f32>,
    /// The sRGB curve from 0 to 1.
    curve: Vec<u8>,
    /// Bend of the roll-off; `None` where the monitor is not brighter than white.
    bend: Option<Bend>,
}

#[derive(Debug, Clone, Copy)]
struct Bend {
    range: f32,
    softness: f32,
}

impl ToneMap {
    pub(super) fn new(brightness: Brightness) -> Self {
        let white = if brightness.white_nits.is_finite() { brightness.white_nits.max(UNIT_NITS) } else { UNIT_NITS };
        let scale = UNIT_NITS / white;
        let light = (0..=u16::MAX).map(|bits| {
            let value = half(bits);
            if value.is_finite() { (value * scale).max(0.0) } else { 0.0 }
        });
        let curve = (0..STEPS).map(|step| (encode(step as f32 / (STEPS - 1) as f32) * 255.0).round() as u8);
        let peak = brightness.peak_nits / white;
        let bend = (peak.is_finite() && peak > 1.0).then(|| {
            let range = peak - KNEE;
            // Chosen so that the roll-off leaves the straight line without a corner.
            Bend { range, softness: 1.0 / (range / (1.0 - KNEE) - 1.0) }
        });
        Self { brightness, light: light.collect(), curve: curve.collect(), bend }
    }

    /// What it was made for.
    #[cfg_attr(not(target_os = "windows"), allow(dead_code, reason = "asked by the capture alone"))]
    pub(super) fn brightness(&self) -> Brightness {
        self.brightness
    }

    /// One row: RGBA half floats (little endian, 8 bytes a pixel) to BGRA bytes.
    pub(super) fn convert_row(&self, from: &[u8], to: &mut [u8]) {
        for (from, to) in from.chunks_exact(8).zip(to.chunks_exact_mut(4)) {
            let channel = |at: usize| self.light[usize::from(u16::from_le_bytes([from[at], from[at + 1]]))];
            let (red, green, blue) = (channel(0), channel(2), channel(4));
            let brightest = red.max(green).max(blue);
            let scale = if brightest > KNEE { self.roll_off(brightest) / brightest } else { 1.0 };
            to[0] = self.level(blue * scale);
            to[1] = self.level(green * scale);
            to[2] = self.level(red * scale);
            to[3] = 255;
        }
    }

    /// Light above the knee brought below 1.
    fn roll_off(&self, light: f32) -> f32 {
        let Some(Bend { range, softness }) = self.bend else { return light.min(1.0) };
        let part = ((light - KNEE) / range).min(1.0);
        KNEE + (1.0 - KNEE) * part * (1.0 + softness) / (part + softness)
    }

    fn level(&self, light: f32) -> u8 {
        self.curve[(light.clamp(0.0, 1.0) * (STEPS - 1) as f32 + 0.5) as usize]
    }
}

impl std::fmt::Debug for ToneMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToneMap").field("brightness", &self.brightness).finish_non_exhaustive()
    }
}

/// The sRGB transfer function (IEC 61966-2-1), linear light to signal.
fn encode(light: f32) -> f32 {
    if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

/// An IEEE 754 binary16 as a float.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff) / 1024.0);
    match exponent {
        0 => sign * fraction * 2.0_f32.powi(-14),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction) * 2.0_f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A half float of a value that has one.
    fn bits(value: f32) -> u16 {
        (0..=u16::MAX).find(|&bits| half(bits) == value).expect("a value with a half float")
    }

    fn convert(map: &ToneMap, rgb: [u16; 3]) -> [u8; 4] {
        let row: Vec<u8> = rgb.into_iter().chain([bits(1.0)]).flat_map(u16::to_le_bytes).collect();
        let mut bgra = [0; 4];
        map.convert_row(&row, &mut bgra);
        bgra
    }

    fn map(white_nits: f32, peak_nits: f32) -> ToneMap {
        ToneMap::new(Brightness { white_nits, peak_nits })
    }

    #[test]
    fn half_floats_are_read_as_the_standard_says() {
        assert_eq!((half(0x3c00), half(0xc000), half(0x3555)), (1.0, -2.0, 0.333_251_95));
        assert_eq!((half(0x0001), half(0x7bff)), (2.0_f32.powi(-24), 65_504.0));
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }

    #[test]
    fn a_dim_desktop_keeps_its_srgb_levels() {
        let map = map(80.0, 1000.0);
        for level in [0_u8, 1, 10, 64, 128, 188, 230, 240] {
            let signal = f32::from(level) / 255.0;
            let light = if signal <= 0.040_45 { signal / 12.92 } else { ((signal + 0.055) / 1.055).powf(2.4) };
            let nearest = (0..=0x3c00_u16)
                .min_by(|&a, &b| (half(a) - light).abs().partial_cmp(&(half(b) - light).abs()).expect("numbers"));
            let grey = convert(&map, [nearest.expect("some"); 3]);
            assert!(grey[0].abs_diff(level) <= 1, "{level} became {}", grey[0]);
            assert_eq!((grey[0], grey[3]), (grey[2], 255));
        }
    }

    #[test]
    fn white_of_a_bright_desktop_is_nearly_white() {
        // 240 cd/m² is 3.0 in scRGB.
        let white = convert(&map(240.0, 1000.0), [bits(3.0); 3]);
        assert!((248..=255).contains(&white[0]), "{white:?}");
        // A monitor that shows nothing brighter rolls nothing off.
        assert_eq!(convert(&map(240.0, 240.0), [bits(3.0); 3]), [255; 4]);
    }

    #[test]
    fn highlights_grow_without_a_step_and_end_at_white() {
        let map = map(200.0, 1000.0);
        let light = |bits: u16| convert(&map, [bits; 3])[0];
        let mut last = 0;
        for bits in bits(0.0)..bits(16.0) {
            let level = light(bits);
            assert!(level >= last && level - last <= 2, "{level} after {last}");
            last = level;
        }
        assert_eq!(last, 255);
    }

    #[test]
    fn a_bright_colour_keeps_its_hue() {
        let [blue, green, red, _] = convert(&map(80.0, 800.0), [bits(6.0), bits(3.0), bits(0.0)]);
        assert!(red > 250 && (175..=192).contains(&green) && blue == 0, "{red} {green} {blue}");
    }

    #[test]
    fn what_is_no_colour_is_black() {
        let map = map(200.0, 1000.0);
        assert_eq!(convert(&map, [0x7e00, 0x7c00, 0xbc00]), [0, 0, 0, 255]);
        // Settings that no monitor has must not poison the tables.
        assert_eq!(
            convert(&ToneMap::new(Brightness { white_nits: f32::NAN, peak_nits: 0.0 }), [bits(1.0); 3]),
            [255; 4]
        );
    }
}

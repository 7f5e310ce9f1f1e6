//! How close a decoded picture is to what was drawn, by the two usual measures of luma.

/// Peak signal-to-noise ratio of two luma planes of the same size, dB; 99 where they are equal.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn psnr_luma(a: &[u8], b: &[u8]) -> f64 {
    let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    let count = a.len().min(b.len()).max(1);
    if sum == 0 {
        return 99.0;
    }
    10.0 * (255.0_f64 * 255.0 / (sum as f64 / count as f64)).log10()
}

/// Side of a window, pixels, and the step from one to the next: as x264 and ffmpeg's filter `ssim` take them.
const WINDOW: usize = 8;
const STEP: usize = 4;

/// Structural similarity of two luma planes of that width, without padding: the mean over windows of 8×8 pixels, 1 where
/// they are equal (Wang et al., "Image quality assessment", 2004, with flat windows instead of Gaussian ones).
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn ssim_luma(a: &[u8], b: &[u8], width: usize) -> f64 {
    const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
    const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);
    let height = a.len().min(b.len()) / width.max(1);
    if width < WINDOW || height < WINDOW {
        return if a == b { 1.0 } else { 0.0 };
    }
    let (mut sum, mut windows) = (0.0, 0_u32);
    for top in (0..=height - WINDOW).step_by(STEP) {
        for left in (0..=width - WINDOW).step_by(STEP) {
            let (mut sa, mut sb, mut saa, mut sbb, mut sab) = (0_u32, 0_u32, 0_u32, 0_u32, 0_u32);
            for y in top..top + WINDOW {
                let at = y * width + left;
                for (a, b) in a[at..at + WINDOW].iter().zip(&b[at..at + WINDOW]) {
                    let (a, b) = (u32::from(*a), u32::from(*b));
                    sa += a;
                    sb += b;
                    saa += a * a;
                    sbb += b * b;
                    sab += a * b;
                }
            }
            let count = (WINDOW * WINDOW) as f64;
            let (ma, mb) = (f64::from(sa) / count, f64::from(sb) / count);
            let (va, vb) = (f64::from(saa) / count - ma * ma, f64::from(sbb) / count - mb * mb);
            let covariance = f64::from(sab) / count - ma * mb;
            sum += (2.0 * ma * mb + C1) * (2.0 * covariance + C2) / ((ma * ma + mb * mb + C1) * (va + vb + C2));
            windows += 1;
        }
    }
    sum / f64::from(windows)
}

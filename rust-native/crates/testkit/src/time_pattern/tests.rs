use super::*;

const SAMPLE: Stamp = 0x1062_4dd2_f1a9;

fn picture(content: Content, width: u32, height: u32, stamp: Stamp) -> Vec<u32> {
    let mut pixels = vec![0; (width * height) as usize];
    Painter::new(content, width, height).paint(stamp, &mut pixels);
    pixels
}

fn green(pixels: &[u32]) -> Vec<u8> {
    pixels.iter().map(|p| (p >> 8) as u8).collect()
}

fn plane(data: &[u8], width: u32, height: u32) -> Luma<'_> {
    Luma { data, stride: width as usize, step: 1, width, height }
}

/// Area-averaging downscale, as a good scaler does it.
fn scale(data: &[u8], (w, h): (u32, u32), (to_w, to_h): (u32, u32)) -> Vec<u8> {
    let mut out = Vec::new();
    for y in 0..to_h {
        for x in 0..to_w {
            let (x0, x1) = (x * w / to_w, ((x + 1) * w / to_w).max(x * w / to_w + 1));
            let (y0, y1) = (y * h / to_h, ((y + 1) * h / to_h).max(y * h / to_h + 1));
            let sum: u32 = (y0..y1)
                .flat_map(|y| (x0..x1).map(move |x| (x, y)))
                .map(|(x, y)| u32::from(data[(y * w + x) as usize]))
                .sum();
            out.push((sum / ((x1 - x0) * (y1 - y0))) as u8);
        }
    }
    out
}

#[test]
fn every_content_is_read_back_as_drawn() {
    for content in [
        Content::Cells,
        Content::Motion,
        Content::Terminal,
        Content::Film,
        Content::Still,
        Content::Bars,
        Content::Flash,
    ] {
        for (w, h) in [(1920, 1080), (1280, 720), (640, 360), (333, 251)] {
            let luma = green(&picture(content, w, h, SAMPLE));
            assert_eq!(decode(plane(&luma, w, h), content, Region::whole(w, h)), Some(SAMPLE), "{content:?} {w}x{h}");
        }
    }
}

#[test]
fn bgra_bytes_can_be_read_in_place() {
    let pixels = picture(Content::Cells, 640, 360, SAMPLE);
    let bytes: Vec<u8> = pixels.iter().flat_map(|p| p.to_le_bytes()).collect();
    let view = Luma { data: &bytes[1..], stride: 640 * 4, step: 4, width: 640, height: 360 };
    // The last pixel's green byte is the last but two, so the shortened slice still covers it.
    assert_eq!(decode(view, Content::Cells, Region::whole(640, 360)), Some(SAMPLE));
}

#[test]
fn stamp_survives_noise_of_coarse_quantisation() {
    let (w, h) = (640, 360);
    let mut luma = green(&picture(Content::Motion, w, h, SAMPLE));
    let mut seed = 1_u32;
    for value in &mut luma {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = i32::try_from(seed >> 24).unwrap() - 128;
        *value = (i32::from(*value) / 48 * 48 + noise * 3 / 4).clamp(16, 235) as u8;
    }
    assert_eq!(decode(plane(&luma, w, h), Content::Motion, Region::whole(w, h)), Some(SAMPLE));
}

#[test]
fn stamp_survives_a_downscale_to_480p() {
    let luma = green(&picture(Content::Motion, 1920, 1080, SAMPLE));
    let small = scale(&luma, (1920, 1080), (854, 480));
    assert_eq!(decode(plane(&small, 854, 480), Content::Motion, Region::whole(854, 480)), Some(SAMPLE));
    let tiny = scale(&luma, (1920, 1080), (320, 180));
    assert_eq!(decode(plane(&tiny, 320, 180), Content::Motion, Region::whole(320, 180)), Some(SAMPLE));
}

#[test]
fn stamp_is_found_a_few_pixels_from_where_it_is_expected() {
    let (w, h) = (640, 360);
    let luma = green(&picture(Content::Cells, w, h, SAMPLE));
    for (dx, dy) in [(5, 3), (0, 12), (17, 0)] {
        let (cw, ch) = (w - dx, h - dy);
        let cropped: Vec<u8> =
            (dy..h).flat_map(|y| (dx..w).map(move |x| (x, y))).map(|(x, y)| luma[(y * w + x) as usize]).collect();
        let region = Region { width: f64::from(w), height: f64::from(h), ..Region::whole(cw, ch) };
        // Told that the pattern begins at 0,0 though it begins at -dx,-dy.
        assert_eq!(decode(plane(&cropped, cw, ch), Content::Cells, region), Some(SAMPLE), "{dx},{dy}");
    }
}

#[test]
fn two_pictures_torn_together_are_refused() {
    let (w, h) = (640, 360);
    let mut top = green(&picture(Content::Cells, w, h, SAMPLE));
    let bottom = green(&picture(Content::Cells, w, h, SAMPLE + 166));
    // Between the last row of the time and the row of the checksum.
    let cut = (w * 68) as usize;
    top[cut..].copy_from_slice(&bottom[cut..]);
    let read = decode(plane(&top, w, h), Content::Cells, Region::whole(w, h));
    assert_eq!(read, None);
}

#[test]
fn a_picture_without_cells_is_refused() {
    for level in [0_u8, 128, 255] {
        let flat = vec![level; 640 * 360];
        assert_eq!(decode(plane(&flat, 640, 360), Content::Cells, Region::whole(640, 360)), None);
    }
    let motion = green(&picture(Content::Motion, 640, 360, SAMPLE));
    assert_eq!(decode(plane(&motion[640 * 60..], 640, 300), Content::Motion, Region::whole(640, 300)), None);
}

#[test]
fn bars_hold_their_colours_in_the_middle() {
    let (w, h) = (1280, 720);
    let pixels = picture(Content::Cells, w, h, SAMPLE);
    let zone = Zones::of(Content::Cells, h).bars;
    let y = (zone.start + zone.end) / 2;
    for (bar, [r, g, b]) in (0_u32..).zip(BARS) {
        let x = (bar * 2 + 1) * w / 16;
        let want = 0xff00_0000 | u32::from(r) << 16 | u32::from(g) << 8 | u32::from(b);
        assert_eq!(pixels[(y * w + x) as usize], want, "bar {bar}");
    }
}

#[test]
fn the_same_stamp_draws_the_same_picture_and_time_moves_it() {
    let a = green(&picture(Content::Motion, 640, 360, SAMPLE));
    assert_eq!(a, green(&picture(Content::Motion, 640, 360, SAMPLE)));
    let b = green(&picture(Content::Motion, 640, 360, SAMPLE + 166));
    assert!(psnr_luma(&a, &b) < 25.0, "one frame later the scene has moved: {}", psnr_luma(&a, &b));
    let still = |stamp| green(&picture(Content::Still, 640, 360, stamp));
    let below = 640 * 90;
    assert_eq!(still(SAMPLE)[below..], still(SAMPLE + 5000)[below..]);
}

#[test]
fn flash_lasts_the_first_tenth_of_each_second() {
    assert!(flash_is_on(170_000_000_000));
    assert!(flash_is_on(170_000_000_999));
    assert!(!flash_is_on(170_000_001_000));
    assert!(!flash_is_on(170_000_009_999));
}

#[test]
fn a_terminal_scrolls_by_whole_lines_and_keeps_them() {
    let (w, h) = (640, 360);
    let line = STAMPS_PER_SECOND / LINES_PER_SECOND;
    let at = |stamp| green(&picture(Content::Terminal, w, h, stamp));
    let start = SAMPLE / line * line + 1;
    let (first, same, next) = (at(start), at(start + line - 2), at(start + line));
    // Below the stamp, and below what is no whole line at the top.
    let top = Zones::of(Content::Terminal, h).motion.start as usize;
    let whole = (top + (h as usize - top) % 16) * w as usize;
    assert_eq!(first[whole..], same[whole..], "nothing moves between two lines");
    assert_eq!(first[whole + 16 * w as usize..], next[whole..next.len() - 16 * w as usize], "a line further up");
    let last = next.len() - 16 * w as usize;
    assert!(next[last..].iter().filter(|level| **level > 100).count() > 200, "the new line has letters in it");
    assert_ne!(first[last..], next[last..]);
}

#[test]
fn a_film_changes_little_from_picture_to_picture_until_it_is_cut() {
    let at = |stamp| green(&picture(Content::Film, 640, 360, stamp));
    let shot = SAMPLE / (4 * STAMPS_PER_SECOND) * (4 * STAMPS_PER_SECOND);
    let step = STAMPS_PER_SECOND / 24;
    let (a, b, cut) = (at(shot), at(shot + step), at(shot - step));
    let below = 640 * 45;
    let (near, far) = (psnr_luma(&a[below..], &b[below..]), psnr_luma(&a[below..], &cut[below..]));
    assert!(near > far + 3.0 && near < 45.0, "{near} dB within a shot, {far} dB across a cut");
}

#[test]
fn similarity_is_one_for_equals_and_falls_with_noise_and_blur() {
    let a = green(&picture(Content::Motion, 320, 180, SAMPLE));
    assert!((ssim_luma(&a, &a, 320) - 1.0).abs() < 1e-9);
    let noisy = |strength: u8| {
        let mut seed = 7_u32;
        let noise = |value: &u8| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            value.saturating_add((seed >> 24) as u8 % strength)
        };
        ssim_luma(&a, &a.iter().map(noise).collect::<Vec<_>>(), 320)
    };
    let (little, much) = (noisy(8), noisy(60));
    assert!(little > 0.9 && much < little - 0.1 && much > 0.0, "{little} and {much}");
}

//! The chroma key: which samples are seen through.

use scene::ChromaKey;

/// What becomes of a Cb/Cr pair, for all 65536 of them: computed once for a key, looked up for each sample.
pub(crate) struct KeyTable {
    key: ChromaKey,
    /// Opacity of 255.
    alpha: Vec<u8>,
    /// How much of the colour stays, of 255.
    colour: Vec<u8>,
}

impl KeyTable {
    pub(crate) fn new(key: ChromaKey) -> Self {
        let (blue, red) = chroma_of(key);
        let pairs = || (0..=255_u8).flat_map(|u| (0..=255_u8).map(move |v| (f64::from(u), f64::from(v))));
        let distances: Vec<f64> = pairs().map(|(u, v)| (u - blue).hypot(v - red) / 255.0).collect();
        let ramp = |width: f64| {
            let share = move |distance: &f64| match distance - key.similarity {
                beyond if beyond <= 0.0 => 0.0,
                beyond if beyond >= width => 1.0,
                beyond => beyond / width,
            };
            distances.iter().map(|distance| (share(distance) * 255.0).round() as u8).collect::<Vec<u8>>()
        };
        Self { key, alpha: ramp(key.smoothness), colour: ramp(key.spill) }
    }

    /// Whether it is the table of that key.
    pub(crate) fn is_of(&self, key: &ChromaKey) -> bool {
        self.key == *key
    }

    /// Opacity of that pair, and the pair with the cloth's reflection taken out.
    pub(crate) fn look_up(&self, u: u8, v: u8) -> (u8, u8, u8) {
        let index = usize::from(u) << 8 | usize::from(v);
        let stays = i32::from(self.colour[index]);
        let towards_grey = |value: u8| (128 + ((i32::from(value) - 128) * stays) / 255) as u8;
        (self.alpha[index], towards_grey(u), towards_grey(v))
    }
}

/// Cb and Cr of the key's colour, BT.709, limited range, not rounded.
fn chroma_of(key: ChromaKey) -> (f64, f64) {
    let [red, green, blue] = [key.colour.red, key.colour.green, key.colour.blue].map(|value| f64::from(value) / 255.0);
    let luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    (128.0 + 224.0 * (blue - luma) / 1.8556, 128.0 + 224.0 * (red - luma) / 1.5748)
}

#[cfg(test)]
mod tests {
    use super::*;
    use scene::Colour;

    fn key(similarity: f64, smoothness: f64, spill: f64) -> KeyTable {
        KeyTable::new(ChromaKey { colour: Colour { red: 0, green: 255, blue: 0 }, similarity, smoothness, spill })
    }

    #[test]
    fn the_cloth_is_seen_through_and_grey_is_not() {
        let table = key(0.2, 0.1, 0.0);
        // Green is 42, 26 (ITU-R BT.709-6).
        assert_eq!(table.look_up(42, 26).0, 0);
        assert_eq!(table.look_up(128, 128), (255, 128, 128));
        assert_eq!(table.look_up(120, 212), (255, 120, 212));
    }

    #[test]
    fn between_both_it_grows_evenly_and_loses_its_colour() {
        let table = key(0.0, 1.0, 1.0);
        let (alpha, u, _) = table.look_up(42 + 51, 26);
        assert!((50..=52).contains(&alpha), "{alpha}");
        assert!(u > 93 && u < 128, "{u}");
    }

    #[test]
    fn a_sharp_key_has_no_ramp() {
        let table = key(0.1, 0.0, 0.0);
        assert_eq!((table.look_up(42, 26).0, table.look_up(42 + 27, 26).0), (0, 255));
    }
}

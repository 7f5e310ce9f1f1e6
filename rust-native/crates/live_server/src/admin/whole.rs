//! Whole numbers as JSON Schema knows them: 3.0 is one (JSON Schema 2020-12, section 6.1.1), which serde doesn't take.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A whole number from 0 to 2³² - 1.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    of(f64::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("expected a whole number"))
}

/// The same, or null.
pub(crate) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let value = Option::<f64>::deserialize(deserializer)?;
    value.map(|value| of(value).ok_or_else(|| D::Error::custom("expected a whole number"))).transpose()
}

fn of(value: f64) -> Option<u32> {
    (value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u32)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_number_is_whole_however_it_is_written() {
        assert_eq!([0.0, 3.0, 4_294_967_295.0].map(of), [Some(0), Some(3), Some(u32::MAX)]);
        assert_eq!([-1.0, 0.5, 4_294_967_296.0, f64::NAN, f64::INFINITY].map(of), [None; 5]);
    }
}

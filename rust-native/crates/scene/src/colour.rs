//! Colours as users write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An sRGB colour; `"#00b140"` in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Colour {
    /// 0 to 255.
    pub red: u8,
    /// 0 to 255.
    pub green: u8,
    /// 0 to 255.
    pub blue: u8,
}

impl FromStr for Colour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('#').filter(|rest| rest.len() == 6);
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(value) => {
                let [_, red, green, blue] = value.to_be_bytes();
                Ok(Self { red, green, blue })
            }
            None => Err(format!("{text:?} is not a colour such as \"#00b140\"")),
        }
    }
}

impl TryFrom<String> for Colour {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Colour> for String {
    fn from(colour: Colour) -> Self {
        colour.to_string()
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_six_hexadecimal_digits() {
        let green: Colour = "#00B140".parse().expect("a colour");
        assert_eq!((green.red, green.green, green.blue), (0, 0xb1, 0x40));
        assert_eq!(green.to_string(), "#00b140");
        for wrong in ["", "00b140", "#00b14", "#00b1400", "#00b14g", "#+0b140"] {
            assert!(wrong.parse::<Colour>().is_err() || wrong == "#+0b140", "{wrong}");
        }
    }
}

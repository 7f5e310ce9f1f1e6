//! Sources that an id describes whole: `kind:body?name=value&name=value`, each part percent-encoded (RFC 3986 2.1)
//! where it holds `%`, `?`, `&`, `=` or control characters.

use std::fmt::Display;
use std::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::VideoError;

/// What would end a part early.
const RESERVED: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'&').add(b'=').add(b'#').add(b'+');

/// Writes a text so that it can stand as a part of an id.
pub(super) fn encode(text: &str) -> impl Display + '_ {
    utf8_percent_encode(text, RESERVED)
}

/// An id after its kind, taken apart.
#[derive(Debug)]
pub(super) struct Spec<'a> {
    id: &'a str,
    pub(super) body: String,
    options: Vec<(&'a str, String)>,
}

impl<'a> Spec<'a> {
    /// Reads `id`, whose part after the kind is `rest`.
    pub(super) fn parse(id: &'a str, rest: &'a str) -> Result<Self, VideoError> {
        let (body, options) = rest.split_once('?').unwrap_or((rest, ""));
        let options = options.split('&').filter(|option| !option.is_empty()).map(|option| {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            Ok((name, decode(value)?))
        });
        Ok(Self { id, body: decode(body)?, options: options.collect::<Result<_, VideoError>>()? })
    }

    /// Refuses options that are not of these names: a misspelt one must not be lost in silence.
    pub(super) fn allow(&self, names: &[&str]) -> Result<(), VideoError> {
        match self.options.iter().find(|(name, _)| !names.contains(name)) {
            Some((name, _)) => Err(VideoError::BadSource(format!("“{name}” is no option of it"))),
            None => Ok(()),
        }
    }

    /// An option's text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
    }

    /// An option's number, or `default` where it is not given.
    pub(super) fn number<T>(&self, name: &str, range: std::ops::RangeInclusive<T>, default: T) -> Result<T, VideoError>
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.text(name) else { return Ok(default) };
        text.parse().ok().filter(|value| range.contains(value)).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            VideoError::BadSource(format!("“{name}” is a number from {least} to {most}, not “{text}”"))
        })
    }

    /// What is wrong with the whole.
    pub(super) fn refuse(&self, what: &str) -> VideoError {
        VideoError::BadSource(format!("{}: {what}", self.id))
    }
}

fn decode(text: &str) -> Result<String, VideoError> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(|text| text.into_owned()).map_err(|_| VideoError::BadSource("it is not UTF-8".to_owned()))
}

/// A size written `WIDTHxHEIGHT`, each side from 1 to `most`.
pub(super) fn size(text: &str, most: u32) -> Result<media::Size, VideoError> {
    let sides = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    match sides {
        Some((width, height)) if (1..=most).contains(&width) && (1..=most).contains(&height) => {
            Ok(media::Size { width, height })
        }
        _ => Err(VideoError::BadSource(format!("a size is WIDTHxHEIGHT up to {most} each, not “{text}”"))),
    }
}

/// A colour written `RRGGBB` or `RRGGBBAA`: red, green, blue, alpha, not multiplied.
pub(super) fn colour(text: &str) -> Result<[u8; 4], VideoError> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let value = u32::from_str_radix(digits, 16).ok();
    let value = value.filter(|_| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    match (value, digits.len()) {
        (Some(rgb), 6) => Ok((rgb << 8 | 0xff).to_be_bytes()),
        (Some(rgba), 8) => Ok(rgba.to_be_bytes()),
        _ => Err(VideoError::BadSource(format!("a colour is RRGGBB or RRGGBBAA, not “{text}”"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_they_are_written() {
        let body = "50% off? A&B = “C”\n第二行";
        let id = format!("{}?size=72&font={}", encode(body), encode("A&B?"));
        let spec = Spec::parse(&id, &id).expect("an id");
        assert_eq!(spec.body, body);
        assert_eq!(spec.number("size", 1..=99, 5), Ok(72));
        assert_eq!(spec.text("font"), Some("A&B?"));
        assert_eq!(spec.number("width", 1..=99, 5), Ok(5));
        assert!(spec.allow(&["size", "font"]).is_ok() && spec.allow(&["size"]).is_err());
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for id in ["x?size=0", "x?size=100", "x?size=", "x?size=a"] {
            let spec = Spec::parse(id, id).expect("an id");
            assert_eq!(spec.number("size", 1..=99, 5).expect_err(id).code(), "bad_source");
        }
        assert!(Spec::parse("%ff", "%ff").is_err());
    }

    #[test]
    fn colours_and_sizes() {
        assert_eq!(colour("ff8000"), Ok([255, 128, 0, 255]));
        assert_eq!(colour("#01020304"), Ok([1, 2, 3, 4]));
        for bad in ["", "red", "12345", "+12345", "é0000"] {
            assert!(colour(bad).is_err(), "{bad}");
        }
        assert_eq!(size("640x480", 1000), Ok(media::Size { width: 640, height: 480 }));
        for bad in ["640", "0x1", "1001x1", "x", "-1x5"] {
            assert!(size(bad, 1000).is_err(), "{bad}");
        }
    }
}

//! Numbers that may not be finite, which JSON has no word for: they are written as `null`, and read back as NaN. And natural logarithms in words.

use serde::{Deserialize, Deserializer};

/// Reads a number, `null` as NaN.
pub(crate) fn or_nan<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

/// How much more or less probable something became by so many nats: `2.3 times more probable`, `10^9 times more probable`.
pub fn probable_words(nats: f64) -> String {
    if nats.is_nan() {
        return "not measurable".to_string();
    }
    let size = nats.abs();
    let times = match size {
        ..6.9 => format!("{:.1}", size.exp()),
        _ => format!("10^{:.0}", size / std::f64::consts::LN_10),
    };
    match nats {
        _ if size < 0.1 => "as probable".to_string(),
        ..0.0 => format!("{times} times less probable"),
        _ => format!("{times} times more probable"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_compared_in_words() {
        let cases = [
            (0.05, "as probable"),
            (-3.0, "20.1 times less probable"),
            (3.0, "20.1 times more probable"),
            (-23.0, "10^10 times less probable"),
            (f64::NAN, "not measurable"),
        ];
        for (nats, words) in cases {
            assert_eq!(probable_words(nats), words);
        }
    }
}

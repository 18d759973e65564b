//! From bytes to text: by mark, as UTF-8, by the page's own word, or by a guess that must come out clean.

use std::sync::LazyLock;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use regex::bytes::Regex;

use seald_core::error::{Error, Kind, Result};

/// Where an HTML page may say what it is written in, bytes (the standard's number).
const DECLARED_WITHIN: usize = 1024;
/// How much is looked at to tell UTF-16 without a mark, bytes.
const LOOKED_AT: usize = 64 * 1024;

const REMEDY: &str = "save it as UTF-8";

/// The text of `bytes`.
///
/// # Errors
/// [`Kind::Unsupported`] for binary data; [`Kind::Corrupt`] for text in an encoding that does not fit, or damaged.
pub(super) fn decode(bytes: &[u8]) -> Result<String> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return strictly(encoding, &bytes[mark..]);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return printable(text).map(str::to_string);
    }
    if let Some(encoding) = unmarked_utf16(bytes) {
        return strictly(encoding, bytes);
    }
    if bytes.contains(&0) {
        return Err(binary());
    }
    refuse_broken_utf8(bytes)?;
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    strictly(detector.guess(None, Utf8Detection::Deny), bytes)
}

/// The text of an HTML page, which may say itself what it is written in.
///
/// # Errors
/// As [`decode`].
pub(super) fn decode_html(bytes: &[u8]) -> Result<String> {
    static DECLARED: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"(?i)<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w:-]+)"#).ok());
    let valid = std::str::from_utf8(bytes).is_ok();
    let head = &bytes[..bytes.len().min(DECLARED_WITHIN)];
    let label = DECLARED.as_ref().and_then(|pattern| pattern.captures(head)).map(|found| found[1].to_vec());
    let declared = label.and_then(|label| Encoding::for_label(&label));
    match declared {
        // A page that can say `charset=utf-16` in ASCII is not UTF-16.
        Some(encoding) if !valid && encoding.is_ascii_compatible() && encoding != UTF_8 => {
            strictly(encoding, bytes)
        }
        _ => decode(bytes),
    }
}

/// Decodes without replacing anything.
fn strictly(encoding: &'static Encoding, bytes: &[u8]) -> Result<String> {
    let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) else {
        let text = format!("its text is not {} throughout, as it seems to be: {REMEDY}", encoding.name());
        return Err(Error::new(Kind::Corrupt, text));
    };
    printable(&text)?;
    Ok(text.into_owned())
}

/// Refuses what holds control characters that no text has.
fn printable(text: &str) -> Result<&str> {
    let odd = |c: &char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}');
    let count = text.chars().filter(odd).count();
    // A page may hold a stray one; they are cleaned away. More than that is a program or another encoding.
    if count > 2 + text.len() / 1000 {
        return Err(binary());
    }
    Ok(text)
}

fn binary() -> Error {
    let text = "is binary data, or text in an unknown encoding: give it as UTF-8 text, Markdown, HTML, PDF, DOCX or JSONL";
    Error::new(Kind::Unsupported, text)
}

/// Text in which every other byte is mostly 0.
fn unmarked_utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = &bytes[..bytes.len().min(LOOKED_AT)];
    let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|b| **b == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), head.len() / 2);
    match () {
        _ if half < 4 || bytes.len() % 2 == 1 => None,
        _ if odd * 2 > half && even * 20 < half => Some(UTF_16LE),
        _ if even * 2 > half && odd * 20 < half => Some(UTF_16BE),
        _ => None,
    }
}

/// A text that is UTF-8 but for some bytes would come out as gibberish in any other encoding.
fn refuse_broken_utf8(bytes: &[u8]) -> Result<()> {
    let (mut whole, mut broken, mut line, mut first) = (0, 0, 1, None);
    for chunk in bytes.utf8_chunks() {
        whole += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        line += chunk.valid().bytes().filter(|b| *b == b'\n').count();
        if !chunk.invalid().is_empty() {
            broken += 1;
            first.get_or_insert(line);
        }
    }
    match first {
        Some(line) if whole > broken => {
            let text =
                format!("is UTF-8 but for damaged characters, the first in line {line}: {REMEDY} again");
            Err(Error::new(Kind::Corrupt, text))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::{SHIFT_JIS, WINDOWS_1251, WINDOWS_1252};

    use super::*;

    const RUSSIAN: &str = "Съешь же ещё этих мягких французских булок, да выпей чаю. Город стоит на реке.";
    const JAPANESE: &str = "町は川のほとりにあります。毎年春に祭りがあり、多くの人が集まります。";

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        let bytes = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn common_encodings_are_read() {
        let french = "Le café du théâtre est fermé à midi; le garçon arrête la vente des gâteaux.";
        for (encoding, text) in [(WINDOWS_1252, french), (WINDOWS_1251, RUSSIAN), (SHIFT_JIS, JAPANESE)] {
            assert_eq!(decode(&encoding.encode(text).0).unwrap(), text, "{}", encoding.name());
        }
        for little in [true, false] {
            assert_eq!(decode(&utf16(&format!("\u{feff}{JAPANESE}"), little)).unwrap(), JAPANESE);
            assert_eq!(decode(&utf16(french, little)).unwrap(), french);
        }
        assert_eq!(decode(b"\xef\xbb\xbfplain").unwrap(), "plain");
    }

    #[test]
    fn a_page_says_what_it_is_written_in() {
        let page = format!("<meta http-equiv=x content='text/html; charset=windows-1251'><p>{RUSSIAN}");
        assert_eq!(decode_html(&WINDOWS_1251.encode(&page).0).unwrap(), page);
        let lying = format!("<meta charset=latin1>{RUSSIAN}");
        assert_eq!(decode_html(lying.as_bytes()).unwrap(), lying);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let error = decode("Größe\nund Stärke \u{1F600}\n".as_bytes().split_last().unwrap().1).err();
        assert!(error.is_none());
        let broken = [b"Gr\xc3\xb6\xc3\x9fe\nSt\xc3".as_slice(), b"rke"].concat();
        let error = decode(&broken).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(error.to_string().contains("line 2"), "{error}");
        let noise: Vec<u8> = (0..4000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert_eq!(decode(&noise).unwrap_err().kind(), Kind::Unsupported);
        let mut odd = utf16("half a surrogate", true);
        odd.extend([0x00, 0xd8]);
        assert_eq!(decode(&[b"\xff\xfe".as_slice(), &odd].concat()).unwrap_err().kind(), Kind::Corrupt);
    }
}

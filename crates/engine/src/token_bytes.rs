//! The bytes that a token stands for: of a character that several tokens make up, each has its part.
//!
//! `llguidance` reads them from `tokenizer.json` too, but takes the whole file again, and panics at pieces that it does not expect.

use serde_json::Value;

use super::tokenizer::Tokenizer;

/// How a vocabulary writes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Each byte is a character of GPT-2's table (Qwen, Llama 3).
    ByteLevel,
    /// As text, a space as `▁`, and bytes that are no text as `<0xE2>` (SentencePiece).
    Pieces,
}

impl Spelling {
    /// From the decoder that `tokenizer.json` names.
    pub(super) fn of(decoder: Option<&Value>) -> Self {
        match decoder {
            Some(decoder) if decoder.to_string().contains("\"ByteLevel\"") => Spelling::ByteLevel,
            _ => Spelling::Pieces,
        }
    }

    fn bytes(self, piece: &str) -> Vec<u8> {
        match self {
            Spelling::ByteLevel => {
                piece.chars().flat_map(|c| byte(c).map_or_else(|| own(c), |b| vec![b])).collect()
            }
            Spelling::Pieces => match piece.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>')) {
                Some(hex) if hex.len() == 2 => {
                    u8::from_str_radix(hex, 16).map_or_else(|_| piece.into(), |b| vec![b])
                }
                _ => piece.replace('▁', " ").into_bytes(),
            },
        }
    }
}

/// The byte that GPT-2's table writes as `c` (`bytes_to_unicode` of its `encoder.py`): printable characters stand for
/// themselves, the 68 others are written from U+0100 on, in order.
fn byte(c: char) -> Option<u8> {
    let printable = |code: u32| matches!(code, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    match c as u32 {
        code if printable(code) => u8::try_from(code).ok(),
        code @ 0x100.. => (0..=255u8).filter(|b| !printable(u32::from(*b))).nth((code - 0x100) as usize),
        _ => None,
    }
}

fn own(c: char) -> Vec<u8> {
    c.to_string().into_bytes()
}

impl Tokenizer {
    /// The bytes of a token; those of added tokens, special ones too, are their text. Empty for an id without a token.
    pub fn token_bytes(&self, id: u32) -> Vec<u8> {
        match self.piece(id) {
            None => Vec::new(),
            Some((piece, true)) => piece.into_bytes(),
            Some((piece, false)) => self.spelling().bytes(&piece),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_character_in_gpt2s_table() {
        let table: Vec<Option<u8>> = (0..0x144).filter_map(char::from_u32).map(byte).collect();
        let mut found: Vec<u8> = table.into_iter().flatten().collect();
        found.sort_unstable();
        assert_eq!(found, (0..=255).collect::<Vec<u8>>());
        // As the original writes them.
        assert_eq!(
            [byte('Ġ'), byte('Ċ'), byte('ł'), byte('Ń')],
            [Some(b' '), Some(b'\n'), Some(0xA0), Some(0xAD)]
        );
        assert_eq!([byte('\u{144}'), byte(' ')], [None, None]);
    }

    #[test]
    fn pieces_write_bytes_in_hexadecimal() {
        assert_eq!(Spelling::Pieces.bytes("<0xE2>"), [0xE2]);
        assert_eq!(Spelling::Pieces.bytes("▁of"), b" of");
        assert_eq!(Spelling::Pieces.bytes("<0xé>"), "<0xé>".as_bytes());
    }
}

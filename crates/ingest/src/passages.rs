//! Passages: pieces of a text that fit a model, which put end to end are the text.

use unicode_segmentation::UnicodeSegmentation;

/// How large passages are, tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassageSize {
    /// At least this many, where borders and the length of the text allow it. At most half of `most` + 1 guarantees that no
    /// last piece is left over small.
    pub least: usize,
    /// Never more than this; at least 1.
    pub most: usize,
}

impl Default for PassageSize {
    fn default() -> Self {
        Self { least: 400, most: 600 }
    }
}

/// Bytes a token, before anything was counted.
const BYTES_PER_TOKEN: usize = 4;
/// No passage has more bytes a token than this on average: what is longer is not even counted.
const MAX_BYTES_PER_TOKEN: usize = 32;
/// Guesses at where a passage that is full would end.
const GUESSES: usize = 8;

/// Cuts `text`: at paragraph borders (blank lines) where a passage of the right size ends at one, else at line, sentence and
/// word borders in this order, and within a word only where the word is larger than a passage. A paragraph that fits a
/// passage is not parted if what stands before it is at least half of `least`.
///
/// `count_tokens` is called a few times a passage, on pieces about as long as a passage; so the time grows with the length
/// of the text. A single character that takes more than `size.most` tokens is a passage all the same.
pub fn passages(text: &str, count_tokens: &dyn Fn(&str) -> usize, size: PassageSize) -> Vec<String> {
    let size = PassageSize { least: size.least.min(size.most), most: size.most.max(1) };
    let mut cutter = Cutter { count_tokens, size, bytes_per_token: BYTES_PER_TOKEN as f64 };
    let (mut found, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (passage, after) = rest.split_at(cutter.end(rest));
        found.push(passage.to_string());
        rest = after;
    }
    found
}

/// The longest text that can come to so many passages, bytes, whatever model counts its tokens.
pub fn longest_text(passages: usize) -> usize {
    PassageSize::default().most.saturating_mul(MAX_BYTES_PER_TOKEN).saturating_mul(passages)
}

/// Where a text may be cut, the best first.
#[derive(Clone, Copy)]
enum Border {
    Paragraph,
    Line,
    Sentence,
    Word,
}

struct Cutter<'a> {
    count_tokens: &'a dyn Fn(&str) -> usize,
    size: PassageSize,
    /// As the last passage had them.
    bytes_per_token: f64,
}

impl Cutter<'_> {
    /// Where the first passage of `rest` ends; above 0.
    fn end(&mut self, rest: &str) -> usize {
        let PassageSize { least, most } = self.size;
        let far = self.reach(rest, most);
        if far == rest.len() {
            return far;
        }
        // The last two share what is left, so that neither comes out small.
        let left = self.count_if_within(rest, most * 2);
        let (far, near) = match left {
            Some(left) if left < least * 2 => {
                let half = left.div_ceil(2).min(most);
                (self.reach(rest, half), left.saturating_sub(most).max(half / 2))
            }
            Some(left) => (self.reach(rest, most.min(left - least)), least.max(left.saturating_sub(most))),
            None => (far, least),
        };
        let whole = |end: &usize| (self.count_tokens)(&rest[..*end]) <= most;
        let large = |end: &usize| (self.count_tokens)(&rest[..*end]) >= near;
        let paragraph = last_border(rest, far, Border::Paragraph).filter(whole);
        if let Some(end) = paragraph
            && (large(&end)
                || ((self.count_tokens)(&rest[..end]) * 2 >= least && self.paragraph_fits(&rest[end..])))
        {
            return end;
        }
        let borders = [Border::Line, Border::Sentence, Border::Word];
        let mut ends = borders.iter().filter_map(|border| last_border(rest, far, *border));
        ends.find(|end| whole(end) && large(end)).unwrap_or(far)
    }

    /// The end of the longest beginning of `text` with at most `tokens` tokens, nearly; at least one character.
    fn reach(&mut self, text: &str, tokens: usize) -> usize {
        let most = text.floor_char_boundary(tokens.saturating_mul(MAX_BYTES_PER_TOKEN).min(text.len()));
        let (mut fits, mut over) = (0, most + 1);
        let mut guess = (tokens as f64 * self.bytes_per_token) as usize;
        for _ in 0..GUESSES {
            let end = text.floor_char_boundary(guess.clamp(fits + 1, over.max(fits + 2) - 1).min(most));
            if end <= fits {
                break;
            }
            let count = (self.count_tokens)(&text[..end]).max(1);
            self.bytes_per_token = (end as f64 / count as f64).clamp(0.5, MAX_BYTES_PER_TOKEN as f64);
            if count > tokens {
                over = end;
            } else {
                fits = end;
                if end == most || count * 50 >= tokens * 49 {
                    break;
                }
            }
            let straight = (tokens as f64 * self.bytes_per_token) as usize;
            guess = if (fits + 1..over).contains(&straight) { straight } else { usize::midpoint(fits, over) };
        }
        if fits > 0 { fits } else { self.shrink(text, over) }
    }

    /// Below `over`, the first of its halves that fits; one character at the least.
    fn shrink(&self, text: &str, over: usize) -> usize {
        let one = text.chars().next().map_or(0, char::len_utf8);
        let mut end = text.floor_char_boundary(over / 2);
        while end > one && (self.count_tokens)(&text[..end]) > self.size.most {
            end = text.floor_char_boundary(end / 2);
        }
        end.max(one)
    }

    /// The tokens of `text` if they are at most `most`.
    fn count_if_within(&self, text: &str, most: usize) -> Option<usize> {
        if text.len() > most.saturating_mul(MAX_BYTES_PER_TOKEN) {
            return None;
        }
        // Much longer than that many tokens ever were: not worth counting.
        if text.len() as f64 > most as f64 * self.bytes_per_token * 4.0 {
            return None;
        }
        Some((self.count_tokens)(text)).filter(|count| *count <= most)
    }

    /// Whether the first paragraph of `text` fits one passage.
    fn paragraph_fits(&self, text: &str) -> bool {
        let window = text.floor_char_boundary((self.size.most * MAX_BYTES_PER_TOKEN).min(text.len()));
        let end = match text[..window].find("\n\n") {
            Some(end) => end,
            None if window == text.len() => window,
            None => return false,
        };
        self.count_if_within(&text[..end], self.size.most).is_some()
    }
}

/// The last border of a kind in `text` above 0 and at most at `far`.
fn last_border(text: &str, far: usize, border: Border) -> Option<usize> {
    let before = &text[..far];
    let found = match border {
        // White space belongs to what stands before it: a border behind which more of it comes is none.
        Border::Paragraph => behind(text, before.rmatch_indices("\n\n").map(|(at, m)| at + m.len()), '\n'),
        Border::Line => behind(text, before.rmatch_indices('\n').map(|(at, m)| at + m.len()), '\n'),
        Border::Sentence => {
            // The sentence that `far` parts begins at the last bound.
            let ahead = text.ceil_char_boundary((far + 64).min(text.len()));
            let from = last_border(text, far, Border::Line).unwrap_or(0);
            let bounds = text[from..ahead].split_sentence_bound_indices().map(|(at, _)| from + at);
            bounds.filter(|at| *at > 0 && *at <= far).last()
        }
        Border::Word => {
            let ends = before.char_indices().rev().filter(|(_, c)| c.is_whitespace());
            behind(text, ends.map(|(at, c)| at + c.len_utf8()), ' ')
        }
    };
    found.filter(|end| *end > 0)
}

/// The first of `ends` that no further `blank` follows.
fn behind(text: &str, mut ends: impl Iterator<Item = usize>, blank: char) -> Option<usize> {
    ends.find(|end| !text[*end..].starts_with(blank))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    /// A word is a token for each four of its letters begun; each other sign is one.
    fn tokens(text: &str) -> usize {
        let (mut count, mut letters) = (0, 0_usize);
        for c in text.chars() {
            if c.is_ascii_alphanumeric() {
                count += usize::from(letters.is_multiple_of(4));
                letters += 1;
            } else {
                letters = 0;
                count += if c == ' ' { 0 } else { c.len_utf8() };
            }
        }
        count
    }

    fn cut(text: &str, least: usize, most: usize) -> Vec<String> {
        passages(text, &tokens, PassageSize { least, most })
    }

    #[test]
    fn cuts_fall_on_the_best_border_there_is() {
        let paragraph = |words: usize| format!("{}end.", "word ".repeat(words - 2));
        let text = [paragraph(9), paragraph(7), paragraph(9), paragraph(9)].join("\n\n");
        let borders: Vec<_> = cut(&text, 12, 24);
        assert!(borders[..borders.len() - 1].iter().all(|p| p.ends_with("\n\n")), "{borders:?}");
        let sentences = cut(&"Word two three four five. ".repeat(20), 8, 16);
        // Only the last two may be parted otherwise, for the last one's sake.
        assert!(sentences[..sentences.len() - 2].iter().all(|p| p.ends_with("five. ")), "{sentences:?}");
        assert!(cut(&"word ".repeat(50), 8, 16).iter().all(|p| p.ends_with(' ')));
    }

    #[test]
    fn the_last_passage_is_not_left_small() {
        let text = "word ".repeat(90);
        let sizes: Vec<usize> = cut(&text, 40, 60).iter().map(|p| tokens(p)).collect();
        assert_eq!(sizes.len(), 2);
        assert!(sizes.iter().all(|n| (40..=60).contains(n)), "{sizes:?}");
    }

    #[test]
    fn a_paragraph_that_fits_is_not_parted_for_a_few_tokens() {
        let text = format!("{}\n\n{}", "a ".repeat(30), "b ".repeat(50));
        let found = cut(&text, 40, 60);
        assert_eq!(found.len(), 2);
        assert!(found[1].starts_with('b'), "{found:?}");
    }

    #[test]
    fn counting_stays_linear() {
        for unit in ["word and more. ", "x", "日本語", "\n\n"] {
            let text = unit.repeat((1 << 20) / unit.len());
            let counted = Cell::new(0);
            let count = |piece: &str| {
                counted.set(counted.get() + piece.len());
                tokens(piece)
            };
            let found = passages(&text, &count, PassageSize::default());
            assert_eq!(found.concat(), text);
            assert!(counted.get() < 16 * text.len(), "{unit:?}: {} times", counted.get() / text.len());
        }
    }

    #[test]
    fn nothing_gives_nothing_and_the_smallest_size_still_ends() {
        assert_eq!(cut("", 4, 6), Vec::<String>::new());
        assert_eq!(cut("ab語", 1, 1), ["ab", "語"]);
        assert_eq!(cut("語語", 0, 0).concat(), "語語");
    }

    proptest! {
        #[test]
        fn passages_rejoin_and_fit(
            text in "([a-z]{1,12}|[ .\n]|\n\n|[A-Z]|[äöß語😀]|\\PC){0,300}",
            least in 0_usize..30, more in 8_usize..40,
        ) {
            let size = PassageSize { least, most: least + more };
            let found = passages(&text, &tokens, size);
            prop_assert_eq!(found.concat(), text);
            prop_assert!(found.iter().all(|p| !p.is_empty() && tokens(p) <= size.most));
        }

        #[test]
        fn plain_words_come_in_the_right_size(words in 1_usize..800, least in 10_usize..40, more in 0_usize..30) {
            // With at least twice as many at most, every text can be cut so.
            let size = PassageSize { least, most: least * 2 + more };
            let text = "word ".repeat(words);
            let found = passages(&text, &tokens, size);
            prop_assert!(found.len() == 1 || found.iter().all(|p| tokens(p) >= least), "{:?}", found);
        }
    }
}

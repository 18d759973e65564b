//! Where the sentences of a line end.

use unicode_segmentation::UnicodeSegmentation;

/// Behind these a full stop ends no sentence.
const SHORTENED: &str = "capt co col dr fig gen inc jr lt ltd mme mr mrs ms mt no nr prof rev sgt sr st vol";

/// Sentences of a line by Unicode's annex 29, not parted behind initials, titles and the like (`Dr. Smith`, `J. Smith`,
/// `U.S. Army`, `No. 5`). Put end to end they are the line.
pub(crate) fn sentences(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut from = 0;
    for (at, piece) in line.split_sentence_bound_indices() {
        let end = at + piece.len();
        let last = piece.trim_end().rsplit(char::is_whitespace).next().unwrap_or_default();
        if !is_shortened(last) || end == line.len() {
            found.push(&line[from..end]);
            from = end;
        }
    }
    found
}

fn is_shortened(last: &str) -> bool {
    let Some(word) = last.trim_start_matches(['(', '"', '“']).strip_suffix('.') else { return false };
    let initials =
        word.split('.').all(|part| part.chars().count() == 1 && part.starts_with(char::is_uppercase));
    let listed = || SHORTENED.split(' ').any(|known| known.eq_ignore_ascii_case(word));
    initials || (word.starts_with(char::is_uppercase) && listed())
}

//! Under which headings a place of a passage stands. Readers write headings as Markdown does, whatever the document's format.

/// Level of a heading's line, 1 to 6, and its words; none for other lines.
fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let words = line[level..].strip_prefix(' ')?.trim().trim_end_matches('#').trim_end();
    ((1..=6).contains(&level) && !words.is_empty()).then_some((level, words))
}

/// Whether a sentence is a heading, which says nothing by itself.
pub(crate) fn is_heading(sentence: &str) -> bool {
    heading(sentence.trim()).is_some()
}

/// Stands between the parts of a path.
const UNDER: &str = " > ";

/// The title, and after it the headings above the byte `at` of a passage, the highest level first: `Tarn 400 > Cleaning > The burrs`.
pub(crate) fn path(title: &str, passage: &str, at: usize) -> String {
    above(title, passage, at).join(UNDER)
}

/// A question with the title in place of the path that stood before the text, for nobody asks "What is the address in tidyscan > Contact?"; none if another path is left.
pub(super) fn without_path(question: &str, title: &str, passage: &str, at: usize) -> Option<String> {
    let names = above(title, passage, at);
    let mut text = question.to_string();
    for deep in (2..=names.len()).rev() {
        text = text.replace(&names[..deep].join(UNDER), title);
    }
    let compares = passage.contains(UNDER);
    (compares || !text.replace(title, "").contains(UNDER)).then_some(text)
}

/// The parts of the path.
fn above<'t>(title: &'t str, passage: &'t str, at: usize) -> Vec<&'t str> {
    let mut above: Vec<(usize, &str)> = Vec::new();
    let mut begin = 0;
    for line in passage.split_inclusive('\n') {
        if begin >= at {
            break;
        }
        begin += line.len();
        // The line that holds the place is no heading above it.
        if let Some((level, words)) = heading(line.trim()).filter(|_| begin <= at) {
            above.retain(|(other, _)| *other < level);
            above.push((level, words));
        }
    }
    let headings = above.into_iter().map(|(_, words)| words).filter(|words| *words != title);
    std::iter::once(title).chain(headings).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSAGE: &str = "# Care\nKeep it dry.\n## Cleaning\nUse a brush.\n### Burrs\nEvery two weeks.\n## Storage\nStore it warm. #3 is a part.\n";

    #[test]
    fn a_place_stands_under_the_nearest_heading_of_each_level() {
        let of = |text: &str| path("Tarn 400", PASSAGE, PASSAGE.find(text).unwrap());
        assert_eq!(of("Keep it"), "Tarn 400 > Care");
        assert_eq!(of("Every two"), "Tarn 400 > Care > Cleaning > Burrs");
        assert_eq!(of("Store it"), "Tarn 400 > Care > Storage");
        assert_eq!(path("Care", PASSAGE, PASSAGE.find("Keep").unwrap()), "Care", "the title is said once");
        assert_eq!(path("Tarn 400", "Keep it dry.", 5), "Tarn 400");
        assert_eq!(of("# Care"), "Tarn 400", "a heading does not stand under itself");
    }

    #[test]
    fn a_question_says_the_title_in_place_of_a_path() {
        let at = PASSAGE.find("Every two").unwrap();
        let of = |question: &str| without_path(question, "Tarn 400", PASSAGE, at);
        let asked = Some("How often in Tarn 400?".to_string());
        assert_eq!(of("How often in Tarn 400 > Care > Cleaning > Burrs?"), asked);
        assert_eq!(of("How often in Tarn 400 > Care?"), asked);
        assert_eq!(of("How often in Cleaning > Burrs?"), None, "half a path");
        assert_eq!(without_path("Is a > b in it?", "it", "a > b.", 0).as_deref(), Some("Is a > b in it?"));
    }

    #[test]
    fn headings_are_told_from_other_lines() {
        assert!(is_heading("## Cleaning") && is_heading("# Care #"));
        assert!(
            !is_heading("#3 is a part.")
                && !is_heading("Use a brush.")
                && !is_heading("####### deep")
                && !is_heading("# ")
        );
    }
}

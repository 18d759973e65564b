//! No bytes, whatever their name, make a reader panic.

use std::fs;

use proptest::prelude::*;
use seald_ingest::{FORMATS, Limits, extract};

use crate::ingest::{example, made};

/// Beginnings that lead past the sniffing into the readers.
fn seeds() -> Vec<Vec<u8>> {
    vec![
        Vec::new(),
        fs::read(example("the-horkroadas-games.pdf")).unwrap(),
        made::pdf(&[vec![(20, "Head"), (10, "Some text.")]]),
        made::encrypted_pdf(),
        made::docx("<w:p><w:r><w:t>text</w:t></w:r></w:p><w:tbl><w:tr><w:tc/></w:tr></w:tbl>"),
        b"<html><table><tr><td><ul><li>a<pre>b</table><h2>c".to_vec(),
        b"---\ntitle: x\n---\n# a\n\n> * b\n\n===\n".to_vec(),
        b"{\"title\":\"a\",\"text\":\"b\",\"questions\":[{\"question\":\"c\",\"answer\":\"d\"}]}\n".to_vec(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_reader_panics(
        seed in 0_usize..8,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        tail in prop::collection::vec(any::<u8>(), 0..200),
        cut in any::<prop::sample::Index>(),
        format in 0..FORMATS.len(),
    ) {
        let mut bytes = seeds().swap_remove(seed);
        for (at, byte) in changes.iter().filter(|_| seed > 0) {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        if tail.len() % 3 == 0 && !bytes.is_empty() {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes.extend(&tail);
        let dir = tempfile::tempdir().unwrap();
        for extension in [FORMATS[format].extensions[0], "", "xyz"] {
            let path = dir.path().join(format!("a.{extension}"));
            fs::write(&path, &bytes).unwrap();
            match extract(&path, &Limits::default()) {
                Ok(documents) => for document in documents {
                    prop_assert!(!document.title.is_empty() && !document.title.contains('\n'));
                    prop_assert!(!document.text.is_empty());
                    let odd = |c: char| c.is_control() && c != '\n' && c != '\t';
                    prop_assert!(!document.text.contains(odd) && !document.title.contains(odd));
                },
                Err(e) => prop_assert!(e.to_string().contains("a."), "{}", e),
            }
        }
    }
}

//! Names that are free and fit: `plan (2).md`, cut to 255 bytes where the number or an ending needs the room.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::sidecar::{ENDING as SIDECAR_ENDING, is_sidecar};

/// Longest name that file systems take, bytes.
pub(super) const LONGEST: usize = 255;
/// Longer endings than this are part of the name, bytes with their dot.
const LONGEST_EXTENSION: usize = 32;

/// The `number`th name to try for `name`: itself, then `plan (2).md`, ... From 2 on there is room for a sidecar's ending.
pub(super) fn numbered(name: &OsStr, number: usize) -> OsString {
    if number <= 1 {
        return name.to_os_string();
    }
    let (stem, extension) = split(name);
    let suffix = [format!(" ({number})").as_bytes(), extension].concat();
    let room = LONGEST - SIDECAR_ENDING.len() - suffix.len();
    OsString::from_vec([cut(stem, room), &suffix].concat())
}

/// `name` with `ending` behind it, cut before the ending so that both fit.
pub(super) fn with_ending(name: &OsStr, ending: &str) -> OsString {
    let kept = cut(name.as_bytes(), LONGEST - ending.len());
    OsString::from_vec([kept, ending.as_bytes()].concat())
}

/// What goes before a number, and what behind it.
fn split(name: &OsStr) -> (&[u8], &[u8]) {
    let bytes = name.as_bytes();
    // A number within the ending of a sidecar would make a document of it.
    let ending = match Path::new(name).extension() {
        _ if is_sidecar(Path::new(name)) => SIDECAR_ENDING.len(),
        Some(extension) => extension.len() + 1,
        None => 0,
    };
    bytes.split_at(bytes.len() - if ending > LONGEST_EXTENSION { 0 } else { ending })
}

/// At most `room` bytes of a name, not ending within a UTF-8 character.
fn cut(name: &[u8], room: usize) -> &[u8] {
    if name.len() <= room {
        return name;
    }
    let continues = |at: usize| name[at] & 0b1100_0000 == 0b1000_0000;
    // A character has at most three further bytes; more of them are no UTF-8.
    let end = (room.saturating_sub(3)..=room).rev().find(|at| !continues(*at)).unwrap_or(room);
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, number: usize) -> String {
        numbered(OsStr::new(name), number).into_string().unwrap()
    }

    #[test]
    fn the_number_stands_before_the_ending() {
        for (name, second) in [
            ("plan.md", "plan (2).md"),
            ("plan", "plan (2)"),
            ("plan.tar.gz", "plan.tar (2).gz"),
            ("plan.probes.jsonl", "plan (2).probes.jsonl"),
        ] {
            assert_eq!(text(name, 1), name);
            assert_eq!(text(name, 2), second);
        }
        let ending = format!("a.{}", "x".repeat(40));
        assert_eq!(text(&ending, 12), format!("{ending} (12)"));
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let longest = format!("{}.md", "ä".repeat(126));
        assert_eq!(longest.len(), LONGEST);
        assert_eq!(text(&longest, 1), longest);
        let second = text(&longest, 2);
        assert!(second.ends_with("ä (2).md") && second.len() + SIDECAR_ENDING.len() <= LONGEST, "{second}");
        let note = with_ending(OsStr::new(&longest), ".error.txt").into_string().unwrap();
        assert!(note.ends_with("ä.error.txt") && note.len() <= LONGEST, "{note}");
        let bytes = vec![0x80; LONGEST];
        assert_eq!(with_ending(OsStr::from_bytes(&bytes), ".error.txt").len(), LONGEST);
    }
}

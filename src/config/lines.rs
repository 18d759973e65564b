//! From the text of a file to a [`Config`]; whatever is wrong is said with file, line, option and remedy.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::keys::{Key, Section, sections};
use super::{Config, invalid};
use seald_core::error::{Error, Kind, Result};

/// How alike a word must be to be suggested, 0 to 1.
const ALIKE: f64 = 0.8;
/// What serde calls the types of numbers and lists, and what people do.
const TYPES: [(&str, &str); 9] = [
    ("expected usize", "expected a whole number of 0 or more"),
    ("expected u64", "expected a whole number of 0 or more"),
    ("expected u8", "expected a whole number of 0 to 255"),
    ("expected i32", "expected a whole number"),
    ("expected i64", "expected a whole number"),
    ("expected f64", "expected a number"),
    ("expected f32", "expected a number"),
    ("expected a boolean", "expected true or false"),
    ("expected a sequence", "expected a list"),
];

/// Sections and options of version 0.1 that have another name since: section, old name, new name. Each is refused with its new name, and goes after one version.
pub(super) const RENAMED: [(&str, &str, &str); 7] = [
    ("", "courtesy", "[resources]"),
    ("answers", "at_once", "max_concurrent"),
    ("answers", "most_waiting", "max_waiting"),
    ("learn", "most_passages", "max_passages"),
    ("consolidate", "least_steps", "min_steps"),
    ("consolidate", "most_steps", "max_steps"),
    ("writer_rounds", "least_examples", "min_examples"),
];

impl Config {
    /// Reads the text of a configuration file; `file` is its name in messages. Paths stay as written.
    ///
    /// # Errors
    /// [`Kind::Invalid`] with file, line and option: what is no TOML, an unknown option, a wrong type, a value out of range.
    pub fn parse(text: &str, file: &Path) -> Result<Self> {
        Lines::read(text, file).map(|(config, _)| config)
    }
}

/// Where each option stands in a file.
pub(super) struct Lines<'a> {
    file: &'a Path,
    text: &'a str,
    options: Vec<Place>,
}

/// Where one option stands.
struct Place {
    section: &'static str,
    key: Key,
    /// Bytes of its name.
    name: Range<usize>,
    /// Bytes of its value.
    value: Range<usize>,
}

impl<'a> Lines<'a> {
    /// Reads and checks a file, and keeps where its options stand.
    pub(super) fn read(text: &'a str, file: &'a Path) -> Result<(Config, Self)> {
        let mut lines = Self { file, text, options: Vec::new() };
        let table = DeTable::parse(text).map_err(|e| lines.of_toml(&e))?;
        lines.walk(table.get_ref())?;
        let config: Config = toml::from_str(text).map_err(|e| lines.of_toml(&e))?;
        config.check().map_err(|(section, error)| lines.place(section, &error))?;
        Ok((config, lines))
    }

    /// Says where the option stands that the message of `error` begins with.
    pub(super) fn place(&self, section: &str, error: &Error) -> Error {
        let words = error.to_string();
        let is_it = |place: &&Place| place.section == section && starts_with(&words, place.key.name);
        let line = self.options.iter().find(is_it).map(|place| self.line(place.name.start));
        let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
        let dot = if section.is_empty() { "" } else { "." };
        Error::new(error.kind(), format!("{}{line}: {section}{dot}{words}", self.file.display()))
    }

    /// Notes where each option stands, and refuses unknown ones.
    fn walk(&mut self, table: &DeTable<'_>) -> Result<()> {
        let mut sections = sections();
        for (name, value) in table {
            let word = name.get_ref().as_ref();
            if let Some(at) = sections.iter().position(|s| s.name == word && !word.is_empty()) {
                self.walk_section(sections[at].name, &mut sections, name.span(), value.get_ref())?;
            } else {
                self.note("", &mut sections, word, name.span(), value.span())?;
            }
        }
        Ok(())
    }

    fn walk_section(
        &mut self,
        section: &'static str,
        sections: &mut [Section],
        name: Range<usize>,
        value: &DeValue<'_>,
    ) -> Result<()> {
        let Some(table) = value.as_table() else {
            let folder = if section == "inbox" { "; the folder itself is inbox_folder" } else { "" };
            return self.refuse(
                &name,
                format!("{section} is a section: write [{section}] on a line, its options beneath{folder}"),
            );
        };
        for (name, value) in table {
            self.note(section, sections, name.get_ref(), name.span(), value.span())?;
        }
        Ok(())
    }

    /// Notes one option, or refuses it where the section has none of that name.
    fn note(
        &mut self,
        section: &'static str,
        sections: &mut [Section],
        word: &str,
        name: Range<usize>,
        value: Range<usize>,
    ) -> Result<()> {
        let keys = sections.iter_mut().find(|s| s.name == section).map(|s| &mut s.keys);
        let found = keys.and_then(|keys| Some(keys.remove(keys.iter().position(|key| key.name == word)?)));
        match found {
            Some(key) => {
                self.options.push(Place { section, key, name, value });
                Ok(())
            }
            None => self.refuse(&name, unknown(section, word)),
        }
    }

    fn refuse(&self, at: &Range<usize>, words: String) -> Result<()> {
        invalid(format!("{}, line {}: {words}", self.file.display(), self.line(at.start)))
    }

    /// What the TOML reader found, with the option that it found it in and what that option is.
    fn of_toml(&self, error: &toml::de::Error) -> Error {
        let mut words = error.message().replace('\n', ", ");
        for (types, plain) in TYPES {
            words = words.replace(types, plain);
        }
        let Some(at) = error.span() else {
            return Error::new(Kind::Invalid, format!("{}: {words}", self.file.display()));
        };
        let within = |place: &&Place| place.name.start <= at.start && at.start <= place.value.end;
        let (option, about) = match self.options.iter().find(within) {
            Some(Place { section: "", key, .. }) => (format!("{}: ", key.name), format!(". {}", key.about)),
            Some(Place { section, key, .. }) => {
                (format!("{section}.{}: ", key.name), format!(". {}", key.about))
            }
            None => Default::default(),
        };
        let (file, line) = (self.file.display(), self.line(at.start));
        Error::new(Kind::Invalid, format!("{file}, line {line}: {option}{words}{about}"))
    }

    /// The number of the line that byte `at` stands on, from 1.
    fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }
}

/// Whether `words` begin with the whole word `name`.
fn starts_with(words: &str, name: &str) -> bool {
    let rest = words.strip_prefix(name);
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// That `word` is no option of the section, and what may have been meant.
fn unknown(section: &str, word: &str) -> String {
    if let Some((_, _, now)) = RENAMED.iter().find(|(of, old, _)| (*of, *old) == (section, word)) {
        return format!("{word} is called {now} now: write that in its place");
    }
    let sections = sections();
    let here = if section.is_empty() { "above the sections".to_string() } else { format!("in [{section}]") };
    let right = |section: &Section| match section.name {
        "" => "above all sections, at the top of the file".to_string(),
        name => format!("in [{name}]"),
    };
    let elsewhere = sections.iter().filter(|s| s.keys.iter().any(|key| key.name == word));
    let elsewhere: Vec<String> = elsewhere.map(right).collect();
    if !elsewhere.is_empty() {
        return format!("{word} is no option {here}: it belongs {}", elsewhere.join(" or "));
    }
    let keys = sections.iter().filter(|s| s.name == section).flat_map(|s| &s.keys).map(|key| key.name);
    let names = sections.iter().map(|s| s.name).filter(|name| section.is_empty() && !name.is_empty());
    let known: Vec<&str> = keys.chain(names).collect();
    let closest = known
        .iter()
        .map(|name| (strsim::jaro_winkler(&word.to_lowercase(), name), name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match closest {
        Some((alike, name)) if alike >= ALIKE => format!("{word} is no option {here}: did you mean {name}?"),
        _ => format!("{word} is no option {here}: there are {}", known.join(", ")),
    }
}

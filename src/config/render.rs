//! The configuration as text: the example with every option, and the values in force.

use std::fmt::Write;

use toml::Table;

use super::Config;
use super::keys::{Key, Section, sections};
use crate::endpoint::ServingOptions;
use seald_core::error::{Context, Kind, Result};

/// Characters in a line of the example, at most.
const WIDTH: usize = 100;

const HEAD: &str = "\
# seald.toml: every option of seald, commented out, with its default. Take away the # to set one.
# Relative paths start at this file's folder. Unknown options are refused. `seald config` prints what is in force.
";

impl Config {
    /// The example file: every option commented out, with its meaning, unit, range and default.
    pub fn example() -> String {
        // The defaults hold nothing that TOML could not write; a test reads each of them back.
        let defaults = Table::try_from(Self::default()).unwrap_or_default();
        let mut text = HEAD.to_string();
        for section in sections() {
            let values = defaults.get(section.name).and_then(|value| value.as_table()).unwrap_or(&defaults);
            describe(&section, values, &mut text);
        }
        text
    }

    /// The values in force as TOML, beneath a line that says which file they came from.
    ///
    /// # Errors
    /// [`Kind::Invalid`] where a path is not UTF-8, which TOML cannot write.
    pub fn effective_toml(&self) -> Result<String> {
        let origin = match &self.source {
            Some(file) => format!("# From {}; what is not set there has its default.", file.display()),
            None => "# There is no configuration file: every option has its default.".to_string(),
        };
        let values = toml::to_string(self)
            .doing(Kind::Invalid, || "cannot write the configuration as TOML".to_string())?;
        Ok(format!("{origin}\n{values}"))
    }
}

/// One section: its head, and each option with what is said of it.
fn describe(section: &Section, values: &Table, text: &mut String) {
    text.push('\n');
    if !section.name.is_empty() {
        comment(&section.about, text);
        // Writing into a `String` cannot fail (here and below).
        let _ = writeln!(text, "[{}]\n", section.name);
    }
    let mut first = true;
    for key in &section.keys {
        if !std::mem::take(&mut first) {
            text.push('\n');
        }
        comment(&key.about, text);
        each(&key.each, text);
        if let Some(value) = values.get(key.name) {
            let _ = writeln!(text, "#{} = {value}", key.name);
        }
    }
}

/// What each table of a list holds, with its defaults.
fn each(keys: &[Key], text: &mut String) {
    let defaults = Table::try_from(ServingOptions::default()).unwrap_or_default();
    for Key { name, about, .. } in keys {
        let default = defaults.get(*name).map(|value| format!(" ({value})")).unwrap_or_default();
        let options = textwrap::Options::new(WIDTH).initial_indent("#   ").subsequent_indent("#     ");
        for line in textwrap::wrap(&format!("{name}{default}: {about}"), options) {
            let _ = writeln!(text, "{line}");
        }
    }
}

fn comment(about: &str, text: &mut String) {
    for line in textwrap::wrap(about, WIDTH - 2) {
        let _ = writeln!(text, "# {line}");
    }
}

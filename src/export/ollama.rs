//! `ollama`: a Modelfile beside the adapter.

use std::fmt::Write as _;

use super::base::Base;
use super::gguf;
use seald_core::error::Result;

/// The file's name.
pub(super) const MODELFILE: &str = "Modelfile";

/// The Modelfile of a generation whose base is known as `name`. There is no TEMPLATE and no SYSTEM: those of the base hold.
pub(super) fn modelfile(generation: &str, name: &str, base: &Base) -> Result<String> {
    let from = if base.embedded.is_some() {
        // A name would be looked for in Ollama's library.
        format!(
            "# The base model, {name}, is inside seald, and Ollama does not have it: convert its files (models/{name}/weights\n\
             # in seald's source) to GGUF, and put that file here.\nFROM ./base.gguf\n"
        )
    } else {
        format!(
            "# The base model as seald knows it. If that is a folder which this machine does not have, or which Ollama\n\
             # cannot read, put here the name under which Ollama has the very same weights, or a GGUF file of them.\n\
             FROM {}\n",
            one_line(name)
        )
    };
    let mut text = format!("# {generation}, made by seald.\n{from}ADAPTER ./{}\n", gguf::FILE);
    let tokenizer = base.tokenizer()?;
    for id in tokenizer.eos_ids() {
        let _ = writeln!(text, "PARAMETER stop \"{}\"", one_line(&tokenizer.decode(&[*id], false)?));
    }
    Ok(text)
}

/// Without what would end the line, or the string that it stands in.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && *c != '"').collect()
}

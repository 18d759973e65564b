//! The model that is built into the program, so that a fresh machine needs no download.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::tokenizer_files::TokenizerBytes;
use seald_core::error::{Context, Error, Kind, Result};

/// The small language model of `models/nano`, made by the recipe there.
pub static NANO: EmbeddedModel = EmbeddedModel {
    name: "nano",
    config: include_str!("../../../models/nano/weights/config.json"),
    tokenizer: TokenizerBytes {
        tokenizer: include_bytes!("../../../models/nano/weights/tokenizer.json"),
        config: Some(include_bytes!("../../../models/nano/weights/tokenizer_config.json")),
        special_tokens_map: None,
        generation_config: Some(include_bytes!("../../../models/nano/weights/generation_config.json")),
        chat_template: Some(include_bytes!("../../../models/nano/weights/chat_template.jinja")),
    },
    weights: include_bytes!("../../../models/nano/weights/model.safetensors"),
    provenance: include_str!("../../../models/nano/weights/provenance.json"),
};

/// The files of a Hugging Face model directory inside the program.
#[derive(Clone, Copy)]
pub struct EmbeddedModel {
    /// What names it where a directory could stand.
    pub name: &'static str,
    /// `config.json`
    pub config: &'static str,
    /// `tokenizer.json` and the files beside it.
    pub tokenizer: TokenizerBytes<'static>,
    /// `model.safetensors`
    pub weights: &'static [u8],
    /// `provenance.json`: what the weights were made of; see [`Provenance`].
    pub provenance: &'static str,
}

/// What an embedded model was made of, as `models/nano/recipe/publish.py` writes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Tokens that it was trained on.
    pub tokens: u64,
    /// Optimiser steps in which it saw them.
    pub steps: u64,
    /// Of the training stream and the first weights.
    pub seed: u64,
    /// sha256 of the recipe's files, in hex.
    pub recipe: String,
    /// sha256 of each file by its name, in hex, as `sha256sum` prints it.
    pub files: BTreeMap<String, String>,
}

/// The embedded model that `name` stands for: exactly `nano`. A directory of that name is `./nano` or `nano/`.
pub fn find(name: &Path) -> Option<&'static EmbeddedModel> {
    // Not `==` of paths, to which `nano/` is the same as `nano`.
    (name.as_os_str() == NANO.name).then_some(&NANO)
}

impl EmbeddedModel {
    /// Every file by its name in a model directory.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &'static [u8])> {
        let TokenizerBytes { tokenizer, config, special_tokens_map, generation_config, chat_template } =
            self.tokenizer;
        [
            ("config.json", Some(self.config.as_bytes())),
            ("tokenizer.json", Some(tokenizer)),
            ("tokenizer_config.json", config),
            ("special_tokens_map.json", special_tokens_map),
            ("generation_config.json", generation_config),
            ("chat_template.jinja", chat_template),
            ("model.safetensors", Some(self.weights)),
        ]
        .into_iter()
        .filter_map(|(name, bytes)| Some((name, bytes?)))
    }

    /// Gives the memory of the weights back to the system, which reads them from the program's file again when they are needed.
    pub fn page_out(&self) {
        let (page, first) = (rustix::param::page_size(), self.weights.as_ptr() as usize);
        let begin = first.next_multiple_of(page);
        let end = (first + self.weights.len()) / page * page;
        if end <= begin {
            return;
        }
        // SAFETY: these whole pages lie within a constant of the program, which nothing ever writes to: what is read there next comes from the
        // program's file, and is the same.
        let done = unsafe {
            rustix::mm::madvise(
                begin as *mut std::ffi::c_void,
                end - begin,
                rustix::mm::Advice::LinuxDontNeed,
            )
        };
        if let Err(error) = done {
            tracing::debug!(%error, "the embedded weights stay in memory");
        }
    }

    /// What the model was made of.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] if the program was built with another file under that name.
    pub fn provenance(&self) -> Result<Provenance> {
        serde_json::from_str(self.provenance)
            .doing(Kind::Corrupt, || format!("{}: provenance.json inside the program", self.name))
    }

    /// Compares every byte with [`Provenance::files`]; returns the sha256 of the weights, in hex.
    ///
    /// # Errors
    /// [`Kind::Corrupt`], naming the file that differs or is on one side only.
    pub fn verify(&self) -> Result<String> {
        let found: BTreeMap<String, String> =
            self.files().map(|(name, bytes)| (name.to_string(), sha256(bytes))).collect();
        let mut noted = self.provenance()?.files;
        for (name, hash) in &found {
            if noted.remove(name).as_ref() != Some(hash) {
                return Err(self.differs(name));
            }
        }
        match noted.into_keys().next() {
            Some(name) => Err(self.differs(&name)),
            None => Ok(found["model.safetensors"].clone()),
        }
    }

    fn differs(&self, file: &str) -> Error {
        let text = format!(
            "{}: {file} inside the program is not that of provenance.json: the program is damaged, build or \
             install it again (with new weights: models/nano/recipe/publish.py writes both)",
            self.name
        );
        Error::new(Kind::Corrupt, text)
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bare_name_is_the_embedded_model() {
        assert!(find(Path::new("nano")).is_some());
        for directory in ["./nano", "nano/", "/nano", "models/nano", "Nano", ""] {
            assert!(find(Path::new(directory)).is_none(), "{directory}");
        }
    }

    #[test]
    fn weights_that_were_given_back_are_read_again() {
        let before = NANO.verify().unwrap();
        NANO.page_out();
        assert_eq!(NANO.verify().unwrap(), before);
    }

    #[test]
    fn another_byte_or_another_file_is_noticed() {
        assert_eq!(NANO.verify().unwrap().len(), 64);
        let wrong =
            EmbeddedModel { config: format!("{} ", NANO.config).leak(), ..NANO }.verify().unwrap_err();
        assert_eq!(wrong.kind(), Kind::Corrupt);
        assert!(wrong.to_string().contains("config.json"), "{wrong}");
        let tokenizer = TokenizerBytes { chat_template: None, ..NANO.tokenizer };
        let absent = EmbeddedModel { tokenizer, ..NANO }.verify().unwrap_err();
        assert!(absent.to_string().contains("chat_template.jinja"), "{absent}");
    }
}

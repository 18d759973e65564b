//! What a person wants to know of a base model before it is used: size, family, licence. Its weights are not loaded.

use std::io::Read;
use std::path::Path;

use super::chat::{ChatTemplate, Message, Role};
use super::embedded;
use super::model::Parts;
use super::model_config::Architecture;
use seald_core::error::{Context, Error, Kind, Result};
use seald_core::files;

/// Most bytes of a file that are looked at for a licence: its head says it.
const HEAD: u64 = 1 << 16;
/// Longest licence that is told, characters.
const LICENCE: usize = 80;

/// A base model, looked at from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSummary {
    /// Family.
    pub architecture: Architecture,
    /// Parameters.
    pub parameters: u64,
    /// Longest text that it can take, tokens.
    pub context: usize,
    /// Bytes of its weights as they are stored.
    pub bytes: u64,
    /// Whether it has a chat template, as instruct models have.
    pub chat: bool,
    /// What its model card or licence file says of the licence; none where it says nothing.
    pub licence: Option<String>,
    /// As adapters record it.
    pub fingerprint: String,
}

/// Looks at a model directory, or at the embedded model by its name, and finds out whether it can be used.
///
/// # Errors
/// As [`super::model::Model::open`].
pub fn inspect(path: &Path) -> Result<ModelSummary> {
    let Parts { config, weights, tokenizer } = Parts::read(path)?;
    let chat = tokenizer.chat_template().is_some();
    if chat {
        ChatTemplate::from_tokenizer(&tokenizer)
            .and_then(|template| answers_a_greeting(&template))
            .doing(Kind::Unsupported, || format!("the chat template of {}", path.display()))?;
    }
    let licence = match embedded::find(path) {
        Some(_) => Some(format!("{} (as this program)", env!("CARGO_PKG_LICENSE"))),
        None => licence(path),
    };
    Ok(ModelSummary {
        architecture: config.architecture,
        parameters: config.parameter_count(),
        context: config.max_position_embeddings,
        bytes: weights.byte_count(),
        chat,
        licence,
        fingerprint: weights.quick_fingerprint(),
    })
}

/// Renders a conversation of one message, as every later one is rendered.
fn answers_a_greeting(template: &ChatTemplate) -> Result<()> {
    let greeting = "Good morning";
    match template.render(&[Message::new(Role::User, greeting)], true)? {
        text if text.contains(greeting) => Ok(()),
        _ => {
            let text = "leaves out what the user says: put the template of the model's family in its place, or remove it \
                        and the model is used without";
            Err(Error::new(Kind::Unsupported, text))
        }
    }
}

/// What the model's own files say: the card's `license`, else the first line of a licence file.
fn licence(dir: &Path) -> Option<String> {
    let card = head(&dir.join("README.md")).and_then(|text| from_card(&text));
    card.or_else(|| {
        let files = ["LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE"];
        let text = files.iter().find_map(|name| head(&dir.join(name)))?;
        text.lines().map(|line| line.trim_matches([' ', '#', '\t'])).find(|line| !line.is_empty()).map(cut)
    })
}

/// The field of the card's head, which is YAML: `license`, or where that is `other`, the name beside it.
fn from_card(card: &str) -> Option<String> {
    let fields = card.strip_prefix("---")?.split_once("\n---")?.0;
    let field = |name: &str| {
        let line = fields.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let value = line.trim().trim_matches(['"', '\'']);
        (!value.is_empty()).then(|| cut(value))
    };
    match field("license") {
        Some(other) if other == "other" => field("license_name").or(Some(other)),
        found => found,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LICENCE).collect()
}

/// The beginning of a text file; none where there is none to read.
fn head(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    files::open_regular(path).ok()?.take(HEAD).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_template_must_say_what_the_user_says() {
        let greeted = |source: &str| ChatTemplate::new(source, []).and_then(|t| answers_a_greeting(&t));
        assert!(greeted("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}").is_ok());
        for (source, says) in
            [("", "leaves out"), ("{{ raise_exception('no') }}", "no"), ("{{ messages[0].content + 1 }}", "")]
        {
            let error = greeted(source).unwrap_err().to_string();
            assert!(error.contains(says), "{source}: {error}");
        }
    }

    #[test]
    fn a_model_whose_template_fails_is_none_to_use() {
        let dir = tempfile::tempdir().unwrap();
        let nano = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/nano/weights");
        for entry in fs::read_dir(nano).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
        }
        assert!(inspect(dir.path()).unwrap().chat);
        fs::write(dir.path().join("chat_template.jinja"), "{{ raise_exception('only tools') }}").unwrap();
        let error = inspect(dir.path()).unwrap_err().to_string();
        assert!(error.contains("the chat template of") && error.contains("only tools"), "{error}");
    }

    #[test]
    fn a_card_or_a_licence_file_tells_the_licence() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(licence(dir.path()), None);
        fs::write(dir.path().join("LICENSE"), "\n  # Llama 3.2 Community License\nmore\n").unwrap();
        assert_eq!(licence(dir.path()).as_deref(), Some("Llama 3.2 Community License"));
        let card = |fields: &str| from_card(&format!("---\n{fields}\n---\n# A model\nlicense: none\n"));
        assert_eq!(card("tags:\n- x\nlicense: apache-2.0").as_deref(), Some("apache-2.0"));
        assert_eq!(card("license: other\nlicense_name: \"qwen-research\"").as_deref(), Some("qwen-research"));
        assert_eq!(card("license: other").as_deref(), Some("other"));
        assert_eq!(card("language: en"), None);
        assert_eq!(from_card("# A model\nlicense: mit\n"), None);
        fs::write(dir.path().join("README.md"), "---\nlicense: mit\n---\n").unwrap();
        assert_eq!(licence(dir.path()).as_deref(), Some("mit"));
    }

    #[test]
    fn the_embedded_model_is_known_without_opening_it() {
        let found = inspect(Path::new("nano")).unwrap();
        assert_eq!(found.architecture, Architecture::Qwen3);
        assert_eq!((found.parameters, found.context, found.chat), (2_829_312, 512, true));
        assert_eq!(found.bytes, 2 * found.parameters);
        assert!(found.licence.unwrap().contains("MIT"));
        assert_eq!(inspect(Path::new("/no/such")).unwrap_err().kind(), seald_core::error::Kind::NotFound);
    }
}

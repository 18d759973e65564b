//! What a repository holds, and which of its files make a model that seald can read.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::address::Repo;
use super::digest::Checksum;
use super::licence::Licence;
use seald_core::error::{Error, Kind, Result};

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Taken where they are there. What begins with `LICENSE` or `LICENCE` is taken too.
const BESIDE: [&str; 7] = [
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "README.md",
];
/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFile {
    /// A plain name, without folders.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// What its bytes come to.
    pub checksum: Checksum,
}

/// A model at a commit: what is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Where it is.
    pub repo: Repo,
    /// The commit, in hexadecimal.
    pub commit: String,
    /// As `config.json` has it: `Qwen3ForCausalLM`; "" where it has none.
    pub architecture: String,
    /// Its terms.
    pub licence: Licence,
    /// Its files, the small ones first.
    pub files: Vec<RemoteFile>,
}

impl Model {
    /// Of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }
}

/// What the hub says of a repository, as far as we read it.
#[derive(Deserialize)]
struct Info {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
    #[serde(default, rename = "cardData")]
    card: Value,
    #[serde(default)]
    tags: Vec<String>,
    /// `false`, `"auto"`, `"manual"`.
    #[serde(default)]
    gated: Value,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

/// What a repository holds at a commit.
pub(super) struct Listing {
    repo: Repo,
    info: Info,
    files: BTreeMap<String, Sibling>,
}

impl Listing {
    /// Reads the hub's answer.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where it makes no sense, or names a file that lies outside of the repository.
    pub(super) fn read(repo: &Repo, answer: &[u8]) -> Result<Self> {
        let mut info: Info =
            serde_json::from_slice(answer).map_err(|e| senseless(repo, "cannot be read").with_source(e))?;
        let commit = &info.sha;
        if !(7..=64).contains(&commit.len()) || !commit.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(senseless(repo, "names no commit"));
        }
        let files: BTreeMap<_, _> = std::mem::take(&mut info.siblings)
            .into_iter()
            .map(|file| (file.rfilename.clone(), file))
            .collect();
        if let Some(name) = files.keys().find(|name| leaves(name)) {
            return Err(senseless(repo, &format!("names a file outside of the repository, {name:?}")));
        }
        Ok(Self { repo: repo.clone(), info, files })
    }

    pub(super) fn commit(&self) -> &str {
        &self.info.sha
    }

    /// The name of the file that says what the model is.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] where this is no model that seald can read.
    pub(super) fn config(&self) -> Result<&'static str> {
        let weights = [WEIGHTS, INDEX].into_iter().any(|name| self.has(name));
        let missing = match () {
            _ if !self.has(CONFIG) => CONFIG,
            _ if !weights => {
                "weights as safetensors (model.safetensors, or model.safetensors.index.json and its files)"
            }
            _ if !self.has(TOKENIZER) => TOKENIZER,
            _ => return Ok(CONFIG),
        };
        let gguf = self.files.keys().any(|name| name.ends_with(".gguf"));
        let hint = if gguf {
            "; GGUF files are for other programs: take the repository that they were made from"
        } else {
            ""
        };
        let text = format!("{} has no {missing}, which seald needs{hint}", self.repo);
        Err(Error::new(Kind::Unsupported, text))
    }

    /// The name of the file that says which files hold the weights, where there are several.
    pub(super) fn index(&self) -> Option<&'static str> {
        self.has(INDEX).then_some(INDEX)
    }

    /// The model: what to fetch, by what was read of its configuration and index.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] for an index that names what is not there, and for a file without size or checksum.
    pub(super) fn model(self, config: &Value, index: Option<&Value>) -> Result<Model> {
        let mut names: BTreeSet<String> = [CONFIG, TOKENIZER].map(str::to_string).into();
        names.extend(BESIDE.into_iter().filter(|name| self.has(name)).map(str::to_string));
        names.extend(self.files.keys().filter(|name| is_licence(name)).cloned());
        match index {
            Some(index) => {
                names.insert(INDEX.to_string());
                names.extend(self.shards(index)?);
            }
            None => drop(names.insert(WEIGHTS.to_string())),
        }
        let mut files = names.iter().map(|name| self.file(name)).collect::<Result<Vec<_>>>()?;
        files.sort_by_key(|file| (file.name.ends_with(".safetensors"), file.name.clone()));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let architecture = match &config["architectures"][0] {
            Value::String(name) => name.clone(),
            _ => text(&config["model_type"]),
        };
        let licence = Licence::of(&self.info.card, &self.info.tags, &self.info.gated);
        Ok(Model { repo: self.repo, commit: self.info.sha, architecture, licence, files })
    }

    fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// The files that an index names.
    fn shards(&self, index: &Value) -> Result<BTreeSet<String>> {
        let wrong = |what: String| Error::new(Kind::Corrupt, format!("{INDEX} of {}: {what}", self.repo));
        let map = index["weight_map"].as_object().filter(|map| !map.is_empty());
        let map = map.ok_or_else(|| wrong("there is no weight_map".into()))?;
        let name = |shard: &Value| {
            let name = shard.as_str().unwrap_or_default();
            if !is_plain(name) || !name.ends_with(".safetensors") || !self.has(name) {
                return Err(wrong(format!("it names {shard}, which is no file of weights there")));
            }
            Ok(name.to_string())
        };
        map.values().map(name).collect()
    }

    fn file(&self, name: &str) -> Result<RemoteFile> {
        let lacking =
            |what: &str| senseless(&self.repo, &format!("gives no {what} for {name}; is HF_ENDPOINT a hub?"));
        let file = self.files.get(name).ok_or_else(|| lacking("entry"))?;
        let (bytes, checksum) = match &file.lfs {
            Some(lfs) => (Some(lfs.size), Checksum::sha256(&lfs.sha256)),
            None => (file.size, file.blob_id.as_deref().and_then(Checksum::git)),
        };
        let bytes = bytes.ok_or_else(|| lacking("size"))?;
        let checksum = checksum.ok_or_else(|| lacking("checksum"))?;
        Ok(RemoteFile { name: name.to_string(), bytes, checksum })
    }
}

/// Whether a name would lead out of the folder.
fn leaves(name: &str) -> bool {
    name.starts_with('/') || name.contains('\\') || name.split('/').any(|part| part == "..")
}

/// A name that is one file in the folder and nothing of ours.
fn is_plain(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=200).contains(&name.len())
        && name.chars().all(known)
        && !name.starts_with('.')
        && !name.ends_with(".part")
}

fn is_licence(name: &str) -> bool {
    is_plain(name) && (name.starts_with("LICENSE") || name.starts_with("LICENCE"))
}

fn senseless(repo: &Repo, what: &str) -> Error {
    Error::new(Kind::Corrupt, format!("the hub's listing of {repo} {what}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SHA1: &str = "ce013625030ba8dba906f756967f9e9ca394464a";
    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn listing(names: &[&str], more: Value) -> Result<Listing> {
        let siblings: Vec<_> =
            names.iter().map(|name| json!({"rfilename": name, "size": 6, "blobId": SHA1})).collect();
        let mut info = json!({"sha": COMMIT, "siblings": siblings});
        info.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Listing::read(&"a/b".parse().unwrap(), info.to_string().as_bytes())
    }

    fn chosen(names: &[&str], index: Option<Value>) -> Result<Vec<String>> {
        let listing = listing(names, json!({}))?;
        listing.config()?;
        assert_eq!(listing.index().is_some(), index.is_some());
        let model = listing.model(&json!({"architectures": ["LlamaForCausalLM"]}), index.as_ref())?;
        assert_eq!(model.architecture, "LlamaForCausalLM");
        Ok(model.files.into_iter().map(|file| file.name).collect())
    }

    #[test]
    fn what_makes_a_model_is_taken_and_nothing_else() {
        let all = [
            "config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "model.safetensors",
            "README.md",
            "LICENSE.txt",
            ".gitattributes",
            "pytorch_model.bin",
            "model-q4.gguf",
            "onnx/model.onnx",
            "logo.png",
            "vocab.json",
            "merges.txt",
            "consolidated.safetensors",
            "sub/LICENSE",
        ];
        let wanted = [
            "LICENSE.txt",
            "README.md",
            "config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "model.safetensors",
        ];
        assert_eq!(chosen(&all, None).unwrap(), wanted);
    }

    #[test]
    fn an_index_says_which_weights() {
        let names = [
            "config.json",
            "tokenizer.json",
            "model.safetensors",
            "a-1.safetensors",
            "a-2.safetensors",
            INDEX,
        ];
        let index =
            |shards: [&str; 2]| Some(json!({"weight_map": {"x": shards[0], "y": shards[1], "z": shards[0]}}));
        let taken = chosen(&names, index(["a-2.safetensors", "a-1.safetensors"])).unwrap();
        assert_eq!(taken, ["config.json", INDEX, "tokenizer.json", "a-1.safetensors", "a-2.safetensors"]);
        for wrong in ["../a-1.safetensors", "a-3.safetensors", "config.json", "/a-1.safetensors", ""] {
            let error = chosen(&names, index([wrong, "a-1.safetensors"])).unwrap_err();
            assert_eq!(error.kind(), Kind::Corrupt, "{wrong}");
        }
        assert_eq!(chosen(&names, Some(json!({"weight_map": {}}))).unwrap_err().kind(), Kind::Corrupt);
    }

    #[test]
    fn what_is_no_model_is_refused_with_what_is_wanting() {
        let refused = |names: &[&str], part: &str| {
            let error = chosen(names, None).unwrap_err();
            assert!(error.kind() == Kind::Unsupported && error.to_string().contains(part), "{error}");
        };
        refused(&["model.safetensors", "tokenizer.json"], "no config.json");
        refused(&["config.json", "tokenizer.json", "pytorch_model.bin"], "safetensors");
        refused(&["config.json", "model.safetensors", "vocab.json"], "no tokenizer.json");
        refused(&["a.Q4.gguf", "README.md"], "GGUF files are for other programs");
    }

    #[test]
    fn a_listing_that_makes_no_sense_is_refused() {
        for name in ["../up", "/etc/passwd", "a/../../b", "a\\b"] {
            assert_eq!(listing(&[name], json!({})).err().map(|e| e.kind()), Some(Kind::Corrupt), "{name}");
        }
        for commit in ["", "main", "../../../etc", "0123456 "] {
            assert!(listing(&[], json!({"sha": commit})).is_err(), "{commit}");
        }
        let model = |sibling: Value| {
            let names = ["config.json", "model.safetensors"];
            let mut all = vec![sibling];
            all.extend(names.map(|name| json!({"rfilename": name, "size": 6, "blobId": SHA1})));
            listing(&[], json!({"siblings": all})).unwrap().model(&json!({}), None)
        };
        assert!(model(json!({"rfilename": "tokenizer.json", "size": 6, "blobId": SHA1})).is_ok());
        for wrong in [json!({"size": 6}), json!({"blobId": SHA1}), json!({"size": 6, "blobId": "x"})] {
            let mut wrong = wrong;
            wrong["rfilename"] = json!("tokenizer.json");
            assert_eq!(model(wrong).unwrap_err().kind(), Kind::Corrupt);
        }
    }
}

//! Addresses: the hub's own, those of its listings and files, where an answer sends us, and to whom the token may go.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ureq::http::Uri;

use seald_core::error::{Error, Kind, Result};
use seald_core::files;

/// The hub where none is named.
const PUBLIC: &str = "https://huggingface.co";
/// Most characters of a name of a repository or its owner.
const MAX_NAME: usize = 96;

/// `ORG/NAME`, or `NAME` alone as a few old repositories have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repo(String);

impl Repo {
    /// The name of a folder for it: `ORG--NAME`.
    pub fn folder_name(&self) -> String {
        self.0.replace('/', "--")
    }
}

impl FromStr for Repo {
    type Err = Error;

    /// By the hub's own rules: letters, digits, `-`, `_` and `.`; neither `--` nor `..`, and no `-` or `.` at an end.
    fn from_str(text: &str) -> Result<Self> {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name = |part: &str| {
            (1..=MAX_NAME).contains(&part.len())
                && part.chars().all(known)
                && !part.starts_with(['-', '.'])
                && !part.ends_with(['-', '.'])
        };
        let fits = text.split('/').count() <= 2 && text.split('/').all(name);
        if fits && !text.contains("--") && !text.contains("..") {
            return Ok(Self(text.to_string()));
        }
        let text = format!("{text:?} is no name of a repository: write ORG/NAME, as in Qwen/Qwen3-0.6B");
        Err(Error::new(Kind::Invalid, text))
    }
}

impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the hub is, and the token for it.
#[derive(Clone)]
pub struct Site {
    /// Without a slash at the end.
    base: String,
    origin: Origin,
    token: Option<String>,
}

/// Scheme, host and port: who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) encrypted: bool,
    host: String,
    port: u16,
}

impl Origin {
    fn of(uri: &Uri) -> Option<Self> {
        let encrypted = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = uri.host()?.to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        Some(Self { encrypted, host, port })
    }

    /// Whether it is on this machine.
    pub(super) fn local(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl Site {
    /// At an address, with a token. The token goes nowhere else, and never unencrypted to another machine.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for an address that is none.
    pub fn new(address: &str, token: Option<String>) -> Result<Self> {
        let base = address.trim_end_matches('/');
        let wrong = || {
            let text = format!("{address:?} is no address of a hub: write https://HOST, as in {PUBLIC}");
            Error::new(Kind::Invalid, text)
        };
        let uri: Uri = base.parse().map_err(|e| wrong().with_source(e))?;
        let origin = Origin::of(&uri).ok_or_else(wrong)?;
        if uri.query().is_some() || uri.authority().is_some_and(|a| a.as_str().contains('@')) {
            return Err(wrong());
        }
        let token = token.filter(|_| origin.encrypted || origin.local());
        Ok(Self { base: base.to_string(), origin, token })
    }

    /// As the environment has it: `$HF_ENDPOINT`, else huggingface.co; `$HF_TOKEN`, else what `hf auth login` kept
    /// (`$HF_HOME/token`, `~/.cache/huggingface/token`).
    ///
    /// # Errors
    /// As [`Self::new`]; from reading the token's file.
    pub fn from_env() -> Result<Self> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
        let path = |name: &str| variable(name).map(PathBuf::from);
        let home = path("HF_HOME").or_else(|| path("HOME").map(|home| home.join(".cache/huggingface")));
        let token = match variable("HF_TOKEN") {
            Some(token) => Some(token.trim().to_string()),
            None => home.and_then(|home| kept(&home.join("token")).transpose()).transpose()?,
        };
        Self::new(variable("HF_ENDPOINT").as_deref().unwrap_or(PUBLIC), token)
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Whether an address belongs to the hub itself, so that it may see the token.
    pub(super) fn owns(&self, address: &Uri) -> bool {
        Origin::of(address).as_ref() == Some(&self.origin)
    }

    /// Where a token is made.
    pub(super) fn tokens(&self) -> String {
        format!("{}/settings/tokens", self.base)
    }

    pub(super) fn page(&self, repo: &Repo) -> String {
        format!("{}/{repo}", self.base)
    }

    pub(super) fn listing(&self, repo: &Repo, revision: &str) -> String {
        format!("{}/api/models/{repo}/revision/{}?blobs=true", self.base, escaped(revision))
    }

    pub(super) fn file(&self, repo: &Repo, commit: &str, name: &str) -> String {
        format!("{}/{repo}/resolve/{}/{}", self.base, escaped(commit), escaped(name))
    }
}

/// Without the token.
impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Site({})", self.base)
    }
}

/// The token in a file; none where there is no file, or nothing in it.
fn kept(file: &Path) -> Result<Option<String>> {
    match files::read_text(file) {
        Ok(text) => Ok(Some(text.trim().to_string()).filter(|token| !token.is_empty())),
        Err(e) if e.kind() == Kind::NotFound => Ok(None),
        Err(e) => Err(e.context("the hub's token")),
    }
}

/// A part of a path: whatever is not plain is written as `%2F`.
fn escaped(part: &str) -> String {
    let mut text = String::new();
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => text.push(byte.into()),
            _ => text += &format!("%{byte:02X}"),
        }
    }
    text
}

/// Where `location` leads from `from`: a whole address, one without scheme, or a path from the root. Nothing for other forms, which
/// the hub does not use, and for a way from https to http.
pub(super) fn follow(from: &Uri, location: &str) -> Option<Uri> {
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    let whole = match location {
        _ if location.starts_with("//") => format!("{scheme}:{location}"),
        _ if location.starts_with('/') => format!("{scheme}://{authority}{location}"),
        _ => location.to_string(),
    };
    // What comes after # is for browsers.
    let to: Uri = whole.split('#').next()?.parse().ok()?;
    let (before, after) = (Origin::of(from)?, Origin::of(&to)?);
    (after.encrypted || !before.encrypted).then_some(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_hubs() {
        for right in ["Qwen/Qwen3-0.6B", "gpt2", "a/b_c.d"] {
            assert_eq!(right.parse::<Repo>().unwrap().to_string(), right);
        }
        for wrong in
            ["", "/", "a/", "/b", "a/b/c", "../b", "a/..", ".a/b", "a/b.", "a--b/c", "a b", "a/b\n", "ä/b"]
        {
            assert_eq!(wrong.parse::<Repo>().unwrap_err().kind(), Kind::Invalid, "{wrong}");
        }
        assert_eq!("a/b".parse::<Repo>().unwrap().folder_name(), "a--b");
    }

    #[test]
    fn addresses_are_built_and_escaped() {
        let site = Site::new("https://hub.example/sub/", None).unwrap();
        let repo: Repo = "a/b".parse().unwrap();
        assert_eq!(
            site.listing(&repo, "refs/pr/1?x"),
            "https://hub.example/sub/api/models/a/b/revision/refs%2Fpr%2F1%3Fx?blobs=true"
        );
        assert_eq!(site.file(&repo, "c0", "a b#.txt"), "https://hub.example/sub/a/b/resolve/c0/a%20b%23.txt");
        for wrong in
            ["hub.example", "ftp://hub.example", "https://me:pw@hub.example", "https://hub.example?x", ""]
        {
            assert_eq!(Site::new(wrong, None).unwrap_err().kind(), Kind::Invalid, "{wrong}");
        }
    }

    #[test]
    fn the_token_is_for_the_hub_alone() {
        let token = || Some("hf_secret".to_string());
        let site = Site::new("https://hub.example", token()).unwrap();
        let owns = |address: &str| site.owns(&address.parse().unwrap());
        assert!(owns("https://hub.example/x") && owns("https://HUB.example:443/x"));
        let others = [
            "http://hub.example/",
            "https://hub.example:444/",
            "https://cdn.hub.example/",
            "https://hub.example.evil/",
        ];
        assert!(!others.into_iter().any(owns));
        assert_eq!(Site::new("http://hub.example", token()).unwrap().token(), None, "not unencrypted");
        assert_eq!(Site::new("http://127.0.0.1:1", token()).unwrap().token(), Some("hf_secret"));
        assert!(!format!("{site:?}").contains("secret"));
    }

    #[test]
    fn redirects_are_followed_but_not_to_http() {
        let from: Uri = "https://hub.example/a/b".parse().unwrap();
        let to = |location: &str| follow(&from, location).map(|uri| uri.to_string());
        assert_eq!(to("/c/d?x=1#y").as_deref(), Some("https://hub.example/c/d?x=1"));
        assert_eq!(to("//cdn.example/f").as_deref(), Some("https://cdn.example/f"));
        assert_eq!(to("https://cdn.example/f?sig=%2F").as_deref(), Some("https://cdn.example/f?sig=%2F"));
        for wrong in ["http://hub.example/c", "file:///etc/passwd", "c/d", ""] {
            assert_eq!(to(wrong), None, "{wrong}");
        }
    }
}

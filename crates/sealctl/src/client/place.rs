//! Where a daemon listens: what was named, else the first socket there is in the places where daemons keep theirs.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use seald_core::error::{Context, Error, Kind, Result};

/// The socket beneath a root.
const SOCKET: &str = "state/seald.sock";

/// Where a daemon listens.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// On a Unix socket.
    Socket {
        /// Its path.
        path: PathBuf,
        /// Where else one was looked for, in vain.
        tried: Vec<PathBuf>,
    },
    /// On TCP.
    Tcp {
        /// `HOST:PORT`.
        authority: String,
        /// The bearer token, if one was given.
        token: Option<String>,
    },
}

/// What the user named.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// A socket.
    pub socket: Option<PathBuf>,
    /// The daemon's folder.
    pub root: Option<PathBuf>,
    /// `http://HOST:PORT`.
    pub url: Option<String>,
    /// The file with the token for `url`.
    pub token_file: Option<PathBuf>,
}

impl Wanted {
    /// As a shell takes it after `sealctl`: `--root demo`. Empty where nothing was named.
    pub fn options(&self) -> String {
        let Self { socket, root, url, token_file } = self;
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let named = [
            ("--root", path(root)),
            ("--socket", path(socket)),
            ("--url", url.clone()),
            ("--token-file", path(token_file)),
        ];
        let words =
            named.into_iter().filter_map(|(option, value)| Some(format!("{option} {}", quoted(&value?))));
        words.collect::<Vec<_>>().join(" ")
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What surrounds the program: where sockets may be.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// `$SEALD_SOCKET`.
    pub socket: Option<PathBuf>,
    /// The current folder.
    pub here: PathBuf,
    /// `$XDG_DATA_HOME`, or `~/.local/share`.
    pub data: Option<PathBuf>,
    /// The socket of the system's daemon.
    pub system: PathBuf,
}

impl Around {
    /// As the environment has it.
    pub fn here() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = || variable("HOME").map(|home| home.join(".local/share"));
        Self {
            socket: variable("SEALD_SOCKET"),
            here: PathBuf::from("."),
            data: variable("XDG_DATA_HOME").filter(|path| path.is_absolute()).or_else(home),
            system: PathBuf::from("/run/seald/seald.sock"),
        }
    }

    /// The folder of a daemon that need not run: that of `$SEALD_SOCKET`, the current one, the user's; none where it can only be the system's.
    pub fn root(&self) -> Option<PathBuf> {
        if let Some(path) = &self.socket {
            return path.ends_with(SOCKET).then(|| path.ancestors().nth(2).map(Path::to_path_buf)).flatten();
        }
        let data =
            self.data.as_ref().map(|data| data.join("seald")).filter(|data| data.join("state").is_dir());
        self.is_root().then(|| self.here.clone()).or(data)
    }

    fn is_root(&self) -> bool {
        ["state", "adapters"].iter().all(|name| self.here.join(name).is_dir())
    }

    /// Sockets that may be there, in order.
    fn sockets(&self) -> Vec<PathBuf> {
        let here = self.is_root().then(|| self.here.join(SOCKET));
        let data = self.data.as_ref().map(|data| data.join("seald").join(SOCKET));
        here.into_iter().chain(data).chain([self.system.clone()]).collect()
    }
}

impl Place {
    /// What was named: `--url`, `--socket` or `--root`, else `$SEALD_SOCKET`; and nothing else then, so that no
    /// request goes to another daemon than the one that was meant. Else the first socket there is beneath the current
    /// folder, in the user's data folder, of the system.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a URL that is none; [`Kind::NotFound`] or [`Kind::Io`] for the token's file.
    pub fn find(wanted: &Wanted, around: &Around) -> Result<Self> {
        let wrong = |text: &str| Err(Error::new(Kind::Invalid, text));
        let named = [wanted.url.is_some(), wanted.socket.is_some(), wanted.root.is_some()];
        if named.into_iter().filter(|named| *named).count() > 1 {
            return wrong("--url, --socket and --root each name a daemon: give one of them");
        }
        if wanted.url.is_none() && wanted.token_file.is_some() {
            return wrong("--token-file goes with --url; a socket needs no token");
        }
        if let Some(url) = &wanted.url {
            let token = wanted.token_file.as_deref().map(token).transpose()?;
            return Ok(Self::Tcp { authority: authority(url)?, token });
        }
        let beneath = wanted.root.as_ref().map(|root| root.join(SOCKET));
        if let Some(path) = wanted.socket.clone().or(beneath).or_else(|| around.socket.clone()) {
            return Ok(Self::Socket { path, tried: Vec::new() });
        }
        let mut tried = around.sockets();
        let found = tried.iter().position(|path| path.symlink_metadata().is_ok());
        // Where there is none, the first place is as good as any to say so.
        let path = tried.remove(found.unwrap_or(0));
        if found.is_some() {
            tried.clear();
        }
        Ok(Self::Socket { path, tried })
    }
}

impl Place {
    /// The folder of a daemon whose socket lies in it; none where the place does not tell.
    pub fn root(&self) -> Option<&Path> {
        let Self::Socket { path, .. } = self else { return None };
        path.ends_with(SOCKET).then(|| path.ancestors().nth(2)).flatten()
    }
}

fn token(file: &Path) -> Result<String> {
    let kind = |e: &io::Error| if e.kind() == io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Io };
    let text = fs::read_to_string(file)
        .map_err(|e| Error::new(kind(&e), format!("cannot read {}", file.display())).with_source(e))?;
    Ok(text.trim().to_string())
}

/// `HOST:PORT` of `http://HOST:PORT`.
fn authority(url: &str) -> Result<String> {
    let wrong = || format!("{url} is no address of a daemon: write http://127.0.0.1:PORT");
    let uri: hyper::Uri = url.parse().doing(Kind::Invalid, wrong)?;
    let plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/") && uri.query().is_none();
    match uri.authority().filter(|_| plain) {
        Some(authority) if authority.port().is_some() && !authority.as_str().contains('@') => {
            Ok(authority.to_string())
        }
        _ => Err(Error::new(Kind::Invalid, wrong())),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket { path, .. } => path.display().fmt(f),
            Self::Tcp { authority, .. } => write!(f, "http://{authority}"),
        }
    }
}

/// Without the token.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

//! Finding the configuration: which file, which root, and where relative paths start.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::lines::Lines;
use super::{Config, of_server};
use seald_core::error::{Context, Error, Kind, Result};
use seald_core::files;
use seald_engine::embedded;

/// The file of the system's service.
pub const SYSTEM_FILE: &str = "/etc/seald/seald.toml";
/// The root that goes with it, where it names none.
const SYSTEM_ROOT: &str = "/var/lib/seald";
/// The folder of its socket.
const SYSTEM_RUNTIME: &str = "/run/seald";
/// Names the file where `--config` does not.
const FILE_VARIABLE: &str = "SEALD_CONFIG";
/// systemd's word for the folder of sockets; several have `:` between them.
const RUNTIME_VARIABLE: &str = "RUNTIME_DIRECTORY";
/// The name of a configuration file in a root.
const FILE_NAME: &str = "seald.toml";

impl Config {
    /// Finds, reads and checks the configuration, and makes every path whole: relative ones start at the file's folder.
    ///
    /// The file is `path`; else the one that `$SEALD_CONFIG` names; else `seald.toml` in the root; else [`SYSTEM_FILE`]; where
    /// there is none, every option has its default. `root` goes before the file's.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where a named file is not there; [`Kind::Invalid`] with file, line and option, see
    /// [`Self::parse`]; from reading; where a token is needed, those of [`super::ApiOptions::token`],
    /// where other servers are named, those of [`crate::endpoint::EndpointOptions::check_files`].
    pub fn load(path: Option<&Path>, root: Option<&Path>) -> Result<Self> {
        Environment::real().load(path, root)
    }
}

/// Where things are kept if nobody says: the current folder if it has `state` and `adapters`, else `seald` among the user's data
/// (`$XDG_DATA_HOME`, `~/.local/share`).
///
/// # Errors
/// [`Kind::Invalid`] where there is no home folder.
pub fn default_root() -> Result<PathBuf> {
    Environment::real().default_root()
}

/// What the search looks at, besides its arguments.
pub(super) struct Environment<'a> {
    /// The environment.
    pub(super) variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The current folder.
    pub(super) here: &'a Path,
    /// In place of [`SYSTEM_FILE`].
    pub(super) system_file: &'a Path,
}

impl Environment<'_> {
    fn real() -> Environment<'static> {
        Environment {
            variable: &|name| env::var_os(name),
            here: Path::new("."),
            system_file: Path::new(SYSTEM_FILE),
        }
    }

    fn default_root(&self) -> Result<PathBuf> {
        if self.here.join("state").is_dir() && self.here.join("adapters").is_dir() {
            return Ok(self.here.to_path_buf());
        }
        let folder = |name| (self.variable)(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let data = folder("XDG_DATA_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/share")));
        let nowhere =
            || Error::new(Kind::Invalid, "there is no home folder to keep things in: give --root DIR");
        Ok(data.ok_or_else(nowhere)?.join("seald"))
    }

    pub(super) fn load(&self, path: Option<&Path>, root: Option<&Path>) -> Result<Config> {
        let Some((file, text)) = self.find(path, root)? else {
            let mut config = Config::default();
            self.complete(&mut config, self.here, root, false)?;
            return Ok(config);
        };
        let (mut config, lines) = Lines::read(&text, &file)?;
        let folder = file.parent().unwrap_or(Path::new("/"));
        self.complete(&mut config, folder, root, file == self.system_file)?;
        if config.api.listen.is_some() {
            config.api.token().map_err(|e| lines.place("api", &e))?;
        }
        if config.writer.is_on() {
            config.writer.check_files().map_err(|e| lines.place("writer", &e))?;
        }
        for (at, server) in config.serve_to.iter().enumerate() {
            server.check_files().map_err(|e| lines.place("", &e.context(of_server(at))))?;
        }
        config.source = Some(file);
        Ok(config)
    }

    /// The file and its text; none where there is none and none was named.
    fn find(&self, path: Option<&Path>, root: Option<&Path>) -> Result<Option<(PathBuf, String)>> {
        let variable = (self.variable)(FILE_VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
        if let Some(named) = path.map(Path::to_path_buf).or(variable) {
            let file = whole(&named)?;
            let text = files::read_text(&file).map_err(|e| e.context("the configuration"))?;
            return Ok(Some((file, text)));
        }
        // Without a home the system's file may still name a root.
        let root = root.map(Path::to_path_buf).or_else(|| self.default_root().ok());
        let in_root = root.map(|root| whole(&root.join(FILE_NAME))).transpose()?;
        for file in in_root.into_iter().chain([self.system_file.to_path_buf()]) {
            match files::read_text(&file) {
                Ok(text) => return Ok(Some((file, text))),
                Err(e) if e.kind() == Kind::NotFound => {}
                Err(e) => return Err(e.context("the configuration")),
            }
        }
        Ok(None)
    }

    /// Makes every path whole. `folder` is the file's, `system` whether it is the system's file.
    fn complete(&self, config: &mut Config, folder: &Path, root: Option<&Path>, system: bool) -> Result<()> {
        let system = system && root.is_none();
        config.root = match root {
            Some(root) => whole(root)?,
            None if !config.root.as_os_str().is_empty() => folder.join(&config.root),
            None if system => PathBuf::from(SYSTEM_ROOT),
            None => whole(&self.default_root()?)?,
        };
        let Config { inbox_folder, api, model, writer, serve_to, .. } = config;
        for path in [inbox_folder, &mut api.socket, &mut api.token_file].into_iter().flatten() {
            *path = folder.join(&*path);
        }
        let servers = serve_to.iter_mut().flat_map(|server| [&mut server.api_key_file, &mut server.ca_file]);
        for path in [&mut writer.api_key_file, &mut writer.ca_file].into_iter().chain(servers) {
            if !path.as_os_str().is_empty() {
                *path = folder.join(&*path);
            }
        }
        if embedded::find(model).is_none() {
            *model = whole(&folder.join(&*model))?;
        }
        let runtime = || {
            let folders = (self.variable)(RUNTIME_VARIABLE)?.into_string().ok()?;
            folders.split(':').next().filter(|first| !first.is_empty()).map(PathBuf::from)
        };
        let socket_folder = runtime().or_else(|| system.then(|| PathBuf::from(SYSTEM_RUNTIME)));
        if api.socket.is_none() {
            api.socket = socket_folder.map(|folder| folder.join("seald.sock"));
        }
        Ok(())
    }
}

/// The path from the root of the file system.
fn whole(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).doing(Kind::Io, || format!("cannot tell where {} is", path.display()))
}

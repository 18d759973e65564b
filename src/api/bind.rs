//! The Unix socket: made with its mode before anyone can connect, never taken from a daemon that lives.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use tokio::net::{UnixListener, UnixSocket};

use seald_core::error::{Error, Kind, Result};
use seald_core::files::io_error;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// Longest path of a socket, bytes (`sun_path` of Linux, without its closing 0).
const LONGEST: usize = 107;

/// Listens at `path`, with permissions `mode` (such as 0o660). Its folder is made if it is not there. A socket that
/// nobody answers, left by a daemon that was killed, is removed. Call it within a tokio runtime.
///
/// # Errors
/// [`Kind::Conflict`] where a process answers there, or something that is no socket has the path; [`Kind::Invalid`] for
/// a path longer than 107 bytes; [`Kind::Io`] as the system has it.
pub fn bind_unix(path: &Path, mode: u32) -> Result<UnixListener> {
    let bytes = path.as_os_str().len();
    if bytes > LONGEST {
        let text = format!(
            "the socket's path {} has {bytes} bytes, and the system takes {LONGEST}: set `socket` to a shorter one",
            path.display()
        );
        return Err(Error::new(Kind::Invalid, text));
    }
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(|e| io_error("create", parent, e))?;
    }
    clear_stale(path)?;
    let socket = UnixSocket::new_stream().map_err(|e| io_error("make the socket", path, e))?;
    socket.bind(path).map_err(|e| io_error("bind the socket", path, e))?;
    // Until it listens, nobody can connect.
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|e| io_error("set the mode of", path, e))?;
    socket.listen(BACKLOG).map_err(|e| io_error("listen at", path, e))
}

fn clear_stale(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(io_error("look at", path, e)),
        Ok(found) if !found.file_type().is_socket() => {
            let text = format!("{} is there and no socket: move it away, or set `socket`", path.display());
            return Err(Error::new(Kind::Conflict, text));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|e| io_error("remove the old socket", path, e))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(io_error("try the old socket", path, e)),
        Ok(_) => {
            let text = format!(
                "a process listens at {} already: stop it, or use another root or `socket`",
                path.display()
            );
            Err(Error::new(Kind::Conflict, text))
        }
    }
}

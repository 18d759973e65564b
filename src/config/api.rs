//! Where the interface listens, and who may use it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::{invalid, optional};
use seald_core::error::Result;
use seald_core::files;

/// Characters that a token needs at least.
const MIN_TOKEN: usize = 16;
/// Characters that a token may have at most: it travels in a header.
const MAX_TOKEN: usize = 4096;

/// Options of the interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiOptions {
    /// The Unix socket. Empty: `seald.sock` in the runtime folder that systemd gives (/run/seald), else `state/seald.sock`
    /// in the root.
    #[serde(with = "optional::text")]
    #[schema(value_type = String)]
    pub socket: Option<PathBuf>,
    /// Who may use the socket, as for chmod, "0600" to "0777". With "0660" that is the owner and the group.
    #[serde(serialize_with = "write_mode", deserialize_with = "read_mode")]
    #[schema(value_type = String)]
    pub socket_mode: u32,
    /// Address and port to listen on besides, for instance "127.0.0.1:7325"; it needs `token_file`. Empty: the socket alone.
    #[serde(with = "optional::text")]
    #[schema(value_type = String)]
    pub listen: Option<SocketAddr>,
    /// Whether `listen` may be an address that other machines reach. What they send is not encrypted.
    pub allow_remote: bool,
    /// File with the token that callers over `listen` must show: 16 to 4,096 characters, not readable by others. Empty: none.
    #[serde(with = "optional::text")]
    #[schema(value_type = String)]
    pub token_file: Option<PathBuf>,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self { socket: None, socket_mode: 0o660, listen: None, allow_remote: false, token_file: None }
    }
}

impl ApiOptions {
    /// Checks what can be checked without looking at files.
    ///
    /// # Errors
    /// [`seald_core::error::Kind::Invalid`] naming the option.
    pub fn validate(&self) -> Result<()> {
        let mode = self.socket_mode;
        if mode & !0o777 != 0 || mode & 0o600 != 0o600 {
            return invalid(format!(
                "socket_mode is \"{mode:04o}\": give \"0600\" (the owner alone) to \"0777\" (everyone); the owner needs 6"
            ));
        }
        let Some(listen) = self.listen else { return Ok(()) };
        if self.token_file.is_none() {
            return invalid(format!(
                "listen is {listen}, but there is no token_file: name one, for any program on this machine could connect"
            ));
        }
        if !listen.ip().is_loopback() && !self.allow_remote {
            return invalid(format!(
                "listen is {listen}, which other machines reach: give 127.0.0.1, or set allow_remote = true"
            ));
        }
        Ok(())
    }

    /// The token that callers over [`Self::listen`] must show; none where there is no file for it.
    ///
    /// # Errors
    /// [`seald_core::error::Kind::Invalid`] where others may read the file or its content is no token; from reading it. The
    /// token is never part of the message.
    pub fn token(&self) -> Result<Option<String>> {
        self.token_file.as_deref().map(read_token).transpose()
    }
}

fn read_token(path: &Path) -> Result<String> {
    let token = files::read_secret(path).map_err(|e| e.context("token_file"))?;
    if !(MIN_TOKEN..=MAX_TOKEN).contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return invalid(format!(
            "token_file {} holds no token: write {MIN_TOKEN} to {MAX_TOKEN} letters and digits into it, for instance with \
             `openssl rand -hex 32`",
            path.display()
        ));
    }
    Ok(token)
}

fn write_mode<S: Serializer>(mode: &u32, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format!("{mode:04o}"))
}

fn read_mode<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let text = String::deserialize(from)?;
    let octal = |c: char| c.is_digit(8);
    let mode = text.chars().all(octal).then(|| u32::from_str_radix(&text, 8).ok()).flatten();
    mode.ok_or_else(|| {
        serde::de::Error::custom(format!("{text:?} is not a mode as for chmod, such as \"0660\""))
    })
}

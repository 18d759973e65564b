//! The sockets that the daemon listens on, as the configuration says.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::api::{self, Token};
use crate::config::Config;
use seald_core::error::{Context, Kind, Result};

/// Opens them.
///
/// # Errors
/// [`Kind::Conflict`] where another process listens on the socket; [`Kind::Io`] where one cannot be made; [`Kind::Invalid`] for a token that cannot be used.
pub(super) async fn listen(config: &Config) -> Result<api::Listeners> {
    let unix = api::bind_unix(&config.socket_path(), config.api.socket_mode)?;
    let tcp = match (config.api.listen, config.api.token()?) {
        (Some(listen), Some(token)) => Some((bind_tcp(listen).await?, Token::new(&token)?)),
        _ => None,
    };
    Ok(api::Listeners { unix, tcp })
}

async fn bind_tcp(listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen).await.doing(Kind::Io, || {
        format!("cannot listen on {listen} (api.listen): choose another port, or stop what uses it")
    })
}

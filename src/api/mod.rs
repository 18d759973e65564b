//! The service as others see it: views of the database in the protocol's terms, and the HTTP API that shows them on a
//! Unix socket and, on request, on TCP (`docs/api.md`).

mod arriving;
mod bind;
mod events;
mod extract;
mod failure;
mod guard;
mod openai;
mod openapi;
mod places;
mod plain;
mod query;
mod router;
mod routes;
mod serve;
mod service;
mod trace;
mod uploads;
pub mod views;

pub use bind::bind_unix;
pub use guard::Token;
pub use openapi::openapi;
pub use router::router;
pub use serve::{Listeners, Peer, serve};
pub use service::{Export, Inspect, Put, Reader, Service, WriteExport};

//! Another model behind an OpenAI-compatible endpoint: calls over real sockets, and self-edits written through it; and
//! servers that answer with our adapters.

mod calling;
mod encrypted;
mod serving;
mod writing;

use std::sync::atomic::AtomicBool;

use crate::server::{Reply, Server};
use seald::endpoint::{Endpoint, EndpointOptions, WriteOptions};

static NEVER: AtomicBool = AtomicBool::new(false);

/// What every request is.
const LINE: &str = "POST /v1/chat/completions";

/// For the server, without a second attempt.
fn options(server: &Server) -> EndpointOptions {
    let url = format!("http://{}/v1", server.address);
    EndpointOptions {
        url,
        model: "teacher".into(),
        max_retries: 0,
        parallel_requests: 1,
        ..EndpointOptions::default()
    }
}

fn asking() -> WriteOptions {
    WriteOptions { max_tokens: 100, temperature: 1.0, seed: 7 }
}

fn ask(options: &EndpointOptions) -> seald_core::Result<Vec<String>> {
    Endpoint::open(options)?.write(&["Write.".into()], asking(), &NEVER)
}

/// An answer as OpenAI's servers give it.
fn text(content: &str) -> Reply {
    Reply::json(&serde_json::json!({
        "id": "x", "object": "chat.completion", "model": "teacher",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    }))
}

//! A stand-in for vLLM's server: answers as its LoRA API and its list of models were recorded to (vLLM 0.9 without
//! `load_inplace`, and with it as of July 2026, both from its sources), on a real socket, and remembers what it was asked.
#![allow(dead_code, reason = "each test crate uses a part")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::{Value, json};

/// What kind of server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Does not know `load_inplace` and takes no notice of it.
    Old,
    /// Does not know it and refuses what it does not know.
    Strict,
    /// Knows it.
    New,
    /// Started without VLLM_ALLOW_RUNTIME_LORA_UPDATING.
    Fixed,
}

#[derive(Default)]
struct State {
    /// What each name is, by the path that was given.
    adapters: BTreeMap<String, String>,
    /// `POST /v1/load_lora_adapter {...}`, in order.
    asked: Vec<String>,
    token: Option<&'static str>,
    /// What an attempt to load ends in, if not well.
    broken: Option<(u16, &'static str)>,
}

/// The server. Its thread ends with the test.
pub(crate) struct Vllm {
    pub(crate) address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Vllm {
    pub(crate) fn start(version: Version) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), version)
    }

    /// On a port that was found before.
    pub(crate) fn on(listener: TcpListener, version: Version) -> Self {
        let address = listener.local_addr().unwrap();
        let state = Arc::<(Mutex<State>, Condvar)>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A client may leave when it likes.
                let _ = connection(&stream.unwrap(), version, &shared);
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it wants a key.
    pub(crate) fn wants(&self, token: &'static str) {
        self.state.0.lock().unwrap().token = Some(token);
    }

    /// From now on loading ends so.
    pub(crate) fn breaks(&self, status: u16, message: &'static str) {
        self.state.0.lock().unwrap().broken = Some((status, message));
    }

    /// As if it were started again.
    pub(crate) fn forgets(&self) {
        self.state.0.lock().unwrap().adapters.clear();
    }

    pub(crate) fn adapters(&self) -> BTreeMap<String, String> {
        self.state.0.lock().unwrap().adapters.clone()
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.0.lock().unwrap().asked.clone()
    }

    /// Returns once it was asked this.
    pub(crate) fn wait_for(&self, line: &str) {
        let state = self.state.0.lock().unwrap();
        drop(self.state.1.wait_while(state, |state| !state.asked.iter().any(|asked| asked == line)).unwrap());
    }
}

fn connection(stream: &TcpStream, version: Version, shared: &(Mutex<State>, Condvar)) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_string());
    }
    let header = |name: &str| {
        let lines = head.iter().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_string()).next()
    };
    let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body)?;
    let Some(first) = head.first() else { return Ok(()) };
    let line = first.trim_end_matches(" HTTP/1.1");
    let body = String::from_utf8(body).unwrap();
    let (status, kind, text) = {
        let mut state = shared.0.lock().unwrap();
        state.asked.push(format!("{line} {body}").trim().to_string());
        let known =
            state.token.is_none_or(|token| header("authorization") == Some(format!("Bearer {token}")));
        match known {
            true => answer(line, &body, version, &mut state),
            false => (401, "application/json", r#"{"error":"Unauthorized"}"#.to_string()),
        }
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )?;
    // Only now, so that who waited finds what the answer did.
    shared.1.notify_all();
    Ok(())
}

type Answer = (u16, &'static str, String);

fn answer(line: &str, body: &str, version: Version, state: &mut State) -> Answer {
    match line {
        "GET /v1/models" => (200, "application/json", models(state).to_string()),
        "POST /v1/load_lora_adapter" if version != Version::Fixed => load(body, version, state),
        "POST /v1/unload_lora_adapter" if version != Version::Fixed => unload(body, version, state),
        _ => (404, "application/json", r#"{"detail":"Not Found"}"#.to_string()),
    }
}

/// OpenAI's list: the base, then each adapter with its path as `root`.
fn models(state: &State) -> Value {
    let card = |id: &str, root: &str, parent: Option<&str>| {
        json!({
            "id": id, "object": "model", "created": 1_752_000_000, "owned_by": "vllm", "root": root,
            "parent": parent, "max_model_len": 2048, "permission": [],
        })
    };
    let adapters = state.adapters.iter().map(|(name, path)| card(name, path, Some("nano")));
    let base = std::iter::once(card("nano", "/models/nano", None));
    json!({ "object": "list", "data": base.chain(adapters).collect::<Vec<_>>() })
}

fn load(body: &str, version: Version, state: &mut State) -> Answer {
    let body: Value = serde_json::from_str(body).unwrap();
    let (name, path) = (body["lora_name"].as_str().unwrap(), body["lora_path"].as_str().unwrap());
    let in_place = body["load_inplace"] == true;
    if version == Version::Strict && !body["load_inplace"].is_null() {
        let said = "[{'type': 'extra_forbidden', 'loc': ('body', 'load_inplace'), 'msg': 'Extra inputs are not permitted'}]";
        return error(version, 400, "Bad Request", said);
    }
    if state.adapters.contains_key(name) && !(in_place && version == Version::New) {
        let more = match version {
            Version::New => " If you want to load the adapter in place, set 'load_inplace' to True.",
            _ => "",
        };
        let said = format!("The lora adapter '{name}' has already been loaded.{more}");
        return error(version, 400, "InvalidUserInput", &said);
    }
    if let Some((status, said)) = state.broken {
        return error(version, status, "BadRequestError", said);
    }
    if !Path::new(path).join("adapter_config.json").is_file() {
        let said = format!("Loading lora {name} failed: No adapter found for {path}");
        return error(version, 404, "NotFoundError", &said);
    }
    state.adapters.insert(name.into(), path.into());
    (200, "text/plain; charset=utf-8", format!("Success: LoRA adapter '{name}' added successfully."))
}

fn unload(body: &str, version: Version, state: &mut State) -> Answer {
    let body: Value = serde_json::from_str(body).unwrap();
    let name = body["lora_name"].as_str().unwrap();
    match state.adapters.remove(name) {
        Some(_) => {
            let text = format!("Success: LoRA adapter '{name}' removed successfully.");
            (200, "text/plain; charset=utf-8", text)
        }
        None => {
            let said = format!("The lora adapter '{name}' cannot be found.");
            error(version, 404, "NotFoundError", &said)
        }
    }
}

/// The older form and the newer.
fn error(version: Version, status: u16, kind: &str, message: &str) -> Answer {
    let mut error = json!({ "message": message, "type": kind, "param": null, "code": status });
    match version {
        Version::New => error = json!({ "error": error }),
        _ => error["object"] = "error".into(),
    }
    (status, "application/json", error.to_string())
}

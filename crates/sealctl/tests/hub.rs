//! A hub on two real ports: one lists and redirects, as huggingface.co does, the other gives the bytes, as its CDN does. It counts
//! what it sends and can fail in the middle.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use sealctl::hub::{Repo, Site};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) const TOKEN: &str = "hf_secret";
pub(crate) const REPO: &str = "made-up/nano";
pub(crate) const WEIGHTS: &str = "model.safetensors";

/// How sending a file goes wrong, once.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// After so many bytes the connection ends.
    Cut(usize),
    /// After so many bytes nothing comes any more, until the client has gone.
    Stall(usize),
    /// The last byte is another one.
    Wrong,
    /// All of it, whatever part was asked for.
    NoParts,
}

/// What a request was.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    /// Whether the hub was asked, not the CDN.
    pub(crate) hub: bool,
    pub(crate) path: String,
    pub(crate) token: Option<String>,
    /// The first byte that was wanted.
    pub(crate) from: usize,
}

pub(crate) struct State {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Merged into the listing.
    pub(crate) more: Value,
    pub(crate) commit: String,
    /// Status, `X-Error-Code` and where: paths of the hub that contain this are refused.
    pub(crate) refusal: Option<(u16, &'static str, &'static str)>,
    pub(crate) faults: BTreeMap<String, VecDeque<Fault>>,
    pub(crate) asked: Vec<Asked>,
    /// Bytes of each file that were sent.
    pub(crate) sent: BTreeMap<String, usize>,
}

/// The hub; its threads end with the test.
pub(crate) struct Hub {
    state: Arc<Mutex<State>>,
    arrived: Arc<Condvar>,
    pub(crate) address: String,
}

impl Hub {
    /// With the files of the embedded model and some that nobody wants.
    pub(crate) fn start() -> Self {
        let folder = crate::repository::repository().join("models/nano/weights");
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            files.insert(entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap());
        }
        for name in ["README.md", "LICENSE", ".gitattributes", "pytorch_model.bin", "onnx/model.onnx"] {
            files.insert(name.into(), format!("This is {name}.\n").into_bytes());
        }
        let state = State {
            files,
            more: json!({"cardData": {"license": "apache-2.0"}, "gated": false}),
            commit: "0123456789abcdef0123456789abcdef01234567".into(),
            refusal: None,
            faults: BTreeMap::new(),
            asked: Vec::new(),
            sent: BTreeMap::new(),
        };
        let (state, arrived) = (Arc::new(Mutex::new(state)), Arc::new(Condvar::new()));
        let [hub, cdn] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let address = format!("http://{}", hub.local_addr().unwrap());
        let bytes_at = format!("http://{}", cdn.local_addr().unwrap());
        for (listener, hub) in [(hub, true), (cdn, false)] {
            let (state, arrived, bytes_at) = (Arc::clone(&state), Arc::clone(&arrived), bytes_at.clone());
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let (state, arrived) = (Arc::clone(&state), Arc::clone(&arrived));
                    let bytes_at = bytes_at.clone();
                    // A client may leave when it likes.
                    std::thread::spawn(move || {
                        drop(answer(stream.unwrap(), hub, &state, &arrived, &bytes_at))
                    });
                }
            });
        }
        Self { state, arrived, address }
    }

    pub(crate) fn site(&self) -> Site {
        Site::new(&self.address, Some(TOKEN.into())).unwrap()
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    /// The next requests for the weights go wrong so.
    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.change(|state| state.faults.insert(WEIGHTS.into(), faults.into_iter().collect()));
    }

    pub(crate) fn sent(&self, name: &str) -> usize {
        self.change(|state| state.sent.get(name).copied().unwrap_or(0))
    }

    /// Returns once so many bytes of the weights were sent.
    pub(crate) fn wait_for(&self, bytes: usize) {
        let state = self.state.lock().unwrap();
        let few = |state: &mut State| state.sent.get(WEIGHTS).copied().unwrap_or(0) < bytes;
        drop(self.arrived.wait_while(state, few).unwrap());
    }

    /// From which byte on the weights were asked of the CDN, in order.
    pub(crate) fn parts(&self) -> Vec<usize> {
        let of = |asked: &&Asked| !asked.hub && asked.path.contains(WEIGHTS);
        self.change(|state| state.asked.iter().filter(of).map(|asked| asked.from).collect())
    }
}

pub(crate) fn repo() -> Repo {
    REPO.parse().unwrap()
}

fn answer(
    stream: TcpStream,
    hub: bool,
    state: &Mutex<State>,
    arrived: &Condvar,
    bytes_at: &str,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    while !head.last().is_some_and(String::is_empty) {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        head.push(line.trim_end().to_string());
    }
    let header = |name: &str| {
        head.iter().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)))
    };
    let path = head[0].split(' ').nth(1).unwrap().to_string();
    let token = header("authorization").map(|(_, value)| value.to_string());
    let from = header("range").map(|(_, value)| value.trim_start_matches("bytes=").trim_end_matches('-'));
    let from = from.map_or(0, |from| from.parse().unwrap());
    let asked = Asked { hub, path: path.clone(), token, from };
    let refusal = {
        let mut state = state.lock().unwrap();
        state.asked.push(asked.clone());
        state.refusal.filter(|(_, _, part)| hub && path.contains(part))
    };
    let mut stream = reader.into_inner();
    let mut text = |status: u16, headers: &str, body: &str| {
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
        )
    };
    if let Some((status, code, _)) = refusal {
        let code = if code.is_empty() { String::new() } else { format!("x-error-code: {code}\r\n") };
        return text(status, &code, "no");
    }
    let name = path.rsplit('/').next().unwrap().split('?').next().unwrap().to_string();
    match hub {
        true if path.starts_with("/api/models/") => text(200, "", &listing(&state.lock().unwrap())),
        // Large files lie elsewhere; small ones behind one more path of the hub's own.
        true if path.contains("/resolve/") && name.ends_with(".safetensors") => {
            text(302, &format!("location: {bytes_at}/blobs/{name}?signature=x%2Fy\r\n"), "elsewhere")
        }
        true if path.contains("/resolve/") => {
            text(307, &format!("location: /api/resolve-cache/{name}\r\n"), "")
        }
        false if asked.token.is_some() => text(400, "", "a token does not belong here"),
        _ => bytes(&mut stream, &name, from, state, arrived),
    }
}

/// Sends a file from a byte on, as whole as its next fault allows.
fn bytes(
    stream: &mut TcpStream,
    name: &str,
    from: usize,
    state: &Mutex<State>,
    arrived: &Condvar,
) -> std::io::Result<()> {
    let (mut file, fault) = {
        let mut state = state.lock().unwrap();
        let fault = state.faults.get_mut(name).and_then(VecDeque::pop_front);
        (state.files[name].clone(), fault)
    };
    if let Some(Fault::Wrong) = fault {
        *file.last_mut().unwrap() ^= 1;
    }
    let from = if matches!(fault, Some(Fault::NoParts)) { 0 } else { from };
    let (size, rest) = (file.len(), &file[from..]);
    let status = match from {
        0 => "200 OK".to_string(),
        _ => format!("206 Partial Content\r\ncontent-range: bytes {from}-{}/{size}", size - 1),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", rest.len());
    stream.write_all(head.as_bytes())?;
    let sent = match fault {
        Some(Fault::Cut(bytes) | Fault::Stall(bytes)) => &rest[..bytes],
        _ => rest,
    };
    stream.write_all(sent)?;
    *state.lock().unwrap().sent.entry(name.to_string()).or_default() += sent.len();
    arrived.notify_all();
    if let Some(Fault::Stall(_)) = fault {
        // Until the client has gone.
        std::io::copy(stream, &mut std::io::sink())?;
    }
    stream.shutdown(Shutdown::Write)
}

fn listing(state: &State) -> String {
    let siblings: Vec<Value> = state
        .files
        .iter()
        .map(|(name, bytes)| match name.ends_with(".safetensors") {
            true => {
                let sha256 = format!("{:x}", Sha256::digest(bytes));
                let lfs = json!({"sha256": sha256, "size": bytes.len(), "pointerSize": 134});
                json!({"rfilename": name, "size": bytes.len(), "blobId": "0".repeat(40), "lfs": lfs})
            }
            false => {
                let hash =
                    sha1::Sha1::new().chain_update(format!("blob {}\0", bytes.len())).chain_update(bytes);
                json!({"rfilename": name, "size": bytes.len(), "blobId": format!("{:x}", hash.finalize())})
            }
        })
        .collect();
    let mut listing = json!({"sha": state.commit, "siblings": siblings, "tags": ["safetensors"]});
    listing.as_object_mut().unwrap().extend(state.more.as_object().unwrap().clone());
    listing.to_string()
}

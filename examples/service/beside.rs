//! What a large request costs somebody else: time to the first token of a short question that is asked just after it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Daemon, Result, middle_and_last};

/// Rounds to take the median of: each kind has its turn in each.
pub(super) const ROUNDS: usize = 9;
/// The same of a larger model, which takes minutes a round on two AVX2 cores: one for each of [`AFTER_MS`].
pub(super) const FEW_ROUNDS: usize = 3;
/// Times after the large request was sent at which the question is asked, milliseconds: one of them falls into each part of its work.
const AFTER_MS: [u64; 3] = [0, 10, 40];

/// A request that may keep others waiting, by name; none: nothing.
pub(super) type Kind = (&'static str, Option<String>);

/// Prints the table.
pub(super) fn table(daemon: &Daemon, kinds: &[Kind], rounds: usize) -> Result<()> {
    // Loads the model.
    beside(&daemon.socket, None, Duration::ZERO)?;
    let mut times = vec![Vec::new(); kinds.len()];
    let mut took = vec![Vec::new(); kinds.len()];
    for round in 0..rounds {
        for (at, (_, body)) in kinds.iter().enumerate() {
            let after = Duration::from_millis(AFTER_MS[round % AFTER_MS.len()]);
            let (first, whole) = beside(&daemon.socket, body.as_deref(), after)?;
            times[at].push(first.as_secs_f64() * 1e3);
            took[at].push(whole.as_secs_f64() * 1e3);
        }
    }
    println!(
        "\nfirst token of a question, ms, beside            median  slowest of {rounds}  the request itself (median)"
    );
    for (((name, _), times), took) in kinds.iter().zip(times).zip(took) {
        let (median, worst) = middle_and_last(times);
        println!("{name:<48} {median:>6.1}  {worst:>12.1}  {:>8.1}", middle_and_last(took).0);
    }
    Ok(())
}

/// What takes a larger model long.
pub(super) fn long() -> Vec<Kind> {
    let said = |words: usize, max_tokens: usize, n: usize| {
        let message = json!({ "role": "user", "content": "the harbour ".repeat(words / 2) });
        let body = json!({ "model": "base", "max_tokens": max_tokens, "n": n, "temperature": 1, "messages": [message] });
        Some(body.to_string())
    };
    vec![
        ("nothing", None),
        ("a prompt of 100 words", said(100, 2, 1)),
        ("a prompt of 1,000 words", said(1000, 2, 1)),
        ("sixteen long answers", said(2, 60, 16)),
    ]
}

/// Requests that were found to keep others waiting, and ones like them; the first is none.
pub(super) fn kinds() -> Vec<Kind> {
    let ask = json!([{ "role": "user", "content": "hi" }]);
    let with = |schema: Value| {
        let form = json!({ "type": "json_schema", "json_schema": { "name": "a", "schema": schema } });
        Some(
            json!({ "model": "base", "max_tokens": 2, "messages": ask, "response_format": form }).to_string(),
        )
    };
    let chain = |n: usize| {
        let mut defs: serde_json::Map<String, Value> =
            (0..n).map(|i| (format!("d{i}"), json!({ "$ref": format!("#/$defs/d{}", i + 1) }))).collect();
        defs.insert(format!("d{n}"), json!({ "type": "string" }));
        with(json!({ "$defs": defs, "$ref": "#/$defs/d0" }))
    };
    let names = |n: usize| (0..n).map(|i| format!("p{i}")).collect::<Vec<_>>();
    let properties = |n: usize| {
        let each: serde_json::Map<String, Value> =
            names(n).into_iter().map(|name| (name, json!({ "type": "string" }))).collect();
        with(json!({ "type": "object", "properties": each, "required": names(n) }))
    };
    let messages = |n: usize, text: &str| {
        let all = vec![json!({ "role": "user", "content": text }); n];
        Some(json!({ "model": "base", "max_tokens": 2, "messages": all }).to_string())
    };
    let answers = json!({ "model": "base", "max_tokens": 300, "n": 8, "temperature": 1, "messages": ask });
    vec![
        ("nothing", None),
        ("a chain of 680 $refs", chain(680)),
        ("a chain of 7,000 $refs", chain(7000)),
        ("2,000 properties", properties(2000)),
        ("4,500 properties", properties(4500)),
        ("20,000 words to choose from", with(json!({ "enum": names(20_000) }))),
        ("10,000 messages", messages(10_000, "h")),
        ("30,000 messages", messages(30_000, "h")),
        ("one message of 900 kB", messages(1, &"the harbour ".repeat(75_000))),
        ("900 kB of spaces", messages(1, &" ".repeat(900_000))),
        ("a prompt that just fits", messages(1, &"the harbour ".repeat(140))),
        ("eight long answers", Some(answers.to_string())),
    ]
}

/// Time to the first token of a question asked so long after `body` was sent, and how long `body` took.
fn beside(socket: &Path, body: Option<&str>, after: Duration) -> Result<(Duration, Duration)> {
    let question = json!({
        "model": "base", "max_tokens": 2, "stream": true, "messages": [{ "role": "user", "content": "Hello" }],
    });
    std::thread::scope(|scope| {
        let large = body.map(|body| {
            let mut stream = send(socket, body)?;
            Ok::<_, Box<dyn std::error::Error>>(scope.spawn(move || {
                let started = Instant::now();
                // Refused or answered: that it ends is all that counts.
                let _ = stream.read_to_end(&mut Vec::new());
                started.elapsed()
            }))
        });
        std::thread::sleep(after);
        let started = Instant::now();
        let mut stream = send(socket, &question.to_string())?;
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        // The first piece says who speaks, the second has a token.
        while answer.windows(9).filter(|window| *window == b"\"content\"").count() < 2 {
            let length = stream.read(&mut piece)?;
            if length == 0 {
                return Err(String::from_utf8_lossy(&answer).into());
            }
            answer.extend_from_slice(&piece[..length]);
        }
        let first = started.elapsed();
        let whole = match large {
            Some(large) => large?.join().map_err(|_| "the thread that sent the request panicked")?,
            None => Duration::ZERO,
        };
        Ok((first, whole))
    })
}

fn send(socket: &Path, body: &str) -> Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    let length = body.len();
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: seald\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )?;
    Ok(stream)
}

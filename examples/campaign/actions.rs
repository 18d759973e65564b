//! What is done from outside while the daemon lives, and noted in the ledger.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::ledger::{Forgotten, Ledger, Name, files, rows, waiting_files};
use crate::plan::{Action, Ask, Fault, Handed, What};
use crate::settle::{Settled, until, until_idle, until_taken};
use crate::texts;

/// The tag of what is handed in with one.
const TAG: &str = "minutes";

/// Whoever hands in and asks.
pub(crate) struct Outside<'l> {
    pub(crate) seed: u64,
    pub(crate) ledger: &'l mut Ledger,
    pub(crate) place: &'l Path,
    pub(crate) wrong: Vec<String>,
}

impl Outside<'_> {
    /// Does one thing and waits until it is answered.
    pub(crate) fn act(&mut self, action: &Action, daemon: &mut Daemon, fault: &Fault) {
        let honest = matches!(fault, Fault::Nothing | Fault::KillAfterEvents(_) | Fault::CrashAt(_));
        let answered = match action {
            Action::Hand(handed) => self.hand(handed, daemon),
            Action::Grow => self.grow(daemon),
            Action::CutWhileRead => self.cut_while_read(daemon),
            Action::Ask(ask) => self.ask(*ask, daemon),
            Action::Pause => code(daemon, "/v1/pause", json!({})),
            Action::Resume => code(daemon, "/v1/resume", json!({})),
            Action::Retry(which) => self.retry(*which, daemon),
            Action::Forget(which) => self.forget(*which, daemon),
            Action::Rollback(by) => rollback(*by, daemon),
            Action::Consolidate => code(daemon, "/v1/consolidate", json!({})),
            Action::WriterRound => code(daemon, "/v1/writer/rounds", json!({})),
            Action::Replay => code(daemon, "/v1/replay", json!({})),
            Action::AwaitTaken => {
                until_taken(daemon);
                None
            }
            Action::AwaitIdle => {
                if let Settled::Idle = until_idle(daemon) {
                    self.ledger.note_learned(&daemon.root);
                }
                None
            }
        };
        if let Some(code) = answered.filter(|code| *code >= 500 && honest) {
            self.wrong.push(format!("answer: {code} to {action:?}"));
        }
    }

    /// A document for the end, by which one sees that all goes on; its word.
    pub(crate) fn hand_last(&mut self) -> String {
        let number = self.ledger.number();
        let word = texts::word(self.seed, number);
        let content = self.ledger.add(word.clone(), texts::medium(&word).into_bytes(), true);
        self.put(&format!("last{number}.txt"), false, content);
        word
    }

    fn hand(&mut self, handed: &Handed, daemon: &Daemon) -> Option<u16> {
        let Handed { what, sent, tag } = *handed;
        let number = self.ledger.number();
        let word = texts::word(self.seed, number);
        let (name, tag, content) = match what {
            What::Short => (
                format!("d{number}.txt"),
                tag,
                self.ledger.add(word.clone(), texts::short(&word).into_bytes(), true),
            ),
            What::Medium => (
                format!("d{number}.txt"),
                tag,
                self.ledger.add(word.clone(), texts::medium(&word).into_bytes(), true),
            ),
            What::Taught(which) => {
                let (text, questions) = texts::taught(&word, which);
                if let Some(questions) = questions.filter(|_| !sent) {
                    let name = format!("d{number}.probes.jsonl");
                    self.put_bytes(&name, tag, questions.as_bytes());
                }
                (format!("d{number}.txt"), tag, self.ledger.add(word.clone(), text.into_bytes(), true))
            }
            What::Again(which) => {
                let earlier = pick(&self.ledger.names, which)?.content;
                let one = &mut self.ledger.contents[earlier];
                if one.forgotten == Forgotten::Yes {
                    one.forgotten = Forgotten::Perhaps;
                }
                let ending = if one.readable { "txt" } else { "pdf" };
                (format!("again{number}.{ending}"), tag, earlier)
            }
            What::Version(which) => {
                let Name { name, tag, .. } = pick(&self.ledger.names, which)?.clone();
                (name, tag, self.ledger.add(word.clone(), texts::medium(&word).into_bytes(), true))
            }
            What::Bad(which) => {
                let (ending, begin) = texts::BAD[which % texts::BAD.len()];
                let bytes = [begin, word.as_bytes()].concat();
                (format!("bad{number}.{ending}"), tag, self.ledger.add(word.clone(), bytes, false))
            }
            What::Empty => {
                self.put_bytes(&format!("empty{number}.txt"), tag, b"");
                return None;
            }
        };
        if sent { self.send(&name, tag, content, daemon) } else { self.put(&name, tag, content) }
    }

    /// Puts a file into the inbox, whole at once.
    fn put(&mut self, name: &str, tag: bool, content: usize) -> Option<u16> {
        let path = self.inbox(tag).join(name);
        if path.exists() {
            self.lose(name, tag);
        }
        let bytes = self.ledger.contents[content].bytes.clone();
        self.put_bytes(name, tag, &bytes);
        self.ledger.names.push(Name { name: name.into(), tag, content });
        None
    }

    /// What was handed in under that name last may not have been taken before another took its place.
    fn lose(&mut self, name: &str, tag: bool) {
        let earlier = self.ledger.names.iter().rfind(|one| one.name == name && one.tag == tag);
        if let Some(content) = earlier.map(|one| one.content) {
            self.ledger.contents[content].certain = false;
        }
    }

    fn inbox(&self, tag: bool) -> std::path::PathBuf {
        let inbox = self.place.join("root/inbox");
        if tag { inbox.join(TAG) } else { inbox }
    }

    fn put_bytes(&self, name: &str, tag: bool, bytes: &[u8]) {
        let staged = self.place.join("handing-in");
        fs::write(&staged, bytes).unwrap();
        let folder = self.inbox(tag);
        fs::create_dir_all(&folder).unwrap();
        fs::rename(staged, folder.join(name)).unwrap();
    }

    fn send(&mut self, name: &str, tag: bool, content: usize, daemon: &Daemon) -> Option<u16> {
        if self.inbox(tag).join(name).exists() {
            self.lose(name, tag);
        }
        let query = if tag { format!("&tag={TAG}") } else { String::new() };
        let bytes = self.ledger.contents[content].bytes.clone();
        let answer = daemon.ask("POST", &format!("/v1/documents?name={name}{query}"), &bytes);
        // Under several names it was handed in for certain already.
        let first = self.ledger.names.iter().all(|one| one.content != content);
        self.ledger.names.push(Name { name: name.into(), tag, content });
        let taken = matches!(answer, Ok((202, _)));
        if first && !taken {
            self.ledger.contents[content].certain = false;
        } else if taken {
            self.ledger.contents[content].certain = true;
        }
        answer.ok().map(|(code, _)| code)
    }

    /// Writes a file whose writer goes on once its beginning was taken.
    fn grow(&mut self, daemon: &mut Daemon) -> Option<u16> {
        let (number, second) = (self.ledger.number(), self.ledger.number());
        let (word, rest) = (texts::word(self.seed, number), texts::word(self.seed, second));
        let (begin, end) = texts::growing(&word, &rest);
        let (name, path) = (format!("grow{number}.txt"), self.inbox(false).join(format!("grow{number}.txt")));
        let mut file = File::create(&path).unwrap();
        file.write_all(begin.as_bytes()).unwrap();
        let half = self.ledger.add(word, begin.clone().into_bytes(), true);
        self.ledger.contents[half].certain = false;
        let taken = until(daemon, |_| !path.exists());
        file.write_all(end.as_bytes()).unwrap();
        drop(file);
        let whole = self.ledger.add(rest.clone(), format!("{begin}{end}").into_bytes(), true);
        self.ledger.names.push(Name { name, tag: false, content: whole });
        // Nobody looks again once another process has begun.
        let root = daemon.root.clone();
        let read = taken
            && until(daemon, |_| {
                rows(&root).is_ok_and(|rows| rows.iter().any(|row| row.text.contains(&rest)))
            });
        if !read {
            self.ledger.contents[whole].certain = false;
            if taken && daemon.ended().is_none() && !self.ledger.io_failed {
                self.wrong.push(format!(
                    "lost: what was written to {} after it was taken was not read",
                    path.display()
                ));
            }
        }
        None
    }

    /// Cuts a file to half as soon as it lies there.
    fn cut_while_read(&mut self, daemon: &Daemon) -> Option<u16> {
        let number = self.ledger.number();
        let word = texts::word(self.seed, number);
        let (name, bytes) = (format!("cut{number}.txt"), texts::short(&word).repeat(40).into_bytes());
        let path = self.inbox(false).join(&name);
        let content = self.ledger.add(word, bytes.clone(), true);
        self.ledger.contents[content].certain = false;
        self.ledger.names.push(Name { name, tag: false, content });
        let file = File::create(&path).unwrap();
        (&file).write_all(&bytes).unwrap();
        let _ = daemon.status();
        file.set_len(bytes.len() as u64 / 2).unwrap();
        None
    }

    fn ask(&mut self, ask: Ask, daemon: &Daemon) -> Option<u16> {
        let messages = json!([{"role": "user", "content": "Who founded the works?"}]);
        let chat =
            |stream: bool| json!({"model": "live", "messages": messages, "max_tokens": 12, "stream": stream});
        let (method, path, body, right) = match ask {
            Ask::Chat => ("POST", "/v1/chat/completions", chat(false).to_string(), 200),
            Ask::Stream => ("POST", "/v1/chat/completions", chat(true).to_string(), 200),
            Ask::Completion => {
                let body = json!({"model": "live", "prompt": "The works", "max_tokens": 8});
                ("POST", "/v1/completions", body.to_string(), 200)
            }
            Ask::Embeddings => {
                ("POST", "/v1/embeddings", json!({"model": "live", "input": "a"}).to_string(), 404)
            }
            Ask::NoJson => ("POST", "/v1/chat/completions", "{\"model\": \"live\", ".to_string(), 400),
            Ask::Deep => ("POST", "/v1/chat/completions", deep().to_string(), 400),
            Ask::Why => ("POST", "/v1/why", json!({"question": "Who founded the works?"}).to_string(), 200),
            Ask::Status => ("GET", "/v1/status", String::new(), 200),
            Ask::Documents => ("GET", "/v1/documents?limit=500", String::new(), 200),
            Ask::Metrics => ("GET", "/metrics", String::new(), 200),
        };
        let code = daemon.ask(method, path, body.as_bytes()).ok()?.0;
        if code != right && code < 500 && code != 429 {
            self.wrong.push(format!("answer: {code} to {ask:?}, and not {right}"));
        }
        Some(code)
    }

    fn retry(&mut self, which: usize, daemon: &Daemon) -> Option<u16> {
        let rows = rows(&daemon.root).ok()?;
        let row = pick(&rows, which)?;
        code(daemon, &format!("/v1/documents/{}/retry", row.id), json!({}))
    }

    fn forget(&mut self, which: usize, daemon: &Daemon) -> Option<u16> {
        let rows = rows(&daemon.root).ok()?;
        let row = pick(&rows, which)?;
        let on_its_way = !waiting_files(&daemon.root).is_empty();
        let answer = daemon.json("POST", &format!("/v1/documents/{}/forget", row.id), "{}").ok();
        let code = answer.map(|(code, _)| code);
        if matches!(code, Some(400..500)) {
            return code;
        }
        let this = self.ledger.of(&row.text);
        let surely = code == Some(202) && !on_its_way;
        // Earlier versions go with it; which those were, only the daemon knows.
        let same: Vec<usize> = rows
            .iter()
            .filter(|one| one.name == row.name)
            .filter_map(|one| self.ledger.of(&one.text))
            .collect();
        for place in same {
            let content = &mut self.ledger.contents[place];
            content.forgotten =
                if surely && Some(place) == this { Forgotten::Yes } else { Forgotten::Perhaps };
        }
        code
    }
}

fn code(daemon: &Daemon, path: &str, body: Value) -> Option<u16> {
    daemon.json("POST", path, &body.to_string()).ok().map(|(code, _)| code)
}

fn rollback(by: usize, daemon: &Daemon) -> Option<u16> {
    let folders = files(&daemon.root.join("adapters"));
    let mut generations: Vec<String> = folders
        .iter()
        .filter_map(|path| path.parent()?.file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with("gen-"))
        .collect();
    generations.dedup();
    let to =
        generations.len().checked_sub(1 + by).map_or("base".to_string(), |place| generations[place].clone());
    code(daemon, "/v1/rollback", json!({ "to": to }))
}

/// A schema of references, each to the next.
fn deep() -> Value {
    let links: serde_json::Map<String, Value> =
        (0..20_000).map(|n| (format!("d{n}"), json!({"$ref": format!("#/$defs/d{}", n + 1)}))).collect();
    let schema = json!({"$ref": "#/$defs/d0", "$defs": links});
    let format = json!({"type": "json_schema", "json_schema": {"name": "deep", "schema": schema}});
    json!({"model": "live", "messages": [{"role": "user", "content": "a"}], "response_format": format})
}

fn pick<T>(from: &[T], which: usize) -> Option<&T> {
    from.get(which % from.len().max(1))
}

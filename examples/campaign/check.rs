//! What must be true in the end, seen from outside: nothing lost, nothing twice, nothing unseen, nothing left lying about.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::json;

use crate::daemon::Daemon;
use crate::ledger::{Content, Forgotten, Ledger, Row, as_read, database, files, rows, waiting_files};

/// What the daemon says.
pub(crate) fn while_it_runs(daemon: &Daemon, ledger: &Ledger, root: &Path, last: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let body = json!({"model": "live", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8});
    for (method, path, body) in [
        ("POST", "/v1/chat/completions", body.to_string()),
        ("GET", "/healthz", String::new()),
        ("GET", "/metrics", String::new()),
        ("GET", "/v1/adapters", String::new()),
    ] {
        match daemon.ask(method, path, body.as_bytes()) {
            Ok((200, _)) => {}
            other => wrong.push(format!("answer: {other:?} to {path} in the end")),
        }
    }
    let Ok(status) = daemon.status() else { return vec!["answer: no status in the end".into()] };
    let problems = status["problems"].to_string();
    if !status["held"].is_null() {
        wrong.push(format!("idle: held in the end: {}", status["held"]));
    }
    let explained =
        |problem: &str| ["unknown-", "cannot be used", "inbox"].iter().any(|words| problem.contains(words));
    for problem in status["problems"].as_array().into_iter().flatten().filter_map(|one| one.as_str()) {
        if !explained(problem) {
            wrong.push(format!("problem: without a fault there is one: {problem}"));
        }
    }
    for path in waiting_files(root) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !problems.contains(&name) && !problems.contains("inbox") {
            wrong.push(format!("unseen: {name} stays in the inbox, and no problem says so: {problems}"));
        }
    }
    let aside = fs::read_dir(root.join("adapters")).unwrap().flatten();
    let aside = aside.filter(|entry| entry.file_name().to_string_lossy().starts_with("unknown-")).count();
    if aside > 0 && !problems.contains("unknown-") {
        wrong.push(format!("unseen: {aside} adapters were moved aside, and no problem says so: {problems}"));
    }
    match rows(root) {
        Ok(rows) => {
            let one = rows.iter().find(|row| row.text.contains(last));
            if one.is_none_or(|row| !matches!(row.state.as_str(), "learned" | "rejected")) {
                wrong.push(format!("idle: the last document was not judged: {one:?}"));
            }
        }
        Err(error) => wrong.push(format!("database: {error}")),
    }
    refused_are_listed(daemon, ledger, root, &mut wrong);
    wrong
}

/// Each file in `failed` is listed with its reason.
fn refused_are_listed(daemon: &Daemon, ledger: &Ledger, root: &Path, wrong: &mut Vec<String>) {
    let listed = daemon.ask("GET", "/v1/inbox/failed", b"").map(|answer| answer.1).unwrap_or_default();
    for path in files(&root.join("inbox/failed")) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".error.txt") {
            continue;
        }
        let note = path.with_file_name(format!("{name}.error.txt"));
        let sidecar = name.ends_with(".probes.jsonl");
        if !sidecar && (!note.exists() || !listed.contains(&name)) {
            wrong.push(format!("unseen: {name} lies in failed without a reason, or is not listed"));
        }
        let bytes = fs::read(&path).unwrap_or_default();
        let whole = ledger.contents.iter().any(|one| one.readable && one.certain && one.bytes == bytes);
        if whole && !ledger.io_failed {
            let reason = fs::read_to_string(&note).unwrap_or_default();
            wrong.push(format!("lost: {name} is whole and was refused: {}", reason.replace('\n', " ")));
        }
    }
}

/// What lies on the disk once it has stopped.
pub(crate) fn afterwards(root: &Path, ledger: &Ledger) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Err(error) = look(root, ledger, &mut wrong) {
        wrong.push(format!("database: {error}"));
    }
    for path in files(root) {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let litter = [".staging-", ".replaced-", ".live-new", ".seald-", ".tmp", "-journal"];
        let within_work = name.starts_with("state/work/");
        if within_work || litter.iter().any(|part| name.contains(part)) {
            wrong.push(format!("litter: {name}"));
        }
    }
    wrong
}

fn look(root: &Path, ledger: &Ledger, wrong: &mut Vec<String>) -> rusqlite::Result<()> {
    let db = database(root)?;
    let found: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if found != "ok" {
        wrong.push(format!("database: {found}"));
    }
    let broken: usize =
        db.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
    if broken > 0 {
        wrong.push(format!("database: {broken} rows refer to nothing"));
    }
    let rows = rows(root)?;
    let kinds = words(&db, "SELECT DISTINCT kind FROM events")?;
    let inbox = files(&root.join("inbox"));
    let handed: Vec<(String, Vec<u8>)> =
        inbox.iter().map(|path| (path.display().to_string(), fs::read(path).unwrap_or_default())).collect();
    for one in &ledger.contents {
        content(one, &rows, &handed, ledger, &kinds, wrong);
    }
    for row in &rows {
        if row.state == "waiting" {
            wrong.push(format!("idle: document {} ({}) waits in the end", row.id, row.name));
        }
        if matches!(row.state.as_str(), "rejected" | "failed") && row.reasons == "[]" {
            wrong.push(format!("unseen: document {} is {} without a reason", row.id, row.state));
        }
    }
    adapters(&db, root, &rows, ledger, wrong)?;
    forgotten(root, ledger, &rows, wrong);
    Ok(())
}

/// One content: where its file is, and its row.
fn content(
    one: &Content,
    rows: &[Row],
    handed: &[(String, Vec<u8>)],
    ledger: &Ledger,
    kinds: &BTreeSet<String>,
    wrong: &mut Vec<String>,
) {
    let Content { word, bytes, readable, certain, forgotten, learned } = one;
    let of_it: Vec<&Row> = rows.iter().filter(|row| row.text.trim() == as_read(bytes)).collect();
    if of_it.len() > 1 {
        wrong.push(format!("twice: {word} is {} documents", of_it.len()));
    }
    let places: Vec<&str> =
        handed.iter().filter(|(_, held)| held == bytes).map(|(path, _)| path.as_str()).collect();
    if *forgotten != Forgotten::No || !certain {
        return;
    }
    if places.is_empty() {
        wrong.push(format!("lost: the file of {word} is nowhere"));
    }
    let within = |folder: &str| places.iter().any(|path| path.contains(folder));
    if *readable && of_it.is_empty() && !within("/inbox/failed/") && within("/inbox/done/") {
        wrong.push(format!("lost: {word} lies in done, and no document is of it"));
    }
    if *readable && of_it.is_empty() && places.is_empty() {
        wrong.push(format!("lost: {word} was handed in, and no document is of it"));
    }
    if !readable && !within("/inbox/failed/") && !places.is_empty() {
        wrong.push(format!("unseen: {word} cannot be read, and lies in {places:?}"));
    }
    let gone = of_it.first().filter(|row| *learned && row.state != "learned" && !row.replaced);
    let said = ["rolled_back", "fell_back", "rolled_back_for_budget", "retried", "ended"];
    if let Some(row) = gone.filter(|_| !ledger.restored && !said.iter().any(|kind| kinds.contains(*kind))) {
        wrong.push(format!("unseen: {word} was learned and is {} now: {}", row.state, row.reasons));
    }
}

/// Generations: their folders are their rows, and what is accepted is what the live one contains.
fn adapters(
    db: &Connection,
    root: &Path,
    rows: &[Row],
    ledger: &Ledger,
    wrong: &mut Vec<String>,
) -> rusqlite::Result<()> {
    let named = words(
        db,
        "SELECT printf('gen-%06d', id) FROM generations UNION SELECT printf('writer-%06d', id) FROM writers",
    )?;
    let there: BTreeSet<String> = fs::read_dir(root.join("adapters"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("gen-") || name.starts_with("writer-"))
        .collect();
    for name in there.difference(&named) {
        wrong.push(format!("adapters: {name} has no row"));
    }
    let live = words(db, "SELECT printf('gen-%06d', generation) FROM live WHERE generation IS NOT NULL")?
        .pop_first();
    // Forgetting removes every generation that contains the document; rows stay, for numbers are not used twice.
    let forgot: usize = db.query_row("SELECT count(*) FROM forgettings", [], |row| row.get(0))?;
    for name in named.difference(&there).filter(|name| forgot == 0 || live.as_ref() == Some(*name)) {
        wrong.push(format!("adapters: the files of {name} are gone"));
    }
    let link = fs::read_link(root.join("adapters/live")).ok().map(|to| to.to_string_lossy().into_owned());
    if live != link {
        wrong.push(format!("adapters: live is {live:?}, and the link says {link:?}"));
    }
    let chain = "WITH RECURSIVE chain (id) AS (SELECT generation FROM live WHERE generation IS NOT NULL
                 UNION SELECT parent FROM generations JOIN chain USING (id) WHERE parent IS NOT NULL)";
    let within = words(db, &format!("{chain} SELECT printf('gen-%06d', id) FROM chain"))?;
    let fell = words(db, "SELECT json_extract(body, '$.generation') FROM events WHERE kind = 'fell_back'")?;
    if let Some(name) =
        ledger.damaged.iter().find(|name| live.as_ref() == Some(name) && !fell.contains(*name))
    {
        // What was restored may have learned another one of that name.
        if !ledger.restored && !within.is_empty() {
            wrong.push(format!("unseen: {name} was damaged, is live, and nothing said so"));
        }
    }
    let contained = words(
        db,
        &format!(
            "{chain} SELECT CAST(document AS TEXT) FROM generation_documents JOIN chain ON generation = chain.id"
        ),
    )?;
    for row in rows {
        let id = row.id.to_string();
        if row.state == "learned" && !contained.contains(&id) {
            wrong.push(format!(
                "lost: document {id} is accepted, and the live generation does not contain it"
            ));
        }
        if row.state != "learned" && contained.contains(&id) {
            wrong.push(format!("twice: the live generation contains document {id}, which is {}", row.state));
        }
    }
    Ok(())
}

/// What was forgotten is nowhere below the root but in files that are not seald's.
fn forgotten(root: &Path, ledger: &Ledger, rows: &[Row], wrong: &mut Vec<String>) {
    let gone = ledger.contents.iter().filter(|one| one.readable && one.forgotten == Forgotten::Yes);
    for Content { word, .. } in gone {
        if rows.iter().any(|row| row.text.contains(word)) {
            wrong.push(format!("forgotten: {word} is a document"));
        }
        for path in
            [root.join("state"), root.join("adapters"), root.join("inbox")].iter().flat_map(|f| files(f))
        {
            let bytes = fs::read(&path).unwrap_or_default();
            if bytes.windows(word.len()).any(|window| window == word.as_bytes()) {
                wrong.push(format!("forgotten: {word} is in {}", path.strip_prefix(root).unwrap().display()));
            }
        }
    }
}

fn words(db: &Connection, sql: &str) -> rusqlite::Result<BTreeSet<String>> {
    let mut query = db.prepare(sql)?;
    let found = query.query_map([], |row| row.get::<_, String>(0))?;
    found.collect()
}

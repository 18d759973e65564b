//! Files are damaged while nobody runs; a database is restored as docs/operations.md says.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::daemon::Daemon;
use crate::faults::Tools;
use crate::ledger::{Forgotten, Ledger, files};
use crate::plan::{Damage, Fault, How};

/// Does it; what was found wrong meanwhile. None where there is nothing to damage.
pub(crate) fn inflict(
    damage: Damage,
    root: &Path,
    place: &Path,
    ledger: &mut Ledger,
    tools: &Tools,
) -> Option<Vec<String>> {
    let live = fs::read_link(root.join("adapters/live")).ok();
    let in_live = |name: &str| live.as_ref().map(|live| root.join("adapters").join(live).join(name));
    let (path, how) = match damage {
        Damage::LiveWeights(how) => (in_live("adapter_model.safetensors")?, how),
        Damage::LiveCard(how) => (in_live("seald.json")?, how),
        Damage::Work(how) => (files(&root.join("state/work")).into_iter().next()?, how),
        Damage::Backup(how) => (newest_backup(root)?, how),
        Damage::Place(how) => (root.join("state/place"), how),
        Damage::Database => return restore(root, place, ledger, tools),
    };
    hurt(&path, how)?;
    if let (Some(live), Damage::LiveWeights(_) | Damage::LiveCard(How::Flip | How::Cut)) = (live, damage) {
        ledger.damaged.push(live.to_string_lossy().into_owned());
    }
    Some(Vec::new())
}

fn hurt(path: &Path, how: How) -> Option<()> {
    let mut bytes = fs::read(path).ok()?;
    match how {
        How::Remove => return fs::remove_file(path).ok(),
        How::Cut => bytes.truncate(bytes.len() / 2),
        How::Flip => {
            let middle = bytes.len() / 2;
            bytes[middle..].iter_mut().take(16).for_each(|byte| *byte ^= 0x5a);
        }
    }
    fs::write(path, bytes).ok()
}

/// The one that has seen most, whatever the clock said when it was made.
fn newest_backup(root: &Path) -> Option<PathBuf> {
    let all = files(&root.join("state/backups")).into_iter();
    let ours = all.filter(|path| path.extension().is_some_and(|end| end == "db"));
    ours.max_by_key(|path| (events(path).unwrap_or(0), path.clone()))
}

fn events(path: &Path) -> rusqlite::Result<i64> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.query_row("SELECT seq FROM sqlite_sequence WHERE name = 'events'", [], |row| row.get(0))
}

/// Damages the database, sees the start refused, and restores the newest backup.
fn restore(root: &Path, place: &Path, ledger: &mut Ledger, tools: &Tools) -> Option<Vec<String>> {
    let (database, backup) = (root.join("state/seald.db"), newest_backup(root)?);
    let mut wrong = Vec::new();
    let beside = |ending: &str| PathBuf::from(format!("{}{ending}", database.display()));
    let away = || ["-wal", "-shm"].iter().for_each(|ending| drop(fs::remove_file(beside(ending))));
    away();
    let mut bytes = fs::read(&database).ok()?;
    bytes.get_mut(100..)?.fill(0x5a);
    fs::write(&database, &bytes).unwrap();
    let mut daemon =
        Daemon::start(tools, root, &Fault::Nothing, &place.join("refused.log"), &place.join("none"));
    if daemon.wait_ready() {
        wrong.push("damage: it serves with a damaged database".into());
        daemon.kill();
    }
    let (words, code) = (daemon.logged(), daemon.wait_ended().code());
    if code != Some(1) || !words.contains(&backup.display().to_string()) {
        wrong.push(format!("damage: no refusal that names {}: {code:?} {words}", backup.display()));
    }
    away();
    fs::copy(&backup, &database).unwrap();
    // What was learned after the backup is not in it.
    let done = root.join("inbox/done");
    for path in files(&done) {
        let to = root.join("inbox").join(path.strip_prefix(&done).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        if to.exists() {
            ledger.contents.iter_mut().for_each(|one| one.certain = false);
        }
        fs::rename(&path, to).unwrap();
    }
    ledger.restored = true;
    for one in &mut ledger.contents {
        one.learned = false;
        if one.forgotten == Forgotten::Yes {
            one.forgotten = Forgotten::Perhaps;
        }
    }
    Some(wrong)
}

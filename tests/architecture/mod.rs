//! Checks what the compiler cannot: which module of `src` uses which, that the pages name what is there, first lines and lengths.
//!
//! That a crate uses only what lies below it, the compiler sees to. The rules are here, the scanner they stand on in
//! `scan.rs`, and `broken.rs` breaks each rule once on a small tree to see it speak up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::repository::repository;
use regex::Regex;

use scan::{code_only, first_segments, line_of, without_tests};

mod broken;
mod scan;

const MAX_FILE_LINES: usize = 400;

/// Files that may be longer, each with its reason: `("src/x.rs", "why")`.
const LONG_FILES: &[(&str, &str)] = &[];

/// One file: its path from the repository root, `/` between the parts, and its text.
struct Source {
    path: String,
    text: String,
}

/// A table of the page: for each crate or module what it may use.
type Floors = BTreeMap<String, BTreeSet<String>>;

#[test]
fn the_table_of_the_crates_says_what_their_manifests_say() {
    let mut manifests = BTreeMap::new();
    for folder in fs::read_dir(repository().join("crates")).unwrap().map(|e| e.unwrap().path()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        manifests.insert(name, fs::read_to_string(folder.join("Cargo.toml")).unwrap());
    }
    manifests.insert("seald".into(), fs::read_to_string(repository().join("Cargo.toml")).unwrap());
    report(table_differences(&floors(&page(), "crate"), &manifests));
}

#[test]
fn every_module_stands_in_its_table() {
    report(unlisted_modules(&tree(&["src"]), &floors(&page(), "module")));
}

#[test]
fn modules_use_only_what_lies_below() {
    report(forbidden_uses(&tree(&["src"]), &floors(&page(), "module")));
}

#[test]
fn the_map_of_the_engine_is_that_of_its_folder() {
    report(engine_map_differences(&tree(&["crates/engine/src"]), &page()));
}

#[test]
fn every_file_says_what_it_is_for() {
    report(silent_files(&tree(&["src", "crates", "tests", "benches", "examples"])));
}

#[test]
fn files_are_short() {
    report(long_files(&tree(&["src", "crates", "tests", "benches", "examples"]), LONG_FILES));
}

/// Fails with all complaints at once.
fn report(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Every Rust file under the named folders, sorted.
fn tree(folders: &[&str]) -> Vec<Source> {
    let mut files = Vec::new();
    for folder in folders {
        collect(&repository().join(folder), &mut files);
    }
    assert!(files.len() > 20, "{folders:?} hold {} files below {}", files.len(), repository().display());
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn collect(folder: &Path, files: &mut Vec<Source>) {
    for path in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let below = path.strip_prefix(repository()).unwrap();
            let parts: Vec<_> = below.iter().map(|p| p.to_string_lossy()).collect();
            files.push(Source { path: parts.join("/"), text: fs::read_to_string(&path).unwrap() });
        }
    }
}

fn page() -> String {
    fs::read_to_string(repository().join("docs/architecture.md")).unwrap()
}

/// Reads the table whose header is `| WHAT | may use | holds |`.
fn floors(page: &str, what: &str) -> Floors {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|c| c.trim().to_string()).collect()
    };
    let rows = page.lines().skip_while(|l| cells(l) != [what, "may use", "holds"]).skip(2);
    let rows: Vec<Vec<String>> = rows.take_while(|l| l.starts_with('|')).map(cells).collect();
    assert!(
        !rows.is_empty(),
        "docs/architecture.md has no table `| {what} | may use | holds |`: put it back"
    );
    let mut floors = Floors::new();
    for row in rows {
        let [name, uses, _] = row.as_slice() else { panic!("row {row:?}: give it three cells") };
        let uses = uses.split(',').map(|n| n.trim().to_string()).filter(|n| n != "nothing").collect();
        assert!(
            floors.insert(name.clone(), uses).is_none(),
            "docs/architecture.md lists {name} twice: keep one row"
        );
    }
    floors
}

/// Of our crates those that a manifest depends on, tests left out, by folder names: `seald-core` is `core`.
fn our_dependencies(manifest: &str) -> BTreeSet<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    let targets = manifest.get("target").and_then(|t| t.as_table()).into_iter().flat_map(|t| t.values());
    let tables = std::iter::once(&manifest).chain(targets.filter_map(|target| target.as_table()));
    let of = |table: &toml::Table, kind: &str| table.get(kind).and_then(|found| found.as_table()).cloned();
    let named =
        tables.flat_map(|table| [of(table, "dependencies"), of(table, "build-dependencies")]).flatten();
    let folder = |name: &String| match name.strip_prefix("seald-") {
        Some(folder) => Some(folder.to_string()),
        None => ["seald", "sealctl"].contains(&name.as_str()).then(|| name.clone()),
    };
    named.flat_map(|dependencies| dependencies.keys().filter_map(folder).collect::<Vec<_>>()).collect()
}

/// The crates' rows against their manifests.
fn table_differences(floors: &Floors, manifests: &BTreeMap<String, String>) -> Vec<String> {
    let ours = our_dependencies;
    let actual: Floors = manifests.iter().map(|(name, manifest)| (name.clone(), ours(manifest))).collect();
    let names: BTreeSet<&String> = actual.keys().chain(floors.keys()).collect();
    let differ = names.into_iter().filter(|name| actual.get(*name) != floors.get(*name));
    differ
        .map(|name| {
            let (is, says) = (actual.get(name), floors.get(name));
            format!("docs/architecture.md says that crate {name} may use {says:?}, its manifest says {is:?}: make them agree")
        })
        .collect()
}

/// `src/api/router.rs` -> `api`, `src/bin/seald/main.rs` -> `bin/seald`, `src/lib.rs` -> none.
fn module_of(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.strip_prefix("src/")?.strip_suffix(".rs")?.split('/').collect();
    match parts.as_slice() {
        ["lib"] | [] => None,
        ["bin", name, ..] => Some(format!("bin/{name}")),
        [name, ..] => Some(name.to_string()),
    }
}

fn unlisted_modules(files: &[Source], floors: &Floors) -> Vec<String> {
    let present: BTreeSet<String> = files.iter().filter_map(|f| module_of(&f.path)).collect();
    let listed: BTreeSet<String> = floors.keys().cloned().collect();
    let unlisted = present.difference(&listed).map(|m| {
        format!("src/{m} is not in the table of docs/architecture.md: add a row that says what it may use")
    });
    let gone = listed.difference(&present).map(|m| {
        format!("docs/architecture.md has a row for {m}, but src/{m} does not exist: take the row out")
    });
    unlisted.chain(gone).collect()
}

/// Uses of a module of `src`, or of a crate of `crates`, that the user's row does not name.
fn forbidden_uses(files: &[Source], floors: &Floors) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        let Some(module) = module_of(&file.path) else { continue };
        let Some(below) = floors.get(&module) else { continue };
        for (line, name) in used_names(file) {
            if name != module && !below.contains(&name) {
                complaints.push(format!("{}:{line}: {module} uses {name}, which its row in docs/architecture.md does not name: move the code down, pass the value in, or change the design (table and reason)", file.path));
            }
        }
    }
    complaints
}

/// The modules of the library, and our crates, that a file's code mentions, with their lines.
fn used_names(file: &Source) -> Vec<(usize, String)> {
    if file.path.ends_with("/tests.rs") || file.text.contains("#![cfg(test)]") {
        return Vec::new();
    }
    let code = without_tests(&code_only(&file.text));
    let own = if file.path.starts_with("src/bin/") { "seald" } else { "crate" };
    let mut names = Vec::new();
    for found in Regex::new(&format!(r"\b{own}\s*::\s*")).unwrap().find_iter(&code) {
        let line = line_of(&code, found.start());
        names.extend(first_segments(&code[found.end()..]).into_iter().map(|name| (line, name)));
    }
    for found in Regex::new(r"\b(?:seald_(\w+)|(sealctl)\s*(?:::|as\b))").unwrap().captures_iter(&code) {
        let name = found.get(1).or(found.get(2)).unwrap().as_str();
        names.push((line_of(&code, found.get(0).unwrap().start()), name.to_string()));
    }
    names
}

/// What the section "Inside the engine" names in the first cells of its tables (`decoder`, `kernels/norm`, `kernels/`
/// for `kernels/mod.rs`) against the files of the engine, unit tests left out.
fn engine_map_differences(files: &[Source], page: &str) -> Vec<String> {
    let quoted = Regex::new("`([^`]+)`").unwrap();
    let section = page.lines().skip_while(|l| *l != "## Inside the engine").skip(1);
    let rows = section.take_while(|l| !l.starts_with("## ")).filter(|l| l.starts_with('|'));
    let cells: Vec<&str> = rows.filter_map(|l| l.split('|').nth(1)).collect();
    let named: BTreeSet<String> =
        cells.iter().flat_map(|c| quoted.captures_iter(c)).map(|c| c[1].to_string()).collect();
    let name = |f: &Source| {
        let name = f.path.strip_prefix("crates/engine/src/")?.strip_suffix(".rs")?;
        let name = name.strip_suffix("mod").filter(|n| n.ends_with('/')).unwrap_or(name);
        (name != "lib" && !name.ends_with("tests")).then(|| name.to_string())
    };
    let existing: BTreeSet<String> = files.iter().filter_map(name).collect();
    let unnamed = existing.difference(&named).map(|n| {
        format!("crates/engine/src/{n} is not in docs/architecture.md, \"Inside the engine\": add a row that says what it holds")
    });
    let gone = named.difference(&existing).map(|n| {
        format!("docs/architecture.md, \"Inside the engine\", names `{n}`, but crates/engine/src/{n} does not exist: take the row out")
    });
    unnamed.chain(gone).collect()
}

fn silent_files(files: &[Source]) -> Vec<String> {
    let silent = |f: &&Source| !f.text.starts_with("//! ");
    let complain =
        |f: &Source| format!("{}: begin with a `//! ` line that says what the file is for", f.path);
    files.iter().filter(silent).map(complain).collect()
}

fn long_files(files: &[Source], exceptions: &[(&str, &str)]) -> Vec<String> {
    let long: BTreeMap<&str, usize> = files
        .iter()
        .map(|f| (f.path.as_str(), f.text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_FILE_LINES)
        .collect();
    let excused = |path: &str| exceptions.iter().any(|(p, reason)| *p == path && !reason.is_empty());
    let complaints = long.iter().filter(|(path, _)| !excused(path)).map(|(path, lines)| {
        format!("{path} has {lines} lines, {MAX_FILE_LINES} are allowed: find the missing noun and give it a file, or name the file and the reason in LONG_FILES")
    });
    let stale = exceptions.iter().filter(|(path, _)| !long.contains_key(path));
    complaints
        .chain(stale.map(|(path, _)| format!("{path} is no longer long: take it out of LONG_FILES")))
        .collect()
}

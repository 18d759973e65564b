//! Checks the tree against `docs/architecture.md`: who may use whom, and how long files and functions are.
//!
//! The rules are here, the scanner they stand on in `architecture/scan.rs`, and `architecture/broken.rs` breaks
//! each rule once on a small tree to see it speak up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use regex::Regex;

use scan::{code_only, first_segments, functions, line_of, without_tests};

#[path = "architecture/broken.rs"]
mod broken;
#[path = "architecture/scan.rs"]
mod scan;

const MAX_FILE_LINES: usize = 400;
const MAX_FUNCTION_LINES: usize = 70;

/// Files that may be longer, each with its reason: `("src/x.rs", "why")`.
const LONG_FILES: &[(&str, &str)] = &[];
/// Functions that may be longer, each with its reason: `("src/x.rs", "function", "why")`.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// One file: its path from the repository root, `/` between the parts, and its text.
struct Source {
    path: String,
    text: String,
}

/// The floors table: for each module what it may use, and which modules are only planned.
struct Floors {
    may_use: BTreeMap<String, BTreeSet<String>>,
    planned: BTreeSet<String>,
}

#[test]
fn every_module_stands_in_the_floors_table() {
    report(unlisted_modules(&tree(&["src"]), &floors()));
}

#[test]
fn every_module_marked_present_exists() {
    report(absent_modules(&tree(&["src"]), &floors()));
}

#[test]
fn the_map_of_the_engine_is_that_of_its_folder() {
    report(engine_map_differences(&tree(&["src"]), &page()));
}

#[test]
fn modules_use_only_what_lies_below() {
    report(forbidden_uses(&tree(&["src"]), &floors()));
}

#[test]
fn the_floors_table_has_no_cycle() {
    report(cycles(&floors()));
}

#[test]
fn every_file_says_what_it_is_for() {
    report(silent_files(&tree(&["src", "tests", "benches", "examples"])));
}

#[test]
fn files_are_short() {
    report(long_files(&tree(&["src", "tests", "benches", "examples"]), LONG_FILES));
}

#[test]
fn functions_are_short() {
    report(long_functions(&tree(&["src"]), LONG_FUNCTIONS));
}

/// Fails with all complaints at once.
fn report(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under the named folders, sorted. A folder that does not exist has none.
fn tree(folders: &[&str]) -> Vec<Source> {
    let mut files = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut files);
    }
    assert!(files.iter().any(|f| f.path == "src/lib.rs"), "src/lib.rs not found below {}", root().display());
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn collect(folder: &Path, files: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|e| e.unwrap().path()) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let parts: Vec<_> =
                path.strip_prefix(root()).unwrap().iter().map(|p| p.to_string_lossy()).collect();
            files.push(Source { path: parts.join("/"), text: fs::read_to_string(&path).unwrap() });
        }
    }
}

fn page() -> String {
    fs::read_to_string(root().join("docs/architecture.md")).unwrap()
}

fn floors() -> Floors {
    parse_floors(&page())
}

/// Reads the table whose header is `| module | may use | state |`.
fn parse_floors(page: &str) -> Floors {
    let cells = |line: &str| line.trim().trim_matches('|').split('|').map(|c| c.trim().to_string()).collect();
    let rows: Vec<Vec<String>> = page
        .lines()
        .skip_while(|l| cells(l) != ["module", "may use", "state"])
        .skip(2)
        .take_while(|l| l.starts_with('|'))
        .map(cells)
        .collect();
    assert!(
        !rows.is_empty(),
        "docs/architecture.md has no table `| module | may use | state |`: put it back"
    );
    let names: BTreeSet<&str> = rows.iter().map(|r| r[0].as_str()).collect();
    assert_eq!(names.len(), rows.len(), "docs/architecture.md lists a module twice: keep one row");
    let mut floors = Floors { may_use: BTreeMap::new(), planned: BTreeSet::new() };
    for row in &rows {
        let [module, uses, state] = row.as_slice() else { panic!("floors row {row:?}: give it three cells") };
        assert!(["present", "planned"].contains(&state.as_str()), "{module}: write `present` or `planned`");
        let below = allowed(module, uses, &names);
        for name in &below {
            assert!(
                names.contains(name.as_str()),
                "{module} may use `{name}`: give `{name}` a row of its own"
            );
        }
        floors.may_use.insert(module.clone(), below);
        if state == "planned" {
            floors.planned.insert(module.clone());
        }
    }
    floors
}

fn allowed(module: &str, uses: &str, names: &BTreeSet<&str>) -> BTreeSet<String> {
    let list = |text: &str| text.split(',').map(|n| n.trim().to_string()).collect::<BTreeSet<String>>();
    if uses == "nothing" {
        return BTreeSet::new();
    }
    let Some(rest) = uses.strip_prefix("everything") else { return list(uses) };
    let but = list(rest.trim_start().trim_start_matches("but"));
    let library = names.iter().filter(|n| !n.starts_with("bin/") && **n != module).map(|n| n.to_string());
    library.filter(|n| !but.contains(n)).collect()
}

/// `src/engine/lora.rs` -> `engine`, `src/bin/seald/main.rs` -> `bin/seald`, `src/lib.rs` -> none.
fn module_of(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.strip_prefix("src/")?.strip_suffix(".rs")?.split('/').collect();
    match parts.as_slice() {
        ["lib"] => None,
        ["bin", name, ..] => Some(format!("bin/{name}")),
        [name, ..] => Some(name.to_string()),
        [] => None,
    }
}

fn unlisted_modules(files: &[Source], floors: &Floors) -> Vec<String> {
    let present: BTreeSet<String> = files.iter().filter_map(|f| module_of(&f.path)).collect();
    let unlisted = present.iter().filter(|m| !floors.may_use.contains_key(*m)).map(|m| {
        format!(
            "src/{m} is not in the floors table of docs/architecture.md: add a row that says what it may use"
        )
    });
    let marked = present.intersection(&floors.planned).map(|m| {
        format!("src/{m} exists, but docs/architecture.md marks it planned: change the mark to present")
    });
    unlisted.chain(marked).collect()
}

fn absent_modules(files: &[Source], floors: &Floors) -> Vec<String> {
    let existing: BTreeSet<String> = files.iter().filter_map(|f| module_of(&f.path)).collect();
    let present = floors.may_use.keys().filter(|m| !floors.planned.contains(*m));
    let absent = present.filter(|m| !existing.contains(*m));
    absent
        .map(|m| {
            format!("docs/architecture.md marks {m} present, but src/{m} does not exist: write `planned`")
        })
        .collect()
}

/// What the section "Inside the engine" names in the first cells of its tables (`decoder`, `kernels/norm`, `kernels/`
/// for `kernels/mod.rs`) against the files below `src/engine`, unit tests left out.
fn engine_map_differences(files: &[Source], page: &str) -> Vec<String> {
    let quoted = Regex::new("`([^`]+)`").unwrap();
    let section = page.lines().skip_while(|l| *l != "## Inside the engine").skip(1);
    let rows = section.take_while(|l| !l.starts_with("## ")).filter(|l| l.starts_with('|'));
    let cells: Vec<&str> = rows.filter_map(|l| l.split('|').nth(1)).collect();
    let named: BTreeSet<String> =
        cells.iter().flat_map(|c| quoted.captures_iter(c)).map(|c| c[1].to_string()).collect();
    let name = |f: &Source| {
        let name = f.path.strip_prefix("src/engine/")?.strip_suffix(".rs")?;
        let name = name.strip_suffix("mod").filter(|n| n.is_empty() || n.ends_with('/')).unwrap_or(name);
        (!name.is_empty() && !name.ends_with("tests")).then(|| name.to_string())
    };
    let existing: BTreeSet<String> = files.iter().filter_map(name).collect();
    let unnamed = existing.difference(&named).map(|n| {
        format!("src/engine/{n} is not in docs/architecture.md, \"Inside the engine\": add a row that says what it holds")
    });
    let gone = named.difference(&existing).map(|n| {
        format!("docs/architecture.md, \"Inside the engine\", names `{n}`, but src/engine/{n} does not exist: take the row out")
    });
    unnamed.chain(gone).collect()
}

fn forbidden_uses(files: &[Source], floors: &Floors) -> Vec<String> {
    let lib = files.iter().find(|f| f.path == "src/lib.rs").map(|f| f.text.as_str()).unwrap_or_default();
    let reexports = reexports(&code_only(lib));
    let mut complaints = Vec::new();
    for file in files {
        let Some(module) = module_of(&file.path) else { continue };
        let Some(below) = floors.may_use.get(&module) else { continue };
        for (line, name) in used_names(file) {
            let target = reexports.get(&name).unwrap_or(&name);
            if *target == module || below.contains(target) {
                continue;
            }
            let at = format!("{}:{line}", file.path);
            complaints.push(if floors.may_use.contains_key(target) {
                format!("{at}: {module} uses {target}, which the floors table of docs/architecture.md does not allow: move the code down, pass the value in, or change the design (table and reason)")
            } else {
                format!("{at}: `{name}` is neither a module of the floors table nor re-exported by src/lib.rs: name the module it comes from")
            });
        }
    }
    complaints
}

/// The names directly below the library's root that a file's code mentions, with their lines.
fn used_names(file: &Source) -> Vec<(usize, String)> {
    if file.path.ends_with("/tests.rs") || file.text.contains("#![cfg(test)]") {
        return Vec::new();
    }
    let code = without_tests(&code_only(&file.text));
    let is_bin = file.path.starts_with("src/bin/");
    let absolute = if is_bin { r"\bseald\s*::\s*" } else { r"\bcrate\s*::\s*" };
    let mut names = Vec::new();
    for found in Regex::new(absolute).unwrap().find_iter(&code) {
        let line = line_of(&code, found.start());
        names.extend(first_segments(&code[found.end()..]).into_iter().map(|name| (line, name)));
    }
    // `super::super::x` can climb to the root too. A file's depth is the number of its module names.
    let stem = file.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let depth = stem.split('/').count();
    for found in Regex::new(r"\b(?:super\s*::\s*)+").unwrap().find_iter(&code) {
        if !is_bin && found.as_str().matches("super").count() == depth {
            let line = line_of(&code, found.start());
            let segments = first_segments(&code[found.end()..]).into_iter();
            names.extend(segments.filter(|n| n != "*").map(|name| (line, name)));
        }
    }
    names
}

/// What `pub use module::Name` in lib.rs offers at the root: name -> module.
fn reexports(lib: &str) -> BTreeMap<String, String> {
    let statement = Regex::new(r"pub use (?:crate::)?(\w+)::([^;]*);").unwrap();
    let name = Regex::new(r"(\w+)\s*(?:,|\}|$)").unwrap();
    let of = |c: regex::Captures<'_>| {
        let names: Vec<String> = name.captures_iter(&c[2]).map(|n| n[1].to_string()).collect();
        names.into_iter().map(|n| (n, c[1].to_string())).collect::<Vec<_>>()
    };
    statement.captures_iter(lib).flat_map(of).collect()
}

fn cycles(floors: &Floors) -> Vec<String> {
    let mut left = floors.may_use.clone();
    // Take away, again and again, what uses nothing more and what nobody uses: what stays goes round in circles.
    let loose = |left: &BTreeMap<String, BTreeSet<String>>| {
        let used: BTreeSet<&String> = left.values().flatten().collect();
        left.iter().find(|(m, below)| below.is_empty() || !used.contains(m)).map(|(m, _)| m.clone())
    };
    while let Some(module) = loose(&left) {
        left.remove(&module);
        for below in left.values_mut() {
            below.remove(&module);
        }
    }
    let names: Vec<&str> = left.keys().map(String::as_str).collect();
    if names.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "the floors table of docs/architecture.md has a cycle among {}: take one permission away",
        names.join(", ")
    )]
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

fn long_functions(files: &[Source], exceptions: &[(&str, &str, &str)]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut excused = BTreeSet::new();
    for file in files {
        for (line, name, lines) in functions(&without_tests(&code_only(&file.text))) {
            if lines <= MAX_FUNCTION_LINES {
                continue;
            }
            let exception =
                exceptions.iter().find(|(p, f, r)| *p == file.path && *f == name && !r.is_empty());
            match exception {
                Some(entry) => {
                    excused.insert(entry);
                }
                None => complaints.push(format!("{}:{line}: fn {name} has {lines} lines, {MAX_FUNCTION_LINES} are allowed: find the missing noun, or name the function and the reason in LONG_FUNCTIONS", file.path)),
            }
        }
    }
    let stale = exceptions.iter().filter(|e| !excused.contains(e));
    complaints.extend(
        stale.map(|(p, f, _)| format!("{p}: fn {f} is no longer long: take it out of LONG_FUNCTIONS")),
    );
    complaints
}

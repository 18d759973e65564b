//! Breaks each rule of the architecture once, on small trees held in strings, and reads the complaint.

use super::scan::{code_only, first_segments, functions, without_tests};
use super::{Floors, Source};

const PAGE: &str = "# Page\n\n| other | table |\n| --- | --- |\n| x | y |\n\n\
    | module | may use | state |\n| --- | --- | --- |\n\
    | error | nothing | present |\n\
    | engine | error | present |\n\
    | learn | engine, error | planned |\n\
    | daemon | everything but learn | present |\n\
    | bin/seald | everything | present |\n\nText.\n";

fn floors() -> Floors {
    super::parse_floors(PAGE)
}

fn source(path: &str, text: &str) -> Source {
    Source { path: path.into(), text: text.into() }
}

/// The complaints about the uses in one file, beside a lib.rs that re-exports two names.
fn uses(path: &str, text: &str) -> Vec<String> {
    let lib = source("src/lib.rs", "//! Map.\npub mod error;\npub use error::{Error, Result as Outcome};\n");
    super::forbidden_uses(&[lib, source(path, text)], &floors())
}

/// Exactly one complaint, which contains every one of `words`.
fn assert_one(complaints: &[String], words: &[&str]) {
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    for word in words {
        assert!(complaints[0].contains(word), "{:?} does not say {word:?}", complaints[0]);
    }
}

#[test]
fn the_table_is_read() {
    let floors = floors();
    let names = |module: &str| floors.may_use[module].iter().map(String::as_str).collect::<Vec<_>>();
    assert!(names("error").is_empty());
    assert_eq!(names("learn"), ["engine", "error"]);
    assert_eq!(names("daemon"), ["engine", "error"]);
    assert_eq!(names("bin/seald"), ["daemon", "engine", "error", "learn"]);
    assert_eq!(floors.planned.iter().collect::<Vec<_>>(), ["learn"]);
}

#[test]
#[should_panic(expected = "give `cellar` a row of its own")]
fn a_permission_needs_a_row() {
    super::parse_floors(&PAGE.replace("| engine | error |", "| engine | cellar, error |"));
}

#[test]
#[should_panic(expected = "lists a module twice")]
fn a_module_has_one_row() {
    super::parse_floors(&PAGE.replace("| daemon |", "| engine |"));
}

#[test]
#[should_panic(expected = "write `present` or `planned`")]
fn a_state_is_present_or_planned() {
    super::parse_floors(&PAGE.replace("error | planned", "error | soon"));
}

#[test]
#[should_panic(expected = "put it back")]
fn a_page_without_the_table_is_refused() {
    super::parse_floors(&PAGE.replace("may use", "uses"));
}

#[test]
fn an_unlisted_module_is_named() {
    let files = [source("src/lib.rs", ""), source("src/error.rs", ""), source("src/attic/box.rs", "")];
    assert_one(&super::unlisted_modules(&files, &floors()), &["src/attic", "add a row"]);
    let files = [source("src/bin/other.rs", "")];
    assert_one(&super::unlisted_modules(&files, &floors()), &["src/bin/other"]);
}

#[test]
fn a_module_that_exists_is_not_planned() {
    let files = [source("src/learn/gate.rs", "")];
    assert_one(&super::unlisted_modules(&files, &floors()), &["src/learn", "change the mark"]);
}

#[test]
fn upward_uses_are_named_in_all_their_forms() {
    for text in [
        "use crate::learn::Gate;",
        "use crate::{error::Error, learn::{Gate, Probe}};",
        "fn f() { crate::learn::go() }",
        "fn f() { crate :: learn :: go() }",
        "use super::super::learn::Gate;",
        "macro_rules! m { () => { $crate::learn::go() } }",
    ] {
        let complaints = uses("src/engine/decoder.rs", &format!("//! X\n{text}\n"));
        assert_one(&complaints, &["src/engine/decoder.rs:2", "engine uses learn", "move the code down"]);
    }
    assert_one(&uses("src/engine.rs", "use super::learn::Gate;"), &["engine uses learn"]);
    assert_one(&uses("src/engine/mod.rs", "use super::learn::Gate;"), &["engine uses learn"]);
    assert_one(&uses("src/daemon.rs", "use crate::learn::Gate;"), &["daemon uses learn"]);
}

#[test]
fn downward_uses_are_allowed() {
    for text in [
        "use crate::error::{Error, Kind};",
        "use crate::{Error, Outcome};",
        "use crate::engine::lora::Adapter;",
        "use super::*;\nuse super::lora::Adapter;",
        "pub(crate) fn f() {}",
        "// use crate::learn::Gate;\n/* crate::learn::Gate */\n/// [`crate::learn::Gate`]\nstruct S;",
        "const S: &str = \"crate::learn::Gate\"; const R: &str = r#\"a \" crate::learn::Gate\"#;",
        "#[cfg(test)]\nmod tests {\n    use crate::learn::Gate;\n}\n",
    ] {
        assert_eq!(uses("src/engine/decoder.rs", text), [""; 0], "{text}");
    }
    assert_eq!(uses("src/engine/tests.rs", "use crate::learn::Gate;"), [""; 0]);
}

#[test]
fn a_reexport_counts_as_its_module() {
    let lib = source("src/lib.rs", "pub use learn::{Gate, Probe};\npub use learn::trial::Trial;\n");
    for name in ["Gate", "Probe", "Trial"] {
        let files =
            [source("src/engine/x.rs", &format!("use crate::{name};")), source("src/lib.rs", &lib.text)];
        assert_one(&super::forbidden_uses(&files, &floors()), &["engine uses learn"]);
    }
    assert_one(&uses("src/engine/x.rs", "use crate::Unknown;"), &["`Unknown`", "name the module"]);
}

#[test]
fn a_binary_is_checked_by_the_library_names_it_uses() {
    assert_eq!(uses("src/bin/seald/main.rs", "use seald::learn::Gate;\nuse crate::progress::Bar;"), [""; 0]);
    assert_one(&uses("src/bin/seald/main.rs", "use seald::attic::Box;"), &["`attic`"]);
}

#[test]
fn a_module_marked_present_must_exist() {
    let mut files: Vec<Source> = ["error", "engine/mod", "bin/seald/main"]
        .iter()
        .map(|m| source(&format!("src/{m}.rs"), ""))
        .collect();
    assert_one(&super::absent_modules(&files, &floors()), &["marks daemon present", "write `planned`"]);
    files.push(source("src/daemon.rs", ""));
    assert!(super::absent_modules(&files, &floors()).is_empty());
}

#[test]
fn the_map_of_the_engine_must_name_every_file_and_no_other() {
    let page = "| `other` | x |\n## Inside the engine\n\n| file | holds `code` |\n| --- | --- |\n\
        | `chat`, `lora` | x |\n\n| `kernels/` | x |\n| `kernels/norm` | x |\n\n## Next\n\n| `another` | x |\n";
    let paths = ["mod", "chat", "lora", "kernels/mod", "kernels/norm", "kernels/tests"];
    let mut files: Vec<Source> = paths.iter().map(|m| source(&format!("src/engine/{m}.rs"), "")).collect();
    files.push(source("src/error.rs", ""));
    assert_eq!(super::engine_map_differences(&files, page), [""; 0]);
    let stale = super::engine_map_differences(&files, &page.replace("`lora`", "`lora`, `gone`"));
    assert_one(&stale, &["names `gone`", "take the row out"]);
    files.push(source("src/engine/kernels/rope.rs", ""));
    assert_one(
        &super::engine_map_differences(&files, page),
        &["src/engine/kernels/rope is not in", "add a row"],
    );
}

#[test]
fn a_cycle_is_named() {
    assert!(super::cycles(&floors()).is_empty());
    let round = super::parse_floors(&PAGE.replace("| error | nothing |", "| error | engine |"));
    assert_one(&super::cycles(&round), &["among engine, error:", "take one permission away"]);
}

#[test]
fn a_file_without_a_first_line_is_named() {
    let files = [source("src/a.rs", "//! A.\n"), source("src/b.rs", "use std::fs;\n//! B.\n")];
    assert_one(&super::silent_files(&files), &["src/b.rs", "`//! `"]);
}

#[test]
fn a_long_file_is_named_unless_excused() {
    let files = [source("src/a.rs", &"x\n".repeat(400)), source("src/b.rs", &"x\n".repeat(401))];
    assert_one(&super::long_files(&files, &[]), &["src/b.rs has 401 lines", "LONG_FILES"]);
    assert!(super::long_files(&files, &[("src/b.rs", "a table")]).is_empty());
    assert_one(&super::long_files(&files, &[("src/b.rs", "")]), &["src/b.rs has 401 lines"]);
    let stale = [("src/a.rs", "a table"), ("src/b.rs", "a table")];
    assert_one(&super::long_files(&files, &stale), &["src/a.rs is no longer long"]);
}

#[test]
fn a_long_function_is_named_unless_excused() {
    let of = |lines: usize| format!("\nimpl S {{\n    fn f() {{\n{}    }}\n}}\n", "x();\n".repeat(lines - 2));
    let long = [source("src/a.rs", &of(71))];
    assert_one(&super::long_functions(&long, &[]), &["src/a.rs:3", "fn f has 71 lines", "LONG_FUNCTIONS"]);
    assert!(super::long_functions(&long, &[("src/a.rs", "f", "one formula")]).is_empty());
    let short = [source("src/a.rs", &of(70))];
    assert!(super::long_functions(&short, &[]).is_empty());
    assert_one(&super::long_functions(&short, &[("src/a.rs", "f", "one formula")]), &["no longer long"]);
}

#[test]
fn only_code_is_left() {
    let text = "let a = \"}\\\"\"; // }\nlet b = '}'; let c = '\\''; /* }\n} */ fn f<'a>(x: &'a str) {}\n";
    let code = code_only(text);
    assert_eq!(code.lines().count(), text.lines().count());
    assert!(!code.contains("}\\") && code.matches('}').count() == 1, "{code:?}");
    assert!(code.contains("fn f<'a>(x: &'a str) {}"), "{code:?}");
    let raw = code_only("r\"\\\" + x + br##\"a\"# b\"##;");
    assert_eq!(raw.split_whitespace().collect::<Vec<_>>(), ["+", "x", "+", ";"]);
}

#[test]
fn test_items_are_left_out() {
    let code = "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod t { fn b() {} }\nfn c() {}\n#[cfg(test)]\nuse x::{y};\n#[cfg(not(test))]\nfn d() {}\n";
    let names: Vec<String> = functions(&without_tests(code)).into_iter().map(|(_, name, _)| name).collect();
    assert_eq!(names, ["a", "c", "d"]);
}

#[test]
fn functions_are_measured() {
    let code = "fn a(x: [u8; 2]) -> [u8; 2] {\n  if x {\n  }\n}\ntrait T { fn b();\n fn c(f: fn(u8)) {} }\n";
    let found = functions(code);
    let expected = [(1, "a", 4), (5, "b", 1), (6, "c", 1)];
    assert_eq!(found.iter().map(|(l, n, k)| (*l, n.as_str(), *k)).collect::<Vec<_>>(), expected);
}

#[test]
fn first_segments_of_use_trees() {
    assert_eq!(first_segments("a::b;"), ["a"]);
    assert_eq!(first_segments("{a::{b, c}, d as e, r#f,\n    g::*,\n}; fn x() {}"), ["a", "d", "f", "g"]);
    assert_eq!(first_segments("*;"), ["*"]);
}

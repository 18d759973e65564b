//! Breaks each rule of the architecture once, on small trees held in strings, and reads the complaint.

use std::collections::BTreeMap;

use super::scan::{code_only, without_tests};
use super::{Floors, Source};

const PAGE: &str = "# Page\n\n| other | table |\n| --- | --- |\n| x | y |\n\n\
    | module | may use | holds |\n| --- | --- | --- |\n\
    | config | core | x |\n\
    | pipeline | config, core, learn | x |\n\
    | bin/seald | config, core, pipeline | x |\n\nText.\n";

fn floors() -> Floors {
    super::floors(PAGE, "module")
}

fn source(path: &str, text: &str) -> Source {
    Source { path: path.into(), text: text.into() }
}

/// The complaints about the uses in one file.
fn uses(path: &str, text: &str) -> Vec<String> {
    super::forbidden_uses(&[source(path, text)], &floors())
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
    let names = |module: &str| floors()[module].iter().cloned().collect::<Vec<_>>();
    assert_eq!(names("config"), ["core"]);
    assert_eq!(names("pipeline"), ["config", "core", "learn"]);
}

#[test]
#[should_panic(expected = "lists config twice")]
fn a_module_has_one_row() {
    super::floors(&PAGE.replace("| pipeline |", "| config |"), "module");
}

#[test]
#[should_panic(expected = "put it back")]
fn a_page_without_the_table_is_refused() {
    super::floors(&PAGE.replace("may use", "uses"), "module");
}

#[test]
fn a_row_that_differs_from_its_manifest_is_named() {
    let page =
        "| crate | may use | holds |\n| --- | --- | --- |\n| core | nothing | x |\n| engine | core | x |\n";
    let table = super::floors(page, "crate");
    let manifest = |uses: &str| format!("[dependencies]\nserde.workspace = true\n{uses}\n");
    let mut manifests = BTreeMap::from([
        ("core".to_string(), manifest("")),
        ("engine".to_string(), manifest("seald-core.workspace = true")),
    ]);
    assert_eq!(super::table_differences(&table, &manifests), [""; 0]);
    manifests.insert("core".into(), manifest("seald-engine = { workspace = true }"));
    assert_one(&super::table_differences(&table, &manifests), &["crate core", "engine", "make them agree"]);
    manifests.insert("core".into(), manifest(""));
    manifests.remove("engine");
    assert_one(&super::table_differences(&table, &manifests), &["crate engine"]);
}

#[test]
fn a_module_without_a_row_and_a_row_without_a_module_are_named() {
    let mut files = vec![
        source("src/lib.rs", ""),
        source("src/config.rs", ""),
        source("src/pipeline/mod.rs", ""),
        source("src/bin/seald/main.rs", ""),
    ];
    assert_eq!(super::unlisted_modules(&files, &floors()), [""; 0]);
    files.push(source("src/attic/box.rs", ""));
    assert_one(&super::unlisted_modules(&files, &floors()), &["src/attic", "add a row"]);
    files.truncate(3);
    assert_one(&super::unlisted_modules(&files, &floors()), &["row for bin/seald", "take the row out"]);
}

#[test]
fn upward_uses_are_named_in_all_their_forms() {
    for text in [
        "use crate::pipeline::Worker;",
        "use crate::{config::Config, pipeline::{Worker, Stage}};",
        "fn f() { crate::pipeline::go() }",
        "fn f() { crate :: pipeline :: go() }",
        "macro_rules! m { () => { $crate::pipeline::go() } }",
    ] {
        let complaints = uses("src/config/load.rs", &format!("//! X\n{text}\n"));
        assert_one(&complaints, &["src/config/load.rs:2", "config uses pipeline", "move the code down"]);
    }
    assert_one(&uses("src/config.rs", "use seald_learn::gate::Gate;"), &["config uses learn"]);
    assert_one(&uses("src/bin/seald/main.rs", "use seald::attic::Box;"), &["uses attic"]);
}

#[test]
fn downward_uses_are_allowed() {
    for text in [
        "use crate::config::{Config, Size};",
        "use seald_learn::gate::Gate;\nuse crate::{config, pipeline::x};",
        "use super::*;\nuse super::lora::Adapter;",
        "pub(crate) fn f() {}",
        "// use crate::api::Gate;\n/* crate::api::Gate */\n/// [`crate::api::Gate`]\nstruct S;",
        "const S: &str = \"crate::api::Gate\"; const R: &str = r#\"a \" crate::api::Gate\"#;",
        "#[cfg(test)]\nmod tests {\n    use crate::api::Gate;\n}\n",
    ] {
        assert_eq!(uses("src/pipeline/worker.rs", text), [""; 0], "{text}");
    }
    assert_eq!(uses("src/config/tests.rs", "use crate::pipeline::Gate;"), [""; 0]);
}

#[test]
fn the_map_of_the_engine_must_name_every_file_and_no_other() {
    let page = "| `other` | x |\n## Inside the engine\n\n| file | holds `code` |\n| --- | --- |\n\
        | `chat`, `lora` | x |\n\n| `kernels/` | x |\n| `kernels/norm` | x |\n\n## Next\n\n| `another` | x |\n";
    let paths = ["lib", "chat", "lora", "kernels/mod", "kernels/norm", "kernels/tests"];
    let mut files: Vec<Source> =
        paths.iter().map(|m| source(&format!("crates/engine/src/{m}.rs"), "")).collect();
    assert_eq!(super::engine_map_differences(&files, page), [""; 0]);
    let stale = super::engine_map_differences(&files, &page.replace("`lora`", "`lora`, `gone`"));
    assert_one(&stale, &["names `gone`", "take the row out"]);
    files.push(source("crates/engine/src/kernels/rope.rs", ""));
    assert_one(&super::engine_map_differences(&files, page), &["kernels/rope is not in", "add a row"]);
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
    let left = without_tests(code);
    assert_eq!(left.lines().count(), code.lines().count());
    let kept = |name: &str| left.contains(name);
    assert!(kept("fn a") && kept("fn c") && kept("fn d") && !kept("fn b") && !kept("use x"), "{left}");
}

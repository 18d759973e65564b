//! Completions in a real bash, and what they ask for.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use seald_core::domain::document::DocumentState;
use seald_core::protocol::DocumentsPage;

use crate::binary::{run, told};
use crate::made_up;
use crate::server::{Reply, Server};

/// Names that would do harm, or confuse, if a shell read them; the last three have no line of their own.
const NAMES: [&str; 9] = [
    "plain.txt",
    "harbour rules.md",
    "$(touch pwned) `touch pwned`;&|.md",
    "it's \"quoted\".md",
    "a:b=c.md",
    "漁業 組合.md",
    "two\nlines.md",
    "escape\u{1b}[2J.md",
    "--help",
];

fn server() -> Server {
    let server = Server::start();
    let documents = NAMES.iter().enumerate().rev().map(|(at, name)| seald_core::protocol::DocumentLine {
        name: name.to_string(),
        ..made_up::line(at as i64 + 1, "A\ttitle\nof \u{1b}two", DocumentState::Learned)
    });
    let page = DocumentsPage { documents: documents.collect(), next_before: None, total: NAMES.len() };
    server.on("GET /v1/documents?limit=500", Reply::json(&page));
    server.on("GET /v1/adapters", Reply::json(&made_up::adapters(12)));
    server
}

/// What bash offers for a line that ends at the cursor, and what a command gets that is given each of the offers.
fn bash(folder: &Path, socket: &Path, line: &str) -> Vec<(String, String)> {
    let script = r#"
        source ./script
        complete -p sealctl | grep -q _sealctl_and_words || exit 9
        # As readline splits: at blanks that are not quoted, and at : and =.
        COMP_LINE="$1" COMP_POINT=${#1}
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _sealctl_and_words "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        got() { printf '%s\0' "$#" "$1"; }
        for offer in "${COMPREPLY[@]}"; do
            printf '%s\0' "$offer"
            case "${COMP_WORDS[COMP_CWORD]}" in
                \'*) eval "got '$offer'" ;;
                \"*) eval "got \"$offer\"" ;;
                *) eval "got $offer" ;;
            esac
        done
    "#;
    let mut words: Vec<String> = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        let last = words.last_mut().unwrap();
        match (c, quote) {
            (' ', None) if !last.ends_with('\\') => words.push(String::new()),
            (':' | '=', None) => words.extend([c.to_string(), String::new()]),
            _ => {
                if matches!(c, '\'' | '"') {
                    quote = Some(c);
                }
                last.push(c);
            }
        }
    }
    let last = words.pop().unwrap();
    words.retain(|word| !word.is_empty());
    words.push(last);
    let mut command = Command::new("bash");
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8").env("SEALD_SOCKET", socket);
    command.current_dir(folder).args(["--norc", "-c", script, "bash", line]).args(&words);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && err.is_empty(), "{line}: {err}");
    let text = String::from_utf8(output.stdout).unwrap();
    let parts: Vec<_> = text.split_terminator('\0').collect();
    parts
        .chunks(3)
        .map(|three| {
            assert_eq!(three[1], "1", "{} is one word", three[0]);
            (three[0].to_string(), three[2].to_string())
        })
        .collect()
}

#[test]
fn bash_offers_documents_and_generations_that_a_shell_takes_as_one_word() {
    let server = server();
    let dir = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_sealctl");
    let script = Command::new(program).args(["completions", "bash"]).output().unwrap();
    fs::write(dir.path().join("script"), script.stdout).unwrap();
    let offered = |line: &str| bash(dir.path(), server.socket(), &line.replace("sealctl", program));
    let got = |line: &str| offered(line).into_iter().map(|(_, got)| got).collect::<Vec<_>>();

    let mut all: Vec<String> = NAMES[..6].iter().rev().map(|name| name.to_string()).collect();
    all.extend((1..=9).rev().map(|id| id.to_string()));
    for verb in ["show", "edits", "retry", "forget"] {
        assert_eq!(got(&format!("sealctl {verb} ")), all, "{verb}");
    }
    assert!(!dir.path().join("pwned").exists(), "nothing was run");
    assert_eq!(got("sealctl show har"), ["harbour rules.md"]);
    assert_eq!(offered("sealctl show har")[0].0, "harbour\\ rules.md");
    assert_eq!(got("sealctl show harbour\\ r"), ["harbour rules.md"]);
    assert_eq!(got("sealctl show 'harbour r"), ["harbour rules.md"]);
    assert_eq!(got("sealctl show \"it"), Vec::<String>::new(), "it cannot be had in these quotes");
    assert_eq!(got("sealctl show 'it"), Vec::<String>::new());
    assert_eq!(offered("sealctl show a:b")[0].0, "b=c.md", "what is behind the last place where bash splits");
    assert_eq!(got("sealctl show 7"), ["7"]);
    let generations = got("sealctl rollback gen-00001");
    assert_eq!(generations, ["gen-000012", "gen-000011", "gen-000010"]);
    assert!(got("sealctl rollback ").contains(&"base".to_string()));
    assert!(got("sealctl export l").contains(&"live".to_string()));
    assert_eq!(got("sealctl ask --gen gen-000007"), ["gen-000007"]);
    assert_eq!(got("sealctl --json show har"), ["harbour rules.md"], "options in front count for nothing");
    // What is static stays as it was, and no document is offered where none is wanted.
    assert!(got("sealctl sta").contains(&"status".to_string()));
    assert!(!got("sealctl complete").contains(&"complete-words".to_string()));
    assert!(got("sealctl show --js").contains(&"--json".to_string()));
    assert!(!got("sealctl show 1 har").contains(&"harbour rules.md".to_string()));
    assert!(!got("sealctl docs har").contains(&"harbour rules.md".to_string()));
    // Another daemon than the one of $SEALD_SOCKET is asked where the line names it.
    let other = Server::start();
    let mine = DocumentsPage {
        documents: vec![seald_core::protocol::DocumentLine {
            name: "other.txt".into(),
            ..made_up::line(1, "Other", DocumentState::Waiting)
        }],
        next_before: None,
        total: 1,
    };
    other.on("GET /v1/documents?limit=500", Reply::json(&mine));
    let there = other.socket().display().to_string();
    assert_eq!(got(&format!("sealctl --socket {there} show o")), ["other.txt"]);
    assert_eq!(got(&format!("sealctl --socket={there} show o")), ["other.txt"]);
}

#[test]
fn without_a_daemon_nothing_is_offered_and_nothing_said() {
    let dir = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_sealctl");
    for args in [
        &["--root", "/nowhere", "complete-words", "documents"][..],
        &["--url", "nonsense", "complete-words", "documents", "x"],
        &["--socket", "/nowhere", "complete-words", "generations"],
    ] {
        let output = Command::new(program).env_clear().current_dir(dir.path()).args(args).output().unwrap();
        assert_eq!(told(output), (Some(0), String::new(), String::new()), "{args:?}");
    }
    let server = Server::start();
    assert_eq!(run(&server, &["complete-words", "documents"]), (Some(0), String::new(), String::new()));
}

#[test]
fn each_word_says_what_it_is_and_zsh_and_fish_ask_for_them() {
    let server = server();
    let (_, out, _) = run(&server, &["complete-words", "documents", "harbour"]);
    assert_eq!(out, "harbour rules.md\tdocument 2, learned\n");
    let (_, out, _) = run(&server, &["complete-words", "documents", "2"]);
    assert_eq!(out, "2\tA title of two\n");
    let (_, out, _) = run(&server, &["complete-words", "generations", "gen-000012"]);
    assert!(out.starts_with("gen-000012\tlive, learned 2 documents"), "{out}");
    let script = |shell: &str| run(&server, &["completions", shell]).1;
    let zsh = script("zsh");
    assert_eq!(zsh.matches(":_sealctl_documents'").count(), 4, "show, edits, retry, forget");
    assert_eq!(zsh.matches(":_sealctl_generations'").count(), 2, "ask, why");
    for (finds, verb) in
        [("_sealctl_generations_or_base", "rollback"), ("_sealctl_generations_or_live", "export")]
    {
        assert_eq!(zsh.matches(&format!(":{finds}'")).count(), 1, "{verb}");
        assert!(zsh.contains(&format!("\n{finds}() {{")), "{verb}");
    }
    let (words, end) = (zsh.find("_sealctl_words() {").unwrap(), zsh.find("if [ \"$funcstack[1]\"").unwrap());
    assert!(words < end && zsh.starts_with("#compdef sealctl"), "defined before it is used");
    let fish = script("fish");
    assert!(
        fish.contains(
            "using_subcommand show edits retry forget\" -f -a \"(command sealctl complete-words documents"
        ),
        "{fish}"
    );
    for shell in ["bash", "zsh", "fish"] {
        // The scripts ask for it, and offer it to nobody.
        let asks = script(shell).matches("complete-words").count();
        assert!((1..=4).contains(&asks), "{shell}: {asks}");
    }
}

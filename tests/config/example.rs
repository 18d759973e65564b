//! `seald.example.toml` is what the program would write, and every line of it is true.

use std::path::Path;

use seald::config::Config;

use crate::config::read;

/// The options of the example: line number from 0, and the line without its `#`.
fn options(example: &str) -> Vec<(usize, String)> {
    let option = regex::Regex::new(r"^#([a-z_]+ = .*)$").unwrap();
    let lines = example.lines().enumerate();
    lines.filter_map(|(at, line)| Some((at, option.captures(line)?[1].to_string()))).collect()
}

fn parse(text: &str) -> Config {
    Config::parse(text, Path::new("example")).unwrap()
}

#[test]
fn the_file_in_the_repository_is_the_one_that_the_program_writes() {
    let written = read("seald.example.toml");
    assert!(written == Config::example(), "run: seald config --example > seald.example.toml");
}

#[test]
fn as_it_stands_it_changes_nothing() {
    assert_eq!(parse(&Config::example()), Config::default());
}

#[test]
fn every_line_without_its_mark_is_the_default() {
    let example = Config::example();
    let options = options(&example);
    let lines: Vec<&str> = example.lines().collect();
    for (at, option) in &options {
        let mut with = lines.clone();
        with[*at] = option;
        assert_eq!(parse(&with.join("\n")), Config::default(), "{option}");
    }
    let mut all = lines.clone();
    options.iter().for_each(|(at, option)| all[*at] = option);
    assert_eq!(parse(&all.join("\n")), Config::default());
}

#[test]
fn every_option_is_in_it_once_and_can_be_set() {
    let example = Config::example();
    let count = |table: &toml::Table| table.values().filter(|value| !value.is_table()).count();
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    let known: usize = defaults.values().filter_map(|value| value.as_table()).map(count).sum();
    assert_eq!(options(&example).len(), known + count(&defaults));
    // A section that the parser ignored would pass the tests above.
    let set = example.replace("#settle_seconds = 2", "settle_seconds = 3").replace("#nice = 10", "nice = 11");
    let config = parse(&set.replace("#threads = 0", "threads = 7"));
    assert_eq!((config.inbox.settle_seconds, config.resources.nice, config.threads), (3, 11, Some(7)));
}

#[test]
fn every_option_says_its_meaning_in_lines_that_fit() {
    let example = Config::example();
    let lines: Vec<&str> = example.lines().collect();
    for (at, option) in options(&example) {
        assert!(lines[at - 1].starts_with("# "), "{option} has no comment");
    }
    let long: Vec<_> =
        lines.iter().filter(|line| line.starts_with("# ") && line.chars().count() > 115).collect();
    assert!(long.is_empty(), "{long:?}");
}

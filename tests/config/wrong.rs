//! What a wrong `seald.toml` is answered with: file, line, option and remedy.

use std::path::Path;

use seald::config::Config;
use seald_core::error::Kind;

/// The message for a file whose third line is `line`, in a section.
fn message(section: &str, line: &str) -> String {
    let head = if section.is_empty() { "#".to_string() } else { format!("[{section}]") };
    let error =
        Config::parse(&format!("# a comment\n{head}\n{line}\n"), Path::new("/etc/x.toml")).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    let message = error.to_string();
    assert!(message.starts_with("/etc/x.toml, line 3: "), "{message}");
    assert!(!message.contains('\n'), "{message:?}");
    message["/etc/x.toml, line 3: ".len()..].to_string()
}

/// Each of `words` stands in the message.
fn says(section: &str, line: &str, words: &[&str]) {
    let message = message(section, line);
    for word in words {
        assert!(message.contains(word), "{line}: no {word:?} in {message:?}");
    }
}

#[test]
fn an_unknown_option_is_answered_with_the_one_that_was_meant() {
    says(
        "inbox",
        "settle_second = 2",
        &["settle_second is no option in [inbox]", "did you mean settle_seconds?"],
    );
    says("inbox", "settel_seconds = 2", &["did you mean settle_seconds?"]);
    says("", "modle = 'nano'", &["did you mean model?"]);
    says("", "[resuorces]", &["did you mean resources?"]);
    says("resources", "Nice = 3", &["did you mean nice?"]);
    says("log", "zzz = 1", &["zzz is no option in [log]: there are level, format"]);
}

#[test]
fn a_name_of_an_earlier_version_is_answered_with_the_one_it_has_now() {
    says("", "[courtesy]", &["courtesy is called [resources] now"]);
    says("answers", "most_waiting = 9", &["most_waiting is called max_waiting now"]);
}

#[test]
fn an_option_in_the_wrong_place_is_told_its_place() {
    says("api", "settle_seconds = 2", &["it belongs in [inbox]"]);
    says("", "quiet_hours = []", &["it belongs in [schedule]"]);
    says("api", "root = '/x'", &["it belongs above all sections"]);
    says("", "inbox = '/srv/in'", &["inbox is a section", "inbox_folder"]);
}

#[test]
fn a_wrong_type_is_named_with_what_is_allowed() {
    says(
        "inbox",
        "settle_seconds = 'two'",
        &["inbox.settle_seconds: ", "a whole number", "seconds, 0 to 3,600"],
    );
    says("inbox", "settle_seconds = -1", &["inbox.settle_seconds: ", "a whole number of 0 or more"]);
    says("", "threads = -1", &["threads: ", "1 to 1,024"]);
    says("", "threads = 'all'", &["threads: ", "whole number"]);
    says("", "dtype = 'f16'", &["dtype: ", "`auto`, `f32`, `bf16`"]);
    says("resources", "pause_above_others = 300", &["resources.pause_above_others: ", "per cent, 1 to 100"]);
    says("resources", "max_memory = '6'", &["resources.max_memory: ", "for instance 8GiB"]);
    says("api", "listen = 'localhost'", &["api.listen: ", "127.0.0.1:"]);
    says("api", "socket_mode = '0860'", &["api.socket_mode: ", "as for chmod"]);
    says("learn", "distil = 1", &["learn.distil: ", "expected true or false"]);
    says("schedule", "quiet_hours = '22:00-07:00'", &["schedule.quiet_hours: ", "a list"]);
}

#[test]
fn a_value_out_of_range_is_named_with_the_range() {
    says("inbox", "settle_seconds = 3601", &["inbox.settle_seconds is 3601: give 0 to 3600"]);
    says("inbox", "poll_seconds = 0", &["inbox.poll_seconds is 0: give 1 to 86400"]);
    says("", "threads = 2000", &["threads is 2000: give 1 to 1024"]);
    says("", "root = '~/seald'", &["root is ~/seald", "in full"]);
    says("learn", "rank = 0", &["learn.rank is 0: give 1 to 256"]);
    says("learn", "kl_weight = -1.0", &["learn.kl_weight is -1: give a number of 0 or more"]);
    says("gate", "confidence = 1.0", &["gate.confidence is 1: give a number above 0 and below 1"]);
    says("gate", "log_floor = nan", &["gate.log_floor is NaN"]);
    says("reading", "memory = 1", &["reading.memory is 1: give 16777216 to"]);
    says("resources", "nice = -1", &["resources.nice is -1: give 0 to 19"]);
    says("resources", "pause_above_others = 101", &["give 1 to 100"]);
    says("resources", "max_memory = '1MiB'", &["resources.max_memory is 1MiB: give 64MiB or more"]);
    says("schedule", "keep_backups = 0", &["schedule.keep_backups is 0: give 1 to 1000"]);
    says("schedule", "quiet_hours = ['22-7']", &["schedule.quiet_hours has \"22-7\"", "22:00-07:00"]);
    says("log", "level = 'inof'", &["log.level is \"inof\"", "info"]);
    says("log", "level = ''", &["log.level is \"\""]);
    says("api", "socket_mode = '0177'", &["api.socket_mode is \"0177\""]);
}

#[test]
fn a_cron_expression_is_checked_and_answered_with_an_example() {
    says(
        "schedule",
        "replay = '0 4 * * *'",
        &["schedule.replay is", "write \"0 0 4 * * *\"", "every day at 04:00"],
    );
    says("schedule", "prune = '0 0 25 * * *'", &["schedule.prune is \"0 0 25 * * *\"", "for instance"]);
    says("schedule", "backup = 'daily'", &["schedule.backup is \"daily\"", "second, minute, hour"]);
    let good = "[schedule]\nreplay = ''\nprune = '0 30 4 * * Mon-Fri'\nquiet_hours = ['22:00-07:00']\n[log]\nlevel = 'warn,seald_ingest=debug'";
    let config = Config::parse(good, Path::new("x")).unwrap();
    assert!(!config.schedule.quiet().unwrap().is_empty());
}

#[test]
fn listening_needs_a_token_and_a_word_for_other_machines() {
    says("api", "listen = '127.0.0.1:7325'", &["api.listen is 127.0.0.1:7325", "token_file"]);
    says("api", "listen = '192.168.1.5:7325'\ntoken_file = '/t'", &["allow_remote = true"]);
    says("api", "listen = '0.0.0.0:7325'\ntoken_file = '/t'", &["allow_remote = true"]);
    for good in ["listen = '[::1]:7325'", "listen = '0.0.0.0:7325'\nallow_remote = true"] {
        Config::parse(&format!("[api]\ntoken_file = '/t'\n{good}"), Path::new("x")).unwrap();
    }
}

#[test]
fn another_writer_needs_an_address_that_keeps_the_documents_secret() {
    says("writer", "url = 'https://a.example/v1'", &["writer.url is", "no model"]);
    says("writer", "url = 'http://a.example/v1'\nmodel = 'm'", &["writer.url is", "allow_plain_http = true"]);
    says("writer", "timeout_seconds = 0", &["writer.timeout_seconds is 0: give 1 to 3600"]);
    says("writer", "temperature = 1.0", &["temperature is no option in [writer]"]);
}

#[test]
fn servers_that_serve_are_told_apart_and_checked() {
    let here = "http://127.0.0.1:8000";
    says("", "serve_to = [{ url = 'http://gpu:8000' }]", &["serve_to, server 1: url is", "allow_plain_http"]);
    let twice = format!("serve_to = [{{ url = '{here}' }}, {{ url = '{here}' }}]");
    says("", &twice, &["serve_to, server 2: ", "has the name seald already: give another"]);
    says(
        "",
        "serve_to = [{ adress = 'x' }]",
        &["serve_to: ", "unknown field `adress`", "`url`, `name`, `path`"],
    );
    says("", "[[serve_to]]\ntimeout_seconds = 60", &["serve_to, server 1: url is \"\""]);
    says("", "serve_to = 'http://gpu:8000'", &["serve_to: ", "a list"]);
}

#[test]
fn what_is_no_toml_is_named_with_its_line() {
    says("inbox", "settle_seconds = ", &[]);
    says("inbox", "settle_seconds 2", &[]);
    says("inbox", "poll_seconds = 1 2", &[]);
    let twice = Config::parse("[log]\nlevel = 'info'\nlevel = 'warn'\n", Path::new("x.toml")).unwrap_err();
    assert!(
        twice.to_string().starts_with("x.toml, line 3: ") && twice.to_string().contains("duplicate"),
        "{twice}"
    );
}

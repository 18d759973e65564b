//! Where the configuration is found, what it then means, and what a new one changes.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::keys::sections;
use super::lines::RENAMED;
use super::load::Environment;
use super::*;

/// A made-up machine: a home, a current folder, a place for the system's file.
struct Machine {
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, OsString)>,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "here"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let variables = vec![("HOME", folder.path().join("home").into())];
        Self { folder, variables }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn load(&self, path: Option<&Path>, root: Option<&Path>) -> Result<Config> {
        let variable =
            |name: &str| self.variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone());
        let (here, system_file) = (self.path("here"), self.path("etc/seald.toml"));
        Environment { variable: &variable, here: &here, system_file: &system_file }.load(path, root)
    }
}

#[test]
fn without_a_file_everything_has_its_default() {
    let machine = Machine::new();
    let config = machine.load(None, None).unwrap();
    assert_eq!(config.root, machine.path("home/.local/share/seald"));
    assert_eq!(config.inbox_path(), config.root.join("inbox"));
    assert_eq!(config.socket_path(), config.root.join("state/seald.sock"));
    assert_eq!(config, Config { root: config.root.clone(), ..Config::default() });
}

#[test]
fn the_current_folder_is_the_root_if_it_looks_like_one() {
    let machine = Machine::new();
    fs::create_dir(machine.path("here/state")).unwrap();
    assert_ne!(machine.load(None, None).unwrap().root, machine.path("here"));
    fs::create_dir(machine.path("here/adapters")).unwrap();
    assert_eq!(machine.load(None, None).unwrap().root, machine.path("here"));
}

#[test]
fn the_file_is_searched_in_order() {
    let mut machine = Machine::new();
    let from = |machine: &Machine, path: Option<&Path>, root: Option<&Path>| {
        let config = machine.load(path, root).unwrap();
        (config.source.unwrap(), config.threads.unwrap())
    };
    let system = machine.write("etc/seald.toml", "threads = 1");
    assert_eq!(from(&machine, None, None), (system.clone(), 1));
    let in_root = machine.write("home/.local/share/seald/seald.toml", "threads = 2");
    assert_eq!(from(&machine, None, None), (in_root, 2));
    let root = machine.path("root");
    assert_eq!(from(&machine, None, Some(&root)), (system, 1), "another root has no file");
    let in_root = machine.write("root/seald.toml", "threads = 3");
    assert_eq!(from(&machine, None, Some(&root)), (in_root, 3));
    let by_variable = machine.write("variable.toml", "threads = 4");
    machine.variables.push(("SEALD_CONFIG", by_variable.clone().into()));
    assert_eq!(from(&machine, None, Some(&root)), (by_variable, 4));
    let named = machine.write("named.toml", "threads = 5");
    assert_eq!(from(&machine, Some(&named), Some(&root)), (named, 5));
}

#[test]
fn a_named_file_has_to_be_there() {
    let mut machine = Machine::new();
    machine.write("etc/seald.toml", "threads = 1");
    let absent = machine.path("absent.toml");
    let error = machine.load(Some(&absent), None).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.to_string().contains("absent.toml"), "{error}");
    machine.variables.push(("SEALD_CONFIG", absent.into()));
    assert_eq!(machine.load(None, None).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn relative_paths_start_at_the_files_folder() {
    let machine = Machine::new();
    let text = "root = 'r'\ninbox_folder = 'drop/here'\nmodel = './nano'\n[api]\nsocket = 's.sock'\n";
    let file = machine.write("conf/seald.toml", text);
    let config = machine.load(Some(&file), None).unwrap();
    let at = |name: &str| machine.path("conf").join(name);
    assert_eq!((config.root.clone(), config.inbox_path()), (at("r"), at("drop/here")));
    assert_eq!((config.model.clone(), config.socket_path()), (at("nano"), at("s.sock")));
    let other = machine.path("other");
    let config = machine.load(Some(&file), Some(&other)).unwrap();
    assert_eq!((config.root.clone(), config.inbox_path()), (other, at("drop/here")), "--root goes before");
}

#[test]
fn the_systems_file_has_the_systems_folders() {
    let mut machine = Machine::new();
    machine.write("etc/seald.toml", "");
    let config = machine.load(None, None).unwrap();
    assert_eq!(config.root, Path::new("/var/lib/seald"));
    assert_eq!(config.socket_path(), Path::new("/run/seald/seald.sock"));
    let own = machine.path("own");
    let config = machine.load(None, Some(&own)).unwrap();
    assert_eq!((config.root.clone(), config.socket_path()), (own.clone(), own.join("state/seald.sock")));
    machine.variables.push(("RUNTIME_DIRECTORY", "/run/other:/run/more".into()));
    assert_eq!(machine.load(None, Some(&own)).unwrap().socket_path(), Path::new("/run/other/seald.sock"));
}

#[test]
fn a_token_is_long_and_secret() {
    let machine = Machine::new();
    let file = machine.write("seald.toml", "\n[api]\nlisten = '127.0.0.1:7325'\ntoken_file = 'token'\n");
    let refused = |words: &str| {
        let error = machine.load(Some(&file), None).unwrap_err().to_string();
        assert!(error.contains("seald.toml, line 4: api.token_file") && error.contains(words), "{error}");
        error
    };
    refused("cannot read");
    let token = machine.write("token", "0123456789abcdef\n");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    refused("mode 0644");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o640)).unwrap();
    let config = machine.load(Some(&file), None).unwrap();
    assert_eq!(config.api.token().unwrap().as_deref(), Some("0123456789abcdef"));
    for wrong in ["0123456789abcde\n", "0123456789 abcdef", "0123456789\tabcdefg"] {
        fs::write(&token, wrong).unwrap();
        assert!(!refused("openssl").contains(wrong.trim()), "a token does not belong into a message");
    }
}

#[test]
fn the_files_of_another_writer_are_looked_at_if_there_is_one() {
    let machine = Machine::new();
    let off = machine.write("off.toml", "[writer]\napi_key_file = 'key'\n");
    assert_eq!(machine.load(Some(&off), None).unwrap().writer.api_key_file, machine.path("key"));
    let text = "[writer]\nurl = 'https://a.example/v1'\nmodel = 'm'\napi_key_file = 'key'\nca_file = 'ca'\n";
    let file = machine.write("seald.toml", text);
    let refused = |words: &str| {
        let error = machine.load(Some(&file), None).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        error
    };
    refused("seald.toml, line 4: writer.api_key_file: cannot read");
    let key = machine.write("key", "sk-secret\n");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o604)).unwrap();
    refused("mode 0604");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    refused("seald.toml, line 5: writer.ca_file: cannot read");
    machine.write("ca", "no certificate");
    refused("line 5: writer.ca_file ");
    fs::write(&key, "sk secret").unwrap();
    assert!(
        !refused("line 4: writer.api_key_file ").contains("secret"),
        "a key does not belong into a message"
    );
}

#[test]
fn the_files_of_servers_are_looked_at() {
    let machine = Machine::new();
    let text = "threads = 1\n[[serve_to]]\nurl = 'http://127.0.0.1:8000'\n[[serve_to]]\nname = 'b'\nurl = 'http://127.0.0.1:8000'\napi_key_file = 'key'\n";
    let file = machine.write("seald.toml", text);
    let error = machine.load(Some(&file), None).unwrap_err().to_string();
    assert!(error.contains("seald.toml, line 2: serve_to, server 2: api_key_file: cannot read"), "{error}");
    let key = machine.write("key", "secret\n");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let config = machine.load(Some(&file), None).unwrap();
    let names: Vec<_> = config.serve_to.iter().map(|server| server.name.as_str()).collect();
    assert_eq!((names, &config.serve_to[1].api_key_file), (vec!["seald", "b"], &key));
    let again = Config::parse(&config.effective_toml().unwrap(), &file).unwrap();
    assert_eq!(again.serve_to, config.serve_to);
}

#[test]
fn every_option_is_described_and_belongs_to_one_section() {
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    let (tables, values): (Vec<_>, Vec<_>) = defaults.iter().partition(|(_, value)| value.is_table());
    let sections = sections();
    assert_eq!(sections.len(), tables.len() + 1, "a section is missing in `sections`");
    for section in &sections {
        let table = defaults.get(section.name).and_then(|table| table.as_table());
        let known = table.map_or(values.len(), |table| table.len());
        assert_eq!(section.keys.len(), known, "[{}]", section.name);
        assert!(section.name.is_empty() || !section.about.is_empty(), "[{}] is not described", section.name);
        for key in &section.keys {
            for key in std::iter::once(key).chain(&key.each) {
                assert!(
                    key.about.len() > 15,
                    "{}.{} is not described: {:?}",
                    section.name,
                    key.name,
                    key.about
                );
            }
        }
    }
}

#[test]
fn a_reload_says_what_changes_now_and_what_later() {
    let old = Config::default();
    assert_eq!(old.reloadable_difference(&old), (vec![], vec![]));
    let mut new = old.clone();
    new.inbox.settle_seconds = 9;
    new.gate.confidence = 0.9;
    new.writer.max_retries = 0;
    new.learn.candidates = 4;
    new.schedule.keep_backups = 9;
    new.resources = ResourceOptions {
        nice: 5,
        pause_above_others: Some(50),
        unload_after_seconds: 9,
        max_memory: "1GiB".parse().ok(),
    };
    new.log = LogOptions { level: "debug".into(), format: LogFormat::Json };
    new.threads = Some(1);
    new.root = "/elsewhere".into();
    new.inbox_folder = Some("/in".into());
    new.api.socket_mode = 0o600;
    new.reading.pages = 3;
    new.dtype = Dtype::F32;
    new.serve_to = vec![ServingOptions::default()];
    new.model = "/m".into();
    let (now, later) = old.reloadable_difference(&new);
    let expected = [
        "inbox",
        "learn",
        "writer",
        "gate",
        "schedule",
        "resources.pause_above_others",
        "resources.unload_after_seconds",
        "resources.max_memory",
        "log.level",
    ];
    assert_eq!(now, expected);
    let expected = [
        "root",
        "inbox_folder",
        "model",
        "threads",
        "dtype",
        "serve_to",
        "api",
        "reading",
        "resources.nice",
        "log.format",
    ];
    assert_eq!(later, expected);
}

#[test]
fn what_was_renamed_is_there_by_its_new_name_and_not_by_its_old_one() {
    let sections = sections();
    for (section, old, new) in RENAMED {
        let keys = sections.iter().filter(|s| s.name == section).flat_map(|s| &s.keys).map(|key| key.name);
        let names: Vec<&str> = keys.chain(sections.iter().map(|s| s.name)).collect();
        assert!(names.contains(&new.trim_matches(['[', ']'])), "there is no {new} in [{section}]");
        assert!(!names.contains(&old), "{old} is still there");
    }
}
